"""Opus (RFC 6716) through libopus by `ctypes`: packets of one size, and help against loss.

PyAV's own Opus codec can neither conceal a lost packet nor read the copy of it that the next
packet carries (in-band FEC), and stock aiortc falls apart for that reason. The library itself
lies inside PyAV's wheel, so nothing more has to be installed.

An encoder or decoder belongs to one stream of sound and is used from one thread at a time.
"""

import ctypes
import ctypes.util
import functools
import importlib.util
from pathlib import Path

from hark.errors import HarkError, MalformedError, MissingPartError
from hark.wire.sound import (
    FRAME_BYTES,
    FRAME_SAMPLES,
    FRAMES_PER_S,
    OPUS_PACKET_BYTES,
    SAMPLE_RATE_HZ,
)

MAX_PACKET_BYTES = 1275
"""Longest packet of one frame (RFC 6716, 3.2.1). A peer may send any size up to it."""

COMPLEXITY = 9
"""Of 0..10. PESQ at 10 % loss is 3.45 with 5, 3.51 with 7 and 3.63 with 9, for 1.8, 2.0 and
2.2 % of a core; 10 gives the same as 9."""
MAX_EXPECTED_LOSS = 0.15
"""Beyond it the copies take more from the voice than they save; measured up to 20 % of loss."""

CHANNELS = 1

# From opus_defines.h.
_OK = 0
_APPLICATION_VOIP = 2048
_SIGNAL_VOICE = 3001
_BANDWIDTH_WIDE = 1103
_BANDWIDTH_FULL = 1105
_SET_BITRATE = 4002
_SET_MAX_BANDWIDTH = 4004
_SET_VBR = 4006
_SET_COMPLEXITY = 4010
_SET_INBAND_FEC = 4012
_SET_PACKET_LOSS_PERC = 4014
_SET_DTX = 4016
_SET_SIGNAL = 4024


class CodecError(HarkError):
    """The codec library refused what only we could have got wrong."""


class OpusEncoder:
    """Makes packets of exactly one size out of the frames of one voice.

    Raises:
        MissingPartError: libopus is not there.
    """

    def __init__(self, *, packet_bytes: int = OPUS_PACKET_BYTES) -> None:
        self._library = _library()
        self._packet_bytes = packet_bytes
        self._state = ctypes.create_string_buffer(_size(self._library, "opus_encoder_get_size"))
        _check(
            self._library.opus_encoder_init(
                self._state, SAMPLE_RATE_HZ, CHANNELS, _APPLICATION_VOIP
            )
        )
        # With a variable rate or silence left out, the sizes of packets tell what is said.
        self._set(_SET_VBR, 0)
        self._set(_SET_DTX, 0)
        self._set(_SET_BITRATE, packet_bytes * 8 * FRAMES_PER_S)
        self._set(_SET_SIGNAL, _SIGNAL_VOICE)
        self._set(_SET_COMPLEXITY, COMPLEXITY)
        self._set(_SET_INBAND_FEC, 1)
        self._out = ctypes.create_string_buffer(packet_bytes)

    def expect_loss(self, share: float) -> None:
        """Spend on copies of the packets before what this share of loss (0..1) is worth.

        A copy holds what lies below 8 kHz. So where copies are to help, the voice itself ends
        there: else its highs would come and go, and take the room that the copies need.
        """
        percent = round(100 * min(max(share, 0), MAX_EXPECTED_LOSS))
        self._set(_SET_MAX_BANDWIDTH, _BANDWIDTH_WIDE if percent else _BANDWIDTH_FULL)
        self._set(_SET_PACKET_LOSS_PERC, percent)

    def encode(self, frame: bytes) -> bytes:
        """Return the packet of a frame (`hark.wire.sound`)."""
        if len(frame) != FRAME_BYTES:
            raise CodecError(f"a frame of {len(frame)} bytes")
        length: int = self._library.opus_encode(
            self._state, frame, FRAME_SAMPLES, self._out, self._packet_bytes
        )
        _check(length)
        if length < self._packet_bytes:
            # The library fills up by itself at a constant rate; this holds if it ever does not.
            _check(self._library.opus_packet_pad(self._out, length, self._packet_bytes))
        return self._out.raw

    def _set(self, request: int, value: int) -> None:
        _check(self._library.opus_encoder_ctl(self._state, request, ctypes.c_int32(value)))


class OpusDecoder:
    """Makes frames out of the packets of one voice, and out of none where one was lost.

    Every call stands for the next 20 ms of the stream.

    Raises:
        MissingPartError: libopus is not there.
    """

    def __init__(self) -> None:
        self._library = _library()
        self._state = ctypes.create_string_buffer(_size(self._library, "opus_decoder_get_size"))
        _check(self._library.opus_decoder_init(self._state, SAMPLE_RATE_HZ, CHANNELS))
        self._out = ctypes.create_string_buffer(FRAME_BYTES)

    def decode(self, packet: bytes) -> bytes:
        """Return the frame of a packet.

        Raises:
            MalformedError: it is not a packet of 20 ms.
        """
        self._demand_frame(packet)
        return self._decode(packet, from_copy=False)

    def recover(self, next_packet: bytes) -> bytes:
        """Return the frame whose packet was lost, from the copy in the packet after it.

        Where that holds no copy, the frame is concealed. The next packet is still to be
        decoded for its own frame.

        Raises:
            MalformedError: it is not a packet of 20 ms.
        """
        self._demand_frame(next_packet)
        return self._decode(next_packet, from_copy=True)

    def conceal(self) -> bytes:
        """Return a frame that goes on from the last ones, fading when asked for often."""
        return self._decode(None, from_copy=False)

    def _demand_frame(self, packet: bytes) -> None:
        if not 0 < len(packet) <= MAX_PACKET_BYTES:
            raise MalformedError("no Opus packet is this long")
        samples: int = self._library.opus_packet_get_nb_samples(
            packet, len(packet), SAMPLE_RATE_HZ
        )
        if samples != FRAME_SAMPLES:
            raise MalformedError("not an Opus packet of 20 ms")

    def _decode(self, packet: bytes | None, *, from_copy: bool) -> bytes:
        length = 0 if packet is None else len(packet)
        samples: int = self._library.opus_decode(
            self._state, packet, length, self._out, FRAME_SAMPLES, int(from_copy)
        )
        if samples != FRAME_SAMPLES:
            raise MalformedError("the codec cannot decode this packet")
        return self._out.raw


@functools.cache
def _library() -> ctypes.CDLL:
    """Return libopus, loaded once, with the types of what is called here."""
    library = _load()
    pointer, size = ctypes.c_void_p, ctypes.c_int32
    number, text = ctypes.c_int, ctypes.c_char_p
    library.opus_encoder_get_size.argtypes = [number]
    library.opus_decoder_get_size.argtypes = [number]
    library.opus_encoder_init.argtypes = [pointer, size, number, number]
    library.opus_decoder_init.argtypes = [pointer, size, number]
    # Takes more than these; on some processors such a call is made in another way, and
    # `ctypes` knows by the missing types.
    library.opus_encoder_ctl.argtypes = [pointer, number]
    library.opus_encode.argtypes = [pointer, text, number, pointer, size]
    library.opus_encode.restype = size
    library.opus_decode.argtypes = [pointer, text, size, pointer, number, number]
    library.opus_packet_get_nb_samples.argtypes = [text, size, size]
    library.opus_packet_pad.argtypes = [pointer, size, size]
    return library


def _load() -> ctypes.CDLL:
    for path in _candidates():
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue
    raise MissingPartError("libopus, the codec of calls: install the package `av` or libopus")


def _candidates() -> list[str]:
    """Return where libopus may be: inside the wheel of PyAV first, then in the system."""
    found: list[str] = []
    # Asks where the package is without loading it.
    package = importlib.util.find_spec("av")
    if package is not None and package.origin is not None:
        folder = Path(package.origin).parent
        for pattern in ("../av.libs/libopus-*.so*", ".dylibs/libopus*.dylib"):
            found += sorted(str(path) for path in folder.glob(pattern))
    system = ctypes.util.find_library("opus")
    return [*found, system] if system else found


def _size(library: ctypes.CDLL, function: str) -> int:
    size: int = library[function](CHANNELS)
    return size


def _check(status: int) -> None:
    """Raise for a negative status of the library."""
    if status < _OK:
        raise CodecError(f"libopus says {status}")

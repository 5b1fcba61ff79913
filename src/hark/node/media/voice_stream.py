"""One voice each way: sound to sealed packets, and back.

Every 20 ms one packet is sent, all of one size, whatever is said and whether anything is: who
watches the line learns how long a call lasts and nothing of what is in it.
What arrives is played only after its seal has been opened; all else is counted and forgotten.
Source: spec/calls.md#rtp, spec/calls.md#sframe.
"""

import secrets

from hark.calls.media import MediaKeys
from hark.crypto.sframe import SFrameReceiver, SFrameSender
from hark.errors import PeerError
from hark.machine import Instant
from hark.node.media.rtp import (
    HEADER_BYTES,
    Reception,
    RtpHeader,
    encode_rtp,
    next_timestamp,
    parse_rtp,
)
from hark.node.media.voice import VoiceEncoder, VoicePlayer


class VoiceSender:
    """Makes packets of sound."""

    def __init__(self, keys: MediaKeys, encoder: VoiceEncoder) -> None:
        self.ssrc = secrets.randbelow(2**32)
        self.packets = 0
        self.octets = 0
        """Of payload, as reports count them."""
        self.timestamp = secrets.randbelow(2**32)
        """RTP time of the next packet."""
        self._seal = SFrameSender(keys.send_base, keys.send_key_id)
        self._encoder = encoder

    def packet(self, frame: bytes) -> bytes:
        """Return the packet of the next frame.

        Raises:
            UsageError: this connection has sent as much as its key may seal.
        """
        sequence = self._seal.counter & 0xFFFF
        sealed = self._seal.seal(self._encoder.encode(frame))
        packet = encode_rtp(RtpHeader(sequence, self.timestamp, self.ssrc), sealed)
        self.skip(1)
        self.packets += 1
        self.octets += len(packet) - HEADER_BYTES
        return packet

    def skip(self, frames: int) -> None:
        """Let the time of frames pass that are not sent."""
        self.timestamp = next_timestamp(self.timestamp, frames)

    def expect_loss(self, share: float) -> None:
        """Protect frames against a loss of this share, 0..1."""
        self._encoder.expect_loss(share)


class VoiceReceiver:
    """Makes sound of packets."""

    def __init__(self, keys: MediaKeys, player: VoicePlayer) -> None:
        self.reception = Reception()
        self.refused = 0
        """Packets that were not what they must be."""
        self.ssrc = 0
        """Of the packets that were opened; 0 before the first."""
        self._open = SFrameReceiver(keys.receive_base, keys.receive_key_id)
        self._player = player

    def take(self, packet: bytes, now: Instant) -> bool:
        """Take a packet from the connection; return whether it is a frame to be played."""
        try:
            header, sealed = parse_rtp(packet)
            opened = self._open.open(sealed)
        except PeerError:
            self.refused += 1
            return False
        self.ssrc = header.ssrc
        self.reception.count(opened.counter, header.timestamp, now)
        self._player.put(opened.counter, opened.frame, now)
        return True

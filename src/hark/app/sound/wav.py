"""WAV files: read frame by frame whatever their form, and written so that a kill leaves a file.

Memory does not grow with the length of a file. Loads the media library (PyAV).
"""

import errno
import os
import struct
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import av
from av.container import InputContainer
from av.error import FFmpegError

from hark.app.sound.convert import Framer
from hark.errors import DiskFullError, SoundFileError, UsageError
from hark.wire.sound import FRAME_BYTES, FRAMES_PER_S, SAMPLE_BYTES, SAMPLE_RATE_HZ

RIFF = {b"RIFF", b"RF64"}
"""First four bytes of a WAV file; the second kind may be longer than 4 GiB."""
UNKNOWN_LENGTHS = {0, 2**32 - 1}
"""Lengths of the sound that programs write when they do not know it yet (RF64: elsewhere)."""
MAX_CHUNKS = 100
"""Chunks of a file that are looked at before its sound must have begun."""
HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
"""`RIFF`, length of what follows, `WAVE`; `fmt `, its length, kind of samples, channels, rate,
bytes per second, bytes per moment, bits; `data`, length of the sound."""
PCM = 1
MAX_WRITTEN_S = 12 * 3600
"""Longest recording, in seconds: the header counts to 4 GiB, which is 12 h 25 min."""


class WavReader:
    """The sound of one WAV file as frames: 8 to 64 bits or float, any rate, any channels.

    Raises:
        SoundFileError: it cannot be read, is no WAV file, is cut off or has no sound in it.
    """

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._file = _open(path)
        try:
            _check_whole(self._file, self._name)
            self._container = self._open_container()
            self._frames = self._decoded()
            # Looked for at once: whoever is called should hear something.
            self._ahead = deque([next(self._frames, None)])
        except BaseException:
            self._file.close()
            raise
        if self._ahead[0] is None:
            self.close()
            raise SoundFileError(f"there is no sound in {self._name}")

    def next(self) -> bytes | None:
        """Return the next frame, the last one filled up with silence; None after the last.

        Raises:
            SoundFileError: what follows cannot be decoded.
        """
        return self._ahead.popleft() if self._ahead else next(self._frames, None)

    def close(self) -> None:
        """Close the file."""
        self._container.close()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _open_container(self) -> InputContainer:
        # The form is named and the file is open: a playlist or an address is never followed.
        try:
            return av.open(self._file, mode="r", format="wav")
        except (FFmpegError, ValueError) as error:
            raise SoundFileError(f"{self._name} is damaged") from error

    def _decoded(self) -> Iterator[bytes]:
        framer = Framer()
        try:
            if self._container.streams.audio:
                for sound in self._container.decode(audio=0):
                    yield from framer.feed(sound)
                yield from framer.finish()
        except (FFmpegError, ValueError, OSError) as error:
            raise SoundFileError(f"the sound in {self._name} cannot be decoded") from error


class WavWriter:
    """Writes frames to a new WAV file that only its owner can read (0600).

    The header is right once a second: after a kill, or on a full disk, the file holds all but
    the last second and can be played. A file that nothing was written to is taken away.

    Raises:
        UsageError: there is a file of that name already, or none can be made there.
        DiskFullError: there is no room for it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = path.name
        self._waiting: list[bytes] = []
        self._written_bytes = 0
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            raise self._error(error) from error
        try:
            self._write_out()
        except BaseException:
            os.close(self._descriptor)
            path.unlink()
            raise

    def write(self, frame: bytes) -> None:
        """Take the next frame.

        Raises:
            DiskFullError: there is no room; what was written before can be played.
            SoundFileError: the file is as long as a WAV file can be.
        """
        self._waiting.append(frame)
        if len(self._waiting) < FRAMES_PER_S:
            return
        if self._written_bytes >= MAX_WRITTEN_S * FRAMES_PER_S * FRAME_BYTES:
            raise SoundFileError(f"{self._name} has reached 12 hours, and no more fits in")
        self._write_out()

    def close(self) -> None:
        """Write what is left and close the file.

        Raises:
            DiskFullError: there was no room for the last second.
        """
        try:
            self._write_out()
        finally:
            os.close(self._descriptor)
            if not self._written_bytes:
                # Nobody came to be heard; the name shall not be in the way of another try.
                self._path.unlink(missing_ok=True)

    def _write_out(self) -> None:
        sound = b"".join(self._waiting)
        # Whatever happens now: it is not tried twice.
        self._waiting.clear()
        try:
            # The sound before the header that speaks of it.
            _write_at(self._descriptor, sound, HEADER.size + self._written_bytes)
            header = _header(self._written_bytes + len(sound))
            _write_at(self._descriptor, header, 0)
        except OSError as error:
            raise self._error(error) from error
        self._written_bytes += len(sound)

    def _error(self, error: OSError) -> DiskFullError | UsageError:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            return DiskFullError(f"no room for {self._name}")
        if error.errno == errno.EEXIST:
            return UsageError(f"{self._name} exists already, and no file is overwritten")
        reason = os.strerror(error.errno or 0).lower()
        return UsageError(f"{self._name} cannot be written: {reason}")


def _open(path: Path) -> BinaryIO:
    try:
        # Opening a pipe would wait until somebody writes into it.
        if path.exists() and not path.is_file():
            raise SoundFileError(f"{path.name or path} is no file")
        return path.open("rb")
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno or 0).lower() if isinstance(error, OSError) else ""
        raise SoundFileError(
            f"{path.name} cannot be read: {reason or 'no such name'}"
        ) from error


def _check_whole(file: BinaryIO, name: str) -> None:
    """Look through the chunks of a WAV file up to its sound; leave the file at its start.

    Raises:
        SoundFileError: it is none, or ends before its sound does.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(12)
    if start[:4] not in RIFF or start[8:] != b"WAVE":
        raise SoundFileError(f"{name} is no WAV file" if size else f"{name} is empty")
    for _chunk in range(MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            break
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"data":
            if length not in UNKNOWN_LENGTHS and file.tell() + length > size:
                raise SoundFileError(f"{name} is cut off: the end of its sound is missing")
            file.seek(0)
            return
        # A chunk of odd length is followed by one byte of nothing.
        file.seek(length + length % 2, os.SEEK_CUR)
    raise SoundFileError(f"{name} is cut off: its sound is missing")


def _header(sound_bytes: int) -> bytes:
    return HEADER.pack(
        b"RIFF",
        HEADER.size - 8 + sound_bytes,
        b"WAVE",
        b"fmt ",
        16,
        PCM,
        1,
        SAMPLE_RATE_HZ,
        SAMPLE_RATE_HZ * SAMPLE_BYTES,
        SAMPLE_BYTES,
        8 * SAMPLE_BYTES,
        b"data",
        sound_bytes,
    )


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written

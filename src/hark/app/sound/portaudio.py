"""The part of the sound library that hark uses, with types; loaded when a device is used.

The library has no annotations of its own, so each thing that is used is named here.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, cast

from hark.errors import MissingPartError

HOW_TO_INSTALL = "the PortAudio library is missing: sudo apt-get install libportaudio2"

Callback = Callable[[memoryview, int, object, object], None]
"""Called on a thread of the library: buffer, moments in it, their time, what went wrong."""


class Stream(Protocol):
    """Sound that runs into or out of a device."""

    @property
    def active(self) -> bool:
        """Whether the library still calls back."""

    def start(self) -> None:
        """Begin to call back."""

    def abort(self) -> None:
        """Stop at once, without playing what waits."""

    def close(self) -> None:
        """Let go of the device."""


class OpenStream(Protocol):
    """Opens a stream of raw samples on the default device of its direction."""

    def __call__(
        self,
        *,
        samplerate: float,
        channels: int,
        dtype: str,
        blocksize: int,
        latency: str,
        callback: Callback,
    ) -> Stream:
        """Open it; raises `PortAudioError` when the device does not do that."""


class Library(Protocol):
    """`sounddevice`."""

    RawInputStream: OpenStream
    RawOutputStream: OpenStream
    PortAudioError: type[Exception]

    def query_devices(self, *, kind: str) -> dict[str, str | int | float]:
        """Describe the default device for `input` or `output`."""

    def _initialize(self) -> None: ...

    def _terminate(self) -> None: ...


def load() -> Library:
    """Load the library.

    Raises:
        MissingPartError: PortAudio is not installed.
    """
    try:
        import sounddevice  # noqa: PLC0415
    except OSError as error:
        hint = HOW_TO_INSTALL if sys.platform == "linux" else "PortAudio is missing"
        raise MissingPartError(hint) from error
    return cast(Library, sounddevice)


def look_again(library: Library) -> None:
    """Notice devices that have come and gone. No stream may be open.

    PortAudio lists the devices once, when it is initialised, and the library has no public
    name for doing that again.
    """
    library._terminate()  # noqa: SLF001
    library._initialize()  # noqa: SLF001


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what the sound system writes to the standard error off the person's screen.

    It writes a page of its own inner life when a device is not there or goes; what matters of
    it is raised as an error as well. Our own errors are shown when this is over.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)

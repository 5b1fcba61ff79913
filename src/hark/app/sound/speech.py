"""Human speech to try a call with: a named file, recordings of this machine, or of its
packages; and where there are none, a signal that only resembles speech, and is called that.

The recordings are those by which ALSA tests loudspeakers (package `alsa-utils`): eight short
sentences of people. Loads the media library (PyAV).
"""

import math
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from hark.app.sound.wav import WavReader
from hark.errors import SoundFileError
from hark.wire.sound import FRAME_BYTES, FRAMES_PER_S, SAMPLE_RATE_HZ

MAX_SPEECH_S = 5
"""As much as is taken of any source, in seconds."""
PACKAGE = "alsa-utils"
RECORDINGS = Path("usr/share/sounds/alsa")
"""Where the package keeps them, below the root."""
NO_SPEECH = "Noise.wav"
"""Is among them."""
DOWNLOAD_TIMEOUT_S = 20.0
APT_OPTIONS = ("-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=5")
"""Without a network it has to give up soon: the demo goes on without it."""

PITCH_HZ = 125
SYLLABLE_S = 0.24
VOWELS_HZ = ((730.0, 1090.0), (270.0, 2290.0), (570.0, 840.0))
"""The first two formants of three vowels (a, i, o). Source: Peterson and Barney, 1952."""


@dataclass(frozen=True, slots=True)
class Speech:
    """Something to say."""

    frames: list[bytes]
    source: str
    """Where it is from, as a sentence's object: `the file hello.wav`."""
    is_recorded: bool
    """Whether a person said it, as far as we know."""


def find_speech(file: Path | None, cache: Path, root: Path = Path("/")) -> Speech:
    """Return the best speech that is to be had.

    Args:
        file: a WAV file that the person has named; nothing else is tried then.
        cache: a folder in which the recordings of the package may be kept.
        root: where the system's own files begin.

    Raises:
        SoundFileError: the named file cannot be used.
    """
    if file is not None:
        return Speech(_first_frames(file), f"the file {file.name}", is_recorded=True)
    if frames := _recordings(root / RECORDINGS):
        return Speech(frames, "recordings of this machine's ALSA", is_recorded=True)
    if frames := _recordings(_downloaded(cache) / RECORDINGS):
        return Speech(frames, f"recordings of the package {PACKAGE}", is_recorded=True)
    return Speech(_generated(), "a generated signal, as no speech was found", is_recorded=False)


def cache_folder() -> Path:
    """Return where this user's programs keep what can be fetched again."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "hark" / "speech"


def _recordings(folder: Path) -> list[bytes]:
    """Return the recordings of a folder one after the other; empty when there are none."""
    frames: list[bytes] = []
    for path in sorted(folder.glob("*.wav")):
        if path.name != NO_SPEECH and len(frames) < MAX_SPEECH_S * FRAMES_PER_S:
            try:
                frames += _first_frames(path)
            except SoundFileError:
                # The person has not asked for this file: others will do.
                continue
    return frames[: MAX_SPEECH_S * FRAMES_PER_S]


def _first_frames(path: Path) -> list[bytes]:
    with WavReader(path) as reader:
        return list(islice(iter(reader.next, None), MAX_SPEECH_S * FRAMES_PER_S))


def _downloaded(cache: Path) -> Path:
    """Return the folder in which the package lies unpacked, if it could be had at all."""
    folder = cache / PACKAGE
    if folder.is_dir() or not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return folder
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=cache) as made:
            _run(["apt-get", *APT_OPTIONS, "download", PACKAGE], Path(made))
            [package] = Path(made).glob("*.deb")
            _run(["dpkg-deb", "-x", package.name, PACKAGE], Path(made))
            (Path(made) / PACKAGE).rename(folder)
    except (OSError, ValueError, subprocess.SubprocessError):
        # No network, no package lists, no room: there is another way.
        pass
    return folder


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(  # noqa: S603 (the system's own package tools; they check what they fetch)
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DOWNLOAD_TIMEOUT_S,
        check=True,
    )


def _generated() -> list[bytes]:
    """Return vowels without sense: a voice's pitch, formants and syllables."""
    syllable = round(SYLLABLE_S * SAMPLE_RATE_HZ)
    count = MAX_SPEECH_S * SAMPLE_RATE_HZ
    periods = [_period(formants) for formants in VOWELS_HZ]
    samples = [
        round(
            periods[place // syllable % len(periods)][place % len(periods[0])]
            * math.sin(math.pi * (place % syllable) / syllable)
        )
        for place in range(count)
    ]
    data = struct.pack(f"<{count}h", *samples)
    return [data[at : at + FRAME_BYTES] for at in range(0, len(data), FRAME_BYTES)]


def _period(formants_hz: tuple[float, float]) -> list[float]:
    """Return one period of a vowel: harmonics of the pitch, louder near its formants."""
    harmonics = [number * PITCH_HZ for number in range(1, 30)]
    loudness = [
        sum(3_000 / (1 + ((hz - formant) / 150) ** 2) for formant in formants_hz)
        for hz in harmonics
    ]
    return list(_sum_of(harmonics, loudness))


def _sum_of(harmonics: list[int], loudness: list[float]) -> Iterator[float]:
    for place in range(SAMPLE_RATE_HZ // PITCH_HZ):
        turn = 2 * math.pi * place / SAMPLE_RATE_HZ
        yield sum(
            loud * math.sin(hz * turn) for hz, loud in zip(harmonics, loudness, strict=True)
        )

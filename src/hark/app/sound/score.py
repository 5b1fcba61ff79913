"""How much of a voice has come through: STOI and PESQ, of what was said and what was heard.

STOI says how much can be understood (0..1; from 0.9 on, everything). PESQ in wideband says how
good it sounds (1..4.64; ITU-T P.862.2). Both compare only what lies at the same moment, so
what was heard is first shifted to where it fits best.

hark itself needs none of the packages used here (dependency group `score`; `pesq`, which has
to be compiled, in requirements/pesq.lock); they are loaded when something is to be scored.
"""

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hark.errors import MissingPartError
from hark.wire.sound import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

PESQ_RATE_HZ = 16_000
FULL_SCALE = 32_768
PESQ_MISSING = "not computed: the package pesq is not installed (it has to be compiled)"
LOWEST_PESQ = 1.0
"""For what holds nothing that could be compared."""


@dataclass(frozen=True, slots=True)
class Score:
    """How much of a voice has come through."""

    stoi: float
    """0..1."""
    pesq: float | None
    """1..4.64; None where it cannot be computed."""
    pesq_missing: str
    """Why there is no PESQ, as a sentence for a person; empty where there is one."""


def score(reference: Sequence[bytes], heard: Sequence[bytes]) -> Score:
    """Return both marks.

    Args:
        reference: the frames that were said, as `hark.wire.sound` says.
        heard: the frames that came out; they may begin earlier or later.

    Raises:
        MissingPartError: not even STOI can be computed here.
    """
    quality = pesq(reference, heard)
    return Score(stoi(reference, heard), quality, PESQ_MISSING if quality is None else "")


def stoi(reference: Sequence[bytes], heard: Sequence[bytes]) -> float:
    """Return how much of it can be understood, 0..1.

    Raises:
        MissingPartError: the packages for it are not installed.
    """
    if importlib.util.find_spec("pystoi") is None:
        raise MissingPartError("STOI is computed by the package pystoi, which is not installed")
    module = importlib.import_module("pystoi")
    said, came = _aligned(reference, heard)
    if not came.any():
        return 0.0
    found: float = module.stoi(said, came, SAMPLE_RATE_HZ)
    return float(found)


def pesq(reference: Sequence[bytes], heard: Sequence[bytes]) -> float | None:
    """Return how good it sounds, 1..4.64; None where `pesq` is missing (`PESQ_MISSING`)."""
    if importlib.util.find_spec("pesq") is None:
        return None
    module = importlib.import_module("pesq")
    signal = importlib.import_module("scipy.signal")
    said, came = _aligned(reference, heard)
    if not came.any():
        return LOWEST_PESQ
    ratio = SAMPLE_RATE_HZ // PESQ_RATE_HZ
    said16, came16 = (signal.resample_poly(samples, 1, ratio) for samples in (said, came))
    try:
        found: float = module.pesq(PESQ_RATE_HZ, said16, came16, "wb")
    except module.PesqError:
        return LOWEST_PESQ
    return float(found)


def delay_samples(reference: Sequence[bytes], heard: Sequence[bytes]) -> int:
    """Return how much later than in `reference` the same sound is in `heard`, in samples."""
    return _delay(_samples(reference), _samples(heard))


def _aligned(
    reference: Sequence[bytes], heard: Sequence[bytes]
) -> tuple["NDArray[float64]", "NDArray[float64]"]:
    """Return both from the same moment on and of the same length, -1..1."""
    import numpy as np  # noqa: PLC0415 (only those who score something load it)

    said, came = _samples(reference), _samples(heard)
    delay = _delay(said, came)
    shifted = came[delay:] if delay >= 0 else np.concatenate((np.zeros(-delay), came))
    # What never came is silence, and is to count as such.
    missing = max(0, len(said) - len(shifted))
    return said, np.concatenate((shifted[: len(said)], np.zeros(missing)))


def _samples(frames: Sequence[bytes]) -> "NDArray[float64]":
    import numpy as np  # noqa: PLC0415 (as above)

    return np.frombuffer(b"".join(frames), dtype="<i2").astype(np.float64) / FULL_SCALE


def _delay(said: "NDArray[float64]", came: "NDArray[float64]") -> int:
    """Return the shift at which both are most alike, by cross-correlation."""
    import numpy as np  # noqa: PLC0415 (as above)

    size = 1 << (len(said) + len(came)).bit_length()
    spectrum = np.fft.rfft(came, size) * np.conj(np.fft.rfft(said, size))
    best = int(np.argmax(np.fft.irfft(spectrum, size)))
    return best - size if best > size // 2 else best

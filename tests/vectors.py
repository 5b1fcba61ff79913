"""Where the outside test vectors are: written by others, judges of our code.

They are no part of this repository. `HARK_VECTORS` names their folder; without it, the folder
`shared/vectors` beside the repository is taken. The project's own vectors are in
`spec/vectors/`.
"""

import os
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def find_vectors() -> Path | None:
    """Return the folder of the outside vectors, or None where it is absent."""
    default = REPOSITORY.parent / "shared" / "vectors"
    folder = Path(os.environ.get("HARK_VECTORS") or default).resolve()
    return folder if folder.is_dir() else None

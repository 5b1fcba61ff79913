"""Looks at the bytes that a supernode leaves on its disk.

1. Every file of the data directory is declared, and closed to other users.
2. Free pages of the database, and the gaps inside its pages, hold nothing.
3. Given byte strings (canaries: text, names, account ids of a test) are in no file at all.

What it cannot see: blocks that the file system or the drive has let go of but not erased.
The supernode may be running; while its database file is being written, a scan may find
contradictions that a second one does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hark.errors import ConfigurationError, MalformedError, NotInitialisedError
from hark.supernode.declarations import DATABASE_FILE, FILES
from hark.supernode.sqlite_pages import DatabasePages
from hark.wire.codec import encode_json

CHUNK_BYTES = 1024 * 1024
MIN_CANARY_BYTES = 4
"""Shorter ones are anywhere by chance."""
WAL_HEADER_BYTES = 32
WAL_FRAME_HEADER_BYTES = 24


@dataclass(slots=True)
class ScanReport:
    """What a scan has seen."""

    files: dict[str, int] = field(default_factory=dict)
    """Name → size in bytes."""
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What is as it should be, and good to know."""

    def as_json(self) -> str:
        """Return it for programs."""
        return encode_json(
            {"files": self.files, "findings": self.findings, "notes": self.notes}
        ).decode()

    def as_text(self) -> str:
        """Return it for people."""
        lines = ["Files"]
        lines += [f"  {name}: {size} bytes" for name, size in self.files.items()]
        lines += ["Notes", *(f"  {note}" for note in self.notes or ["none"])]
        lines += ["Findings", *(f"  {finding}" for finding in self.findings or ["none"])]
        return "\n".join(lines)


def read_canaries(file: Path) -> list[bytes]:
    """Read byte strings, one per line, in hexadecimal.

    Raises:
        ConfigurationError: the file cannot be read, or a string is too short.
    """
    try:
        canaries = [bytes.fromhex(line) for line in file.read_text("ascii").split()]
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{file.name} does not hold hexadecimal lines") from error
    if any(len(canary) < MIN_CANARY_BYTES for canary in canaries):
        raise ConfigurationError(f"a canary has at least {MIN_CANARY_BYTES} bytes")
    return canaries


def scan(data_dir: Path, canaries: Sequence[bytes] = ()) -> ScanReport:
    """Scan a data directory.

    Args:
        data_dir: of a supernode.
        canaries: byte strings that must be nowhere.

    Raises:
        NotInitialisedError: there is no such directory.
    """
    if not data_dir.is_dir():
        raise NotInitialisedError("there is no such data directory")
    report = ScanReport()
    for path in sorted(data_dir.rglob("*")):
        _scan_file(path, str(path.relative_to(data_dir)), canaries, report)
    _scan_database(data_dir / DATABASE_FILE, report)
    _look_at_wal(data_dir / (DATABASE_FILE + "-wal"), data_dir / DATABASE_FILE, report)
    return report


def _scan_file(path: Path, name: str, canaries: Sequence[bytes], report: ScanReport) -> None:
    if name not in FILES:
        report.findings.append(f"file {name} is not declared")
    if not path.is_file():
        return
    status = path.stat()
    report.files[name] = status.st_size
    if status.st_mode & 0o077:
        report.findings.append(f"file {name} is open to other users")
    for number in _find_canaries(path, canaries):
        report.findings.append(f"canary {number} is in {name}")


def _find_canaries(path: Path, canaries: Sequence[bytes]) -> list[int]:
    """Return the numbers of the canaries that are in a file, from 1."""
    if not canaries:
        return []
    overlap = max(len(canary) for canary in canaries) - 1
    found: set[int] = set()
    tail = b""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            window = tail + chunk
            found |= {n for n, canary in enumerate(canaries, 1) if canary in window}
            tail = window[-overlap:] if overlap else b""
    return sorted(found)


def _scan_database(path: Path, report: ScanReport) -> None:
    if not path.exists():
        report.notes.append("there is no database yet")
        return
    try:
        with DatabasePages(path) as pages:
            report.findings += pages.free_page_remnants()
            report.findings += pages.gap_remnants()
            report.notes.append(
                f"the database has {pages.header.page_count} pages,"
                f" {pages.header.free_count} of them free"
            )
    except MalformedError:
        report.findings.append("the database is not an SQLite file")


def _look_at_wal(wal: Path, database: Path, report: ScanReport) -> None:
    size = wal.stat().st_size if wal.exists() else 0
    if size <= WAL_HEADER_BYTES or not database.exists():
        report.notes.append("the -wal is empty: nothing deleted is in it")
        return
    with DatabasePages(database) as pages:
        frame_bytes = WAL_FRAME_HEADER_BYTES + pages.header.page_bytes
    frames = (size - WAL_HEADER_BYTES) // frame_bytes
    report.notes.append(
        f"the -wal holds {frames} images of pages, which may show what was deleted since the"
        " last checkpoint, a minute ago at most while the supernode runs"
    )

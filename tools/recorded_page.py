"""Writes docs/operate/what-is-recorded.md from the declarations of the supernode.

    python tools/recorded_page.py

The page is a function of `hark.supernode.declarations` alone; a test fails when they differ.
"""

from pathlib import Path

from hark.supernode.declarations import (
    FILES,
    INDEXES,
    NEVER_GIVEN,
    SEEN_NOT_KEPT,
    TABLES,
    Declared,
)

PAGE = Path(__file__).parents[1] / "docs" / "operate" / "what-is-recorded.md"

INTRODUCTION = """\
# What a supernode records, and for how long

This is everything that a supernode writes to its disk. `hark supernode inventory` prints the
same from the real database and fails if that holds anything else; `hark supernode scan` looks
at the bytes themselves. Nothing is written about links, addresses or log-ins, and the logs
hold counts and kinds of errors only.

*Deleted* means overwritten with zeros in the database at once, and gone from the write-ahead
log (`-wal`) a minute later at most. What a file system, an SSD or a backup of the machine
keeps beyond that is outside the reach of this program: see `running-a-supernode.md`.

`tools/recorded_page.py` writes this page.
"""


def page() -> str:
    """Return the page."""
    sections = [INTRODUCTION, "## What it was never given\n"]
    sections += [f"- **{what}**: {why}." for what, why in NEVER_GIVEN]
    sections.append("\n## What it sees while it happens, and never writes down\n")
    sections += [f"- **{what}**: {how}." for what, how in SEEN_NOT_KEPT]
    for table, columns in TABLES.items():
        sections += [f"\n## Table `{table}`\n", _table("column", columns)]
    sections += ["\n## Indexes\n", "They repeat columns of their tables, and live as long.\n"]
    sections += [f"- `{name}`: {text}." for name, text in INDEXES.items()]
    sections += ["\n## Files in the data directory\n", _table("file", FILES)]
    return "\n".join(sections) + "\n"


def _table(first: str, rows: dict[str, Declared]) -> str:
    lines = [
        f"| {first} | what it is | why | who can read it | until |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `{name}` | {row.what} | {row.why} | {row.readable_by} | {row.until} |"
        for name, row in rows.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

"""The data inventory, made from the real database: what is stored, why, and what never was.

The structure comes from the database itself and the meaning from `declarations`; where one
has what the other has not, the inventory has a finding, and a test and the exit code fail.
"""

import sqlite3
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hark.errors import NotInitialisedError
from hark.supernode.declarations import (
    DATABASE_FILE,
    FILES,
    INDEXES,
    NEVER_GIVEN,
    SEEN_NOT_KEPT,
    TABLES,
    Declared,
)
from hark.supernode.storage.database import as_store_errors
from hark.wire.codec import encode_json


@dataclass(frozen=True, slots=True)
class Entry:
    """One declared thing that is there."""

    where: str
    """Table, `index` or `file`."""
    name: str
    what: str
    why: str
    readable_by: str
    until: str


@dataclass(slots=True)
class Inventory:
    """What is stored."""

    entries: list[Entry] = field(default_factory=list)
    row_counts: dict[str, int] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    """What is there and not declared, or declared and not there."""

    def as_json(self) -> str:
        """Return it for programs."""
        return encode_json(
            {
                "entries": [asdict(entry) for entry in self.entries],
                "row_counts": self.row_counts,
                "never_given": [{"what": what, "why": why} for what, why in NEVER_GIVEN],
                "seen_not_kept": [{"what": what, "how": how} for what, how in SEEN_NOT_KEPT],
                "findings": self.findings,
            }
        ).decode()

    def as_text(self) -> str:
        """Return it for people."""
        lines: list[str] = []
        where = ""
        for entry in self.entries:
            if entry.where != where:
                where = entry.where
                rows = self.row_counts.get(where)
                lines.append(f"\n{where}" + ("" if rows is None else f" ({rows} rows)"))
            lines.append(f"  {entry.name}: {entry.what}")
            lines.append(f"      why: {entry.why}")
            lines.append(f"      who can read it: {entry.readable_by}")
            lines.append(f"      until: {entry.until}")
        lines.append("\nWhat this supernode was never given")
        lines += [f"  {what}: {why}" for what, why in NEVER_GIVEN]
        lines.append("\nWhat it sees while it happens, and never writes down")
        lines += [f"  {what}: {how}" for what, how in SEEN_NOT_KEPT]
        lines += ["\nFindings", *(f"  {finding}" for finding in self.findings or ["none"])]
        return "\n".join(lines).lstrip()


def inventory_of(data_dir: Path) -> Inventory:
    """Return the inventory of a data directory. The supernode may be running.

    Raises:
        NotInitialisedError: there is no database.
        StoreDamagedError: the database cannot be read.
    """
    path = data_dir / DATABASE_FILE
    if not path.exists():
        raise NotInitialisedError("no supernode has run on this data directory")
    inventory = Inventory()
    with as_store_errors():
        # Without a -wal nobody has it open, and reading must not create one.
        mode = "mode=ro" if Path(f"{path}-wal").exists() else "immutable=1"
        connection = sqlite3.connect(f"file:{path}?{mode}", uri=True)
        try:
            read_schema(connection, inventory)
        finally:
            connection.close()
    read_files(data_dir, inventory)
    return inventory


def read_schema(connection: sqlite3.Connection, inventory: Inventory) -> None:
    """Compare the real schema with the declarations."""
    objects = connection.execute("SELECT type, name FROM sqlite_schema ORDER BY rowid")
    names: dict[str, list[str]] = {}
    for kind, name in objects.fetchall():
        names.setdefault(kind, []).append(name)
    tables, indexes = names.pop("table", []), names.pop("index", [])
    for table in tables:
        _read_table(connection, table, inventory)
    for index in indexes:
        if index in INDEXES:
            owner = "columns of its table, and as long"
            text = INDEXES[index]
            inventory.entries.append(Entry("index", index, owner, text, "as its table", "-"))
        else:
            inventory.findings.append(f"index {index} is not declared")
    inventory.findings += [
        f"{kind} {name} is not declared" for kind, found in names.items() for name in found
    ]
    inventory.findings += [
        f"table {table} is declared and not there" for table in TABLES if table not in tables
    ]
    inventory.findings += [
        f"index {index} is declared and not there" for index in INDEXES if index not in indexes
    ]


def read_files(data_dir: Path, inventory: Inventory) -> None:
    """Compare the real folder with the declarations."""
    for path in sorted(data_dir.rglob("*")):
        name = str(path.relative_to(data_dir))
        declared = FILES.get(name)
        if declared is None:
            inventory.findings.append(f"file {name} is not declared")
        else:
            inventory.entries.append(_entry("file", name, declared))


def _read_table(connection: sqlite3.Connection, table: str, inventory: Inventory) -> None:
    declared = TABLES.get(table)
    if declared is None:
        inventory.findings.append(f"table {table} is not declared")
        return
    columns = [row[1] for row in connection.execute(f"PRAGMA table_xinfo({table})")]
    for column in columns:
        if column in declared:
            inventory.entries.append(_entry(table, column, declared[column]))
        else:
            inventory.findings.append(f"column {table}.{column} is not declared")
    inventory.findings += [
        f"column {table}.{column} is declared and not there"
        for column in declared
        if column not in columns
    ]
    # The name stands in our own table of declarations.
    count = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
    inventory.row_counts[table] = count


def _entry(where: str, name: str, declared: Declared) -> Entry:
    return Entry(where, name, declared.what, declared.why, declared.readable_by, declared.until)

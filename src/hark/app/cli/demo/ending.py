"""Steps 6 and 7: what the supernode knows, and how to go on."""

from hark.app.cli.demo.cast import ALICE, BOB, ECHO, RESTORED, Cast, Facts
from hark.app.cli.demo.stage import PASSPHRASE, DemoError, Stage, shell_line
from hark.wire.codec import JsonParser, Record

CANARY_FILE = "canaries.hex"


class InventoryEntry(Record):
    """One thing that is stored, as `hark supernode inventory --json` prints it."""

    where: str
    name: str
    what: str
    why: str
    readable_by: str
    until: str


class NeverGiven(Record):
    """One thing that is not."""

    what: str
    why: str


class Inventory(Record):
    """What `hark supernode inventory --json` prints."""

    entries: list[InventoryEntry]
    row_counts: dict[str, int]
    never_given: list[NeverGiven]
    findings: list[str]


class Scan(Record):
    """What `hark supernode scan --json` prints."""

    files: dict[str, int]
    findings: list[str]
    notes: list[str]


_INVENTORY: JsonParser[Inventory] = JsonParser(Inventory)
_SCAN: JsonParser[Scan] = JsonParser(Scan)


def inventory(cast: Cast) -> Facts:
    """Step 6: what lies on the supernode's disk, and what does not."""
    stage, teller = cast.stage, cast.teller
    teller.step(6, "What the supernode knows")
    data = ["--data", str(stage.supernode_dir), "--json"]
    stored = _INVENTORY.parse(stage.supernode("inventory", *data))
    teller.say("`hark supernode inventory`, from its real database. All that it has stored:")
    teller.show(_as_text(stored))
    teller.say("What it was never given:")
    teller.show("\n".join(f"{thing.what}: {thing.why}" for thing in stored.never_given))
    stage.stop_all()
    canaries = stage.folder / CANARY_FILE
    canaries.write_text("\n".join(sorted(text.hex() for text in cast.canaries)), "ascii")
    scan = _SCAN.parse(stage.supernode("scan", *data, "--canaries", str(canaries)))
    sought = f"{len(cast.canaries)} texts, account ids, safety numbers and recovery words"
    teller.say(f"A scan of every byte of its {len(scan.files)} files for the {sought}")
    teller.say("of this demo has found none of them.")
    if stored.findings or scan.findings:
        raise DemoError("; ".join(stored.findings + scan.findings))
    return {
        "stored_fields": len(stored.entries),
        "row_counts": stored.row_counts,
        "never_given": [thing.what for thing in stored.never_given],
        "canaries": len(cast.canaries),
        "canaries_found": 0,
    }


def by_hand(cast: Cast) -> Facts:
    """Step 7: where everything lies and how to go on."""
    stage, teller = cast.stage, cast.teller
    teller.step(7, "Where everything lies, and how to go on by hand")
    for profile in (ALICE, BOB, ECHO, RESTORED):
        teller.fact(profile, str(stage.paths(profile).data_dir))
    teller.fact("supernode", str(stage.supernode_dir))
    teller.fact("logs and words", str(stage.folder))
    commands = _commands(stage)
    teller.say("The demo has ended its programs. To go on, a terminal for each line:")
    teller.show("\n".join(commands))
    teller.say("`hark demo` begins again with a new folder.")
    return {"folder": str(stage.folder), "commands": commands}


def _as_text(stored: Inventory) -> str:
    lines: list[str] = []
    for entry in stored.entries:
        if entry.where == "index":
            # Columns of the tables once more, sorted.
            continue
        rows = stored.row_counts.get(entry.where)
        count = "" if rows is None else f" ({rows} rows)"
        head = f"{entry.where}{count}"
        if head not in lines:
            lines.append(head)
        lines.append(f"  {entry.name:<18} {entry.what}")
    return "\n".join(lines)


def _commands(stage: Stage) -> list[str]:
    address = stage.address
    assert address is not None
    settings = {"HARK_HOME": str(stage.folder), "HARK_PASSPHRASE": PASSPHRASE}
    serve = ["hark", "supernode", "run", "--data", str(stage.supernode_dir)]
    serve += ["--host", address.host, "--port", str(address.port), "--admin-port", "0"]
    return [
        shell_line(serve, {}),
        shell_line(["hark", "up", "--profile", ALICE], settings),
        shell_line(["hark", "up", "--profile", RESTORED], settings),
        shell_line(["hark", "chat", "Bob", "--profile", ALICE], settings),
        shell_line(["hark", "contacts", "--profile", RESTORED], settings),
    ]

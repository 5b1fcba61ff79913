"""Steps 7 and 8: what the supernode knows, and how to go on."""

import shutil
import sys
from pathlib import Path

from hark.app.cli.demo.cast import ALICE, BOB, ECHO, RESTORED, Cast, Facts
from hark.app.cli.demo.stage import PASSPHRASE, DemoError, Stage, shell_line
from hark.supernode.declarations import NEVER_GIVEN, SEEN_NOT_KEPT
from hark.supernode.disk_scan import scan
from hark.supernode.inventory import Inventory, inventory_of


def inventory(cast: Cast) -> Facts:
    """Step 7: what lies on the supernode's disk, and what does not."""
    stage, teller = cast.stage, cast.teller
    teller.step(7, "What the supernode knows")
    stored = inventory_of(stage.supernode_dir)
    teller.say("`hark supernode inventory`, from its real database. All that it has stored:")
    teller.show(_as_text(stored))
    teller.say("What it was never given:")
    teller.show("\n".join(f"{what}: {why}" for what, why in NEVER_GIVEN))
    teller.say("What it sees while it happens, and never writes down:")
    teller.show("\n".join(f"{what}: {how}" for what, how in SEEN_NOT_KEPT))
    # While it runs its files move under the eyes that look at them.
    stage.stop_all()
    found = scan(stage.supernode_dir, sorted(cast.canaries))
    count = len(cast.canaries)
    sought = f"{count} texts, account ids, call ids, safety numbers and recovery words"
    if stored.findings or found.findings:
        raise DemoError("; ".join(stored.findings + found.findings))
    teller.say(f"A scan of every byte of its {len(found.files)} files for the {sought}")
    teller.say("of this demo has found none of them.")
    return {
        "stored_fields": len(stored.entries),
        "row_counts": stored.row_counts,
        "never_given": [what for what, _why in NEVER_GIVEN],
        "seen_not_kept": [what for what, _how in SEEN_NOT_KEPT],
        "canaries": len(cast.canaries),
        "canaries_found": 0,
    }


def by_hand(cast: Cast) -> Facts:
    """Step 8: where everything lies and how to go on."""
    stage, teller = cast.stage, cast.teller
    teller.step(8, "Where everything lies, and how to go on by hand")
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
    hark = _program()
    serve = [*hark, "supernode", "run", "--data", str(stage.supernode_dir)]
    serve += ["--host", address.host, "--port", str(address.port), "--admin-port", "0"]
    return [
        shell_line(serve, {}),
        shell_line([*hark, "up", "--profile", ALICE], settings),
        shell_line([*hark, "up", "--profile", RESTORED], settings),
        shell_line([*hark, "chat", "Bob", "--profile", ALICE], settings),
        shell_line([*hark, "contacts", "--profile", RESTORED], settings),
    ]


def _program() -> list[str]:
    """Return the words by which a shell in this folder starts hark."""
    if shutil.which("hark") is not None:
        return ["hark"]
    called = Path(sys.argv[0])
    if called.name == "hark":
        return [str(called)]
    return [sys.executable, "-m", "hark.app.cli"]

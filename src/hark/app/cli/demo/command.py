"""`hark demo`: the eight steps, with real processes, for a person or for a program."""

import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from hark.app.cli.command import Command
from hark.app.cli.demo import beginning, calling, ending, faults
from hark.app.cli.demo.cast import Cast, Facts
from hark.app.cli.demo.stage import Stage
from hark.app.cli.demo.teller import Teller
from hark.app.sound.wav import WavReader
from hark.control.problems import sentence_of
from hark.errors import HarkError

STEPS: dict[str, Callable[[Cast], Facts]] = {
    "accounts": beginning.accounts,
    "invitation": beginning.invitation,
    "messages": beginning.messages,
    "call": calling.call,
    "killed": faults.killed,
    "restored": faults.restored,
    "inventory": ending.inventory,
    "by_hand": ending.by_hand,
}
"""The eight steps, by their field in the JSON object."""
FOLDER = Path(".hark-demo")


def demo(
    folder: Annotated[
        Path, typer.Option("--folder", metavar="DIR", help="Made anew at each run.")
    ] = FOLDER,
    speech: Annotated[
        Path | None,
        typer.Option(
            "--speech",
            metavar="FILE",
            help="A WAV file to say in the call. Without it: recordings of this machine.",
        ),
    ] = None,
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object and nothing else.")
    ] = False,
) -> None:
    """Show two people, a bot and a supernode at work, in eight steps; takes a minute.

    Everything is real: processes, stores on disk, a supernode that is killed. It needs no
    network, asks nothing, and leaves a folder with which you can go on by hand. Where no
    recorded speech is found, the package with ALSA's is fetched; without it a signal is used.
    """
    signal.signal(signal.SIGTERM, _end)
    result: dict[str, object] = {"ok": False}
    error: HarkError | None = None
    begin = time.monotonic()
    if speech is not None:
        # A file that cannot be used is better refused now than in the fourth step.
        WavReader(speech).close()
    with Stage(folder) as stage:
        cast = Cast(stage, Teller(silent=as_json), speech)
        for name, step in STEPS.items():
            facts, error = _play(step, cast)
            result[name] = facts
            if error is not None:
                break
    result["ok"] = error is None
    result["seconds"] = round(time.monotonic() - begin, 2)
    if as_json:
        print(json.dumps(result, indent=2))
    if error is not None:
        raise error


def _play(step: Callable[[Cast], Facts], cast: Cast) -> tuple[Facts, HarkError | None]:
    """Play one step; return what it found, and why it failed if it did."""
    begin = time.monotonic()
    error: HarkError | None = None
    facts: Facts = {}
    try:
        facts = step(cast)
    except HarkError as failure:
        error = failure
        facts["error"] = f"{sentence_of(failure)} {failure}".strip()
    seconds = round(time.monotonic() - begin, 2)
    return {"ok": error is None, "seconds": seconds, **facts}, error


def _end(_signal: int, _frame: FrameType | None) -> None:
    # Through `with Stage`, so that its programs end too.
    sys.exit(128 + signal.SIGTERM)


COMMAND = Command(demo, "hark demo --json")

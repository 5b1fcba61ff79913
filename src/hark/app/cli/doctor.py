"""`hark doctor`."""

import typer

from hark.app.cli import options, output
from hark.app.cli.command import Command
from hark.app.cli.text import escape
from hark.errors import CheckFailedError, NodeNotRunningError, NotInitialisedError


def doctor(
    context: typer.Context, profile: options.Profile = "", *, as_json: options.Json = False
) -> None:
    """Check store, homes, keys and clock, and say what to do where something is amiss."""
    paths = options.paths(context, profile)
    try:
        diagnosis = options.client(context, profile).diagnose()
    except NodeNotRunningError:
        if not paths.data_dir.exists():
            raise NotInitialisedError from None
        raise
    if as_json:
        output.print_json(diagnosis)
    else:
        for check in diagnosis.checks:
            mark = "ok  " if check.ok else "LOOK"
            print(f"{mark} {check.name}: {escape(check.sentence)}")
    amiss = [check.name for check in diagnosis.checks if not check.ok]
    if amiss:
        raise CheckFailedError(", ".join(amiss))


COMMAND = Command(doctor, "hark doctor")

"""`hark down`."""

import os
import time

import typer

from hark.app.cli import options
from hark.app.cli.command import Command
from hark.errors import OperatorError

STOP_TIMEOUT_S = 15.0
"""How long a node may take to finish its work and close its store, in seconds."""
POLL_S = 0.05


def down(context: typer.Context, profile: options.Profile = "") -> None:
    """Stop the account's node, and wait until its store is closed."""
    client = options.client(context, profile)
    process_id = client.status().pid
    client.stop()
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while _runs(process_id):
        if time.monotonic() > deadline:
            raise OperatorError(f"the node (process {process_id}) has not stopped yet")
        time.sleep(POLL_S)
    print("hark has stopped.")


def _runs(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return not _is_dead_child(process_id)


def _is_dead_child(process_id: int) -> bool:
    """Return whether it has ended and only waits for its parent to take note (Linux)."""
    try:
        with open(f"/proc/{process_id}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


COMMAND = Command(down, "hark down --profile bob")

"""`hark up`."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from hark.app.cli import options, secrets
from hark.app.cli.command import Command
from hark.control.client import Client
from hark.errors import NodeNotRunningError, OperatorError
from hark.node.paths import Paths

START_TIMEOUT_S = 60.0
"""How long a node in the background may take until it answers, in seconds. Most of it is the
passphrase, which is slow on purpose."""
POLL_S = 0.05


def up(
    context: typer.Context,
    profile: options.Profile = "",
    *,
    detach: Annotated[
        bool, typer.Option("--detach", help="Run in the background; `hark down` stops it.")
    ] = False,
    passphrase_file: options.PassphraseFile = None,
) -> None:
    """Run the account's node: it holds the keys, sends, receives, and answers the commands.

    It stays in the foreground until Ctrl-C, unless told to --detach.
    """
    from hark.node.accounts import needs_passphrase  # noqa: PLC0415

    paths = options.paths(context, profile)
    passphrase = secrets.read_passphrase(passphrase_file) if needs_passphrase(paths) else None
    if detach:
        _run_in_background(paths, passphrase)
    else:
        from hark.node.daemon import run  # noqa: PLC0415
        from hark.runtime.logs import set_up_logs  # noqa: PLC0415

        set_up_logs()
        run(paths, passphrase, lambda: _say_where(paths))


def _say_where(paths: Paths) -> None:
    print(f"hark is running for the profile {paths.profile} (process {os.getpid()}).")
    print(f"  store   {paths.data_dir}")
    print(f"  socket  {paths.socket}", flush=True)


def _run_in_background(paths: Paths, passphrase: str | None) -> None:
    program = [sys.executable, "-m", "hark.app.cli", "--profile", paths.profile, "up"]
    if passphrase is not None:
        # By a pipe: arguments and environment of a process can be read for as long as it runs.
        program += ["--passphrase-file", "-"]
    environment = dict(os.environ)
    environment.pop(secrets.PASSPHRASE_VARIABLE, None)
    with _private_log(paths.log) as log:
        before = paths.log.stat().st_size
        child = subprocess.Popen(  # noqa: S603 (our own program)
            program,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    assert child.stdin is not None
    with child.stdin as pipe:
        pipe.write(f"{passphrase or ''}\n".encode())
    _wait_until_it_answers(child, paths, before)
    print(f"hark is running for the profile {paths.profile} (process {child.pid}).")
    print(f"  store   {paths.data_dir}\n  socket  {paths.socket}\n  log     {paths.log}")


def _wait_until_it_answers(
    child: subprocess.Popen[bytes], paths: Paths, log_bytes: int
) -> None:
    """Wait for the node; if it ends instead, say what it said and end with its exit code."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _answers(paths, child.pid):
        if (code := child.poll()) is not None:
            with paths.log.open("rb") as log:
                log.seek(log_bytes)
                sys.stderr.write(log.read().decode(errors="replace"))
            raise typer.Exit(code)
        if time.monotonic() > deadline:
            child.kill()
            raise OperatorError(f"the node did not answer within {START_TIMEOUT_S:.0f} s")
        time.sleep(POLL_S)


def _answers(paths: Paths, process_id: int) -> bool:
    try:
        return Client(paths.socket).status().pid == process_id
    except NodeNotRunningError:
        return False


def _private_log(path: Path) -> BinaryIO:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "ab")


COMMAND = Command(up, "hark up --detach")

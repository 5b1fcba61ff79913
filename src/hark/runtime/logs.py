"""Logs: to standard error, without content, names, ids, keys or addresses.

Libraries put addresses and object dumps into their messages, so only loggers of hark are
shown, and what an event loop reports is reduced to the kind of the error and our own line.
"""

import asyncio
import logging
import sys
import traceback

log = logging.getLogger("hark.runtime")


def set_up_logs() -> None:
    """Show the logs of hark on standard error, and nobody else's."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    ours = logging.getLogger("hark")
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    ours.propagate = False
    # Without a handler at the root Python would print warnings of others by itself.
    logging.getLogger().addHandler(logging.NullHandler())


def report_loop_errors(loop: asyncio.AbstractEventLoop) -> None:
    """Report what no code of ours has caught, without what it says."""
    loop.set_exception_handler(_on_loop_error)


def where(error: BaseException) -> str:
    """Return the kind of an error and the line of ours that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "hark" in frame.filename]
    place = f" at {ours[-1].name}:{ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}{place}"


def _on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    error = context.get("exception")
    # A peer that breaks off, or speaks something else than TLS, is no fault of ours.
    if isinstance(error, OSError):
        return
    log.error("unexpected: %s", where(error) if isinstance(error, Exception) else "no error")

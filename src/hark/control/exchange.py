"""What the requests and the streams of the control contract share: answers and numbers."""

import logging
import traceback

from starlette.responses import Response

from hark.control.problems import problem_of, status_of
from hark.errors import HarkError, UsageError
from hark.wire.codec import encode_json

MAX_NUMBER_DIGITS = 18
"""Longest number in a query: below 2**63."""

_log = logging.getLogger(__name__)


def answer(given: object) -> Response:
    """Return the answer that holds what a request gives."""
    return Response(encode_json(given), media_type="application/json")


def problem(error: HarkError) -> Response:
    """Return the answer to a request that failed."""
    return Response(
        encode_json(problem_of(error)),
        status_code=status_of(error),
        media_type="application/json",
    )


def bug(error: Exception) -> HarkError:
    """Log a fault of our own; return what a client is told of it."""
    # Where it was, not what it says: that may be what somebody wrote.
    frames = "".join(traceback.format_tb(error.__traceback__))
    _log.error("a request failed: %s\n%s", type(error).__name__, frames)
    return HarkError("the node's log says more")


def number_of(text: str | None, name: str) -> int | None:
    """Parse a number of a query; None when it is absent.

    Raises:
        UsageError: it is not a number.
    """
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > MAX_NUMBER_DIGITS:
        raise UsageError(f"{name} is not a number")
    return int(text)

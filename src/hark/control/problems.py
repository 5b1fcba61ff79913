"""Errors on their way through the control socket: `HarkError` → `Problem` → `HarkError`.

A face gets the same class of error that the node raised, with the same particulars, so that a
sentence and an exit code do not depend on which side of the socket noticed the fault.
Source: spec/control.md#errors.
"""

import inspect
from http import HTTPStatus

from hark import errors
from hark.control.schema import Problem
from hark.errors import HarkError

STATUS_BY_ERROR: dict[type[HarkError], HTTPStatus] = {
    errors.UnknownContactError: HTTPStatus.NOT_FOUND,
    errors.NoSuchCallError: HTTPStatus.NOT_FOUND,
    errors.MessageTooLongError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.ContactFrozenError: HTTPStatus.CONFLICT,
    errors.ContactUnverifiedError: HTTPStatus.CONFLICT,
    errors.ContactBlockedError: HTTPStatus.CONFLICT,
    errors.ContactNotAcceptedError: HTTPStatus.CONFLICT,
    errors.CallError: HTTPStatus.CONFLICT,
    errors.UsageError: HTTPStatus.BAD_REQUEST,
    errors.PeerError: HTTPStatus.BAD_GATEWAY,
    errors.UnreachableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DiskFullError: HTTPStatus.INSUFFICIENT_STORAGE,
    HarkError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""HTTP status by the nearest class in the error tree. What counts is `Problem.error`."""


def sentence_of(error: HarkError) -> str:
    """Return the text for a person: what happened, what it means, what to do."""
    return " ".join(inspect.cleandoc(type(error).__doc__ or "").split())


def status_of(error: HarkError) -> HTTPStatus:
    """Return the HTTP status that goes with an error."""
    for error_type in type(error).__mro__:
        if issubclass(error_type, HarkError) and error_type in STATUS_BY_ERROR:
            return STATUS_BY_ERROR[error_type]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def problem_of(error: HarkError) -> Problem:
    """Return the JSON object that stands for an error."""
    refused = error if isinstance(error, errors.RefusedError) else None
    return Problem(
        error=type(error).__name__,
        sentence=sentence_of(error),
        detail=str(error),
        exit_code=error.exit_code,
        code=refused.code if refused else 0,
        retry_after_ms=refused.retry_after_ms if refused else 0,
    )


def error_of(problem: Problem) -> HarkError:
    """Return the error that a problem stands for.

    A class that this version does not know becomes a `HarkError` that carries the sentence
    and the exit code as they were sent.
    """
    if problem.error == errors.RefusedError.__name__:
        return errors.RefusedError(
            problem.detail, code=problem.code, retry_after_ms=problem.retry_after_ms
        )
    error_type = ERROR_TYPES.get(problem.error)
    if error_type is not None:
        return error_type(problem.detail)
    unknown = HarkError(f"{problem.sentence} {problem.detail}".strip())
    unknown.exit_code = problem.exit_code
    return unknown


def _error_types() -> dict[str, type[HarkError]]:
    types: dict[str, type[HarkError]] = {}
    waiting: list[type[HarkError]] = [HarkError]
    while waiting:
        error_type = waiting.pop()
        types[error_type.__name__] = error_type
        waiting.extend(error_type.__subclasses__())
    return types


ERROR_TYPES = _error_types()
"""Every class of the error tree by its name."""

"""Which supernodes an account begins with."""

from hark.errors import MalformedError, NotInitialisedError, UsageError
from hark.supernode.__main__ import DEFAULT_DATA_DIR
from hark.supernode.address_file import read_address
from hark.wire.address import Address

MAX_HOMES = 2
"""Homes of an account (spec/mailbox.md)."""


def parse_homes(given: list[str] | None) -> list[Address]:
    """Return the supernodes that were named, or the one of this user on this machine.

    Args:
        given: `NODEID@host:port` each.

    Raises:
        UsageError: one has another form, there are more than two, or none is named and none
            has run here.
    """
    if given and len(given) > MAX_HOMES:
        raise UsageError("an account has two homes at most")
    if given:
        return [_parse(text) for text in given]
    try:
        return [read_address(DEFAULT_DATA_DIR.expanduser())]
    except NotInitialisedError:
        raise UsageError(
            "name a supernode: --supernode NODEID@host:port. To run one here: `hark supernode`"
        ) from None


def _parse(text: str) -> Address:
    try:
        return Address.parse(text)
    except MalformedError as error:
        raise UsageError(str(error)) from error

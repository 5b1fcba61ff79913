"""Which supernodes an account begins with."""

from pathlib import Path

from hark.errors import MalformedError, UsageError
from hark.wire.address import Address

MAX_HOMES = 2
"""Homes of an account (spec/mailbox.md)."""


def parse_homes(given: list[str] | None, local: Path) -> list[Address]:
    """Return the supernodes that were named, or the one that runs on this machine.

    Args:
        given: `NODEID@host:port` each.
        local: file in which a supernode of this user writes its address.

    Raises:
        UsageError: one has another form, there are more than two, or none is named and none
            runs here.
    """
    if given and len(given) > MAX_HOMES:
        raise UsageError("an account has two homes at most")
    if given:
        return [_parse(text) for text in given]
    try:
        return [_parse(local.read_text(encoding="ascii").strip())]
    except OSError:
        raise UsageError(
            "name a supernode: --supernode NODEID@host:port. To run one here: `hark supernode`"
        ) from None


def _parse(text: str) -> Address:
    try:
        return Address.parse(text)
    except MalformedError as error:
        raise UsageError(str(error)) from error

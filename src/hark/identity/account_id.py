"""An account id as people see it: `hark1…`. Source: spec/identity.md#text-forms."""

from hark.errors import MalformedError, UsageError
from hark.wire.bech32 import decode, encode
from hark.wire.ids import ACCOUNT_ID_BYTES, AccountId

PREFIX = "hark"


def display(account_id: AccountId) -> str:
    """Return the id as text of 63 characters: `hark1`, 52 characters, 6 of checksum."""
    return encode(PREFIX, account_id)


def parse_display(text: str) -> AccountId:
    """Return the id that `display` wrote; surrounding white space is ignored.

    Raises:
        UsageError: not an account id, or mistyped.
    """
    try:
        data = decode(PREFIX, text.strip())
    except MalformedError as error:
        raise UsageError(f"not an account id: {error}") from None
    if len(data) != ACCOUNT_ID_BYTES:
        raise UsageError("not an account id: of the wrong length")
    return AccountId(data)

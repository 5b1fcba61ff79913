"""Error codes that travel: one table for link and mailbox (`spec/registry.toml`, `[error]`)."""

from enum import IntEnum


class ErrorCode(IntEnum):
    """Why a frame, login or request was refused."""

    NONE = 0
    """No error: an ordinary end."""
    MALFORMED = 1
    """Bytes that do not parse, or a frame that is not allowed now."""
    VERSION = 2
    """The protocol version is not spoken here."""
    LOGIN_INVALID = 3
    """The login's signature or owner key does not hold."""
    STORE_STALE = 4
    """The device store is an older copy: its generation has been overtaken."""
    UNKNOWN_MAILBOX = 5
    """There is no such mailbox here."""
    NOT_OWNER = 6
    """An owner request on a link that has not logged in to the mailbox."""
    TOKEN_STALE = 7
    """The delivery token is not the present one."""
    PASS_INVALID = 8
    """The invitation pass is unknown, used or expired."""
    STAMP_INVALID = 9
    """The stamp is wrong, too easy, used or expired; ask for a new challenge."""
    MAILBOX_FULL = 10
    """The mailbox's quota is used up; nothing that it holds is dropped."""
    TOO_LARGE = 11
    """Larger than this kind of mailbox takes."""
    RATE_LIMITED = 12
    """Asked too often."""
    RECORD_OLD = 13
    """A newer envelope-key record is held already."""
    STORE_UNAVAILABLE = 14
    """The home cannot write now (disk full or failing); nothing was accepted."""
    SHUTTING_DOWN = 15
    """The supernode is stopping."""
    OVERLOADED = 16
    """The supernode takes no new links now."""
    PREKEYS_FULL = 17
    """The home holds as many one-time keys as it takes."""
    INTERNAL = 18
    """The home met a bug of its own; this request was not carried out."""
    UNKNOWN = 255
    """Never sent. What a reader makes of a code that it does not know."""

    @classmethod
    def _missing_(cls, _value: object) -> "ErrorCode":
        return cls.UNKNOWN

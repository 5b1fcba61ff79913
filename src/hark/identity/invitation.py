"""The invitation: a `hark:` link that lets somebody write to an account.

With a token it is meant for one person: whoever shows the token to the home gets past the
proof of work, and its use counts as accepted on both sides. Without a token it is a public
contact address. Layout of the bytes inside::

    1   version = 1
    32  account id
    1   number of homes, 1 or 2; then for each
        32  node id
        2   port
        16  requests mailbox there
        1   length of the host, 1 to 64
        n   host: a DNS name in lower case, or an IP address
    1   1 with a token, 0 without; with a token
        16  token
    8   expiry, milliseconds since 1970-01-01 UTC; 0 for never

The link is `hark:` and the bech32m text of these bytes with the prefix `invite`, at most 400
characters; all in upper case it is the same link, and makes a smaller QR code.
Source: spec/identity.md#invitation.
"""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Self

from hark.crypto.hashing import labelled_hash
from hark.crypto.labels import Label
from hark.errors import InvitationError, MalformedError
from hark.wire import bech32
from hark.wire.ids import (
    ACCOUNT_ID_BYTES,
    MAILBOX_ID_BYTES,
    NODE_ID_BYTES,
    AccountId,
    MailboxId,
    NodeId,
)
from hark.wire.layout import Reader, Writer

VERSION = 1
SCHEME = "hark:"
PREFIX = "invite"
MAX_URI_CHARACTERS = 400
"""A QR code of it is still read by an old telephone."""
MAX_HOMES = 2
MAX_HOST_CHARACTERS = 64
TOKEN_BYTES = 16
PASS_BYTES = 16
INVITATION_LIFE_MS = 7 * 24 * 60 * 60 * 1000
"""How long a new invitation with a token is valid."""

_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Home:
    """Where an account takes requests."""

    node_id: NodeId
    """The supernode that must answer there."""
    host: str
    """DNS name in lower case or IP address, at most 64 characters."""
    port: int
    """TCP port, 1 to 65,535."""
    requests_mailbox: MailboxId
    """The mailbox for strangers."""

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Take one home off a layout; `MalformedError` when it breaks a rule."""
        node_id = NodeId(reader.take(NODE_ID_BYTES))
        port = reader.u16()
        mailbox = MailboxId(reader.take(MAILBOX_ID_BYTES))
        host = reader.take(reader.u8())
        # Bytes outside ASCII become characters that no host may hold.
        home = cls(node_id, host.decode("ascii", "replace"), port, mailbox)
        home.check()
        return home

    def write(self, writer: Writer) -> None:
        """Append the layout above."""
        host = self.host.encode("ascii")
        writer.raw(self.node_id).u16(self.port).raw(self.requests_mailbox)
        writer.u8(len(host)).raw(host)

    def check(self) -> None:
        """Check the address.

        Raises:
            MalformedError: port 0, or a host that is neither a DNS name nor an IP address.
        """
        if not 1 <= self.port <= 0xFFFF:
            raise MalformedError("an impossible port")
        if len(self.host) > MAX_HOST_CHARACTERS or not is_host(self.host):
            raise MalformedError("not a host name or address")


@dataclass(frozen=True, slots=True)
class Invitation:
    """How to reach an account for the first time."""

    account_id: AccountId
    homes: tuple[Home, ...]
    """One or two, of different supernodes."""
    token: bytes | None = field(default=None, repr=False)
    """16 random bytes for one use, or None for a public contact address."""
    expires_unix_ms: int = 0
    """End of validity in milliseconds since 1970-01-01 UTC; 0 for never."""

    def uri(self) -> str:
        """Return the link, in lower case.

        Raises:
            InvitationError: it would be longer than 400 characters (two long host names).
            MalformedError: a home breaks a rule.
        """
        text = SCHEME + bech32.encode(PREFIX, self._encode())
        if len(text) > MAX_URI_CHARACTERS:
            raise InvitationError(
                f"it would have {len(text)} characters, {MAX_URI_CHARACTERS} are allowed; "
                "name one home only"
            )
        return text

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a link, as typed or scanned; surrounding white space is ignored.

        Raises:
            InvitationError: not a link of this kind, cut off, mistyped, or of a newer version.
        """
        link = text.strip()
        if not link[: len(SCHEME)].lower() == SCHEME or len(link) > MAX_URI_CHARACTERS:
            raise InvitationError(f"it does not begin with {SCHEME} or is too long")
        try:
            return cls._decode(bech32.decode(PREFIX, link[len(SCHEME) :]))
        except MalformedError as error:
            raise InvitationError(str(error)) from None

    def check_not_expired(self, now_unix_ms: int) -> None:
        """Check that the invitation is still valid; the home has the last word.

        Raises:
            InvitationError: it is not.
        """
        if self.expires_unix_ms and now_unix_ms > self.expires_unix_ms:
            raise InvitationError("it has expired")

    def check(self) -> None:
        """Check what the layout cannot say.

        Raises:
            MalformedError: no home or more than two, one home twice, or an impossible address.
        """
        if not 1 <= len(self.homes) <= MAX_HOMES:
            raise MalformedError("an invitation names one or two homes")
        if len({home.node_id for home in self.homes}) < len(self.homes):
            raise MalformedError("an invitation names one home twice")
        for home in self.homes:
            home.check()

    def _encode(self) -> bytes:
        self.check()
        writer = Writer().u8(VERSION).raw(self.account_id).u8(len(self.homes))
        for home in self.homes:
            home.write(writer)
        writer.u8(0 if self.token is None else 1).raw(self.token or b"")
        return writer.u64(self.expires_unix_ms).finish()

    @classmethod
    def _decode(cls, data: bytes) -> Self:
        reader = Reader(data)
        if reader.u8() != VERSION:
            raise MalformedError("of a version that this program does not know")
        account_id = AccountId(reader.take(ACCOUNT_ID_BYTES))
        count = reader.u8()
        if count > MAX_HOMES:
            raise MalformedError("an invitation names one or two homes")
        homes = tuple(Home.read(reader) for _ in range(count))
        has_token = reader.u8()
        if has_token > 1:
            raise MalformedError("an unknown kind of token")
        token = reader.take(TOKEN_BYTES) if has_token else None
        invitation = cls(account_id, homes, token, reader.u64())
        reader.end()
        invitation.check()
        return invitation


def is_host(host: str) -> bool:
    """Return whether `host` is an IP address or a DNS name, in the one form we write."""
    try:
        return str(ipaddress.ip_address(host)) == host and "%" not in host
    except ValueError:
        labels = host.split(".")
        # A last label like `1` or `0x7f` would be read as a number, that is, as an address.
        return labels[-1][:1].isalpha() and all(map(_DNS_LABEL.fullmatch, labels))


def put_pass(token: bytes) -> bytes:
    """Return what the holder of a token shows to the home, 16 bytes.

    Of this the home stores a hash only: `hark.crypto.admission.pass_hash`.
    """
    return labelled_hash(Label.INVITE_PUT, token)[:PASS_BYTES]

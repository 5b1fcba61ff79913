"""Identifiers as they travel: fixed-length byte strings, one type each.

A `NewType` costs nothing at run time and keeps an account id from being passed where a
mailbox id is meant. Lengths are checked by the codecs that read them (`Annotated` bounds in
the wire structs, fixed layouts elsewhere). Source: spec/identity.md#identifiers.
"""

from typing import NewType

AccountId = NewType("AccountId", bytes)
"""32 bytes: SHA-256 over the label and the account's genesis. Shown as `hark1…`."""

DeviceId = NewType("DeviceId", bytes)
"""16 random bytes, named in a statement of the account's chain."""

NodeId = NewType("NodeId", bytes)
"""32 bytes: SHA-256 of a supernode's Ed25519 public key."""

MailboxId = NewType("MailboxId", bytes)
"""16 random bytes, chosen by the home."""

MessageId = NewType("MessageId", bytes)
"""16 random bytes, chosen by the sender; the same in every resend."""

KeyId = NewType("KeyId", bytes)
"""8 random bytes naming one envelope key of a device."""

CallId = NewType("CallId", bytes)
"""16 random bytes, chosen by the caller; also the id of the call's entry in the history."""

ACCOUNT_ID_BYTES = 32
DEVICE_ID_BYTES = 16
NODE_ID_BYTES = 32
MAILBOX_ID_BYTES = 16
MESSAGE_ID_BYTES = 16
KEY_ID_BYTES = 8
CALL_ID_BYTES = 16

"""Custody receipts: a home's signed promise to hold an envelope (spec/mailbox.md#custody).

Everything that one commit made durable is promised by one signature: over the root of a
Merkle tree whose leaves name envelope, mailbox and time, and over the tree's size. A receipt
is that signature with the way from one leaf to the root, so it says nothing of the others.
"""

from collections.abc import Sequence

from hark.crypto.admission import envelope_hash
from hark.crypto.certificates import key_of_certificate
from hark.crypto.hashing import labelled_hash
from hark.crypto.labels import Label
from hark.crypto.merkle import root_and_paths, root_from_path
from hark.crypto.signing import SigningKey, VerifyKey
from hark.errors import ForgedError, MalformedError
from hark.wire.ids import MailboxId
from hark.wire.mailbox import MAX_CUSTODY_PATH, Held

MAX_BATCH_ENVELOPES = 2**MAX_CUSTODY_PATH
"""Envelopes that one signature can promise to hold."""


def custody_leaf(hashed_envelope: bytes, mailbox: MailboxId, held_until_unix_ms: int) -> bytes:
    """Return what is promised of one envelope, as an entry of the tree.

    Args:
        hashed_envelope: SHA-256 of the envelope.
        mailbox: where it is held.
        held_until_unix_ms: until when, 0 <= it < 2**53.
    """
    until = held_until_unix_ms.to_bytes(8, "big")
    return labelled_hash(Label.CUSTODY, hashed_envelope, mailbox, until)


def sign_custody(node_key: SigningKey, promises: Sequence[tuple[bytes, int]]) -> list[Held]:
    """Sign one batch.

    Args:
        node_key: the supernode's key.
        promises: `custody_leaf` and time of each envelope, 1 to `MAX_BATCH_ENVELOPES`.

    Returns:
        The receipt of each, in the same order.
    """
    root, paths = root_and_paths([leaf for leaf, _ in promises])
    size = len(promises)
    signature = node_key.sign(Label.CUSTODY, _signed(root, size))
    return [
        Held(until, size, index, paths[index], signature)
        for index, (_, until) in enumerate(promises)
    ]


def check_receipt(
    held: Held, mailbox: MailboxId, envelope: bytes, certificate_der: bytes
) -> None:
    """Check that the supernode of this certificate has promised to hold `envelope`.

    The caller has checked that the certificate is the pinned one.

    Raises:
        ForgedError: the receipt is not for this envelope and mailbox, or not by this key.
    """
    try:
        key = key_of_certificate(certificate_der)
    except MalformedError as error:
        raise ForgedError("the certificate holds no node key") from error
    check_receipt_by_key(held, mailbox, envelope_hash(envelope), key)


def check_receipt_by_key(
    held: Held, mailbox: MailboxId, hashed_envelope: bytes, node_key: VerifyKey
) -> None:
    """Check that the holder of `node_key` has promised to hold an envelope.

    Steps:
        1. The leaf is made anew from envelope, mailbox and the time in the receipt.
        2. Index, size and path lead from it to a root.
        3. The signature is over that root and size.

    Raises:
        ForgedError: one of the steps fails.
    """
    leaf = custody_leaf(hashed_envelope, mailbox, held.held_until_unix_ms)  # 1
    root = root_from_path(leaf, held.index, held.batch_size, held.path)  # 2
    node_key.verify(Label.CUSTODY, _signed(root, held.batch_size), held.signature)  # 3


def _signed(root: bytes, size: int) -> bytes:
    return root + size.to_bytes(4, "big")

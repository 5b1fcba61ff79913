import msgspec
import pytest

from hark.crypto.admission import envelope_hash
from hark.errors import ForgedError
from hark.overlay.mailbox.custody import (
    check_receipt,
    check_receipt_by_key,
    custody_leaf,
    sign_custody,
)
from hark.wire.ids import MailboxId
from hark.wire.mailbox import MAX_CUSTODY_PATH, Held
from tests.unit.overlay.world import CERTIFICATE, NODE_KEY, OTHER_CERTIFICATE, START_UNIX_MS

BOX = MailboxId(bytes([5]) * 16)


def batch(size: int) -> list[Held]:
    return sign_custody(
        NODE_KEY,
        [
            (
                custody_leaf(envelope_hash(envelope(n)), BOX, START_UNIX_MS + n),
                START_UNIX_MS + n,
            )
            for n in range(size)
        ],
    )


def envelope(number: int) -> bytes:
    return b"envelope %d" % number


@pytest.mark.parametrize("size", [*range(1, 34), 200])
def test_every_receipt_of_a_batch_holds_for_its_own_envelope_only(size: int) -> None:
    for number, held in enumerate(batch(size)):
        assert len(held.path) <= MAX_CUSTODY_PATH
        check_receipt(held, BOX, envelope(number), CERTIFICATE)
        with pytest.raises(ForgedError):
            check_receipt(held, BOX, envelope(number + 1), CERTIFICATE)


def test_whole_batch_has_one_signature() -> None:
    assert len({held.signature for held in batch(50)}) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"held_until_unix_ms": START_UNIX_MS + 3},
        {"batch_size": 6},
        {"batch_size": 0},
        {"index": 1},
        {"index": 5},
        {"path": []},
        {"path": [bytes(32)] * 3},
        {"path": [bytes(32)] * 16},
        {"signature": bytes(64)},
    ],
    ids=str,
)
def test_receipt_does_not_hold_when_a_field_is_changed(change: dict[str, object]) -> None:
    held = batch(5)[2]
    check_receipt(held, BOX, envelope(2), CERTIFICATE)
    with pytest.raises(ForgedError):
        check_receipt(msgspec.structs.replace(held, **change), BOX, envelope(2), CERTIFICATE)


def test_receipt_does_not_hold_for_another_mailbox() -> None:
    with pytest.raises(ForgedError):
        check_receipt(batch(1)[0], MailboxId(bytes(16)), envelope(0), CERTIFICATE)


@pytest.mark.parametrize("certificate", [OTHER_CERTIFICATE, b"", b"junk"])
def test_receipt_does_not_hold_under_another_certificate(certificate: bytes) -> None:
    with pytest.raises(ForgedError):
        check_receipt(batch(1)[0], BOX, envelope(0), certificate)


def test_receipt_can_be_checked_by_whoever_knows_the_key_and_the_hash() -> None:
    check_receipt_by_key(batch(3)[1], BOX, envelope_hash(envelope(1)), NODE_KEY.public)

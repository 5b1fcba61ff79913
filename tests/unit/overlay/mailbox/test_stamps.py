import hashlib
from random import Random

import pytest

from hark.crypto.labels import Label
from hark.overlay.mailbox.limits import MailboxLimits
from hark.overlay.mailbox.stamps import (
    CHALLENGE_LIFE_MS,
    NO_MAILBOX,
    StampDesk,
    find_nonce,
    stamp_holds,
)
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import MailboxId
from hark.wire.mailbox import Stamp
from tests.unit.overlay.world import START_UNIX_MS

BOX, OTHER_BOX = MailboxId(bytes([5]) * 16), MailboxId(bytes([6]) * 16)
SUBJECT = bytes([7]) * 32
CHEAP = MailboxLimits(request_stamp_bits=4, max_request_stamp_bits=10, stamps_at_base=2)


def new_desk(limits: MailboxLimits = CHEAP) -> StampDesk:
    return StampDesk(Random(1).randbytes, limits)


def solve(desk: StampDesk, mailbox: MailboxId = BOX, now_unix_ms: int = START_UNIX_MS) -> Stamp:
    challenge = desk.challenge(mailbox, now_unix_ms)
    nonce = find_nonce(challenge.challenge, mailbox, SUBJECT, challenge.bits, 0, 100_000)
    assert nonce is not None
    return Stamp(challenge.challenge, nonce)


def take(
    desk: StampDesk,
    stamp: Stamp,
    mailbox: MailboxId = BOX,
    subject: bytes = SUBJECT,
    now_unix_ms: int = START_UNIX_MS,
) -> ErrorCode:
    return desk.take(stamp, mailbox, subject, now_unix_ms)


@pytest.mark.parametrize("bits", range(33))
def test_work_is_judged_by_exactly_the_bits_that_were_asked_for(bits: int) -> None:
    nonce = find_nonce(bytes(32), BOX, SUBJECT, min(bits, 12), 0, 1_000_000)
    assert nonce is not None
    preimage = Label.STAMP + bytes(32) + BOX + SUBJECT + nonce
    digest = int.from_bytes(hashlib.sha256(preimage).digest(), "big")
    zeros = 256 - digest.bit_length()
    assert stamp_holds(bytes(32), BOX, SUBJECT, bits, nonce) is (zeros >= bits)


def test_search_in_slices_finds_the_same_nonce_as_in_one() -> None:
    whole = find_nonce(bytes(32), BOX, SUBJECT, 10, 0, 100_000)
    slices = (
        find_nonce(bytes(32), BOX, SUBJECT, 10, start, 100) for start in range(0, 10**5, 100)
    )
    assert whole is not None
    assert next(found for found in slices if found is not None) == whole
    before = int.from_bytes(whole, "big")
    assert find_nonce(bytes(32), BOX, SUBJECT, 10, 0, before) is None


def test_stamp_is_taken_once() -> None:
    desk = new_desk()
    stamp = solve(desk)
    assert take(desk, stamp) is ErrorCode.NONE
    assert take(desk, stamp) is ErrorCode.STAMP_INVALID


def test_stamp_is_not_taken_for_something_else() -> None:
    desk = new_desk()
    stamp = solve(desk)
    assert take(desk, stamp, mailbox=OTHER_BOX) is ErrorCode.STAMP_INVALID
    # Not even when the work was done for the other mailbox.
    nonce = find_nonce(stamp.challenge, OTHER_BOX, SUBJECT, 4, 0, 100_000)
    assert nonce is not None
    moved = Stamp(stamp.challenge, nonce)
    assert take(desk, moved, mailbox=OTHER_BOX) is ErrorCode.STAMP_INVALID
    # Some other subject may satisfy four bits by chance; all of these together do not.
    outcomes = {take(new_desk(), stamp, subject=bytes([n]) * 32) for n in range(20)}
    assert ErrorCode.STAMP_INVALID in outcomes


@pytest.mark.parametrize("place", range(32))
def test_stamp_is_not_taken_when_a_byte_of_its_challenge_is_changed(place: int) -> None:
    desk = new_desk()
    stamp = solve(desk)
    changed = bytearray(stamp.challenge)
    changed[place] ^= 1
    challenge = bytes(changed)
    nonce = find_nonce(challenge, BOX, SUBJECT, 6, 0, 100_000) or stamp.nonce
    assert take(desk, Stamp(challenge, nonce)) is ErrorCode.STAMP_INVALID


def test_challenge_of_another_home_or_of_an_earlier_start_is_not_taken() -> None:
    stamp = solve(StampDesk(Random(2).randbytes, CHEAP))
    assert take(new_desk(), stamp) is ErrorCode.STAMP_INVALID


@pytest.mark.parametrize(
    ("age_ms", "expected"),
    [
        (0, ErrorCode.NONE),
        (CHALLENGE_LIFE_MS - 1, ErrorCode.NONE),
        (CHALLENGE_LIFE_MS, ErrorCode.STAMP_INVALID),
        (-1, ErrorCode.STAMP_INVALID),
    ],
)
def test_challenge_is_valid_for_ten_minutes(age_ms: int, expected: ErrorCode) -> None:
    desk = new_desk()
    stamp = solve(desk)
    assert take(desk, stamp, now_unix_ms=START_UNIX_MS + age_ms) is expected


def test_price_rises_by_a_bit_with_each_doubling_up_to_its_maximum() -> None:
    desk = new_desk()
    prices = []
    for _ in range(300):
        prices.append(desk.bits(BOX))
        assert take(desk, solve(desk)) is ErrorCode.NONE
    changes = [n for n in range(1, 300) if prices[n] != prices[n - 1]]
    assert prices[0] == 4
    assert changes == [2, 4, 8, 16, 32, 64]
    assert prices[-1] == 10
    assert desk.bits(OTHER_BOX) == 4


def test_price_comes_down_when_the_challenges_have_expired() -> None:
    desk = new_desk()
    for _ in range(10):
        take(desk, solve(desk))
    desk.prune(START_UNIX_MS + CHALLENGE_LIFE_MS - 1)
    assert desk.bits(BOX) > 4
    desk.prune(START_UNIX_MS + CHALLENGE_LIFE_MS)
    assert desk.bits(BOX) == 4
    assert len(desk._used) == len(desk._taken) == 0


def test_making_a_mailbox_has_a_price_of_its_own_that_does_not_rise() -> None:
    desk = new_desk(MailboxLimits(create_stamp_bits=3))
    for _ in range(30):
        assert desk.bits(NO_MAILBOX) == 3
        assert take(desk, solve(desk, NO_MAILBOX), NO_MAILBOX) is ErrorCode.NONE


def test_used_challenges_are_bounded() -> None:
    desk = new_desk(MailboxLimits(request_stamp_bits=1, used_challenges=3))
    codes = [take(desk, solve(desk)) for _ in range(4)]
    assert codes == [ErrorCode.NONE] * 3 + [ErrorCode.OVERLOADED]


def test_stamp_can_be_used_again_when_its_batch_was_undone() -> None:
    desk = new_desk()
    stamp = solve(desk)
    take(desk, stamp)
    desk.rollback()
    assert desk.bits(BOX) == 4
    assert take(desk, stamp) is ErrorCode.NONE
    desk.commit()
    desk.rollback()
    assert take(desk, stamp) is ErrorCode.STAMP_INVALID

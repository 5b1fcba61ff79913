import pytest

from hark.crypto.admission import envelope_hash, token_hash
from hark.crypto.hashing import sha256
from hark.errors import DiskFullError, StoreDamagedError
from hark.overlay.mailbox.custody import check_receipt
from hark.overlay.mailbox.events import (
    Acked,
    Answered,
    Asked,
    Attach,
    Attached,
    Deliver,
    Detach,
    LinkRef,
    LiveAnswered,
    LiveAsked,
    LiveDelivered,
    ServiceOutput,
    Superseded,
)
from hark.overlay.mailbox.limits import DAY_MS, MailboxLimits
from hark.overlay.mailbox.stamps import NO_MAILBOX
from hark.overlay.mailbox.store import Swept
from hark.wire import mailbox as wire
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import MailboxId
from hark.wire.mailbox import CONTACT_MAILBOX, Done, Held, MailboxCreated, Refused
from tests.unit.overlay.world import (
    A_LINK,
    CERTIFICATE,
    INSTANCE,
    SENDER,
    START_UNIX_MS,
    TOKEN,
    Home,
    attached_code,
    delivered,
    owner_key,
    put_by_token,
)

OTHER_LINK = LinkRef(2)


def code_of(answer: wire.MailboxAnswer) -> ErrorCode:
    assert isinstance(answer, Refused)
    return ErrorCode(answer.code)


def answers(outputs: list[ServiceOutput]) -> list[wire.MailboxAnswer]:
    return [output.answer for output in outputs if isinstance(output, Answered)]


def disk_full() -> None:
    raise DiskFullError("test")


# Putting.


def test_put_is_held_for_thirty_days_with_a_receipt_that_holds() -> None:
    home = Home()
    box = home.create()
    held = home.put(box, b"envelope")
    assert isinstance(held, Held)
    assert held.held_until_unix_ms == START_UNIX_MS + 30 * DAY_MS
    check_receipt(held, box, b"envelope", CERTIFICATE)


def test_put_is_on_disk_before_it_is_answered() -> None:
    home = Home()
    box = home.create()
    home.put(box, b"envelope")
    home.restart()
    assert delivered(home.attach(box)) == [b"envelope"]


def test_puts_of_one_batch_share_a_signature_and_each_receipt_holds() -> None:
    home = Home()
    boxes = [home.create(number) for number in range(1, 4)]
    envelopes = [b"envelope %d" % number for number in range(7)]
    outputs = home.apply(
        *(
            Asked(SENDER, number, put_by_token(boxes[number % 3], envelope))
            for number, envelope in enumerate(envelopes)
        )
    )
    receipts = [held for held in answers(outputs) if isinstance(held, Held)]
    assert len(receipts) == 7
    assert len({held.signature for held in receipts}) == 1
    for number, held in enumerate(receipts):
        check_receipt(held, boxes[number % 3], envelopes[number], CERTIFICATE)


def test_repeated_put_is_held_once_and_promised_until_the_same_time() -> None:
    home = Home()
    box = home.create()
    first = home.put(box, b"envelope")
    home.later(ms=DAY_MS)
    again = home.put(box, b"envelope")
    assert isinstance(first, Held)
    assert isinstance(again, Held)
    assert again.held_until_unix_ms == first.held_until_unix_ms
    check_receipt(again, box, b"envelope", CERTIFICATE)
    assert delivered(home.attach(box)) == [b"envelope"]


def test_put_twice_in_one_batch_is_held_once() -> None:
    home = Home()
    box = home.create()
    put = put_by_token(box, b"envelope")
    receipts = answers(home.apply(Asked(SENDER, 1, put), Asked(SENDER, 2, put)))
    assert [type(held) for held in receipts] == [Held, Held]
    assert delivered(home.attach(box)) == [b"envelope"]


def test_put_to_a_mailbox_that_is_not_here_is_refused() -> None:
    home = Home()
    nowhere = MailboxId(bytes([9]) * 16)
    assert code_of(home.put(nowhere, b"e")) is ErrorCode.UNKNOWN_MAILBOX
    claim = wire.Claim(nowhere, TOKEN, one_time=True)
    assert code_of(home.ask(claim)) is ErrorCode.UNKNOWN_MAILBOX


@pytest.mark.claim("P-3")
def test_put_with_another_token_is_refused_even_for_an_envelope_that_is_held() -> None:
    home = Home()
    box = home.create()
    home.put(box, b"envelope")
    for envelope in (b"envelope", b"another"):
        stale = put_by_token(box, envelope, b"some other token")
        assert code_of(home.ask(stale)) is ErrorCode.TOKEN_STALE


def test_full_mailbox_refuses_and_drops_nothing() -> None:
    home = Home(MailboxLimits(create_stamp_bits=0, contact_envelopes=3))
    box = home.create()
    for number in range(3):
        home.put(box, b"%d" % number)
    full = home.put(box, b"3")
    assert code_of(full) is ErrorCode.MAILBOX_FULL
    assert isinstance(full, Refused)
    assert full.retry_after_ms > 0
    assert isinstance(home.put(box, b"2"), Held)
    outputs = home.attach(box)
    assert delivered(outputs) == [b"0", b"1", b"2"]


def test_quota_counts_bytes_and_is_free_again_after_acknowledgement() -> None:
    home = Home(MailboxLimits(create_stamp_bits=0, contact_bytes=1000))
    box = home.create()
    assert isinstance(home.put(box, bytes(1000)), Held)
    assert code_of(home.put(box, b"x")) is ErrorCode.MAILBOX_FULL
    home.attach(box)
    home.apply(Acked(A_LINK, box, [1]))
    assert isinstance(home.put(box, b"x"), Held)


# Logging in.


def test_login_tells_the_number_of_prekeys_and_pushes_what_is_held() -> None:
    home = Home()
    box = home.create()
    home.put(box, b"e")
    home.attach(box)
    home.ask(wire.AddPrekeys(box, [b"1", b"2"]), A_LINK)
    outputs = home.attach(box, OTHER_LINK)
    assert outputs[0] == Superseded(A_LINK)
    assert outputs[1] == Attached(OTHER_LINK, box, ErrorCode.NONE, 2, 0)
    assert delivered(outputs) == [b"e"]


def test_login_with_another_key_or_to_no_mailbox_is_refused() -> None:
    home = Home()
    box = home.create()
    assert attached_code(home.attach(box, number=2)) is ErrorCode.LOGIN_INVALID
    nowhere = MailboxId(bytes(16))
    assert attached_code(home.attach(nowhere)) is ErrorCode.UNKNOWN_MAILBOX


@pytest.mark.claim("R-2")
def test_older_or_copied_store_is_refused_and_takes_nothing_over() -> None:
    home = Home()
    box = home.create()
    other = b"another instance"
    assert attached_code(home.attach(box, generation=5)) == 0
    for generation, instance in ((4, INSTANCE), (5, other), (0, INSTANCE), (4, other)):
        outputs = home.attach(box, OTHER_LINK, generation=generation, instance=instance)
        assert outputs == [Attached(OTHER_LINK, box, ErrorCode.STORE_STALE, 0, 0)]
    home.restart()
    assert attached_code(home.attach(box, generation=4)) is ErrorCode.STORE_STALE
    assert attached_code(home.attach(box, generation=5)) == 0
    assert attached_code(home.attach(box, generation=6, instance=other)) == 0
    assert attached_code(home.attach(box, generation=5)) is ErrorCode.STORE_STALE


def test_first_login_may_be_of_any_generation() -> None:
    for generation in (0, 1, 2**53 - 1):
        home = Home()
        assert attached_code(home.attach(home.create(), generation=generation)) == 0


def test_detached_link_gets_nothing_more_and_its_acks_are_ignored() -> None:
    home = Home()
    box = home.create()
    home.attach(box)
    home.apply(Detach(A_LINK))
    assert home.service.attached_count == 0
    home.put(box, b"e")
    home.apply(Acked(A_LINK, box, [1]))
    assert delivered(home.attach(box, OTHER_LINK)) == [b"e"]


def test_acks_of_somebody_elses_link_delete_nothing() -> None:
    home = Home()
    box, other = home.create(1), home.create(2)
    home.attach(box)
    home.attach(other, OTHER_LINK, number=2)
    home.put(box, b"e")
    home.apply(Acked(OTHER_LINK, box, [1]), Acked(OTHER_LINK, other, [1]))
    assert delivered(home.attach(box, LinkRef(3))) == [b"e"]


def test_end_of_a_superseded_link_leaves_the_newer_one_open() -> None:
    home = Home()
    box = home.create()
    home.attach(box, A_LINK)
    home.attach(box, OTHER_LINK)
    home.apply(Detach(A_LINK))
    (deliver,) = (
        output
        for output in home.apply(Asked(SENDER, 1, put_by_token(box, b"e")))
        if isinstance(output, Deliver)
    )
    assert deliver.link == OTHER_LINK


def test_acknowledged_mail_is_off_the_disk() -> None:
    home = Home()
    box = home.create()
    home.put(box, b"secret envelope")
    home.attach(box)
    assert home.store.disk.contains(b"secret")
    home.apply(Acked(A_LINK, box, [1]))
    assert not home.store.disk.contains(b"secret")


# Live.


def test_live_envelope_is_passed_only_with_the_token_to_an_attached_mailbox() -> None:
    home = Home()
    box, requests = home.create(1), home.create_requests(2)

    def live(mailbox: MailboxId, token: bytes) -> list[ServiceOutput]:
        return home.apply(LiveAsked(SENDER, 7, mailbox, token, b"typing"))

    not_passed = [LiveAnswered(SENDER, 7, passed=False)]
    assert live(box, TOKEN) == not_passed
    home.attach(box)
    home.attach(requests, number=2)
    assert live(box, bytes(16)) == not_passed
    assert live(requests, TOKEN) == not_passed
    assert live(requests, bytes(16)) == not_passed
    assert live(box, TOKEN) == [
        LiveDelivered(A_LINK, box, b"typing"),
        LiveAnswered(SENDER, 7, passed=True),
    ]
    home.apply(Detach(A_LINK))
    assert live(box, TOKEN) == not_passed
    assert not home.store.disk.contains(b"typing")


# What goes wrong.


def test_full_disk_refuses_what_needs_it_and_does_the_rest() -> None:
    home = Home()
    box, other = home.create(1), home.create(2)
    home.attach(box)
    home.put(box, b"first")
    home.store.before_commit = disk_full
    outputs = home.apply(
        Asked(SENDER, 1, put_by_token(box, b"second")),
        Attach(OTHER_LINK, other, owner_key(2).public.raw, 1, INSTANCE),
        Acked(A_LINK, box, [1]),
        LiveAsked(SENDER, 2, box, TOKEN, b"live"),
        Asked(SENDER, 3, wire.GetChallenge(bytes(16))),
        Asked(SENDER, 4, wire.Claim(box, TOKEN, one_time=True)),
    )
    refused, challenge, claim = answers(outputs)
    assert code_of(refused) is code_of(claim) is ErrorCode.STORE_UNAVAILABLE
    assert isinstance(refused, Refused)
    assert refused.retry_after_ms > 0
    assert isinstance(challenge, wire.Challenge)
    assert attached_code(outputs) is ErrorCode.STORE_UNAVAILABLE
    assert LiveDelivered(A_LINK, box, b"live") in outputs
    assert delivered(outputs) == []
    assert home.service.attached_count == 1
    assert [type(fault) for fault in home.service.take_faults()] == [DiskFullError]


def test_acknowledgement_survives_a_full_disk() -> None:
    home = Home()
    box = home.create()
    home.attach(box)
    home.put(box, b"first")
    home.store.before_commit = disk_full
    home.apply(Acked(A_LINK, box, [1]))
    assert home.store.disk.contains(b"first")
    home.store.before_commit = lambda: None
    home.apply(Asked(SENDER, 1, put_by_token(box, b"second")))
    assert not home.store.disk.contains(b"first")
    assert delivered(home.attach(box, OTHER_LINK)) == [b"second"]


def test_nothing_that_was_answered_is_lost_when_commits_fail_at_random_places() -> None:
    for fail_at in range(12):
        home = Home()
        box = home.create()
        kept = []
        for number in range(12):
            home.store.before_commit = disk_full if number == fail_at else lambda: None
            envelope = b"%d" % number
            if isinstance(home.put(box, envelope), Held):
                kept.append(envelope)
        home.store.before_commit = lambda: None
        assert len(kept) == 11
        assert delivered(home.attach(box)) == kept


def test_damaged_store_is_told_to_the_program() -> None:
    home = Home()
    box = home.create()

    def damaged() -> None:
        raise StoreDamagedError("test")

    home.store.before_commit = damaged
    assert code_of(home.put(box, b"e")) is ErrorCode.STORE_UNAVAILABLE
    assert [type(fault) for fault in home.service.take_faults()] == [StoreDamagedError]
    assert home.service.take_faults() == []


def test_one_poisoned_item_takes_no_other_with_it() -> None:
    home = Home()
    box = home.create()
    poisoned = Asked(SENDER, 2, None)  # type: ignore[arg-type]
    outputs = home.apply(
        Asked(SENDER, 1, put_by_token(box, b"first")),
        poisoned,
        Attach(A_LINK, box, owner_key(1).public.raw, 1, INSTANCE),
        Asked(SENDER, 3, put_by_token(box, b"second")),
    )
    first, internal, second = answers(outputs)
    assert isinstance(first, Held)
    assert code_of(internal) is ErrorCode.INTERNAL
    assert isinstance(second, Held)
    assert delivered(outputs) == [b"first", b"second"]
    assert home.service.take_faults()


def test_used_stamp_is_given_back_when_the_commit_fails() -> None:
    home = Home()
    owner = owner_key(1).public.raw
    stamp = home.stamp(NO_MAILBOX, sha256(owner))
    create = wire.CreateMailbox(CONTACT_MAILBOX, owner, token_hash(TOKEN), stamp)
    home.store.before_commit = disk_full
    assert code_of(home.ask(create)) is ErrorCode.STORE_UNAVAILABLE
    home.store.before_commit = lambda: None
    assert isinstance(home.ask(create), MailboxCreated)
    assert code_of(home.ask(create)) is ErrorCode.STAMP_INVALID


def test_batch_without_need_of_the_disk_opens_no_transaction() -> None:
    home = Home()
    home.store.before_commit = disk_full
    home.apply(Detach(A_LINK), LiveAsked(SENDER, 1, MailboxId(bytes(16)), TOKEN, b"x"))
    assert home.service.take_faults() == []


# Time.


def test_sweep_deletes_envelopes_after_thirty_days() -> None:
    home = Home()
    box = home.create()
    home.attach(box)
    home.put(box, b"old")
    home.later(ms=30 * DAY_MS - 1)
    assert home.service.sweep(home.now_unix_ms).envelope_count == 0
    home.later(ms=1)
    assert home.service.sweep(home.now_unix_ms) == Swept(0, 1, 0)
    assert not home.store.disk.contains(b"old")


def test_mailbox_goes_without_logins_and_stays_while_it_is_attached() -> None:
    home = Home()
    quiet, used, new = home.create(1), home.create(2), home.create(3)
    home.attach(quiet)
    home.apply(Detach(A_LINK))
    home.attach(used, OTHER_LINK, number=2)
    for _ in range(91):
        home.later(ms=DAY_MS)
        home.service.sweep(home.now_unix_ms)
    remaining = set(home.store.disk.boxes)
    assert remaining == {used}
    assert quiet not in remaining
    assert new not in remaining


def test_login_gives_a_mailbox_ninety_days() -> None:
    home = Home()
    box = home.create()
    home.attach(box)
    row = home.store.disk.boxes[box].row
    assert row.expires_unix_ms == START_UNIX_MS + 90 * DAY_MS
    assert (row.generation, row.instance) == (1, INSTANCE)


def test_failed_sweep_changes_nothing() -> None:
    home = Home()
    box = home.create()
    home.attach(box)
    home.later(ms=100 * DAY_MS)
    home.store.before_commit = disk_full
    try:
        home.service.sweep(home.now_unix_ms)
    except DiskFullError:
        home.store.before_commit = lambda: None
    assert home.service.sweep(home.now_unix_ms).mailbox_count == 0
    assert isinstance(home.ask(wire.SetToken(box, bytes(32)), A_LINK), Done)


def test_two_commits_around_a_crash_lose_nothing_and_double_nothing() -> None:
    home = Home()
    box = home.create()
    for number in range(10):
        home.put(box, b"%d" % number)
        home.restart()
    assert isinstance(home.put(box, b"3"), Held)
    pushed = delivered(home.attach(box))
    assert pushed == [b"%d" % number for number in range(10)]
    assert envelope_hash(b"3") in home.store.disk.boxes[box].by_hash

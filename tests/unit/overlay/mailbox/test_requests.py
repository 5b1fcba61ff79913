from dataclasses import replace

import pytest

from hark.crypto.admission import envelope_hash, pass_hash, token_hash
from hark.crypto.hashing import sha256
from hark.overlay.mailbox.events import Asked, LinkRef, LiveAnswered, LiveAsked, PrekeysRunLow
from hark.overlay.mailbox.limits import (
    DAY_MS,
    HOUR_MS,
    REQUEST_ENVELOPE_BYTES,
    MailboxLimits,
)
from hark.overlay.mailbox.stamps import CHALLENGE_LIFE_MS, NO_MAILBOX
from hark.wire import mailbox as wire
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import MailboxId
from hark.wire.mailbox import CONTACT_MAILBOX, REQUESTS_MAILBOX, Done, Held, Refused
from tests.unit.overlay.world import (
    A_LINK,
    QUICK_STAMPS,
    SENDER,
    START_UNIX_MS,
    TOKEN,
    Home,
    delivered,
    owner_key,
    put_by_token,
)

PASS = b"invitation pass!"
SMALL, LARGE = (bytes([1]) * size for size in REQUEST_ENVELOPE_BYTES)


def code_of(answer: wire.MailboxAnswer) -> ErrorCode:
    assert isinstance(answer, Refused)
    return ErrorCode(answer.code)


def request_envelope(number: int) -> bytes:
    return number.to_bytes(4, "big") + SMALL[4:]


# Making mailboxes.


def test_mailbox_is_made_once_for_an_owner_key_and_a_kind() -> None:
    home = Home()
    contact, requests = home.create(), home.create_requests()
    assert contact != requests
    assert (home.create(), home.create_requests()) == (contact, requests)
    assert home.create(2) not in {contact, requests}


def test_mailbox_without_a_login_lives_for_a_week() -> None:
    home = Home()
    home.create()
    home.later(ms=7 * DAY_MS - 1)
    assert home.service.sweep(home.now_unix_ms).mailbox_count == 0
    home.later(ms=1)
    assert home.service.sweep(home.now_unix_ms).mailbox_count == 1


def test_mailbox_needs_a_stamp_for_its_own_owner_key() -> None:
    home = Home(replace(QUICK_STAMPS, create_stamp_bits=8))
    one, two = (owner_key(number).public.raw for number in (1, 2))
    stamp = home.stamp(NO_MAILBOX, sha256(one))
    stolen = wire.CreateMailbox(CONTACT_MAILBOX, two, token_hash(TOKEN), stamp)
    assert code_of(home.ask(stolen)) is ErrorCode.STAMP_INVALID
    box_stamp = home.stamp(MailboxId(bytes([3]) * 16), sha256(one))
    wrong = wire.CreateMailbox(CONTACT_MAILBOX, one, token_hash(TOKEN), box_stamp)
    assert code_of(home.ask(wrong)) is ErrorCode.STAMP_INVALID


# Requests mailboxes.


def test_stranger_is_admitted_by_a_stamp_once() -> None:
    home = Home()
    box = home.create_requests()
    stamp = home.stamp(box, envelope_hash(SMALL))
    assert isinstance(home.ask(wire.Put(box, stamp, SMALL)), Held)
    # The same put again is the same promise; another envelope needs another stamp.
    assert isinstance(home.ask(wire.Put(box, stamp, SMALL)), Held)
    other = wire.Put(box, stamp, request_envelope(2))
    assert code_of(home.ask(other)) is ErrorCode.STAMP_INVALID
    assert delivered(home.attach(box)) == [SMALL]


def test_late_stamp_is_not_taken() -> None:
    home = Home()
    box = home.create_requests()
    stamp = home.stamp(box, envelope_hash(SMALL))
    home.later(ms=CHALLENGE_LIFE_MS)
    late = wire.Put(box, stamp, SMALL)
    assert code_of(home.ask(late)) is ErrorCode.STAMP_INVALID


@pytest.mark.claim("P-2")
def test_invitation_pass_admits_one_envelope_before_it_expires() -> None:
    home = Home()
    box = home.create_requests()
    home.attach(box)
    expires = START_UNIX_MS + 7 * DAY_MS
    registered = home.ask(wire.RegisterPass(box, pass_hash(PASS), expires), A_LINK)
    assert registered == Done()
    shown = wire.InvitationPass(PASS)
    wrong = wire.Put(box, wire.InvitationPass(bytes(16)), SMALL)
    assert code_of(home.ask(wrong)) is ErrorCode.PASS_INVALID
    assert isinstance(home.ask(wire.Put(box, shown, SMALL)), Held)
    assert isinstance(home.ask(wire.Put(box, shown, SMALL)), Held)
    second = wire.Put(box, shown, LARGE)
    assert code_of(home.ask(second)) is ErrorCode.PASS_INVALID


def test_expired_pass_is_refused() -> None:
    home = Home()
    box = home.create_requests()
    home.attach(box)
    home.ask(wire.RegisterPass(box, pass_hash(PASS), START_UNIX_MS + 10), A_LINK)
    home.later(ms=10)
    put = wire.Put(box, wire.InvitationPass(PASS), SMALL)
    assert code_of(home.ask(put)) is ErrorCode.PASS_INVALID


def test_pass_is_not_used_up_by_a_full_mailbox_or_a_wrong_size() -> None:
    home = Home(replace(QUICK_STAMPS, requests_envelopes=1))
    box = home.create_requests()
    home.attach(box)
    home.ask(wire.RegisterPass(box, pass_hash(PASS), START_UNIX_MS + DAY_MS), A_LINK)
    stamp = home.stamp(box, envelope_hash(SMALL))
    home.ask(wire.Put(box, stamp, SMALL))
    shown = wire.InvitationPass(PASS)
    assert code_of(home.ask(wire.Put(box, shown, LARGE))) is ErrorCode.MAILBOX_FULL
    assert code_of(home.ask(wire.Put(box, shown, b"short"))) is ErrorCode.TOO_LARGE
    home.ask(wire.DeleteMailbox(box), A_LINK)


def test_requests_mailbox_takes_two_sizes_only() -> None:
    home = Home()
    box = home.create_requests()
    for size in (1, 1146 + 512, len(SMALL) - 1, len(SMALL) + 1, len(LARGE) + 1):
        stamp = home.stamp(box, envelope_hash(bytes(size)))
        assert code_of(home.ask(wire.Put(box, stamp, bytes(size)))) is ErrorCode.TOO_LARGE
    for envelope in (SMALL, LARGE):
        stamp = home.stamp(box, envelope_hash(envelope))
        assert isinstance(home.ask(wire.Put(box, stamp, envelope)), Held)


def test_requests_mailbox_holds_a_hundred_envelopes() -> None:
    home = Home(replace(QUICK_STAMPS, max_request_stamp_bits=3))
    box = home.create_requests()
    for number in range(100):
        envelope = request_envelope(number)
        stamp = home.stamp(box, envelope_hash(envelope))
        assert isinstance(home.ask(wire.Put(box, stamp, envelope)), Held)
    envelope = request_envelope(100)
    stamp = home.stamp(box, envelope_hash(envelope))
    assert code_of(home.ask(wire.Put(box, stamp, envelope))) is ErrorCode.MAILBOX_FULL


@pytest.mark.parametrize("kind", [CONTACT_MAILBOX, REQUESTS_MAILBOX])
@pytest.mark.claim("P-3")
def test_admission_of_the_other_kind_of_mailbox_is_refused(kind: int) -> None:
    home = Home()
    box = home.create(1, kind)
    if kind == CONTACT_MAILBOX:
        stamp = home.stamp(box, envelope_hash(SMALL))
        by_pass = wire.Put(box, wire.InvitationPass(PASS), SMALL)
        assert code_of(home.ask(wire.Put(box, stamp, SMALL))) is ErrorCode.STAMP_INVALID
        assert code_of(home.ask(by_pass)) is ErrorCode.PASS_INVALID
    else:
        for token in (TOKEN, bytes(16)):
            by_token = put_by_token(box, SMALL, token)
            assert code_of(home.ask(by_token)) is ErrorCode.TOKEN_STALE


# Claims.


def with_prekeys(count: int = 50) -> tuple[Home, MailboxId]:
    home = Home()
    box = home.create()
    home.attach(box)
    home.ask(wire.PublishBundle(box, 4, b"chain", b"record", b"fallback"), A_LINK)
    home.ask(wire.AddPrekeys(box, [b"prekey %d" % n for n in range(count)]), A_LINK)
    return home, box


def claim(home: Home, box: MailboxId, *, one_time: bool = True) -> wire.Bundle:
    bundle = home.ask(wire.Claim(box, TOKEN, one_time))
    assert isinstance(bundle, wire.Bundle)
    return bundle


def test_claim_gives_the_bundle_and_each_one_time_key_once() -> None:
    home, box = with_prekeys(3)
    given = [claim(home, box) for _ in range(4)]
    assert [bundle.one_time_blob for bundle in given] == [
        b"prekey 0",
        b"prekey 1",
        b"prekey 2",
        b"",
    ]
    assert given[0] == wire.Bundle(4, b"chain", b"record", b"fallback", b"prekey 0")


def test_claim_without_a_wish_for_a_one_time_key_takes_none() -> None:
    home, box = with_prekeys(1)
    assert claim(home, box, one_time=False).one_time_blob == b""
    assert claim(home, box).one_time_blob == b"prekey 0"


def test_twenty_one_time_keys_an_hour_then_the_fallback_only() -> None:
    home, box = with_prekeys()
    given = [claim(home, box).one_time_blob for _ in range(25)]
    assert all(given[:20])
    assert given[20:] == [b""] * 5
    home.later(ms=HOUR_MS - 1)
    assert claim(home, box).one_time_blob == b""
    home.later(ms=1)
    assert claim(home, box).one_time_blob == b"prekey 20"


def test_claim_of_a_contact_needs_the_token() -> None:
    home, box = with_prekeys()
    for token in (b"", bytes(16), b"another token..."):
        refused = home.ask(wire.Claim(box, token, one_time=True))
        assert code_of(refused) is ErrorCode.TOKEN_STALE


def test_stranger_gets_the_fallback_and_never_a_one_time_key() -> None:
    home = Home()
    box = home.create_requests()
    home.attach(box)
    home.ask(wire.PublishBundle(box, 1, b"chain", b"record", b"fallback"), A_LINK)
    home.ask(wire.AddPrekeys(box, [b"one"]), A_LINK)
    bundle = home.ask(wire.Claim(box, b"", one_time=True))
    assert bundle == wire.Bundle(1, b"chain", b"record", b"fallback", b"")


def test_claim_before_anything_is_published_gives_empty_blobs() -> None:
    home = Home()
    box = home.create()
    assert claim(home, box) == wire.Bundle(0, b"", b"", b"", b"")


def test_owner_is_told_from_twenty_five_prekeys_on() -> None:
    home, box = with_prekeys(27)
    told = []
    for _ in range(4):
        outputs = home.apply(Asked(SENDER, 1, wire.Claim(box, TOKEN, one_time=True)))
        told += [output for output in outputs if isinstance(output, PrekeysRunLow)]
    assert told == [PrekeysRunLow(A_LINK, box, left) for left in (25, 24, 23)]


# The owner's requests.

OWNER_REQUESTS = {
    "set token": lambda box: wire.SetToken(box, bytes(32)),
    "publish": lambda box: wire.PublishBundle(box, 1, b"c", b"r", b"f"),
    "add prekeys": lambda box: wire.AddPrekeys(box, [b"p"]),
    "register pass": lambda box: wire.RegisterPass(box, bytes(32), START_UNIX_MS + 1),
    "delete": wire.DeleteMailbox,
}


@pytest.mark.parametrize("name", OWNER_REQUESTS)
def test_only_the_link_that_has_the_mailbox_open_may(name: str) -> None:
    home = Home()
    box, other = home.create(1), home.create(2)
    request = OWNER_REQUESTS[name](box)
    assert code_of(home.ask(request, A_LINK)) is ErrorCode.NOT_OWNER
    home.attach(other, A_LINK, number=2)
    assert code_of(home.ask(request, A_LINK)) is ErrorCode.NOT_OWNER
    home.attach(box, LinkRef(2))
    assert code_of(home.ask(request, A_LINK)) is ErrorCode.NOT_OWNER
    nowhere = OWNER_REQUESTS[name](MailboxId(bytes(16)))
    assert code_of(home.ask(nowhere, LinkRef(2))) is ErrorCode.NOT_OWNER


@pytest.mark.claim("C-1", "P-3")
def test_new_token_replaces_the_old_one_for_mail_live_and_claims() -> None:
    home = Home()
    box = home.create()
    home.attach(box)
    new = b"another-token..."
    assert home.ask(wire.SetToken(box, token_hash(new)), A_LINK) == Done()
    assert code_of(home.put(box, b"e")) is ErrorCode.TOKEN_STALE
    for token, passed in ((TOKEN, False), (new, True)):
        outputs = home.apply(LiveAsked(SENDER, 1, box, token, b"live"))
        assert LiveAnswered(SENDER, 1, passed) in outputs
    assert code_of(home.ask(wire.Claim(box, TOKEN, one_time=False))) is ErrorCode.TOKEN_STALE
    assert isinstance(home.ask(put_by_token(box, b"e", new)), Held)


def test_token_that_a_requests_mailbox_was_made_with_admits_nobody() -> None:
    home = Home()
    owner = owner_key(1).public.raw
    stamp = home.stamp(NO_MAILBOX, sha256(owner))
    create = wire.CreateMailbox(REQUESTS_MAILBOX, owner, token_hash(TOKEN), stamp)
    created = home.ask(create)
    assert isinstance(created, wire.MailboxCreated)
    put = put_by_token(MailboxId(created.mailbox), SMALL)
    assert code_of(home.ask(put)) is ErrorCode.TOKEN_STALE


def test_requests_mailbox_has_no_token_to_set() -> None:
    home = Home()
    box = home.create_requests()
    home.attach(box)
    refused = home.ask(wire.SetToken(box, token_hash(TOKEN)), A_LINK)
    assert code_of(refused) is ErrorCode.MALFORMED


def test_older_record_is_refused_and_the_same_counter_may_come_again() -> None:
    home, box = with_prekeys()
    older = wire.PublishBundle(box, 3, b"x", b"x", b"x")
    assert code_of(home.ask(older, A_LINK)) is ErrorCode.RECORD_OLD
    same = wire.PublishBundle(box, 4, b"chain 2", b"record", b"fallback")
    assert home.ask(same, A_LINK) == Done()
    assert claim(home, box).chain_blob == b"chain 2"
    assert home.ask(wire.PublishBundle(box, 5, b"", b"r5", b""), A_LINK) == Done()
    assert claim(home, box).record_blob == b"r5"


def test_fifty_prekeys_are_held_and_no_empty_ones() -> None:
    home, box = with_prekeys(48)
    too_many = wire.AddPrekeys(box, [b"1", b"2", b"3"])
    assert code_of(home.ask(too_many, A_LINK)) is ErrorCode.PREKEYS_FULL
    empty = wire.AddPrekeys(box, [b"1", b""])
    assert code_of(home.ask(empty, A_LINK)) is ErrorCode.MALFORMED
    assert home.ask(wire.AddPrekeys(box, [b"1", b"2"]), A_LINK) == wire.PrekeyCount(50)


def test_passes_are_for_requests_mailboxes_bounded_in_number_and_life() -> None:
    home = Home(replace(QUICK_STAMPS, passes=3))
    contact, box = home.create(1), home.create_requests(2)
    home.attach(contact)
    home.attach(box, number=2)

    def register(mailbox: MailboxId, number: int, expires: int) -> wire.MailboxAnswer:
        request = wire.RegisterPass(mailbox, bytes([number]) * 32, expires)
        return home.ask(request, A_LINK)

    soon = START_UNIX_MS + DAY_MS
    assert code_of(register(contact, 1, soon)) is ErrorCode.PASS_INVALID
    assert code_of(register(box, 1, START_UNIX_MS)) is ErrorCode.PASS_INVALID
    for number in range(3):
        assert register(box, number, 2**53 - 1) == Done()
    assert code_of(register(box, 3, soon)) is ErrorCode.MAILBOX_FULL
    home.later(ms=30 * DAY_MS)
    assert home.service.sweep(home.now_unix_ms).pass_count == 3


def test_deleted_mailbox_is_gone_with_everything_in_it() -> None:
    home, box = with_prekeys()
    home.put(box, b"secret envelope")
    assert home.ask(wire.DeleteMailbox(box), A_LINK) == Done()
    assert home.store.disk.boxes == {}
    assert home.service.attached_count == 0
    assert code_of(home.put(box, b"e")) is ErrorCode.UNKNOWN_MAILBOX
    assert code_of(home.ask(wire.SetToken(box, bytes(32)), A_LINK)) is ErrorCode.NOT_OWNER


def test_counts_of_claims_are_forgotten_after_their_hour() -> None:
    home = Home(MailboxLimits(create_stamp_bits=0))
    box = home.create()
    claim(home, box)
    assert len(home.service._rules._claims) == 1
    home.later(ms=HOUR_MS)
    home.apply()
    assert len(home.service._rules._claims) == 0

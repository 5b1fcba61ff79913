from typing import get_args

import pytest

from hark.machine import Instant
from hark.overlay.link import pending as pending_module
from hark.overlay.link.pending import MAX_PENDING, Pending, PendingRequests, fits
from hark.wire import mailbox as wire

REQUEST = wire.GetChallenge(bytes(16))


def test_oldest_request_is_the_first_to_give_up_on() -> None:
    pending = PendingRequests()
    assert pending.deadline() is None
    for moment in (10.0, 11.0, 12.0):
        pending.add(Pending(pending.new_id(), REQUEST, Instant(moment)))
    assert pending.deadline() == 10.0
    first, second, _ = pending.take_all()
    assert (first.give_up_at, second.give_up_at) == (10.0, 11.0)
    assert pending.deadline() is None


def test_taken_request_is_gone() -> None:
    pending = PendingRequests()
    request_id = pending.new_id()
    pending.add(Pending(request_id, REQUEST, Instant(1.0)))
    assert pending.take(request_id) is not None
    assert pending.take(request_id) is None


def test_request_ids_wrap_and_pass_over_those_in_use() -> None:
    pending = PendingRequests()
    pending._next_id = 2**32 - 1
    last = pending.new_id()
    pending.add(Pending(last, REQUEST, Instant(1.0)))
    zero = pending.new_id()
    pending.add(Pending(zero, REQUEST, Instant(1.0)))
    assert (last, zero) == (2**32 - 1, 0)
    pending._next_id = 2**32 - 1
    assert pending.new_id() == 1


def test_number_of_pending_requests_is_bounded() -> None:
    pending = PendingRequests()
    for _ in range(MAX_PENDING):
        assert not pending.full()
        pending.add(Pending(pending.new_id(), REQUEST, Instant(1.0)))
    assert pending.full()


REQUESTS = {
    wire.GetChallenge(bytes(16)): wire.Challenge,
    wire.Claim(bytes(16), b"", one_time=False): wire.Bundle,
    wire.SetToken(bytes(16), bytes(32)): wire.Done,
    wire.DeleteMailbox(bytes(16)): wire.Done,
}
ANSWERS = (
    wire.Refused(1, 0),
    wire.Challenge(bytes(32), 1, 1),
    wire.MailboxCreated(bytes(16), 1),
    wire.Held(1, 1, 0, [], bytes(64)),
    wire.Bundle(1, b"", b"", b"", b""),
    wire.Done(),
    wire.PrekeyCount(1),
)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: type(request).__name__)
def test_answer_fits_only_its_own_kind_of_request(
    request_: wire.MailboxRequest, answer: wire.MailboxAnswer
) -> None:
    expected = isinstance(answer, (REQUESTS[request_], wire.Refused))
    assert fits(request_, answer) is expected


def test_every_request_has_a_fitting_answer() -> None:
    assert set(pending_module._FITTING) == set(get_args(wire.MailboxRequest))

"""What is not what it must be ends the call, and both sides are told why."""

from collections.abc import Callable

import pytest

from hark.calls.events import CallState, RecordCall, SasState
from hark.calls.media import ConnectMedia, MediaFailed, MediaFailure, MediaSilent
from hark.wire.call import (
    CallAnswer,
    CallCandidates,
    CallConfirm,
    CallEnd,
    CallOffer,
    CallOutcome,
    CallRedial,
    CallRedialAnswer,
    CallRedialWanted,
    CallRinging,
    CallStream,
    EndReason,
    Refusal,
)
from hark.wire.codec import encode
from hark.wire.ids import CallId
from tests.unit.calls.town import Device, Letter, Town, candidate


def two() -> tuple[Town, Device, Device]:
    town = Town()
    (anna,), (ben,) = town.person("anna"), town.person("ben")
    return town, anna, ben


def check_refused(
    town: Town, call: CallId, finder: Device, other: Device, why: Refusal
) -> None:
    town.deliver()
    for device, by_peer in ((finder, False), (other, True)):
        view = device.view(call)
        assert (view.reason, view.refusal) == (EndReason.REFUSED, why)
        assert view.by_peer is by_peer
        assert device.outcomes(call)[-1] is CallOutcome.FAILED
        assert device.ends(call) == 1
    assert not any(one.sas for one in (finder.view(call), other.view(call)))


# Offer and answer.


@pytest.mark.parametrize("field", ["caller_epoch", "callee_epoch"])
def test_an_offer_under_other_keys_is_refused(field: str) -> None:
    town, anna, ben = two()
    call = anna.place(ben)
    town.letter(CallOffer).alter(**{field: 7})
    town.deliver()
    check_refused(town, call, ben, anna, Refusal.KEYS_CHANGED)


def test_an_answer_is_refused_when_the_keys_have_changed_meanwhile() -> None:
    town, anna, ben = two()
    call = anna.place(ben)
    town.deliver()
    ben.answer(call)
    anna.epochs[ben.account] = 1
    town.deliver()
    check_refused(town, call, anna, ben, Refusal.KEYS_CHANGED)


def test_an_offer_without_voice_is_refused() -> None:
    town, anna, ben = two()
    call = anna.place(ben)
    town.letter(CallOffer).alter(streams=[CallStream(3, 77)])
    check_refused(town, call, ben, anna, Refusal.NO_VOICE)


def altered_answer(**changes: object) -> tuple[Town, Device, Device, CallId]:
    town, anna, ben = two()
    call = anna.place(ben)
    town.deliver()
    ben.answer(call)
    town.letter(CallAnswer).alter(**changes)
    return town, anna, ben, call


def test_an_answer_without_voice_is_refused() -> None:
    town, anna, ben, call = altered_answer(streams=[CallStream(3, 77)])
    check_refused(town, call, anna, ben, Refusal.NO_VOICE)


def test_voice_may_have_any_number_and_company() -> None:
    town, anna, ben = two()
    call = anna.place(ben)
    streams = [CallStream(9, 77), CallStream(4, 0), CallStream(5, 0)]
    town.letter(CallOffer).alter(streams=streams)
    town.deliver()
    ben.answer(call)
    (order,) = ben.ordered(ConnectMedia)
    assert order.keys.receive_key_id == 1 << 8 | 4


def test_an_answer_to_another_offer_is_refused() -> None:
    town, anna, ben, call = altered_answer(offer_hash=bytes(32))
    check_refused(town, call, anna, ben, Refusal.WRONG_OFFER)


def own(offer: CallOffer, field: str) -> dict[str, object]:
    if field == "secret":
        return {"secret": offer.secret}
    if field == "nonce":
        return {"nonce": offer.commitment}
    return {"transport": offer.transport}


@pytest.mark.parametrize("field", ["secret", "nonce", "transport"])
def test_what_is_ours_is_refused_when_it_comes_back_in_an_answer(field: str) -> None:
    town, anna, ben = two()
    call = anna.place(ben)
    offer = town.letter(CallOffer).signal
    assert isinstance(offer, CallOffer)
    town.deliver()
    ben.answer(call)
    town.letter(CallAnswer).alter(**own(offer, field))
    check_refused(town, call, anna, ben, Refusal.REFLECTED)


@pytest.mark.parametrize("field", ["secret", "commitment", "transport"])
def test_what_is_ours_is_refused_when_it_comes_back_in_an_offer(field: str) -> None:
    town, anna, ben = two()
    ours = anna.place(ben)
    offer = town.take(CallOffer).signal
    theirs = ben.place(anna)
    letter = town.letter(CallOffer)
    letter.alter(**{field: getattr(offer, field)})
    town.deliver()
    check_refused(town, theirs, anna, ben, Refusal.REFLECTED)
    assert anna.view(ours).state is CallState.CALLING


@pytest.mark.claim("S-12")
def test_our_own_offer_that_comes_back_is_refused() -> None:
    town, anna, ben = two()
    call = anna.place(ben)
    offer = town.letter(CallOffer)
    town.deliver()
    anna.receive(ben, offer.body)
    check_refused(town, call, anna, ben, Refusal.REFLECTED)


def test_our_own_ring_that_comes_back_is_refused() -> None:
    town, anna, ben = two()
    call = anna.place(ben)
    town.hand_over(town.take(CallOffer))
    ben.receive(anna, town.letter(CallRinging).body)
    check_refused(town, call, ben, anna, Refusal.REFLECTED)


def test_a_contact_that_uses_the_name_of_our_device_is_refused() -> None:
    town, anna, ben = two()
    call = anna.place(ben)
    town.deliver()
    ben.answer(call)
    anna.receive(Device(town, ben.account, anna.device, ben.calls), town.take(CallAnswer).body)
    assert anna.view(call).refusal is Refusal.REFLECTED


# Confirmation.


def before_confirmation() -> tuple[Town, Device, Device, CallId]:
    """Both have answered; the caller's confirmation is in the mail."""
    town, anna, ben = two()
    call = anna.place(ben)
    town.deliver()
    ben.answer(call)
    town.hand_over(town.take(CallAnswer))
    return town, anna, ben, call


@pytest.mark.claim("S-14")
def test_emoji_are_not_shown_before_every_check_has_passed() -> None:
    town, anna, ben, call = before_confirmation()
    town.connect(call, anna, ben)
    for device in (anna, ben):
        assert device.view(call).sas_state is SasState.CHECKING
        assert device.view(call).sas == ()
    town.hand_over(town.take(CallConfirm))
    assert ben.view(call).sas_state is SasState.READY
    assert anna.view(call).sas_state is SasState.CHECKING
    town.deliver()
    assert anna.view(call).sas_state is SasState.READY


@pytest.mark.claim("S-14")
def test_a_nonce_that_the_caller_was_not_committed_to_is_refused() -> None:
    town, anna, ben, call = before_confirmation()
    town.letter(CallConfirm).alter(nonce=bytes(32))
    check_refused(town, call, ben, anna, Refusal.WRONG_NONCE)


def test_our_own_nonce_as_the_callers_is_refused() -> None:
    town, anna, ben = two()
    call = anna.place(ben)
    town.deliver()
    ben.answer(call)
    answer = town.letter(CallAnswer).signal
    assert isinstance(answer, CallAnswer)
    town.hand_over(town.take(CallAnswer))
    town.letter(CallConfirm).alter(nonce=answer.nonce)
    check_refused(town, call, ben, anna, Refusal.REFLECTED)


@pytest.mark.claim("S-12")
def test_a_confirmation_of_other_signals_is_refused_by_the_callee() -> None:
    town, anna, ben, call = before_confirmation()
    town.letter(CallConfirm).alter(transcript=bytes(32))
    check_refused(town, call, ben, anna, Refusal.WRONG_TRANSCRIPT)


@pytest.mark.claim("S-12")
def test_a_confirmation_of_other_signals_is_refused_by_the_caller() -> None:
    town, anna, ben, call = before_confirmation()
    town.hand_over(town.take(CallConfirm))
    town.letter(CallConfirm).alter(transcript=bytes(32))
    town.deliver()
    assert anna.view(call).refusal is ben.view(call).refusal is Refusal.WRONG_TRANSCRIPT
    assert anna.view(call).sas == ()


def test_our_own_confirmation_that_comes_back_is_refused() -> None:
    town, anna, _ben, call = before_confirmation()
    confirm = town.letter(CallConfirm)
    anna.receive(town.devices[1], confirm.body)
    assert anna.view(call).refusal is Refusal.REFLECTED


def test_a_confirmation_that_is_not_due_is_none() -> None:
    town, anna, ben = two()
    call = anna.place(ben)
    town.deliver()
    anna.receive(ben, encode(CallConfirm(call, b"", bytes(32))))
    ben.receive(anna, encode(CallConfirm(call, bytes(32), bytes(32))))
    assert anna.view(call).state is CallState.RINGING
    assert ben.view(call).state is CallState.INCOMING


def alter_offer(letter: Letter) -> None:
    offer = letter.signal
    assert isinstance(offer, CallOffer)
    letter.alter(candidates=[candidate(77)])


def alter_candidates(letter: Letter) -> None:
    letter.alter(candidates=[candidate(77)])


@pytest.mark.parametrize("change", [alter_offer, alter_candidates])
def test_an_altered_set_up_is_found_by_the_first_comparison(
    change: Callable[[Letter], None],
) -> None:
    town, anna, ben = two()
    anna.final = False
    call = anna.place(ben)
    anna.more_candidates(call, 5, final=True)
    kind = CallOffer if change is alter_offer else CallCandidates
    change(town.letter(kind))
    town.deliver()
    ben.answer(call)
    town.deliver()
    finder, other = (anna, ben) if change is alter_offer else (ben, anna)
    why = Refusal.WRONG_OFFER if change is alter_offer else Refusal.WRONG_TRANSCRIPT
    check_refused(town, call, finder, other, why)


def test_altered_candidates_of_the_callee_are_found_by_the_caller() -> None:
    town, anna, ben = two()
    call = anna.place(ben)
    town.deliver()
    ben.final = False
    ben.answer(call)
    ben.more_candidates(call, 5, final=True)
    alter_candidates(town.letter(CallCandidates))
    town.deliver()
    assert anna.view(call).refusal is ben.view(call).refusal is Refusal.WRONG_TRANSCRIPT
    assert anna.view(call).sas == ()


@pytest.mark.claim("S-12")
def test_a_pruned_batch_is_missed() -> None:
    town, anna, ben = two()
    anna.final = False
    call = anna.place(ben)
    anna.more_candidates(call, 5, final=True)
    town.take(CallCandidates)
    town.deliver()
    ben.answer(call)
    town.deliver()
    town.wait(9.9)
    assert ben.view(call).state is CallState.CONNECTING
    town.wait(0.2)
    check_refused(town, call, ben, anna, Refusal.CANDIDATES_MISSING)


def test_a_pruned_confirmation_is_missed() -> None:
    town, anna, ben, call = before_confirmation()
    town.take(CallConfirm)
    town.connect(call, anna, ben)
    town.wait(20.1)
    town.deliver()
    for device in (anna, ben):
        assert device.view(call).refusal is Refusal.CANDIDATES_MISSING
        assert device.ends(call) == 1


def test_another_batch_of_the_same_number_is_refused() -> None:
    town, anna, ben = two()
    anna.final = False
    call = anna.place(ben)
    anna.more_candidates(call, 5)
    batch = town.letter(CallCandidates)
    town.deliver()
    town.hand_over(batch)
    assert ben.view(call).state is CallState.INCOMING
    alter_candidates(batch)
    town.hand_over(batch)
    check_refused(town, call, ben, anna, Refusal.WRONG_TRANSCRIPT)


# Floods.


@pytest.mark.claim("C-7")
def test_more_candidates_than_a_connection_may_have_are_refused() -> None:
    town, anna, ben = two()
    anna.final = False
    call = anna.place(ben)
    town.deliver()
    for number in (1, 2):
        batch = CallCandidates(call, 1, number, [candidate(number)] * 16, False)
        ben.receive(anna, encode(batch))
    check_refused(town, call, ben, anna, Refusal.TOO_MANY_CANDIDATES)


def test_candidates_after_the_last_ones_are_refused() -> None:
    town, anna, ben = two()
    call = anna.place(ben)
    town.deliver()
    ben.receive(anna, encode(CallCandidates(call, 1, 1, [candidate(1)], True)))
    check_refused(town, call, ben, anna, Refusal.TOO_MANY_CANDIDATES)


def test_what_is_no_signal_ends_the_call_with_its_sender_and_no_other() -> None:
    town = Town()
    (anna,), (ben,) = town.person("anna", max_calls=2), town.person("ben")
    (carla,) = town.person("carla")
    call, other = town.talk(anna, ben), town.talk(anna, carla)
    anna.receive(ben, encode(CallCandidates(call, 1, 8, [candidate(1)] * 1000, True)))
    town.deliver()
    for device, by_peer in ((anna, False), (ben, True)):
        view = device.view(call)
        assert (view.refusal, view.by_peer) == (Refusal.MALFORMED, by_peer)
    assert anna.view(other).state is carla.view(other).state is CallState.ACTIVE


def test_what_is_no_signal_and_belongs_to_no_call_is_dropped() -> None:
    town, anna, ben = two()
    for noise in (b"", b"\xc0", bytes(5000)):
        ben.receive(anna, noise)
    assert ben.calls.views() == []
    assert town.mail == []


# Connections.


@pytest.mark.claim("A-4")
def test_a_wrong_certificate_is_refused_and_both_sides_learn_it() -> None:
    town, anna, ben, call = before_confirmation()
    town.deliver()
    ben.tell(MediaFailed(call, 1, MediaFailure.WRONG_CERTIFICATE))
    town.deliver()
    for device, by_peer in ((ben, False), (anna, True)):
        view = device.view(call)
        assert (view.refusal, view.by_peer) == (Refusal.WRONG_CERTIFICATE, by_peer)


def test_a_wrong_certificate_on_a_later_path_is_refused_as_on_the_first() -> None:
    town, anna, ben = two()
    call = town.talk(anna, ben)
    anna.tell(MediaSilent(call, 1))
    town.deliver()
    ben.tell(MediaFailed(call, 2, MediaFailure.WRONG_CERTIFICATE))
    town.deliver()
    for device, by_peer in ((ben, False), (anna, True)):
        view = device.view(call)
        assert (view.refusal, view.by_peer) == (Refusal.WRONG_CERTIFICATE, by_peer)


@pytest.mark.parametrize("number", [1, 11, 900])
def test_a_redial_whose_number_is_used_or_out_of_turn_is_refused(number: int) -> None:
    town, anna, ben = two()
    call = town.talk(anna, ben)
    (order,) = ben.ordered(ConnectMedia)
    ben.receive(anna, encode(CallRedial(call, number, order.remote, [], True)))
    town.deliver()
    assert ben.view(call).refusal is anna.view(call).refusal is Refusal.BAD_CONNECTION


def test_a_second_redial_of_one_number_is_refused() -> None:
    town, anna, ben = two()
    call = town.talk(anna, ben)
    (order,) = ben.ordered(ConnectMedia)
    redial = CallRedial(call, 2, order.remote, [], True)
    ben.receive(anna, encode(redial))
    ben.receive(anna, encode(redial))
    assert ben.view(call).state is CallState.ACTIVE
    ben.receive(anna, encode(CallRedial(call, 2, order.remote, [candidate(3)], True)))
    assert ben.view(call).refusal is Refusal.BAD_CONNECTION


def test_our_own_end_that_comes_back_in_a_redial_is_refused() -> None:
    town, anna, ben = two()
    call = town.talk(anna, ben)
    (order,) = anna.ordered(ConnectMedia)
    ben.receive(anna, encode(CallRedial(call, 2, order.remote, [], True)))
    assert ben.view(call).refusal is Refusal.REFLECTED


@pytest.mark.parametrize("number", [1, 2])
def test_a_redial_answer_that_nobody_waits_for_is_refused(number: int) -> None:
    town, anna, ben = two()
    call = town.talk(anna, ben)
    (order,) = anna.ordered(ConnectMedia)
    anna.receive(ben, encode(CallRedialAnswer(call, number, order.remote, [], True)))
    assert anna.view(call).refusal is Refusal.BAD_CONNECTION


def test_a_connection_that_never_was_cannot_be_wanted_anew() -> None:
    town, anna, ben = two()
    call = town.talk(anna, ben)
    anna.receive(ben, encode(CallRedialWanted(call, 2)))
    assert anna.view(call).refusal is Refusal.BAD_CONNECTION


def test_candidates_of_a_connection_that_cannot_come_are_refused() -> None:
    town, anna, ben = two()
    call = town.talk(anna, ben)
    # Only a caller makes connections.
    anna.receive(ben, encode(CallCandidates(call, 2, 1, [candidate(1)], True)))
    assert anna.view(call).refusal is Refusal.BAD_CONNECTION
    town.deliver()
    call = town.talk(anna, ben)
    ben.receive(anna, encode(CallCandidates(call, 10, 1, [candidate(1)], True)))
    assert ben.view(call).refusal is Refusal.BAD_CONNECTION


def test_a_redial_before_the_answer_is_refused() -> None:
    town, anna, ben = two()
    call = anna.place(ben)
    offer = town.letter(CallOffer).signal
    assert isinstance(offer, CallOffer)
    town.deliver()
    ben.receive(anna, encode(CallRedial(call, 2, offer.transport, [], True)))
    check_refused(town, call, ben, anna, Refusal.BAD_CONNECTION)


def test_a_refusal_that_a_newer_version_knows_counts_as_malformed() -> None:
    town, anna, ben = two()
    call = town.talk(anna, ben)
    ben.receive(anna, encode(CallEnd(call, EndReason.REFUSED, 99)))
    assert ben.view(call).refusal is Refusal.MALFORMED


def test_secrets_of_media_are_in_no_text() -> None:
    town, anna, ben = two()
    town.talk(anna, ben)
    (order,) = anna.ordered(ConnectMedia)
    assert repr(order.keys.send_base) not in repr(order)


def test_an_offer_by_the_name_of_another_call_rings_nowhere_and_in_no_history() -> None:
    town = Town()
    (anna,), (carl,) = town.person("anna"), town.person("carl")
    ben, tablet = town.person("ben", 2)
    call = ben.place(anna)
    offer = town.take(CallOffer, anna)
    anna.receive(ben, offer.body)
    for sender in (tablet, carl):
        anna.receive(sender, offer.body)
    # Messaging has noted that each of them rings; the repeated one it has not.
    noted = [(one.account, one.caller_device, one.outcome) for one in anna.ordered(RecordCall)]
    assert noted == [
        (ben.account, tablet.device, CallOutcome.FAILED),
        (carl.account, carl.device, CallOutcome.FAILED),
    ]
    anna.receive(ben, offer.body)
    assert len(anna.ordered(RecordCall)) == 2
    assert anna.view(call).state is CallState.INCOMING

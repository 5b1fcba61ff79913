"""Who rings, who is told what, and how a call ends that nobody takes."""

import pytest

from hark.calls.events import CallState, SendSignal
from hark.calls.media import MediaFailed, MediaFailure, OpenMedia
from hark.errors import CallBusyError, CallError, NoSuchCallError, UsageError
from hark.wire.call import (
    CallAnswer,
    CallCandidates,
    CallEnd,
    CallOffer,
    CallOutcome,
    CallRedialWanted,
    CallRinging,
    CallStatus,
    EndReason,
    Refusal,
)
from hark.wire.codec import encode
from hark.wire.ids import CallId
from tests.unit.calls.town import Device, Town


def town_of_two(ben_devices: int = 1) -> tuple[Town, Device, list[Device]]:
    town = Town()
    (anna,) = town.person("anna")
    return town, anna, town.person("ben", ben_devices)


def ending(device: Device, call: CallId) -> tuple[EndReason | None, bool, CallOutcome]:
    view = device.view(call)
    assert view.state is CallState.ENDED
    assert device.ends(call) == 1
    return view.reason, view.by_peer, device.outcomes(call)[-1]


def test_every_device_rings_and_each_is_told_that_the_caller_waits() -> None:
    town, anna, bens = town_of_two(3)
    call = anna.place(bens[0])
    offers = {letter.body for letter in town.letters(CallOffer)}
    assert len(offers) == 1
    town.deliver()
    assert [ben.view(call).ring_confirmed for ben in bens] == [True] * 3


def test_whoever_answers_first_has_the_call_and_the_others_stop() -> None:
    town, anna, bens = town_of_two(3)
    call = anna.place(bens[0])
    town.deliver()
    bens[1].answer(call)
    town.deliver()
    assert anna.view(call).device == bens[1].device
    assert anna.view(call).state is bens[1].view(call).state is CallState.CONNECTING
    for other in (bens[0], bens[2]):
        assert ending(other, call) == (EndReason.ELSEWHERE, True, CallOutcome.ELSEWHERE)


def test_a_second_answer_is_told_that_another_device_has_the_call() -> None:
    town, anna, bens = town_of_two(2)
    call = anna.place(bens[0])
    town.deliver()
    bens[0].answer(call)
    bens[1].answer(call)
    town.deliver()
    assert anna.view(call).device == bens[0].device
    assert ending(bens[1], call)[0] is EndReason.ELSEWHERE


def test_an_answer_to_a_call_that_another_device_had_is_told_so_after_its_end() -> None:
    town, anna, bens = town_of_two(2)
    call = anna.place(bens[0])
    town.deliver()
    bens[1].answer(call)
    late = town.take(CallAnswer)
    bens[0].answer(call)
    town.deliver()
    anna.hang_up(call)
    town.mail.clear()
    town.hand_over(late)
    assert town.take(CallEnd, bens[1]).signal == CallEnd(call, EndReason.ELSEWHERE, 0)


def test_a_device_that_declines_declines_for_all() -> None:
    town, anna, bens = town_of_two(2)
    call = anna.place(bens[0])
    town.deliver()
    bens[0].decline(call)
    town.deliver()
    assert ending(anna, call) == (EndReason.DECLINED, True, CallOutcome.DECLINED)
    assert ending(bens[0], call) == (EndReason.DECLINED, False, CallOutcome.DECLINED)
    assert ending(bens[1], call) == (EndReason.ELSEWHERE, True, CallOutcome.ELSEWHERE)


def test_a_busy_device_is_of_no_account_while_another_rings() -> None:
    town, anna, bens = town_of_two(2)
    (carla,) = town.person("carla")
    town.talk(carla, bens[0])
    call = anna.place(bens[0])
    town.deliver()
    assert ending(bens[0], call) == (EndReason.BUSY, False, CallOutcome.BUSY)
    town.wait(30.0)
    assert anna.view(call).state is CallState.RINGING
    bens[1].answer(call)
    town.deliver()
    assert anna.view(call).device == bens[1].device


def test_a_call_whose_every_device_is_busy_is_busy() -> None:
    town, anna, (ben,) = town_of_two()
    (carla,) = town.person("carla")
    town.talk(carla, ben)
    call = anna.place(ben)
    town.deliver()
    assert anna.view(call).state is CallState.CALLING
    town.wait(3.0)
    assert ending(anna, call) == (EndReason.BUSY, True, CallOutcome.BUSY)


def test_a_caller_who_gives_up_is_missed() -> None:
    town, anna, bens = town_of_two(2)
    call = anna.place(bens[0])
    town.deliver()
    anna.hang_up(call)
    town.deliver()
    assert ending(anna, call) == (EndReason.CANCELLED, False, CallOutcome.CANCELLED)
    for ben in bens:
        assert ending(ben, call) == (EndReason.CANCELLED, True, CallOutcome.MISSED)


def test_nobody_answers() -> None:
    town, anna, (ben,) = town_of_two()
    call = anna.place(ben)
    town.deliver()
    town.wait(45.0)
    town.deliver()
    assert ending(anna, call) == (EndReason.NO_ANSWER, False, CallOutcome.MISSED)
    assert ending(ben, call) == (EndReason.NO_ANSWER, True, CallOutcome.MISSED)


def test_a_ring_that_nobody_ends_ends_by_itself() -> None:
    town, anna, (ben,) = town_of_two()
    call = anna.place(ben)
    town.deliver()
    anna.effects.clear()
    town.restart(anna)
    town.wait(60.0)
    assert ending(ben, call) == (EndReason.NO_ANSWER, False, CallOutcome.MISSED)


@pytest.mark.claim("S-13")
def test_a_ring_that_the_caller_does_not_confirm_is_a_missed_call() -> None:
    town, anna, (ben,) = town_of_two()
    call = anna.place(ben)
    offer = town.take(CallOffer)
    anna.hang_up(call)
    town.mail.clear()
    town.hand_over(offer)
    assert ben.view(call).state is CallState.INCOMING
    town.mail.clear()
    town.wait(5.0)
    assert ending(ben, call) == (EndReason.NO_ANSWER, False, CallOutcome.MISSED)
    # Whoever kept the offer back learns no more than that it rang.
    assert town.mail == []


def test_an_end_that_overtakes_its_offer_leaves_nothing_ringing() -> None:
    town, anna, (ben,) = town_of_two()
    call = anna.place(ben)
    anna.hang_up(call)
    town.hand_over(town.take(CallEnd))
    town.hand_over(town.take(CallOffer))
    assert ending(ben, call) == (EndReason.CANCELLED, True, CallOutcome.MISSED)
    assert [view.state for view in ben.shown(call)] == [CallState.ENDED]
    assert town.mail == []


def test_a_device_that_begins_to_ring_late_is_told_how_the_call_ended() -> None:
    town, anna, bens = town_of_two(2)
    call = anna.place(bens[0])
    late = town.take(CallOffer, bens[1])
    town.deliver()
    anna.hang_up(call)
    town.mail.clear()
    town.hand_over(late)
    assert bens[1].view(call).state is CallState.INCOMING
    town.deliver()
    assert ending(bens[1], call)[:2] == (EndReason.CANCELLED, True)


def test_a_device_whose_answer_comes_after_the_end_is_told() -> None:
    town, anna, (ben,) = town_of_two()
    call = anna.place(ben)
    town.deliver()
    ben.answer(call)
    anna.hang_up(call)
    town.mail.remove(town.letter(CallEnd))
    town.deliver()
    assert ending(ben, call) == (EndReason.CANCELLED, True, CallOutcome.MISSED)


def test_repeated_signals_change_nothing() -> None:
    town, anna, (ben,) = town_of_two()
    call = anna.place(ben)
    offer = town.letter(CallOffer)
    town.deliver()
    town.hand_over(offer)
    assert town.letters(CallRinging) == []
    ben.answer(call)
    answer = town.letter(CallAnswer)
    town.deliver()
    before = anna.view(call)
    town.hand_over(answer)
    assert anna.view(call) == before
    assert town.letters(CallEnd) == []


def test_an_end_is_never_answered() -> None:
    town, anna, (ben,) = town_of_two()
    call = anna.place(ben)
    town.deliver()
    anna.hang_up(call)
    end = town.letter(CallEnd)
    town.deliver()
    for _ in range(2):
        town.hand_over(end)
    end.alter(call=bytes(16))
    town.hand_over(end)
    assert town.mail == []


def test_signals_of_a_call_that_is_not_known_are_told_so() -> None:
    town, anna, (ben,) = town_of_two()
    call = anna.place(ben)
    town.deliver()
    town.restart(anna)
    ben.answer(call)
    town.deliver()
    assert ending(ben, call) == (EndReason.UNKNOWN_CALL, True, CallOutcome.FAILED)


@pytest.mark.claim("C-4")
def test_no_address_of_a_callee_is_looked_for_or_told_before_it_answers() -> None:
    town, anna, (ben,) = town_of_two()
    call = anna.place(ben)
    town.deliver()
    town.wait(20.0)
    assert ben.ordered(OpenMedia) == []
    told = [type(letter.signal) for letter in town.mail]
    assert told == []
    ben.decline(call)
    town.deliver()
    assert ben.ordered(OpenMedia) == []
    assert len(ben.ordered(SendSignal)) == 2


def test_a_caller_who_hides_its_address_and_has_no_relay_is_told_so() -> None:
    town, anna, (ben,) = town_of_two()
    anna.opens_itself = False
    call = anna.place(ben, hide_address=True)
    (order,) = anna.ordered(OpenMedia)
    assert order.hide_address
    anna.tell(MediaFailed(call, 1, MediaFailure.NO_CANDIDATES))
    assert ending(anna, call) == (EndReason.NO_PATH, False, CallOutcome.FAILED)
    assert town.mail == []


def test_a_callee_who_hides_its_address_and_has_no_relay_tells_the_caller() -> None:
    town, anna, (ben,) = town_of_two()
    call = anna.place(ben)
    town.deliver()
    ben.opens_itself = False
    ben.answer(call, hide_address=True)
    assert ben.ordered(OpenMedia)[0].hide_address
    ben.tell(MediaFailed(call, 1, MediaFailure.NO_CANDIDATES))
    town.deliver()
    assert ending(ben, call) == (EndReason.NO_PATH, False, CallOutcome.FAILED)
    assert ending(anna, call) == (EndReason.NO_PATH, True, CallOutcome.FAILED)


def test_a_call_to_oneself_is_a_mistake() -> None:
    _town, anna, _bens = town_of_two()
    with pytest.raises(UsageError):
        anna.place(anna)
    assert anna.calls.views() == []


def test_an_offer_of_our_own_account_does_not_ring() -> None:
    town, anna, (ben,) = town_of_two()
    anna.place(ben)
    offer = town.take(CallOffer)
    ben.receive(ben, offer.body)
    assert ben.calls.views() == []


def test_one_call_at_a_time_unless_more_are_allowed() -> None:
    town, anna, (ben,) = town_of_two()
    (carla,), (dora,) = town.person("carla"), town.person("dora")
    first = anna.place(ben)
    with pytest.raises(CallBusyError):
        anna.place(carla)
    anna.calls.set_limit(2)
    second = anna.place(carla)
    with pytest.raises(CallBusyError):
        anna.place(dora)
    town.deliver()
    assert anna.view(first).state is anna.view(second).state is CallState.RINGING


def test_ten_calls_at_once_are_ten_calls() -> None:
    town = Town()
    (bot,) = town.person("bot", max_calls=10)
    callers = [town.person(f"caller{number}")[0] for number in range(11)]
    calls = [caller.place(bot) for caller in callers]
    town.deliver()
    for call in calls[:10]:
        bot.answer(call)
    town.deliver()
    for caller, call in zip(callers[:10], calls, strict=False):
        town.connect(call, caller, bot)
        assert caller.view(call).sas == bot.view(call).sas
    assert ending(bot, calls[10])[0] is EndReason.BUSY
    assert len({bot.view(call).sas for call in calls[:10]}) > 1


def test_what_cannot_be_done_is_said() -> None:
    town, anna, (ben,) = town_of_two()
    call = anna.place(ben)
    town.deliver()
    with pytest.raises(CallError):
        anna.answer(call)
    with pytest.raises(CallError):
        anna.decline(call)
    with pytest.raises(NoSuchCallError):
        anna.hang_up(CallId(bytes(16)))
    anna.hang_up(call)
    with pytest.raises(NoSuchCallError):
        anna.switch(call, muted=True)


def test_a_call_to_be_answered_twice_keeps_what_was_said_first() -> None:
    town, anna, (ben,) = town_of_two()
    call = anna.place(ben)
    town.deliver()
    ben.answer(call)
    with pytest.raises(CallError):
        ben.answer(call, records=True)
    assert not ben.view(call).records


def test_ended_calls_are_shown_for_a_minute_and_only_so_many() -> None:
    town = Town()
    (anna,), (ben,) = town.person("anna", max_ended=3), town.person("ben")
    calls = []
    for _ in range(5):
        town.wait(1.0)
        calls.append(anna.place(ben))
        town.deliver()
        anna.hang_up(calls[-1])
        town.deliver()
    assert [view.call for view in anna.calls.views()] == calls[2:]
    town.wait(60.0)
    assert anna.calls.views() == ben.calls.views() == []
    assert anna.calls.deadline() is None


def test_faces_are_told_of_changes_only() -> None:
    town, anna, (ben,) = town_of_two()
    call = anna.place(ben)
    town.deliver()
    count = len(anna.shown(call))
    town.wait(10.0)
    anna.calls.handle_deadline(town.now)
    anna.pump()
    assert len(anna.shown(call)) == count
    assert [view.state for view in anna.shown(call)] == [
        CallState.OPENING,
        CallState.CALLING,
        CallState.RINGING,
    ]


def test_an_unknown_reason_counts_as_giving_up_or_hanging_up() -> None:
    town, anna, (ben,) = town_of_two()
    call = anna.place(ben)
    town.deliver()
    anna.hang_up(call)
    town.letter(CallEnd).alter(reason=200)
    town.deliver()
    assert ending(ben, call) == (EndReason.CANCELLED, True, CallOutcome.MISSED)
    call = town.talk(anna, ben)
    anna.hang_up(call)
    town.letter(CallEnd).alter(reason=200, detail=9)
    town.deliver()
    assert ending(ben, call) == (EndReason.HUNG_UP, True, CallOutcome.ANSWERED)
    assert ben.view(call).refusal is Refusal.NONE


def test_other_accounts_and_other_devices_have_no_say() -> None:
    town, anna, bens = town_of_two(2)
    (carla,) = town.person("carla")
    call = town.talk(anna, bens[0])
    before = (anna.view(call), bens[0].view(call))
    for signal in (
        CallEnd(call, EndReason.HUNG_UP, Refusal.NONE),
        CallStatus(call, 9, True, True, True),
        CallCandidates(call, 1, 8, [], True),
        CallRedialWanted(call, 1),
        CallRinging(call),
    ):
        bens[0].receive(carla, encode(signal))
        anna.receive(carla, encode(signal))
        anna.receive(bens[1], encode(signal))
    assert (anna.view(call), bens[0].view(call)) == before
    # The device that has only just begun to ring is told, and nobody else.
    assert [letter.to for letter in town.mail] == [bens[1]]

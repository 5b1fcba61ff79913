"""Two people call each other at once."""

import pytest

from hark.calls.events import CallState
from hark.calls.media import OpenMedia
from hark.wire.call import CallEnd, CallOffer, CallOutcome, CallRinging, EndReason
from hark.wire.ids import CallId
from tests.unit.calls.town import Device, Town


def call_each_other(
    town: Town, first: Device, second: Device
) -> tuple[Device, CallId, Device, CallId]:
    """Return who has placed the call that goes on, that call, and the same of the other."""
    placed = [(first.place(second), first), (second.place(first), second)]
    placed.sort(key=lambda each: each[0])
    (small, winner), (large, loser) = placed
    return winner, small, loser, large


def check_glare(winner: Device, small: CallId, loser: Device, large: CallId) -> None:
    for device in (winner, loser):
        assert device.view(small).state is CallState.CONNECTING
        assert device.ends(large) == 1
        assert device.outcomes(large)[-1] is CallOutcome.CANCELLED
        assert device.view(large).reason is EndReason.GLARE
    assert loser.view(small).device == winner.device
    assert winner.view(small).device == loser.device


def test_the_call_with_the_smaller_name_goes_on_without_a_ring() -> None:
    town = Town()
    (anna,), (ben,) = town.person("anna"), town.person("ben")
    winner, small, loser, large = call_each_other(town, anna, ben)
    town.deliver()
    check_glare(winner, small, loser, large)
    assert CallState.INCOMING not in [view.state for view in loser.shown(small)]
    assert town.letters(CallRinging) == []


@pytest.mark.parametrize("first", ["winner", "loser"])
def test_it_does_not_matter_whose_offer_comes_first(first: str) -> None:
    town = Town()
    (anna,), (ben,) = town.person("anna"), town.person("ben")
    winner, small, loser, large = call_each_other(town, anna, ben)
    to = winner if first == "winner" else loser
    town.hand_over(town.take(CallOffer, to))
    town.deliver()
    check_glare(winner, small, loser, large)


def test_word_of_the_glare_that_overtakes_the_other_call_only_waits_for_it() -> None:
    town = Town()
    (anna,), (ben,) = town.person("anna"), town.person("ben")
    winner, small, loser, large = call_each_other(town, anna, ben)
    late = town.take(CallOffer, loser)
    town.deliver()
    assert loser.view(large).state is CallState.CALLING
    town.wait(4.0)
    town.hand_over(late)
    town.deliver()
    check_glare(winner, small, loser, large)


def test_a_glare_whose_other_call_never_comes_ends() -> None:
    town = Town()
    (anna,), (ben,) = town.person("anna"), town.person("ben")
    winner, small, loser, large = call_each_other(town, anna, ben)
    town.take(CallOffer, loser)
    town.deliver()
    town.wait(5.0)
    assert loser.view(large).reason is EndReason.GLARE
    assert loser.view(large).by_peer
    town.wait(45.0)
    assert winner.view(small).reason is EndReason.NO_ANSWER


def test_the_one_whose_call_ends_takes_the_other_as_it_wanted_its_own() -> None:
    town = Town()
    (anna,), (ben,) = town.person("anna"), town.person("ben")
    calls = [
        anna.place(ben, hide_address=True, records=True),
        ben.place(anna, hide_address=True, records=True),
    ]
    anna.switch(calls[0], muted=True)
    ben.switch(calls[1], muted=True)
    town.deliver()
    loser = anna if calls[1] < calls[0] else ben
    view = loser.view(min(calls))
    assert view.records
    assert view.muted
    assert all(order.hide_address for order in loser.ordered(OpenMedia))


def test_glare_among_many_devices_leaves_one_call() -> None:
    town = Town()
    annas, bens = town.person("anna", 2), town.person("ben", 2)
    winner, small, loser, large = call_each_other(town, annas[0], bens[0])
    town.deliver()
    check_glare(winner, small, loser, large)
    for other in (annas[1], bens[1]):
        for view in other.calls.views():
            assert view.state is CallState.ENDED
            assert view.reason in (EndReason.GLARE, EndReason.ELSEWHERE)
            assert other.outcomes(view.call)[-1] is not CallOutcome.MISSED


def test_glare_before_our_own_offer_is_out() -> None:
    town = Town()
    (anna,), (ben,) = town.person("anna"), town.person("ben")
    anna.opens_itself = False
    ours = anna.place(ben)
    theirs = ben.place(anna)
    town.deliver()
    if theirs < ours:
        assert anna.view(ours).reason is EndReason.GLARE
        assert anna.view(theirs).state is CallState.ANSWERING
    else:
        assert anna.view(theirs).reason is EndReason.GLARE
        assert anna.view(ours).state is CallState.OPENING
    anna.opens_itself = True
    anna.open(anna.ordered(OpenMedia)[-1])
    town.deliver()
    goes_on = min(ours, theirs)
    assert anna.view(goes_on).state is ben.view(goes_on).state is CallState.CONNECTING


def test_who_talks_with_one_device_is_busy_for_the_call_of_another() -> None:
    town = Town()
    (anna,), bens = town.person("anna"), town.person("ben", 2)
    town.talk(anna, bens[0])
    call = bens[1].place(anna)
    town.deliver()
    town.wait(3.0)
    assert bens[1].view(call).reason is EndReason.BUSY
    assert town.letters(CallEnd) != []

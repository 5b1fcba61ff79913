"""A call from the first ring to the end, when nothing goes wrong."""

from hark.calls.events import CallState, SasState
from hark.calls.media import (
    FirstSound,
)
from hark.wire.call import CallOutcome, EndReason
from tests.unit.calls.town import DIRECT, Town


def test_a_call_rings_is_answered_connected_checked_and_hung_up() -> None:
    town = Town()
    (anna,), (ben,) = town.person("anna"), town.person("ben")

    call = anna.place(ben)
    assert anna.view(call).state is CallState.CALLING
    town.deliver()
    assert anna.view(call).state is CallState.RINGING
    assert ben.view(call).state is CallState.INCOMING
    assert ben.view(call).ring_confirmed
    ben.answer(call)
    town.deliver()
    assert anna.view(call).state is ben.view(call).state is CallState.CONNECTING
    town.connect(call, anna, ben)
    town.wait(12.5)
    for device in (anna, ben):
        device.tell(FirstSound(call, 1))
        view = device.view(call)
        assert (view.state, view.path, view.heard) == (CallState.ACTIVE, DIRECT, True)
        assert view.sas_state is SasState.READY
        assert len(view.sas) == 7
    assert anna.view(call).sas == ben.view(call).sas

    ben.hang_up(call)
    town.deliver()
    assert not town.mail
    for device, by_peer in ((anna, True), (ben, False)):
        view = device.view(call)
        assert (view.state, view.reason) == (CallState.ENDED, EndReason.HUNG_UP)
        assert view.by_peer is by_peer
        assert view.duration_ms == 12_500
        assert device.ends(call) == 1
    assert anna.outcomes(call) == [
        CallOutcome.RINGING,
        CallOutcome.GOING_ON,
        CallOutcome.ANSWERED,
    ]
    assert ben.outcomes(call) == [CallOutcome.GOING_ON, CallOutcome.ANSWERED]

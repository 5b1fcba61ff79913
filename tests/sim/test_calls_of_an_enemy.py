"""Calls through the supernode of an enemy, and calls of people who may not know an address.

Real cores over a simulated supernode that holds back, doubles or delays single envelopes of a
call's set-up; it cannot open them, so it chooses them by their place in the sequence.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from hark.calls.events import CallState, CallView, SasState
from hark.calls.media import AddCandidates, ConnectMedia, MediaOrder, OpenMedia
from hark.errors import ContactNotAcceptedError
from hark.overlay.mailbox.events import Deliver
from hark.wire.call import CallOutcome, EndReason, Refusal
from hark.wire.ids import CallId
from hark_lab.sim.node import SimNode
from hark_lab.sim.supernode import Misbehaviour, SimSupernode
from hark_lab.sim.world import Weather
from tests.sim.test_calls_between_nodes import Town, outcomes, talk, two, view

SET_UP_ENVELOPES = 14
"""More than a call sends until both have compared what they have seen."""
ALL_OVER_S = 130.0
"""Whatever a call waits for has an end by then, and both have forgotten it."""
RING_CONFIRM_S = 5.0
STEP_S = 0.25


@dataclass
class Enemy:
    """Decides about every envelope that a supernode gives to a node."""

    supernode: SimSupernode
    clock_after: Callable[[float, Callable[[], None]], object]
    fate: Callable[[int], list[float]] = lambda _number: [0.0]
    """Number of the envelope → the delays, in seconds, after which it is given; none: never."""
    seen: int = 0

    def deliver(self, output: Deliver) -> None:
        for delay_s in self.fate(self.seen):
            if delay_s:
                self.clock_after(delay_s, lambda: self.pass_on(output))
            else:
                self.pass_on(output)
        self.seen += 1

    def pass_on(self, output: Deliver) -> None:
        self.supernode._deliver(output.link, output)

    def begin(self, fate: Callable[[int], list[float]]) -> None:
        self.seen, self.fate = 0, fate


def enemy_of(town: Town, monkeypatch: pytest.MonkeyPatch) -> Enemy:
    (supernode,) = town.world.supernodes.values()
    enemy = Enemy(supernode, town.world.clock.after)
    supernode.misbehaviour = Misbehaviour(reorder=1.0)
    monkeypatch.setattr(supernode, "_deliver_badly", enemy.deliver)
    return enemy


@dataclass
class Watched:
    """What the core of a node has ordered of its media engine."""

    orders: list[MediaOrder] = field(default_factory=list)

    @classmethod
    def of(cls, device: SimNode) -> "Watched":
        watched, perform = cls(), device.on_media_order

        def note(order: MediaOrder) -> None:
            watched.orders.append(order)
            perform(order)

        device.on_media_order = note
        return watched

    @property
    def opened(self) -> list[MediaOrder]:
        return [order for order in self.orders if isinstance(order, OpenMedia)]

    @property
    def told_addresses(self) -> list[str]:
        """Every address that the other side has told."""
        return [
            one.address
            for order in self.orders
            if isinstance(order, AddCandidates)
            for one in order.candidates
        ]


# Set-up.

FATES: dict[str, list[float]] = {
    "withheld": [],
    "doubled": [0.0, 0.0],
    "given again later": [0.0, 4.0],
    "overtaken": [2.5],
    "given after a minute": [65.0],
}


def is_sure(end: CallView) -> bool:
    return end.state is CallState.ACTIVE and end.sas_state is SasState.READY and end.heard


@pytest.mark.claim("S-12")
@pytest.mark.timeout(120)
@pytest.mark.parametrize("fate", FATES.values(), ids=FATES)
def test_whatever_one_envelope_of_a_set_up_suffers_both_ends_are_sure_or_told_the_end(
    fate: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    town, caller, _anna, ben = two()
    callee = ben.devices[0]
    enemy = enemy_of(town, monkeypatch)
    ended: set[tuple[EndReason | None, Refusal]] = set()
    stood = 0
    for place in range(SET_UP_ENVELOPES):
        enemy.begin(lambda number, place=place: fate if number == place else [0.0])  # type: ignore[misc]
        call = town.call(caller, ben)
        town.run(4.0)
        if call in callee.calls and view(callee, call).state is CallState.INCOMING:
            town.answer(callee, call)
        # Longer than a caller waits, and than a call may stand that was not compared.
        town.run(50.0)
        ends = [one.calls[call] for one in (caller, callee) if call in one.calls]
        if all(is_sure(end) for end in ends) and len(ends) == 2:
            assert ends[0].sas == ends[1].sas
            stood += 1
        else:
            assert all(end.reason is not None for end in ends), (place, ends)
            ended |= {(end.reason, end.refusal) for end in ends}
        for device in (caller, callee):
            if call in device.calls and device.calls[call].state is not CallState.ENDED:
                town.hang_up(device, call)
        enemy.begin(lambda _number: [0.0])
        town.run(ALL_OVER_S)
    assert town.air.reused_keys == 0
    # Beyond the envelopes of one set-up nothing was touched; and doubling is no harm at all.
    assert stood >= 3
    if len(fate) == 2:
        assert stood == SET_UP_ENVELOPES
    if not fate:
        assert (EndReason.REFUSED, Refusal.CANDIDATES_MISSING) in ended


@pytest.mark.claim("S-13")
@pytest.mark.parametrize("kept_s", [20.0, 70.0, 3600.0, 3 * 24 * 3600.0])
def test_offer_that_was_kept_back_rings_once_and_no_longer_than_five_seconds(
    kept_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    town, caller, anna, ben = two()
    callee = ben.devices[0]
    enemy = enemy_of(town, monkeypatch)
    # Nothing else of this call arrives, and the date of the offer is a lie: it is given as new.
    enemy.begin(lambda number: [kept_s] if number == 0 else [])
    call = town.call(caller, ben)
    town.run(kept_s)
    assert call not in callee.calls
    ringing = 0
    for _ in range(round(60.0 / STEP_S)):
        town.run(STEP_S)
        if call in callee.calls and callee.calls[call].state is CallState.INCOMING:
            assert not callee.calls[call].ring_confirmed
            ringing += 1
    assert 0 < ringing * STEP_S <= RING_CONFIRM_S + STEP_S
    assert outcomes(callee, anna) == [CallOutcome.MISSED]
    assert view(caller, call).reason is EndReason.NO_ANSWER


@pytest.mark.claim("S-13")
def test_offer_that_is_honestly_dated_does_not_ring_after_a_minute() -> None:
    town, caller, anna, ben = two()
    callee = ben.devices[0]
    watched = Watched.of(callee)
    callee.stop()
    call = town.call(caller, ben)
    town.run(61.0)
    callee.start()
    town.run(30.0)
    assert call not in callee.calls
    assert outcomes(callee, anna) == [CallOutcome.MISSED]
    assert watched.orders == []


@pytest.mark.claim("A-6")
def test_path_that_is_cut_is_shown_at_once_and_ends_the_call_when_it_stays_so() -> None:
    town, caller, _anna, ben = two()
    call = talk(town, caller, ben)
    town.air.down = True
    town.air.cut(call)
    town.run(1.5)
    ends = [view(device, call) for device in (caller, ben.devices[0])]
    assert [end.state for end in ends] == [CallState.RECONNECTING] * 2
    town.run(22.0)
    ends = [view(device, call) for device in (caller, ben.devices[0])]
    assert [(end.state, end.reason) for end in ends] == [(CallState.ENDED, EndReason.LOST)] * 2


# Addresses.


@pytest.mark.claim("P-4")
def test_stranger_who_calls_makes_neither_side_look_for_an_address() -> None:
    town = Town.of(1, Weather(), {"anna": 1})
    (anna,) = town.world.people
    ben = town.world.add_person("ben")
    town._equip(ben.devices[0])
    link = anna.devices[0].ask(lambda messaging: messaging.contact_link())
    town.world.must(ben.devices[0], lambda msg, now: msg.add(link, "anna", now))
    town.run(120.0)
    both = [Watched.of(person.devices[0]) for person in (anna, ben)]
    for _ in range(3):
        with pytest.raises(ContactNotAcceptedError):
            town.call(ben.devices[0], anna)
        town.run(3700.0)
    (contact,) = anna.devices[0].ask(lambda messaging: messaging.contacts())
    assert contact.wants_call
    assert anna.devices[0].calls == ben.devices[0].calls == {}
    assert [watched.orders for watched in both] == [[], []]
    # From the moment of acceptance on the same call does both.
    town.world.must(anna.devices[0], lambda msg, now: msg.accept(ben.account, now))
    town.run(120.0)
    call = town.call(ben.devices[0], anna)
    town.run(2.0)
    town.answer(anna.devices[0], call)
    town.run(5.0)
    assert all(watched.opened and watched.told_addresses for watched in both)


@pytest.mark.claim("C-4")
@pytest.mark.parametrize("reaction", ["none", "decline", "caller gives up"])
def test_call_that_nobody_answers_makes_the_callee_look_for_no_address(reaction: str) -> None:
    town, caller, _anna, ben = two()
    callee = ben.devices[0]
    here, there = Watched.of(caller), Watched.of(callee)
    call = town.call(caller, ben)
    town.run(10.0)
    assert view(callee, call).state is CallState.INCOMING
    if reaction == "decline":
        assert callee.call(lambda core, now: core.calls(now).decline(call, now))
    elif reaction == "caller gives up":
        town.hang_up(caller, call)
    town.run(ALL_OVER_S)
    assert there.opened == []
    assert here.told_addresses == []
    talk(town, caller, ben)
    assert there.opened
    assert here.told_addresses


@pytest.mark.claim("C-5")
@pytest.mark.parametrize("hides", ["caller", "callee"])
def test_who_hides_an_address_and_has_no_relay_has_no_call_and_tells_none(hides: str) -> None:
    town, caller, _anna, ben = two()
    callee = ben.devices[0]
    hidden, other = (caller, callee) if hides == "caller" else (callee, caller)
    told = Watched.of(other)
    assert hidden.do(lambda messaging, now: messaging.set_hide_address(True, now))
    call = town.call(caller, ben)
    town.run(3.0)
    if hides == "callee":
        town.answer(callee, call)
    town.run(5.0)
    assert told.told_addresses == []
    assert view(caller, call).reason is EndReason.NO_PATH
    assert (call in callee.calls) is (hides == "callee")
    assert hidden.do(lambda messaging, now: messaging.set_hide_address(False, now))
    town.run(ALL_OVER_S)
    talk(town, caller, ben)
    assert told.told_addresses


# What stays.


def secrets_of(device: SimNode, call: CallId) -> list[bytes]:
    """Return what one end of a call has made and must not keep."""
    setup = device._core._calls._calls[call].setup
    return [setup._secret, setup._nonce]


def kept(device: SimNode, secrets: list[bytes]) -> int:
    """Return how many of the secrets are in any field of a device's store."""
    values = [
        value
        for rows in device.store._rows.values()
        for row in rows.values()
        for value in row
        if isinstance(value, bytes)
    ]
    return sum(any(secret in value for value in values) for secret in secrets)


@pytest.mark.claim("D-2")
def test_call_leaves_no_secret_and_no_key_in_the_store_of_either_end() -> None:
    town, caller, anna, ben = two()
    callee = ben.devices[0]
    watched = [Watched.of(device) for device in (caller, callee)]
    (supernode,) = town.world.supernodes.values()
    # As long as no home has taken it, an offer is in the store of the caller.
    supernode.crash()
    waiting = town.call(caller, ben)
    town.run(2.0)
    assert kept(caller, secrets_of(caller, waiting)) == 1
    town.hang_up(caller, waiting)
    supernode.start()
    town.run(ALL_OVER_S)
    call = talk(town, caller, ben)
    secrets = secrets_of(caller, call) + secrets_of(callee, call)
    secrets += [
        key
        for one in watched
        for order in one.orders
        if isinstance(order, ConnectMedia)
        for key in (order.keys.send_base, order.keys.receive_base)
    ]
    assert len(set(secrets)) == 6
    for device in (caller, callee):
        assert kept(device, secrets) == 0
    town.hang_up(caller, call)
    town.run(3.0)
    for device, contact in ((caller, ben), (callee, anna)):
        assert kept(device, secrets) == 0
        assert kept(device, [call]) == 1
        assert outcomes(device, contact)[-1] is CallOutcome.ANSWERED

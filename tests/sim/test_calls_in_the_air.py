"""Whole calls in virtual time: mail that takes its time, engines that find each other or not.

What two devices hear of each other is decided by the simulated air, from the credentials,
certificates and keys that the two call machines hand out.
"""

from dataclasses import replace
from functools import partial
from random import Random

import pytest

from hark.calls.config import CallConfig
from hark.calls.events import CallEffect, CallState, CallView, Peer, SendSignal, SignalReceived
from hark.calls.machine import Calls
from hark.calls.media import ConnectMedia, IceServer, MediaFact, PathKind
from hark.machine import Instant
from hark.wire.call import CallEnd, EndReason, Refusal, parse_signal
from hark.wire.ids import AccountId, CallId, DeviceId
from hark_lab.sim.clock import Timer, VirtualClock
from hark_lab.sim.media import SimAir, SimMedia

MAIL_S = 0.1
"""From device to device."""
RELAY = IceServer("turn:relay.test", "name", "secret")


class Person:
    """One device, driven in virtual time."""

    def __init__(self, town: "Town", number: int, config: CallConfig) -> None:
        self.town = town
        self.account = AccountId(bytes([number]) * 32)
        self.device = DeviceId(bytes([number]) * 16)
        random = Random(number)
        self.calls = Calls(
            account=self.account,
            device=self.device,
            random_bytes=random.randbytes,
            config=config,
        )
        self.media = SimMedia(town.air, random, self.feed)
        self.wrong_keys = False
        self.wrong_certificate = False
        self.up = True
        self._timer: Timer | None = None

    @property
    def now(self) -> Instant:
        return self.town.clock.now

    def place(self, to: "Person", *, hide_address: bool = False) -> CallId:
        peer = Peer(to.account, 0, 0)
        call = self.calls.place(peer, self.now, hide_address=hide_address, records=False)
        self.pump()
        return call

    def answer(self, call: CallId, *, hide_address: bool = False) -> None:
        self.calls.answer(call, self.now, hide_address=hide_address, records=False)
        self.pump()

    def hang_up(self, call: CallId) -> None:
        self.calls.hang_up(call, self.now)
        self.pump()

    def kill(self) -> None:
        """End the program without a word."""
        self.up = False
        self.media.kill()

    def view(self, call: CallId) -> CallView:
        view = self.calls.view(call)
        assert view is not None
        return view

    def feed(self, item: SignalReceived | MediaFact) -> None:
        if self.up:
            self.calls.handle(item, self.now)
            self.pump()

    def pump(self) -> None:
        while effects := self.calls.take_effects():
            for effect in effects:
                self._perform(effect)
        if self._timer is not None:
            self._timer.cancel()
        deadline = self.calls.deadline()
        self._timer = None if deadline is None else self.town.clock.at(deadline, self._due)

    def _due(self) -> None:
        if self.up:
            self.calls.handle_deadline(self.now)
            self.pump()

    def _perform(self, effect: CallEffect) -> None:
        match effect:
            case SendSignal():
                self.town.carry(self, effect)
            case ConnectMedia():
                self.media.perform(self._spoiled(effect))
            case _ if type(effect).__module__ == ConnectMedia.__module__:
                self.media.perform(effect)  # type: ignore[arg-type]
            case _:
                pass

    def _spoiled(self, order: ConnectMedia) -> ConnectMedia:
        if self.wrong_keys:
            order = replace(order, keys=replace(order.keys, receive_base=bytes(32)))
        if self.wrong_certificate:
            remote = order.remote
            wrong = type(remote)(remote.username, remote.password, bytes(32))
            order = replace(order, remote=wrong)
        return order


class Town:
    """Two people, the mail between them, and the air."""

    def __init__(self, *config: CallConfig) -> None:
        self.clock = VirtualClock()
        self.air = SimAir(self.clock)
        first, second = config or (CallConfig(), CallConfig())
        self.anna, self.ben = Person(self, 1, first), Person(self, 2, second)
        self.lost: tuple[type, ...] = ()
        """Signals of these kinds never arrive."""

    def carry(self, sender: Person, order: SendSignal) -> None:
        to = self.ben if sender is self.anna else self.anna
        reaches = order.device in (None, to.device) and order.but_not != to.device
        if reaches and not isinstance(parse_signal(order.body), self.lost):
            item = SignalReceived(Peer(sender.account, 0, 0), sender.device, order.body)
            self.clock.after(MAIL_S, partial(to.feed, item))

    def talk(self, *, hide_address: bool = False) -> CallId:
        call = self.anna.place(self.ben, hide_address=hide_address)
        self.clock.run_for(0.5)
        self.ben.answer(call, hide_address=hide_address)
        self.clock.run_for(1.0)
        return call

    def states(self, call: CallId) -> set[CallState]:
        return {person.view(call).state for person in (self.anna, self.ben)}


def test_two_people_hear_each_other_and_see_the_same_emoji() -> None:
    town = Town()
    call = town.talk()
    first, second = town.anna.view(call), town.ben.view(call)
    assert town.states(call) == {CallState.ACTIVE}
    assert first.heard
    assert second.heard
    assert first.sas == second.sas != ()
    assert first.path == second.path
    assert first.path
    assert first.path.kind is PathKind.DIRECT
    town.clock.run_for(3600.0)
    assert town.states(call) == {CallState.ACTIVE}
    assert town.anna.view(call).quality is not None
    town.anna.hang_up(call)
    town.clock.run_for(1.0)
    assert town.states(call) == {CallState.ENDED}


@pytest.mark.parametrize("deaf", ["nobody", "anna", "ben"])
def test_a_broken_path_is_replaced_within_three_seconds(deaf: str) -> None:
    town = Town()
    call = town.talk()
    ears = {"nobody": None, "anna": town.anna.media, "ben": town.ben.media}[deaf]
    town.air.cut(call, deaf=ears)
    town.clock.run_for(3.0)
    for person in (town.anna, town.ben):
        view = person.view(call)
        assert (view.state, view.connection, view.redials) == (CallState.ACTIVE, 2, 1)
    assert town.air.reused_keys == 0


def test_a_path_that_comes_back_by_itself_is_used_again() -> None:
    town = Town()
    call = town.talk()
    town.air.down = True
    town.air.cut(call)
    town.clock.run_for(5.0)
    assert town.states(call) == {CallState.RECONNECTING}
    town.air.mend(call)
    town.clock.run_for(1.0)
    assert town.states(call) == {CallState.ACTIVE}
    town.clock.run_for(60.0)
    assert town.states(call) == {CallState.ACTIVE}


def test_a_path_that_stays_broken_ends_the_call_on_both_sides() -> None:
    town = Town()
    call = town.talk()
    town.air.down = True
    town.air.cut(call)
    town.clock.run_for(25.0)
    assert town.states(call) == {CallState.ENDED}
    assert town.anna.view(call).reason is EndReason.LOST


@pytest.mark.parametrize("killed", ["anna", "ben"])
def test_the_other_side_of_a_killed_program_knows_within_five_seconds(killed: str) -> None:
    town = Town()
    call = town.talk()
    gone, left = town.anna, town.ben
    if killed == "ben":
        gone, left = left, gone
    gone.kill()
    town.clock.run_for(1.1)
    assert left.view(call).state is CallState.RECONNECTING
    town.clock.run_for(21.0)
    assert left.view(call).reason is EndReason.LOST


def test_a_hang_up_whose_word_is_lost_is_known_from_the_path() -> None:
    town = Town()
    call = town.talk()
    town.lost = (CallEnd,)
    town.anna.hang_up(call)
    town.clock.run_for(2.0)
    assert town.ben.view(call).reason is EndReason.HUNG_UP
    assert town.ben.view(call).by_peer


def test_frames_under_other_keys_are_never_heard() -> None:
    town = Town()
    town.ben.wrong_keys = True
    call = town.anna.place(town.ben)
    town.clock.run_for(0.5)
    town.ben.answer(call)
    town.clock.run_for(4.0)
    assert not town.ben.view(call).heard
    town.clock.run_for(40.0)
    assert town.states(call) == {CallState.ENDED}


def test_another_certificate_ends_the_call_on_both_sides() -> None:
    town = Town()
    town.anna.wrong_certificate = True
    call = town.talk()
    assert town.anna.view(call).refusal is Refusal.WRONG_CERTIFICATE
    assert town.ben.view(call).refusal is Refusal.WRONG_CERTIFICATE


def test_hidden_addresses_go_through_a_relay_or_nowhere() -> None:
    relayed = CallConfig(ice_servers=(RELAY,))
    town = Town(relayed, relayed)
    call = town.talk(hide_address=True)
    path = town.anna.view(call).path
    assert path
    assert path.kind is PathKind.RELAYED
    assert (path.address_shown, path.address_seen) == (False, False)

    town = Town()
    call = town.anna.place(town.ben, hide_address=True)
    town.clock.run_for(1.0)
    assert town.anna.view(call).reason is EndReason.NO_PATH
    assert town.ben.calls.views() == []


def test_two_who_call_each_other_at_the_same_moment_talk() -> None:
    town = Town()
    calls = [town.anna.place(town.ben), town.ben.place(town.anna)]
    town.clock.run_for(2.0)
    assert town.states(min(calls)) == {CallState.ACTIVE}
    assert town.states(max(calls)) == {CallState.ENDED}


@pytest.mark.parametrize("seed", range(20))
def test_a_bad_network_leaves_two_people_talking_or_both_done(seed: int) -> None:
    random = Random(seed)
    town = Town()
    call = town.talk()
    for _ in range(12):
        town.clock.run_for(random.uniform(0.0, 4.0))
        ears = random.choice([None, town.anna.media, town.ben.media])
        happening = random.choice(
            [
                partial(town.air.cut, call, ears),
                partial(town.air.mend, call),
                partial(setattr, town.air, "down", True),
                partial(setattr, town.air, "down", False),
            ]
        )
        happening()
    town.air.down = False
    town.clock.run_for(40.0)
    assert town.states(call) in ({CallState.ACTIVE}, {CallState.ENDED})
    assert town.air.reused_keys == 0
    views = [person.view(call) for person in (town.anna, town.ben)]
    if views[0].state is CallState.ACTIVE:
        assert views[0].connection == views[1].connection

"""What somebody who reaches into a set-up can and cannot make of a call.

Stronger than any supernode: here the signals themselves are altered, left out, repeated and
sent back, as if the envelopes and the ratchet around them were not there.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from hark.calls.config import CallConfig
from hark.calls.events import CallState, CallView, SasState, SendSignal
from hark.calls.media import ConnectMedia, LocalCandidates, OpenMedia
from hark.wire.call import (
    CallAnswer,
    CallCandidate,
    CallCandidates,
    CallConfirm,
    CallOffer,
    CallRedialWanted,
    CallRinging,
    CallStatus,
    CallStream,
    CallTransport,
    EndReason,
    Refusal,
    parse_signal,
)
from hark.wire.codec import Message, encode
from hark.wire.ids import CallId
from tests.unit.calls.town import Device, Letter, Town, candidate

SET_UP = (CallOffer, CallAnswer, CallCandidates, CallConfirm)
LONGEST_S = 40.0
"""No call goes on longer without both having compared; ended ones are not forgotten yet."""
FLOOD = 150
Change = Callable[[Letter], list[Letter]]
"""What becomes of a letter: what arrives in its place."""


@dataclass
class Scene:
    """A call that Anna places and Ben takes, whose letters somebody may change."""

    town: Town
    anna: Device
    ben: Device
    call: CallId
    carried: list[Letter]
    """Everything that was sent, before it was changed."""

    @property
    def ends(self) -> list[CallView]:
        """The call as those see it who have heard of it."""
        views = [device.calls.view(self.call) for device in (self.anna, self.ben)]
        return [view for view in views if view is not None]

    def deliver(self, change: Change) -> None:
        while self.town.mail:
            letter = self.town.mail.pop(0)
            self.carried.append(letter)
            for arriving in change(letter):
                self.town.hand_over(arriving)


def untouched(letter: Letter) -> list[Letter]:
    return [letter]


def play(change: Change = untouched, town: Town | None = None) -> Scene:
    """Let a call be set up, with a batch of candidates each, and let time pass."""
    town = town or Town()
    (anna,), (ben,) = town.person("anna"), town.person("ben")
    anna.final = ben.final = False
    scene = Scene(town, anna, ben, anna.place(ben), [])
    scene.deliver(change)
    if any(end.state is CallState.INCOMING for end in scene.ends):
        ben.answer(scene.call)
    scene.deliver(change)
    for device in (anna, ben):
        if device.ordered(OpenMedia):
            device.more_candidates(scene.call, 7, final=True)
    scene.deliver(change)
    joined = [device for device in (anna, ben) if device.ordered(ConnectMedia)]
    # The path is the attacker's: it stands, whatever the signals say.
    town.connect(scene.call, *joined)
    scene.deliver(change)
    for _ in range(round(LONGEST_S)):
        town.wait(1.0)
        scene.deliver(change)
    return scene


def is_sure(end: CallView) -> bool:
    return end.state is CallState.ACTIVE and end.sas_state is SasState.READY


def check_refused(scene: Scene) -> set[Refusal]:
    """Check that neither end goes on, and both know why; return what they were told."""
    assert len(scene.ends) == 2
    for end in scene.ends:
        assert end.sas_state is SasState.CHECKING or end.state is CallState.ENDED
        assert (end.state, end.reason) == (CallState.ENDED, EndReason.REFUSED), end
        assert end.refusal is not Refusal.NONE
    return {end.refusal for end in scene.ends}


def others_of(value: object) -> list[object]:
    """Return values like this one, and different."""
    match value:
        case bool():
            return [not value]
        case int():
            return [value + 1]
        case bytes():
            return [bytes([value[0] ^ 1]) + value[1:]] if value else []
        case str():
            return [("B" if value[0] != "B" else "C") + value[1:]]
        case CallTransport():
            return [_changed(value, name) for name in value.__struct_fields__]
        case [CallCandidate() as one, *rest]:
            more = [*value, candidate(99)]
            moved = [CallCandidate(one.kind, "198.51.100.66", one.port, 1, one.foundation)]
            return [rest, more, [*moved, *rest]]
        case [CallStream() as one, *_]:
            return [[CallStream(one.stream + 1, one.kind)]]
        case _:
            raise AssertionError(value)


def _changed(record: Message, name: str) -> Message:
    fields = {one: getattr(record, one) for one in record.__struct_fields__}
    (other,) = others_of(fields[name])
    return type(record)(**{**fields, name: other})


ALTERED = [
    (kind, sender, name)
    for kind, sender in (
        (CallOffer, "anna"),
        (CallAnswer, "ben"),
        (CallCandidates, "anna"),
        (CallCandidates, "ben"),
        (CallConfirm, "anna"),
        (CallConfirm, "ben"),
    )
    for name in kind.__struct_fields__
    # Another name is another call: nobody knows it. Ben's confirmation has no nonce.
    if name != "call" and (kind, sender, name) != (CallConfirm, "ben", "nonce")
]


@pytest.mark.claim("S-12")
@pytest.mark.parametrize(
    ("kind", "sender", "name"), ALTERED, ids=[f"{k.__name__}-{s}-{n}" for k, s, n in ALTERED]
)
def test_a_set_up_in_which_any_field_was_altered_ends_the_call_on_both_sides_with_a_reason(
    kind: type[Message], sender: str, name: str
) -> None:
    honest = play()
    assert [is_sure(end) for end in honest.ends] == [True, True]
    (original,) = [
        letter
        for letter in honest.carried
        if isinstance(letter.signal, kind) and letter.sender is getattr(honest, sender)
    ]
    for other in others_of(getattr(original.signal, name)):

        def alter(letter: Letter, other: object = other) -> list[Letter]:
            if (
                isinstance(letter.signal, kind)
                and letter.sender.device == original.sender.device
            ):
                letter.alter(**{name: other})
            return [letter]

        scene = play(alter)
        check_refused(scene)


@pytest.mark.claim("S-12")
@pytest.mark.parametrize("sender", ["anna", "ben"])
@pytest.mark.parametrize("kind", [CallCandidates, CallConfirm])
def test_a_set_up_of_which_something_was_held_back_ends_the_call_on_both_sides(
    kind: type[Message], sender: str
) -> None:
    def hold_back(letter: Letter) -> list[Letter]:
        name = "anna" if letter.sender.device == played.anna.device else "ben"
        return [] if isinstance(letter.signal, kind) and name == sender else [letter]

    played = play()
    assert check_refused(play(hold_back)) == {Refusal.CANDIDATES_MISSING}


@pytest.mark.claim("S-12")
def test_signals_that_come_back_to_their_sender_are_never_taken_for_the_others() -> None:
    honest = play()
    told: list[Refusal] = []
    senders = {CallOffer: ["anna"], CallAnswer: ["ben"]}
    for kind in SET_UP:
        for sender in senders.get(kind, ["anna", "ben"]):
            mine = getattr(honest, sender).device

            def reflect(
                letter: Letter, kind: type[Message] = kind, mine: bytes = mine
            ) -> list[Letter]:
                if isinstance(letter.signal, kind) and letter.sender.device == mine:
                    # As if the other one had sent it; and nothing arrives there.
                    return [Letter(letter.to, letter.sender, letter.body)]
                return [letter]

            scene = play(reflect)
            assert not any(is_sure(end) for end in scene.ends), (kind, sender)
            told += [end.refusal for end in scene.ends]
    assert Refusal.REFLECTED in told


@pytest.mark.claim("S-12")
@pytest.mark.parametrize("kind", SET_UP[1:])
def test_signals_of_an_older_call_are_of_no_use_in_a_later_one(kind: type[Message]) -> None:
    town = Town()
    old = play(town=town)
    recorded = {
        letter.sender.device: letter
        for letter in old.carried
        if isinstance(letter.signal, kind)
    }
    assert recorded
    old.anna.hang_up(old.call)
    town.deliver()
    town.wait(5.0)
    again = old.anna.place(old.ben)
    scene = Scene(town, old.anna, old.ben, again, [])

    def replace(letter: Letter) -> list[Letter]:
        if isinstance(letter.signal, kind) and letter.sender.device in recorded:
            letter.body = recorded[letter.sender.device].body
            letter.alter(call=again)
        return [letter]

    scene.deliver(replace)
    old.ben.answer(again)
    scene.deliver(replace)
    for device in (old.anna, old.ben):
        if device.view(again).state is not CallState.ENDED:
            device.tell(LocalCandidates(again, 1, (candidate(8),), True))
    scene.deliver(replace)
    for _ in range(12):
        town.wait(1.0)
        scene.deliver(replace)
    check_refused(scene)


@pytest.mark.claim("S-14")
def test_a_caller_is_committed_to_its_nonce_and_shows_it_after_the_answer_only() -> None:
    town = Town()
    (anna,), (ben,) = town.person("anna"), town.person("ben")
    call = anna.place(ben)
    town.deliver()
    town.wait(30.0)
    offer = next(
        parse_signal(one.body)
        for one in anna.ordered(SendSignal)
        if isinstance(parse_signal(one.body), CallOffer)
    )
    nonce = anna.calls._calls[call].setup._nonce
    sent_before = b"".join(one.body for one in anna.ordered(SendSignal))
    assert nonce not in sent_before
    ben.answer(call)
    (answer,) = town.letters(CallAnswer, anna)
    town.mail.remove(answer)
    town.hand_over(answer)
    (confirm,) = town.letters(CallConfirm, ben)
    assert isinstance(confirm.signal, CallConfirm)
    assert confirm.signal.nonce == nonce
    assert isinstance(offer, CallOffer)
    # Whoever is in between and would like another nonce now, having seen the answer's.
    confirm.alter(nonce=bytes(32))
    town.deliver()
    assert ben.view(call).refusal is anna.view(call).refusal is Refusal.WRONG_NONCE
    assert ben.view(call).sas == ()


@pytest.mark.claim("S-14")
def test_two_calls_of_somebody_in_between_show_two_different_rows_of_emoji() -> None:
    """Mallory is Ben to Anna and Anna to Ben, and even holds the keys of both accounts."""
    left, right = Town(), Town()
    (anna,), (ben,) = left.person("anna"), right.person("ben")
    to_anna = left.device(ben.account, "mallory to anna")
    to_ben = right.device(anna.account, "mallory to ben")
    calls = left.talk(anna, to_anna), right.talk(to_ben, ben)
    shown = anna.view(calls[0]).sas, ben.view(calls[1]).sas
    assert all(len(one) == 7 for one in shown)
    assert to_anna.view(calls[0]).sas == shown[0]
    assert to_ben.view(calls[1]).sas == shown[1]
    assert shown[0] != shown[1]


# A contact.


@pytest.mark.claim("C-7")
def test_signals_without_number_cost_bounded_memory_and_no_flood_of_connections() -> None:
    town = Town()
    (anna,), (ben,) = town.person("anna"), town.person("ben")
    call = town.talk(anna, ben)
    before = len(anna.ordered(OpenMedia))
    bodies = [encode(CallRedialWanted(call, 1))]
    bodies += [encode(CallStatus(call, number, False, False, False)) for number in (1, 2, 3)]
    offer = next(
        signal
        for one in anna.ordered(SendSignal)
        if isinstance(signal := parse_signal(one.body), CallOffer)
    )
    fields = {name: getattr(offer, name) for name in offer.__struct_fields__}
    for number in range(FLOOD):
        unknown, new = (
            CallId(kind + number.to_bytes(12, "big")) for kind in (b"some", b"new ")
        )
        anna.receive(ben, encode(CallRinging(unknown)))
        anna.receive(ben, encode(CallStatus(unknown, 1, False, False, False)))
        anna.receive(ben, encode(CallCandidates(unknown, 1, 1, [candidate(1)], False)))
        anna.receive(ben, encode(CallOffer(**{**fields, "call": new})))
        for body in bodies:
            anna.receive(ben, body)
        town.wait(10.0 / FLOOD)
    config = CallConfig()
    assert max(config.max_early, config.max_ended) < FLOOD
    assert len(anna.calls._early._kept) <= config.max_early
    assert len(anna.calls.views()) <= config.max_ended + config.max_calls
    # Ten seconds of asking for a new path: at most one attempt a second.
    assert len(anna.ordered(OpenMedia)) - before <= 11
    assert anna.view(call).state in (CallState.ACTIVE, CallState.RECONNECTING)


@pytest.mark.claim("C-8")
def test_who_records_has_said_so_before_the_other_can_answer() -> None:
    town = Town()
    (anna,), (ben,) = town.person("anna"), town.person("ben")
    call = anna.place(ben, records=True)
    town.deliver()
    assert ben.view(call).state is CallState.INCOMING
    assert ben.view(call).peer_records


@pytest.mark.claim("C-8")
@pytest.mark.parametrize("who", ["caller", "callee"])
def test_who_begins_to_record_in_a_call_tells_the_other(who: str) -> None:
    town = Town()
    (anna,), (ben,) = town.person("anna"), town.person("ben")
    call = town.talk(anna, ben)
    one, other = (anna, ben) if who == "caller" else (ben, anna)
    assert not other.view(call).peer_records
    one.switch(call, records=True)
    town.deliver()
    assert one.view(call).records
    assert other.view(call).peer_records

"""A broken path is replaced by another one, whoever notices first."""

import pytest

from hark.calls.events import CallState
from hark.calls.media import (
    AddCandidates,
    CloseMedia,
    ConnectMedia,
    MediaBack,
    MediaClosed,
    MediaConnected,
    MediaFailed,
    MediaFailure,
    MediaQuality,
    MediaSilent,
    OpenMedia,
)
from hark.crypto.hashing import sha256
from hark.wire.call import (
    CallCandidates,
    CallEnd,
    CallOutcome,
    CallRedial,
    CallRedialAnswer,
    CallRedialWanted,
    CallTransport,
    EndReason,
)
from hark.wire.codec import encode
from hark.wire.ids import CallId
from tests.unit.calls.town import DIRECT, Device, Town, candidate


def talking() -> tuple[Town, Device, Device, CallId]:
    town = Town()
    (anna,), (ben,) = town.person("anna"), town.person("ben")
    return town, anna, ben, town.talk(anna, ben)


def numbers(device: Device, kind: type[OpenMedia | ConnectMedia | CloseMedia]) -> list[int]:
    return [order.connection for order in device.ordered(kind)]


@pytest.mark.parametrize("deaf", ["caller", "callee", "both"])
def test_whoever_hears_nothing_gets_a_new_path(deaf: str) -> None:
    town, anna, ben, call = talking()
    if deaf != "callee":
        anna.tell(MediaSilent(call, 1))
        assert anna.view(call).state is CallState.RECONNECTING
    if deaf != "caller":
        ben.tell(MediaSilent(call, 1))
        assert ben.view(call).state is CallState.RECONNECTING
    town.deliver()
    town.connect(call, anna, ben)
    for device in (anna, ben):
        view = device.view(call)
        assert (view.state, view.connection, view.redials) == (CallState.ACTIVE, 2, 1)
        assert numbers(device, OpenMedia) == numbers(device, ConnectMedia) == [1, 2]
        assert numbers(device, CloseMedia) == [1]
    town.deliver()
    town.wait(60.0)
    assert anna.view(call).state is ben.view(call).state is CallState.ACTIVE


def test_a_new_path_has_new_keys_of_the_same_call() -> None:
    town, anna, ben, call = talking()
    anna.tell(MediaSilent(call, 1))
    town.deliver()
    ours, theirs = (device.ordered(ConnectMedia)[-1].keys for device in (anna, ben))
    assert (ours.send_base, ours.send_key_id) == (theirs.receive_base, theirs.receive_key_id)
    assert ours.send_key_id >> 8 == 2
    assert anna.view(call).sas == ben.view(call).sas != ()


def test_a_path_that_comes_back_is_used_and_the_new_one_finished() -> None:
    town, anna, ben, call = talking()
    anna.tell(MediaSilent(call, 1))
    anna.tell(MediaBack(call, 1))
    assert anna.view(call).state is CallState.ACTIVE
    town.deliver()
    town.connect(call, anna, ben)
    assert anna.view(call).connection == ben.view(call).connection == 2
    assert anna.view(call).state is ben.view(call).state is CallState.ACTIVE


def test_a_path_that_cannot_be_made_again_is_lost() -> None:
    town, anna, ben, call = talking()
    anna.tell(MediaSilent(call, 1))
    ben.tell(MediaSilent(call, 1))
    town.deliver()
    for _ in range(19):
        town.wait(1.0)
        town.deliver()
    assert anna.view(call).state is CallState.RECONNECTING
    assert len(numbers(anna, OpenMedia)) == len(set(numbers(anna, OpenMedia))) == 5
    town.wait(1.0)
    town.deliver()
    assert anna.view(call).reason is EndReason.LOST
    assert ben.view(call).reason is EndReason.LOST
    assert anna.outcomes(call)[-1] is ben.outcomes(call)[-1] is CallOutcome.ANSWERED


def test_a_lost_redial_is_made_again() -> None:
    town, anna, ben, call = talking()
    anna.tell(MediaSilent(call, 1))
    town.take(CallRedial)
    town.wait(6.0)
    town.deliver()
    town.connect(call, anna, ben)
    assert anna.view(call).connection == ben.view(call).connection == 3


def test_a_lost_wish_for_a_new_path_is_said_again() -> None:
    town, anna, ben, call = talking()
    ben.tell(MediaSilent(call, 1))
    town.take(CallRedialWanted)
    town.wait(6.0)
    town.deliver()
    town.connect(call, anna, ben)
    assert ben.view(call).state is CallState.ACTIVE
    assert ben.view(call).connection == 2


@pytest.mark.parametrize("failing", ["caller", "callee"])
def test_an_attempt_that_fails_is_followed_by_another_but_not_at_once(failing: str) -> None:
    town, anna, ben, call = talking()
    for device in (anna, ben):
        device.tell(MediaSilent(call, 1))
    town.deliver()
    device = anna if failing == "caller" else ben
    device.tell(MediaFailed(call, 2, MediaFailure.NOT_CONNECTED))
    town.deliver()
    assert anna.ordered(OpenMedia)[-1].connection == 2
    town.wait(1.0)
    town.deliver()
    town.connect(call, anna, ben)
    assert anna.view(call).connection == ben.view(call).connection == 3
    assert anna.view(call).state is ben.view(call).state is CallState.ACTIVE


def test_a_callee_cannot_make_us_open_connections_without_end() -> None:
    town, anna, ben, call = talking()
    for _ in range(100):
        newest = anna.ordered(OpenMedia)[-1].connection
        anna.receive(ben, encode(CallRedialWanted(call, newest)))
        town.wait(0.1)
    assert len(anna.ordered(OpenMedia)) <= 12
    open_now = len(anna.ordered(OpenMedia)) - len(anna.ordered(CloseMedia))
    assert open_now <= 2


def test_a_path_that_fails_for_good_is_replaced() -> None:
    town, anna, ben, call = talking()
    ben.tell(MediaFailed(call, 1, MediaFailure.ENGINE))
    town.deliver()
    town.connect(call, anna, ben)
    assert anna.view(call).connection == ben.view(call).connection == 2


def test_repeated_and_late_redials_change_nothing() -> None:
    town, anna, ben, call = talking()
    ben.tell(MediaSilent(call, 1))
    wanted = town.letter(CallRedialWanted)
    town.hand_over(town.take(CallRedialWanted))
    redial = town.letter(CallRedial)
    town.hand_over(town.take(CallRedial))
    answer = town.letter(CallRedialAnswer)
    town.deliver()
    for letter in (wanted, redial, answer):
        town.hand_over(letter)
    town.connect(call, anna, ben)
    views = [device.view(call) for device in (anna, ben)]
    for letter in (wanted, redial, answer):
        town.hand_over(letter)
    assert [device.view(call) for device in (anna, ben)] == views
    assert numbers(anna, OpenMedia) == numbers(ben, OpenMedia) == [1, 2]
    assert town.mail == []


def test_candidates_that_overtake_their_redial_are_kept() -> None:
    town, anna, ben, call = talking()
    anna.final = False
    anna.tell(MediaSilent(call, 1))
    anna.more_candidates(call, 5, final=True)
    batch = town.take(CallCandidates)
    town.hand_over(batch)
    town.deliver()
    given = [one for one in ben.ordered(AddCandidates) if one.connection == 2]
    assert [one.final for one in given] == [True]
    assert candidate(5) in given[0].candidates
    assert len(given[0].candidates) == 2


def test_an_old_path_that_the_other_closed_for_the_new_one_is_no_hanging_up() -> None:
    town, anna, ben, call = talking()
    anna.tell(MediaSilent(call, 1))
    town.deliver()
    town.connect(call, anna)
    ben.tell(MediaClosed(call, 1))
    assert ben.view(call).state is CallState.RECONNECTING
    town.wait(2.0)
    town.connect(call, ben)
    assert ben.view(call).state is CallState.ACTIVE


def test_a_path_that_the_other_closes_without_a_word_is_a_hanging_up() -> None:
    town, anna, ben, call = talking()
    anna.hang_up(call)
    town.take(CallEnd)
    ben.tell(MediaClosed(call, 1))
    town.wait(0.9)
    assert ben.view(call).state is CallState.ACTIVE
    town.wait(0.2)
    view = ben.view(call)
    assert (view.reason, view.by_peer) == (EndReason.HUNG_UP, True)
    assert ben.outcomes(call)[-1] is CallOutcome.ANSWERED
    town.deliver()
    assert anna.ends(call) == ben.ends(call) == 1


def test_the_word_that_comes_after_the_path_has_closed_still_counts() -> None:
    town, anna, ben, call = talking()
    anna.switch(call, muted=True)
    town.deliver()
    anna.hang_up(call)
    ben.tell(MediaClosed(call, 1))
    town.deliver()
    assert ben.view(call).reason is EndReason.HUNG_UP
    assert ben.ends(call) == 1


@pytest.mark.parametrize("restarted", ["caller", "callee"])
def test_a_program_that_starts_again_in_a_call_knows_of_none_and_says_so(
    restarted: str,
) -> None:
    town, anna, ben, call = talking()
    gone, left = (anna, ben) if restarted == "caller" else (ben, anna)
    town.restart(gone)
    left.tell(MediaSilent(call, 1))
    town.deliver()
    view = left.view(call)
    assert (view.reason, view.by_peer) == (EndReason.UNKNOWN_CALL, True)
    assert left.outcomes(call)[-1] is CallOutcome.ANSWERED
    again = town.talk(gone, left)
    assert left.view(again).state is CallState.ACTIVE


def test_the_transcript_is_finished_even_when_its_connection_is_given_up() -> None:
    town = Town()
    (anna,), (ben,) = town.person("anna"), town.person("ben")
    anna.final = False
    call = anna.place(ben)
    town.deliver()
    ben.answer(call)
    town.deliver()
    town.connect(call, anna, ben)
    anna.tell(MediaSilent(call, 1))
    town.deliver()
    town.connect(call, anna, ben)
    town.deliver()
    assert anna.view(call).sas == ben.view(call).sas != ()


def test_what_old_connections_tell_is_old_news() -> None:
    town, anna, ben, call = talking()
    anna.tell(MediaSilent(call, 1))
    town.deliver()
    town.connect(call, anna, ben)
    before = anna.view(call)
    for fact in (
        MediaSilent(call, 1),
        MediaClosed(call, 1),
        MediaFailed(call, 1, MediaFailure.WRONG_CERTIFICATE),
        MediaConnected(call, 1, DIRECT),
        MediaQuality(call, 1, 1.0, 0.5, 0.5, 1.0, 1, 1, 1),
        MediaSilent(CallId(bytes(16)), 1),
    ):
        anna.tell(fact)
    town.wait(5.0)
    town.deliver()
    assert (anna.view(call).state, anna.view(call).quality) == (before.state, before.quality)


def test_a_call_that_has_used_every_number_ends_when_its_path_breaks() -> None:
    town, anna, _ben, call = talking()
    # No test redials 65,535 times.
    anna.calls._calls[call].newest = 65_535
    anna.tell(MediaSilent(call, 1))
    town.wait(20.1)
    assert anna.view(call).reason is EndReason.LOST


def a_redial(call: CallId, number: int) -> bytes:
    name = sha256(b"%d" % number).hex()
    transport = CallTransport(name[:8], name[8:40], sha256(name.encode()))
    return encode(CallRedial(call, number, transport, [], True))


def test_a_caller_cannot_make_us_open_connections_faster_than_one_a_second() -> None:
    town, anna, ben, call = talking()
    until = 5
    for number in range(2, 60):
        ben.receive(anna, a_redial(call, number))
        town.wait(until / 58)
    # One at once, and one for each second; each time the newest that had come.
    opened = numbers(ben, OpenMedia)[1:]
    assert len(opened) <= 1 + until
    assert opened == sorted(opened)
    assert len(town.letters(CallRedialAnswer)) == len(opened)
    town.wait(1.0)
    assert numbers(ben, OpenMedia)[-1] == 59


def test_of_redials_that_come_together_the_newest_is_taken_up() -> None:
    town, anna, ben, call = talking()
    for number in (2, 4, 3):
        ben.receive(anna, a_redial(call, number))
    assert numbers(ben, OpenMedia) == [1, 2]
    town.wait(1.0)
    assert numbers(ben, OpenMedia) == [1, 2, 4]
    town.wait(1.0)
    assert numbers(ben, OpenMedia) == [1, 2, 4]


@pytest.mark.parametrize("failing", ["time", "engine"])
def test_a_call_whose_path_was_closed_for_another_that_never_stands_is_lost(
    failing: str,
) -> None:
    town, anna, ben, call = talking()
    ben.tell(MediaClosed(call, 1))
    ben.receive(anna, a_redial(call, 2))
    assert ben.view(call).state is CallState.RECONNECTING
    if failing == "engine":
        ben.tell(MediaFailed(call, 2, MediaFailure.NOT_CONNECTED))
    town.mail.clear()
    town.wait(30.0)
    assert ben.view(call).reason is EndReason.LOST


def test_a_callee_that_closes_the_path_and_wants_another_has_not_hung_up() -> None:
    town, anna, ben, call = talking()
    anna.tell(MediaClosed(call, 1))
    anna.receive(ben, encode(CallRedialWanted(call, 1)))
    town.wait(1.5)
    assert anna.view(call).state is CallState.RECONNECTING
    town.mail.clear()
    town.wait(30.0)
    assert anna.view(call).reason is EndReason.LOST

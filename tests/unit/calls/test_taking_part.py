"""Mute, hold, recording; candidates in batches; times of the first path."""

from hark.calls.events import CallState, SendSignal
from hark.calls.media import (
    AddCandidates,
    ConnectMedia,
    FirstSound,
    LocalMedia,
    MediaClosed,
    MediaFailed,
    MediaFailure,
    MediaQuality,
    OpenMedia,
    SetPlaying,
    SetSending,
)
from hark.wire.call import (
    MAX_BATCHES,
    MAX_CANDIDATES,
    CallAnswer,
    CallCandidates,
    CallEnd,
    CallOffer,
    CallStatus,
    EndReason,
    Refusal,
    parse_signal,
)
from hark.wire.codec import encode
from tests.unit.calls.town import Device, Town, candidate


def two() -> tuple[Town, Device, Device]:
    town = Town()
    (anna,), (ben,) = town.person("anna"), town.person("ben")
    return town, anna, ben


def sound(device: Device) -> list[bool]:
    """What the engine was told of sending and playing, the last word of each."""
    return [
        ([True] + [one.sending for one in device.ordered(SetSending)])[-1],
        ([True] + [one.playing for one in device.ordered(SetPlaying)])[-1],
    ]


def test_mute_and_hold_are_carried_out_and_told() -> None:
    town, anna, ben = two()
    call = town.talk(anna, ben)
    for muted, held, expected in (
        (True, None, [False, True]),
        (None, True, [False, False]),
        (False, None, [False, False]),
        (None, False, [True, True]),
    ):
        anna.switch(call, muted=muted, held=held)
        town.deliver()
        assert sound(anna) == expected
        ours, theirs = anna.view(call), ben.view(call)
        assert (theirs.peer_muted, theirs.peer_held) == (ours.muted, ours.held)
    assert sound(ben) == [True, True]


def test_recording_is_told_from_the_first_moment() -> None:
    town, anna, ben = two()
    call = anna.place(ben, records=True)
    town.deliver()
    assert ben.view(call).peer_records
    ben.answer(call, records=True)
    town.deliver()
    assert anna.view(call).peer_records
    assert town.letters(CallStatus) == []
    anna.switch(call, records=False)
    town.deliver()
    assert not ben.view(call).peer_records
    assert anna.view(call).peer_records


def test_the_highest_number_of_a_status_counts() -> None:
    town, anna, ben = two()
    call = town.talk(anna, ben)
    anna.switch(call, muted=True)
    anna.switch(call, muted=False)
    first, second = town.letters(CallStatus)
    for letter in (second, first, second):
        town.hand_over(letter)
    assert not ben.view(call).peer_muted


def test_nothing_is_told_when_nothing_changes() -> None:
    town, anna, ben = two()
    call = town.talk(anna, ben)
    anna.switch(call, muted=False)
    anna.switch(call)
    assert town.mail == []


def test_what_was_switched_before_the_answer_is_told_after_it() -> None:
    town, anna, ben = two()
    call = anna.place(ben)
    town.deliver()
    anna.switch(call, muted=True)
    ben.switch(call, held=True)
    assert town.mail == []
    assert ben.ordered(SetPlaying) == []
    ben.answer(call)
    town.deliver()
    assert sound(ben) == [False, False]
    assert ben.view(call).peer_muted
    assert anna.view(call).peer_held


def test_a_status_that_overtakes_its_answer_is_kept() -> None:
    town, anna, ben = two()
    call = anna.place(ben)
    town.deliver()
    ben.answer(call)
    ben.switch(call, muted=True)
    town.hand_over(town.take(CallStatus))
    assert not anna.view(call).peer_muted
    town.deliver()
    assert anna.view(call).peer_muted


def test_the_first_sound_and_the_quality_are_shown() -> None:
    town, anna, ben = two()
    call = town.talk(anna, ben)
    assert not anna.view(call).heard
    anna.tell(FirstSound(call, 1))
    quality = MediaQuality(call, 1, 20.0, 0.0, 0.1, 2.0, 100, 10, 0)
    anna.tell(quality)
    assert anna.view(call).heard
    assert anna.view(call).quality == quality
    assert anna.shown(call)[-1].quality == quality


# Candidates.


def batches(device: Device) -> list[CallCandidates]:
    signals = [parse_signal(order.body) for order in device.ordered(SendSignal)]
    return [signal for signal in signals if isinstance(signal, CallCandidates)]


def test_the_engine_gets_candidates_that_came_before_it_could_use_them() -> None:
    town, anna, ben = two()
    anna.final = False
    call = anna.place(ben)
    anna.more_candidates(call, 5)
    anna.more_candidates(call, 6, final=True)
    town.deliver()
    assert ben.ordered(AddCandidates) == []
    ben.answer(call)
    orders = [one for one in ben.effects if isinstance(one, ConnectMedia | AddCandidates)]
    assert [type(order) for order in orders] == [ConnectMedia, AddCandidates]
    (given,) = ben.ordered(AddCandidates)
    assert given.candidates == (candidate(0), candidate(5), candidate(6))
    assert given.final


def test_candidates_that_come_later_are_passed_on_and_the_end_of_them_once() -> None:
    town, anna, ben = two()
    anna.final = False
    call = anna.place(ben)
    town.deliver()
    ben.answer(call)
    town.deliver()
    anna.more_candidates(call, 5)
    anna.more_candidates(call, final=True)
    first, last = town.letters(CallCandidates)
    town.mail.clear()
    town.hand_over(last)
    assert [one.final for one in ben.ordered(AddCandidates)] == [False]
    town.hand_over(first)
    town.hand_over(first)
    assert [one.final for one in ben.ordered(AddCandidates)] == [False, True]


def test_candidates_and_offer_may_come_in_any_order() -> None:
    town, anna, ben = two()
    anna.final = False
    call = anna.place(ben)
    anna.more_candidates(call, 5, final=True)
    town.hand_over(town.take(CallCandidates))
    assert ben.calls.views() == []
    town.deliver()
    ben.final = False
    ben.answer(call)
    ben.more_candidates(call, 6, final=True)
    town.hand_over(town.take(CallCandidates))
    town.deliver()
    town.connect(call, anna, ben)
    assert anna.view(call).sas == ben.view(call).sas != ()


def test_more_addresses_than_may_be_told_are_cut_and_batches_joined() -> None:
    town, anna, ben = two()
    anna.first_candidates, anna.final = 20, False
    call = anna.place(ben)
    offer = town.letter(CallOffer).signal
    assert isinstance(offer, CallOffer)
    assert len(offer.candidates) == 16
    for number in range(20):
        anna.more_candidates(call, 30 + number)
    anna.more_candidates(call, final=True)
    anna.more_candidates(call, 99, final=True)
    sent = batches(anna)
    assert [one.batch for one in sent] == list(range(1, MAX_BATCHES + 1))
    assert [one.final for one in sent] == [False] * (MAX_BATCHES - 1) + [True]
    total = len(offer.candidates) + sum(len(one.candidates) for one in sent)
    assert total == MAX_CANDIDATES
    town.deliver()
    ben.answer(call)
    town.deliver()
    assert anna.view(call).state is ben.view(call).state is CallState.CONNECTING


def test_sixteen_addresses_that_are_all_there_at_once_need_no_batch() -> None:
    town, anna, ben = two()
    anna.first_candidates = 16
    anna.place(ben)
    assert batches(anna) == []
    offer = town.letter(CallOffer).signal
    assert isinstance(offer, CallOffer)
    assert offer.final


def test_before_the_answer_candidates_go_to_all_and_then_to_one() -> None:
    town = Town()
    (anna,), bens = town.person("anna"), town.person("ben", 2)
    anna.final = False
    call = anna.place(bens[0])
    anna.more_candidates(call, 5)
    assert len(town.letters(CallCandidates)) == 2
    town.deliver()
    bens[1].answer(call)
    town.deliver()
    anna.more_candidates(call, 6, final=True)
    assert town.letter(CallCandidates).to is bens[1]
    town.deliver()
    town.connect(call, anna, bens[1])
    assert anna.view(call).sas == bens[1].view(call).sas != ()


def test_early_signals_are_few_and_forgotten() -> None:
    town = Town()
    (anna,) = town.person("anna")
    (ben,) = town.person("ben", max_early=2)
    anna.final = False
    call = anna.place(ben)
    anna.more_candidates(call, 5)
    anna.more_candidates(call, 6, final=True)
    offer = town.take(CallOffer)
    for letter in town.mail * 5:
        town.hand_over(letter)
    town.mail.clear()
    assert len(ben.calls._early._kept) == 2
    town.wait(11.0)
    town.hand_over(offer)
    ben.answer(call)
    (given,) = ben.ordered(AddCandidates)
    assert len(given.candidates) == 1


# Times.


def test_an_engine_that_makes_no_end_fails_the_call_of_a_caller() -> None:
    town, anna, ben = two()
    anna.opens_itself = False
    call = anna.place(ben)
    town.wait(10.0)
    assert anna.view(call).reason is EndReason.FAILED
    assert town.mail == []
    # What comes then is too late.
    (order,) = anna.ordered(OpenMedia)
    anna.tell(anna.local_media(order))
    assert town.mail == []


def test_an_engine_that_makes_no_end_fails_the_call_of_a_callee() -> None:
    town, anna, ben = two()
    call = anna.place(ben)
    town.deliver()
    ben.opens_itself = False
    ben.answer(call)
    town.wait(10.0)
    town.deliver()
    assert anna.view(call).reason is ben.view(call).reason is EndReason.FAILED
    assert anna.view(call).by_peer


def test_two_ends_that_find_no_path_fail() -> None:
    town, anna, ben = two()
    call = anna.place(ben)
    town.deliver()
    ben.answer(call)
    town.deliver()
    town.wait(15.0)
    town.deliver()
    assert anna.view(call).reason is ben.view(call).reason is EndReason.FAILED
    assert anna.ends(call) == ben.ends(call) == 1


def test_an_engine_that_finds_no_path_says_so_at_once() -> None:
    town, anna, ben = two()
    call = anna.place(ben)
    town.deliver()
    ben.answer(call)
    town.deliver()
    ben.tell(MediaFailed(call, 1, MediaFailure.NOT_CONNECTED))
    town.deliver()
    assert anna.view(call).reason is ben.view(call).reason is EndReason.FAILED


def test_a_path_that_the_other_closes_while_it_is_made_is_a_hanging_up() -> None:
    town, anna, ben = two()
    call = anna.place(ben)
    town.deliver()
    ben.answer(call)
    town.deliver()
    ben.hang_up(call)
    town.take(CallEnd)
    anna.tell(MediaClosed(call, 1))
    town.wait(1.0)
    assert anna.view(call).reason is EndReason.HUNG_UP


def test_an_end_that_overtakes_its_answer_ends_the_call() -> None:
    town, anna, ben = two()
    call = anna.place(ben)
    town.deliver()
    ben.answer(call)
    ben.hang_up(call)
    town.hand_over(town.take(CallEnd))
    assert anna.view(call).reason is EndReason.HUNG_UP
    assert anna.view(call).by_peer
    town.hand_over(town.take(CallAnswer))
    town.deliver()
    assert anna.ends(call) == ben.ends(call) == 1


def test_a_second_word_of_the_engine_about_one_end_is_ignored() -> None:
    town, anna, ben = two()
    call = anna.place(ben)
    town.mail.clear()
    (order,) = anna.ordered(OpenMedia)
    again = anna.local_media(order)
    anna.tell(LocalMedia(call, 1, again.transport, (), True))
    assert town.mail == []


def test_a_deadline_that_is_taken_early_does_nothing() -> None:
    town, anna, ben = two()
    call = anna.place(ben)
    town.deliver()
    deadline = anna.calls.deadline()
    assert deadline == 45.0
    anna.calls.handle_deadline(town.now)
    assert anna.calls.take_effects() == []
    assert anna.calls.deadline() == deadline
    assert ben.view(call).state is CallState.INCOMING
    anna.receive(ben, encode(CallEnd(call, EndReason.NO_ANSWER, Refusal.NONE)))
    assert anna.view(call).state is CallState.RINGING

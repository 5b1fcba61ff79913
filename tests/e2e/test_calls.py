"""Calls between real nodes, with a real supernode between them, and what goes wrong there."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest

from hark.app.cli.demo.stage import Stage
from hark.control.bot import Bot
from hark.errors import CallBusyError, CallError, NoSuchCallError, UsageError
from tests.e2e.callers import (
    ALICE,
    BOB,
    Pair,
    Voice,
    move_in,
    one,
    pair_on,
    state_of,
    talking,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

ALICE_HZ, BOB_HZ = 500, 800


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("calls") / "stage") as made:
        move_in(made)
        yield made


def play(stage: Stage, scene: Callable[[Pair], Awaitable[None]]) -> None:
    """Run a scene with the two people, and end every call after it."""

    async def run() -> None:
        async with pair_on(stage) as pair:
            try:
                await scene(pair)
            finally:
                for bot in (pair.alice, pair.bob):
                    for call in await bot.calls():
                        # The other side's end may come just then.
                        with contextlib.suppress(NoSuchCallError):
                            await bot.hang_up(call.id)

    asyncio.run(run())


def test_two_people_hear_each_other_over_a_direct_path(stage: Stage) -> None:
    async def scene(pair: Pair) -> None:
        here, there = await pair.connect()
        alice, bob = Voice(ALICE_HZ), Voice(BOB_HZ)

        async def both_heard() -> bool:
            return alice.hears(BOB_HZ) and bob.hears(ALICE_HZ)

        async with talking(pair.alice, here.id, alice), talking(pair.bob, there.id, bob):
            await pair.until(both_heard, "each hears the other's tone")
        here, there = await one(pair.alice, here.id), await one(pair.bob, there.id)
        assert here.path is not None
        assert there.path is not None
        assert (here.path.kind, there.path.kind) == ("direct", "direct")
        assert len(here.sas) == 7
        assert here.sas == there.sas
        ended = await pair.alice.hang_up(here.id)
        assert ended.state == "ended"
        assert (await state_of(pair.bob, there.id, "ended")).by_peer

    play(stage, scene)


def test_a_call_stands_in_the_history_of_both_with_its_length(stage: Stage) -> None:
    async def scene(pair: Pair) -> None:
        here, _there = await pair.connect()
        await asyncio.sleep(0.5)
        await pair.alice.hang_up(here.id)
        await state_of(pair.bob, here.id, "ended")

        async def recorded() -> bool:
            last = [(await bot.history(who))[-1] for bot, who in _ends(pair)]
            return all(m.id == here.id and m.outcome == "answered" for m in last)

        await pair.until(recorded, "the history says answered")
        for bot, who in _ends(pair):
            assert (await bot.history(who))[-1].kind == "call"
            assert (await bot.history(who))[-1].duration_ms >= 400

    play(stage, scene)


def test_the_call_goes_on_when_the_supernode_is_killed(stage: Stage) -> None:
    async def scene(pair: Pair) -> None:
        here, there = await pair.connect()
        alice, bob = Voice(ALICE_HZ), Voice(BOB_HZ)
        async with talking(pair.alice, here.id, alice), talking(pair.bob, there.id, bob):
            stage.kill("supernode")
            await asyncio.sleep(3)
            alice.heard.clear()
            await asyncio.sleep(1)
            assert alice.hears(BOB_HZ)
            assert (await one(pair.alice, here.id)).redials == 0
            # The end reaches the other side over the call's own connection.
            await pair.alice.hang_up(here.id)
            ended = await state_of(pair.bob, there.id, "ended", timeout_s=5)
            assert ended.by_peer
        stage.start_supernode()

    play(stage, scene)


def test_the_other_side_knows_within_five_seconds_that_a_node_was_killed(stage: Stage) -> None:
    async def scene(pair: Pair) -> None:
        here, _there = await pair.connect()
        begin = time.monotonic()
        stage.kill(BOB)
        await state_of(pair.alice, here.id, "reconnecting", "ended", timeout_s=5)
        assert time.monotonic() - begin < 5
        stage.start_node(BOB)
        # Bob's node knows nothing of the call, and says so.
        ended = await state_of(pair.alice, here.id, "ended")
        assert ended.reason in {"unknown_call", "lost"}

        async def interrupted() -> bool:
            last = (await pair.bob.history(ALICE))[-1]
            return (last.id, last.outcome) == (here.id, "interrupted")

        await pair.until(interrupted, "Bob's history says so")

    play(stage, scene)


def test_declining_tells_the_caller_and_leaves_no_missed_call(stage: Stage) -> None:
    async def scene(pair: Pair) -> None:
        placed = await pair.alice.place_call(BOB)
        await pair.bob.decline_call(await pair.ringing())
        ended = await state_of(pair.alice, placed.id, "ended")
        assert (ended.reason, ended.by_peer) == ("declined", True)
        assert (await pair.bob.history(ALICE))[-1].outcome == "declined"

    play(stage, scene)


def test_giving_up_leaves_a_missed_call_that_is_unread(stage: Stage) -> None:
    async def scene(pair: Pair) -> None:
        placed = await pair.alice.place_call(BOB)
        await pair.ringing()
        await pair.alice.hang_up(placed.id)
        await state_of(pair.bob, placed.id, "ended")
        missed = (await pair.bob.history(ALICE))[-1]
        assert (missed.outcome, missed.unread) == ("missed", True)

    play(stage, scene)


def test_while_one_speaks_no_other_call_is_taken(stage: Stage) -> None:
    async def scene(pair: Pair) -> None:
        await pair.connect()
        with pytest.raises(CallBusyError):
            await pair.bob.place_call(ALICE)

    play(stage, scene)


def test_mute_hold_and_recording_are_told_to_the_other_side(stage: Stage) -> None:
    async def scene(pair: Pair) -> None:
        here, _there = await pair.connect()
        bob = Voice(BOB_HZ)
        alice = Voice(ALICE_HZ)
        async with talking(pair.alice, here.id, alice), talking(pair.bob, here.id, bob):
            await pair.alice.switch_call(here.id, muted=True, recording=True)

            async def told() -> bool:
                there = await one(pair.bob, here.id)
                return there.peer_muted and there.peer_recording

            await pair.until(told, "Bob is told")
            await asyncio.sleep(0.3)
            bob.heard.clear()
            await asyncio.sleep(0.7)
            assert not bob.hears(ALICE_HZ)
            assert alice.hears(BOB_HZ)
            await pair.alice.switch_call(here.id, muted=False, held=True)

            async def held() -> bool:
                there = await one(pair.bob, here.id)
                return there.peer_held and not there.peer_muted

            await pair.until(held, "Bob is told of the hold")

    play(stage, scene)


def test_ten_calls_at_once_go_on_side_by_side(stage: Stage) -> None:
    async def scene(pair: Pair) -> None:
        for bot in (pair.alice, pair.bob):
            await bot.limit_calls(10)
        try:
            calls = [await pair.alice.place_call(BOB) for _ in range(10)]
            for call in calls:
                await state_of(pair.bob, call.id, "incoming")
                await pair.bob.answer_call(call.id)
            for call in calls:
                await pair.until(pair.both_hear(call.id), "all are heard")
            await asyncio.sleep(5)
            for call in calls:
                here = await one(pair.alice, call.id)
                assert here.state == "active"
                assert here.redials == 0
        finally:
            for call in await pair.alice.calls():
                with contextlib.suppress(NoSuchCallError):
                    await pair.alice.hang_up(call.id)
            for bot in (pair.alice, pair.bob):
                await bot.limit_calls(1)

    play(stage, scene)


def test_nobody_can_call_themselves(stage: Stage) -> None:
    async def scene(pair: Pair) -> None:
        own = (await pair.alice.whoami()).account
        with pytest.raises(UsageError):
            await pair.alice.place_call(own)

    play(stage, scene)


def test_a_hidden_address_and_no_relay_end_the_call_with_a_word(stage: Stage) -> None:
    async def scene(pair: Pair) -> None:
        await pair.alice.set_privacy(hide_address=True)
        try:
            placed = await pair.alice.place_call(BOB)
            ended = await state_of(pair.alice, placed.id, "ended")
            assert ended.reason == "no_path"
        finally:
            await pair.alice.set_privacy(hide_address=False)

    play(stage, scene)


def test_a_second_program_does_not_get_the_sound_of_a_call(stage: Stage) -> None:
    async def scene(pair: Pair) -> None:
        here, _there = await pair.connect()
        async with talking(pair.alice, here.id, Voice(ALICE_HZ)):
            with pytest.raises(CallError):
                async with pair.alice.call_sound(here.id):
                    pass

    play(stage, scene)


def test_stopping_a_node_in_a_call_ends_it_at_once_for_the_other_side(stage: Stage) -> None:
    async def scene(pair: Pair) -> None:
        here, _there = await pair.connect()
        stage.stop_node(BOB)
        ended = await state_of(pair.alice, here.id, "ended", timeout_s=5)
        assert ended.by_peer
        stage.start_node(BOB)

    play(stage, scene)


def test_stopping_a_node_that_calls_stops_the_ringing_at_once(stage: Stage) -> None:
    async def scene(pair: Pair) -> None:
        placed = await pair.alice.place_call(BOB)
        await pair.ringing()
        stage.stop_node(ALICE)
        try:
            ended = await state_of(pair.bob, placed.id, "ended", timeout_s=5)
            assert (ended.reason, ended.by_peer) == ("cancelled", True)
        finally:
            stage.start_node(ALICE)

    play(stage, scene)


@pytest.mark.parametrize("ends", [ALICE, BOB])
def test_the_sound_of_a_call_ends_with_the_call_for_both_faces(stage: Stage, ends: str) -> None:
    async def scene(pair: Pair) -> None:
        here, _there = await pair.connect()
        async with (
            pair.alice.call_sound(here.id) as heard_here,
            pair.bob.call_sound(here.id) as heard_there,
        ):
            await (pair.alice if ends == ALICE else pair.bob).hang_up(here.id)
            for sound in (heard_here, heard_there):
                async with asyncio.timeout(5.0):
                    while await sound.next() is not None:
                        pass
        # Its sound is nobody's any more.
        with pytest.raises(NoSuchCallError):
            async with pair.alice.call_sound(here.id):
                pass

    play(stage, scene)


def _ends(pair: Pair) -> list[tuple[Bot, str]]:
    return [(pair.alice, BOB), (pair.bob, ALICE)]

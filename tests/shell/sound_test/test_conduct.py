"""The conversation of a sound test, and `hark echo`, with a bot and a sound that are played."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hark.app.cli import echo
from hark.app.sound import tones
from hark.app.sound_test.conduct import LEAD_FRAMES, sound_test
from hark.app.sound_test.recording import QUIET_FRAMES, TAIL_FRAMES
from hark.control import schema
from hark.errors import ContactFrozenError, NodeNotRunningError, NoSuchCallError
from hark.wire.sound import FRAME_BYTES, SILENCE
from tests.shell.control.fake_calls import call_of, change

WORD = b"\x00\x20" * (FRAME_BYTES // 2)
DIRECT = schema.CallPath(
    kind="direct", relay="", nat="none", address_shown=True, address_seen=True
)
QUALITY = schema.CallQuality(
    round_trip_ms=1.0,
    loss_sent=0.0,
    loss_received=0.0,
    jitter_ms=0.5,
    frames_played=100,
    frames_concealed=0,
    frames_refused=0,
)


class Caller:
    """What a caller does in one call, and what it gets."""

    def __init__(self, number: int = 1, *, said: int = 100, stays: int = 100_000) -> None:
        self.call = call_of(number)
        self.heard: list[bytes] = []
        self.recordings: list[bool] = []
        self.said = [SILENCE] * 40 + [WORD] * said
        self.stays = stays
        """Frames after which it hangs up."""
        self.views: deque[schema.Call] = deque()
        self.news = asyncio.Event()
        self.frames_taken = 0

    def show(self, **fields: object) -> None:
        self.call = change(self.call, **fields)
        self.views.append(self.call)
        self.news.set()


class PlayedSound:
    """`CallSound`, as fast as it can."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    async def next(self) -> bytes | None:
        await asyncio.sleep(0)
        caller = self.caller
        caller.frames_taken += 1
        if caller.frames_taken == 10:
            caller.show(quality=QUALITY)
        if caller.frames_taken > caller.stays or caller.call.state == "ended":
            if caller.call.state != "ended":
                caller.show(state="ended", reason="hung_up", by_peer=True, path=None)
            return None
        return caller.said.pop(0) if caller.said else SILENCE

    async def send(self, frame: bytes) -> bool:
        if self.caller.call.state != "ended":
            self.caller.heard.append(frame)
        return True


class PlayedBot:
    """`Bot`, as far as echo uses it."""

    def __init__(self, *callers: Caller) -> None:
        self.callers = {caller.call.id: caller for caller in callers}
        self.sent: list[tuple[str, str]] = []
        self.limits: list[int] = []
        self.connects = True
        self.frozen = False
        self.texts: list[schema.Message] = []

    async def answer_call(self, call_id: str, *, recording: bool = False) -> schema.Call:
        caller = self.callers[call_id]
        if caller.call.state == "ended":
            raise NoSuchCallError("it is over")
        caller.recordings.append(recording)
        caller.show(state="connecting")
        if self.connects:
            caller.show(state="active", path=DIRECT)
        else:
            caller.show(state="ended", reason="no_path")
        return caller.call

    async def call_changes(self, call_id: str) -> AsyncIterator[schema.Call]:
        caller = self.callers[call_id]
        while True:
            while caller.views:
                yield (view := caller.views.popleft())
                if view.state == "ended":
                    return
            caller.news.clear()
            await caller.news.wait()

    @asynccontextmanager
    async def call_sound(self, call_id: str) -> AsyncIterator[PlayedSound]:
        caller = self.callers[call_id]
        if caller.call.state == "ended":
            raise NoSuchCallError("it is over")
        yield PlayedSound(caller)

    async def switch_call(self, call_id: str, *, recording: bool) -> schema.Call:
        self.callers[call_id].recordings.append(recording)
        return self.callers[call_id].call

    async def hang_up(self, call_id: str) -> schema.Call:
        caller = self.callers[call_id]
        if caller.call.state == "ended":
            raise NoSuchCallError("it is over")
        caller.show(state="ended", reason="hung_up")
        return caller.call

    async def send(self, contact: str, text: str) -> None:
        if self.frozen:
            raise ContactFrozenError
        self.sent.append((contact, text))

    async def limit_calls(self, count: int) -> None:
        self.limits.append(count)
        if len(self.limits) == 1:
            raise NodeNotRunningError

    async def events(self) -> AsyncIterator[schema.Event]:
        for kind in ("gap", "message", "gap"):
            yield schema.Event(seq=0, kind=kind)

    async def incoming_calls(self) -> AsyncIterator[schema.Call]:
        for caller in self.callers.values():
            yield caller.call


def conduct(bot: PlayedBot) -> None:
    async def scenario() -> None:
        for caller in bot.callers.values():
            await asyncio.wait_for(sound_test(bot, caller.call), 20)

    asyncio.run(scenario())


def test_a_caller_hears_a_tone_its_own_words_and_what_the_path_was() -> None:
    caller = Caller()
    bot = PlayedBot(caller)
    conduct(bot)
    begin = tones.begin()
    summary = tones.summary(relayed=False, grade=4)
    # Of the silence before the words, what passed while the tone was given is not recorded.
    before = 40 - len(begin)
    waiting = before + 100 + QUIET_FRAMES
    said = [SILENCE] * before + [WORD] * 100 + [SILENCE] * TAIL_FRAMES
    expected = [SILENCE] * LEAD_FRAMES + [*begin] + [SILENCE] * waiting
    assert caller.heard == expected + said + [*summary] + [SILENCE] * LEAD_FRAMES
    [(contact, text)] = bot.sent
    assert contact == caller.call.contact
    assert "Path: direct" in text
    assert "very good" in text
    assert f"I recorded {len(said) * 0.02:.1f} s" in text
    assert caller.call.reason == "hung_up"


def test_recording_is_announced_and_its_end_too() -> None:
    caller = Caller()
    conduct(PlayedBot(caller))
    assert caller.recordings == [True, False]


@pytest.mark.parametrize("stays", [1, 30, 130, 260])
def test_who_hangs_up_early_gets_the_report_all_the_same(stays: int) -> None:
    caller = Caller(stays=stays)
    bot = PlayedBot(caller)
    conduct(bot)
    [(_contact, text)] = bot.sent
    assert "You hung up before the test was over" in text
    assert "Path: direct" in text


def test_who_says_nothing_hears_the_tones_and_is_told() -> None:
    caller = Caller(said=0)
    bot = PlayedBot(caller)
    conduct(bot)
    assert "I heard nothing" in bot.sent[0][1]
    assert caller.heard[-1 - LEAD_FRAMES] == tones.summary(relayed=False, grade=4)[-1]


def test_a_call_without_a_path_is_reported() -> None:
    bot = PlayedBot(Caller())
    bot.connects = False
    conduct(bot)
    assert "We were not connected" in bot.sent[0][1]


def test_ten_callers_are_answered_at_once_and_one_that_fails_harms_no_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    callers = [Caller(number, said=number * 5) for number in range(1, 11)]
    gone = Caller(11)
    gone.show(state="ended", reason="cancelled", by_peer=True)
    bot = PlayedBot(gone, *callers)
    asyncio.run(asyncio.wait_for(echo.answer_calls(bot), 30))
    assert len(bot.sent) == 10
    for number, caller in enumerate(callers, 1):
        assert caller.heard.count(WORD) == number * 5
    assert "NoSuchCallError" in capsys.readouterr().out


def test_a_report_that_may_not_be_sent_ends_the_test_and_not_the_bot(
    capsys: pytest.CaptureFixture[str],
) -> None:
    caller = Caller()
    bot = PlayedBot(caller)
    bot.frozen = True
    asyncio.run(asyncio.wait_for(echo.answer_calls(bot), 20))
    assert "ContactFrozenError" in capsys.readouterr().out
    assert caller.call.reason == "hung_up"


def test_echo_raises_the_limit_again_after_each_start_of_the_node() -> None:
    bot = PlayedBot()
    asyncio.run(asyncio.wait_for(echo.take_several_calls(bot), 5))
    assert bot.limits == [echo.CALLS_AT_ONCE] * 2

"""Nothing is kept of a call before the other side has been told that somebody records."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest

from hark.app.cli.talk.conversation import Conversation
from hark.app.cli.talk.ends import Ends, Recorder
from hark.app.cli.talk.screen import Screen
from hark.app.sound.pump import Source
from hark.control.bot import Bot
from hark.control.schema import Call
from hark.errors import NodeNotRunningError


@dataclass
class TellingBot:
    """Notes whether anything was kept while the node was still to be told."""

    recorder: SimpleNamespace
    fails: bool = False
    told: list[tuple[bool, bool]] = field(default_factory=list)
    """Each: what the node was told, and whether the recorder was on at that moment."""

    async def switch_call(self, _call: str, *, recording: bool) -> None:
        await asyncio.sleep(0)
        self.told.append((recording, self.recorder.is_on))
        if self.fails:
            raise NodeNotRunningError


def conversation(bot: TellingBot) -> Conversation:
    ends = Ends(cast(Source, None), [], cast(Recorder, bot.recorder), lambda: None)
    call = cast(Call, SimpleNamespace(id="c1" * 16))
    return Conversation(cast(Bot, bot), call, ends, cast(Screen, None))


@pytest.mark.claim("C-8")
def test_recorder_is_switched_on_after_the_node_has_been_told_and_not_before() -> None:
    bot = TellingBot(SimpleNamespace(is_on=False))
    asyncio.run(conversation(bot)._record(is_on=True))
    assert bot.told == [(True, False)]
    assert bot.recorder.is_on


@pytest.mark.claim("C-8")
def test_recorder_is_switched_off_before_the_node_is_told() -> None:
    bot = TellingBot(SimpleNamespace(is_on=True))
    asyncio.run(conversation(bot)._record(is_on=False))
    assert bot.told == [(False, False)]
    assert not bot.recorder.is_on


@pytest.mark.claim("C-8")
def test_nothing_is_kept_when_the_node_could_not_be_told() -> None:
    bot = TellingBot(SimpleNamespace(is_on=False), fails=True)
    with pytest.raises(NodeNotRunningError):
        asyncio.run(conversation(bot)._record(is_on=True))
    assert not bot.recorder.is_on

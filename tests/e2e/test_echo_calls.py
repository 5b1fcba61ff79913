"""`hark echo` takes calls of real nodes: several at once, also after its node was restarted."""

import asyncio
from pathlib import Path

import pytest

from hark.app.cli.demo.cast import (
    ALICE,
    BOB,
    ECHO,
    Cast,
    make_account,
    received,
    until_contacts,
)
from hark.app.cli.demo.conversation import Conversation, converse
from hark.app.cli.demo.stage import Stage
from hark.app.cli.demo.teller import Teller
from hark.app.sound.speech import find_speech
from hark.app.sound_test.recording import level
from hark.app.sound_test.report import TITLE
from hark.control.bot import Bot
from hark.wire.sound import FRAMES_PER_S

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

SAID_FRAMES = 2 * FRAMES_PER_S
LOUD = 1_000.0


async def call_echo(cast: Cast, profile: str, said: list[bytes]) -> Conversation:
    async with Bot.connect(cast.stage.paths(profile).socket) as bot:
        return await converse(
            bot,
            cast.accounts[ECHO].account,
            said,
            on_connected=lambda _call: None,
            on_answered=lambda _call: None,
        )


async def hang_up_early(cast: Cast, profile: str) -> None:
    """Call Echo, and hang up as soon as anything is heard."""
    async with Bot.connect(cast.stage.paths(profile).socket) as bot:
        call = await bot.place_call(cast.accounts[ECHO].account)
        async for now in bot.call_changes(call.id):
            if now.heard:
                await bot.hang_up(call.id)
                break


def reports(cast: Cast, profile: str) -> list[str]:
    client = cast.client(profile)
    return [text for text in received(client, "Echo") if text.startswith(TITLE)]


def test_echo_takes_two_callers_at_once_also_after_its_node_was_started_anew(
    tmp_path: Path,
) -> None:
    said = find_speech(None, tmp_path / "cache").frames[:SAID_FRAMES]
    with Stage(tmp_path / "stage") as stage:
        cast = Cast(stage, Teller(silent=True))
        address = str(stage.start_supernode())
        for profile in (ALICE, BOB, ECHO):
            make_account(cast, profile, address)
        stage.start_echo(ECHO)
        for profile in (ALICE, BOB):
            cast.client(profile).add(cast.client(ECHO).invite().link, "Echo")
            until_contacts(cast, ECHO, profile, profile.title())
        cast.client(BOB).send("Echo", "are you there?")
        stage.until(lambda: bool(received(cast.client(BOB), "Echo")), "the bot answers")
        stage.kill(ECHO)
        stage.start_node(ECHO)

        async def both() -> list[Conversation]:
            await hang_up_early(cast, ALICE)
            return list(
                await asyncio.gather(*(call_echo(cast, name, said) for name in (ALICE, BOB)))
            )

        for done in asyncio.run(both()):
            assert done.ended is not None
            assert done.ended.reason == "hung_up"
            assert done.ended.by_peer
            back = done.heard[done.said_from + len(said) :]
            assert sum(level(frame) > LOUD for frame in back) > SAID_FRAMES / 3
        stage.until(lambda: len(reports(cast, ALICE)) == 2, "both reports come")
        stage.until(lambda: len(reports(cast, BOB)) == 1, "the report comes")
        early, _whole = reports(cast, ALICE)
        assert "You hung up before the test was over" in early

"""The sound of a call over the control socket: both ways, in order, bounded, for one client."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed

from hark.control import call_sound, routes
from hark.control.bot import Bot
from hark.control.call_sound import CallSound
from hark.control.local_socket import connect
from hark.control.server import MAX_MESSAGE_PARTS, MAX_WEBSOCKET_FRAME_BYTES, ControlServer
from hark.errors import CallError, NodeNotRunningError, NoSuchCallError, UsageError
from hark.wire.sound import FRAME_BYTES, SILENCE
from tests.shell.control.fake_calls import KEPT_FRAMES, FakeSound, frame_of, number_of
from tests.shell.control.fake_node import FakeNode

CALL = f"{1:032x}"
MAX_WRITE_BUFFER_BYTES = 64 * 1024 + MAX_WEBSOCKET_FRAME_BYTES
"""What asyncio keeps for a reader that does not read, and one frame more."""


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        # What is waited for are lists and numbers of a fake.
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@asynccontextmanager
async def scene(socket_path: Path) -> AsyncIterator[tuple[FakeNode, Bot, ControlServer]]:
    """A served node that one call rings on, and its API."""
    node = FakeNode()
    node.phone.ring(1)
    async with ControlServer(node, socket_path) as server, Bot.connect(socket_path) as bot:
        yield node, bot, server


@asynccontextmanager
async def raw_client(socket_path: Path, call: str = CALL) -> AsyncIterator[ClientConnection]:
    """A client of the sound of a call that may send anything."""
    async with unix_connect(
        sock=connect(socket_path, timeout_s=10),
        uri="ws://hark" + routes.CALL_SOUND_PATH.format(call=call),
        compression=None,
        ping_interval=None,
        proxy=None,
        close_timeout=1,
    ) as websocket:
        yield websocket


async def code_after(websocket: ClientConnection, *messages: str | bytes) -> int | None:
    """Send messages; return the code that the node closes with."""
    with suppress(ConnectionClosed):
        for message in messages:
            await websocket.send(message)
    async with asyncio.timeout(10):
        await websocket.wait_closed()
    return websocket.close_code


def only(node: FakeNode) -> FakeSound:
    (sound,) = node.phone.all_sounds
    return sound


def test_sound_goes_both_ways_in_order(socket_path: Path) -> None:
    async def play() -> None:
        async with scene(socket_path) as (node, bot, _), asyncio.timeout(20):
            async with bot.call_sound(CALL) as sound:
                for number in range(300):
                    only(node).give(frame_of(number))
                    frame = await sound.next()
                    assert isinstance(frame, bytes)
                    assert number_of(frame) == number
                    assert await sound.send(frame_of(1000 + number))
                await until(lambda: len(only(node).pushed) == 300)
            assert only(node).pushed == [frame_of(1000 + number) for number in range(300)]

    asyncio.run(play())


def test_the_end_of_a_call_comes_after_its_last_frame(socket_path: Path) -> None:
    async def play() -> None:
        async with (
            scene(socket_path) as (node, bot, _),
            bot.call_sound(CALL) as sound,
            asyncio.timeout(20),
        ):
            only(node).give(frame_of(1), frame_of(2))
            node.phone.end(CALL, by_peer=True)
            assert [await sound.next() for _ in range(4)] == [
                frame_of(1),
                frame_of(2),
                None,
                None,
            ]
            # Whoever only speaks learns it too, and loses nothing by the race.
            assert not await sound.send(SILENCE)
            await until(lambda: only(node).closed)

    asyncio.run(play())


def test_a_program_that_leaves_lets_go_of_the_sound_and_the_call_goes_on(
    socket_path: Path,
) -> None:
    async def play() -> None:
        async with scene(socket_path) as (node, bot, _):
            for attached in range(1, 4):
                async with bot.call_sound(CALL) as sound:
                    await sound.send(frame_of(attached))
                    await until(lambda: len(node.phone.all_sounds[-1].pushed) == 1)
                await until(lambda: not node.phone.sounds)
            assert len(node.phone.all_sounds) == 3
            assert node.phone.known[CALL].state == "incoming"

    asyncio.run(play())


def test_a_program_that_dies_lets_go_of_the_sound(socket_path: Path) -> None:
    async def play() -> None:
        async with scene(socket_path) as (node, _, _), raw_client(socket_path) as websocket:
            await websocket.send(SILENCE)
            await until(lambda: len(only(node).pushed) == 1)
            websocket.transport.abort()
            await until(lambda: only(node).closed)

    asyncio.run(play())


@pytest.mark.parametrize("call", ["f" * 32, "x", "?call=1", "%31", "0" * 1000])
def test_there_is_no_sound_without_a_call(socket_path: Path, call: str) -> None:
    async def play() -> None:
        async with scene(socket_path) as (_, bot, _):
            with pytest.raises(NoSuchCallError):
                async with bot.call_sound(call):
                    pass

    asyncio.run(play())


def test_there_is_no_sound_of_a_call_that_is_over(socket_path: Path) -> None:
    async def play() -> None:
        async with scene(socket_path) as (node, bot, _):
            node.phone.end(CALL)
            with pytest.raises(NoSuchCallError):
                async with bot.call_sound(CALL):
                    pass

    asyncio.run(play())


def test_a_second_program_does_not_get_the_sound(socket_path: Path) -> None:
    async def play() -> None:
        async with scene(socket_path) as (node, bot, _), bot.call_sound(CALL) as sound:
            with pytest.raises(CallError, match="taken") as refused:
                async with bot.call_sound(CALL):
                    pass
            assert type(refused.value) is CallError
            only(node).give(frame_of(7))
            assert await sound.next() == frame_of(7)

    asyncio.run(play())


def test_without_a_node_there_is_no_sound(socket_path: Path) -> None:
    async def play() -> None:
        with pytest.raises(NodeNotRunningError):
            async with CallSound.open(socket_path, CALL):
                pass

    asyncio.run(play())


def test_a_node_that_stops_is_not_a_call_that_ends(socket_path: Path) -> None:
    async def play() -> None:
        async with (
            scene(socket_path) as (node, bot, server),
            bot.call_sound(CALL) as sound,
            asyncio.timeout(20),
        ):
            waiting = asyncio.create_task(sound.next())
            await asyncio.sleep(0.1)
            await server.close()
            with pytest.raises(NodeNotRunningError):
                await waiting
            with pytest.raises(NodeNotRunningError):
                await sound.next()
            with pytest.raises(NodeNotRunningError):
                await sound.send(SILENCE)
            assert only(node).closed

    asyncio.run(play())


@pytest.mark.parametrize("size", [0, 1, FRAME_BYTES - 2, FRAME_BYTES + 2, 4096])
def test_a_frame_of_another_size_ends_the_stream(socket_path: Path, size: int) -> None:
    async def play() -> None:
        async with scene(socket_path) as (node, _, _), raw_client(socket_path) as websocket:
            assert await code_after(websocket, SILENCE, bytes(size), SILENCE) == 1008
            await until(lambda: only(node).closed)
            assert only(node).pushed == [SILENCE]

    asyncio.run(play())


@pytest.mark.parametrize(
    ("message", "code"),
    [("x" * FRAME_BYTES, 1008), (bytes(MAX_WEBSOCKET_FRAME_BYTES + 1), 1009)],
    ids=["text", "larger than any message may be"],
)
def test_anything_but_frames_ends_the_stream(
    socket_path: Path, message: str | bytes, code: int
) -> None:
    async def play() -> None:
        async with scene(socket_path) as (node, _, _), raw_client(socket_path) as websocket:
            assert await code_after(websocket, message) == code
            await until(lambda: only(node).closed)
            assert only(node).pushed == []

    asyncio.run(play())


def test_a_program_cannot_send_a_frame_of_another_size(socket_path: Path) -> None:
    async def play() -> None:
        async with scene(socket_path) as (_, bot, _), bot.call_sound(CALL) as sound:
            for size in (0, FRAME_BYTES - 1, FRAME_BYTES + 1):
                with pytest.raises(UsageError):
                    await sound.send(bytes(size))
            assert await sound.send(SILENCE)

    asyncio.run(play())


def test_a_flood_of_frames_does_not_keep_the_node_from_others(socket_path: Path) -> None:
    async def play() -> None:
        async with scene(socket_path) as (node, bot, _), raw_client(socket_path) as websocket:

            async def flood() -> None:
                while True:
                    await websocket.send(SILENCE)

            flooding = asyncio.create_task(flood())
            await until(lambda: len(only(node).pushed) > 100)
            begin = time.monotonic()
            for _ in range(5):
                await bot.whoami()
            assert time.monotonic() - begin < 5
            flooding.cancel()

    asyncio.run(play())


def write_buffers(server: ControlServer) -> list[int]:
    return [
        connection.transport.get_write_buffer_size() for connection in server._state.connections
    ]


def test_a_reader_that_does_not_read_costs_the_node_no_memory(socket_path: Path) -> None:
    async def play() -> None:
        async with (
            scene(socket_path) as (node, _, server),
            raw_client(socket_path) as websocket,
        ):
            websocket.transport.pause_reading()
            # Twenty seconds of sound; the kernel takes some of it.
            for number in range(1000):
                only(node).give(frame_of(number))
                await asyncio.sleep(0)
            await asyncio.sleep(0.1)
            assert max(write_buffers(server)) <= MAX_WRITE_BUFFER_BYTES
            # What waited for longest is lost, the newest is not.
            websocket.transport.resume_reading()
            node.phone.end(CALL)
            numbers = [number_of(bytes(frame)) async for frame in websocket if frame != b""]
            assert numbers == sorted(set(numbers))
            assert numbers[-KEPT_FRAMES:] == list(range(1000 - KEPT_FRAMES, 1000))
            assert len(numbers) < 500

    asyncio.run(play())


def test_a_client_that_pings_and_does_not_read_is_cut_off(socket_path: Path) -> None:
    async def play() -> None:
        async with (
            scene(socket_path) as (node, _, server),
            raw_client(socket_path) as websocket,
        ):
            websocket.transport.pause_reading()
            ping = b"\x89\xfd" + bytes(4) + bytes(125)
            largest = 0
            for _ in range(20_000):
                if only(node).closed:
                    break
                websocket.transport.write(ping * 8)
                await asyncio.sleep(0)
                largest = max([largest, *write_buffers(server)])
            await until(lambda: only(node).closed)
            # What one read of the socket brings may be answered at once.
            assert largest <= MAX_WRITE_BUFFER_BYTES + 256 * 1024
            websocket.transport.abort()

    asyncio.run(play())


def test_a_message_in_parts_without_end_is_cut_off(socket_path: Path) -> None:
    async def play() -> None:
        async with scene(socket_path) as (node, _, _), raw_client(socket_path) as websocket:
            halves = [
                b"\x02\x80" + bytes(4),
                b"\x80\xfe" + (1920).to_bytes(2, "big") + bytes(4),
            ]
            websocket.transport.write(b"".join(halves) + SILENCE)
            await until(lambda: only(node).pushed == [SILENCE])
            websocket.transport.write(halves[0] + (b"\x00\x80" + bytes(4)) * MAX_MESSAGE_PARTS)
            await until(lambda: only(node).closed)

    asyncio.run(play())


def test_a_program_that_does_not_ask_keeps_the_newest_second(
    socket_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_sound, "MAX_WAITING_FRAMES", 5)

    async def play() -> None:
        async with scene(socket_path) as (node, bot, _), bot.call_sound(CALL) as sound:
            for number in range(20):
                only(node).give(frame_of(number))
                await asyncio.sleep(0.01)
            node.phone.end(CALL)
            await asyncio.sleep(0.2)
            numbers = []
            while (frame := await sound.next()) is not None:
                numbers.append(number_of(frame))
            assert numbers == [15, 16, 17, 18, 19]

    asyncio.run(play())


def test_ten_calls_are_carried_at_once(socket_path: Path) -> None:
    async def echo(bot: Bot, call: str) -> list[int]:
        heard = []
        async with bot.call_sound(call) as sound:
            while (frame := await sound.next()) is not None:
                heard.append(number_of(frame))
                await sound.send(frame)
        return heard

    async def play() -> None:
        async with scene(socket_path) as (node, bot, _), asyncio.timeout(30):
            calls = [node.phone.ring(number).id for number in range(1, 11)]
            echoing = [asyncio.create_task(echo(bot, call)) for call in calls]
            await until(lambda: len(node.phone.sounds) == 10)
            for number in range(100):
                for index, call in enumerate(calls):
                    node.phone.sounds[call].give(frame_of(1000 * index + number))
                await asyncio.sleep(0.01)
            sounds = [node.phone.sounds[call] for call in calls]
            await until(lambda: all(len(sound.pushed) == 100 for sound in sounds))
            for call in calls:
                node.phone.end(call)
            for index, task in enumerate(echoing):
                expected = list(range(1000 * index, 1000 * index + 100))
                assert await task == expected
                assert [number_of(frame) for frame in sounds[index].pushed] == expected

    asyncio.run(play())


def test_a_bug_of_the_node_ends_the_sound_and_its_log_holds_no_particulars(
    socket_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_sound: FakeSound, _frame: bytes) -> None:
        raise RuntimeError("secret content of a bug")

    monkeypatch.setattr(FakeSound, "push", fail)

    async def play() -> None:
        async with scene(socket_path) as (node, _, _), raw_client(socket_path) as websocket:
            assert await code_after(websocket, SILENCE) == 1011
            await until(lambda: only(node).closed)

    asyncio.run(play())
    assert "RuntimeError" in caplog.text
    assert "RuntimeError: secret" not in caplog.text

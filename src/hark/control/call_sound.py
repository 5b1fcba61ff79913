"""The sound of one call, for a program that speaks and listens in it.

::

    async with bot.call_sound(call.id) as sound:
        while (frame := await sound.next()) is not None:
            await sound.send(frame)

A frame is 20 ms of sound as `hark.wire.sound` says. The node gives and takes one every 20 ms;
where there is none to send it sends silence. Source: spec/control.md#sound-of-a-call.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from hark.control import routes
from hark.control.client import ANSWER_TIMEOUT_S, parse_problem
from hark.control.local_socket import connect
from hark.errors import NodeNotRunningError, UsageError
from hark.wire.sound import FRAME_BYTES, FRAMES_PER_S

MAX_WAITING_FRAMES = FRAMES_PER_S
"""Frames that wait for a slow reader, a second of sound; the oldest make way for newer ones."""
CALL_OVER = 1000
"""Code by which the node closes the sound of a call that is over."""
CLOSE_TIMEOUT_S = 1.0
"""How long the node may take to answer that we leave, in seconds."""


class CallSound:
    """The sound of one call, both ways. Made by `CallSound.open`."""

    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket
        self._waiting: deque[bytes] = deque(maxlen=MAX_WAITING_FRAMES)
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    @asynccontextmanager
    async def open(cls, socket_path: Path, call_id: str) -> AsyncIterator[Self]:
        """Attach to the sound of a call; leaving detaches, and the call goes on in silence.

        Raises:
            NoSuchCallError: there is no such call, or it is over.
            CallError: another program has its sound.
            NodeNotRunningError: no node listens there.
        """
        websocket = await _attach(socket_path, call_id)
        sound = cls(websocket)
        try:
            yield sound
        finally:
            sound._reading.cancel()
            with suppress(asyncio.CancelledError):
                await sound._reading
            await websocket.close()

    async def next(self) -> bytes | None:
        """Wait for the next frame to play or keep; None when the call is over.

        Raises:
            NodeNotRunningError: the node has stopped, and the call with it.
        """
        while not self._waiting:
            if self._reading.done():
                self._check_end()
                return None
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()

    async def send(self, frame: bytes) -> bool:
        """Give a frame to send, once every 20 ms; of more the node drops the oldest.

        Returns:
            Whether the call goes on. What is sent when it is over is thrown away.

        Raises:
            NodeNotRunningError: the node has stopped, and the call with it.
            UsageError: a frame of another size.
        """
        if len(frame) != FRAME_BYTES:
            raise UsageError(f"a frame of sound has {FRAME_BYTES} bytes")
        try:
            await self._websocket.send(frame)
        except ConnectionClosed:
            self._check_end()
            return False
        return True

    async def _read(self) -> None:
        try:
            with suppress(ConnectionClosed):
                while True:
                    self._waiting.append(await self._websocket.recv(decode=False))
                    self._news.set()
        finally:
            self._news.set()

    def _check_end(self) -> None:
        if self._websocket.close_code != CALL_OVER:
            raise NodeNotRunningError("it has stopped")


async def _attach(socket_path: Path, call_id: str) -> ClientConnection:
    try:
        return await unix_connect(
            sock=connect(socket_path, timeout_s=ANSWER_TIMEOUT_S),
            uri="ws://hark" + routes.CALL_SOUND_PATH.format(call=quote(call_id, safe="")),
            max_size=FRAME_BYTES,
            compression=None,
            ping_interval=None,
            close_timeout=CLOSE_TIMEOUT_S,
            proxy=None,
        )
    except InvalidStatus as error:
        raise parse_problem(bytes(error.response.body or b"")) from error
    except (OSError, WebSocketException) as error:
        raise NodeNotRunningError("it refused the sound of the call") from error

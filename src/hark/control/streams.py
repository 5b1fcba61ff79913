"""The WebSockets of the control contract: events, and the sound of a call (spec/control.md).

A stream ends when either side ends it. Neither a slow reader nor a client that sends too much
costs memory: each stream is fed by a bounded queue of the node, is read message by message,
and what a client may send is bounded by `hark.control.server`.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from hark.control import routes
from hark.control.exchange import bug, number_of, problem
from hark.control.schema import Event
from hark.control.service import EventFeed, NodeService, SoundFeed
from hark.errors import HarkError
from hark.wire.codec import encode_json
from hark.wire.sound import FRAME_BYTES

CALL_OVER = 1000
"""The stream of a call's sound is closed with this code when the call is over."""
NO_FRAME_OF_SOUND = 1008
"""… and with this one when a client sends anything but one frame in a binary message."""
BUG = 1011

Stream = Callable[[WebSocket, NodeService], Awaitable[None]]


async def serve(stream: Stream, websocket: WebSocket, service: NodeService) -> None:
    """Run a stream; what fails is told as a `Problem`, once it has begun as a close code."""
    try:
        await stream(websocket, service)
    except WebSocketDisconnect:
        pass
    except HarkError as error:
        await _refuse(websocket, error)
    except Exception as error:
        await _refuse(websocket, bug(error))


async def events(websocket: WebSocket, service: NodeService) -> None:
    """Send events until one side ends it.

    A number belongs to one run of the node. A client that names an earlier run gets a `gap`
    first and then what happens from now on.
    """
    after = number_of(websocket.query_params.get("after"), "after")
    run = str((await service.status()).started_unix_ms)
    same_run = websocket.query_params.get("run", run) == run
    feed = service.events(after if same_run else None)
    try:
        await websocket.accept(headers=[(routes.RUN_HEADER.encode(), run.encode())])
        if after is not None and not same_run:
            await _send_event(websocket, Event(seq=0, kind="gap"))
        await _first_of(_send_events(websocket, feed), _wait_for_end(websocket))
    finally:
        feed.close()


async def sound(websocket: WebSocket, service: NodeService) -> None:
    """Carry the sound of a call both ways, until the call is over or the client goes."""
    feed = await service.call_sound(str(websocket.path_params["call"]))
    try:
        await websocket.accept()
        code = await _first_of(_send_sound(websocket, feed), _take_sound(websocket, feed))
        await websocket.close(code)
    finally:
        feed.close()


async def _first_of(*works: Coroutine[None, None, int]) -> int:
    """Return what the first of these gives; the others are cancelled."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()
    finally:
        for task in tasks:
            task.cancel()
            # The client may be gone in each of them; all are over then.
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect):
                await task


async def _send_events(websocket: WebSocket, feed: EventFeed) -> int:
    while True:
        await _send_event(websocket, await feed.next())


async def _send_event(websocket: WebSocket, event: Event) -> None:
    await websocket.send_text(encode_json(event).decode())


async def _wait_for_end(websocket: WebSocket) -> int:
    # A client has nothing to say here; what it says is thrown away.
    while (message := await websocket.receive())["type"] != "websocket.disconnect":
        pass
    raise WebSocketDisconnect(message["code"])


async def _send_sound(websocket: WebSocket, feed: SoundFeed) -> int:
    while (frame := await feed.next()) is not None:
        await websocket.send_bytes(frame)
    return CALL_OVER


async def _take_sound(websocket: WebSocket, feed: SoundFeed) -> int:
    while (message := await websocket.receive())["type"] != "websocket.disconnect":
        frame = message.get("bytes")
        if frame is None or len(frame) != FRAME_BYTES:
            return NO_FRAME_OF_SOUND
        feed.push(frame)
    raise WebSocketDisconnect(message["code"])


async def _refuse(websocket: WebSocket, error: HarkError) -> None:
    # The client may be gone meanwhile: nobody has to be told then.
    with contextlib.suppress(WebSocketDisconnect, OSError):
        if websocket.application_state is WebSocketState.CONNECTING:
            await websocket.send_denial_response(problem(error))
        elif websocket.application_state is WebSocketState.CONNECTED:
            await websocket.close(BUG)

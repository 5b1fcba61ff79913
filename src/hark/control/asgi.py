"""The control contract as an ASGI app over any `NodeService` (spec/control.md).

One route per method, taken from `hark.control.routes`; one WebSocket for events. Bodies are
bounded before they are read, parsed into typed values, and nothing else reaches the service.
Every error becomes a `Problem`; one that is not a `HarkError` is a bug of ours: it is logged
and answered without its particulars, which might hold content.

Who may connect is decided by whoever serves the app (`hark.control.server`).
"""

import asyncio
import contextlib
import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import TypeVar

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from hark.control import routes
from hark.control.problems import problem_of, status_of
from hark.control.schema import MAX_HISTORY, Done, Event
from hark.control.service import EventFeed, NodeService
from hark.errors import HarkError, MalformedError, MessageTooLongError, UsageError
from hark.wire.codec import JsonParser, Record, encode_json

TakenT = TypeVar("TakenT", bound=Record)
GivenT = TypeVar("GivenT")

Endpoint = Callable[[Request], Awaitable[Response]]

DEFAULT_HISTORY = 50
"""Messages in a page of history when no limit is named."""
MAX_NUMBER_DIGITS = 18
"""Longest number in a query: below 2**63."""

_log = logging.getLogger(__name__)


def control_app(service: NodeService) -> Starlette:
    """Return the app that serves the control contract for `service`."""

    async def history(request: Request) -> Response:
        query = request.query_params
        contact = query.get("contact", "")
        if not contact:
            raise UsageError("the request names no contact")
        limit = _number(query.get("limit"), "limit")
        if limit is None:
            limit = DEFAULT_HISTORY
        if not 1 <= limit <= MAX_HISTORY:
            raise UsageError(f"the limit is not a number from 1 to {MAX_HISTORY}")
        return _answer(await service.history(contact, limit, query.get("before")))

    async def message(request: Request) -> Response:
        return _answer(await service.message(str(request.path_params["message_id"])))

    async def events(websocket: WebSocket) -> None:
        await _serve_events(websocket, service)

    served: list[BaseRoute] = [
        _ask(routes.STATUS, service.status),
        _ask(routes.WHOAMI, service.whoami),
        _ask(routes.CONTACTS, service.contacts),
        _ask(routes.DIAGNOSE, service.diagnose),
        _order(routes.INVITE, lambda _request: service.invite()),
        _order(routes.ADD, service.add),
        _order(routes.ACCEPT, service.accept),
        _order(routes.BLOCK, service.block),
        _order(routes.VERIFY, service.verify),
        _order(routes.RENAME, service.rename),
        _order(routes.SEND, service.send),
        _order(routes.READ, lambda request: _done(service.read(request))),
        _order(routes.CHAT, lambda request: _done(service.chat(request))),
        _order(routes.TYPING, lambda request: _done(service.typing(request))),
        _order(routes.STOP, lambda _request: _done(service.stop())),
        Route(routes.HISTORY.path, _guarded(history), methods=["GET"]),
        Route(routes.MESSAGE.path, _guarded(message), methods=["GET"]),
        WebSocketRoute(routes.EVENTS_PATH, events),
    ]
    return Starlette(routes=served, exception_handlers={404: _no_such_path, 405: _no_such_path})


def _ask(ask: routes.Ask[GivenT], method: Callable[[], Awaitable[GivenT]]) -> Route:
    async def endpoint(_request: Request) -> Response:
        return _answer(await method())

    return Route(ask.path, _guarded(endpoint), methods=["GET"])


def _order(
    order: routes.Order[TakenT, GivenT], method: Callable[[TakenT], Awaitable[GivenT]]
) -> Route:
    parser: JsonParser[TakenT] = JsonParser(order.takes)

    async def endpoint(request: Request) -> Response:
        body = await _bounded_body(request)
        try:
            taken = parser.parse(body)
        except MalformedError as error:
            raise UsageError(str(error)) from error
        return _answer(await method(taken))

    return Route(order.path, _guarded(endpoint), methods=["POST"])


async def _done(work: Awaitable[None]) -> Done:
    await work
    return Done()


def _guarded(endpoint: Endpoint) -> Endpoint:
    """Return an endpoint that answers every error with a `Problem`."""

    async def guarded(request: Request) -> Response:
        try:
            return await endpoint(request)
        except HarkError as error:
            return _problem(error)
        except ClientDisconnect:
            # Nobody reads the answer any more.
            return Response(status_code=499)
        except Exception as error:
            # Where it was, not what it says: that may be what somebody wrote.
            frames = "".join(traceback.format_tb(error.__traceback__))
            _log.error("a request failed: %s\n%s", type(error).__name__, frames)
            return _problem(HarkError("the node's log says more"))

    return guarded


async def _no_such_path(_request: Request, _error: Exception) -> Response:
    return _problem(UsageError("the control contract has no such request"))


def _answer(given: object) -> Response:
    return Response(encode_json(given), media_type="application/json")


def _problem(error: HarkError) -> Response:
    return Response(
        encode_json(problem_of(error)),
        status_code=status_of(error),
        media_type="application/json",
    )


async def _bounded_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > routes.MAX_BODY_BYTES:
            raise MessageTooLongError("the request is larger than 256 KiB")
    return bytes(body)


def _number(text: str | None, name: str) -> int | None:
    """Parse a number of a query; None when it is absent."""
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > MAX_NUMBER_DIGITS:
        raise UsageError(f"{name} is not a number")
    return int(text)


async def _serve_events(websocket: WebSocket, service: NodeService) -> None:
    """Send events until one side ends it.

    A number belongs to one run of the node. A client that names an earlier run gets a `gap`
    first and then what happens from now on.
    """
    run = str((await service.status()).started_unix_ms)
    try:
        after = _number(websocket.query_params.get("after"), "after")
    except UsageError as error:
        await websocket.send_denial_response(_problem(error))
        return
    same_run = websocket.query_params.get("run", run) == run
    feed = service.events(after if same_run else None)
    try:
        await websocket.accept(headers=[(routes.RUN_HEADER.encode(), run.encode())])
        if after is not None and not same_run:
            await _send_event(websocket, Event(seq=0, kind="gap"))
        await _pump(websocket, feed)
    except WebSocketDisconnect:
        pass
    finally:
        feed.close()


async def _pump(websocket: WebSocket, feed: EventFeed) -> None:
    """Send what comes; end when the client goes, without waiting for one more event."""
    pumping = asyncio.create_task(_send_events(websocket, feed))
    listening = asyncio.create_task(_wait_for_end(websocket))
    try:
        await asyncio.wait({pumping, listening}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (pumping, listening):
            task.cancel()
            # The peer may be gone in either of them; both are over then.
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect):
                await task


async def _send_events(websocket: WebSocket, feed: EventFeed) -> None:
    while True:
        await _send_event(websocket, await feed.next())


async def _send_event(websocket: WebSocket, event: Event) -> None:
    await websocket.send_text(encode_json(event).decode())


async def _wait_for_end(websocket: WebSocket) -> None:
    # A client has nothing to say here; what it says is thrown away.
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass

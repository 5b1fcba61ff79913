"""The control contract as an ASGI app over any `NodeService` (spec/control.md).

One route per method, taken from `hark.control.routes`, and two WebSockets
(`hark.control.streams`). Bodies are bounded before they are read, parsed into typed values, and
nothing else reaches the service. Every error becomes a `Problem`; one that is not a `HarkError`
is a bug of ours: it is logged and answered without its particulars, which might hold content.

Who may connect is decided by whoever serves the app (`hark.control.server`).
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from hark.control import routes, streams
from hark.control.exchange import answer, bug, number_of, problem
from hark.control.schema import MAX_HISTORY, Done
from hark.control.service import NodeService
from hark.errors import HarkError, MalformedError, MessageTooLongError, UsageError
from hark.wire.codec import JsonParser, Record

TakenT = TypeVar("TakenT", bound=Record)
GivenT = TypeVar("GivenT")

Endpoint = Callable[[Request], Awaitable[Response]]

DEFAULT_HISTORY = 50
"""Messages in a page of history when no limit is named."""


def control_app(service: NodeService) -> Starlette:
    """Return the app that serves the control contract for `service`."""

    async def history(request: Request) -> Response:
        query = request.query_params
        contact = query.get("contact", "")
        if not contact:
            raise UsageError("the request names no contact")
        limit = number_of(query.get("limit"), "limit")
        if limit is None:
            limit = DEFAULT_HISTORY
        if not 1 <= limit <= MAX_HISTORY:
            raise UsageError(f"the limit is not a number from 1 to {MAX_HISTORY}")
        return answer(await service.history(contact, limit, query.get("before")))

    async def message(request: Request) -> Response:
        return answer(await service.message(str(request.path_params["message_id"])))

    async def voicemail(request: Request) -> Response:
        return answer(await service.voicemail(str(request.path_params["message_id"])))

    async def events(websocket: WebSocket) -> None:
        await streams.serve(streams.events, websocket, service)

    async def sound(websocket: WebSocket) -> None:
        await streams.serve(streams.sound, websocket, service)

    served: list[BaseRoute] = [
        _ask(routes.STATUS, service.status),
        _ask(routes.WHOAMI, service.whoami),
        _ask(routes.CONTACTS, service.contacts),
        _ask(routes.CALLS, service.calls),
        _ask(routes.PRIVACY, service.privacy),
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
        _order(routes.PLACE_CALL, service.place_call),
        _order(routes.ANSWER_CALL, service.answer_call),
        _order(routes.DECLINE_CALL, service.decline_call),
        _order(routes.HANG_UP, service.hang_up),
        _order(routes.SWITCH_CALL, service.switch_call),
        _order(routes.CALL_LIMIT, lambda request: _done(service.limit_calls(request))),
        _order(routes.LEAVE_VOICEMAIL, service.leave_voicemail),
        _order(routes.SET_PRIVACY, service.set_privacy),
        _order(routes.STOP, lambda _request: _done(service.stop())),
        Route(routes.HISTORY.path, _guarded(history), methods=["GET"]),
        Route(routes.MESSAGE.path, _guarded(message), methods=["GET"]),
        Route(routes.VOICEMAIL.path, _guarded(voicemail), methods=["GET"]),
        WebSocketRoute(routes.EVENTS_PATH, events),
        WebSocketRoute(routes.CALL_SOUND_PATH, sound),
    ]
    return Starlette(routes=served, exception_handlers={404: _no_such_path, 405: _no_such_path})


def _ask(ask: routes.Ask[GivenT], method: Callable[[], Awaitable[GivenT]]) -> Route:
    async def endpoint(_request: Request) -> Response:
        return answer(await method())

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
        return answer(await method(taken))

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
            return problem(error)
        except ClientDisconnect:
            # Nobody reads the answer any more.
            return Response(status_code=499)
        except Exception as error:
            return problem(bug(error))

    return guarded


async def _no_such_path(_request: Request, _error: Exception) -> Response:
    return problem(UsageError("the control contract has no such request"))


async def _bounded_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > routes.MAX_BODY_BYTES:
            raise MessageTooLongError("the request is larger than 256 KiB")
    return bytes(body)

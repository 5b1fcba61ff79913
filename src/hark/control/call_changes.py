"""One call, from its present state to its end, out of the events of a node.

Source: spec/control.md#calls.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from websockets.exceptions import WebSocketException

from hark.control import routes, schema
from hark.control.client import parse_event
from hark.control.node_access import NodeAccess
from hark.errors import NodeNotRunningError, NoSuchCallError

ENDED = "ended"
INCOMING = "incoming"

_STEPS = ("opening", "calling", "ringing", INCOMING, "answering", "connecting")
"""States that a call never comes back to, in their order."""


async def changes_of(node: NodeAccess, call_id: str) -> AsyncIterator[schema.Call]:
    """Give a call as it is now and after each change; ends after `ended`.

    Raises:
        NoSuchCallError: the node has no such call.
        NodeNotRunningError: the node has stopped, and the call with it.
    """
    shown: schema.Call | None = None
    async with aclosing(_news_of(node, call_id)) as news:
        async for call in news:
            if shown is None or not is_older(call, shown):
                shown = call
                yield call
                if call.state == ENDED:
                    return


def is_older(call: schema.Call, other: schema.Call) -> bool:
    """Return whether a picture of a call was taken before another one.

    An event that was on its way while the present state was asked for comes after the answer.
    """
    return _age(call) < _age(other)


def _age(call: schema.Call) -> tuple[int, int]:
    if call.state == ENDED:
        return len(_STEPS) + 1, 0
    if call.state in _STEPS:
        return _STEPS.index(call.state), 0
    return len(_STEPS), call.duration_ms


async def _news_of(node: NodeAccess, call_id: str) -> AsyncGenerator[schema.Call, None]:
    try:
        # Opened first, so that nothing is lost between the answer and the events.
        async with node.event_stream() as stream:
            yield await _present(node, call_id)
            async for frame in stream:
                event = parse_event(frame)
                if event.kind == "gap":
                    yield await _present(node, call_id)
                elif event.call is not None and event.call.id == call_id:
                    yield event.call
    except (OSError, WebSocketException) as error:
        raise NodeNotRunningError("it has stopped") from error
    raise NodeNotRunningError("it has stopped")


async def _present(node: NodeAccess, call_id: str) -> schema.Call:
    for call in await node.ask(routes.CALLS):
        if call.id == call_id:
            return call
    raise NoSuchCallError

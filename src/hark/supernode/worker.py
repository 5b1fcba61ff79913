"""A worker: the links of one process, and what goes between them and the store.

Inputs of all links in one turn of the event loop go to the store in one piece; outputs come
back in batches and go out with one write per link. A live envelope for a link of the same
worker takes a short cut and never leaves this process (`LiveRoutes`).

What protects the worker from its links: a bound on links and new links a second, on unsent
bytes per link, on how long a link may stall, and on requests that wait for the store: beyond
`MAX_WAITING_COUNT` a link that asks for more is not read until the store has caught up.
"""

import asyncio
from collections.abc import Callable

from hark.machine import Instant
from hark.overlay.link.events import CloseTransport, SendFrame
from hark.overlay.link.server import MAX_SILENCE_S, LinkServer, LinkServerShared
from hark.overlay.mailbox.events import (
    Asked,
    LinkRef,
    LiveAnswered,
    LiveAsked,
    LiveDelivered,
    ServiceInput,
    ServiceOutput,
)
from hark.runtime.clock import monotonic_now, unix_now_ms
from hark.supernode.admission import Admission
from hark.supernode.counters import Counters
from hark.supernode.link_protocol import READ_BUFFER_BYTES, LinkProtocol
from hark.supernode.live_routes import LiveRoutes
from hark.supernode.store_engine import WORKER_SHIFT
from hark.wire.error_codes import ErrorCode
from hark.wire.link import ALPN

MAX_WAITING_COUNT = 4_000
"""Inputs that wait for the store: twenty commit batches, half a second of work."""
SWEEP_INTERVAL_S = 15.0
"""Between two looks at all links for silence and stalls."""
MAX_STALL_S = 60.0
"""How long a link may leave a full window unread. A phone in a tunnel is back by then; if
not, its mail waits in the store."""

PutInputs = Callable[[list[ServiceInput]], None]


class Worker:
    """The links of one process. Everything happens on its event loop.

    Args:
        index: of this worker, the upper part of its links' numbers.
        shared: what its links have in common.
        put_inputs: gives inputs to the store; never waits.
        admission: how many links are taken.
        counters: of this worker.
        loop: its event loop.
    """

    def __init__(
        self,
        index: int,
        *,
        shared: LinkServerShared,
        put_inputs: PutInputs,
        admission: Admission,
        counters: Counters,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.read_buffer = memoryview(bytearray(READ_BUFFER_BYTES))
        self.counters = counters
        self._shared = shared
        self._put_inputs = put_inputs
        self._admission = admission
        self._loop = loop
        self._links: dict[LinkRef, LinkProtocol] = {}
        self._next_number = index << WORKER_SHIFT
        self._routes = LiveRoutes()
        self._inputs: list[ServiceInput] = []
        self._touched: dict[LinkRef, LinkProtocol] = {}
        self._flush_due = False
        self._waiting_count = 0
        self._unread: set[LinkProtocol] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._stopping = False
        self._all_closed = asyncio.Event()

    def start(self) -> None:
        """Begin to look after the links."""
        self._sweeper = self._loop.call_later(SWEEP_INTERVAL_S, self._sweep)

    def make_protocol(self) -> LinkProtocol:
        """Return the protocol of a new connection."""
        return LinkProtocol(self)

    async def stop(self, patience_s: float) -> None:
        """Say goodbye on every link, and wait until they are closed, or no longer."""
        self._stopping = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for link in list(self._links.values()):
            assert link.machine is not None
            link.machine.end(ErrorCode.SHUTTING_DOWN)
            self.link_progressed(link)
        try:
            async with asyncio.timeout(patience_s):
                while self._links:
                    self._all_closed.clear()
                    await self._all_closed.wait()
        except TimeoutError:
            for link in list(self._links.values()):
                link.abort()
        self._flush()

    def take_outputs(self, outputs: list[ServiceOutput], taken_count: int) -> None:
        """Pass on what the store says; `taken_count` of our inputs are done."""
        self._waiting_count -= taken_count
        for output in outputs:
            self._routes.learn(output)
            self._deliver(output)
        self._send_touched()
        if self._unread and self._waiting_count < MAX_WAITING_COUNT // 2:
            self._read_again()

    # What the links call (`LinkOwner`).

    def now(self) -> Instant:
        """Return this moment."""
        return monotonic_now()

    def link_opened(self, link: LinkProtocol) -> LinkServer | None:
        """Take a new link, or turn it away."""
        if not _speaks_hark(link):
            link.abort()
            return None
        now = monotonic_now()
        machine = LinkServer(self._new_number(), self._shared, now, unix_now_ms())
        if self._stopping or not self._admission.admit(len(self._links), now):
            self._turn_away(link, machine)
            return None
        self._links[machine.link] = link
        self.counters.add("links_accepted")
        self._load_changed()
        return machine

    def link_progressed(self, link: LinkProtocol) -> None:
        """Perform the effects of a link's machine."""
        machine = link.machine
        if machine is None:
            return
        frames: list[bytes] = []
        closing = False
        # Taking an input can be answered at once, which gives new effects.
        while effects := machine.take_effects():
            for effect in effects:
                if isinstance(effect, SendFrame):
                    frames.append(effect.frame)
                elif isinstance(effect, CloseTransport):
                    closing = True
                else:
                    self._take_input(link, effect)
        if frames and not link.send(frames):
            self.counters.add("links_slow")
            self._cut(link)
        elif closing:
            link.close()

    def link_breached(self, link: LinkProtocol) -> None:
        """End a link whose bytes are no frames."""
        if link.machine is not None:
            self.counters.add("links_breached")
            link.machine.end(ErrorCode.MALFORMED)
            self.link_progressed(link)

    def link_closed(self, link: LinkProtocol) -> None:
        """Forget a link."""
        machine = link.machine
        if machine is None:
            return
        machine.lost()
        self.link_progressed(link)
        link.machine = None
        self._unread.discard(link)
        if self._links.pop(machine.link, None) is not None:
            self._routes.forget(machine.link)
            self._load_changed()
        if not self._links:
            self._all_closed.set()

    # Inputs for the store.

    def _take_input(self, link: LinkProtocol, item: ServiceInput) -> None:
        if isinstance(item, LiveAsked) and self._pass_live(item):
            return
        if isinstance(item, Asked):
            self._routes.owner_asked(item)
        self._inputs.append(item)
        self._flush_soon()
        if self._waiting_count + len(self._inputs) > MAX_WAITING_COUNT:
            self._stop_reading(link)

    def _pass_live(self, item: LiveAsked) -> bool:
        """Pass a live envelope inside this worker; return False if the store has to see it."""
        target = self._routes.target(item)
        if target is None:
            return False
        self.counters.add("live_short_cuts")
        self._deliver(LiveDelivered(target, item.mailbox, item.envelope))
        self._deliver(LiveAnswered(item.link, item.request_id, passed=True))
        self._flush_soon()
        return True

    def _deliver(self, output: ServiceOutput) -> None:
        link = self._links.get(output.link)
        if link is not None and link.machine is not None:
            link.machine.deliver(output)
            self._touched[output.link] = link

    def _flush_soon(self) -> None:
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Hand over what has come together in this turn of the event loop."""
        self._flush_due = False
        self._send_touched()
        if self._inputs:
            inputs, self._inputs = self._inputs, []
            self._waiting_count += len(inputs)
            self.counters.add("asks", len(inputs))
            self._put_inputs(inputs)

    def _send_touched(self) -> None:
        touched, self._touched = self._touched, {}
        for link in touched.values():
            self.link_progressed(link)

    def _stop_reading(self, link: LinkProtocol) -> None:
        if link.transport is not None and link not in self._unread:
            link.transport.pause_reading()
            self._unread.add(link)

    def _read_again(self) -> None:
        for link in self._unread:
            if link.transport is not None:
                link.transport.resume_reading()
        self._unread.clear()

    # Small things.

    def _new_number(self) -> LinkRef:
        self._next_number += 1
        return LinkRef(self._next_number)

    def _turn_away(self, link: LinkProtocol, machine: LinkServer) -> None:
        """Say when to come back, and close. The machine knows no mailbox yet."""
        self.counters.add("links_shed")
        machine.end(ErrorCode.SHUTTING_DOWN if self._stopping else ErrorCode.OVERLOADED)
        effects = machine.take_effects()
        link.send([effect.frame for effect in effects if isinstance(effect, SendFrame)])
        link.close()

    def _cut(self, link: LinkProtocol) -> None:
        # `connection_lost` follows and detaches it.
        link.abort()

    def _load_changed(self) -> None:
        count = len(self._links)
        self.counters.set("links_open", count)
        self._shared.reconnect_window_ms = self._admission.reconnect_window_ms(count)

    def _sweep(self) -> None:
        """Close what is silent or does not read."""
        self._sweeper = self._loop.call_later(SWEEP_INTERVAL_S, self._sweep)
        now = monotonic_now()
        for link in list(self._links.values()):
            machine, stalled_since = link.machine, link.stalled_since
            if stalled_since is not None and now - stalled_since > MAX_STALL_S:
                self.counters.add("links_slow")
                self._cut(link)
            elif machine is not None and now - machine.last_heard_s > MAX_SILENCE_S:
                machine.handle_deadline(now)
                self.link_progressed(link)


def _speaks_hark(link: LinkProtocol) -> bool:
    if link.transport is None:
        return False
    connection = link.transport.get_extra_info("ssl_object")
    # The TLS engine of `aiofastnet` has this method of `SSLObject` too.
    selected = connection.selected_alpn_protocol() if connection is not None else None
    return bool(selected == ALPN)

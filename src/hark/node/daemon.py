"""The running node: core thread, connections, control socket, until somebody says stop.

The event loop moves bytes and sound; the core thread owns the store and decides
(docs/decisions/0003).
A core that raises ends the program: what it holds in memory can no longer be trusted, and the
store has everything that was acknowledged.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hark.calls.events import CallState
from hark.calls.machine import Calls
from hark.control.server import ControlServer
from hark.errors import NotInitialisedError
from hark.machine import Instant
from hark.messaging import events as m
from hark.messaging.machine import Messaging, load_own
from hark.node import views
from hark.node.asking import CoreAsker
from hark.node.call_sound import CallSounds
from hark.node.connections import Connections
from hark.node.core import CallTold, NodeCore, NodeEffect, NodeInput, Told
from hark.node.event_hub import EventHub
from hark.node.links import CloseConnection, OpenConnection, SendOnConnection
from hark.node.media.lazy import LazyEngine, load_engine
from hark.node.paths import Paths
from hark.node.service import Node
from hark.node.storage.keyfile import read_keyfile, unlock
from hark.node.storage.sqlcipher import SqlcipherDeviceStore
from hark.overlay.mailbox.stamps import find_nonce
from hark.runtime.clock import monotonic_now, unix_ms_at
from hark.runtime.core_thread import CoreThread
from hark.runtime.files import LockFile
from hark.runtime.logs import report_loop_errors
from hark.runtime.processes import on_stop_signal
from hark.runtime.tls import client_context
from hark.wire.link import ALPN

STAMP_SLICE = 20_000
"""Candidates tried before the thread that looks for a stamp lets others run, about 20 ms."""
INSTANCE_BYTES = 16

logger = logging.getLogger(__name__)


def run(paths: Paths, passphrase: str | None, ready: Callable[[], None]) -> None:
    """Run the node of a profile until it is told to stop.

    Args:
        paths: of the profile.
        passphrase: opens the store; None when the keyring does.
        ready: called once the control socket answers.

    Raises:
        NotInitialisedError: there is no account here.
        StoreError: the store is in use, damaged, stale, of a newer version, or the passphrase
            is wrong.
        DiskFullError, ConfigurationError, MissingPartError: as their names say.
    """
    if not paths.database.exists():
        raise NotInitialisedError
    with LockFile(paths.lock):
        key = unlock(read_keyfile(paths.keyfile), passphrase)
        asyncio.run(_Daemon(paths, key).run(ready))


class _Daemon:
    """One run of a node."""

    def __init__(self, paths: Paths, key: bytes) -> None:
        self._paths = paths
        self._key = key
        self._hub = EventHub()
        self._stop = asyncio.Event()
        self._crash: BaseException | None = None
        self._stamps: set[asyncio.Task[None]] = set()
        self._core: CoreThread[NodeInput, NodeEffect] = CoreThread(
            self._open_core, perform=self._perform, on_crash=self._on_crash
        )
        self._connections = Connections(client_context(alpn=ALPN), self._core.post)
        self._media = LazyEngine(self._core.post, load_engine)
        self._sounds = CallSounds(self._media)

    async def run(self, ready: Callable[[], None]) -> None:
        """Run until stopped; raise what the core raised, if it did."""
        loop = asyncio.get_running_loop()
        # The loop's own handler would print what an error says, addresses too.
        report_loop_errors(loop)
        on_stop_signal(loop, self._stop.set)
        await self._core.start()
        asker = CoreAsker(self._core)
        node = Node(
            asker,
            self._hub,
            self._paths,
            self._sounds,
            prepare_media=self._media.prepare,
            stop=self._stop.set,
        )
        server = ControlServer(node, self._paths.socket)
        try:
            await server.start()
            ready()
            await self._stop.wait()
        finally:
            await server.close()
            if self._crash is None:
                await asker.ask(_hang_up_all)
            await self._media.close()
            await self._core.stop()
            self._connections.close()
        if self._crash is not None:
            raise self._crash

    @contextmanager
    def _open_core(self) -> Iterator[NodeCore]:
        """Open the store and the core; on the core's thread."""
        store = SqlcipherDeviceStore(self._paths.database, self._key)
        try:
            messaging = Messaging(
                store,
                random_bytes=os.urandom,
                unix_ms=unix_ms_at,
                instance=os.urandom(INSTANCE_BYTES),
            )
            own = load_own(store)
            calls = Calls(account=own.account, device=own.device_id, random_bytes=os.urandom)
            core = NodeCore(messaging, calls, random_bytes=os.urandom, unix_ms=unix_ms_at)
            core.start(monotonic_now())
            yield core
        finally:
            store.close()

    def _perform(self, effects: list[NodeEffect]) -> None:
        """Carry out what the core wants; on the event loop."""
        for effect in effects:
            match effect:
                case OpenConnection() | SendOnConnection() | CloseConnection():
                    self._connections.perform(effect)
                case m.FindStamp():
                    self._begin_stamp(effect)
                case Told():
                    self._publish(effect)
                case CallTold():
                    self._publish_call(effect)
                case _:
                    self._media.perform(effect)

    def _publish(self, told: Told) -> None:
        self._hub.publish(lambda seq: views.event_of(seq, told.event, told.message))
        if isinstance(told.event, m.StoreOvertaken):
            logger.warning("this store is an old copy; nothing more is sent from it")

    def _publish_call(self, told: CallTold) -> None:
        self._hub.publish(lambda seq: views.call_event_of(seq, told.view, told.contact_name))
        if told.view.state is CallState.INCOMING:
            # While it rings there is time to load what the answer needs.
            self._media.prepare()
        elif told.view.state is CallState.ENDED:
            self._sounds.ended(told.view.call)

    def _begin_stamp(self, order: m.FindStamp) -> None:
        task = asyncio.get_running_loop().create_task(self._find_stamp(order))
        self._stamps.add(task)
        task.add_done_callback(self._stamps.discard)

    async def _find_stamp(self, order: m.FindStamp) -> None:
        nonce = await asyncio.to_thread(_search, order, self._stop.is_set)
        if nonce is not None:
            self._core.post(m.StampFound(order.stamp_id, nonce))

    def _on_crash(self, error: BaseException) -> None:
        self._crash = error
        self._stop.set()


def _hang_up_all(core: NodeCore, now: Instant) -> None:
    """End what is going on, so that nobody waits for us to come back."""
    calls = core.calls(now)
    for view in calls.views():
        if view.state is not CallState.ENDED:
            calls.hang_up(view.call, now)


def _search(order: m.FindStamp, given_up: Callable[[], bool]) -> bytes | None:
    """Look for a stamp's nonce, slice by slice, until it is found or the node stops."""
    start = 0
    while not given_up():
        nonce = find_nonce(
            order.challenge,
            order.mailbox,
            order.subject_hash,
            order.bits,
            start,
            STAMP_SLICE,
        )
        if nonce is not None:
            return nonce
        start += STAMP_SLICE
    return None

"""A running supernode: wires store, workers and admin listener, and ends them in order.

With one worker everything is one process: the event loop with the links, and the store on its
thread. With more, this process is the store process, and the workers are its children.

Start: lock, key, port, store, workers, admin listener, `address.json`. Stop: no new links,
goodbyes, last batches, an empty `-wal`.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from hark.errors import PortTakenError, StoreDamagedError
from hark.overlay.mailbox.events import ServiceOutput
from hark.overlay.mailbox.service import MailboxService
from hark.runtime.clock import monotonic_now
from hark.runtime.files import LockFile, private_directory, write_private
from hark.runtime.logs import report_loop_errors, where
from hark.runtime.processes import on_stop_signal
from hark.runtime.tls_server import bind_listener
from hark.supernode.address_file import ADDRESS_NAME, AddressRecord, address_host
from hark.supernode.admin import AdminServer
from hark.supernode.admission import AdmissionLimits
from hark.supernode.config import SupernodeConfig
from hark.supernode.counters import Counters, total
from hark.supernode.identity import NodeIdentity, load_or_make_identity
from hark.supernode.listening import ListeningWorker, prepare_process
from hark.supernode.storage.reserve import DiskReserve
from hark.supernode.storage.sqlite import SqliteMailboxStore
from hark.supernode.store_engine import StoreEngine
from hark.supernode.store_thread import StoreThread
from hark.supernode.worker_fleet import WorkerFleet
from hark.wire.codec import encode_json

log = logging.getLogger(__name__)

LOCK_NAME = "lock"
LOCAL_WORKER_INDEX = 1


@dataclass(frozen=True, slots=True)
class Running:
    """What a supernode tells when it is ready."""

    node_id_hex: str
    host: str
    port: int
    admin_port: int


class Supernode:
    """One supernode. `run` serves until a stop signal or until the store fails."""

    def __init__(self, config: SupernodeConfig) -> None:
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[BaseException | None] = self._loop.create_future()
        self._counters = Counters()
        self._store_counters = Counters()
        self._local: ListeningWorker | None = None
        self._fleet: WorkerFleet | None = None

    async def run(self, on_ready: Callable[[Running], None]) -> None:
        """Serve.

        Raises:
            PortTakenError: another program has the port.
            StoreInUseError: another supernode runs on this data directory.
            StoreError: the store cannot be used, or failed while it ran.
        """
        report_loop_errors(self._loop)
        on_stop_signal(self._loop, self.stop)
        data_dir = private_directory(self._config.data_dir)
        with ExitStack() as stack:
            stack.enter_context(LockFile(data_dir / LOCK_NAME))
            identity = load_or_make_identity(data_dir, os.urandom)
            listener = stack.enter_context(self._bind())
            store = self._open_store(identity)
            try:
                await self._serve(identity, listener, store, on_ready)
            finally:
                await self._loop.run_in_executor(None, store.stop)

    def stop(self) -> None:
        """End the supernode gracefully."""
        self._end(None)

    async def _serve(
        self,
        identity: NodeIdentity,
        listener: socket.socket,
        store: StoreThread,
        on_ready: Callable[[Running], None],
    ) -> None:
        admin = AdminServer(self._values)
        try:
            port: int = listener.getsockname()[1]
            await self._start_workers(identity, listener, port, store)
            admin_port = await self._start_admin(admin)
            running = Running(
                identity.node_id.hex(), address_host(self._config), port, admin_port
            )
            self._write_address(running)
            on_ready(running)
            log.info("serving")
            error = await self._over
            if error is not None:
                raise error
        finally:
            admin.stop()
            await self._stop_workers()

    def _bind(self) -> socket.socket:
        """Bind the port. Several workers share it, but no other program may have it."""
        config = self._config
        listener = bind_listener(config.host, config.port, shared=False)
        if config.workers == 1:
            return listener
        # Bound but not listening, this socket gets no connections; it only keeps the port.
        port: int = listener.getsockname()[1]
        listener.close()
        return bind_listener(config.host, port, shared=True)

    def _open_store(self, identity: NodeIdentity) -> StoreThread:
        def open_engine() -> StoreEngine:
            database = SqliteMailboxStore(self._config.data_dir)
            service = MailboxService(database, node_key=identity.key, random_bytes=os.urandom)
            return StoreEngine(
                database,
                service,
                reserve=DiskReserve(self._config.data_dir),
                counters=self._store_counters,
                now=monotonic_now(),
            )

        def on_crash(error: BaseException) -> None:
            self._loop.call_soon_threadsafe(self._end, error)

        store = StoreThread(open_engine, counters=self._store_counters, on_crash=on_crash)
        store.start()
        return store

    async def _start_workers(
        self, identity: NodeIdentity, listener: socket.socket, port: int, store: StoreThread
    ) -> None:
        config = self._config
        if config.workers > 1:
            self._fleet = WorkerFleet(config, port=port, store=store, counters=self._counters)
            await self._fleet.start()
            return
        limits = AdmissionLimits(config.links_per_s, config.burst_count, config.max_link_count)
        local = ListeningWorker(
            LOCAL_WORKER_INDEX,
            identity=identity,
            limits=prepare_process(limits),
            put_inputs=lambda inputs: store.put(LOCAL_WORKER_INDEX, inputs),
            counters=self._counters,
        )

        def sink(outputs: list[ServiceOutput], taken_count: int) -> None:
            take = local.worker.take_outputs
            self._loop.call_soon_threadsafe(take, outputs, taken_count)

        store.join_worker(LOCAL_WORKER_INDEX, sink)
        await local.start(listener)
        self._local = local

    async def _stop_workers(self) -> None:
        if self._local is not None:
            await self._local.stop()
        if self._fleet is not None:
            await self._fleet.stop()

    async def _start_admin(self, admin: AdminServer) -> int:
        try:
            return await admin.start(self._config.admin_port)
        except OSError as error:
            raise PortTakenError(f"admin port {self._config.admin_port}") from error

    def _write_address(self, running: Running) -> None:
        record = AddressRecord(
            node_id=running.node_id_hex,
            host=running.host,
            port=running.port,
            admin_port=running.admin_port,
        )
        write_private(self._config.data_dir / ADDRESS_NAME, encode_json(record) + b"\n")

    def _values(self) -> Mapping[str, int]:
        parts: list[Mapping[str, int]] = [self._counters.values, self._store_counters.values]
        if self._fleet is not None:
            parts += self._fleet.counts()
        return total(parts)

    def _end(self, error: BaseException | None) -> None:
        if self._over.done():
            return
        if error is not None:
            log.error("the store failed: %s", where(error))
            if not isinstance(error, Exception):
                error = StoreDamagedError("the store ended")
        self._over.set_result(error)

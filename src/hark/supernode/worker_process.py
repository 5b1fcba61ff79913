"""A worker as a process of its own: `python -m hark.supernode.worker_process SETTINGS`.

Started by the store process only. It ends when that dies (by a signal of the kernel, and
because the connection to it ends), and says goodbye to its links on SIGTERM.
"""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import cast

from hark.errors import MalformedError
from hark.overlay.mailbox.events import ServiceInput
from hark.runtime.framing import FrameSplitter, with_length
from hark.runtime.logs import report_loop_errors, set_up_logs
from hark.runtime.processes import die_with_parent
from hark.runtime.tls_server import bind_listener, new_event_loop
from hark.supernode.admission import AdmissionLimits
from hark.supernode.counters import Counters
from hark.supernode.identity import load_identity
from hark.supernode.listening import ListeningWorker, prepare_process
from hark.supernode.worker import Worker
from hark.supernode.worker_codec import input_to_wire, output_from_wire
from hark.wire.codec import encode
from hark.wire.worker import (
    MAX_BATCH_BYTES,
    OUTPUT_BATCH_PARSER,
    SETTINGS_PARSER,
    InputBatch,
    WorkerCounts,
    WorkerInput,
    WorkerSettings,
    WorkerStarted,
)

COUNTS_INTERVAL_S = 2.0
"""Between two reports of what was counted, for the metrics."""


class StoreConnection(asyncio.Protocol):
    """The worker's end of the connection to the store process."""

    def __init__(self) -> None:
        self._splitter = FrameSplitter(MAX_BATCH_BYTES)
        self._transport: asyncio.Transport | None = None
        self.worker: Worker | None = None
        """Set before anything can come: the store answers only what was asked."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Take batches of outputs."""
        assert self.worker is not None
        try:
            for frame in self._splitter.feed(data):
                batch = OUTPUT_BATCH_PARSER.parse(frame)
                outputs = [output_from_wire(item) for item in batch.items]
                self.worker.take_outputs(outputs, batch.taken_count)
        except MalformedError:
            os._exit(1)

    def connection_lost(self, error: Exception | None) -> None:
        """End: the store process is gone."""
        # Without the store nothing can be promised to anybody any more.
        os._exit(1)

    def put_inputs(self, inputs: list[ServiceInput]) -> None:
        """Send inputs of links."""
        self.send([input_to_wire(item) for item in inputs])

    def send(self, items: list[WorkerInput]) -> None:
        """Send one batch."""
        assert self._transport is not None
        self._transport.write(with_length(encode(InputBatch(items))))


async def run_worker(settings: WorkerSettings) -> None:
    """Serve links until SIGTERM."""
    loop = asyncio.get_running_loop()
    report_loop_errors(loop)
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    # Ctrl-C goes to the whole group; the store process decides what happens then.
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    limits = prepare_process(
        AdmissionLimits(settings.links_per_s, settings.burst_count, settings.max_link_count)
    )
    connection = StoreConnection()
    store = socket.socket(fileno=settings.store_descriptor)
    await loop.create_unix_connection(lambda: connection, sock=store)
    counters = Counters()
    listening = ListeningWorker(
        settings.worker_index,
        identity=load_identity(Path(settings.data_dir)),
        limits=limits,
        put_inputs=connection.put_inputs,
        counters=counters,
    )
    connection.worker = listening.worker
    await listening.start(bind_listener(settings.host, settings.port, shared=True))
    connection.send([WorkerStarted(os.getpid())])
    while not stop.is_set():
        connection.send([WorkerCounts(dict(counters.values))])
        try:
            async with asyncio.timeout(COUNTS_INTERVAL_S):
                await stop.wait()
        except TimeoutError:
            pass
    await listening.stop()


def main() -> None:
    """Entry point."""
    settings = SETTINGS_PARSER.parse(sys.argv[1])
    die_with_parent(settings.parent_pid)
    set_up_logs()
    loop = new_event_loop()
    loop.run_until_complete(run_worker(settings))
    # Without waiting for anything: the last batch is in the kernel's hands.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()

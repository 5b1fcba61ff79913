"""A worker, its TLS listener and this process made ready for many links."""

import asyncio
import gc
import os
import resource
import socket

from hark.overlay.link.server import LinkServerShared
from hark.runtime.clock import monotonic_now
from hark.runtime.processes import use_small_pages
from hark.runtime.tls import server_context
from hark.runtime.tls_server import StoppableServer, serve_tls
from hark.supernode.admission import Admission, AdmissionLimits
from hark.supernode.counters import Counters
from hark.supernode.identity import NodeIdentity
from hark.supernode.worker import PutInputs, Worker
from hark.wire.link import ALPN

SPARE_FILE_COUNT = 100
"""Open files that are not links: database, listeners, logs, workers."""
GC_THRESHOLDS = (100_000, 50, 100)
"""Links are freed by reference counts; looking through 15,000 of them for cycles more often
than this costs more than it finds."""

STOP_PATIENCE_S = 3.0
"""For goodbyes to leave. Nodes that do not read are cut off."""


class ListeningWorker:
    """A worker that accepts links on a bound socket.

    Args:
        index: of the worker.
        identity: what TLS shows.
        limits: how many links are taken.
        put_inputs: gives inputs to the store.
        counters: of this worker.
    """

    def __init__(
        self,
        index: int,
        *,
        identity: NodeIdentity,
        limits: AdmissionLimits,
        put_inputs: PutInputs,
        counters: Counters,
    ) -> None:
        self._identity = identity
        shared = LinkServerShared(identity.certificate_hash, random_bytes=os.urandom)
        self.worker = Worker(
            index,
            shared=shared,
            put_inputs=put_inputs,
            admission=Admission(limits, monotonic_now()),
            counters=counters,
            loop=asyncio.get_running_loop(),
        )
        self._server: StoppableServer | None = None

    async def start(self, listener: socket.socket) -> None:
        """Accept links from now on.

        Raises:
            PortTakenError: another program began to listen in the meantime.
        """
        identity = self._identity
        context = server_context(identity.certificate, identity.private_key, alpn=ALPN)
        self._server = await serve_tls(self.worker.make_protocol, listener, context)
        self.worker.start()

    async def stop(self) -> None:
        """Stop accepting, say goodbye to all."""
        if self._server is not None:
            self._server.close()
        await self.worker.stop(STOP_PATIENCE_S)


def prepare_process(limits: AdmissionLimits) -> AdmissionLimits:
    """Make this process fit for many links; return the limits that the system allows."""
    use_small_pages()
    gc.set_threshold(*GC_THRESHOLDS)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    allowed = max(1, hard - SPARE_FILE_COUNT)
    return AdmissionLimits(
        links_per_s=limits.links_per_s,
        burst_count=limits.burst_count,
        max_link_count=min(limits.max_link_count, allowed),
    )

"""The store and the mailbox service together, and their housekeeping, without threads.

Housekeeping: a sweep deletes what has expired; a checkpoint empties the `-wal`, which holds
images of deleted envelopes until then. A checkpoint comes a minute after a change at most,
so *deleted* is true on the disk a minute later, and at once after a sweep that deleted.

On a full disk the reserve is given up, so that mail can still be fetched and acknowledged; what
would need room is refused here until the reserve can be laid out again.
"""

import contextlib
import logging

from hark.errors import DiskFullError, StoreError, StoreInUseError
from hark.machine import Instant
from hark.overlay.mailbox.events import (
    Answered,
    Asked,
    Attach,
    Detach,
    LinkRef,
    LiveAsked,
    ServiceInput,
    ServiceOutput,
)
from hark.overlay.mailbox.service import MailboxService
from hark.runtime.clock import unix_ms_at
from hark.runtime.logs import where
from hark.supernode.counters import Counters
from hark.supernode.storage.reserve import DiskReserve
from hark.supernode.storage.sqlite import SqliteMailboxStore
from hark.wire.error_codes import ErrorCode
from hark.wire.mailbox import (
    AddPrekeys,
    CreateMailbox,
    PublishBundle,
    Put,
    Refused,
    RegisterPass,
)

log = logging.getLogger(__name__)

SWEEP_INTERVAL_S = 10 * 60.0
"""Between two sweeps. Lives are counted in days; ten minutes more are nothing."""
CHECKPOINT_INTERVAL_S = 60.0
"""From a change to the emptying of the `-wal`, at most. The design asks for an hour."""

FULL_RETRY_S = 1.0
"""While the disk is full: between two attempts to make room and to lay out the reserve."""
REFUSAL_RETRY_MS = 60_000
"""When to ask again, for those who were refused because the disk is full."""

_PASSING = (DiskFullError, StoreInUseError)
"""What may be over soon: room may be made; an operator's tool may have locked the database."""
_NEEDS_ROOM = (AddPrekeys, CreateMailbox, PublishBundle, Put, RegisterPass)

WORKER_SHIFT = 32
"""A link's number holds the index of its worker above this bit (`LinkRef`)."""


class StoreEngine:
    """Applies batches, sweeps and checkpoints. Used by one thread.

    Args:
        store: open, of this thread.
        service: over that store.
        reserve: on the same disk as the store.
        counters: of this thread.
        now: the present moment.
    """

    def __init__(
        self,
        store: SqliteMailboxStore,
        service: MailboxService,
        *,
        reserve: DiskReserve,
        counters: Counters,
        now: Instant,
    ) -> None:
        self._store = store
        self._reserve = reserve
        self._service = service
        self._counters = counters
        self._links: dict[int, set[LinkRef]] = {}
        self._sweep_due = now
        self._checkpoint_due: Instant | None = None
        self._full_retry_due: Instant | None = None if reserve.lay_out() else now
        """Set while the disk is full."""

    def apply(self, batch: list[ServiceInput], now: Instant) -> list[ServiceOutput]:
        """Apply a batch with one commit and return what follows, after that commit."""
        for item in batch:
            self._note_link(item)
        refused: list[ServiceOutput] = []
        if self._full_retry_due is not None:
            batch, refused = _without_room(batch)
        outputs = refused + self._service.apply(batch, now, unix_ms_at(now))
        self._look_at_faults(now)
        self._counters.add("store_batches")
        self._counters.add("store_inputs", len(batch))
        self._changed(now)
        return outputs

    def forget_worker(self, worker_index: int, now: Instant) -> list[ServiceOutput]:
        """Detach all links of a worker that is gone."""
        links = self._links.pop(worker_index, set())
        return self.apply([Detach(link) for link in sorted(links)], now) if links else []

    def handle_deadline(self, now: Instant) -> list[ServiceOutput]:
        """Sweep, checkpoint and try again when it is time; return what follows."""
        if now >= self._sweep_due:
            self._sweep(now)
        if self._checkpoint_due is not None and now >= self._checkpoint_due:
            self._checkpoint(now)
        if self._full_retry_due is not None and now >= self._full_retry_due:
            return self._try_to_recover(now)
        return []

    def deadline(self) -> Instant:
        """Return when `handle_deadline` is due."""
        moments = (self._sweep_due, self._checkpoint_due, self._full_retry_due)
        return min(moment for moment in moments if moment is not None)

    def close(self) -> None:
        """Empty the `-wal` and close the store."""
        self._store.close()

    def _sweep(self, now: Instant) -> None:
        self._sweep_due = Instant(now + SWEEP_INTERVAL_S)
        try:
            swept = self._service.sweep(unix_ms_at(now))
        except _PASSING as error:
            self._report(error)
            return
        self._counters.add("swept_mailboxes", swept.mailbox_count)
        self._counters.add("swept_envelopes", swept.envelope_count)
        if swept.mailbox_count or swept.envelope_count or swept.pass_count:
            self._make_room(now)

    def _checkpoint(self, now: Instant) -> None:
        try:
            done = self._store.checkpoint()
        except _PASSING as error:
            self._report(error)
            done = False
        self._checkpoint_due = None if done else Instant(now + CHECKPOINT_INTERVAL_S)
        self._counters.add("checkpoints")

    def _try_to_recover(self, now: Instant) -> list[ServiceOutput]:
        """Make room on a full disk, and apply what the service has kept for later."""
        self._make_room(now)
        recovered = self._reserve.lay_out()
        self._full_retry_due = None if recovered else Instant(now + FULL_RETRY_S)
        if recovered:
            log.info("there is room on the disk again")
        return self.apply([], now)

    def _make_room(self, now: Instant) -> None:
        with contextlib.suppress(*_PASSING):
            self._store.checkpoint()
            self._store.give_back_room()
        self._checkpoint(now)

    def _look_at_faults(self, now: Instant) -> None:
        """Report what the service could not do.

        Raises:
            StoreError: the database is damaged. Going on could promise what is not kept.
        """
        for fault in self._service.take_faults():
            if isinstance(fault, StoreError) and not isinstance(fault, _PASSING):
                raise fault
            if isinstance(fault, DiskFullError):
                self._reserve.give_up()
                self._full_retry_due = self._full_retry_due or now
            self._report(fault)

    def _report(self, fault: Exception) -> None:
        self._counters.add("store_faults")
        log.error("the store: %s", where(fault))

    def _changed(self, now: Instant) -> None:
        if self._checkpoint_due is None:
            self._checkpoint_due = Instant(now + CHECKPOINT_INTERVAL_S)

    def _note_link(self, item: ServiceInput) -> None:
        link = item.link
        if isinstance(item, Detach):
            self._links.get(link >> WORKER_SHIFT, set()).discard(link)
        elif isinstance(item, Attach | Asked | LiveAsked):
            self._links.setdefault(link >> WORKER_SHIFT, set()).add(link)


def _without_room(
    batch: list[ServiceInput],
) -> tuple[list[ServiceInput], list[ServiceOutput]]:
    """Split a batch into what can be done on a full disk, and the refusals of the rest."""
    possible: list[ServiceInput] = []
    refused: list[ServiceOutput] = []
    for item in batch:
        if isinstance(item, Asked) and isinstance(item.request, _NEEDS_ROOM):
            answer = Refused(ErrorCode.STORE_UNAVAILABLE, REFUSAL_RETRY_MS)
            refused.append(Answered(item.link, item.request_id, answer))
        else:
            possible.append(item)
    return possible, refused

"""The store on its thread: batches, workers that come and go, faults that pass or do not."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hark.crypto.admission import token_hash
from hark.crypto.signing import SigningKey
from hark.errors import StoreDamagedError
from hark.machine import Instant
from hark.overlay.mailbox.events import (
    Answered,
    Asked,
    Attach,
    Attached,
    Deliver,
    LinkRef,
    ServiceInput,
    ServiceOutput,
)
from hark.overlay.mailbox.service import MailboxService
from hark.overlay.mailbox.store import MailboxRow
from hark.runtime.clock import monotonic_now
from hark.supernode.counters import Counters
from hark.supernode.declarations import DATABASE_FILE
from hark.supernode.storage.database import open_database
from hark.supernode.storage.reserve import DiskReserve
from hark.supernode.storage.sqlite import SqliteMailboxStore
from hark.supernode.store_engine import CHECKPOINT_INTERVAL_S, WORKER_SHIFT, StoreEngine
from hark.supernode.store_thread import MAX_BATCH_COUNT, StoreThread
from hark.wire.ids import MailboxId
from hark.wire.mailbox import DeliveryToken, Held, Put, Refused

BOX = MailboxId(b"b" * 16)
TOKEN = b"t" * 16
OWNER_KEY = b"k" * 32


def make_engine(folder: Path, counters: Counters) -> StoreEngine:
    store = SqliteMailboxStore(folder)
    with store.transaction() as t:
        if t.mailbox(BOX) is None:
            hashed = token_hash(TOKEN)
            t.insert_mailbox(MailboxRow(BOX, 0, OWNER_KEY, hashed, 0, bytes(16), 2**52, 0, 0))
    key = SigningKey.generate(os.urandom)
    service = MailboxService(store, node_key=key, random_bytes=os.urandom)
    reserve = DiskReserve(folder, 4096)
    now = monotonic_now()
    return StoreEngine(store, service, reserve=reserve, counters=counters, now=now)


class Sink:
    """Collects outputs of one worker, and waits for as many as are expected."""

    def __init__(self) -> None:
        self.outputs: list[ServiceOutput] = []
        self.taken_count = 0
        self._changed = threading.Condition()

    def __call__(self, outputs: list[ServiceOutput], taken_count: int) -> None:
        with self._changed:
            self.outputs += outputs
            self.taken_count += taken_count
            self._changed.notify_all()

    def wait(self, done: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(done, 10)


def link(worker_index: int, number: int) -> LinkRef:
    return LinkRef(worker_index << WORKER_SHIFT | number)


def put(worker_index: int, request_id: int) -> ServiceInput:
    request = Put(BOX, DeliveryToken(TOKEN), os.urandom(100))
    return Asked(link(worker_index, 1), request_id, request)


@pytest.fixture
def crashes() -> list[BaseException]:
    return []


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def thread(tmp_path: Path, counters: Counters, crashes: list[BaseException]) -> StoreThread:
    thread = StoreThread(
        lambda: make_engine(tmp_path, counters), counters=counters, on_crash=crashes.append
    )
    thread.start()
    return thread


def test_flood_is_taken_in_order_in_few_commits_before_the_thread_stops(
    thread: StoreThread, counters: Counters, crashes: list[BaseException]
) -> None:
    sink = Sink()
    thread.join_worker(1, sink)
    count = 5 * MAX_BATCH_COUNT + 7
    thread.put(1, [put(1, number) for number in range(count)])
    thread.stop()
    answers = [output for output in sink.outputs if isinstance(output, Answered)]
    assert [answer.request_id for answer in answers] == list(range(count))
    assert all(isinstance(answer.answer, Held) for answer in answers)
    assert sink.taken_count == count
    assert counters.values["store_batches"] == 6
    assert crashes == []


def test_each_worker_gets_its_own_outputs_and_none_after_it_has_left(
    thread: StoreThread,
) -> None:
    one, two = Sink(), Sink()
    thread.join_worker(1, one)
    thread.join_worker(2, two)
    thread.put(1, [Attach(link(1, 1), BOX, OWNER_KEY, 1, bytes(16))])
    one.wait(lambda: one.taken_count == 1)
    thread.put(2, [put(2, 5)])
    two.wait(lambda: two.taken_count == 1)
    one.wait(lambda: any(isinstance(output, Deliver) for output in one.outputs))
    assert [type(output) for output in one.outputs] == [Attached, Deliver]
    assert [type(output) for output in two.outputs] == [Answered]
    thread.leave_worker(1)
    thread.put(2, [put(2, 6)])
    two.wait(lambda: two.taken_count == 2)
    thread.stop()
    # Its link was detached: the second envelope waits for the next login.
    assert len(one.outputs) == 2


def test_what_cannot_be_opened_is_raised_by_the_start(tmp_path: Path) -> None:
    (tmp_path / DATABASE_FILE).write_bytes(b"no database" * 100)
    counters = Counters()
    thread = StoreThread(
        lambda: make_engine(tmp_path, counters), counters=counters, on_crash=print
    )
    with pytest.raises(StoreDamagedError):
        thread.start()


def test_database_that_breaks_while_it_runs_ends_the_store(
    tmp_path: Path, counters: Counters
) -> None:
    engine = make_engine(tmp_path, counters)
    connection = engine._store._connection
    engine._store.checkpoint()
    with (tmp_path / DATABASE_FILE).open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(60_000))
    # Forget the pages in memory, so that the damaged ones are read.
    connection.execute("PRAGMA shrink_memory").fetchall()
    with pytest.raises(StoreDamagedError):
        engine.apply([put(1, 1)], monotonic_now())
    connection.close()


def test_bug_on_the_thread_is_told_to_the_program(
    tmp_path: Path, counters: Counters, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashes: list[BaseException] = []

    def fail(self: StoreEngine, batch: object, now: object) -> list[ServiceOutput]:
        raise RuntimeError("a bug")

    monkeypatch.setattr(StoreEngine, "apply", fail)
    thread = StoreThread(
        lambda: make_engine(tmp_path, counters), counters=counters, on_crash=crashes.append
    )
    thread.start()
    thread.put(1, [put(1, 1)])
    thread.stop()
    assert [str(crash) for crash in crashes] == ["a bug"]


def test_database_that_somebody_locks_refuses_and_goes_on(
    tmp_path: Path, counters: Counters
) -> None:
    engine = make_engine(tmp_path, counters)
    engine._store._connection.execute("PRAGMA busy_timeout = 10").fetchall()
    other = open_database(tmp_path / DATABASE_FILE)
    other.execute("BEGIN IMMEDIATE")
    refused = engine.apply([put(1, 1)], monotonic_now())
    assert isinstance(refused[0], Answered)
    assert isinstance(refused[0].answer, Refused)
    engine.handle_deadline(Instant(monotonic_now() + CHECKPOINT_INTERVAL_S + 1))
    other.execute("ROLLBACK")
    other.close()
    held = engine.apply([put(1, 2)], monotonic_now())
    assert isinstance(held[0], Answered)
    assert isinstance(held[0].answer, Held)
    assert counters.values["store_faults"] >= 1
    engine.close()


@pytest.mark.claim("S-9")
def test_wal_is_emptied_a_minute_after_the_last_change(
    tmp_path: Path, counters: Counters
) -> None:
    engine = make_engine(tmp_path, counters)
    wal = tmp_path / (DATABASE_FILE + "-wal")
    start = monotonic_now()
    engine.handle_deadline(start)
    engine.apply([put(1, 1)], start)
    assert wal.stat().st_size > 0
    due = engine.deadline()
    assert due <= start + CHECKPOINT_INTERVAL_S
    engine.handle_deadline(due)
    assert wal.stat().st_size == 0
    assert engine.deadline() > start + CHECKPOINT_INTERVAL_S
    engine.close()

"""How many durable envelopes a second does the store take, without network and TLS?

Three layers of the same thing, in batches of 200 that are one commit each: SQLite alone, with
the mailbox rules and one custody signature for each batch on top, and with acknowledgements
(deleting, with `secure_delete`) as well.

    python -m benchmarks.bench_store --seconds 5
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks._report import Goal, write_report
from benchmarks._supernode import delivery_token, mailbox_id, make_mailboxes
from hark.crypto.admission import envelope_hash
from hark.crypto.signing import SigningKey
from hark.overlay.mailbox.events import Answered, Asked, LinkRef, ServiceInput
from hark.overlay.mailbox.service import MailboxService
from hark.runtime.clock import monotonic_now, unix_now_ms
from hark.supernode.storage.sqlite import SqliteMailboxStore
from hark.wire.mailbox import DeliveryToken, Held, Put

ENVELOPE_BYTES = 1658
BATCH_COUNT = 200
MAILBOX_COUNT = 1000
FAR_FUTURE_UNIX_MS = 2**52


def rates_per_s(batch: Callable[[], int], seconds: float) -> list[float]:
    """Run batches until the time is over; return the rate of each second."""
    rates: list[float] = []
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        started, count = time.monotonic(), 0
        while time.monotonic() - started < 1.0:
            count += batch()
        rates.append(count / (time.monotonic() - started))
    return rates


def bare(store: SqliteMailboxStore) -> Callable[[], int]:
    numbers = iter(range(10**9))

    def batch() -> int:
        envelopes = [os.urandom(ENVELOPE_BYTES) for _ in range(BATCH_COUNT)]
        with store.transaction() as t:
            for envelope in envelopes:
                mailbox = mailbox_id(next(numbers) % MAILBOX_COUNT)
                hashed = envelope_hash(envelope)
                t.insert_envelope(mailbox, hashed, envelope, 0, FAR_FUTURE_UNIX_MS)
        return BATCH_COUNT

    return batch


def with_rules(store: SqliteMailboxStore) -> Callable[[], int]:
    key = SigningKey.generate(os.urandom)
    service = MailboxService(store, node_key=key, random_bytes=os.urandom)
    numbers = iter(range(10**9))

    def batch() -> int:
        inputs: list[ServiceInput] = []
        for _ in range(BATCH_COUNT):
            number = next(numbers)
            mailbox = number % MAILBOX_COUNT
            admission = DeliveryToken(delivery_token(mailbox))
            put = Put(mailbox_id(mailbox), admission, os.urandom(ENVELOPE_BYTES))
            inputs.append(Asked(LinkRef(1), number % 2**32, put))
        outputs = service.apply(inputs, monotonic_now(), unix_now_ms())
        held = [o for o in outputs if isinstance(o, Answered) and isinstance(o.answer, Held)]
        assert len(held) == BATCH_COUNT
        return len(held)

    return batch


def deleting(store: SqliteMailboxStore) -> Callable[[], int]:
    numbers = iter(range(10**9))
    waiting: list[tuple[int, int]] = []

    def batch() -> int:
        with store.transaction() as t:
            for mailbox, sequence in waiting:
                assert t.delete_envelopes(mailbox_id(mailbox), [sequence]) == 1
            waiting.clear()
            for _ in range(BATCH_COUNT):
                mailbox = next(numbers) % MAILBOX_COUNT
                envelope = os.urandom(ENVELOPE_BYTES)
                sequence = t.insert_envelope(
                    mailbox_id(mailbox),
                    envelope_hash(envelope),
                    envelope,
                    0,
                    FAR_FUTURE_UNIX_MS,
                )
                waiting.append((mailbox, sequence))
        return BATCH_COUNT

    return batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    samples: dict[str, list[float]] = {}
    for name, make in (("bare", bare), ("with_rules", with_rules), ("deleting", deleting)):
        with tempfile.TemporaryDirectory(prefix="hark-bench-") as folder:
            data_dir = Path(folder) / "data"
            make_mailboxes(data_dir, MAILBOX_COUNT)
            store = SqliteMailboxStore(data_dir)
            samples[name] = rates_per_s(make(store), options.seconds)
            store.close()
    write_report(
        "store",
        question="How many durable envelopes a second does the store take, without network?",
        parameters={
            "envelope_bytes": ENVELOPE_BYTES,
            "batch_count": BATCH_COUNT,
            "mailbox_count": MAILBOX_COUNT,
            "seconds": options.seconds,
        },
        figures={f"{name}_per_s": sorted(s)[len(s) // 2] for name, s in samples.items()},
        samples=samples,
        goals=[Goal("with_rules_per_s", at_least=5000)],
    )


if __name__ == "__main__":
    main()

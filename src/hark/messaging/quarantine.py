"""Envelopes that could not be taken yet: kept for seven days, tried again, then gone.

The home is told of each that it is safe here, so a bad envelope never blocks a mailbox. What
lies here has a cause; when the cause may be gone (a newer chain, a new card), the envelope is
tried again. The room is bounded; when it is full, what nobody could ever prove to have sent
goes first. Source: spec/messaging.md#quarantine.
"""

from hark.crypto.admission import envelope_hash
from hark.messaging.opening import UnopenedError
from hark.messaging.tables import (
    QUARANTINE,
    QUARANTINE_BY_CAUSE,
    QUARANTINE_BY_TIME,
    QuarantineRow,
)
from hark.messaging.work import Work
from hark.wire.ids import AccountId

CURABLE = ("unknown_sender", "not_decrypted", "not_contact")
"""Causes that news about the sender may remove."""
_FIRST_TO_GO = ("malformed", "not_opened", "unknown_key", "bad_introduction", "internal")
"""Causes of envelopes that anybody could have made, in the order in which they give way."""
MAX_TRIES = 8


def keep(work: Work, envelope: bytes, failure: UnopenedError) -> None:
    """Keep an envelope that failed, if it is not kept already."""
    row = QuarantineRow(
        envelope_hash=envelope_hash(envelope),
        received_unix_ms=work.now_unix_ms,
        cause=failure.cause,
        account=failure.account,
        device=failure.device,
        envelope=envelope,
        tries=1,
    )
    held_bytes = _held_bytes(work)
    if work.t.insert(QUARANTINE, row):
        work.volatile.quarantine_bytes = held_bytes + len(envelope)
        _bound(work)


def curable(work: Work, account: AccountId) -> list[QuarantineRow]:
    """Return what claims to be from an account and may open now."""
    return [
        row
        for cause in CURABLE
        for row in work.t.select(QUARANTINE_BY_CAUSE, cause)
        if row.account == account and row.tries < MAX_TRIES
    ]


def release(work: Work, row: QuarantineRow) -> None:
    """Forget an envelope: it has been taken."""
    held_bytes = _held_bytes(work)
    if work.t.delete(QUARANTINE, row.envelope_hash):
        work.volatile.quarantine_bytes = held_bytes - len(row.envelope)


def failed_again(work: Work, row: QuarantineRow, cause: str) -> None:
    """Note that a further attempt has failed."""
    work.t.put(QUARANTINE, row._replace(cause=cause, tries=row.tries + 1))


def sweep(work: Work) -> None:
    """Drop what has lain here for its time."""
    limit = work.now_unix_ms - work.config.quarantine_ms
    for row in work.t.select(QUARANTINE_BY_TIME, below=limit):
        release(work, row)


def count_by_cause(work: Work) -> dict[str, int]:
    """Return how many lie here, for each cause."""
    counts: dict[str, int] = {}
    for row in work.t.select(QUARANTINE_BY_TIME):
        counts[row.cause] = counts.get(row.cause, 0) + 1
    return counts


def _held_bytes(work: Work) -> int:
    """Return how much lies here; counted once, then kept up to date."""
    if work.volatile.quarantine_bytes is None:
        rows = work.t.select(QUARANTINE_BY_TIME)
        work.volatile.quarantine_bytes = sum(len(row.envelope) for row in rows)
    return work.volatile.quarantine_bytes


def _bound(work: Work) -> None:
    """Keep number and size within their bounds."""
    config = work.config
    size_bytes = work.volatile.quarantine_bytes or 0
    count = work.t.count(QUARANTINE_BY_TIME)
    if count <= config.max_quarantine and size_bytes <= config.max_quarantine_bytes:
        return

    def place(row: QuarantineRow) -> tuple[int, int]:
        known = row.cause in _FIRST_TO_GO
        order = _FIRST_TO_GO.index(row.cause) if known else len(_FIRST_TO_GO)
        return order, row.received_unix_ms

    # Some room is made at once, so that a flood does not sort everything for each envelope.
    most, most_bytes = config.max_quarantine, config.max_quarantine_bytes
    keep_count, keep_bytes = most - most // 8, most_bytes - most_bytes // 8
    for row in sorted(work.t.select(QUARANTINE_BY_TIME), key=place):
        if count <= keep_count and (work.volatile.quarantine_bytes or 0) <= keep_bytes:
            return
        release(work, row)
        count -= 1

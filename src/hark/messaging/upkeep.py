"""Upkeep: what has to be done from time to time, whoever writes or not."""

from hark.identity.bundle import BlobKind, seal_blob
from hark.identity.prekeys import PrekeyKind, SignedPrekey
from hark.machine import Instant
from hark.messaging import envelope_keys, homes, inbox, quarantine
from hark.messaging.own import ONLY_ROW
from hark.messaging.tables import (
    HOMES,
    INVITATIONS,
    INVITATIONS_BY_TIME,
    MAILBOXES_BY_HOME,
    OLM_ACCOUNT,
    QUARANTINE_BY_CAUSE,
    RECEIVED,
    RECEIVED_BY_TIME,
)
from hark.messaging.work import Work
from hark.wire.ids import AccountId

SWEEP_ROWS = 500
"""Message ids forgotten in one transaction."""


def run(work: Work) -> None:
    """Do what is due: keys, lives, what homes lack, what may open now."""
    config = work.config
    work.volatile.maintenance_at = work.after_ms(work.jittered_ms(config.maintenance_ms))
    _drop_lost_asks(work)
    refresh_keys(work)
    _note_reached(work)
    envelope_keys.note_published(work)
    envelope_keys.delete_retired(work)
    quarantine.sweep(work)
    for account in sorted(
        {row.account for row in work.t.select(QUARANTINE_BY_CAUSE, "not_decrypted")}
    ):
        inbox.retry(work, AccountId(account))
    for row in work.t.select(INVITATIONS_BY_TIME, below=work.calendar_unix_ms):
        work.t.delete(INVITATIONS, row.token)
    limit = work.now_unix_ms - config.received_ms
    for old in work.t.select(RECEIVED_BY_TIME, below=limit, limit=SWEEP_ROWS):
        work.t.delete(RECEIVED, old.account, old.device, old.message_id)
    homes.care_everywhere(work)


def refresh_keys(work: Work) -> None:
    """Make new envelope and fallback keys where the old ones are too old."""
    changed = envelope_keys.keep_fresh(work)
    changed = _keep_fallback_fresh(work) or changed
    if changed:
        homes.care_everywhere(work)


def retry_homes(work: Work) -> None:
    """Go on with homes that refused something a while ago."""
    for node, moment in list(work.volatile.home_retry.items()):
        if work.now >= moment:
            del work.volatile.home_retry[node]
            homes.care_for(work, node)


def next_home_retry(work: Work) -> Instant | None:
    """Return when `retry_homes` has something to do, or None."""
    return min(work.volatile.home_retry.values(), default=None)


def _keep_fallback_fresh(work: Work) -> bool:
    row, olm = work.olm_account()
    age_ms = work.now_unix_ms - row.fallback_made_unix_ms
    if row.fallback_blob and 0 <= age_ms < work.config.fallback_ms:
        return False
    own = work.own
    key = olm.rotate_fallback()
    olm.mark_published()
    prekey = SignedPrekey.sign(olm, PrekeyKind.FALLBACK, own.account, own.device_id, key)
    kind = BlobKind.FALLBACK_PREKEY
    blob = seal_blob(kind, own.account, prekey.encode(), work.random_bytes)
    work.t.put(
        OLM_ACCOUNT,
        row._replace(
            id=ONLY_ROW,
            pickle=olm.pickle(own.pickle_key),
            fallback_blob=blob,
            fallback_made_unix_ms=work.now_unix_ms,
        ),
    )
    envelope_keys.bundle_changed(work)
    return True


def _note_reached(work: Work) -> None:
    """A home whose mailboxes are attached is being reached."""
    for home in homes.home_rows(work):
        rows = work.t.select(MAILBOXES_BY_HOME, home.node)
        if rows and all(row.mailbox in work.volatile.attached for row in rows):
            work.t.put(HOMES, home._replace(reached_unix_ms=work.now_unix_ms))


def _drop_lost_asks(work: Work) -> None:
    """Forget asks that were never answered, so that they can be asked again."""
    limit = work.now - work.config.ask_timeout_ms / 1000
    for ask_id, (_, asked) in list(work.volatile.asks.items()):
        if asked < limit:
            work.volatile.end(ask_id)
            work.volatile.stamps.pop(ask_id, None)

"""Our own envelope keys: made, published, and deleted for good.

A new one every 24 hours while we are online, and at once when we come back after a longer
time. A key is deleted 72 hours after its successor lay at every home and every mailbox has
been emptied: from then on nobody can open what was sealed to it.
Source: spec/messaging.md#envelope-keys.
"""

from hark.crypto.xwing import EnvelopeSecret
from hark.identity.envelope_key import ENVELOPE_KEY_LIFE_MS, EnvelopeKeyRecord
from hark.messaging.own import ONLY_ROW
from hark.messaging.tables import (
    BUNDLE,
    ENVELOPE_KEYS,
    HOMES_BY_AGE,
    KEYS_BY_COUNTER,
    MAILBOXES_BY_HOME,
    SEEN,
    SEEN_BY_KEY,
    BundleRow,
    EnvelopeKeyRow,
)
from hark.messaging.work import Work
from hark.wire.ids import KEY_ID_BYTES, KeyId

DRAINED_AFTER_MS = 60 * 1000
"""A mailbox that is attached and has brought nothing for so long is empty."""


def newest(work: Work) -> EnvelopeKeyRow | None:
    """Return our newest key, or None before the first."""
    rows = work.t.select(KEYS_BY_COUNTER, limit=1, descending=True)
    return rows[0] if rows else None


def secret_of(work: Work, row: EnvelopeKeyRow) -> EnvelopeSecret:
    """Return the secret half of a key; expanding it takes as long as opening an envelope."""
    secret = work.volatile.secrets.get(row.key_id)
    if secret is None:
        secret = work.volatile.secrets[row.key_id] = EnvelopeSecret(row.seed)
    return secret


def bundle_version(work: Work) -> int:
    """Return the number of what is to lie at our homes."""
    row = work.t.get(BUNDLE, ONLY_ROW)
    return 0 if row is None else row.version


def bundle_changed(work: Work) -> int:
    """Count a change of chain, record or fallback key, and return its number."""
    version = bundle_version(work) + 1
    work.t.put(BUNDLE, BundleRow(ONLY_ROW, version))
    return version


def keep_fresh(work: Work) -> bool:
    """Make a new key if the newest is too old; whether it was made."""
    row = newest(work)
    if row is not None:
        age_ms = work.now_unix_ms - row.made_unix_ms
        if 0 <= age_ms < work.config.envelope_key_ms:
            return False
    _make(work, 1 if row is None else row.counter + 1)
    return True


def _make(work: Work, counter: int) -> None:
    own = work.own
    _, olm = work.olm_account()
    secret = EnvelopeSecret.generate(work.random_bytes)
    key_id = KeyId(work.random_bytes(KEY_ID_BYTES))
    now_unix_ms = work.calendar_unix_ms
    record = EnvelopeKeyRecord.sign(
        olm,
        account_id=own.account,
        device_id=own.device_id,
        key_id=key_id,
        counter=counter,
        not_before_unix_ms=now_unix_ms,
        not_after_unix_ms=now_unix_ms + ENVELOPE_KEY_LIFE_MS,
        public=secret.public,
    )
    work.t.put(
        ENVELOPE_KEYS,
        EnvelopeKeyRow(
            key_id=key_id,
            seed=secret.seed,
            record=record.encode(),
            counter=counter,
            made_unix_ms=work.now_unix_ms,
            bundle_version=bundle_changed(work),
            retired_unix_ms=0,
        ),
    )
    work.volatile.own = None


def note_published(work: Work) -> None:
    """Begin the last 72 hours of every key whose successor lies at every living home."""
    published = [
        mailbox.published
        for home in work.t.select(HOMES_BY_AGE)
        if work.now_unix_ms - home.reached_unix_ms < work.config.dead_home_ms
        for mailbox in work.t.select(MAILBOXES_BY_HOME, home.node)
    ]
    if not published:
        return
    reached = min(published)
    successor_is_out = False
    for row in work.t.select(KEYS_BY_COUNTER, descending=True):
        if successor_is_out and not row.retired_unix_ms:
            work.t.put(ENVELOPE_KEYS, row._replace(retired_unix_ms=work.now_unix_ms))
        successor_is_out = successor_is_out or row.bundle_version <= reached


def delete_retired(work: Work) -> int:
    """Delete the keys whose time is over, with the list of what was opened by them.

    Returns:
        How many keys were deleted.
    """
    if not _drained(work):
        return 0
    deleted = 0
    for row in work.t.select(KEYS_BY_COUNTER):
        kept_ms = work.now_unix_ms - row.retired_unix_ms
        if not row.retired_unix_ms or kept_ms < work.config.envelope_key_keep_ms:
            continue
        work.t.delete(ENVELOPE_KEYS, row.key_id)
        for seen in work.t.select(SEEN_BY_KEY, row.key_id):
            work.t.delete(SEEN, seen.key_id, seen.envelope_hash)
        work.volatile.secrets.pop(row.key_id, None)
        deleted += 1
    return deleted


def _drained(work: Work) -> bool:
    """Return whether every mailbox at a living home is attached and has fallen silent."""
    last = work.volatile.last_mail
    if last is not None and work.now - last < DRAINED_AFTER_MS / 1000:
        return False
    for home in work.t.select(HOMES_BY_AGE):
        attached = [
            mailbox.mailbox in work.volatile.attached
            for mailbox in work.t.select(MAILBOXES_BY_HOME, home.node)
        ]
        alive = work.now_unix_ms - home.reached_unix_ms < work.config.dead_home_ms
        if alive and not all(attached):
            return False
    return True

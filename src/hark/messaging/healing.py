"""Healing, driven by the sender: a new session where a message went and no receipt came.

Evidence is needed that the recipient was there since our put: it has published a higher
envelope-key counter, or has named one to us inside the ratchet. Then its keys are fetched
again, a new session is opened (once an hour at most for a device) and what it has not
confirmed is encrypted anew, under the same message ids. Nothing here is ever set off by an
envelope that failed: that would let anybody make us throw sessions away.
Source: spec/messaging.md#healing.
"""

from hark.messaging import claims, outbox
from hark.messaging.events import Cause
from hark.messaging.tables import OUTBOX, PEER_DEVICES, OutboxRow, PeerDeviceRow
from hark.messaging.work import Work
from hark.wire.bodies import BodyType
from hark.wire.ids import AccountId, DeviceId

LOOK_AFTER_TRIES = 1
"""From the second put on, the recipient's counter is fetched along with it."""
LOOK_INTERVAL_MS = 10 * 60 * 1000
_REQUEST_RESENDS = 1
"""A stranger's request is encrypted anew once; then it waits for its end."""


def look_after(work: Work, row: OutboxRow) -> bool:
    """See whether a held, unconfirmed message has to be healed; whether that has begun."""
    account, device = AccountId(row.account), DeviceId(row.device)
    peer = work.t.get(PEER_DEVICES, account, device)
    if peer is None or not row.held or not row.envelope:
        return False
    if not _was_there_since(work, peer, row):
        looked_ms = work.calendar_unix_ms - peer.claimed_unix_ms
        if row.tries >= LOOK_AFTER_TRIES and looked_ms > LOOK_INTERVAL_MS:
            claims.want_keys(work, account, device, one_time=False)
        return False
    if work.now_unix_ms - peer.session_made_unix_ms < work.config.session_interval_ms:
        return False
    if row.body_type == BodyType.CONTACT_REQUEST and row.resends >= _REQUEST_RESENDS:
        return False
    work.volatile.healing.add((account, device))
    claims.want_keys(work, account, device, one_time=True)
    due_unix_ms = work.now_unix_ms + work.jittered_ms(work.config.retry_last_ms)
    work.t.put(OUTBOX, row._replace(due_unix_ms=due_unix_ms))
    return True


def expect(work: Work, peer: PeerDeviceRow) -> None:
    """Look at what a device has not confirmed, now that it is known to have been there.

    Its receipts may be on the way: they get a moment.
    """
    for row in outbox.rows_to(work, AccountId(peer.account), DeviceId(peer.device)):
        if row.held and row.key_counter < max(peer.gossip_counter, peer.record_counter):
            due_unix_ms = work.now_unix_ms + work.jittered_ms(work.config.heal_grace_ms)
            if due_unix_ms < row.due_unix_ms:
                work.t.put(OUTBOX, row._replace(due_unix_ms=due_unix_ms))


def keys_came(work: Work, peer: PeerDeviceRow) -> None:
    """Encrypt anew, in the session that has just been opened, what was not confirmed."""
    account, device = AccountId(peer.account), DeviceId(peer.device)
    if (account, device) not in work.volatile.healing:
        expect(work, peer)
        return
    work.volatile.healing.discard((account, device))
    for row in outbox.rows_to(work, account, device):
        if row.envelope and row.first_put_unix_ms:
            fresh = row._replace(
                envelope=b"",
                held=0,
                tries=0,
                first_put_unix_ms=0,
                resends=row.resends + 1,
                cause=Cause.HEALING.value,
            )
            outbox.advance(work, fresh)


def _was_there_since(work: Work, peer: PeerDeviceRow, row: OutboxRow) -> bool:
    if peer.record_counter > row.key_counter:
        return True
    quiet_ms = work.now_unix_ms - peer.gossip_unix_ms
    return peer.gossip_counter > row.key_counter and quiet_ms >= work.config.heal_grace_ms

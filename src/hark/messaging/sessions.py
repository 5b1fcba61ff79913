"""The ratchets with each device: which to send on, which a message belongs to.

Sessions are values: unpickled, used and pickled again within one transaction. At most five
are kept for a device; sending goes on the one that the peer last used, or that was opened
last (Sesame).

No session is sent on after a restart: the store may be a copy, and the original may have sent
on it since, with the same key and IV. A new session has fresh keys whatever the store is, so
no step of a ratchet is ever used twice. What peers still send on an old one is read as before.
Source: spec/messaging.md#sessions.
"""

from dataclasses import dataclass
from operator import attrgetter

from hark.crypto.olm import PRE_KEY, OlmSession
from hark.errors import ForgedError
from hark.messaging.sealing import Party
from hark.messaging.tables import (
    OLM_ACCOUNT,
    PEER_DEVICES,
    SESSIONS,
    SESSIONS_OF_DEVICE,
    OlmAccountRow,
    PeerDeviceRow,
    SessionRow,
)
from hark.messaging.work import Work
from hark.wire.ids import AccountId, DeviceId


@dataclass(frozen=True, slots=True)
class Decrypted:
    """A message that a ratchet opened; nothing of it is stored yet."""

    plaintext: bytes
    session: SessionRow
    account_row: OlmAccountRow | None
    """The Olm account after opening a new session, or None."""


def newest_session(work: Work, account: AccountId, device: DeviceId) -> SessionRow | None:
    """Return the session to send on, or None when one has to be opened first."""
    generation = work.own.row.generation
    rows = _sessions(work, account, device)
    return next((row for row in rows if row.generation == generation), None)


def encrypt(work: Work, row: SessionRow, plaintext: bytes) -> tuple[int, bytes]:
    """Encrypt on a session, and store the moved ratchet.

    Returns:
        The Olm type and body.
    """
    key = work.own.pickle_key
    session = OlmSession.from_pickle(row.pickle, key)
    result = session.encrypt(plaintext)
    work.t.put(SESSIONS, row._replace(pickle=session.pickle(key)))
    return result


def open_outbound(work: Work, peer: PeerDeviceRow, prekey: bytes) -> None:
    """Open a session to a device with a prekey that its signature has proven.

    Raises:
        ForgedError: the keys are not usable.
    """
    own = work.own
    _, account = work.olm_account()
    session = account.outbound_session(peer.curve_key, prekey)
    rows = _sessions(work, peer.account, peer.device)
    row = SessionRow(
        peer.account,
        peer.device,
        session.session_id,
        session.pickle(own.pickle_key),
        rows[0].rank + 1 if rows else 1,
        own.row.generation,
    )
    _add(work, row)
    work.t.put(PEER_DEVICES, peer._replace(session_made_unix_ms=work.now_unix_ms))


def decrypt(work: Work, sender: Party, olm_type: int, body: bytes) -> Decrypted:
    """Decrypt a message of a device. Nothing is stored: the caller checks the bind first.

    Args:
        work: the transaction.
        sender: the device, with its keys from the *verified chain*, never from the message.
        olm_type: as in the envelope.
        body: the Olm message.

    Raises:
        ForgedError: no session opens it.
    """
    account, device = sender.account, sender.device.device_id
    rows = _sessions(work, account, device)
    rank = rows[0].rank + 1 if rows else 1
    key = work.own.pickle_key
    for row in rows:
        session = OlmSession.from_pickle(row.pickle, key)
        if olm_type == PRE_KEY:
            # A pre-key message of a session that we have must open on it, or not at all:
            # one on a fallback key would otherwise be taken again as a new session.
            if not session.matches(body):
                continue
            plaintext = session.decrypt(olm_type, body)
        else:
            try:
                plaintext = session.decrypt(olm_type, body)
            except ForgedError:
                continue
        moved = row._replace(pickle=session.pickle(key), rank=rank)
        return Decrypted(plaintext, moved, None)
    if olm_type != PRE_KEY:
        raise ForgedError("no session opens this message")
    account_row, olm = work.olm_account()
    session, plaintext = olm.inbound_session(sender.device.curve_key, olm_type, body)
    generation = work.own.row.generation
    moved = SessionRow(
        account, device, session.session_id, session.pickle(key), rank, generation
    )
    account_row = account_row._replace(
        pickle=olm.pickle(key), one_time_count=max(0, account_row.one_time_count - 1)
    )
    return Decrypted(plaintext, moved, account_row)


def accept(work: Work, decrypted: Decrypted) -> None:
    """Store what `decrypt` has moved, once the message has passed every check."""
    if decrypted.account_row is None:
        work.t.put(SESSIONS, decrypted.session)
        return
    work.t.put(OLM_ACCOUNT, decrypted.account_row)
    _add(work, decrypted.session)


def _add(work: Work, row: SessionRow) -> None:
    """Store a new session, and drop the least used beyond the number that is kept."""
    work.t.put(SESSIONS, row)
    rows = _sessions(work, row.account, row.device)
    for old in rows[work.config.max_sessions :]:
        work.t.delete(SESSIONS, old.account, old.device, old.session_id)


def _sessions(work: Work, account: bytes, device: bytes) -> list[SessionRow]:
    """Return the sessions with a device, the one to send on first."""
    rows = work.t.select(SESSIONS_OF_DEVICE, account, device)
    return sorted(rows, key=attrgetter("rank"), reverse=True)

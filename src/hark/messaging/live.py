"""Typing and presence: told live to the contacts whose chat is open, never stored, never
repeated.

Each leaves a gap in the recipient's chain when it is lost, so a device that has not said
anything for a while is told nothing more. Source: spec/messaging.md#live.
"""

from hark.machine import Instant
from hark.messaging import claims, outgoing, peers, sessions, trust
from hark.messaging.events import Cause, SendLive
from hark.messaging.outbox import Content, seal_content
from hark.messaging.volatile import OpenChat
from hark.messaging.work import Work
from hark.wire.bodies import BodyType, EmptyBody
from hark.wire.codec import encode
from hark.wire.ids import AccountId, DeviceId

_EMPTY = encode(EmptyBody())


def open_chat(work: Work, contact: AccountId) -> None:
    """Note that a person has a chat before them; the least recent gives way beyond 20."""
    chats = work.volatile.open_chats
    chats.setdefault(contact, OpenChat())
    chats.move_to_end(contact)
    while len(chats) > work.config.max_open_chats:
        chats.popitem(last=False)
    tell_presence(work)


def close_chat(work: Work, contact: AccountId) -> None:
    """Note that a chat is not looked at any more."""
    work.volatile.open_chats.pop(contact, None)


def typing(work: Work, contact: AccountId) -> None:
    """Tell a contact that we are writing, at most every ten seconds."""
    chat = work.volatile.open_chats.get(contact)
    if chat is None or not _is_due(work, chat.typing_at, work.config.typing_interval_ms):
        return
    chat.typing_at = work.now
    _send(work, contact, BodyType.TYPING)


def tell_presence(work: Work) -> None:
    """Tell the contacts with an open chat that we are here, at most every five minutes."""
    for contact, chat in work.volatile.open_chats.items():
        if _is_due(work, chat.presence_at, work.config.presence_interval_ms):
            chat.presence_at = work.now
            _send(work, contact, BodyType.PRESENCE)


def next_presence(work: Work) -> Instant | None:
    """Return when presence is to be told next, or None without an open chat."""
    interval_s = work.config.presence_interval_ms / 1000
    times = [
        Instant(chat.presence_at + interval_s)
        for chat in work.volatile.open_chats.values()
        if chat.presence_at is not None
    ]
    return min(times, default=None)


def _is_due(work: Work, last: Instant | None, interval_ms: int) -> bool:
    return last is None or (work.now - last) * 1000 >= interval_ms


def _send(work: Work, contact: AccountId, body_type: BodyType) -> None:
    if trust.sending_stopped(work, contact) is not Cause.NONE:
        return
    for peer in peers.devices_of(work, contact):
        device = DeviceId(peer.device)
        unanswered = work.volatile.live_unanswered[contact, device]
        session = sessions.newest_session(work, contact, device)
        if session is None or peers.usable_record(work, peer) is None:
            continue
        if unanswered >= work.config.max_live_unanswered:
            continue
        places = claims.doorways(work, peer, contact)
        if not places:
            continue
        work.volatile.live_unanswered[contact, device] += 1
        message_id = outgoing.new_message_id(work)
        content = Content(message_id, work.calendar_unix_ms, body_type, _EMPTY)
        envelope = seal_content(work, peer, session, content)
        for place in places:
            work.emit(SendLive(place.address, place.mailbox, place.token, envelope))

"""From the words of messaging to the JSON objects of the control contract."""

from collections.abc import Mapping

from hark.calls import events as c
from hark.calls.media import MediaPath, MediaQuality
from hark.control import schema
from hark.identity.account_id import display
from hark.messaging import events as m
from hark.messaging.views import ContactView, MessageView, OwnAccount
from hark.wire.call import EndReason
from hark.wire.ids import AccountId, NodeId


def account_of(own: OwnAccount, link: str, reasons: Mapping[NodeId, str]) -> schema.Account:
    """Describe our own account.

    Args:
        own: who we are.
        link: our address link, or empty while there is none.
        reasons: for each home why its link is down.
    """
    return schema.Account(
        account=display(own.account_id),
        name=own.name,
        device=own.device_id.hex(),
        epoch=own.epoch,
        chain_seq=own.chain_seq,
        homes=[
            schema.HomeState(
                address=str(home.address),
                connected=home.connected,
                attached=home.ready,
                reason=reasons.get(home.address.node_id, ""),
            )
            for home in own.homes
        ],
        link=link,
    )


def contact_of(view: ContactView) -> schema.Contact:
    """Describe a contact."""
    return schema.Contact(
        account=display(view.account_id),
        name=view.name,
        status=view.status.value,
        trust=view.trust.value,
        safety_number=view.safety_number,
        devices=view.device_count,
        unread=view.unread,
        last_unix_ms=view.last_unix_ms,
        wants_call=view.wants_call,
    )


def call_of(view: c.CallView, contact_name: str) -> schema.Call:
    """Describe a call.

    Args:
        view: the call as it is now.
        contact_name: what the person calls the contact.
    """
    return schema.Call(
        id=view.call.hex(),
        contact=display(view.account),
        contact_name=contact_name,
        outgoing=view.outgoing,
        state=view.state.value,
        reason="" if view.reason is None else view.reason.name.lower(),
        by_peer=view.by_peer,
        refusal=view.refusal.name.lower() if view.reason is EndReason.REFUSED else "",
        path=None if view.path is None else _path_of(view.path),
        sas=[f"{emoji.symbol} {emoji.name}" for emoji in view.sas],
        heard=view.heard,
        muted=view.muted,
        held=view.held,
        recording=view.records,
        peer_muted=view.peer_muted,
        peer_held=view.peer_held,
        peer_recording=view.peer_records,
        quality=None if view.quality is None else _quality_of(view.quality),
        redials=view.redials,
        duration_ms=view.duration_ms,
    )


def _path_of(path: MediaPath) -> schema.CallPath:
    return schema.CallPath(
        kind=path.kind.value,
        relay=path.relay,
        nat=path.nat.value,
        address_shown=path.address_shown,
        address_seen=path.address_seen,
    )


def _quality_of(quality: MediaQuality) -> schema.CallQuality:
    return schema.CallQuality(
        round_trip_ms=quality.round_trip_ms,
        loss_sent=quality.loss_sent,
        loss_received=quality.loss_received,
        jitter_ms=quality.jitter_ms,
        frames_played=quality.frames_played,
        frames_concealed=quality.frames_concealed,
        frames_refused=quality.frames_refused,
    )


def call_event_of(seq: int, view: c.CallView, contact_name: str) -> schema.Event:
    """Describe that a call is new or has changed."""
    call = call_of(view, contact_name)
    return schema.Event(seq=seq, kind="call", contact=call.contact, call=call)


def message_of(contact: AccountId, view: MessageView) -> schema.Message:
    """Describe a message."""
    return schema.Message(
        id=view.message_id.hex(),
        contact=display(contact),
        outgoing=view.outgoing,
        text=view.text,
        sent_unix_ms=view.sent_unix_ms,
        order=view.order,
        state=view.state.value,
        held_by=view.held_by,
        cause=view.cause.value,
        unread=view.unread,
        kind=view.kind,
        outcome="" if view.outcome is None else view.outcome.name.lower(),
        duration_ms=view.duration_ms,
    )


def event_of(seq: int, event: m.Event, message: MessageView | None) -> schema.Event:
    """Describe an event.

    Args:
        seq: its number.
        event: what happened.
        message: the message that it is about, as it is now; None when it is about none.
    """
    match event:
        case m.MessageAdded(contact) | m.MessageChanged(contact):
            return schema.Event(
                seq=seq,
                kind="message" if isinstance(event, m.MessageAdded) else "state",
                contact=display(contact),
                message=None if message is None else message_of(contact, message),
            )
        case m.ContactChanged(contact, change):
            return schema.Event(
                seq=seq, kind="contact", contact=display(contact), change=change.value
            )
        case m.TypingSeen(contact):
            return schema.Event(seq=seq, kind="typing", contact=display(contact))
        case m.PresenceSeen(contact):
            return schema.Event(seq=seq, kind="presence", contact=display(contact))
        case m.HomeChanged(_, connected, reason):
            return schema.Event(seq=seq, kind="home", connected=connected, reason=reason)
        case m.StoreOvertaken():
            return schema.Event(seq=seq, kind="store_overtaken")

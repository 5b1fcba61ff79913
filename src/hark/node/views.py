"""From the words of messaging to the JSON objects of the control contract."""

from collections.abc import Mapping

from hark.control import schema
from hark.identity.account_id import display
from hark.messaging import events as m
from hark.messaging.views import ContactView, MessageView, OwnAccount
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
    )


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

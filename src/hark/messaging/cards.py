"""Our own cards: where our mailboxes are, told end to end and to accepted contacts only."""

from hark.messaging import mailboxes, outbox, peers
from hark.messaging.asks import RowKey
from hark.messaging.events import ContactStatus
from hark.messaging.tables import CONTACTS_BY_STATUS
from hark.messaging.work import Work
from hark.wire.bodies import DEVICE_CARD_PARSER, BodyType, CardBody, DeviceCard
from hark.wire.codec import encode
from hark.wire.ids import MESSAGE_ID_BYTES, AccountId, DeviceId, MessageId


def own_card(work: Work) -> DeviceCard:
    """Return the card of this device."""
    return mailboxes.card_of(work.t, work.own)


def all_cards(work: Work) -> list[DeviceCard]:
    """Return the cards of every device of this account."""
    return [own_card(work), *known_cards(work, work.own.account)]


def known_cards(work: Work, account: AccountId) -> list[DeviceCard]:
    """Return the cards that we have of the devices of an account, this one left out."""
    rows = peers.devices_of(work, account)
    return [DEVICE_CARD_PARSER.parse(row.card) for row in rows if row.card]


def card_changed(work: Work) -> None:
    """Count a change of our card, and tell everybody who has one."""
    row = work.own.row
    work.save_own(row._replace(card_counter=row.card_counter + 1))
    for contact in work.t.select(CONTACTS_BY_STATUS, ContactStatus.ACCEPTED.value):
        send_cards(work, AccountId(contact.account))
    send_cards(work, work.own.account)


def send_cards(work: Work, account: AccountId) -> None:
    """Send our cards to the devices of an account, in the place of older ones under way."""
    message_id = MessageId(work.random_bytes(MESSAGE_ID_BYTES))
    body = encode(CardBody(all_cards(work)))
    for row in outbox.rows_to(work, account):
        if row.body_type == BodyType.CARD:
            outbox.forget(work, row)
    for peer in peers.devices_of(work, account):
        key = RowKey(message_id, account, DeviceId(peer.device))
        outbox.enqueue(work, key, BodyType.CARD, body)

"""The rows of our homes and mailboxes, and the card that is made of them."""

from hark.crypto.signing import SEED_BYTES
from hark.machine import RandomBytes
from hark.messaging.own import OwnDevice
from hark.messaging.store import Transaction
from hark.messaging.tables import HOMES, HOMES_BY_AGE, MAILBOXES, HomeRow, MailboxRow
from hark.wire.address import Address
from hark.wire.bodies import DeviceCard, HomeCard
from hark.wire.mailbox import CONTACT_MAILBOX, REQUESTS_MAILBOX

TOKEN_BYTES = 16


def store_home(
    transaction: Transaction, address: Address, now_unix_ms: int, random_bytes: RandomBytes
) -> None:
    """Store a home with owner keys for its two mailboxes, each made for one mailbox alone."""
    transaction.put(
        HOMES, HomeRow(address.node_id, address.host, address.port, now_unix_ms, now_unix_ms)
    )
    for kind in (CONTACT_MAILBOX, REQUESTS_MAILBOX):
        token = random_bytes(TOKEN_BYTES) if kind == CONTACT_MAILBOX else b""
        row = MailboxRow(
            node=address.node_id,
            kind=kind,
            mailbox=b"",
            owner_seed=random_bytes(SEED_BYTES),
            token=token,
            token_set=0,
            published=0,
        )
        transaction.put(MAILBOXES, row)


def pair_at(transaction: Transaction, home: HomeRow) -> tuple[MailboxRow, MailboxRow] | None:
    """Return the contact and the requests mailbox at a home, or None before both exist."""
    contact = transaction.get(MAILBOXES, home.node, CONTACT_MAILBOX)
    requests = transaction.get(MAILBOXES, home.node, REQUESTS_MAILBOX)
    if contact is None or requests is None or not (contact.mailbox and requests.mailbox):
        return None
    return contact, requests


def card_of(transaction: Transaction, own: OwnDevice) -> DeviceCard:
    """Return the card of this device: every home where both mailboxes exist."""
    homes = []
    for home in transaction.select(HOMES_BY_AGE):
        pair = pair_at(transaction, home)
        if pair is not None:
            contact, requests = pair
            homes.append(
                HomeCard(
                    home.node,
                    home.host,
                    home.port,
                    contact.mailbox,
                    requests.mailbox,
                    contact.token,
                )
            )
    return DeviceCard(own.device_id, own.row.card_counter, homes)

"""Letting a further device into this account."""

from hark.crypto.signing import CompositeKey
from hark.identity.accounts import add_device
from hark.identity.devices import Device
from hark.messaging import envelope_keys, homes, inbox, mailboxes, peers
from hark.messaging.events import ContactStatus
from hark.messaging.provision import DeviceLink
from hark.messaging.tables import (
    CHAINS,
    CONTACTS_BY_STATUS,
    PEER_DEVICES,
    PEERS_BY_ACCOUNT,
    PeerDeviceRow,
)
from hark.messaging.work import Work
from hark.wire.codec import encode
from hark.wire.ids import AccountId


def let_in(work: Work, device: Device) -> DeviceLink:
    """Add a device to the chain, tell the contacts, and return what the device needs.

    Raises:
        UsageError: there are ten devices already.
        MalformedError: its id or a key of it is listed already.
    """
    own = work.own
    account_key = CompositeKey.from_seed(own.row.account_key_seed)
    chain = add_device(own.chain, account_key, device)
    # What the new device needs is read before it becomes a peer of ours itself.
    link = _device_link(work, chain.encode())
    work.save_own(own.row._replace(chain=chain.encode()))
    work.t.put(PEER_DEVICES, peers.new_row(own.account, device))
    envelope_keys.bundle_changed(work)
    homes.care_everywhere(work)
    for contact in work.t.select(CONTACTS_BY_STATUS, ContactStatus.ACCEPTED.value):
        inbox.send_chain(work, AccountId(contact.account))
    return link


def _device_link(work: Work, chain: bytes) -> DeviceLink:
    own = work.own
    contacts = [
        row
        for status in ContactStatus
        for row in work.t.select(CONTACTS_BY_STATUS, status.value)
    ]
    accounts = [row.account for row in contacts]
    chains = [work.t.get(CHAINS, account) for account in accounts]
    known = [_own_as_peer(work), *work.t.select(PEERS_BY_ACCOUNT, own.account)]
    for account in accounts:
        known += work.t.select(PEERS_BY_ACCOUNT, account)
    # The invitation that a contact gave is for the device that took it.
    return DeviceLink(
        own.row.name,
        chain,
        own.row.account_key_seed,
        [row._replace(invitation="") for row in contacts],
        [row for row in chains if row is not None],
        [row._replace(session_made_unix_ms=0) for row in known],
    )


def _own_as_peer(work: Work) -> PeerDeviceRow:
    """Return this device as its sibling will know it."""
    own, newest = work.own, envelope_keys.newest(work)
    card = mailboxes.card_of(work.t, own)
    row = peers.new_row(own.account, own.device)
    return row._replace(
        card=encode(card) if card.homes else b"",
        card_counter=card.counter,
        record=b"" if newest is None else newest.record,
        record_counter=0 if newest is None else newest.counter,
    )

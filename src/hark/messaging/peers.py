"""The devices that we write to: their keys, mailboxes and envelope keys.

A peer device is listed in its account's verified chain; its card came end to end, its record
from a home or an introduction and was verified against the chain. The devices of our own
account, except this one, are peers as well.
"""

from functools import lru_cache

from hark.errors import ForgedError, PeerError
from hark.identity.chain import IdentityChain
from hark.identity.devices import Device
from hark.identity.envelope_key import EnvelopeKeyRecord
from hark.messaging.sealing import Party, parse_record
from hark.messaging.tables import (
    PEER_DEVICES,
    PEERS_BY_ACCOUNT,
    SESSIONS,
    SESSIONS_OF_DEVICE,
    PeerDeviceRow,
)
from hark.messaging.work import Work
from hark.wire.address import Address, check_host
from hark.wire.bodies import DEVICE_CARD_PARSER, DeviceCard, HomeCard
from hark.wire.codec import encode
from hark.wire.ids import AccountId, DeviceId, NodeId


def devices_of(work: Work, account: AccountId) -> list[PeerDeviceRow]:
    """Return the known devices of an account, this one left out."""
    return work.t.select(PEERS_BY_ACCOUNT, account)


def party_of(row: PeerDeviceRow) -> Party:
    """Return who a peer device is, for the bind."""
    return Party(
        AccountId(row.account), Device(DeviceId(row.device), row.ed_key, row.curve_key)
    )


def homes_of(row: PeerDeviceRow) -> list[HomeCard]:
    """Return the homes of a device; none while we have no card of it."""
    return _card(row.card).homes if row.card else []


@lru_cache(maxsize=1024)
def _card(data: bytes) -> DeviceCard:
    return DEVICE_CARD_PARSER.parse(data)


def address_of(home: HomeCard) -> Address:
    """Return where a home is."""
    return Address(NodeId(home.node_id), home.host, home.port)


def follow_chain(work: Work, chain: IdentityChain) -> list[DeviceId]:
    """Make the peer devices of an account those that its chain lists.

    Keys, cards and sessions of devices that are gone are dropped.

    Returns:
        The devices that are gone.
    """
    account = chain.account_id
    known = {row.device: row for row in devices_of(work, account)}
    listed = {
        device.device_id: device
        for device in chain.devices
        if (account, device.device_id) != (work.own.account, work.own.device_id)
    }
    gone = [DeviceId(device) for device in known if device not in listed]
    for gone_id in gone:
        work.t.delete(PEER_DEVICES, account, gone_id)
        drop_sessions(work, account, gone_id)
    for device_id, device in listed.items():
        row = known.get(device_id)
        if row is None:
            work.t.put(PEER_DEVICES, new_row(account, device))
        elif (row.ed_key, row.curve_key) != (device.ed_key, device.curve_key):
            # The same id with other keys is another device (a recovery may do this).
            drop_sessions(work, account, device_id)
            work.t.put(PEER_DEVICES, new_row(account, device))
    return gone


def drop_sessions(work: Work, account: AccountId, device: DeviceId) -> None:
    """Forget every session with a device."""
    for session in work.t.select(SESSIONS_OF_DEVICE, account, device):
        work.t.delete(SESSIONS, account, device, session.session_id)


def learn_cards(work: Work, account: AccountId, cards: list[DeviceCard]) -> bool:
    """Store cards that came end to end from a device of `account`.

    A card of a device that the chain does not list, or one that is not newer than ours, is
    passed over; so is one with an impossible host.

    Returns:
        Whether any was new.
    """
    changed = False
    for card in cards:
        row = work.t.get(PEER_DEVICES, account, card.device)
        if row is None or (row.card and card.counter <= row.card_counter):
            continue
        try:
            for home in card.homes:
                check_host(home.host)
        except PeerError:
            continue
        work.t.put(PEER_DEVICES, row._replace(card=encode(card), card_counter=card.counter))
        changed = True
    return changed


def learn_record(work: Work, row: PeerDeviceRow, record: EnvelopeKeyRecord) -> PeerDeviceRow:
    """Store an envelope-key record of a device, after checking it against the chain.

    Raises:
        ForgedError: not signed by this device.
        ProtocolError: older than the one we know, or its time is over.
    """
    party = party_of(row)
    record.verify(party.account, party.device)
    record.check_fresh(work.calendar_unix_ms, row.record_counter)
    if row.record and record.counter == row.record_counter and record.encode() != row.record:
        raise ForgedError("two envelope keys with one counter")
    row = row._replace(record=record.encode(), record_counter=record.counter)
    work.t.put(PEER_DEVICES, row)
    return row


def learn_counter(work: Work, row: PeerDeviceRow, counter: int) -> PeerDeviceRow:
    """Note the counter that a device named inside the ratchet: it is alive, and now."""
    if counter <= row.gossip_counter:
        return row
    row = row._replace(gossip_counter=counter, gossip_unix_ms=work.now_unix_ms)
    work.t.put(PEER_DEVICES, row)
    return row


def usable_record(work: Work, row: PeerDeviceRow) -> EnvelopeKeyRecord | None:
    """Return the record to seal to, or None when it has to be fetched first.

    A record past its end is used only if a fetch has said since that it is still the newest.
    """
    if not row.record:
        return None
    record = parse_record(row.record)
    now_unix_ms = work.calendar_unix_ms
    if now_unix_ms <= record.not_after_unix_ms:
        return record
    confirmed = row.claimed_unix_ms > record.not_after_unix_ms
    recently = now_unix_ms - row.claimed_unix_ms < work.config.envelope_key_ms
    fresh_enough = now_unix_ms - record.not_after_unix_ms <= work.config.expired_key_ms
    return record if confirmed and recently and fresh_enough else None


def new_row(account: AccountId, device: Device) -> PeerDeviceRow:
    """Return a device of which nothing is known yet but its keys."""
    return PeerDeviceRow(
        account=account,
        device=device.device_id,
        ed_key=device.ed_key,
        curve_key=device.curve_key,
        card=b"",
        card_counter=0,
        record=b"",
        record_counter=0,
        gossip_counter=0,
        gossip_unix_ms=0,
        claimed_unix_ms=0,
        session_made_unix_ms=0,
    )

"""Making the store of a device: a new account, a restored one, or a further device.

The root seed comes in, signs one statement and is forgotten: no store ever holds it. Contacts
and history do not come back from the words; a further device gets its contacts from the device
that lets it in. Source: spec/messaging.md#provisioning.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from hark.crypto.olm import PICKLE_KEY_BYTES, OlmAccount, PickleKey
from hark.errors import AlreadyInitialisedError, UsageError
from hark.identity.accounts import (
    create_account as create_chain,
)
from hark.identity.accounts import (
    recover_account,
    unix_day,
)
from hark.identity.chain import IdentityChain
from hark.identity.devices import Device
from hark.identity.words import RootSeed
from hark.machine import RandomBytes
from hark.messaging.mailboxes import store_home
from hark.messaging.own import ONLY_ROW
from hark.messaging.store import DeviceStore
from hark.messaging.tables import (
    CHAINS,
    CONTACTS,
    OLM_ACCOUNT,
    OWN,
    PEER_DEVICES,
    ChainRow,
    ContactRow,
    OlmAccountRow,
    OwnRow,
    PeerDeviceRow,
)
from hark.wire.address import Address
from hark.wire.bodies import MAX_HOMES
from hark.wire.ids import DEVICE_ID_BYTES, AccountId, DeviceId


@dataclass(frozen=True, slots=True)
class DeviceLink:
    """What a device hands to a further device of its account. Secret: it holds the account key.

    It travels from person to person's other hand only (a QR code, later); never over a home.
    """

    name: str
    chain: bytes
    account_key_seed: bytes
    contacts: list[ContactRow]
    chains: list[ChainRow]
    peers: list[PeerDeviceRow]
    """Devices of contacts and of the account itself, with cards and records."""


@dataclass(frozen=True, slots=True)
class NewDevice:
    """A device that asks to be let in: its keys are made, its account is not known yet."""

    device: Device
    pickle: bytes
    pickle_key: PickleKey


def create_account(
    store: DeviceStore,
    seed: RootSeed,
    name: str,
    homes: Iterable[Address],
    *,
    random_bytes: RandomBytes,
    now_unix_ms: int,
) -> AccountId:
    """Make a new account with this device as its first.

    Args:
        store: an empty store.
        seed: 32 fresh random bytes; the person keeps them as words.
        name: what the person calls itself to others.
        homes: one or two supernodes.
        random_bytes: source of all new keys but those of the ratchet library.
        now_unix_ms: calendar time.

    Raises:
        AlreadyInitialisedError: the store has an account.
        UsageError: no home, or more than two.
    """
    new = new_device(random_bytes)
    chain, account_key_seed = create_chain(seed, new.device, random_bytes)
    keys = _AccountKeys(chain, account_key_seed, name)
    return _provision(
        store, new, keys, homes, random_bytes=random_bytes, now_unix_ms=now_unix_ms
    )


def restore_account(
    store: DeviceStore,
    seed: RootSeed,
    name: str,
    homes: Iterable[Address],
    *,
    random_bytes: RandomBytes,
    now_unix_ms: int,
    known_epoch: int = 0,
) -> AccountId:
    """Begin a new epoch of an account from its words; all its devices are replaced by this one.

    Args and errors as for `create_account`; `known_epoch` is the highest epoch that is known
    from anywhere, so that two recoveries on one day do not contradict each other.
    """
    new = new_device(random_bytes)
    chain, account_key_seed = recover_account(
        seed,
        (new.device,),
        known_epoch=known_epoch,
        unix_day=unix_day(now_unix_ms),
        random_bytes=random_bytes,
    )
    keys = _AccountKeys(chain, account_key_seed, name)
    return _provision(
        store, new, keys, homes, random_bytes=random_bytes, now_unix_ms=now_unix_ms
    )


def new_device(random_bytes: RandomBytes) -> NewDevice:
    """Make the keys of a device."""
    olm = OlmAccount.create()
    device = Device(DeviceId(random_bytes(DEVICE_ID_BYTES)), olm.ed_key, olm.curve_key)
    pickle_key = PickleKey(random_bytes(PICKLE_KEY_BYTES))
    return NewDevice(device, olm.pickle(pickle_key), pickle_key)


def join_account(
    store: DeviceStore,
    new: NewDevice,
    link: DeviceLink,
    homes: Iterable[Address],
    *,
    random_bytes: RandomBytes,
    now_unix_ms: int,
) -> AccountId:
    """Set up a further device of an account that has let it in.

    Raises:
        AlreadyInitialisedError: the store has an account.
        ForgedError: the link's chain does not hold.
    """
    chain = IdentityChain.parse(link.chain)
    keys = _AccountKeys(chain, link.account_key_seed, link.name)
    account = _provision(
        store, new, keys, homes, random_bytes=random_bytes, now_unix_ms=now_unix_ms
    )
    with store.transaction() as transaction:
        for chain_row in link.chains:
            transaction.put(CHAINS, chain_row)
        for contact in link.contacts:
            transaction.put(CONTACTS, contact)
        for peer in link.peers:
            transaction.put(PEER_DEVICES, peer)
    return account


@dataclass(frozen=True, slots=True)
class _AccountKeys:
    """What makes a device part of an account."""

    chain: IdentityChain
    account_key_seed: bytes
    name: str


def _provision(
    store: DeviceStore,
    new: NewDevice,
    keys: _AccountKeys,
    homes: Iterable[Address],
    *,
    random_bytes: RandomBytes,
    now_unix_ms: int,
) -> AccountId:
    addresses = list(homes)
    if not 1 <= len(addresses) <= MAX_HOMES:
        raise UsageError(f"a device has one or {MAX_HOMES} homes")
    with store.transaction() as transaction:
        if transaction.get(OWN, ONLY_ROW) is not None:
            raise AlreadyInitialisedError
        transaction.put(
            OWN,
            OwnRow(
                id=ONLY_ROW,
                account=keys.chain.account_id,
                device=new.device.device_id,
                name=keys.name,
                chain=keys.chain.encode(),
                account_key_seed=keys.account_key_seed,
                pickle_key=new.pickle_key,
                generation=0,
                stale=0,
                card_counter=0,
                started_unix_ms=0,
                hide_address=0,
            ),
        )
        transaction.put(OLM_ACCOUNT, OlmAccountRow(ONLY_ROW, new.pickle, b"", 0, 0))
        for address in addresses:
            store_home(transaction, address, now_unix_ms, random_bytes)
    return keys.chain.account_id

"""This device and its account, as the store has them."""

from dataclasses import dataclass
from typing import Self

from hark.crypto.olm import OlmAccount, PickleKey
from hark.errors import NotInitialisedError, StoreDamagedError
from hark.identity.chain import IdentityChain
from hark.identity.devices import Device
from hark.messaging.store import Transaction
from hark.messaging.tables import (
    KEYS_BY_COUNTER,
    OLM_ACCOUNT,
    OWN,
    OlmAccountRow,
    OwnRow,
)
from hark.wire.ids import AccountId, DeviceId

ONLY_ROW = 0
"""Key of the tables that have one row."""


@dataclass(frozen=True, slots=True)
class OwnDevice:
    """Who we are. A value: it is read again after each change."""

    row: OwnRow
    chain: IdentityChain
    device: Device
    """Our entry in the chain."""
    key_counter: int
    """Counter of our newest envelope key; 0 before the first."""

    @classmethod
    def load(cls, transaction: Transaction) -> Self:
        """Read who we are.

        Raises:
            NotInitialisedError: the store is empty.
            StoreDamagedError: the chain in it does not list this device.
        """
        row = transaction.get(OWN, ONLY_ROW)
        if row is None:
            raise NotInitialisedError
        chain = IdentityChain.load(row.chain)
        device = chain.device(DeviceId(row.device))
        if device is None:
            raise StoreDamagedError("this device is not in its account's chain")
        newest = transaction.select(KEYS_BY_COUNTER, limit=1, descending=True)
        return cls(row, chain, device, newest[0].counter if newest else 0)

    @property
    def account(self) -> AccountId:
        """Our account."""
        return AccountId(self.row.account)

    @property
    def device_id(self) -> DeviceId:
        """This device."""
        return DeviceId(self.row.device)

    @property
    def pickle_key(self) -> PickleKey:
        """Key of the ratchet pickles, inside the encrypted store."""
        return PickleKey(self.row.pickle_key)


def olm_account(transaction: Transaction, key: PickleKey) -> tuple[OlmAccountRow, OlmAccount]:
    """Load the device's Olm account. A change of it counts only once it is stored again.

    Raises:
        StoreDamagedError: it is missing or does not load.
    """
    row = transaction.get(OLM_ACCOUNT, ONLY_ROW)
    if row is None:
        raise StoreDamagedError("the device's keys are missing")
    return row, OlmAccount.from_pickle(row.pickle, key)

"""The store in dictionaries, which the simulator uses, keeps the contract."""

import pytest
from hypothesis import given

from hark.messaging.store import DeviceStore
from hark.messaging.tables import CONTACTS
from hark_lab.sim.device_store import AFTER_COMMIT, BEFORE_COMMIT, Crash, DictDeviceStore
from tests.unit.messaging.device_store_contract import (
    STEPS,
    DeviceStoreContract,
    OpenStore,
    compare_with_dictionary,
    contact,
)


@pytest.fixture
def open_store() -> OpenStore:
    store = DictDeviceStore()

    def same_again() -> DeviceStore:
        return store

    return same_again


class TestDictDeviceStore(DeviceStoreContract):
    """The contract over dictionaries."""


@pytest.mark.parametrize(("phase", "kept"), [(BEFORE_COMMIT, False), (AFTER_COMMIT, True)])
def test_a_power_cut_keeps_all_of_a_transaction_or_nothing(phase: str, kept: bool) -> None:
    def fault(moment: str) -> None:
        if moment == phase:
            raise Crash

    store = DictDeviceStore(fault)
    with pytest.raises(Crash), store.transaction() as t:
        t.put(CONTACTS, contact(1))
    store.fault = None
    with store.transaction() as t:
        assert (t.get(CONTACTS, contact(1).account) is not None) == kept


def test_a_transaction_that_changes_nothing_meets_no_fault() -> None:
    def fault(_moment: str) -> None:
        raise Crash

    store = DictDeviceStore(fault)
    with store.transaction() as t:
        assert t.get(CONTACTS, contact(1).account) is None
    assert store.commit_count == 0


@given(STEPS)
def test_any_changes_leave_what_a_dictionary_would_hold(
    steps: list[tuple[str, int, int]],
) -> None:
    compare_with_dictionary(DictDeviceStore(), steps)

import pytest

from hark_lab.sim.mailbox_store import MailboxDisk, MemoryMailboxStore
from tests.unit.overlay.mailbox_store_contract import (
    BOX,
    ROW,
    AbortedError,
    MailboxStoreContract,
    OpenStore,
)


class TestMemoryMailboxStore(MailboxStoreContract):
    @pytest.fixture
    def open_store(self) -> OpenStore:
        disk = MailboxDisk()
        return lambda: MemoryMailboxStore(disk)


def fail() -> None:
    raise AbortedError


def test_fault_before_the_commit_loses_the_transaction() -> None:
    store = MemoryMailboxStore(before_commit=fail)
    with pytest.raises(AbortedError), store.transaction() as t:
        t.insert_mailbox(ROW)
    assert store.disk.boxes == {}


def test_fault_after_the_commit_keeps_the_transaction() -> None:
    store = MemoryMailboxStore(after_commit=fail)
    with pytest.raises(AbortedError), store.transaction() as t:
        t.insert_mailbox(ROW)
    assert set(store.disk.boxes) == {BOX}

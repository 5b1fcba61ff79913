"""What every `DeviceStore` must do, whatever it is made of.

A test class of an implementation derives from `DeviceStoreContract` and gives it a fixture
`open_store` that returns a function: each call opens the same durable state, as after a crash.
"""

from collections.abc import Callable

import pytest
from hypothesis import strategies as st

from hark.messaging.store import DeviceStore, Transaction
from hark.messaging.tables import (
    CONTACTS,
    CONTACTS_BY_STATUS,
    CUSTODY,
    CUSTODY_BY_MESSAGE,
    MESSAGES_BY_POSITION,
    OUTBOX_BY_DEVICE,
    RECEIPTS,
    RECEIPTS_BY_DUE,
    RECEIPTS_BY_PEER,
    SEEN,
    SEEN_BY_KEY,
    ContactRow,
    CustodyRow,
    ReceiptRow,
    SeenRow,
)

OpenStore = Callable[[], DeviceStore]
LARGEST = 2**53 - 1
NOBODY = bytes(32)


def contact(number: int, status: str = "accepted", created_unix_ms: int = 0) -> ContactRow:
    return ContactRow(
        account=bytes([number]) * 32,
        name=f"Nāme {number} \x00\U0001f44b",
        their_name="",
        status=status,
        trust="unverified",
        epoch=0,
        chain_seq=LARGEST,
        invitation="",
        created_unix_ms=created_unix_ms,
        changed_unix_ms=0,
        wants_call=0,
    )


def receipt(number: int, due_unix_ms: int, account: bytes = NOBODY) -> ReceiptRow:
    return ReceiptRow(account, bytes(16), number % 2, bytes([number]) * 16, due_unix_ms)


def fail_in(t: Transaction, change: Callable[[], object]) -> None:
    """Change something in a savepoint and give it up."""
    with t.savepoint():
        t.put(CONTACTS, contact(2))
        change()
        raise ZeroDivisionError


def all_contacts(t: Transaction) -> list[ContactRow]:
    return t.select(CONTACTS_BY_STATUS)


class DeviceStoreContract:
    """The contract; each test opens the store anew where it says *afterwards*."""

    def test_a_row_comes_back_as_it_was_stored(self, open_store: OpenStore) -> None:
        with open_store().transaction() as t:
            t.put(CONTACTS, contact(1))
            assert t.get(CONTACTS, contact(1).account) == contact(1)
        with open_store().transaction() as t:
            found = t.get(CONTACTS, contact(1).account)
        assert found == contact(1)
        assert isinstance(found, ContactRow)

    def test_a_row_with_the_same_key_takes_the_place_of_the_other(
        self, open_store: OpenStore
    ) -> None:
        with open_store().transaction() as t:
            t.put(CONTACTS, contact(1))
            t.put(CONTACTS, contact(1, "blocked"))
            assert all_contacts(t) == [contact(1, "blocked")]
            assert t.select(CONTACTS_BY_STATUS, "accepted") == []

    def test_insert_leaves_a_row_that_is_there(self, open_store: OpenStore) -> None:
        with open_store().transaction() as t:
            assert t.insert(CONTACTS, contact(1))
            assert not t.insert(CONTACTS, contact(1, "blocked"))
            assert all_contacts(t) == [contact(1)]

    def test_delete_says_whether_there_was_one(self, open_store: OpenStore) -> None:
        with open_store().transaction() as t:
            t.put(CONTACTS, contact(1))
            assert t.delete(CONTACTS, contact(1).account)
            assert not t.delete(CONTACTS, contact(1).account)
            assert t.get(CONTACTS, contact(1).account) is None
            assert all_contacts(t) == []

    def test_nothing_of_a_transaction_that_raises_is_kept(self, open_store: OpenStore) -> None:
        store = open_store()
        with store.transaction() as t:
            t.put(CONTACTS, contact(1))

        def fail() -> None:
            with store.transaction() as t:
                t.put(CONTACTS, contact(1, "blocked"))
                t.put(CONTACTS, contact(2))
                t.delete(CONTACTS, contact(1).account)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        for again in (store, open_store()):
            with again.transaction() as t:
                assert all_contacts(t) == [contact(1)]

    def test_a_savepoint_that_raises_is_undone_alone(self, open_store: OpenStore) -> None:
        store = open_store()
        with store.transaction() as t:
            t.put(CONTACTS, contact(1))
            with pytest.raises(ZeroDivisionError):
                fail_in(t, lambda: t.delete(CONTACTS, contact(1).account))
            with t.savepoint():
                t.put(CONTACTS, contact(3))
        with open_store().transaction() as t:
            assert all_contacts(t) == [contact(1), contact(3)]

    def test_savepoints_nest(self, open_store: OpenStore) -> None:
        with open_store().transaction() as t:
            with t.savepoint():
                t.put(CONTACTS, contact(1))
                with pytest.raises(ZeroDivisionError):
                    fail_in(t, lambda: None)
            assert all_contacts(t) == [contact(1)]

    def test_rows_come_in_the_order_of_the_index_and_then_of_the_key(
        self, open_store: OpenStore
    ) -> None:
        with open_store().transaction() as t:
            for number, created in ((3, 5), (1, 7), (2, 5)):
                t.put(CONTACTS, contact(number, created_unix_ms=created))
            t.put(CONTACTS, contact(4, "blocked", 1))
            accepted = t.select(CONTACTS_BY_STATUS, "accepted")
            assert [row.account[0] for row in accepted] == [2, 3, 1]
            newest = t.select(CONTACTS_BY_STATUS, "accepted", descending=True, limit=2)
            assert [row.account[0] for row in newest] == [1, 3]
            assert t.count(CONTACTS_BY_STATUS, "accepted") == 3
            assert t.count(CONTACTS_BY_STATUS) == 4

    @pytest.mark.parametrize(
        ("above", "below", "wanted"),
        [
            (None, None, [1, 2, 3, 4]),
            (10, None, [2, 3, 4]),
            (None, 30, [1, 2]),
            (10, 40, [2, 3]),
            (40, 10, []),
            (0, LARGEST, [1, 2, 3, 4]),
        ],
    )
    def test_bounds_leave_themselves_out(
        self, open_store: OpenStore, above: int | None, below: int | None, wanted: list[int]
    ) -> None:
        with open_store().transaction() as t:
            for number in (1, 2, 3, 4):
                t.put(RECEIPTS, receipt(number, number * 10))
            rows = t.select(RECEIPTS_BY_DUE, above=above, below=below)
            assert [row.message_id[0] for row in rows] == wanted

    def test_orders_that_are_the_beginning_of_a_key_are_read_by_it(
        self, open_store: OpenStore
    ) -> None:
        first, second = bytes([1]) * 32, bytes([2]) * 32
        with open_store().transaction() as t:
            for number in (3, 1, 2):
                t.put(RECEIPTS, receipt(number, 0, first))
            t.put(RECEIPTS, receipt(9, 0, second))
            rows = t.select(RECEIPTS_BY_PEER, first)
            assert [row.message_id[0] for row in rows] == [2, 1, 3], "kind, then message"
            assert len(t.select(RECEIPTS_BY_PEER, first, bytes(16), 1)) == 2
            t.put(CUSTODY, CustodyRow(b"m" * 16, first, bytes(16), b"n" * 32, b"", 0))
            assert len(t.select(CUSTODY_BY_MESSAGE, b"m" * 16, first, bytes(16))) == 1
            assert t.select(CUSTODY_BY_MESSAGE, b"m" * 16, second, bytes(16)) == []
            t.put(SEEN, SeenRow(b"k" * 8, b"h" * 32, first, bytes(16), bytes(16), 1, 0))
            assert len(t.select(SEEN_BY_KEY, b"k" * 8)) == 1
            assert t.select(OUTBOX_BY_DEVICE, first) == []
            assert t.select(MESSAGES_BY_POSITION, first, below=b"\xff") == []


STEPS = st.lists(
    st.tuples(st.sampled_from("pid"), st.integers(1, 4), st.integers(0, 3)), max_size=20
)
"""Changes: put, insert or delete; which contact; when it was made."""


def compare_with_dictionary(store: DeviceStore, steps: list[tuple[str, int, int]]) -> None:
    """Invariant: any sequence of changes leaves what a plain dictionary would hold."""
    model: dict[bytes, ContactRow] = {}
    with store.transaction() as t:
        for row in all_contacts(t):
            t.delete(CONTACTS, row.account)
    for kind, number, created in steps:
        row = contact(number, created_unix_ms=created)
        with store.transaction() as t:
            if kind == "p":
                t.put(CONTACTS, row)
                model[row.account] = row
            elif kind == "i":
                assert t.insert(CONTACTS, row) == (row.account not in model)
                model.setdefault(row.account, row)
            else:
                assert t.delete(CONTACTS, row.account) == (row.account in model)
                model.pop(row.account, None)
    wanted = sorted(model.values(), key=lambda row: (row.created_unix_ms, row.account))
    with store.transaction() as t:
        assert t.select(CONTACTS_BY_STATUS, "accepted") == wanted

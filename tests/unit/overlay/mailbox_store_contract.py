"""What every `MailboxStore` must do, whatever it is made of.

A test class of an implementation derives from `MailboxStoreContract` and gives it a fixture
`open_store` that returns a function: each call opens the same durable state, as after a crash.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from hark.overlay.mailbox.store import (
    BundleRow,
    MailboxRow,
    MailboxStore,
    MailboxTransaction,
    Swept,
)
from hark.wire.ids import MailboxId
from hark.wire.mailbox import CONTACT_MAILBOX, REQUESTS_MAILBOX

OpenStore = Callable[[], MailboxStore]

BOX, OTHER_BOX, NOWHERE = (MailboxId(bytes([number]) * 16) for number in (1, 2, 3))
ROW = MailboxRow(
    mailbox=BOX,
    kind=CONTACT_MAILBOX,
    owner_key=bytes([4]) * 32,
    token_hash=bytes([5]) * 32,
    generation=0,
    instance=bytes(16),
    expires_unix_ms=1000,
    envelope_count=0,
    envelope_bytes=0,
)
OTHER_ROW = replace(ROW, mailbox=OTHER_BOX, kind=REQUESTS_MAILBOX, expires_unix_ms=2000)
LARGEST = 2**53 - 1


def hashed(number: int) -> bytes:
    return number.to_bytes(32, "big")


class AbortedError(Exception):
    """Raised by a test inside a transaction."""


class MailboxStoreContract:
    """The tests. `open_store` comes from the deriving class."""

    @pytest.fixture
    def store(self, open_store: OpenStore) -> MailboxStore:
        """A store with two mailboxes."""
        store = open_store()
        with store.transaction() as t:
            t.insert_mailbox(ROW)
            t.insert_mailbox(OTHER_ROW)
        return store

    def put(
        self, store: MailboxStore, *numbers: int, box: MailboxId = BOX, expires: int = 500
    ) -> list[int]:
        with store.transaction() as t:
            return [
                t.insert_envelope(box, hashed(number), b"envelope %d" % number, 100, expires)
                for number in numbers
            ]

    def test_mailbox_is_found_by_its_id_and_by_owner_and_kind(
        self, store: MailboxStore
    ) -> None:
        with store.transaction() as t:
            assert t.mailbox(BOX) == ROW
            assert t.mailbox(NOWHERE) is None
            assert t.mailbox_of_owner(ROW.owner_key, CONTACT_MAILBOX) == ROW
            assert t.mailbox_of_owner(ROW.owner_key, REQUESTS_MAILBOX) == OTHER_ROW
            assert t.mailbox_of_owner(bytes(32), CONTACT_MAILBOX) is None

    def test_committed_state_survives_reopening(
        self, store: MailboxStore, open_store: OpenStore
    ) -> None:
        self.put(store, 1)
        with open_store().transaction() as t:
            row = t.mailbox(BOX)
            assert row is not None
            assert row.envelope_count == 1
            assert [held.envelope for held in t.envelopes_after(BOX, 0, 10)] == [b"envelope 1"]

    def test_nothing_of_a_transaction_that_raises_is_kept(
        self, store: MailboxStore, open_store: OpenStore
    ) -> None:
        self.put(store, 1)
        with store.transaction() as t:
            t.add_prekeys(BOX, [b"a"])
            t.insert_pass(BOX, hashed(7), 900)
        with pytest.raises(AbortedError), store.transaction() as t:
            self.change_everything_and_abort(t)
        for again in (store, open_store()):
            with again.transaction() as t:
                assert t.mailbox(BOX) == replace(ROW, envelope_count=1, envelope_bytes=10)
                assert t.mailbox(OTHER_BOX) == OTHER_ROW
                assert t.mailbox(NOWHERE) is None
                held = t.envelopes_after(BOX, 0, 10)
                assert [one.envelope for one in held] == [b"envelope 1"]
                assert t.bundle(BOX) is None
                assert t.prekey_count(BOX) == t.pass_count(BOX) == 1

    def change_everything_and_abort(self, t: MailboxTransaction) -> None:
        t.insert_envelope(BOX, hashed(2), b"envelope 2", 100, 500)
        t.delete_envelopes(BOX, [held.sequence for held in t.envelopes_after(BOX, 0, 9)])
        t.set_token_hash(BOX, bytes(32))
        t.set_login(BOX, 9, bytes([9]) * 16, 9999)
        t.set_bundle(BOX, BundleRow(1, b"c", b"r", b"f"))
        assert t.take_prekey(BOX) == b"a"
        assert t.take_pass(BOX, hashed(7), 1)
        t.delete_mailbox(OTHER_BOX)
        t.insert_mailbox(replace(ROW, mailbox=NOWHERE, owner_key=bytes(32)))
        raise AbortedError

    def test_transaction_sees_its_own_writes(self, store: MailboxStore) -> None:
        with store.transaction() as t:
            sequence = t.insert_envelope(BOX, hashed(1), b"12345", 100, 500)
            row = t.mailbox(BOX)
            assert row is not None
            assert (row.envelope_count, row.envelope_bytes) == (1, 5)
            assert t.held_until(BOX, hashed(1)) == 500
            assert [held.sequence for held in t.envelopes_after(BOX, 0, 10)] == [sequence]
            assert t.delete_envelopes(BOX, [sequence]) == 1
            assert t.held_until(BOX, hashed(1)) is None
            assert t.mailbox(BOX) == ROW

    def test_login_and_token_replace_what_was_there(self, store: MailboxStore) -> None:
        with store.transaction() as t:
            t.set_login(BOX, LARGEST, bytes([6]) * 16, LARGEST)
            t.set_token_hash(BOX, bytes([7]) * 32)
        with store.transaction() as t:
            assert t.mailbox(BOX) == replace(
                ROW,
                generation=LARGEST,
                instance=bytes([6]) * 16,
                expires_unix_ms=LARGEST,
                token_hash=bytes([7]) * 32,
            )
            assert t.mailbox(OTHER_BOX) == OTHER_ROW

    def test_envelopes_come_in_order_after_a_sequence_and_up_to_a_limit(
        self, store: MailboxStore
    ) -> None:
        first = self.put(store, 1, 2, 3)
        self.put(store, 4, box=OTHER_BOX)
        second = self.put(store, 5)
        sequences = [*first, *second]
        assert sequences == sorted(set(sequences))
        with store.transaction() as t:
            held = t.envelopes_after(BOX, 0, 10)
            assert [one.sequence for one in held] == sequences
            assert [one.envelope[-1:] for one in held] == [b"1", b"2", b"3", b"5"]
            assert {one.arrived_unix_ms for one in held} == {100}
            after = t.envelopes_after(BOX, sequences[1], 1)
            assert [one.sequence for one in after] == [sequences[2]]
            assert t.envelopes_after(BOX, sequences[-1], 10) == []
            assert t.envelopes_after(BOX, 0, 0) == []
            assert t.envelopes_after(NOWHERE, 0, 10) == []

    def test_sequence_is_never_used_twice_even_after_deletion_and_reopening(
        self, store: MailboxStore, open_store: OpenStore
    ) -> None:
        used: list[int] = []
        for number in range(5):
            used += self.put(store, number)
            with store.transaction() as t:
                t.delete_envelopes(BOX, used)
            store = open_store()
        assert used == sorted(set(used))

    def test_deleting_counts_what_was_there(self, store: MailboxStore) -> None:
        one, two = self.put(store, 1, 2)
        (other,) = self.put(store, 3, box=OTHER_BOX)
        with store.transaction() as t:
            assert t.delete_envelopes(BOX, [one, one, 999_999, other]) == 1
            assert t.delete_envelopes(NOWHERE, [one]) == 0
            assert t.delete_envelopes(BOX, []) == 0
        with store.transaction() as t:
            row, other_row = t.mailbox(BOX), t.mailbox(OTHER_BOX)
            assert row is not None
            assert other_row is not None
            assert (row.envelope_count, row.envelope_bytes) == (1, 10)
            assert (other_row.envelope_count, other_row.envelope_bytes) == (1, 10)
            assert [held.sequence for held in t.envelopes_after(BOX, 0, 10)] == [two]

    def test_held_envelope_is_found_by_its_hash_in_its_own_mailbox_only(
        self, store: MailboxStore
    ) -> None:
        (sequence,) = self.put(store, 1, expires=777)
        with store.transaction() as t:
            assert t.held_until(BOX, hashed(1)) == 777
            assert t.held_until(BOX, hashed(2)) is None
            assert t.held_until(OTHER_BOX, hashed(1)) is None
            assert t.held_until(NOWHERE, hashed(1)) is None
            t.delete_envelopes(BOX, [sequence])
        self.put(store, 1)
        with store.transaction() as t:
            assert t.held_until(BOX, hashed(1)) == 500

    def test_bundle_is_replaced_whole(self, store: MailboxStore) -> None:
        with store.transaction() as t:
            assert t.bundle(BOX) is None
            assert t.bundle(NOWHERE) is None
            t.set_bundle(BOX, BundleRow(1, b"c", b"r", b"f"))
            t.set_bundle(BOX, BundleRow(LARGEST, b"", bytes(32 * 1024), b""))
        with store.transaction() as t:
            assert t.bundle(BOX) == BundleRow(LARGEST, b"", bytes(32 * 1024), b"")
            assert t.bundle(OTHER_BOX) is None

    def test_prekeys_are_given_out_once_oldest_first(self, store: MailboxStore) -> None:
        with store.transaction() as t:
            t.add_prekeys(BOX, [b"a", b"b"])
            t.add_prekeys(OTHER_BOX, [b"x"])
            t.add_prekeys(BOX, [b"a"])
            assert t.prekey_count(BOX) == 3
        with store.transaction() as t:
            assert [t.take_prekey(BOX) for _ in range(4)] == [b"a", b"b", b"a", None]
            assert t.prekey_count(BOX) == 0
            assert t.take_prekey(NOWHERE) is None
            assert t.prekey_count(NOWHERE) == 0
            assert t.prekey_count(OTHER_BOX) == 1

    def test_pass_is_taken_once_and_only_before_it_expires(self, store: MailboxStore) -> None:
        with store.transaction() as t:
            t.insert_pass(BOX, hashed(1), 200)
            t.insert_pass(BOX, hashed(2), 200)
            t.insert_pass(BOX, hashed(2), 300)
            assert t.pass_count(BOX) == 2
            assert t.pass_count(OTHER_BOX) == t.pass_count(NOWHERE) == 0
        with store.transaction() as t:
            assert not t.take_pass(OTHER_BOX, hashed(2), 100)
            assert not t.take_pass(NOWHERE, hashed(2), 100)
            assert not t.take_pass(BOX, hashed(3), 100)
            assert not t.take_pass(BOX, hashed(1), 200)
            assert t.take_pass(BOX, hashed(2), 299)
            assert not t.take_pass(BOX, hashed(2), 299)

    def test_deleted_mailbox_takes_everything_with_it(self, store: MailboxStore) -> None:
        self.put(store, 1)
        (kept,) = self.put(store, 2, box=OTHER_BOX)
        with store.transaction() as t:
            t.add_prekeys(BOX, [b"a"])
            t.insert_pass(BOX, hashed(1), 900)
            t.set_bundle(BOX, BundleRow(1, b"c", b"r", b"f"))
            t.delete_mailbox(BOX)
            t.delete_mailbox(NOWHERE)
            assert t.mailbox(BOX) is None
        with store.transaction() as t:
            t.insert_mailbox(ROW)
            assert t.mailbox(BOX) == ROW
            assert t.envelopes_after(BOX, 0, 10) == []
            assert t.held_until(BOX, hashed(1)) is None
            assert t.bundle(BOX) is None
            assert t.prekey_count(BOX) == t.pass_count(BOX) == 0
            assert [held.sequence for held in t.envelopes_after(OTHER_BOX, 0, 9)] == [kept]

    def test_sweep_deletes_exactly_what_has_expired(self, store: MailboxStore) -> None:
        self.put(store, 1, expires=499)
        self.put(store, 2, expires=500)
        self.put(store, 3, expires=501)
        with store.transaction() as t:
            t.insert_pass(OTHER_BOX, hashed(1), 500)
            t.insert_pass(OTHER_BOX, hashed(2), 501)
        with store.transaction() as t:
            assert t.sweep(500) == Swept(0, 2, 1)
            row = t.mailbox(BOX)
            assert row is not None
            assert (row.envelope_count, row.envelope_bytes) == (1, 10)
        with store.transaction() as t:
            assert t.pass_count(OTHER_BOX) == 1
            swept = t.sweep(1000)
            assert swept.mailbox_count == 1
            assert t.mailbox(BOX) is None
            assert t.mailbox(OTHER_BOX) == OTHER_ROW

    def test_largest_envelope_is_kept_as_it_is(self, store: MailboxStore) -> None:
        envelope = bytes(range(256)) * 512
        with store.transaction() as t:
            t.insert_envelope(BOX, hashed(1), envelope, LARGEST, LARGEST)
        with store.transaction() as t:
            (held,) = t.envelopes_after(BOX, 0, 1)
            assert held.envelope == envelope
            assert held.arrived_unix_ms == LARGEST

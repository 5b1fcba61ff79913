"""The statements of an identity chain: who signs what about which keys.

=============  ==========  =====================================================
kind           signed by   says
=============  ==========  =====================================================
`create`       root        the first account key and device
`add`          account key the device list with at least one more
`revoke`       account key the device list with at least one fewer
`recover`      root        a new account key; all devices replaced; a new epoch
`rotate_root`  both roots  a new root, account key and device list; a new epoch
=============  ==========  =====================================================

Each carries the *whole* device list. The hash of a statement leaves its signatures out (an
ML-DSA signature is different each time it is made), so signing the same words twice makes no
second statement. This module checks each statement by itself; how they follow one another is
`chain`'s part. Source: spec/identity.md#statements.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from typing import Self

from hark.crypto.hashing import HASH_BYTES, labelled_hash
from hark.crypto.labels import Label
from hark.crypto.signing import (
    COMPOSITE_KEY_BYTES,
    COMPOSITE_SIGNATURE_BYTES,
    CompositeKey,
    CompositePublicKey,
)
from hark.errors import MalformedError
from hark.identity.devices import (
    DEVICE_BYTES,
    MAX_DEVICES,
    Device,
    read_devices,
    sorted_devices,
    write_devices,
)
from hark.wire.ids import ACCOUNT_ID_BYTES, AccountId
from hark.wire.layout import Reader, Writer

MAX_CHAIN_SEQ = 2**32 - 1
"""Four bytes carry it inside every message."""
MAX_EPOCH = 2**32 - 1
"""A day number since 1970, or one more than the last: 4 bytes last eleven million years."""

_HEADER_BYTES = 1 + ACCOUNT_ID_BYTES + 8 + HASH_BYTES + 4
_MAX_LIST_BYTES = 1 + MAX_DEVICES * DEVICE_BYTES

MAX_DEVICE_STATEMENT_BYTES = (
    len(Label.STATEMENT) + _HEADER_BYTES + _MAX_LIST_BYTES + COMPOSITE_SIGNATURE_BYTES
)
MAX_ROOT_STATEMENT_BYTES = MAX_DEVICE_STATEMENT_BYTES + COMPOSITE_KEY_BYTES
MAX_STATEMENT_BYTES = MAX_ROOT_STATEMENT_BYTES + COMPOSITE_KEY_BYTES + COMPOSITE_SIGNATURE_BYTES
"""A `rotate_root` with ten devices."""


class StatementKind(IntEnum):
    """What a statement does; the number on the wire."""

    CREATE = 1
    ADD = 2
    REVOKE = 3
    RECOVER = 4
    ROTATE_ROOT = 5


@dataclass(frozen=True, slots=True)
class Header:
    """77 bytes: kind (1), account id (32), chain_seq (8), previous hash (32), epoch (4)."""

    kind: StatementKind
    account_id: AccountId
    chain_seq: int
    """Place in the chain, from 1."""
    previous_hash: bytes
    """Hash of the statement before; of the genesis (the account id) when `chain_seq` is 1."""
    epoch: int
    """Rises with every root-signed statement; 0 for `create`."""

    @property
    def position(self) -> tuple[int, int]:
        """What orders statements: epoch first, then chain_seq."""
        return self.epoch, self.chain_seq

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Take a header off a layout; `MalformedError` when it breaks a rule."""
        try:
            kind = StatementKind(reader.u8())
        except ValueError:
            raise MalformedError("an unknown kind of statement") from None
        header = cls(
            kind,
            AccountId(reader.take(ACCOUNT_ID_BYTES)),
            reader.u64(),
            reader.take(HASH_BYTES),
            reader.u32(),
        )
        header.check()
        return header

    def check(self) -> None:
        """Check what a header can say by itself.

        Raises:
            MalformedError: an impossible place, or an epoch that its kind cannot have.
        """
        if not 1 <= self.chain_seq <= MAX_CHAIN_SEQ:
            raise MalformedError("an impossible place in the chain")
        if (self.chain_seq == 1) != (self.previous_hash == self.account_id):
            raise MalformedError("the first statement, and no other, points at the genesis")
        is_create = self.kind is StatementKind.CREATE
        if is_create and self.position != (0, 1):
            raise MalformedError("a chain is created at epoch 0, place 1")
        if self.kind in (StatementKind.RECOVER, StatementKind.ROTATE_ROOT) and self.epoch == 0:
            raise MalformedError("a new epoch is never 0")

    def write(self, writer: Writer) -> None:
        """Append the layout above."""
        writer.u8(self.kind).raw(self.account_id).u64(self.chain_seq)
        writer.raw(self.previous_hash).u32(self.epoch)


@dataclass(frozen=True)
class RootStatement:
    """`create` or `recover`: the root names a new account key and all devices.

    Label (12), header (77), account key (1,984), device list (1 + 80 each), signature (3,373)
    of the root in force.
    """

    header: Header
    account_key: CompositePublicKey
    devices: tuple[Device, ...]
    """1 to 10, ascending by id."""
    signature: bytes

    @classmethod
    def read(cls, header: Header, reader: Reader) -> Self:
        """Take what follows the header off a layout."""
        account_key = CompositePublicKey.parse(reader.take(COMPOSITE_KEY_BYTES))
        devices = read_devices(reader)
        _need_a_device(devices)
        return cls(header, account_key, devices, reader.take(COMPOSITE_SIGNATURE_BYTES))

    def body(self) -> bytes:
        """Return what is signed and hashed, without the label."""
        writer = Writer()
        self.header.write(writer)
        writer.raw(self.account_key.encode())
        write_devices(writer, self.devices)
        return writer.finish()

    def encode(self) -> bytes:
        """Write the layout above."""
        return Label.STATEMENT + self.body() + self.signature

    @cached_property
    def statement_hash(self) -> bytes:
        """Names this statement, 32 bytes; signatures are not part of it."""
        return labelled_hash(Label.STATEMENT, self.body())

    def check_signature(self, root: CompositePublicKey) -> None:
        """Check the root's signature; `ForgedError` when it does not hold."""
        root.verify(Label.STATEMENT, self.body(), self.signature)


@dataclass(frozen=True)
class DeviceStatement:
    """`add` or `revoke`: the account key names the whole device list anew.

    Label (12), header (77), device list (1 + 80 each), signature (3,373) of the account key.
    """

    header: Header
    devices: tuple[Device, ...]
    """`add`: 1 to 10; `revoke`: 0 to 9 (with none left, only the root can go on)."""
    signature: bytes

    @classmethod
    def read(cls, header: Header, reader: Reader) -> Self:
        """Take what follows the header off a layout."""
        devices = read_devices(reader)
        if header.kind is StatementKind.ADD:
            _need_a_device(devices)
        elif len(devices) == MAX_DEVICES:
            raise MalformedError("ten devices cannot be what is left")
        if header.chain_seq == 1:
            raise MalformedError("a chain begins with its root")
        return cls(header, devices, reader.take(COMPOSITE_SIGNATURE_BYTES))

    def body(self) -> bytes:
        """Return what is signed and hashed, without the label."""
        writer = Writer()
        self.header.write(writer)
        write_devices(writer, self.devices)
        return writer.finish()

    def encode(self) -> bytes:
        """Write the layout above."""
        return Label.STATEMENT + self.body() + self.signature

    @cached_property
    def statement_hash(self) -> bytes:
        """Names this statement, 32 bytes; signatures are not part of it."""
        return labelled_hash(Label.STATEMENT, self.body())

    def check_signature(self, account_key: CompositePublicKey) -> None:
        """Check the account key's signature; `ForgedError` when it does not hold."""
        account_key.verify(Label.STATEMENT, self.body(), self.signature)


@dataclass(frozen=True)
class RotationStatement:
    """`rotate_root`: the old root hands over to a new one.

    Label (12), header (77), new root (1,984), account key (1,984), device list (1 + 80 each),
    signature of the old root (3,373), signature of the new root (3,373, under a label of its
    own, so that neither can stand for the other).
    """

    header: Header
    new_root: CompositePublicKey
    account_key: CompositePublicKey
    devices: tuple[Device, ...]
    """1 to 10, ascending by id."""
    signature: bytes
    proof: bytes
    """The new root's signature: somebody holds the new words."""

    @classmethod
    def read(cls, header: Header, reader: Reader) -> Self:
        """Take what follows the header off a layout."""
        new_root = CompositePublicKey.parse(reader.take(COMPOSITE_KEY_BYTES))
        account_key = CompositePublicKey.parse(reader.take(COMPOSITE_KEY_BYTES))
        devices = read_devices(reader)
        _need_a_device(devices)
        signature = reader.take(COMPOSITE_SIGNATURE_BYTES)
        proof = reader.take(COMPOSITE_SIGNATURE_BYTES)
        return cls(header, new_root, account_key, devices, signature, proof)

    def body(self) -> bytes:
        """Return what is signed and hashed, without the label."""
        writer = Writer()
        self.header.write(writer)
        writer.raw(self.new_root.encode()).raw(self.account_key.encode())
        write_devices(writer, self.devices)
        return writer.finish()

    def encode(self) -> bytes:
        """Write the layout above."""
        return Label.STATEMENT + self.body() + self.signature + self.proof

    @cached_property
    def statement_hash(self) -> bytes:
        """Names this statement, 32 bytes; signatures are not part of it."""
        return labelled_hash(Label.STATEMENT, self.body())

    def check_signature(self, old_root: CompositePublicKey) -> None:
        """Check the signatures of both roots; `ForgedError` when one does not hold."""
        body = self.body()
        old_root.verify(Label.STATEMENT, body, self.signature)
        self.new_root.verify(Label.ROOT_PROOF, body, self.proof)


EpochStatement = RootStatement | RotationStatement
"""What only a root can sign; begins an epoch."""
Statement = RootStatement | DeviceStatement | RotationStatement


def parse_statement(data: bytes) -> Statement:
    """Read one statement; its signatures are not checked yet.

    Raises:
        MalformedError: not one of the three layouts, or a statement that could never hold.
    """
    reader = Reader(data)
    reader.expect(Label.STATEMENT)
    header = Header.read(reader)
    statement: Statement
    match header.kind:
        case StatementKind.CREATE | StatementKind.RECOVER:
            statement = RootStatement.read(header, reader)
        case StatementKind.ADD | StatementKind.REVOKE:
            statement = DeviceStatement.read(header, reader)
        case StatementKind.ROTATE_ROOT:
            statement = RotationStatement.read(header, reader)
    reader.end()
    return statement


def sign_root_statement(
    header: Header,
    account_key: CompositePublicKey,
    devices: tuple[Device, ...],
    root: CompositeKey,
) -> RootStatement:
    """Make a `create` or `recover` statement.

    Raises:
        MalformedError: the header or the device list breaks a rule.
    """
    header.check()
    unsigned = RootStatement(header, account_key, sorted_devices(devices), b"")
    _need_a_device(unsigned.devices)
    return replace(unsigned, signature=root.sign(Label.STATEMENT, unsigned.body()))


def sign_device_statement(
    header: Header, devices: tuple[Device, ...], account_key: CompositeKey
) -> DeviceStatement:
    """Make an `add` or `revoke` statement. What it changes is checked by the chain.

    Raises:
        MalformedError: the header or the device list breaks a rule.
    """
    header.check()
    unsigned = DeviceStatement(header, sorted_devices(devices), b"")
    return replace(unsigned, signature=account_key.sign(Label.STATEMENT, unsigned.body()))


def sign_rotation(
    header: Header,
    account_key: CompositePublicKey,
    devices: tuple[Device, ...],
    old_root: CompositeKey,
    new_root: CompositeKey,
) -> RotationStatement:
    """Make a `rotate_root` statement, signed by the old root and by the new one.

    Raises:
        MalformedError: the header or the device list breaks a rule.
    """
    header.check()
    listed = sorted_devices(devices)
    _need_a_device(listed)
    unsigned = RotationStatement(header, new_root.public, account_key, listed, b"", b"")
    return replace(
        unsigned,
        signature=old_root.sign(Label.STATEMENT, unsigned.body()),
        proof=new_root.sign(Label.ROOT_PROOF, unsigned.body()),
    )


def _need_a_device(devices: tuple[Device, ...]) -> None:
    if not devices:
        raise MalformedError("a list without a device")

"""The identity chain: the only truth about the keys and devices of an account.

An `IdentityChain` is a verified value. It keeps what a verifier needs and no more:

- the genesis, whose hash is the account id;
- every `rotate_root`, since each proves the next root;
- the *anchor*: the newest root-signed statement, which began the present epoch;
- the *run*: the newest `add` and `revoke` statements of this epoch, one directly after the
  other. Older ones may be left out, since each carries the whole list; so there may be a gap
  between the anchor and the run, but none inside the run;
- a *conflict*, if the account is frozen: a statement that contradicts one of the above,
  validly signed. It proves the fork to everybody.

Rules, in the order in which `_extended` checks them:

1. the statement names this account;
2. a root-signed one begins a higher epoch and is signed by the root in force;
3. an `add` or `revoke` is of the present epoch, comes after the head, and where it comes
   directly after, it names the head's hash and changes the list as its kind says;
4. the signatures hold.

How two chains of one account are joined: `merge`. Source: spec/identity.md#the-chain.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import cached_property
from typing import Self

from hark.crypto.hashing import labelled_hash
from hark.crypto.labels import Label
from hark.crypto.signing import CompositePublicKey
from hark.errors import ForgedError, MalformedError
from hark.identity.devices import Device
from hark.identity.genesis import GENESIS_BYTES, Genesis
from hark.identity.statements import (
    MAX_DEVICE_STATEMENT_BYTES,
    MAX_ROOT_STATEMENT_BYTES,
    MAX_STATEMENT_BYTES,
    DeviceStatement,
    EpochStatement,
    RootStatement,
    RotationStatement,
    Statement,
    StatementKind,
    parse_statement,
)
from hark.wire.ids import AccountId, DeviceId
from hark.wire.layout import Reader, Writer

MAX_ROOT_ROTATIONS = 4
"""Every introduction carries them all, 11 kB each; four keep it below 64 KiB."""
MAX_RUN = 16
"""Kept `add` and `revoke` statements, 4 kB each: enough to see a fork that is not old."""
MAX_CHAIN_STATEMENTS = MAX_ROOT_ROTATIONS + 1 + MAX_RUN
"""Each costs half a millisecond to verify; a stranger's chain at most ten."""
MAX_CHAIN_BYTES = (
    GENESIS_BYTES
    + 1
    + MAX_ROOT_ROTATIONS * (2 + MAX_STATEMENT_BYTES)
    + (2 + MAX_ROOT_STATEMENT_BYTES)
    + MAX_RUN * (2 + MAX_DEVICE_STATEMENT_BYTES)
    + 1
    + (2 + MAX_STATEMENT_BYTES)
)
"""135 kB: fits a frame of the link."""


class Change(Enum):
    """What joining another chain of the same account meant."""

    UNCHANGED = auto()
    """It says nothing new."""
    OLDER = auto()
    """It is an older state, or one that a retired root signed: ignored."""
    DEVICES_CHANGED = auto()
    """Same epoch, newer device list: a notice."""
    NEW_EPOCH = auto()
    """Recovered or with a new root: verification is void, sending waits for a look."""
    FROZEN = auto()
    """Two valid statements contradict each other: loud, nothing is sent."""


@dataclass(frozen=True)
class IdentityChain:
    """The verified keys and devices of one account; made by `verify`, `parse` and `merge`."""

    genesis: Genesis
    rotations: tuple[RotationStatement, ...]
    """Every change of the root, oldest first."""
    anchor: EpochStatement
    """The newest root-signed statement; the last rotation, if that is the newest."""
    run: tuple[DeviceStatement, ...] = ()
    """The newest account-key statements of this epoch, without a gap among them."""
    conflict: Statement | None = None
    """A validly signed statement that contradicts the others: the account is frozen."""

    @classmethod
    def verify(cls, genesis: Genesis, statements: Iterable[Statement]) -> Self:
        """Verify statements, oldest first, and keep what is needed of them.

        The first must be root-signed. Whole histories and shortened ones are both accepted.

        Raises:
            ForgedError: a rule above is broken, or there is no root-signed statement.
        """
        return cls._assembled(genesis, statements, trusted=False)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read and verify what `encode` wrote; from anybody.

        Raises:
            MalformedError: not the layout of `encode`, or not shortened as it would be.
            ForgedError: a statement does not hold.
        """
        return cls._parsed(data, trusted=False)

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Read what `encode` wrote, from our own authenticated store: signatures are believed.

        Saves two milliseconds per contact. Never for bytes that came from elsewhere.

        Raises:
            MalformedError, ForgedError: the store is not what we wrote.
        """
        return cls._parsed(data, trusted=True)

    def encode(self) -> bytes:
        """Write the chain.

        Genesis (1,986), count (1), statements oldest first (each with its length, 2),
        1 or 0 (1), and with 1 the conflicting statement (with its length, 2).
        """
        writer = Writer().raw(self.genesis.encode()).u8(len(self.statements))
        for statement in self.statements:
            writer.sized(statement.encode())
        writer.u8(0 if self.conflict is None else 1)
        if self.conflict is not None:
            writer.sized(self.conflict.encode())
        return writer.finish()

    @property
    def account_id(self) -> AccountId:
        """The account whose chain this is."""
        return self.genesis.account_id

    @property
    def head(self) -> Statement:
        """The newest statement."""
        return self.run[-1] if self.run else self.anchor

    @property
    def epoch(self) -> int:
        """The root epoch: rises with every recovery and every new root."""
        return self.anchor.header.epoch

    @property
    def chain_seq(self) -> int:
        """Place of the newest statement, from 1."""
        return self.head.header.chain_seq

    @property
    def head_hash(self) -> bytes:
        """Hash of the newest statement, 32 bytes."""
        return self.head.statement_hash

    @property
    def position(self) -> tuple[int, int]:
        """(epoch, chain_seq), by which the states of one account are ordered."""
        return self.head.header.position

    @property
    def devices(self) -> tuple[Device, ...]:
        """The devices that speak for the account, ascending by id."""
        return self.head.devices

    @property
    def account_key(self) -> CompositePublicKey:
        """The key that signs `add` and `revoke` in this epoch."""
        return self.anchor.account_key

    @cached_property
    def account_key_hash(self) -> bytes:
        """The account key as the safety number names it, 32 bytes."""
        return labelled_hash(Label.ACCOUNT_KEY, self.account_key.encode())

    @property
    def root(self) -> CompositePublicKey:
        """The root in force."""
        return self.rotations[-1].new_root if self.rotations else self.genesis.root

    @property
    def frozen(self) -> bool:
        """Whether a fork is known in this epoch: nothing may be sent to this account."""
        return self.conflict is not None

    @property
    def statements(self) -> tuple[Statement, ...]:
        """What is kept, oldest first, without the conflict."""
        anchor = () if isinstance(self.anchor, RotationStatement) else (self.anchor,)
        return (*self.rotations, *anchor, *self.run)

    def device(self, device_id: DeviceId) -> Device | None:
        """Return the listed device of that id, or None."""
        return next((one for one in self.devices if one.device_id == device_id), None)

    def shortened(self) -> Self:
        """Return the chain as an introduction carries it: at most one statement in the run."""
        return replace(self, run=self.run[-1:], conflict=None)

    def extend(self, statement: Statement) -> Self:
        """Return the chain with one more statement at its end.

        Raises:
            ForgedError: a rule above is broken.
        """
        return self._extended(statement, trusted=False)

    def merge(self, other: Self) -> tuple[Self, Change]:
        """Join another verified chain of the same account to this one.

        Order is (epoch, chain_seq), and a higher epoch wins over a fork in an older one. A root
        that handed over has no more to say: what it signed afterwards is ignored, and if that
        was all we knew, or if it handed over twice, the account is frozen. Within one epoch two
        statements that contradict each other freeze the account.

        Args:
            other: a verified chain.

        Returns:
            The chain to keep, and what has changed from `self`.

        Raises:
            ForgedError: `other` is of another account, or its statements do not follow ours.
        """
        if other.account_id != self.account_id:
            raise ForgedError("a chain of another account")
        for ours, theirs in zip(self.rotations, other.rotations, strict=False):
            if ours.statement_hash != theirs.statement_hash:
                return self._freeze(theirs)
        known = len(self.rotations)
        if len(other.rotations) < known:
            # Theirs ends with a root that has handed over; only at one epoch is it a fork.
            is_fork = isinstance(other.anchor, RootStatement) and self._root_conflicts(
                other.anchor, len(other.rotations)
            )
            return self._freeze(other.anchor) if is_fork else (self, Change.OLDER)
        if other.epoch > self.epoch:
            return other, Change.FROZEN if other.frozen else Change.NEW_EPOCH
        if len(other.rotations) > known:
            # The root that signed our anchor had handed over before, or at the same epoch.
            return self._freeze(other.rotations[known])
        if other.epoch < self.epoch:
            return self, Change.OLDER
        return self._merge_epoch(other)

    # Building

    @classmethod
    def _assembled(
        cls, genesis: Genesis, statements: Iterable[Statement], *, trusted: bool
    ) -> Self:
        chain: Self | None = None
        for statement in statements:
            if chain is None:
                chain = cls._begun(genesis, statement, trusted=trusted)
            else:
                chain = chain._extended(statement, trusted=trusted)  # noqa: SLF001 — our own class
        if chain is None:
            raise ForgedError("a chain without a statement")
        return chain

    @classmethod
    def _parsed(cls, data: bytes, *, trusted: bool) -> Self:
        reader = Reader(data)
        genesis = Genesis.parse(reader.take(GENESIS_BYTES))
        count = reader.u8()
        if count > MAX_CHAIN_STATEMENTS:
            raise MalformedError("too many statements")
        statements = [parse_statement(reader.sized(MAX_STATEMENT_BYTES)) for _ in range(count)]
        conflict: Statement | None = None
        if reader.u8():
            conflict = parse_statement(reader.sized(MAX_STATEMENT_BYTES))
        reader.end()
        chain = cls._assembled(genesis, statements, trusted=trusted)
        if conflict is not None:
            if not trusted:
                chain._check_conflict(conflict)  # noqa: SLF001 — our own class
            chain = replace(chain, conflict=conflict)
        if chain.encode() != data:
            raise MalformedError("a chain is not in its shortened form")
        return chain

    @classmethod
    def _begun(cls, genesis: Genesis, statement: Statement, *, trusted: bool) -> Self:
        """Take the first statement of a chain (rules 1, 2 and 4)."""
        if statement.header.account_id != genesis.account_id:
            raise ForgedError("a statement of another account")
        if isinstance(statement, DeviceStatement):
            raise ForgedError("a chain does not begin with its root")
        if not trusted:
            statement.check_signature(genesis.root)
        rotations = (statement,) if isinstance(statement, RotationStatement) else ()
        return cls(genesis, rotations, statement)

    def _extended(self, statement: Statement, *, trusted: bool) -> Self:
        if statement.header.account_id != self.account_id:  # 1
            raise ForgedError("a statement of another account")
        if isinstance(statement, DeviceStatement):
            self._check_device_order(statement)  # 3
            if not trusted:
                statement.check_signature(self.account_key)  # 4
            return replace(self, run=(*self.run, statement)[-MAX_RUN:])
        self._check_epoch_order(statement)  # 2
        if not trusted:
            statement.check_signature(self.root)  # 2, 4
        rotations = self.rotations
        if isinstance(statement, RotationStatement):
            rotations = (*rotations, statement)
        return replace(self, rotations=rotations, anchor=statement, run=(), conflict=None)

    def _check_epoch_order(self, statement: EpochStatement) -> None:
        """Rule 2, without the signature. A recovery may point at any older statement."""
        if statement.header.epoch <= self.epoch:
            raise ForgedError("a root-signed statement must begin a higher epoch")
        is_rotation = isinstance(statement, RotationStatement)
        if is_rotation and len(self.rotations) == MAX_ROOT_ROTATIONS:
            raise ForgedError("the root was changed too often")

    def _check_device_order(self, statement: DeviceStatement) -> None:
        """Rule 3."""
        header = statement.header
        if header.epoch != self.epoch or header.chain_seq <= self.chain_seq:
            raise ForgedError("a statement is out of order")
        if header.chain_seq == self.chain_seq + 1:
            if header.previous_hash != self.head_hash:
                raise ForgedError("a statement does not continue this chain")
            _check_change(header.kind, self.devices, statement.devices)
        elif self.run:
            raise ForgedError("a statement is missing")

    # Forks

    def _merge_epoch(self, other: Self) -> tuple[Self, Change]:
        """Join a chain of the same roots and the same epoch."""
        if self.frozen:
            return self, Change.UNCHANGED
        if other.anchor.statement_hash != self.anchor.statement_hash:
            return self._freeze(other.anchor)
        for statement in other.run:
            if self._breaks_run(statement):
                return self._freeze(statement)
        if other.conflict is not None:
            # It may contradict a statement that we do not keep, so theirs is the proof.
            return other, Change.FROZEN
        if other.position <= self.position:
            is_same = other.position == self.position
            return self, Change.UNCHANGED if is_same else Change.OLDER
        newer = [one for one in other.run if one.header.chain_seq > self.chain_seq]
        if newer[0].header.chain_seq > self.chain_seq + 1:
            return replace(self, run=other.run), Change.DEVICES_CHANGED
        joined = self
        for statement in newer:
            joined = joined._extended(statement, trusted=True)
        return joined, Change.DEVICES_CHANGED

    def _freeze(self, conflict: Statement) -> tuple[Self, Change]:
        if self.frozen:
            return self, Change.UNCHANGED
        return replace(self, conflict=conflict), Change.FROZEN

    def _check_conflict(self, conflict: Statement) -> None:
        """Check that a statement, alone, proves a fork of this chain.

        Raises:
            ForgedError: it contradicts nothing here, or no key of this chain signed it.
        """
        if conflict.header.account_id != self.account_id:
            raise ForgedError("a statement of another account")
        if isinstance(conflict, DeviceStatement):
            if conflict.header.epoch != self.epoch or not self._breaks_run(conflict):
                raise ForgedError("a conflict that is none")
            conflict.check_signature(self.account_key)
            return
        roots = (self.genesis.root, *(rotation.new_root for rotation in self.rotations))
        for signer, root in enumerate(roots):
            if self._root_conflicts(conflict, signer):
                try:
                    conflict.check_signature(root)
                except ForgedError:
                    continue
                return
        raise ForgedError("a conflict that is none")

    def _root_conflicts(self, statement: EpochStatement, signer: int) -> bool:
        """Return whether a statement that root number `signer` signed contradicts the chain."""
        if isinstance(statement, RotationStatement):
            if signer < len(self.rotations):
                # A root hands over once.
                return statement.statement_hash != self.rotations[signer].statement_hash
            # The root in force handed over, and yet it signed our anchor (or the one before).
            return statement.header.epoch <= self.epoch
        is_after_rotation = isinstance(self.anchor, RotationStatement)
        return (
            signer == len(self.rotations) - is_after_rotation
            and statement.header.epoch == self.epoch
            and statement.statement_hash != self.anchor.statement_hash
        )

    def _breaks_run(self, statement: DeviceStatement) -> bool:
        """Return whether an account-key statement of this epoch is on another branch."""
        header = statement.header
        for kept in (self.anchor, *self.run):
            distance = kept.header.chain_seq - header.chain_seq
            if distance == 0 and kept.statement_hash != statement.statement_hash:
                return True
            if distance == -1 and kept.statement_hash != header.previous_hash:
                return True
            if distance == 1 and kept.header.previous_hash != statement.statement_hash:
                return True
        return False


def _check_change(
    kind: StatementKind, before: tuple[Device, ...], after: tuple[Device, ...]
) -> None:
    """Check that `add` only adds and `revoke` only removes, and at least one."""
    gained, lost = set(after) - set(before), set(before) - set(after)
    is_add = kind is StatementKind.ADD
    if (lost and is_add) or (gained and not is_add) or not (gained or lost):
        raise ForgedError("a statement changes the device list otherwise than its kind says")

"""The introduction: how somebody unknown proves who they are, in one message.

It carries what is needed to verify one device of an account from nothing but its own bytes:
the genesis, every `rotate_root`, the newest root-signed statement, the newest account-key
statement if there is one, and the envelope-key record of the device that writes.
Source: spec/identity.md#introduction.
"""

from dataclasses import dataclass
from typing import Self

from hark.crypto.labels import Label
from hark.crypto.signing import ED25519_SIGNATURE_BYTES
from hark.crypto.xwing import PUBLIC_BYTES
from hark.errors import ForgedError, MalformedError
from hark.identity.chain import MAX_ROOT_ROTATIONS, IdentityChain
from hark.identity.envelope_key import EnvelopeKeyRecord
from hark.identity.genesis import GENESIS_BYTES, Genesis
from hark.identity.statements import (
    MAX_DEVICE_STATEMENT_BYTES,
    MAX_ROOT_STATEMENT_BYTES,
    MAX_STATEMENT_BYTES,
    Statement,
    parse_statement,
)
from hark.wire.ids import ACCOUNT_ID_BYTES, DEVICE_ID_BYTES, KEY_ID_BYTES
from hark.wire.layout import Reader, Writer

VERSION = 1
ENVELOPE_KEY_RECORD_BYTES = (
    len(Label.ENVELOPE_KEY)
    + ACCOUNT_ID_BYTES
    + DEVICE_ID_BYTES
    + KEY_ID_BYTES
    + 3 * 8
    + PUBLIC_BYTES
    + ED25519_SIGNATURE_BYTES
)
MAX_INTRODUCTION_STATEMENTS = MAX_ROOT_ROTATIONS + 2
MAX_INTRODUCTION_BYTES = (
    1
    + GENESIS_BYTES
    + 1
    + MAX_ROOT_ROTATIONS * (2 + MAX_STATEMENT_BYTES)
    + (2 + MAX_ROOT_STATEMENT_BYTES)
    + (2 + MAX_DEVICE_STATEMENT_BYTES)
    + ENVELOPE_KEY_RECORD_BYTES
)
"""60.3 kB with four changed roots and ten devices; 9 to 14 kB while the first root stands."""


@dataclass(frozen=True, slots=True)
class Introduction:
    """Version (1) = 1, genesis (1,986), count (1), statements oldest first (each with its
    length, 2), envelope-key record (1,370).
    """

    genesis: Genesis
    statements: tuple[Statement, ...]
    """Not verified yet."""
    envelope_key: EnvelopeKeyRecord
    """Not verified yet; names the device that introduces itself."""

    @classmethod
    def of(cls, chain: IdentityChain, envelope_key: EnvelopeKeyRecord) -> Self:
        """Return the introduction of one of our devices."""
        return cls(chain.genesis, chain.shortened().statements, envelope_key)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the layout above; nothing is verified yet.

        Raises:
            MalformedError: not the layout, or more statements than there can be.
        """
        reader = Reader(data)
        reader.expect(bytes([VERSION]))
        genesis = Genesis.parse(reader.take(GENESIS_BYTES))
        count = reader.u8()
        if count > MAX_INTRODUCTION_STATEMENTS:
            raise MalformedError("too many statements")
        statements = tuple(
            parse_statement(reader.sized(MAX_STATEMENT_BYTES)) for _ in range(count)
        )
        envelope_key = EnvelopeKeyRecord.parse(reader.take(ENVELOPE_KEY_RECORD_BYTES))
        reader.end()
        return cls(genesis, statements, envelope_key)

    def encode(self) -> bytes:
        """Write the layout above."""
        writer = Writer().u8(VERSION).raw(self.genesis.encode()).u8(len(self.statements))
        for statement in self.statements:
            writer.sized(statement.encode())
        return writer.raw(self.envelope_key.encode()).finish()

    def verify(self) -> IdentityChain:
        """Verify everything and return the chain.

        1. The statements form a chain under the genesis.
        2. It carries nothing that an introduction has no need of.
        3. The chain lists the device that the envelope key names.
        4. That device signed the envelope key, for this account.

        The account id is thereby proven to belong to these keys; whether it is the *right*
        account is the caller's question (an invitation, a safety number).

        Raises:
            ForgedError: a step fails.
        """
        chain = IdentityChain.verify(self.genesis, self.statements)  # 1
        if chain.shortened().statements != self.statements:  # 2
            raise ForgedError("an introduction carries statements that it does not need")
        device = chain.device(self.envelope_key.device_id)
        if device is None:  # 3
            raise ForgedError("the device that introduces itself is not listed")
        self.envelope_key.verify(chain.account_id, device)  # 4
        return chain

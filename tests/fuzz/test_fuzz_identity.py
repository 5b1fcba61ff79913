"""Damage to valid bytes of the identity layer.

Invariant: parsing damaged bytes raises `PeerError` or gives a value that writes exactly those
bytes; and verification accepts a damaged chain or introduction only if it is the same value.
"""

from collections.abc import Callable
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from hark.errors import MalformedError, PeerError
from hark.identity.chain import IdentityChain
from hark.identity.envelope_key import EnvelopeKeyRecord
from hark.identity.genesis import Genesis
from hark.identity.introduction import Introduction
from hark.identity.prekeys import PrekeyKind, SignedPrekey
from hark.identity.statements import parse_statement
from tests.identity_people import DAY, Person, device, envelope_record, fixed_bytes, signer

ANNA = Person.create("anna").adds("anna-2")
FROZEN, _ = ANNA.chain.merge(Person.create("anna").adds("mallory").chain)
ROTATED = ANNA.rotates("new", "anna-3", day=DAY).adds("anna-4")
CHAINS = [ANNA.chain, FROZEN, ROTATED.chain]
RECORD = envelope_record(ANNA.chain.account_id, "anna-1")
PREKEY = SignedPrekey.sign(
    signer("anna-1"),
    PrekeyKind.FALLBACK,
    ANNA.chain.account_id,
    device("anna-1").device_id,
    fixed_bytes("key"),
)
INTRODUCTION = Introduction.of(ANNA.chain, RECORD)

VALID: list[tuple[bytes, Callable[[bytes], object]]] = [
    (ANNA.chain.genesis.encode(), lambda data: Genesis.parse(data).encode()),
    *(
        (statement.encode(), lambda data: parse_statement(data).encode())
        for chain in CHAINS
        for statement in chain.statements
    ),
    (RECORD.encode(), lambda data: EnvelopeKeyRecord.parse(data).encode()),
    (PREKEY.encode(), lambda data: SignedPrekey.parse(data).encode()),
    (INTRODUCTION.encode(), lambda data: Introduction.parse(data).encode()),
]


@st.composite
def damage(draw: st.DrawFn, valid: bytes) -> bytes:
    """Edit valid bytes: overwrite, cut out, insert, repeat, cut off, append."""
    data = valid
    for _ in range(draw(st.integers(1, 3))):
        # Lengths, kinds and counts stand near the ends; the middle is key material.
        at = draw(
            st.one_of(
                st.integers(0, min(200, len(data))),
                st.integers(max(0, len(data) - 100), len(data)),
                st.integers(0, len(data)),
            )
        )
        removed = draw(st.sampled_from([0, 0, 1, 1, 2, 4, 32, 80]))
        inserted = draw(
            st.one_of(
                st.binary(max_size=4),
                st.just(data[at : at + 80]),
                st.just(bytes(removed)),
            )
        )
        data = data[:at] + inserted + data[at + removed :]
    return data


@given(st.data())
def test_damaged_bytes_are_malformed_or_canonical(data: st.DataObject) -> None:
    valid, reencode = data.draw(st.sampled_from(VALID))
    assert reencode(valid) == valid
    damaged = data.draw(damage(valid))
    with suppress(MalformedError):
        assert reencode(damaged) == damaged


@given(st.data())
def test_a_damaged_chain_never_verifies(data: st.DataObject) -> None:
    chain = data.draw(st.sampled_from(CHAINS))
    damaged = data.draw(damage(chain.encode()))
    if damaged == chain.encode():
        return
    try:
        accepted = IdentityChain.parse(damaged)
    except PeerError:
        return
    # The only parts of a chain that can go while it stays valid are its newest end and the
    # conflict; what is left is then an older state, never another one.
    kept = {one.statement_hash for one in chain.statements}
    assert {one.statement_hash for one in accepted.statements} <= kept
    assert accepted.encode() == damaged


@given(st.data())
def test_a_damaged_introduction_never_verifies(data: st.DataObject) -> None:
    damaged = data.draw(damage(INTRODUCTION.encode()))
    if damaged == INTRODUCTION.encode():
        return
    try:
        Introduction.parse(damaged).verify()
    except PeerError:
        return
    raise AssertionError("a damaged introduction was believed")


@given(st.binary(max_size=2500))
def test_any_bytes_are_refused(junk: bytes) -> None:
    for _, reencode in VALID:
        try:
            assert reencode(junk) == junk
        except MalformedError:
            continue
    try:
        IdentityChain.parse(junk)
    except PeerError:
        return
    raise AssertionError("junk was believed")

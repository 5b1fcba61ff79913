import pytest
from hypothesis import given
from hypothesis import strategies as st

from hark.crypto.aead import NONCE_BYTES
from hark.errors import ForgedError, MalformedError
from hark.identity.bundle import (
    BLOB_OVERHEAD_BYTES,
    MAX_BLOB_BYTES,
    BlobKind,
    bundle_key,
    open_blob,
    seal_blob,
)
from hark.identity.chain import MAX_CHAIN_BYTES
from hark.wire.ids import AccountId
from tests.identity_people import Person, fixed_random

ANNA, BORIS = Person.create("anna"), Person.create("boris")
ACCOUNT = ANNA.chain.account_id
BLOB = seal_blob(BlobKind.CHAIN, ACCOUNT, ANNA.chain.encode(), fixed_random("nonce"))


@pytest.mark.parametrize("kind", BlobKind)
@given(content=st.binary(max_size=3000))
def test_blobs_roundtrip(kind: BlobKind, content: bytes) -> None:
    blob = seal_blob(kind, ACCOUNT, content, fixed_random("nonce"))
    assert open_blob(kind, ACCOUNT, blob) == content


@pytest.mark.claim("S-3")
def test_a_blob_opens_for_its_account_and_kind_only() -> None:
    with pytest.raises(ForgedError):
        open_blob(BlobKind.ENVELOPE_KEY, ACCOUNT, BLOB)
    with pytest.raises(ForgedError):
        open_blob(BlobKind.CHAIN, BORIS.chain.account_id, BLOB)


@given(st.integers(0, len(BLOB) * 8 - 1))
def test_a_damaged_blob_is_refused(bit: int) -> None:
    damaged = bytearray(BLOB)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises((ForgedError, MalformedError)):
        open_blob(BlobKind.CHAIN, ACCOUNT, bytes(damaged))


@given(st.binary(max_size=64))
def test_any_bytes_are_refused(junk: bytes) -> None:
    with pytest.raises((ForgedError, MalformedError)):
        open_blob(BlobKind.CHAIN, ACCOUNT, junk)


def test_the_home_does_not_see_how_many_statements_there_are() -> None:
    sizes = [
        len(seal_blob(BlobKind.CHAIN, ACCOUNT, one.chain.encode(), fixed_random("n")))
        for one in (ANNA, ANNA.adds("anna-2"), ANNA.adds("anna-2", "anna-3"))
    ]
    assert sizes == [16 * 1024 + BLOB_OVERHEAD_BYTES] * 3


def test_the_longest_chain_fits_a_blob() -> None:
    blob = seal_blob(BlobKind.CHAIN, ACCOUNT, bytes(MAX_CHAIN_BYTES), fixed_random("n"))
    assert len(blob) <= MAX_BLOB_BYTES < 256 * 1024
    with pytest.raises(MalformedError):
        seal_blob(BlobKind.CHAIN, ACCOUNT, bytes(MAX_BLOB_BYTES), fixed_random("n"))


@pytest.mark.parametrize(
    "plaintext",
    [
        b"\0\0\0\4abcd",  # no padding
        b"\0\0\0\4abcd".ljust(127, b"\0") + b"x",  # something in the padding
        b"\0\0\xff\xff".ljust(128, b"\0"),  # longer than what is there
        b"".ljust(3, b"\0"),
        b"\0\0\0\4abcd".ljust(256, b"\0"),  # padded too far
    ],
)
def test_who_knows_the_key_still_has_to_keep_the_layout(plaintext: bytes) -> None:
    kind = BlobKind.FALLBACK_PREKEY
    nonce = bytes(NONCE_BYTES)
    aad = b"hark/bundle/1\0" + bytes([kind])
    blob = b"\1" + nonce + bundle_key(ACCOUNT).seal(nonce, plaintext, aad)
    with pytest.raises(MalformedError):
        open_blob(kind, ACCOUNT, blob)


def test_each_account_has_a_key_of_its_own() -> None:
    assert bundle_key(ACCOUNT).raw != bundle_key(AccountId(bytes(32))).raw

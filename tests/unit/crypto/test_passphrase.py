import pytest
from hypothesis import given
from hypothesis import strategies as st

from hark.crypto.hashing import sha256
from hark.crypto.passphrase import (
    CHECK_BYTES,
    WRAPPED_KEY_BYTES,
    Argon2Cost,
    unwrap_store_key,
    wrap_store_key,
)
from hark.errors import StoreDamagedError, StoreVersionError, WrongPassphraseError

CHEAP = Argon2Cost(memory_kib=32, passes=1, lanes=4)
STORE_KEY = bytes(range(32))


def counting(count: int) -> bytes:
    return bytes(range(count))


WRAPPED = wrap_store_key(STORE_KEY, "correct horse", counting, CHEAP)


def resealed(record: bytes) -> bytes:
    """A record whose check at the end is right again."""
    return record + sha256(record)[:CHECK_BYTES]


def test_wrapping_and_unwrapping_roundtrip() -> None:
    assert len(WRAPPED) == WRAPPED_KEY_BYTES
    assert unwrap_store_key(WRAPPED, "correct horse") == STORE_KEY


@pytest.mark.claim("D-1")
def test_the_default_cost_is_that_of_the_second_choice_of_rfc_9106() -> None:
    wrapped = wrap_store_key(STORE_KEY, "Pässwort", counting)
    assert wrapped[1:10] == (65536).to_bytes(4, "big") + (3).to_bytes(4, "big") + b"\4"
    assert unwrap_store_key(wrapped, "Pässwort") == STORE_KEY


@pytest.mark.parametrize("wrong", ["", "correct horse ", "Correct horse", "\udcff"])
@pytest.mark.claim("D-1")
def test_a_wrong_passphrase_is_told_from_damage(wrong: str) -> None:
    with pytest.raises(WrongPassphraseError):
        unwrap_store_key(WRAPPED, wrong)


@given(st.integers(0, WRAPPED_KEY_BYTES * 8 - 1))
def test_damage_is_told_from_a_wrong_passphrase(bit: int) -> None:
    damaged = bytearray(WRAPPED)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(StoreDamagedError):
        unwrap_store_key(bytes(damaged), "correct horse")


@given(st.binary(max_size=200))
def test_any_bytes_are_damage(junk: bytes) -> None:
    with pytest.raises(StoreDamagedError):
        unwrap_store_key(junk, "correct horse")


@pytest.mark.parametrize(
    ("at", "field"),
    [
        (1, (2**32 - 1).to_bytes(4, "big")),  # 4 TiB of memory
        (1, (31).to_bytes(4, "big")),  # less than Argon2 allows for four lanes
        (5, (17).to_bytes(4, "big")),
        (5, bytes(4)),
        (9, b"\0"),
        (9, b"\xff"),
        (0, b"\0"),
    ],
)
def test_a_record_cannot_ask_for_unbounded_work(at: int, field: bytes) -> None:
    record = bytearray(WRAPPED[:-CHECK_BYTES])
    record[at : at + len(field)] = field
    with pytest.raises(StoreDamagedError):
        unwrap_store_key(resealed(bytes(record)), "correct horse")


def test_a_record_of_a_newer_version_says_so() -> None:
    with pytest.raises(StoreVersionError):
        unwrap_store_key(resealed(b"\2" + WRAPPED[1:-CHECK_BYTES]), "correct horse")


def test_the_parameters_are_authenticated() -> None:
    record = bytearray(WRAPPED[:-CHECK_BYTES])
    record[5:9] = (2).to_bytes(4, "big")
    with pytest.raises(WrongPassphraseError):
        unwrap_store_key(resealed(bytes(record)), "correct horse")


def test_a_cost_out_of_bounds_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="bounded"):
        wrap_store_key(STORE_KEY, "x", counting, Argon2Cost(memory_kib=1))

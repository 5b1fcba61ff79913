import pytest
from hypothesis import given
from hypothesis import strategies as st

from hark.crypto.xwing import OVERHEAD_BYTES, PUBLIC_BYTES, EnvelopeSecret, seal
from hark.errors import ForgedError, MalformedError

SECRET = EnvelopeSecret(bytes(range(32)))
SEALED = seal(SECRET.public, b"info", b"plaintext")


def test_sealing_and_opening_roundtrip() -> None:
    for plaintext in (b"", b"x", bytes(70_000)):
        sealed = seal(SECRET.public, b"info", plaintext)
        assert len(sealed) == len(plaintext) + OVERHEAD_BYTES
        assert SECRET.open(b"info", sealed) == plaintext


@pytest.mark.claim("S-1")
def test_another_key_or_info_does_not_open() -> None:
    with pytest.raises(ForgedError):
        SECRET.open(b"other", SEALED)
    with pytest.raises(ForgedError):
        EnvelopeSecret(bytes(32)).open(b"info", SEALED)


@given(st.integers(0, len(SEALED) * 8 - 1))
def test_a_sealed_value_with_one_bit_changed_does_not_open(bit: int) -> None:
    damaged = bytearray(SEALED)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ForgedError):
        SECRET.open(b"info", bytes(damaged))


@given(st.binary(max_size=1300))
def test_any_bytes_are_refused_with_the_one_error(junk: bytes) -> None:
    with pytest.raises(ForgedError):
        SECRET.open(b"info", junk)


@pytest.mark.parametrize("cut", [0, 1, 31, 1088, 1119, 1120, 1135])
def test_a_cut_off_sealed_value_does_not_open(cut: int) -> None:
    with pytest.raises(ForgedError):
        SECRET.open(b"info", SEALED[:cut])


def test_a_share_of_small_order_does_not_open() -> None:
    damaged = SEALED[:1088] + bytes(32) + SEALED[1120:]
    with pytest.raises(ForgedError):
        SECRET.open(b"info", damaged)


@pytest.mark.parametrize(
    "public",
    [
        b"",
        SECRET.public[:-1],
        SECRET.public + b"\0",
        SECRET.public[:1184] + bytes(32),  # X25519 point of small order
        b"\xff" * 1184 + SECRET.public[1184:],  # coefficients above the modulus
    ],
    ids=["empty", "short", "long", "small order", "not reduced"],
)
def test_an_unusable_public_key_is_malformed(public: bytes) -> None:
    with pytest.raises(MalformedError):
        seal(public, b"info", b"plaintext")


def test_the_public_key_depends_on_the_seed_only() -> None:
    assert EnvelopeSecret(bytes(range(32))).public == SECRET.public
    assert EnvelopeSecret.generate(lambda count: bytes(range(count))).public == SECRET.public
    assert len(SECRET.public) == PUBLIC_BYTES


def test_a_secret_shows_nothing_when_it_is_printed() -> None:
    assert SECRET.seed.hex() not in repr(SECRET)

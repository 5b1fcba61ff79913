import pytest

from hark.crypto.aead import AeadKey
from hark.errors import ForgedError

KEY = AeadKey(bytes(range(32)))
NONCE = bytes(12)


def test_sealing_and_opening_roundtrip() -> None:
    sealed = KEY.seal(NONCE, b"plaintext", b"aad")
    assert len(sealed) == len(b"plaintext") + 16
    assert KEY.open(NONCE, sealed, b"aad") == b"plaintext"


@pytest.mark.parametrize(
    "damage", ["nonce", "aad", "key", "cut", "bit", "empty", "short nonce"]
)
def test_anything_else_is_refused(damage: str) -> None:
    sealed = KEY.seal(NONCE, b"plaintext", b"aad")
    cases = {
        "nonce": (KEY, b"\1" * 12, sealed, b"aad"),
        "aad": (KEY, NONCE, sealed, b""),
        "key": (AeadKey(bytes(32)), NONCE, sealed, b"aad"),
        "cut": (KEY, NONCE, sealed[:-1], b"aad"),
        "bit": (KEY, NONCE, bytes([sealed[0] ^ 1]) + sealed[1:], b"aad"),
        "empty": (KEY, NONCE, b"", b"aad"),
        "short nonce": (KEY, b"", sealed, b"aad"),
    }
    key, nonce, given, aad = cases[damage]
    with pytest.raises(ForgedError):
        key.open(nonce, given, aad)


def test_a_key_shows_no_secret_when_it_is_printed() -> None:
    assert KEY.raw.hex() not in repr(KEY)


def test_a_key_of_another_length_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        AeadKey(b"short")

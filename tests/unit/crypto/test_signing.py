import pytest
from hypothesis import given
from hypothesis import strategies as st

from hark.crypto.labels import Label
from hark.crypto.signing import (
    COMPOSITE_SIGNATURE_BYTES,
    ED25519_SIGNATURE_BYTES,
    CompositeKey,
    CompositePublicKey,
    SigningKey,
    VerifyKey,
)
from hark.errors import ForgedError, MalformedError

KEY = SigningKey.from_seed(bytes(range(32)))
COMPOSITE = CompositeKey.from_seed(bytes(range(32)))
OTHER_COMPOSITE = CompositeKey.from_seed(bytes(32))
MESSAGE = b"what is signed"
COMPOSITE_SIGNATURE = COMPOSITE.sign(Label.STATEMENT, MESSAGE)


def test_a_signature_holds_for_its_label_and_message_only() -> None:
    signature = KEY.sign(Label.LOGIN, MESSAGE)
    KEY.public.verify(Label.LOGIN, MESSAGE, signature)
    for label, message in [(Label.CUSTODY, MESSAGE), (Label.LOGIN, MESSAGE + b"!")]:
        with pytest.raises(ForgedError):
            KEY.public.verify(label, message, signature)


@given(st.integers(0, ED25519_SIGNATURE_BYTES * 8 - 1))
def test_a_signature_with_one_bit_changed_is_refused(bit: int) -> None:
    signature = bytearray(KEY.sign(Label.LOGIN, MESSAGE))
    signature[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ForgedError):
        KEY.public.verify(Label.LOGIN, MESSAGE, bytes(signature))


@pytest.mark.parametrize("length", [0, 1, 63, 65, 128])
def test_a_signature_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ForgedError):
        KEY.public.verify(Label.LOGIN, MESSAGE, bytes(length))


SMALL_ORDER_KEYS = [
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
]


@pytest.mark.parametrize("raw", SMALL_ORDER_KEYS)
def test_a_key_under_which_one_signature_fits_all_messages_is_refused(raw: bytes) -> None:
    # R = the key itself (or the neutral point) and s = 0 pass a check that is not strict.
    for commitment in (raw, b"\x01" + bytes(31)):
        for message in range(64):
            with pytest.raises(ForgedError):
                VerifyKey(raw).verify(Label.LOGIN, bytes([message]), commitment + bytes(32))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_verify_key_of_another_length_is_malformed(length: int) -> None:
    with pytest.raises(MalformedError):
        VerifyKey(bytes(length))


def test_generate_uses_the_given_randomness_only() -> None:
    assert SigningKey.generate(lambda count: bytes(range(count))).public == KEY.public
    made = CompositeKey.generate(lambda count: bytes(range(count)))
    assert made.public == COMPOSITE.public


def test_a_composite_signature_holds_for_its_label_and_message_only() -> None:
    assert len(COMPOSITE_SIGNATURE) == COMPOSITE_SIGNATURE_BYTES
    COMPOSITE.public.verify(Label.STATEMENT, MESSAGE, COMPOSITE_SIGNATURE)
    for label, message in [(Label.ROOT_PROOF, MESSAGE), (Label.STATEMENT, b"")]:
        with pytest.raises(ForgedError):
            COMPOSITE.public.verify(label, message, COMPOSITE_SIGNATURE)


@pytest.mark.claim("R-3")
def test_a_composite_signature_needs_both_halves() -> None:
    other = OTHER_COMPOSITE.sign(Label.STATEMENT, MESSAGE)
    split = ED25519_SIGNATURE_BYTES
    only_ed25519 = COMPOSITE_SIGNATURE[:split] + other[split:]
    only_mldsa = other[:split] + COMPOSITE_SIGNATURE[split:]
    for half in (only_ed25519, only_mldsa):
        with pytest.raises(ForgedError):
            COMPOSITE.public.verify(Label.STATEMENT, MESSAGE, half)


def test_each_half_of_a_composite_signature_is_bound_to_the_label() -> None:
    # One half made for another label, the other for the right one.
    other = COMPOSITE.sign(Label.ROOT_PROOF, MESSAGE)
    split = ED25519_SIGNATURE_BYTES
    for mixed in (
        other[:split] + COMPOSITE_SIGNATURE[split:],
        COMPOSITE_SIGNATURE[:split] + other[split:],
    ):
        with pytest.raises(ForgedError):
            COMPOSITE.public.verify(Label.STATEMENT, MESSAGE, mixed)


@given(st.integers(0, COMPOSITE_SIGNATURE_BYTES * 8 - 1))
def test_a_composite_signature_with_one_bit_changed_is_refused(bit: int) -> None:
    signature = bytearray(COMPOSITE_SIGNATURE)
    signature[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ForgedError):
        COMPOSITE.public.verify(Label.STATEMENT, MESSAGE, bytes(signature))


@pytest.mark.parametrize("length", [0, 64, 3372, 3374])
def test_a_composite_signature_of_another_length_is_refused(length: int) -> None:
    signature = (COMPOSITE_SIGNATURE + bytes(1))[:length]
    with pytest.raises(ForgedError):
        COMPOSITE.public.verify(Label.STATEMENT, MESSAGE, signature)


def test_a_composite_public_key_roundtrips_and_refuses_other_lengths() -> None:
    encoded = COMPOSITE.public.encode()
    assert CompositePublicKey.parse(encoded) == COMPOSITE.public
    for wrong in (b"", encoded[:-1], encoded + b"\0"):
        with pytest.raises(MalformedError):
            CompositePublicKey.parse(wrong)


def test_a_private_key_shows_no_secret_when_it_is_printed() -> None:
    for key in (KEY, COMPOSITE):
        assert key.seed.hex() not in repr(key)
        assert repr(key.seed) not in repr(key)

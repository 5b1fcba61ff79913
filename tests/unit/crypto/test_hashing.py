import hashlib

from hark.crypto.hashing import equal, hkdf, labelled_hash, sha256
from hark.crypto.labels import Label


def test_a_labelled_hash_is_sha256_over_label_and_parts() -> None:
    expected = hashlib.sha256(b"hark/bind/1\0onetwo").digest()
    assert labelled_hash(Label.BIND, b"one", b"two") == expected
    assert sha256(b"one", b"two") == hashlib.sha256(b"onetwo").digest()


def test_derived_keys_differ_by_label_salt_and_secret() -> None:
    derived = {
        hkdf(b"s" * 32, Label.BUNDLE_KEY, 32),
        hkdf(b"s" * 32, Label.SAS, 32),
        hkdf(b"s" * 32, Label.BUNDLE_KEY, 32, salt=b"x"),
        hkdf(b"t" * 32, Label.BUNDLE_KEY, 32),
    }
    assert len(derived) == 4


def test_comparison_tells_equal_from_unequal() -> None:
    assert equal(b"abc", b"abc")
    assert not equal(b"abc", b"abd")
    assert not equal(b"abc", b"ab")

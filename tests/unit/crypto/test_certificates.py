import warnings

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from hark.crypto.certificates import (
    MAX_CERTIFICATE_BYTES,
    NOT_AFTER,
    NOT_BEFORE,
    key_of_certificate,
    make_certificate,
    node_id_of_certificate,
    node_id_of_key,
)
from hark.crypto.hashing import sha256
from hark.crypto.signing import SigningKey
from hark.errors import MalformedError

KEY = SigningKey.from_seed(bytes(range(32)))
PEM, KEY_PEM = make_certificate(KEY)
DER = x509.load_pem_x509_certificate(PEM).public_bytes(Encoding.DER)


def test_the_node_id_of_a_certificate_is_the_hash_of_its_key() -> None:
    assert node_id_of_certificate(DER) == node_id_of_key(KEY.public) == sha256(KEY.public.raw)


def test_the_same_key_gives_the_same_certificate() -> None:
    assert make_certificate(KEY) == (PEM, KEY_PEM)
    assert KEY_PEM.startswith(b"-----BEGIN PRIVATE KEY-----")


def test_the_certificate_signs_itself() -> None:
    certificate = x509.load_pem_x509_certificate(PEM)
    certificate.verify_directly_issued_by(certificate)


def test_a_certificate_with_another_kind_of_key_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    other = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, NOT_BEFORE, NOT_AFTER)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    with pytest.raises(MalformedError):
        node_id_of_certificate(other)


def test_a_key_elsewhere_in_a_certificate_does_not_count() -> None:
    # An attacker names the victim's key, byte for byte, in the subject of his own certificate.
    victim = SigningKey.from_seed(bytes(32)).public
    prefix = bytes.fromhex("302a300506032b6570032100")
    assert prefix + KEY.public.raw in DER
    assert node_id_of_certificate(DER) != node_id_of_key(victim)


@given(at=st.integers(0, len(DER) - 1), replacement=st.binary(max_size=3))
def test_a_damaged_certificate_is_refused_or_speaks_for_the_key_in_it(
    at: int, replacement: bytes
) -> None:
    damaged = DER[:at] + replacement + DER[at + len(replacement) :]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            key = key_of_certificate(damaged)
        except MalformedError:
            return
    assert key.raw in damaged


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_with_the_one_error(junk: bytes) -> None:
    with pytest.raises(MalformedError):
        node_id_of_certificate(junk)


def test_an_endless_certificate_is_not_parsed() -> None:
    with pytest.raises(MalformedError):
        node_id_of_certificate(DER + bytes(MAX_CERTIFICATE_BYTES))

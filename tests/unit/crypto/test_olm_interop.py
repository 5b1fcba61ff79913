"""A second implementation of the ratchet, libolm, reads ours and writes for us."""

from base64 import b64decode, b64encode

import pytest

from hark.crypto.labels import Label
from hark.crypto.olm import OlmAccount

olm = pytest.importorskip("olm", reason="python-olm is not installed")


def encoded(raw: bytes) -> str:
    return b64encode(raw).rstrip(b"=").decode("ascii")


def decoded(text: str) -> bytes:
    return b64decode(text + "=" * (-len(text) % 4))


def libolm_body(message: object) -> bytes:
    return decoded(message.ciphertext)  # type: ignore[attr-defined]


def test_we_open_a_session_and_libolm_follows_through_many_turns() -> None:
    ours, theirs = OlmAccount.create(), olm.Account()
    theirs.generate_one_time_keys(1)
    (one_time_key,) = theirs.one_time_keys["curve25519"].values()
    their_curve = theirs.identity_keys["curve25519"]
    session = ours.outbound_session(decoded(their_curve), decoded(one_time_key))
    olm_type, body = session.encrypt(b"first")
    assert olm_type == 0
    first = olm.OlmPreKeyMessage(encoded(body))
    far = olm.InboundSession(theirs, first, encoded(ours.curve_key))
    assert far.decrypt(first) == "first"
    for turn in range(10):
        answer = far.encrypt(f"answer {turn}")
        assert session.decrypt(1, libolm_body(answer)) == f"answer {turn}".encode()
        olm_type, body = session.encrypt(f"turn {turn}".encode())
        assert olm_type == 1
        assert far.decrypt(olm.OlmMessage(encoded(body))) == f"turn {turn}"
    assert far.id == session.session_id


def test_libolm_opens_a_session_and_we_follow_through_many_turns() -> None:
    ours, theirs = OlmAccount.create(), olm.Account()
    (one_time_key,) = ours.generate_one_time_keys(1)
    far = olm.OutboundSession(theirs, encoded(ours.curve_key), encoded(one_time_key))
    first = libolm_body(far.encrypt("first"))
    their_curve = decoded(theirs.identity_keys["curve25519"])
    session, plaintext = ours.inbound_session(their_curve, 0, first)
    assert plaintext == b"first"
    for turn in range(10):
        _, body = session.encrypt(f"answer {turn}".encode())
        assert far.decrypt(olm.OlmMessage(encoded(body))) == f"answer {turn}"
        assert session.decrypt(1, libolm_body(far.encrypt(f"turn {turn}"))) == (
            f"turn {turn}".encode()
        )


def test_a_fallback_key_of_ours_opens_a_session_for_libolm() -> None:
    ours, theirs = OlmAccount.create(), olm.Account()
    far = olm.OutboundSession(theirs, encoded(ours.curve_key), encoded(ours.rotate_fallback()))
    their_curve = decoded(theirs.identity_keys["curve25519"])
    assert ours.inbound_session(their_curve, 0, libolm_body(far.encrypt("hi")))[1] == b"hi"


def test_libolm_verifies_what_a_device_signs() -> None:
    ours = OlmAccount.create()
    signature = ours.sign(Label.ENVELOPE_KEY, b"record")
    message = (Label.ENVELOPE_KEY + b"record").decode("ascii")
    olm.ed25519_verify(encoded(ours.ed_key), message, encoded(signature))
    with pytest.raises(olm.OlmVerifyError):
        olm.ed25519_verify(encoded(ours.ed_key), message + "!", encoded(signature))

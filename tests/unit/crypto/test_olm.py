"""The ratchet wrapper: what it promises to callers, and what a hostile message cannot do."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hark.crypto import olm
from hark.crypto.labels import Label
from hark.crypto.olm import NORMAL, PRE_KEY, OlmAccount, OlmSession, PickleKey
from hark.errors import ForgedError, StoreDamagedError

KEY = PickleKey(bytes(range(32)))


def pair() -> tuple[OlmAccount, OlmAccount, OlmSession, OlmSession]:
    """Two devices with a session between them that both have used."""
    alice, bob = OlmAccount.create(), OlmAccount.create()
    (one_time_key,) = bob.generate_one_time_keys(1)
    ours = alice.outbound_session(bob.curve_key, one_time_key)
    theirs, _ = bob.inbound_session(alice.curve_key, *ours.encrypt(b"first"))
    ours.decrypt(*theirs.encrypt(b"answer"))
    return alice, bob, ours, theirs


def test_the_first_message_opens_a_session_on_both_sides() -> None:
    alice, bob = OlmAccount.create(), OlmAccount.create()
    (one_time_key,) = bob.generate_one_time_keys(1)
    ours = alice.outbound_session(bob.curve_key, one_time_key)
    olm_type, body = ours.encrypt(b"hello")
    assert olm_type == PRE_KEY
    theirs, plaintext = bob.inbound_session(alice.curve_key, olm_type, body)
    assert plaintext == b"hello"
    assert theirs.session_id == ours.session_id
    assert theirs.matches(body)
    back_type, back = theirs.encrypt(b"hello back")
    assert back_type == NORMAL
    assert ours.decrypt(back_type, back) == b"hello back"


def test_accounts_and_sessions_survive_their_pickles() -> None:
    alice, bob, ours, theirs = pair()
    again = OlmAccount.from_pickle(alice.pickle(KEY), KEY)
    assert (again.curve_key, again.ed_key) == (alice.curve_key, alice.ed_key)
    loaded = OlmSession.from_pickle(ours.pickle(KEY), KEY)
    assert theirs.decrypt(*loaded.encrypt(b"after")) == b"after"
    assert OlmAccount.from_pickle(bob.pickle(KEY), KEY).pickle(KEY) == bob.pickle(KEY)


@pytest.mark.parametrize("damage", ["key", "cut", "bit", "empty", "not ascii"])
def test_a_pickle_that_does_not_open_is_a_damaged_store(damage: str) -> None:
    alice, _, ours, _ = pair()
    other = PickleKey(bytes(32))
    for value in (alice, ours):
        data = value.pickle(KEY)
        given, key = {
            "key": (data, other),
            "cut": (data[:-8], KEY),
            "bit": (data[:40] + (b"A" if data[40:41] != b"A" else b"B") + data[41:], KEY),
            "empty": (b"", KEY),
            "not ascii": (b"\xff" + data, KEY),
        }[damage]
        with pytest.raises(StoreDamagedError):
            type(value).from_pickle(given, key)


def test_the_device_signs_with_its_ed25519_key() -> None:
    alice = OlmAccount.create()
    signature = alice.sign(Label.ENVELOPE_KEY, b"record")
    alice.public.verify(Label.ENVELOPE_KEY, b"record", signature)
    with pytest.raises(ForgedError):
        alice.public.verify(Label.ONE_TIME_PREKEY, b"record", signature)


def test_new_one_time_keys_are_returned_once_each() -> None:
    bob = OlmAccount.create()
    first, second = bob.generate_one_time_keys(3), bob.generate_one_time_keys(2)
    assert len(set(first) | set(second)) == 5
    assert sorted(first + second) == bob.unpublished_one_time_keys()
    bob.mark_published()
    assert bob.unpublished_one_time_keys() == []


def test_a_one_time_key_opens_one_session_only() -> None:
    alice, bob = OlmAccount.create(), OlmAccount.create()
    (one_time_key,) = bob.generate_one_time_keys(1)
    ours = alice.outbound_session(bob.curve_key, one_time_key)
    message = ours.encrypt(b"hello")
    bob.inbound_session(alice.curve_key, *message)
    with pytest.raises(ForgedError):
        bob.inbound_session(alice.curve_key, *message)


def test_a_fallback_key_lives_until_the_second_rotation_after_it() -> None:
    alice, bob = OlmAccount.create(), OlmAccount.create()
    fallback = bob.rotate_fallback()
    bob.mark_published()
    message = alice.outbound_session(bob.curve_key, fallback).encrypt(b"hello")
    bob.rotate_fallback()
    assert bob.inbound_session(alice.curve_key, *message)[1] == b"hello"
    bob.rotate_fallback()
    with pytest.raises(ForgedError):
        bob.inbound_session(alice.curve_key, *message)


def test_a_refused_first_message_does_not_use_up_the_one_time_key() -> None:
    alice, mallory, bob = OlmAccount.create(), OlmAccount.create(), OlmAccount.create()
    (one_time_key,) = bob.generate_one_time_keys(1)
    olm_type, body = alice.outbound_session(bob.curve_key, one_time_key).encrypt(b"hello")
    for hostile in (
        (mallory.curve_key, olm_type, body),
        (alice.curve_key, olm_type, body[:-1] + bytes([body[-1] ^ 1])),
        (alice.curve_key, NORMAL, body),
        (b"short", olm_type, body),
    ):
        with pytest.raises(ForgedError):
            bob.inbound_session(*hostile)
    assert bob.inbound_session(alice.curve_key, olm_type, body)[1] == b"hello"


def test_a_replayed_or_altered_message_leaves_the_session_as_it_was() -> None:
    _, _, ours, theirs = pair()
    olm_type, body = ours.encrypt(b"one")
    before = theirs.pickle(KEY)
    with pytest.raises(ForgedError):
        theirs.decrypt(olm_type, body[:-1] + bytes([body[-1] ^ 1]))
    assert theirs.pickle(KEY) == before
    assert theirs.decrypt(olm_type, body) == b"one"
    with pytest.raises(ForgedError):
        theirs.decrypt(olm_type, body)


def test_messages_out_of_order_decrypt_while_forty_keys_are_kept() -> None:
    _, _, ours, theirs = pair()
    messages = [ours.encrypt(bytes([number])) for number in range(40)]
    for number in reversed(range(40)):
        assert theirs.decrypt(*messages[number]) == bytes([number])


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33), bytes(32), b"\1" + bytes(31)])
def test_no_session_is_opened_with_an_unusable_key(key: bytes) -> None:
    alice, bob = OlmAccount.create(), OlmAccount.create()
    with pytest.raises(ForgedError):
        alice.outbound_session(key, bob.curve_key)
    with pytest.raises(ForgedError):
        alice.outbound_session(bob.curve_key, key)


ALICE, BOB, OURS, THEIRS = pair()
_FIRST = OlmAccount.create().outbound_session(BOB.curve_key, BOB.generate_one_time_keys(1)[0])
PRE_KEY_BODY = _FIRST.encrypt(b"never opened: of an unknown sender")[1]
NORMAL_BODY = OURS.encrypt(b"never opened: always damaged")[1]


@given(
    body=st.sampled_from([PRE_KEY_BODY, NORMAL_BODY]),
    at=st.integers(0, 200),
    cut=st.integers(0, 4),
    insert=st.binary(max_size=4),
    olm_type=st.sampled_from([0, 1, 2, -1, 255, 2**32, 2**64]),
)
def test_a_damaged_message_is_refused_with_the_one_error(
    body: bytes, at: int, cut: int, insert: bytes, olm_type: int
) -> None:
    damaged = body[:at] + insert + body[at + cut :]
    with pytest.raises(ForgedError):
        BOB.inbound_session(ALICE.curve_key, olm_type, damaged)
    if damaged != NORMAL_BODY:
        with pytest.raises(ForgedError):
            THEIRS.decrypt(olm_type, damaged)
    with suppress(ForgedError):
        THEIRS.matches(damaged)


def test_a_panic_inside_the_library_is_a_message_that_does_not_open() -> None:
    panic = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})
    with pytest.raises(ForgedError), olm._library_errors_as(ForgedError("refused")):
        raise panic
    with pytest.raises(KeyboardInterrupt), olm._library_errors_as(ForgedError("refused")):
        raise KeyboardInterrupt

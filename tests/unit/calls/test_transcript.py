"""The hashes of a call's set-up tell every two set-ups apart."""

from hark.calls import transcript
from hark.crypto.hashing import sha256

SETUP = bytes(32)
NONCE = bytes([7]) * 32


def test_the_hashes_are_those_of_the_text() -> None:
    offer, answer, batch = b"offer", b"the answer", b"batch"
    setup = sha256(b"hark/call-setup/1\0\0\0\0\x05offer\0\0\0\x0athe answer")
    caller = sha256(b"hark/call-transcript/1\0", setup, b"\0\x01\0\0\0\x05batch")
    full = sha256(b"hark/call-transcript/1\0", caller, NONCE, b"\0\0")
    assert transcript.commitment(NONCE) == sha256(b"hark/call-commit/1\0", NONCE)
    assert transcript.offer_hash(offer) == sha256(b"hark/call-offer/1\0offer")
    assert transcript.setup_hash(offer, answer) == setup
    assert transcript.caller_transcript(setup, [batch]) == caller
    assert transcript.full_transcript(caller, NONCE, []) == full


def test_a_byte_that_moves_from_offer_to_answer_changes_the_setup() -> None:
    assert transcript.setup_hash(b"ab", b"c") != transcript.setup_hash(b"a", b"bc")


def test_batches_that_are_cut_elsewhere_dropped_or_exchanged_change_the_transcript() -> None:
    several = [[b"ab", b"c"], [b"a", b"bc"], [b"abc"], [b"c", b"ab"], [b"ab"], []]
    assert len({transcript.caller_transcript(SETUP, one) for one in several}) == len(several)
    assert len({transcript.full_transcript(SETUP, NONCE, one) for one in several}) == len(
        several
    )


def test_the_two_transcripts_of_one_call_differ() -> None:
    caller = transcript.caller_transcript(SETUP, [])
    assert transcript.full_transcript(caller, NONCE, []) != caller

"""What two devices agree on while they set up a call, as hashes of what they have sent.

Signals are hashed as they were carried. Everything of no fixed length is preceded by its
length, so no two sequences of signals give one input. Source: spec/calls.md#transcript.
"""

from collections.abc import Sequence

from hark.crypto.hashing import labelled_hash
from hark.crypto.labels import Label


def commitment(nonce: bytes) -> bytes:
    """Return what an offer says of the caller's nonce: it can neither be read nor changed."""
    return labelled_hash(Label.CALL_COMMITMENT, nonce)


def offer_hash(offer: bytes) -> bytes:
    """Return how an answer names the offer that it answers."""
    return labelled_hash(Label.CALL_OFFER, offer)


def setup_hash(offer: bytes, answer: bytes) -> bytes:
    """Return the hash of an offer and its answer: keys and emoji come from it."""
    return labelled_hash(Label.CALL_SETUP, _counted(offer), _counted(answer))


def caller_transcript(setup: bytes, batches: Sequence[bytes]) -> bytes:
    """Return what the caller confirms.

    Args:
        setup: the `setup_hash`.
        batches: the caller's `CallCandidates` signals of connection 1, in order.
    """
    return labelled_hash(Label.CALL_TRANSCRIPT, setup, _all(batches))


def full_transcript(caller: bytes, caller_nonce: bytes, batches: Sequence[bytes]) -> bytes:
    """Return what the callee confirms.

    Args:
        caller: the `caller_transcript`.
        caller_nonce: 32 bytes, as revealed.
        batches: the callee's `CallCandidates` signals of connection 1, in order.
    """
    return labelled_hash(Label.CALL_TRANSCRIPT, caller, caller_nonce, _all(batches))


def _all(signals: Sequence[bytes]) -> bytes:
    return len(signals).to_bytes(2, "big") + b"".join(map(_counted, signals))


def _counted(signal: bytes) -> bytes:
    return len(signal).to_bytes(4, "big") + signal

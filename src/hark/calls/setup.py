"""What makes two ends of a call sure of each other: offer, answer, transcript, emoji.

The caller is committed to its nonce before it sees the callee's, and both confirm what they
have seen. The checks, by number:

1. Offer: the keys by which the two know each other are the same on both sides.
2. Offer and answer: there is a voice stream that can be received.
3. Offer and answer: nothing of ours comes back.
4. Answer: it is to the very offer that we have sent.
5. Confirmation of the caller: the nonce is the one of the commitment.
6. Both confirmations: each side has sent exactly what the other has received.

Whether a signal may come at all, and from this device, is the business of `signals`.
Source: spec/calls.md#set-up.
"""

from typing import NamedTuple

from hark.calls import transcript
from hark.calls.candidates import OwnCandidates, PeerCandidates
from hark.calls.events import Peer
from hark.calls.keys import media_keys, short_authentication
from hark.calls.media import MediaKeys
from hark.calls.refusal import SignalRefusedError
from hark.crypto.hashing import equal
from hark.identity.sas import Emoji
from hark.machine import RandomBytes
from hark.wire.call import (
    CallAnswer,
    CallCandidate,
    CallConfirm,
    CallOffer,
    CallStream,
    CallTransport,
    Refusal,
    StreamKind,
)
from hark.wire.codec import encode
from hark.wire.ids import AccountId, CallId, DeviceId

SECRET_BYTES = 32
NONCE_BYTES = 32
VOICE_STREAM = 0
"""Number of our voice stream."""


class Own(NamedTuple):
    """Who we are."""

    account: AccountId
    device: DeviceId


class Inline(NamedTuple):
    """Our end of a connection as an offer, answer or redial tells it."""

    transport: CallTransport
    candidates: list[CallCandidate]
    final: bool


class Setup:
    """The set-up of one call, as one of the two sees it."""

    def __init__(
        self, call: CallId, own: Own, peer: Peer, *, outgoing: bool, random_bytes: RandomBytes
    ) -> None:
        self.sas: tuple[Emoji, ...] = ()
        """Seven, once every check has passed."""
        self._call = call
        self._own = own
        self._peer = peer
        self._outgoing = outgoing
        self._secret = random_bytes(SECRET_BYTES)
        self._nonce = random_bytes(NONCE_BYTES)
        self._transports: list[CallTransport] = []
        self._offer: CallOffer | None = None
        self._answer: CallAnswer | None = None
        self._offer_body = b""
        self._device = DeviceId(b"")
        self._setup_hash = b""
        self._caller_transcript = b""
        self._peer_confirm: CallConfirm | None = None
        self._confirmed = False

    # Offer and answer.

    def make_offer(self, inline: Inline, *, records: bool) -> bytes:
        """Return our offer, encoded."""
        self._offer = CallOffer(
            self._call,
            transcript.commitment(self._nonce),
            self._secret,
            self._peer.own_epoch,
            self._peer.peer_epoch,
            [CallStream(VOICE_STREAM, StreamKind.VOICE)],
            inline.transport,
            inline.candidates,
            inline.final,
            records,
        )
        self._offer_body = encode(self._offer)
        return self._offer_body

    def take_offer(self, offer: CallOffer, body: bytes, device: DeviceId) -> None:
        """Check an offer (steps 1 to 3).

        Raises:
            SignalRefusedError: a check failed.
        """
        self._offer, self._offer_body = offer, body
        if (offer.caller_epoch, offer.callee_epoch) != (
            self._peer.peer_epoch,
            self._peer.own_epoch,
        ):
            raise SignalRefusedError(Refusal.KEYS_CHANGED)
        _voice_of(offer.streams)
        self._take_device(device)

    def make_answer(self, inline: Inline, *, records: bool) -> bytes:
        """Return our answer to the offer that was taken, encoded."""
        self._answer = CallAnswer(
            self._call,
            transcript.offer_hash(self._offer_body),
            self._nonce,
            self._secret,
            [CallStream(VOICE_STREAM, StreamKind.VOICE)],
            inline.transport,
            inline.candidates,
            inline.final,
            records,
        )
        body = encode(self._answer)
        self._setup_hash = transcript.setup_hash(self._offer_body, body)
        return body

    def take_answer(self, answer: CallAnswer, body: bytes, device: DeviceId) -> None:
        """Check an answer to our offer (steps 2 to 4).

        Raises:
            SignalRefusedError: a check failed.
        """
        if not equal(answer.offer_hash, transcript.offer_hash(self._offer_body)):
            raise SignalRefusedError(Refusal.WRONG_OFFER)
        _voice_of(answer.streams)
        if self.is_ours(answer.secret, answer.nonce, answer.transport):
            raise SignalRefusedError(Refusal.REFLECTED)
        self._take_device(device)
        self._answer = answer
        self._setup_hash = transcript.setup_hash(self._offer_body, body)

    def add_transport(self, transport: CallTransport) -> None:
        """Note an end of ours, to know it when it comes back."""
        self._transports.append(transport)

    def is_ours(self, secret: bytes, nonce: bytes, transport: CallTransport) -> bool:
        """Return whether one of these is something that we have made for this call.

        Args:
            secret: of an offer or answer.
            nonce: a nonce, or the commitment to one.
            transport: an end of a connection.
        """
        own_nonces = (self._nonce, transcript.commitment(self._nonce))
        return equal(secret, self._secret) or nonce in own_nonces or self.is_our_end(transport)

    def is_our_end(self, transport: CallTransport) -> bool:
        """Return whether an end of a connection has a name or a certificate of ours."""
        return any(
            transport.fingerprint == own.fingerprint or transport.username == own.username
            for own in self._transports
        )

    def _take_device(self, device: DeviceId) -> None:
        if device == self._own.device:
            # Its frames would be sealed under our own key.
            raise SignalRefusedError(Refusal.REFLECTED)
        self._device = device

    # Keys.

    def keys(self, connection: int) -> MediaKeys:
        """Return the secrets of a connection; only after the answer."""
        assert self._offer
        assert self._answer
        theirs = self._answer if self._outgoing else self._offer
        return media_keys(
            caller_secret=self._offer.secret,
            callee_secret=self._answer.secret,
            setup=self._setup_hash,
            own_device=self._own.device,
            peer_device=self._device,
            own_stream=VOICE_STREAM,
            peer_stream=_voice_of(theirs.streams),
            connection=connection,
        )

    # Confirmation.

    def take_confirm(self, confirm: CallConfirm) -> None:
        """Take the other side's confirmation (step 5); one that is not due changes nothing.

        Raises:
            SignalRefusedError: the caller's nonce is not the one of its commitment.
        """
        due = self._confirmed if self._outgoing else bool(self._setup_hash)
        if not due or self._peer_confirm is not None:
            return
        if self._outgoing == bool(confirm.nonce) or confirm.nonce == self._nonce:
            raise SignalRefusedError(Refusal.REFLECTED)
        if not self._outgoing:
            assert self._offer
            if not equal(transcript.commitment(confirm.nonce), self._offer.commitment):
                raise SignalRefusedError(Refusal.WRONG_NONCE)
        self._peer_confirm = confirm

    def lacks(self, theirs: PeerCandidates) -> bool:
        """Return whether a confirmation waits for candidates that it speaks of."""
        return self._peer_confirm is not None and not self.sas and not theirs.complete

    def advance(self, own: OwnCandidates, theirs: PeerCandidates) -> CallConfirm | None:
        """Check and confirm what can be by now (step 6).

        Args:
            own: our candidates of connection 1.
            theirs: the other side's.

        Returns:
            Our confirmation, when it is to be sent now.

        Raises:
            SignalRefusedError: the two have not seen the same signals.
        """
        if not self._setup_hash or self.sas:
            return None
        if self._outgoing:
            return self._advance_caller(own, theirs)
        return self._advance_callee(own, theirs)

    def _advance_caller(self, own: OwnCandidates, theirs: PeerCandidates) -> CallConfirm | None:
        confirm = None
        if own.final and not self._confirmed:
            self._confirmed = True
            self._caller_transcript = transcript.caller_transcript(self._setup_hash, own.bodies)
            confirm = CallConfirm(self._call, self._nonce, self._caller_transcript)
        if self._peer_confirm is not None and theirs.complete:
            self._compare(self._full(self._nonce, theirs.bodies))
            self._finish(self._nonce)
        return confirm

    def _advance_callee(self, own: OwnCandidates, theirs: PeerCandidates) -> CallConfirm | None:
        if self._peer_confirm is None or not theirs.complete:
            return None
        if not self._caller_transcript:
            seen = transcript.caller_transcript(self._setup_hash, theirs.bodies)
            self._compare(seen)
            self._caller_transcript = seen
        if not own.final:
            return None
        caller_nonce = self._peer_confirm.nonce
        self._finish(caller_nonce)
        return CallConfirm(self._call, b"", self._full(caller_nonce, own.bodies))

    def _full(self, caller_nonce: bytes, batches: list[bytes]) -> bytes:
        return transcript.full_transcript(self._caller_transcript, caller_nonce, batches)

    def _compare(self, seen: bytes) -> None:
        assert self._peer_confirm
        if not equal(self._peer_confirm.transcript, seen):
            raise SignalRefusedError(Refusal.WRONG_TRANSCRIPT)

    def _finish(self, caller_nonce: bytes) -> None:
        assert self._answer
        peer, own = self._peer, self._own
        caller, callee = own.account, peer.account
        caller_epoch, callee_epoch = peer.own_epoch, peer.peer_epoch
        if not self._outgoing:
            caller, callee = callee, caller
            caller_epoch, callee_epoch = callee_epoch, caller_epoch
        self.sas = short_authentication(
            caller_nonce=caller_nonce,
            callee_nonce=self._answer.nonce,
            setup=self._setup_hash,
            caller=caller,
            callee=callee,
            caller_epoch=caller_epoch,
            callee_epoch=callee_epoch,
        )


def _voice_of(streams: list[CallStream]) -> int:
    """Return the number of the first voice stream.

    Raises:
        SignalRefusedError: there is none.
    """
    for stream in streams:
        if stream.kind == StreamKind.VOICE:
            return stream.stream
    raise SignalRefusedError(Refusal.NO_VOICE)

"""The signals of a call: what two devices tell each other inside the ratchet, as mail.

A signal is the body of a message of type `CALL`; it has no life of its own outside: to a home
it is mail like any other. Everything in it is a typed, bounded field. There is no SDP: a peer
describes its end in these words, and nothing else of it reaches the media engine.
Signals are hashed as they were carried, so they are parsed canonically.
Source: spec/calls.md#signals.
"""

from enum import IntEnum
from ipaddress import IPv6Address, ip_address
from typing import Annotated

from hark.errors import MalformedError
from hark.wire.codec import Message, Meta, Parser
from hark.wire.mailbox import Bytes16, Bytes32

MAX_BATCH_CANDIDATES = 16
"""Candidates in one signal."""
MAX_CANDIDATES = 32
"""Candidates of one connection, all its signals together."""
MAX_BATCHES = 8
"""Further batches of candidates of one connection: a peer cannot flood the ratchet."""
MAX_STREAMS = 4
MAX_ADDRESS_CHARS = 45
"""The longest IPv6 address as text."""
MAX_SIGNAL_BYTES = 4_096
"""Longest encoded signal; an offer with 16 candidates takes about 1,500."""
MAX_CONNECTION = 65_535

U16 = Annotated[int, Meta(ge=1, le=MAX_CONNECTION)]
U32 = Annotated[int, Meta(ge=0, le=2**32 - 1)]
IceText = r"^[A-Za-z0-9+/]+\Z"
"""RFC 8839's `ice-char`s. (`$` would let a line end through.)"""


class CandidateKind(IntEnum):
    """What an address is (RFC 8445 section 5.1.1)."""

    HOST = 0
    REFLEXIVE = 1
    RELAYED = 2


class CallCandidate(Message):
    """An address where the sender may be reached over UDP. No related address is told."""

    kind: Annotated[int, Meta(ge=0, le=2)]
    """`CandidateKind`."""
    address: Annotated[str, Meta(min_length=2, max_length=MAX_ADDRESS_CHARS)]
    """An IP address in its canonical form; never a name."""
    port: Annotated[int, Meta(ge=1, le=65_535)]
    priority: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    foundation: Annotated[str, Meta(min_length=1, max_length=32, pattern=IceText)]


class CallTransport(Message):
    """One end of a connection: ICE credentials and the certificate that DTLS must show."""

    username: Annotated[str, Meta(min_length=4, max_length=64, pattern=IceText)]
    password: Annotated[str, Meta(min_length=22, max_length=128, pattern=IceText)]
    fingerprint: Bytes32
    """SHA-256 of the DTLS certificate."""


class StreamKind(IntEnum):
    """What a stream carries."""

    VOICE = 0


class CallStream(Message):
    """One stream of media that the sender will send."""

    stream: Annotated[int, Meta(ge=0, le=255)]
    """Names the stream in key ids (spec/calls.md#key-ids)."""
    kind: Annotated[int, Meta(ge=0, le=255)]
    """`StreamKind`; streams of another kind are not received."""


Candidates = Annotated[list[CallCandidate], Meta(max_length=MAX_BATCH_CANDIDATES)]
Streams = Annotated[list[CallStream], Meta(min_length=1, max_length=MAX_STREAMS)]


class CallOffer(Message, tag=1):
    """I am calling you. The same bytes go to every device of the callee."""

    call: Bytes16
    """Random name of the call."""
    commitment: Bytes32
    """Labelled hash of the caller's nonce, which is revealed after the answer."""
    secret: Bytes32
    """The caller's part of the media keys."""
    caller_epoch: U32
    callee_epoch: U32
    """Epochs of the two accounts as the caller knows them; others void the call."""
    streams: Streams
    transport: CallTransport
    candidates: Candidates
    final: bool
    """Whether no more candidates will follow."""
    records: bool
    """Whether the caller records from the start."""


class CallRinging(Message, tag=2):
    """This device rings."""

    call: Bytes16


class CallRingConfirmed(Message, tag=3):
    """I am here and waiting: your ring is not an old one that somebody kept back."""

    call: Bytes16


class CallAnswer(Message, tag=4):
    """This device takes the call."""

    call: Bytes16
    offer_hash: Bytes32
    """Labelled hash of the offer as it came."""
    nonce: Bytes32
    """The callee's nonce, in clear: the caller is committed to its own already."""
    secret: Bytes32
    streams: Streams
    transport: CallTransport
    candidates: Candidates
    final: bool
    records: bool


class CallCandidates(Message, tag=5):
    """More addresses of the sender, for one connection."""

    call: Bytes16
    connection: U16
    batch: Annotated[int, Meta(ge=1, le=MAX_BATCHES)]
    """Counts the batches of this connection and sender from 1."""
    candidates: Candidates
    final: bool


class CallConfirm(Message, tag=6):
    """My candidates are final, and this is the transcript as I have seen it."""

    call: Bytes16
    nonce: Annotated[bytes, Meta(max_length=32)]
    """The caller's nonce, 32 bytes; empty from the callee."""
    transcript: Bytes32


class EndReason(IntEnum):
    """Why a device ends a call, or its part in it."""

    HUNG_UP = 0
    CANCELLED = 1
    """The caller has given up before anybody answered."""
    DECLINED = 2
    BUSY = 3
    NO_ANSWER = 4
    ELSEWHERE = 5
    """Another device of the callee has answered or declined."""
    GLARE = 6
    """Both called at once, and the other call goes on."""
    FAILED = 7
    """No media path could be made."""
    LOST = 8
    """The path broke and could not be made again."""
    REFUSED = 9
    """A signal was not what it must be; `detail` says why."""
    UNKNOWN_CALL = 10
    """This device knows no such call: it was started again meanwhile."""
    NO_PATH = 11
    """The sender hides its address, and there is no relay."""


class Refusal(IntEnum):
    """What was wrong with a signal."""

    NONE = 0
    MALFORMED = 1
    REFLECTED = 2
    """Our own secret, nonce, fingerprint or name came back."""
    WRONG_OFFER = 3
    """The answer is to another offer than ours."""
    WRONG_NONCE = 4
    """The nonce is not the one that was committed to."""
    WRONG_TRANSCRIPT = 5
    """The two ends have not seen the same signals."""
    TOO_MANY_CANDIDATES = 6
    BAD_CONNECTION = 7
    """A connection number that is used already, or out of turn."""
    KEYS_CHANGED = 8
    """The two ends do not know each other by the same keys."""
    NO_VOICE = 9
    """No stream that this version can receive."""
    WRONG_CERTIFICATE = 10
    """DTLS showed another certificate than the one that was signed for."""
    CANDIDATES_MISSING = 11
    """Announced candidates never came."""


class CallEnd(Message, tag=7):
    """The call is over for the sender."""

    call: Bytes16
    reason: Annotated[int, Meta(ge=0, le=255)]
    """`EndReason`; an unknown one counts as `HUNG_UP`."""
    detail: Annotated[int, Meta(ge=0, le=255)]
    """`Refusal`, with reason `REFUSED`; 0 otherwise."""


class CallStatus(Message, tag=8):
    """How the sender takes part now. The highest sequence counts."""

    call: Bytes16
    sequence: Annotated[int, Meta(ge=1, le=2**32 - 1)]
    muted: bool
    held: bool
    records: bool
    """Whether the sender records what it hears."""


class CallRedial(Message, tag=9):
    """The path is broken: a new connection, from the caller of the call."""

    call: Bytes16
    connection: U16
    transport: CallTransport
    candidates: Candidates
    final: bool


class CallRedialAnswer(Message, tag=10):
    """The callee's end of a new connection."""

    call: Bytes16
    connection: U16
    transport: CallTransport
    candidates: Candidates
    final: bool


class CallRedialWanted(Message, tag=11):
    """The callee hears nothing on this connection and asks the caller for a new one."""

    call: Bytes16
    connection: U16


CallSignal = (
    CallOffer
    | CallRinging
    | CallRingConfirmed
    | CallAnswer
    | CallCandidates
    | CallConfirm
    | CallEnd
    | CallStatus
    | CallRedial
    | CallRedialAnswer
    | CallRedialWanted
)

_PARSER: Parser[CallSignal] = Parser(CallSignal)


def parse_signal(body: bytes) -> CallSignal:
    """Parse the body of a message of type `CALL`.

    Raises:
        MalformedError: too long, not one canonical signal, an address that is none, two
            streams of one number, or a nonce of another length.
    """
    if len(body) > MAX_SIGNAL_BYTES:
        raise MalformedError("a signal that is too long")
    signal = _PARSER.parse_canonical(body)
    match signal:
        case CallOffer() | CallAnswer():
            _check_streams(signal.streams)
            _check_candidates(signal.candidates)
        case CallCandidates() | CallRedial() | CallRedialAnswer():
            _check_candidates(signal.candidates)
        case CallConfirm(nonce=nonce) if len(nonce) not in (0, 32):
            raise MalformedError("a nonce of another length")
        case _:
            pass
    return signal


def _check_streams(streams: Streams) -> None:
    if len({one.stream for one in streams}) != len(streams):
        raise MalformedError("two streams that would share a key id")


def _check_candidates(candidates: Candidates) -> None:
    for candidate in candidates:
        _check_address(candidate.address)


def _check_address(text: str) -> None:
    try:
        address = ip_address(text)
    except ValueError as error:
        raise MalformedError("a candidate whose address is none") from error
    if str(address) != text or "%" in text:
        raise MalformedError("a candidate whose address is not canonical")
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        # It has two texts, and interpreters do not agree which one is canonical.
        raise MalformedError("a candidate whose address is IPv4 in the clothes of IPv6")


class CallOutcome(IntEnum):
    """What became of a call, as history keeps it."""

    GOING_ON = 0
    """Not over yet; after a restart it counts as `INTERRUPTED` or, unanswered, as `MISSED`."""
    RINGING = 1
    ANSWERED = 2
    MISSED = 3
    """Nobody took it (to the caller: no answer)."""
    DECLINED = 4
    BUSY = 5
    CANCELLED = 6
    ELSEWHERE = 7
    FAILED = 8
    INTERRUPTED = 9
    """It was answered, and this program ended before the call did."""


class CallRecordBody(Message):
    """A call in the history of a conversation. Kept on this device, never sent."""

    outcome: Annotated[int, Meta(ge=0, le=255)]
    """`CallOutcome`."""
    duration_ms: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    """From answer to end; 0 when nobody answered."""


CALL_RECORD_PARSER: Parser[CallRecordBody] = Parser(CallRecordBody)

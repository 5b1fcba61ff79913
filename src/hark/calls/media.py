"""The port of the media engine: what a call orders of it, and what it tells the call.

A *connection* is one media path of a call: ICE, DTLS-SRTP and sealed frames. Connections are
numbered from 1; a broken path is replaced by a connection with a higher number. The engine
carries out orders in their sequence, tells facts about connections that are open, and is never
asked to decide anything: who may be connected with whom, and under which keys, is decided
here. Sound itself does not pass through this port.

Implemented over aiortc in `hark.node.media`, in virtual time in `hark_lab.sim`.
Source: spec/calls.md#media.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from hark.wire.call import CallCandidate, CallTransport
from hark.wire.ids import CallId


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server that may be used; there is never one that was not named here."""

    url: str
    """`stun:`, `turn:` or `turns:`, as RFC 7064 and RFC 7065 write it."""
    username: str = ""
    credential: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class MediaKeys:
    """The secrets of one connection, for SFrame (RFC 9605)."""

    send_base: bytes
    """Base key of what we send, 32 bytes."""
    receive_base: bytes
    """Base key of what we receive, 32 bytes."""
    send_key_id: int
    receive_key_id: int
    """Key ids of the voice streams on this connection (spec/calls.md#key-ids)."""

    def __repr__(self) -> str:
        """Say nothing of what it holds."""
        return "MediaKeys(…)"


# Orders.


@dataclass(frozen=True, slots=True)
class OpenMedia:
    """Make our end of a connection and gather addresses; answered by `LocalMedia`."""

    call: CallId
    connection: int
    controlling: bool
    """Whether we are the caller: controlling in ICE, server in DTLS."""
    hide_address: bool
    """Use relayed candidates only: no address of ours may be told or used."""
    ice_servers: tuple[IceServer, ...]


@dataclass(frozen=True, slots=True)
class ConnectMedia:
    """Connect to the other end; answered by `MediaConnected` or `MediaFailed`."""

    call: CallId
    connection: int
    remote: CallTransport
    keys: MediaKeys


@dataclass(frozen=True, slots=True)
class AddCandidates:
    """Try these addresses of the other end too."""

    call: CallId
    connection: int
    candidates: tuple[CallCandidate, ...]
    final: bool


@dataclass(frozen=True, slots=True)
class SetSending:
    """Send what the microphone gives, or silence of the same size (muted, held)."""

    call: CallId
    sending: bool


@dataclass(frozen=True, slots=True)
class SetPlaying:
    """Play what comes, or throw it away (held)."""

    call: CallId
    playing: bool


@dataclass(frozen=True, slots=True)
class CloseMedia:
    """Close a connection and forget its keys."""

    call: CallId
    connection: int


@dataclass(frozen=True, slots=True)
class EndMedia:
    """The call is over: close what is open, let go of sound."""

    call: CallId


MediaOrder = (
    OpenMedia | ConnectMedia | AddCandidates | SetSending | SetPlaying | CloseMedia | EndMedia
)


# Facts.


class PathKind(StrEnum):
    """How media goes."""

    DIRECT = "direct"
    RELAYED = "relayed"


class Nat(StrEnum):
    """What stands between two ends, as far as the path shows it."""

    NONE = "none"
    """Both ends are reached at addresses of their own."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class MediaPath:
    """The path that was chosen."""

    kind: PathKind
    relay: str
    """Host of the relay; empty for a direct path."""
    nat: Nat
    address_shown: bool
    """Whether the other end sees an address of ours."""
    address_seen: bool
    """Whether we see an address of the other end."""


class MediaFailure(StrEnum):
    """Why there is no media path."""

    NO_CANDIDATES = "no_candidates"
    """We have no address that may be used."""
    NOT_CONNECTED = "not_connected"
    """No pair of addresses works."""
    HANDSHAKE = "handshake"
    WRONG_CERTIFICATE = "wrong_certificate"
    """DTLS showed another certificate than the signals named: somebody is in between."""
    ENGINE = "engine"
    """The media engine itself failed."""


@dataclass(frozen=True, slots=True)
class LocalMedia:
    """Our end exists; these are its first addresses."""

    call: CallId
    connection: int
    transport: CallTransport
    candidates: tuple[CallCandidate, ...]
    final: bool


@dataclass(frozen=True, slots=True)
class LocalCandidates:
    """More addresses of ours have been found."""

    call: CallId
    connection: int
    candidates: tuple[CallCandidate, ...]
    final: bool


@dataclass(frozen=True, slots=True)
class MediaConnected:
    """The connection stands; sealed frames go both ways."""

    call: CallId
    connection: int
    path: MediaPath


@dataclass(frozen=True, slots=True)
class FirstSound:
    """The first frame of the other end has been opened and decoded."""

    call: CallId
    connection: int


@dataclass(frozen=True, slots=True)
class MediaSilent:
    """Nothing has come for a second although something must."""

    call: CallId
    connection: int


@dataclass(frozen=True, slots=True)
class MediaBack:
    """After `MediaSilent`: frames come again."""

    call: CallId
    connection: int


@dataclass(frozen=True, slots=True)
class MediaClosed:
    """The other end has closed the connection, under the connection's own keys."""

    call: CallId
    connection: int


@dataclass(frozen=True, slots=True)
class MediaFailed:
    """The connection could not be made, or has failed for good."""

    call: CallId
    connection: int
    cause: MediaFailure


@dataclass(frozen=True, slots=True)
class MediaQuality:
    """How the connection does; told every two seconds or so."""

    call: CallId
    connection: int
    round_trip_ms: float
    """-1 while it is not known."""
    loss_sent: float
    """Share of what we sent lately that did not arrive, 0..1; -1 while not known."""
    loss_received: float
    """Share of what was sent to us lately that did not arrive, 0..1."""
    jitter_ms: float
    """Of what arrives (RFC 3550)."""
    frames_played: int
    """Decoded since the start of the connection."""
    frames_concealed: int
    """Played without having arrived."""
    frames_refused: int
    """Arrived and refused: replayed, damaged, or sealed under no key of this call."""


MediaFact = (
    LocalMedia
    | LocalCandidates
    | MediaConnected
    | FirstSound
    | MediaSilent
    | MediaBack
    | MediaClosed
    | MediaFailed
    | MediaQuality
)

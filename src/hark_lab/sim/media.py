"""The media engine in virtual time: ends that find each other in the air, and keys that count.

A `SimAir` is what lies between all engines. Two ends are joined when each names the other's ICE
credentials, the certificates are the ones that were named, and one of the two has an address
of the other. They hear each other only if what one seals the other can open, as with real
frames; a key that was used before opens nothing. The air can be cut and mended, an engine can
be killed, and all that is told with the delays that real engines have.
"""

from collections.abc import Callable
from random import Random

from hark.calls.media import (
    AddCandidates,
    CloseMedia,
    ConnectMedia,
    EndMedia,
    FirstSound,
    LocalCandidates,
    LocalMedia,
    MediaBack,
    MediaClosed,
    MediaConnected,
    MediaFact,
    MediaFailed,
    MediaFailure,
    MediaKeys,
    MediaOrder,
    MediaPath,
    MediaQuality,
    MediaSilent,
    Nat,
    OpenMedia,
    PathKind,
    SetPlaying,
    SetSending,
)
from hark.wire.call import CallCandidate, CallTransport, CandidateKind
from hark.wire.ids import CallId
from hark_lab.sim.clock import VirtualClock

GATHER_S = 0.02
"""From the order to the first address, and from that to the last."""
CONNECT_S = 0.08
"""ICE and DTLS."""
GIVE_UP_S = 10.0
"""After so long without a pair that works, a connection has failed."""
SOUND_S = 0.06
"""From mouth to ear."""
SILENT_S = 1.0
"""Silence of a connection that is told."""
REPORT_S = 2.0
"""From one report of quality to the next."""


class _End:
    """One engine's end of a connection."""

    def __init__(self, engine: "SimMedia", order: OpenMedia, transport: CallTransport) -> None:
        self.engine = engine
        self.call = order.call
        self.connection = order.connection
        self.transport = transport
        self.relayed = order.hide_address
        self.remote: CallTransport | None = None
        self.keys: MediaKeys | None = None
        self.knows_address = False
        self.peer: _End | None = None
        self.stands = False
        self.open = True
        self.cut = False
        """Whether nothing arrives here any more on this connection."""
        self.hears = False
        self.heard = False
        self.told_silent = False
        self.refused_count = 0
        self.key_is_new = True


class SimAir:
    """What lies between all engines of a world."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.down = False
        """Whether no new connection can be made."""
        self.reused_keys = 0
        """How many connections were given a key that had sealed frames before."""
        self._ends: dict[str, _End] = {}
        self._sealed_under: set[tuple[bytes, int]] = set()

    def cut(self, call: CallId, deaf: "SimMedia | None" = None) -> None:
        """Break every connection that a call has now; new ones can be made.

        Args:
            call: which.
            deaf: only what goes to this engine is lost; None: both ways.
        """
        self._set_cut(call, deaf, cut=True)

    def mend(self, call: CallId) -> None:
        """Let a call's connections work again."""
        self._set_cut(call, None, cut=False)

    def _set_cut(self, call: CallId, deaf: "SimMedia | None", *, cut: bool) -> None:
        for end in list(self._ends.values()):
            if end.call == call and deaf in (None, end.engine):
                end.cut = cut
                self._listen(end)

    # For engines.

    def add(self, end: _End) -> None:
        """Put an end into the air."""
        self._ends[end.transport.username] = end

    def join(self, end: _End) -> None:
        """Connect an end with the one that it names, if that is there and names it too."""
        assert end.remote
        other = self._ends.get(end.remote.username)
        if other is None or other.remote is None or self.down or end.peer is not None:
            return
        named_alike = (other.remote.username, other.remote.password, end.remote.password) == (
            end.transport.username,
            end.transport.password,
            other.transport.password,
        )
        if not named_alike or not (end.knows_address or other.knows_address):
            return
        end.peer, other.peer = other, end
        self.clock.after(CONNECT_S, lambda: self._connected(end, other))

    def remove(self, end: _End, *, tell: bool) -> None:
        """Take an end out of the air; the other side hears of it if it can."""
        if not end.open:
            return
        end.open = False
        self._ends.pop(end.transport.username, None)
        peer = end.peer
        if peer is None or not peer.open:
            return
        if tell and end.stands and not peer.cut:
            closed = MediaClosed(peer.call, peer.connection)
            self.clock.after(SOUND_S, lambda: peer.engine.tell_of(peer, closed))
        self._listen(peer)

    def _connected(self, *pair: _End) -> None:
        if not all(end.open for end in pair):
            return
        for end in pair:
            assert end.peer
            assert end.remote
            if end.remote.fingerprint != end.peer.transport.fingerprint:
                wrong = MediaFailure.WRONG_CERTIFICATE
                end.engine.tell_of(end, MediaFailed(end.call, end.connection, wrong))
                return
        for end in pair:
            self._note_key(end)
        for end in pair:
            end.stands = True
            end.engine.tell_of(end, MediaConnected(end.call, end.connection, _path(end)))
        for end in pair:
            self._listen(end, connected=True)
            self.clock.after(REPORT_S, lambda end=end: self._report(end))  # type: ignore[misc]

    def _note_key(self, end: _End) -> None:
        assert end.keys
        key = (end.keys.send_base, end.keys.send_key_id)
        end.key_is_new = key not in self._sealed_under
        self.reused_keys += not end.key_is_new
        self._sealed_under.add(key)

    def _listen(self, end: _End, *, connected: bool = False) -> None:
        """Find out whether an end hears the other one, and plan what its engine tells."""
        peer = end.peer
        hears = (
            end.stands and not end.cut and peer is not None and peer.open and _opens(end, peer)
        )
        if hears is end.hears and not connected:
            return
        end.hears = hears
        if hears:
            self.clock.after(SOUND_S, lambda: self._tell_sound(end))
        else:
            self.clock.after(SILENT_S, lambda: self._tell_silence(end))

    def _tell_sound(self, end: _End) -> None:
        if not end.hears:
            return
        if not end.heard:
            end.heard = True
            end.engine.tell_of(end, FirstSound(end.call, end.connection))
        if end.told_silent:
            end.told_silent = False
            end.engine.tell_of(end, MediaBack(end.call, end.connection))

    def _tell_silence(self, end: _End) -> None:
        if end.stands and not end.hears and not end.told_silent:
            end.told_silent = True
            end.engine.tell_of(end, MediaSilent(end.call, end.connection))

    def _report(self, end: _End) -> None:
        if not end.open:
            return
        peer = end.peer
        if peer is not None and peer.open and not end.cut and not end.hears:
            end.refused_count += round(REPORT_S * 50)
        loss = 0.0 if end.hears else 1.0
        refused = end.refused_count
        quality = MediaQuality(
            end.call, end.connection, 2000 * SOUND_S, loss, loss, 1.0, 0, 0, refused
        )
        end.engine.tell_of(end, quality)
        self.clock.after(REPORT_S, lambda: self._report(end))


class SimMedia:
    """A node's media engine in virtual time.

    Args:
        air: what it shares with all other engines.
        random: for credentials and certificates.
        tell: given every fact.
    """

    def __init__(self, air: SimAir, random: Random, tell: Callable[[MediaFact], None]) -> None:
        self.sending: dict[CallId, bool] = {}
        """Whether a call sends what the microphone gives."""
        self.playing: dict[CallId, bool] = {}
        self._air = air
        self._random = random
        self._tell = tell
        self._ends: dict[tuple[CallId, int], _End] = {}

    def perform(self, order: MediaOrder) -> None:
        """Carry out an order."""
        match order:
            case OpenMedia():
                self._open(order)
            case ConnectMedia(call, connection, remote, keys):
                end = self._ends[call, connection]
                end.remote, end.keys = remote, keys
                self._air.join(end)
                self._air.clock.after(GIVE_UP_S, lambda: self._give_up(end))
            case AddCandidates(call, connection, candidates, _):
                end = self._ends[call, connection]
                end.knows_address = end.knows_address or bool(candidates)
                self._air.join(end)
            case SetSending(call, sending):
                self.sending[call] = sending
            case SetPlaying(call, playing):
                self.playing[call] = playing
            case CloseMedia(call, connection):
                self._air.remove(self._ends.pop((call, connection)), tell=True)
            case EndMedia(call):
                self._end_call(call)

    def kill(self) -> None:
        """Stop as a process does that is killed: nobody is told."""
        for end in self._ends.values():
            self._air.remove(end, tell=False)
        self._ends.clear()

    def tell_of(self, end: _End, fact: MediaFact) -> None:
        """Tell a fact, unless its connection has been closed meanwhile."""
        if self._ends.get((end.call, end.connection)) is end:
            self._tell(fact)

    def _open(self, order: OpenMedia) -> None:
        draw = self._random.randbytes
        transport = CallTransport(draw(8).hex(), draw(16).hex(), draw(32))
        end = self._ends[order.call, order.connection] = _End(self, order, transport)
        self.sending.setdefault(order.call, True)
        self.playing.setdefault(order.call, True)
        relays = any(server.url.startswith("turn") for server in order.ice_servers)
        after = self._air.clock.after
        if order.hide_address and not relays:
            failed = MediaFailed(order.call, order.connection, MediaFailure.NO_CANDIDATES)
            after(GATHER_S, lambda: self.tell_of(end, failed))
            return
        self._air.add(end)
        first = LocalMedia(
            order.call, order.connection, transport, (self._address(end),), False
        )
        last = LocalCandidates(order.call, order.connection, (self._address(end),), True)
        after(GATHER_S, lambda: self.tell_of(end, first))
        after(2 * GATHER_S, lambda: self.tell_of(end, last))

    def _address(self, end: _End) -> CallCandidate:
        kind = CandidateKind.RELAYED if end.relayed else CandidateKind.HOST
        address = f"192.0.2.{self._random.randint(1, 254)}"
        return CallCandidate(kind, address, self._random.randint(1024, 65_535), 1, "sim")

    def _give_up(self, end: _End) -> None:
        if not end.stands:
            failed = MediaFailed(end.call, end.connection, MediaFailure.NOT_CONNECTED)
            self.tell_of(end, failed)

    def _end_call(self, call: CallId) -> None:
        for key in [key for key in self._ends if key[0] == call]:
            self._air.remove(self._ends.pop(key), tell=True)
        self.sending.pop(call, None)
        self.playing.pop(call, None)


def _opens(end: _End, peer: _End) -> bool:
    """Return whether an end can open what the other one seals."""
    assert end.keys
    assert peer.keys
    sealed_under = (peer.keys.send_base, peer.keys.send_key_id)
    expected = (end.keys.receive_base, end.keys.receive_key_id)
    return peer.key_is_new and sealed_under == expected


def _path(end: _End) -> MediaPath:
    assert end.peer
    relayed = end.relayed or end.peer.relayed
    kind = PathKind.RELAYED if relayed else PathKind.DIRECT
    relay = "relay.test" if relayed else ""
    return MediaPath(kind, relay, Nat.NONE, not end.relayed, not end.peer.relayed)

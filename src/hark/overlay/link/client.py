"""The node's end of a link: connect, check the pin, greet, ask, stay alive, come back.

Implements spec/link.md for one supernode. Rules it keeps:

1. Nothing is sent before the certificate's key has been found to be the pinned one.
2. Every ask has one outcome: `AnswerArrived` or `AskFailed`. Nothing is queued while there is
   no link: an ask made then fails at once, and the caller asks again on `LinkUp`.
3. Whatever the supernode sends is an effect, never an exception; what it must not send ends
   the link.
4. Remembered mailboxes are logged in to on every new link.

It leaves sockets, TLS and the length before a frame to its driver, and what the asks mean to
messaging. Which states there are, and what leads from one to another, is in `TRANSITIONS`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from hark.crypto.certificates import node_id_of_certificate
from hark.crypto.hashing import sha256
from hark.crypto.signing import SigningKey
from hark.errors import MalformedError
from hark.machine import Instant, RandomBytes, UnixMs
from hark.overlay.link.backoff import Backoff, uniform
from hark.overlay.link.events import (
    AnswerArrived,
    AskFailed,
    ClientEffect,
    ClientInput,
    CloseTransport,
    FrameReceived,
    LinkDown,
    LinkUp,
    LiveArrived,
    LiveOutcome,
    LoggedIn,
    LoginRefused,
    MailArrived,
    OpenTransport,
    PrekeysRanLow,
    SendFrame,
    TransportLost,
    TransportOpened,
)
from hark.overlay.link.liveness import Liveness, Silence
from hark.overlay.link.login import make_login
from hark.overlay.link.memberships import Membership, Memberships
from hark.overlay.link.pending import Pending, PendingRequests, fits
from hark.wire import link as wire
from hark.wire.address import Address
from hark.wire.codec import Message, encode
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import MailboxId
from hark.wire.mailbox import ANSWER_PARSER, MailboxRequest

HOUR_S = 60 * 60.0
STABLE_S = 60.0
"""A link that held this long was a good one: the next loss begins the back-off anew."""


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """How long a link waits for what."""

    connect_timeout_s: float = 20.0
    """For name look-up, TCP and TLS. The driver's own limit is meant to be shorter."""
    hello_timeout_s: float = 10.0
    """From the handshake to the hello, in seconds; the supernode speaks without being asked."""
    ask_timeout_s: float = 60.0
    """From an ask or login to its answer, in seconds. A commit of a busy disk takes a second;
    a home that is silent for a minute on a live link has lost the ask."""
    hopeless_retry_s: float = HOUR_S
    """Mean time to the next try after a wrong key or version, in seconds: only people change
    those, and each try tells an unknown server that we are here."""


DEFAULT_LINK_CONFIG = LinkConfig()


class LinkState(Enum):
    """Where a link stands."""

    IDLE = "idle"
    """Not wanted."""
    CONNECTING = "connecting"
    """The driver is making a TLS connection."""
    AWAITING_HELLO = "awaiting_hello"
    """The pin held; the supernode has not spoken yet."""
    UP = "up"
    """Asks may go."""
    WAITING = "waiting"
    """There is no connection; the next try has its time."""


class LinkStep(Enum):
    """What leads from one state to another."""

    START = "start"
    PIN_HELD = "pin_held"
    GREETED = "greeted"
    LOST = "lost"
    STOP = "stop"


TRANSITIONS: dict[LinkState, dict[LinkStep, LinkState]] = {
    LinkState.IDLE: {LinkStep.START: LinkState.CONNECTING},
    LinkState.CONNECTING: {
        LinkStep.PIN_HELD: LinkState.AWAITING_HELLO,
        LinkStep.LOST: LinkState.WAITING,
        LinkStep.STOP: LinkState.IDLE,
    },
    LinkState.AWAITING_HELLO: {
        LinkStep.GREETED: LinkState.UP,
        LinkStep.LOST: LinkState.WAITING,
        LinkStep.STOP: LinkState.IDLE,
    },
    LinkState.UP: {
        LinkStep.LOST: LinkState.WAITING,
        LinkStep.STOP: LinkState.IDLE,
    },
    LinkState.WAITING: {
        LinkStep.START: LinkState.CONNECTING,
        LinkStep.STOP: LinkState.IDLE,
    },
}
"""State → step → next state. A step that is not listed does not happen in that state."""


@dataclass(frozen=True, slots=True)
class _Session:
    """What belongs to one connection whose pin held."""

    certificate_hash: bytes
    nonce: bytes
    reconnect_window_ms: int
    since: Instant


class LinkClient:
    """One supernode, as a node keeps in touch with it. See the module's docstring."""

    def __init__(
        self,
        address: Address,
        *,
        random_bytes: RandomBytes,
        unix_ms: UnixMs,
        config: LinkConfig = DEFAULT_LINK_CONFIG,
    ) -> None:
        self._address = address
        self._random_bytes = random_bytes
        self._unix_ms = unix_ms
        self._config = config
        self._state = LinkState.IDLE
        self._state_deadline: Instant | None = None
        self._certificate_hash = b""
        self._session: _Session | None = None
        self._backoff = Backoff(random_bytes)
        self._liveness = Liveness(random_bytes)
        self._pending = PendingRequests()
        self._memberships = Memberships(random_bytes)
        self._effects: list[ClientEffect] = []

    @property
    def state(self) -> LinkState:
        """Where the link stands."""
        return self._state

    # What its owner orders.

    def start(self, now: Instant) -> None:
        """Connect, and keep connecting, from now on. Harmless when started already."""
        if self._state is LinkState.IDLE:
            self._connect(now)

    def connect_now(self, now: Instant) -> None:
        """Do not wait any longer: the network has changed or a person is looking.

        A link that stands is probed instead, since it may be a memory of the old network.
        """
        self._backoff.reset()
        self._liveness.path_changed()
        if self._state in {LinkState.IDLE, LinkState.WAITING}:
            self._connect(now)
        elif self._state is LinkState.UP:
            self._liveness.probe(now)
            self._check_silence(now)

    def stop(self, now: Instant) -> None:
        """End the link and stay away until `start`."""
        if self._state is LinkState.IDLE:
            return
        if self._state is LinkState.UP:
            self._send(wire.Goodbye(ErrorCode.NONE, 0))
        if self._state is not LinkState.WAITING:
            self._effects.append(CloseTransport())
        self._end_session()
        self._step(LinkStep.STOP, None)
        self._effects.append(
            LinkDown("stopped", ErrorCode.NONE, wrong_supernode=False, retry_at=None)
        )

    def log_in(
        self,
        mailbox: MailboxId,
        owner: SigningKey,
        generation: int,
        instance: bytes,
        now: Instant,
    ) -> None:
        """Open a mailbox, now and on every later link, until `forget_mailbox`.

        Args:
            mailbox: one that was made with `owner`.
            owner: its owner key.
            generation: number of this start of the device store.
            instance: 16 random bytes of this start.
            now: the present moment.
        """
        member = self._memberships.remember(mailbox, owner, generation, instance)
        if self._session is not None:
            self._send_login(member, self._session, now)

    def forget_mailbox(self, mailbox: MailboxId) -> None:
        """Do not log in to this mailbox again; what still comes for it is dropped."""
        self._memberships.forget(mailbox)

    def ask(self, request: MailboxRequest, now: Instant) -> int:
        """Ask the supernode and return the request id of the outcome to come.

        The outcome is `AskFailed` at once when the link is not up or too much is unanswered.
        """
        request_id = self._pending.new_id()
        if self._state is not LinkState.UP or self._pending.full():
            self._effects.append(AskFailed(request_id, request))
        else:
            self._add_pending(request_id, request, now)
            self._send(wire.Ask(request_id, encode(request)))
        return request_id

    def acknowledge(self, mailbox: MailboxId, sequences: Sequence[int], now: Instant) -> None:
        """Tell the home that these envelopes are safe here and may be deleted.

        Dropped without a link to the mailbox: the home pushes them again later.
        """
        del now  # an acknowledgement has no answer to wait for
        if not self._memberships.attached(mailbox):
            return
        for start in range(0, len(sequences), wire.MAX_ACK_SEQUENCES):
            part = list(sequences[start : start + wire.MAX_ACK_SEQUENCES])
            self._send(wire.Ack(mailbox, part))

    def send_live(self, mailbox: MailboxId, token: bytes, envelope: bytes, now: Instant) -> int:
        """Pass a live envelope and return the request id of its `LiveOutcome`."""
        request_id = self._pending.new_id()
        if self._state is not LinkState.UP or self._pending.full():
            self._effects.append(LiveOutcome(request_id, passed=False))
        else:
            self._add_pending(request_id, None, now)
            self._send(wire.Live(request_id, mailbox, token, envelope))
        return request_id

    # The machine.

    def handle(self, item: ClientInput, now: Instant) -> None:
        """Take what the driver says of the connection; late news is ignored."""
        match item:
            case TransportOpened(certificate_der):
                if self._state is LinkState.CONNECTING:
                    self._on_opened(certificate_der, now)
            case FrameReceived(frame):
                if self._state is LinkState.AWAITING_HELLO:
                    self._on_hello(frame, now)
                elif self._state is LinkState.UP:
                    self._on_frame(frame, now)
            case TransportLost(reason):
                if LinkStep.LOST in TRANSITIONS[self._state]:
                    self._lost(reason, now)

    def handle_deadline(self, now: Instant) -> None:
        """Take the passing of time."""
        due = self.deadline()
        if due is None or now < due:
            return
        match self._state:
            case LinkState.WAITING:
                self._connect(now)
            case LinkState.CONNECTING:
                self._close("timed out", now)
            case LinkState.AWAITING_HELLO:
                self._close("connected, but no hello came", now)
            case LinkState.UP:
                self._on_time_while_up(now)
            case LinkState.IDLE:
                pass

    def deadline(self) -> Instant | None:
        """Return when `handle_deadline` is due."""
        if self._state is not LinkState.UP:
            return self._state_deadline
        moments = (
            self._liveness.deadline(),
            self._pending.deadline(),
            self._memberships.deadline(),
        )
        return min(moment for moment in moments if moment is not None)

    def take_effects(self) -> list[ClientEffect]:
        """Return what must be done now, oldest first, and forget it."""
        effects, self._effects = self._effects, []
        return effects

    # Coming up.

    def _connect(self, now: Instant) -> None:
        self._step(LinkStep.START, Instant(now + self._config.connect_timeout_s))
        self._effects.append(OpenTransport(self._address))

    def _on_opened(self, certificate_der: bytes, now: Instant) -> None:
        """Check the pin. Nothing has been sent when this runs, and nothing is if it fails."""
        try:
            pinned = node_id_of_certificate(certificate_der) == self._address.node_id
        except MalformedError:
            pinned = False
        if not pinned:
            reason = "another supernode answers at this address"
            self._close(reason, now, wrong_supernode=True, hopeless=True)
            return
        self._certificate_hash = sha256(certificate_der)
        self._step(LinkStep.PIN_HELD, Instant(now + self._config.hello_timeout_s))

    def _on_hello(self, frame: bytes, now: Instant) -> None:
        try:
            version = wire.HELLO_VERSION_PARSER.parse(frame).protocol_version
            if version != wire.PROTOCOL_VERSION:
                self._close_for_version(now)
                return
            hello = wire.SUPERNODE_FRAME_PARSER.parse(frame)
        except MalformedError:
            self._close_for_breach("the supernode's hello is not valid", now)
            return
        if not isinstance(hello, wire.Hello):
            self._close_for_breach("the supernode's hello is not valid", now)
            return
        session = _Session(self._certificate_hash, hello.nonce, hello.reconnect_window_ms, now)
        self._session = session
        self._step(LinkStep.GREETED, None)
        self._liveness.link_opened(now)
        self._effects.append(LinkUp(hello.unix_ms - self._unix_ms(now)))
        for member in self._memberships.all():
            self._send_login(member, session, now)

    def _send_login(self, member: Membership, session: _Session, now: Instant) -> None:
        login = make_login(
            member.owner,
            member.mailbox,
            member.generation,
            member.instance,
            certificate_hash=session.certificate_hash,
            nonce=session.nonce,
        )
        self._memberships.asked(member, Instant(now + self._config.ask_timeout_s))
        self._send(login)

    # Being up.

    def _on_frame(self, frame: bytes, now: Instant) -> None:
        try:
            parsed = wire.SUPERNODE_FRAME_PARSER.parse(frame)
        except MalformedError:
            self._close_for_breach("the supernode sent a frame that is not valid", now)
            return
        self._liveness.heard(now)
        match parsed:
            case wire.Answer(request_id, body):
                self._on_answer(request_id, body, now)
            case wire.LiveResult(request_id, passed):
                self._on_live_result(request_id, passed, now)
            case wire.LoginResult():
                self._on_login_result(parsed, now)
            case wire.Mail() | wire.LiveMail() | wire.PrekeysLow():
                self._on_pushed(parsed, now)
            case wire.Ping(nonce):
                self._send(wire.Pong(nonce))
            case wire.Pong(nonce):
                self._liveness.pong(nonce)
            case wire.Goodbye():
                self._on_goodbye(parsed, now)
            case wire.Hello():
                self._close_for_breach("the supernode greeted twice", now)

    def _on_answer(self, request_id: int, body: bytes, now: Instant) -> None:
        pending = self._pending.take(request_id)
        if pending is None or pending.request is None:
            self._close_for_breach("the supernode answered what was not asked", now)
            return
        try:
            answer = ANSWER_PARSER.parse(body)
            if not fits(pending.request, answer):
                raise MalformedError("not an answer to this request")
        except MalformedError:
            self._effects.append(AskFailed(request_id, pending.request))
            self._close_for_breach("the supernode sent an answer that is not valid", now)
            return
        self._effects.append(AnswerArrived(request_id, pending.request, answer))

    def _on_live_result(self, request_id: int, passed: bool, now: Instant) -> None:
        pending = self._pending.take(request_id)
        if pending is None:
            self._close_for_breach("the supernode answered what was not asked", now)
            return
        if pending.request is not None:
            self._effects.append(AskFailed(request_id, pending.request))
            self._close_for_breach("the supernode sent an answer that is not valid", now)
            return
        self._effects.append(LiveOutcome(request_id, passed))

    def _on_login_result(self, result: wire.LoginResult, now: Instant) -> None:
        mailbox, code = MailboxId(result.mailbox), ErrorCode(result.code)
        if not self._memberships.answered(mailbox, code, result.retry_after_ms, now):
            self._close_for_breach("the supernode answered what was not asked", now)
        elif not self._memberships.knows(mailbox):
            pass  # forgotten since
        elif code is ErrorCode.NONE:
            self._effects.append(LoggedIn(mailbox, result.prekey_count))
        else:
            self._effects.append(LoginRefused(mailbox, code))

    def _on_pushed(
        self, pushed: wire.Mail | wire.LiveMail | wire.PrekeysLow, now: Instant
    ) -> None:
        mailbox = MailboxId(pushed.mailbox)
        if not self._memberships.attached(mailbox):
            self._close_for_breach("the supernode pushed to a mailbox that is not open", now)
            return
        if not self._memberships.knows(mailbox):
            return  # forgotten since
        match pushed:
            case wire.Mail(_, sequence, held_ms, envelope):
                self._effects.append(MailArrived(mailbox, sequence, held_ms, envelope))
            case wire.LiveMail(_, envelope):
                self._effects.append(LiveArrived(mailbox, envelope))
            case wire.PrekeysLow(_, prekey_count):
                self._effects.append(PrekeysRanLow(mailbox, prekey_count))

    def _on_goodbye(self, goodbye: wire.Goodbye, now: Instant) -> None:
        cause = ErrorCode(goodbye.code)
        self._close(
            "the supernode ended the link",
            now,
            cause=cause,
            named_window_ms=goodbye.retry_after_ms,
            hopeless=cause is ErrorCode.VERSION,
        )

    def _on_time_while_up(self, now: Instant) -> None:
        for give_up_at in (self._pending.deadline(), self._memberships.give_up_at()):
            if give_up_at is not None and give_up_at <= now:
                self._close("the supernode does not answer", now)
                return
        if self._session is not None:
            for member in self._memberships.due(now):
                self._send_login(member, self._session, now)
        self._check_silence(now)

    def _check_silence(self, now: Instant) -> None:
        match self._liveness.handle_deadline(now):
            case Silence.PING:
                self._send(wire.Ping(self._liveness.nonce()))
            case Silence.LOST:
                hurried = self._liveness.in_doubt
                self._close("the supernode went silent", now)
                if hurried:
                    # Somebody waits. A restart of the supernode, after which its nodes have to
                    # come back spread out, would not have been a silence.
                    self._connect(now)
            case Silence.NOTHING:
                pass

    # Going down.

    def _close_for_breach(self, reason: str, now: Instant) -> None:
        """End the link because the supernode broke the protocol."""
        self._send(wire.Goodbye(ErrorCode.MALFORMED, 0))
        self._close(reason, now)

    def _close_for_version(self, now: Instant) -> None:
        self._send(wire.Goodbye(ErrorCode.VERSION, 0))
        reason = "the supernode speaks another version of the protocol"
        self._close(reason, now, cause=ErrorCode.VERSION, hopeless=True)

    def _close(
        self,
        reason: str,
        now: Instant,
        *,
        cause: ErrorCode = ErrorCode.NONE,
        named_window_ms: int = 0,
        wrong_supernode: bool = False,
        hopeless: bool = False,
    ) -> None:
        """End the connection ourselves and plan the next try."""
        self._effects.append(CloseTransport())
        self._lost(
            reason,
            now,
            cause=cause,
            named_window_ms=named_window_ms,
            wrong_supernode=wrong_supernode,
            hopeless=hopeless,
        )

    def _lost(
        self,
        reason: str,
        now: Instant,
        *,
        cause: ErrorCode = ErrorCode.NONE,
        named_window_ms: int = 0,
        wrong_supernode: bool = False,
        hopeless: bool = False,
    ) -> None:
        """The connection is no more; plan the next try."""
        session = self._session
        if session is not None:
            named_window_ms = named_window_ms or session.reconnect_window_ms
            if now - session.since >= STABLE_S:
                self._backoff.reset()
        self._end_session()
        if hopeless:
            mean_s = self._config.hopeless_retry_s
            delay_s = uniform(self._random_bytes, 0.75 * mean_s, 1.25 * mean_s)
        else:
            delay_s = self._backoff.next_delay_s(named_window_ms)
        retry_at = Instant(now + delay_s)
        self._step(LinkStep.LOST, retry_at)
        self._effects.append(LinkDown(reason, cause, wrong_supernode, retry_at))

    def _end_session(self) -> None:
        self._session = None
        self._memberships.link_ended()
        for pending in self._pending.take_all():
            if pending.request is None:
                self._effects.append(LiveOutcome(pending.request_id, passed=False))
            else:
                self._effects.append(AskFailed(pending.request_id, pending.request))

    # Small things.

    def _step(self, step: LinkStep, state_deadline: Instant | None) -> None:
        self._state = TRANSITIONS[self._state][step]
        self._state_deadline = state_deadline

    def _add_pending(
        self, request_id: int, request: MailboxRequest | None, now: Instant
    ) -> None:
        give_up_at = Instant(now + self._config.ask_timeout_s)
        self._pending.add(Pending(request_id, request, give_up_at))

    def _send(self, frame: Message) -> None:
        self._effects.append(SendFrame(encode(frame)))

"""The supernode's end of a link: greet, check log-ins, turn frames into service inputs.

Implements spec/link.md for one node. There are many of these (15,000 in one worker), so an
instance has slots only, no table of its own, no timer and no task: what all links of a worker
share lies in one `LinkServerShared`, and the worker sweeps `last_heard_s` instead of arming a
deadline for each. Rules it keeps:

1. Whatever the node sends is an effect, never an exception; a breach is answered with
   `Goodbye` and the end of the link.
2. What a link may cost is bounded: one bucket of tokens, a count of open requests, a count of
   mailboxes. Asks beyond it are refused; nothing is queued here.
3. `Detach` is the last effect but `CloseTransport`, once, if the service knows the link.

The worker feeds frames (`receive_frame`), what the service says of this link (`deliver`) and
the loss of the connection (`lost`), and performs the effects in order: `SendFrame` and
`CloseTransport` itself, all others are inputs of the mailbox service.
"""

from dataclasses import dataclass

from hark.errors import ForgedError, MalformedError
from hark.machine import Instant, RandomBytes
from hark.overlay.link.events import CloseTransport, FrameReceived, SendFrame, TransportLost
from hark.overlay.link.login import check_login
from hark.overlay.mailbox.events import (
    Acked,
    Answered,
    Asked,
    Attach,
    Attached,
    Deliver,
    Detach,
    LinkRef,
    LiveAnswered,
    LiveAsked,
    LiveDelivered,
    PrekeysRunLow,
    ServiceInput,
    ServiceOutput,
    Superseded,
)
from hark.wire import link as wire
from hark.wire.codec import Message, encode
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import MailboxId
from hark.wire.mailbox import REQUEST_PARSER, Refused

MAX_SILENCE_S = 35 * 60.0
"""A link that was silent for longer is counted as gone, in seconds: a node pings after 14.5
minutes at most, so two pings in a row did not come."""
MAX_MAILBOXES_PER_LINK = 16
"""Mailboxes that one link may open: two for each of eight accounts on one node."""
MAX_OPEN_REQUESTS = 128
"""Requests of one link under way at a time: a commit batch. With envelopes of 128 KiB that is
16 MiB in the worker's queue; the node's transport waits beyond its own limit."""

COST_LOGIN = 10.0
"""An Ed25519 verification and reading 64 envelopes."""
COST_ASK = 2.0
"""A share of a commit."""
COST_LIVE = 1.0
"""The unit: parse, look up, pass on."""
COST_SMALL = 0.1
"""Acks, pings, pongs. A node that drains a full mailbox sends 10,000 acks in a row."""


@dataclass(frozen=True, slots=True)
class LinkBudget:
    """How much one link may ask for, in units of one live envelope."""

    refill_per_s: float = 200.0
    """Sustained: 200 live envelopes or 100 asks a second; people stay below one a second."""
    burst: float = 2000.0
    """At once: a device that comes back empties an outbox of 1,000 messages."""


DEFAULT_LINK_BUDGET = LinkBudget()


class LinkServerShared:
    """What all links of one worker have in common."""

    __slots__ = ("budget", "certificate_hash", "random_bytes", "reconnect_window_ms")

    def __init__(
        self,
        certificate_hash: bytes,
        *,
        random_bytes: RandomBytes,
        reconnect_window_ms: int = 5000,
        budget: LinkBudget = DEFAULT_LINK_BUDGET,
    ) -> None:
        self.certificate_hash = certificate_hash
        """SHA-256 of the certificate that this supernode shows, DER."""
        self.random_bytes = random_bytes
        self.budget = budget
        self.reconnect_window_ms = reconnect_window_ms
        """Named in every hello and goodbye. The worker moves it with its load: nodes ÷ log-ins
        a second that it can take."""


ServerInput = FrameReceived | TransportLost | ServiceOutput
ServerEffect = SendFrame | CloseTransport | ServiceInput


class LinkServer:
    """One link, as a supernode sees it. See the module's docstring."""

    __slots__ = (
        "_effects",
        "_known_to_service",
        "_mailboxes",
        "_nonce",
        "_open_requests",
        "_shared",
        "_tokens",
        "_tokens_at",
        "closed",
        "last_heard_s",
        "link",
    )

    def __init__(
        self, link: LinkRef, shared: LinkServerShared, now: Instant, now_unix_ms: int
    ) -> None:
        self.link = link
        """The number by which the service knows this link."""
        self.last_heard_s: Instant = now
        """When the node last sent a frame; the worker sweeps it against `MAX_SILENCE_S`."""
        self.closed = False
        """Whether the link has ended; everything is ignored from then on."""
        self._shared = shared
        self._nonce = shared.random_bytes(32)
        self._mailboxes: tuple[bytes, ...] = ()
        self._open_requests = 0
        self._known_to_service = False
        self._tokens = shared.budget.burst
        self._tokens_at: float = now
        self._effects: list[ServerEffect] = []
        self._send(
            wire.Hello(
                wire.PROTOCOL_VERSION, self._nonce, now_unix_ms, shared.reconnect_window_ms
            )
        )

    # The machine.

    def handle(self, item: ServerInput, now: Instant) -> None:
        """Take one input of any kind (the worker calls the methods below directly)."""
        match item:
            case FrameReceived(frame):
                self.receive_frame(frame, now)
            case TransportLost():
                self.lost()
            case _:
                self.deliver(item)

    def handle_deadline(self, now: Instant) -> None:
        """End the link if the node has been silent for too long."""
        if not self.closed and now - self.last_heard_s >= MAX_SILENCE_S:
            self.end(ErrorCode.NONE)

    def deadline(self) -> Instant | None:
        """Return when the silence becomes too long. A worker sweeps instead of arming it."""
        return None if self.closed else Instant(self.last_heard_s + MAX_SILENCE_S)

    def take_effects(self) -> list[ServerEffect]:
        """Return what must be done now, oldest first, and forget it."""
        effects, self._effects = self._effects, []
        return effects

    # What the worker calls.

    def receive_frame(self, frame: bytes | bytearray | memoryview, now: Instant) -> None:
        """Take one frame of the node, without its length."""
        if self.closed:
            return
        self.last_heard_s = now
        try:
            parsed = wire.NODE_FRAME_PARSER.parse(frame)
        except MalformedError:
            self.end(ErrorCode.MALFORMED)
            return
        # The most frequent ones first.
        if isinstance(parsed, wire.Live):
            self._on_live(parsed, now)
        elif isinstance(parsed, wire.Ask):
            self._on_ask(parsed, now)
        elif isinstance(parsed, wire.Ack):
            self._on_ack(parsed, now)
        elif isinstance(parsed, wire.Login):
            self._on_login(parsed, now)
        elif isinstance(parsed, wire.Goodbye):
            self._close()
        elif not self._spend(COST_SMALL, now):
            self.end(ErrorCode.RATE_LIMITED)
        elif isinstance(parsed, wire.Ping):
            self._send(wire.Pong(parsed.nonce))

    def deliver(self, output: ServiceOutput) -> None:
        """Take what the service says of this link, and turn it into a frame."""
        if self.closed:
            return
        match output:
            case LiveDelivered(_, mailbox, envelope):
                self._send(wire.LiveMail(mailbox, envelope))
            case LiveAnswered(_, request_id, passed):
                self._open_requests -= 1
                self._send(wire.LiveResult(request_id, passed))
            case Deliver(_, mailbox, sequence, held_ms, envelope):
                self._send(wire.Mail(mailbox, sequence, held_ms, envelope))
            case Answered(_, request_id, answer):
                self._open_requests -= 1
                self._send(wire.Answer(request_id, encode(answer)))
            case Attached(_, mailbox, code, prekey_count, retry_after_ms):
                self._on_attached(mailbox, code)
                self._send(wire.LoginResult(mailbox, code, prekey_count, retry_after_ms))
            case PrekeysRunLow(_, mailbox, prekey_count):
                self._send(wire.PrekeysLow(mailbox, prekey_count))
            case Superseded():
                self.end(ErrorCode.NONE)

    def lost(self) -> None:
        """Note that the connection is gone."""
        if not self.closed:
            self._detach()

    def end(self, code: ErrorCode) -> None:
        """End the link: say why, forget it, close. Harmless when it has ended."""
        if self.closed:
            return
        self._send(wire.Goodbye(code, self._shared.reconnect_window_ms))
        self._close()

    # Frames.

    def _on_live(self, live: wire.Live, now: Instant) -> None:
        # A live envelope that may not go is simply not passed: it is never repeated either.
        if self._open_requests >= MAX_OPEN_REQUESTS or not self._spend(COST_LIVE, now):
            self._send(wire.LiveResult(live.request_id, passed=False))
            return
        self._open_requests += 1
        self._known_to_service = True
        self._effects.append(
            LiveAsked(
                self.link,
                live.request_id,
                MailboxId(live.mailbox),
                live.token,
                live.envelope,
            )
        )

    def _on_ask(self, ask: wire.Ask, now: Instant) -> None:
        try:
            request = REQUEST_PARSER.parse(ask.body)
        except MalformedError:
            self.end(ErrorCode.MALFORMED)
            return
        if self._open_requests >= MAX_OPEN_REQUESTS or not self._spend(COST_ASK, now):
            refused = Refused(ErrorCode.RATE_LIMITED, self._wait_ms(COST_ASK))
            self._send(wire.Answer(ask.request_id, encode(refused)))
            return
        self._open_requests += 1
        self._known_to_service = True
        self._effects.append(Asked(self.link, ask.request_id, request))

    def _on_ack(self, ack: wire.Ack, now: Instant) -> None:
        # Nothing is pushed, so nothing can be acknowledged, before there was a log-in.
        if ack.mailbox not in self._mailboxes:
            self.end(ErrorCode.MALFORMED)
        elif not self._spend(COST_SMALL, now):
            self.end(ErrorCode.RATE_LIMITED)
        else:
            self._effects.append(Acked(self.link, MailboxId(ack.mailbox), ack.sequences))

    def _on_login(self, login: wire.Login, now: Instant) -> None:
        known = login.mailbox in self._mailboxes
        full = len(self._mailboxes) >= MAX_MAILBOXES_PER_LINK and not known
        if full or not self._spend(COST_LOGIN, now):
            self._refuse_login(login, ErrorCode.RATE_LIMITED, self._wait_ms(COST_LOGIN))
            return
        try:
            check_login(
                login, certificate_hash=self._shared.certificate_hash, nonce=self._nonce
            )
        except ForgedError:
            self._refuse_login(login, ErrorCode.LOGIN_INVALID, 0)
            return
        if not known:
            self._mailboxes = (*self._mailboxes, login.mailbox)
        self._known_to_service = True
        mailbox = MailboxId(login.mailbox)
        self._effects.append(
            Attach(self.link, mailbox, login.owner_key, login.generation, login.instance)
        )

    def _refuse_login(self, login: wire.Login, code: ErrorCode, retry_after_ms: int) -> None:
        self._send(wire.LoginResult(login.mailbox, code, 0, retry_after_ms))

    def _on_attached(self, mailbox: MailboxId, code: ErrorCode) -> None:
        if code is not ErrorCode.NONE:
            self._mailboxes = tuple(other for other in self._mailboxes if other != mailbox)

    # Small things.

    def _spend(self, cost: float, now: Instant) -> bool:
        """Take `cost` from the bucket, if there is as much in it."""
        budget = self._shared.budget
        tokens = self._tokens + (now - self._tokens_at) * budget.refill_per_s
        self._tokens_at = now
        tokens = min(tokens, budget.burst)
        if tokens < cost:
            self._tokens = tokens
            return False
        self._tokens = tokens - cost
        return True

    def _wait_ms(self, cost: float) -> int:
        """Return when `cost` will be in the bucket, in milliseconds, at least 100."""
        missing = max(0.0, cost - self._tokens)
        return 100 + int(1000 * missing / self._shared.budget.refill_per_s)

    def _send(self, frame: Message) -> None:
        self._effects.append(SendFrame(encode(frame)))

    def _close(self) -> None:
        self._detach()
        self._effects.append(CloseTransport())

    def _detach(self) -> None:
        self.closed = True
        if self._known_to_service:
            self._effects.append(Detach(self.link))

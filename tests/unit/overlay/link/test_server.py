import sys
from random import Random

import pytest

from hark.machine import Instant
from hark.overlay.link.events import CloseTransport, FrameReceived, SendFrame, TransportLost
from hark.overlay.link.login import make_login
from hark.overlay.link.server import (
    MAX_MAILBOXES_PER_LINK,
    MAX_OPEN_REQUESTS,
    MAX_SILENCE_S,
    LinkBudget,
    LinkServer,
    LinkServerShared,
    ServerEffect,
)
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
    Superseded,
)
from hark.wire import link as wire
from hark.wire.codec import Message, encode
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import MailboxId
from hark.wire.mailbox import ANSWER_PARSER, Done, GetChallenge, Refused
from tests.unit.overlay.world import (
    A_LINK,
    CERTIFICATE_HASH,
    INSTANCE,
    START_UNIX_MS,
    TOKEN,
    owner_key,
)

BOX = MailboxId(bytes([5]) * 16)
ASK = wire.Ask(1, encode(GetChallenge(bytes(16))))
LIVE = wire.Live(2, BOX, TOKEN, b"envelope")
START = Instant(50.0)


def greeted(budget: LinkBudget | None = None) -> tuple[LinkServer, wire.Hello]:
    shared = LinkServerShared(
        CERTIFICATE_HASH,
        random_bytes=Random(1).randbytes,
        reconnect_window_ms=4000,
        budget=budget or LinkBudget(),
    )
    server = LinkServer(A_LINK, shared, START, START_UNIX_MS)
    (hello,) = frames(server.take_effects())
    assert isinstance(hello, wire.Hello)
    return server, hello


def frames(effects: list[ServerEffect]) -> list[wire.SupernodeFrame]:
    return [
        wire.SUPERNODE_FRAME_PARSER.parse(effect.frame)
        for effect in effects
        if isinstance(effect, SendFrame)
    ]


def receive(server: LinkServer, frame: Message, moment: float = START) -> list[ServerEffect]:
    server.handle(FrameReceived(encode(frame)), Instant(moment))
    return server.take_effects()


def login_for(hello: wire.Hello, mailbox: MailboxId = BOX) -> wire.Login:
    return make_login(
        owner_key(1),
        mailbox,
        3,
        INSTANCE,
        certificate_hash=CERTIFICATE_HASH,
        nonce=hello.nonce,
    )


def logged_in() -> LinkServer:
    server, hello = greeted()
    receive(server, login_for(hello))
    server.deliver(Attached(A_LINK, BOX, ErrorCode.NONE, 50, 0))
    server.take_effects()
    return server


def test_server_speaks_first() -> None:
    _, hello = greeted()
    assert hello.protocol_version == wire.PROTOCOL_VERSION
    assert hello.unix_ms == START_UNIX_MS
    assert hello.reconnect_window_ms == 4000


@pytest.mark.claim("A-2")
def test_every_link_has_a_nonce_of_its_own() -> None:
    shared = LinkServerShared(CERTIFICATE_HASH, random_bytes=Random(1).randbytes)
    nonces = set()
    for number in range(20):
        server = LinkServer(LinkRef(number), shared, START, START_UNIX_MS)
        (hello,) = frames(server.take_effects())
        assert isinstance(hello, wire.Hello)
        nonces.add(hello.nonce)
    assert len(nonces) == 20


def test_valid_login_becomes_an_attach_and_its_outcome_a_result() -> None:
    server, hello = greeted()
    effects = receive(server, login_for(hello))
    assert effects == [Attach(A_LINK, BOX, owner_key(1).public.raw, 3, INSTANCE)]
    server.deliver(Attached(A_LINK, BOX, ErrorCode.NONE, 50, 0))
    assert frames(server.take_effects()) == [wire.LoginResult(BOX, 0, 50, 0)]


@pytest.mark.claim("A-2")
def test_login_of_another_link_is_refused_and_reaches_no_service() -> None:
    _, other_hello = greeted()
    server, _ = greeted()
    server._nonce = bytes(32)
    effects = receive(server, login_for(other_hello))
    assert len(effects) == 1
    refused = wire.LoginResult(BOX, ErrorCode.LOGIN_INVALID, 0, 0)
    assert frames(effects) == [refused]
    assert not server.closed


def test_mailboxes_of_one_link_are_bounded() -> None:
    server, hello = greeted()
    codes = []
    for number in range(MAX_MAILBOXES_PER_LINK + 1):
        effects = receive(server, login_for(hello, MailboxId(bytes([number]) * 16)))
        codes.append(any(isinstance(effect, Attach) for effect in effects))
    assert codes == [True] * MAX_MAILBOXES_PER_LINK + [False]


def test_ask_becomes_a_request_and_its_outcome_an_answer() -> None:
    server, _ = greeted()
    assert receive(server, ASK) == [Asked(A_LINK, 1, GetChallenge(bytes(16)))]
    server.deliver(Answered(A_LINK, 1, Done()))
    assert frames(server.take_effects()) == [wire.Answer(1, encode(Done()))]


def test_live_becomes_a_live_request_and_its_outcome_a_result() -> None:
    server, _ = greeted()
    assert receive(server, LIVE) == [LiveAsked(A_LINK, 2, BOX, TOKEN, b"envelope")]
    server.deliver(LiveAnswered(A_LINK, 2, passed=True))
    assert frames(server.take_effects()) == [wire.LiveResult(2, passed=True)]


def test_what_the_service_pushes_becomes_frames() -> None:
    server = logged_in()
    server.deliver(Deliver(A_LINK, BOX, 9, 70, b"e"))
    server.deliver(LiveDelivered(A_LINK, BOX, b"l"))
    server.deliver(PrekeysRunLow(A_LINK, BOX, 20))
    assert frames(server.take_effects()) == [
        wire.Mail(BOX, 9, 70, b"e"),
        wire.LiveMail(BOX, b"l"),
        wire.PrekeysLow(BOX, 20),
    ]


def test_acknowledgement_of_an_open_mailbox_reaches_the_service() -> None:
    server = logged_in()
    assert receive(server, wire.Ack(BOX, [1, 2])) == [Acked(A_LINK, BOX, [1, 2])]


def test_acknowledgement_of_a_mailbox_that_was_refused_ends_the_link() -> None:
    server, hello = greeted()
    receive(server, login_for(hello))
    server.deliver(Attached(A_LINK, BOX, ErrorCode.STORE_STALE, 0, 0))
    server.take_effects()
    effects = receive(server, wire.Ack(BOX, [1]))
    assert frames(effects) == [wire.Goodbye(ErrorCode.MALFORMED, 4000)]


def test_ping_is_answered() -> None:
    server, _ = greeted()
    assert frames(receive(server, wire.Ping(5))) == [wire.Pong(5)]
    assert receive(server, wire.Pong(5)) == []


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xc1",
        encode(ASK)[:-1],
        encode(ASK) + b"\x00",
        encode(wire.Ask(1, b"\xff")),
        encode(wire.Mail(BOX, 1, 1, b"e")),
        encode(wire.Hello(1, bytes(32), 1, 1)),
        encode(wire.Ack(BOX, [1])),
        bytes([0x91]) * 2000,
    ],
    ids=[
        "nothing",
        "no MessagePack",
        "a frame cut off",
        "a frame with more behind it",
        "an ask whose body does not parse",
        "a frame of the supernode's",
        "a hello",
        "an acknowledgement before a login",
        "arrays without end",
    ],
)
def test_server_says_why_and_closes_when_it_gets(frame: bytes) -> None:
    server, _ = greeted()
    server.receive_frame(frame, START)
    effects = server.take_effects()
    assert frames(effects) == [wire.Goodbye(ErrorCode.MALFORMED, 4000)]
    assert effects[-1] == CloseTransport()
    assert server.closed


def test_detach_comes_once_and_only_if_the_service_knows_the_link() -> None:
    server = logged_in()
    effects = receive(server, wire.Goodbye(0, 0))
    assert effects == [Detach(A_LINK), CloseTransport()]
    server.handle(TransportLost("gone"), START)
    server.end(ErrorCode.SHUTTING_DOWN)
    server.deliver(Answered(A_LINK, 1, Done()))
    assert server.take_effects() == []
    silent, _ = greeted()
    silent.handle(TransportLost("gone"), START)
    assert silent.take_effects() == []


def test_superseded_link_is_ended() -> None:
    server = logged_in()
    server.deliver(Superseded(A_LINK))
    effects = server.take_effects()
    assert frames(effects) == [wire.Goodbye(0, 4000)]
    assert effects[1:] == [Detach(A_LINK), CloseTransport()]


def test_link_that_was_silent_for_too_long_is_ended() -> None:
    server, _ = greeted()
    receive(server, wire.Ping(1), 100.0)
    assert server.last_heard_s == 100.0
    assert server.deadline() == 100.0 + MAX_SILENCE_S
    server.handle_deadline(Instant(99.0 + MAX_SILENCE_S))
    assert not server.closed
    server.handle_deadline(Instant(100.0 + MAX_SILENCE_S))
    assert server.closed
    assert server.deadline() is None


# What a link may cost.


def test_asks_beyond_the_budget_are_refused_and_the_budget_comes_back() -> None:
    server, _ = greeted(LinkBudget(refill_per_s=2.0, burst=10.0))
    for _ in range(5):
        (asked,) = receive(server, ASK)
        assert isinstance(asked, Asked)
    (answer,) = frames(receive(server, ASK))
    assert isinstance(answer, wire.Answer)
    refused = ANSWER_PARSER.parse(answer.body)
    assert refused == Refused(ErrorCode.RATE_LIMITED, 1100)
    (asked,) = receive(server, ASK, START + 1.1)
    assert isinstance(asked, Asked)


def test_live_beyond_the_budget_is_not_passed() -> None:
    server, _ = greeted(LinkBudget(refill_per_s=1.0, burst=1.0))
    receive(server, LIVE)
    assert frames(receive(server, LIVE)) == [wire.LiveResult(2, passed=False)]


def test_login_beyond_the_budget_is_refused_before_its_signature_is_looked_at() -> None:
    server, hello = greeted(LinkBudget(refill_per_s=10.0, burst=9.0))
    (result,) = frames(receive(server, login_for(hello)))
    assert isinstance(result, wire.LoginResult)
    assert result.code == ErrorCode.RATE_LIMITED
    assert result.retry_after_ms >= 100


def test_pings_beyond_the_budget_end_the_link() -> None:
    server, _ = greeted(LinkBudget(refill_per_s=0.1, burst=1.0))
    for _ in range(20):
        effects = receive(server, wire.Ping(1))
    assert server.closed or frames(effects) == [wire.Goodbye(ErrorCode.RATE_LIMITED, 4000)]


def test_budget_is_never_more_than_the_burst() -> None:
    server, _ = greeted(LinkBudget(refill_per_s=1.0, burst=4.0))
    outcomes = [isinstance(receive(server, ASK, START + 1e6)[0], Asked) for _ in range(3)]
    assert outcomes == [True, True, False]


def test_open_requests_are_bounded_and_an_answer_makes_room() -> None:
    server, _ = greeted()
    for _ in range(MAX_OPEN_REQUESTS):
        (asked,) = receive(server, ASK)
        assert isinstance(asked, Asked)
    assert len(frames(receive(server, ASK))) == 1
    assert frames(receive(server, LIVE)) == [wire.LiveResult(2, passed=False)]
    for outcome in (Answered(A_LINK, 1, Done()), LiveAnswered(A_LINK, 1, passed=False)):
        server.deliver(outcome)
        server.take_effects()
        (asked,) = receive(server, ASK)
        assert isinstance(asked, Asked)
        assert len(frames(receive(server, ASK))) == 1


def test_link_has_slots_only_and_is_small() -> None:
    server, _ = greeted()
    assert not hasattr(server, "__dict__")
    # 15,000 of them in one worker: 4 MB, of the 20 KiB that a link may cost with its TLS.
    parts = [getattr(server, name) for name in LinkServer.__slots__ if name != "_shared"]
    assert sys.getsizeof(server) + sum(map(sys.getsizeof, parts)) < 1024

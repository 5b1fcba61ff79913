from random import Random

import pytest

from hark.machine import Instant
from hark.overlay.link.client import (
    DEFAULT_LINK_CONFIG,
    TRANSITIONS,
    LinkClient,
    LinkState,
)
from hark.overlay.link.events import (
    AnswerArrived,
    AskFailed,
    ClientEffect,
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
from hark.overlay.link.liveness import PROBE_TIMEOUT_S
from hark.overlay.link.login import check_login
from hark.wire import link as wire
from hark.wire.codec import Message, encode
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import MailboxId
from hark.wire.mailbox import Challenge, Done, GetChallenge, Refused
from tests.unit.overlay.world import (
    ADDRESS,
    CERTIFICATE,
    CERTIFICATE_HASH,
    HELLO,
    INSTANCE,
    OTHER_CERTIFICATE,
    START_UNIX_MS,
    client_up,
    new_client,
    owner_key,
    sent,
)

BOX = MailboxId(bytes([5]) * 16)
REQUEST = GetChallenge(bytes(16))


def at(moment: float) -> Instant:
    return Instant(moment)


def receive(client: LinkClient, frame: Message, moment: float = 1.0) -> list[ClientEffect]:
    client.handle(FrameReceived(encode(frame)), at(moment))
    return client.take_effects()


def logged_in() -> LinkClient:
    client = client_up()
    client.log_in(BOX, owner_key(1), 1, INSTANCE, at(0.0))
    receive(client, wire.LoginResult(BOX, 0, 50, 0))
    return client


def last_down(effects: list[ClientEffect]) -> LinkDown:
    assert CloseTransport() in effects
    down = effects[-1]
    assert isinstance(down, LinkDown)
    return down


# Coming up.


def test_start_opens_a_transport_once() -> None:
    client = new_client()
    client.start(at(0.0))
    client.start(at(0.0))
    assert client.take_effects() == [OpenTransport(ADDRESS)]


def test_client_is_up_once_the_pin_held_and_the_hello_came() -> None:
    client = new_client()
    client.start(at(0.0))
    client.handle(TransportOpened(CERTIFICATE), at(1.0))
    assert client.take_effects() == [OpenTransport(ADDRESS)]
    client.handle(FrameReceived(encode(HELLO)), at(1.0))
    # Its clock stands a second behind ours.
    assert client.take_effects() == [LinkUp(-1000)]


@pytest.mark.parametrize(
    "certificate",
    [OTHER_CERTIFICATE, b"", b"no certificate", CERTIFICATE[:-1], CERTIFICATE[:60]],
    ids=["of another key", "empty", "text", "cut off", "cut in the middle"],
)
@pytest.mark.claim("A-1")
def test_client_sends_nothing_and_closes_when_the_pin_does_not_hold(
    certificate: bytes,
) -> None:
    client = new_client()
    client.start(at(0.0))
    client.log_in(BOX, owner_key(1), 1, INSTANCE, at(0.0))
    client.handle(TransportOpened(certificate), at(1.0))
    client.handle(FrameReceived(encode(HELLO)), at(1.0))
    client.ask(REQUEST, at(1.0))
    effects = client.take_effects()
    assert not any(isinstance(effect, SendFrame) for effect in effects)
    assert CloseTransport() in effects
    down = next(effect for effect in effects if isinstance(effect, LinkDown))
    assert down.wrong_supernode
    assert down.retry_at is not None
    assert 0.75 * 3600 <= down.retry_at - 1.0 <= 1.25 * 3600


def test_client_says_version_when_the_hello_is_of_another_version() -> None:
    for frame in (
        encode(wire.Hello(2, bytes(32), 1, 1)),
        # A later version may have more fields than this one knows.
        bytes.fromhex("9301026b"),
    ):
        client = new_client()
        client.start(at(0.0))
        client.handle(TransportOpened(CERTIFICATE), at(0.0))
        client.handle(FrameReceived(frame), at(0.0))
        down = last_down(client.take_effects())
        assert down.cause is ErrorCode.VERSION
        assert down.retry_at is not None
        assert down.retry_at > 0.7 * 3600


@pytest.mark.parametrize("first", [wire.Ping(1), wire.Goodbye(15, 9), wire.Pong(2)])
def test_client_closes_when_the_supernode_does_not_greet_first(first: Message) -> None:
    client = new_client()
    client.start(at(0.0))
    client.handle(TransportOpened(CERTIFICATE), at(0.0))
    client.handle(FrameReceived(encode(first)), at(0.0))
    assert last_down(client.take_effects()).retry_at is not None


@pytest.mark.parametrize(
    ("certificate", "timeout_s"),
    [
        (None, DEFAULT_LINK_CONFIG.connect_timeout_s),
        (CERTIFICATE, DEFAULT_LINK_CONFIG.hello_timeout_s),
    ],
    ids=["no connection", "no hello"],
)
def test_client_gives_up_waiting(certificate: bytes | None, timeout_s: float) -> None:
    client = new_client()
    client.start(at(0.0))
    if certificate is not None:
        client.handle(TransportOpened(certificate), at(0.0))
    assert client.deadline() == timeout_s
    client.handle_deadline(at(timeout_s - 0.1))
    assert client.take_effects() == [OpenTransport(ADDRESS)]
    client.handle_deadline(at(timeout_s))
    assert last_down(client.take_effects()).retry_at is not None


# Going down and coming back.


def test_lost_link_is_tried_again_within_the_window_of_the_hello() -> None:
    client = client_up()
    client.handle(TransportLost("connection reset"), at(7.0))
    (down,) = client.take_effects()
    assert isinstance(down, LinkDown)
    assert down.retry_at is not None
    assert 7.0 < down.retry_at <= 7.0 + HELLO.reconnect_window_ms / 1000
    assert client.deadline() == down.retry_at
    client.handle_deadline(down.retry_at)
    assert client.take_effects() == [OpenTransport(ADDRESS)]


def test_window_of_a_goodbye_wins_over_that_of_the_hello() -> None:
    spread = []
    for seed in range(40):
        client = client_up(seed)
        effects = receive(client, wire.Goodbye(ErrorCode.SHUTTING_DOWN, 600_000))
        down = last_down(effects)
        assert down.cause is ErrorCode.SHUTTING_DOWN
        assert down.retry_at is not None
        spread.append(down.retry_at - 1.0)
    assert max(spread) > HELLO.reconnect_window_ms / 1000
    assert max(spread) <= 600


def test_goodbye_for_another_version_is_not_retried_soon() -> None:
    down = last_down(receive(client_up(), wire.Goodbye(ErrorCode.VERSION, 5)))
    assert down.retry_at is not None
    assert down.retry_at > 0.7 * 3600


def test_delays_grow_while_nothing_answers() -> None:
    client = new_client()
    client.start(at(0.0))
    now, delays = 0.0, []
    for _ in range(60):
        client.take_effects()
        client.handle(TransportLost("connection refused"), at(now))
        due = client.deadline()
        assert due is not None
        delays.append(due - now)
        now = due
        client.handle_deadline(due)
    assert max(delays[:3]) <= 4
    assert 60 < max(delays) <= 300


@pytest.mark.parametrize(("stands_s", "longest_s"), [(1.0, 300.0), (61.0, 1.0)])
def test_only_a_link_that_held_for_a_minute_begins_the_back_off_anew(
    stands_s: float, longest_s: float
) -> None:
    client = new_client()
    client.start(at(0.0))
    now, delays = 0.0, []
    for _ in range(40):
        client.handle(TransportOpened(CERTIFICATE), at(now))
        client.handle(FrameReceived(encode(wire.Hello(1, bytes(32), 1, 0))), at(now))
        now += stands_s
        client.handle(TransportLost("crashed"), at(now))
        due = client.deadline()
        assert due is not None
        delays.append(due - now)
        now = due
        client.handle_deadline(due)
    assert longest_s / 3 < max(delays) <= longest_s


def test_connect_now_does_not_wait() -> None:
    client = client_up()
    client.handle(TransportLost("no network"), at(1.0))
    client.take_effects()
    client.connect_now(at(1.1))
    assert client.take_effects() == [OpenTransport(ADDRESS)]


def test_connect_now_probes_a_link_that_stands() -> None:
    client = client_up()
    client.connect_now(at(5.0))
    assert [type(frame) for frame in sent(client.take_effects())] == [wire.Ping]


def test_link_that_is_silent_in_doubt_is_replaced_at_once() -> None:
    client = client_up()
    client.connect_now(at(5.0))
    client.take_effects()
    client.handle_deadline(at(5.0 + PROBE_TIMEOUT_S))
    effects = client.take_effects()
    assert CloseTransport() in effects
    assert effects[-1] == OpenTransport(ADDRESS)
    # The one after that has its delay.
    client.handle(TransportLost("no network"), at(9.0))
    assert OpenTransport(ADDRESS) not in client.take_effects()


def test_stop_says_goodbye_fails_the_asks_and_stays_away() -> None:
    client = client_up()
    asked = client.ask(REQUEST, at(1.0))
    client.take_effects()
    client.stop(at(2.0))
    effects = client.take_effects()
    assert sent(effects) == [wire.Goodbye(0, 0)]
    assert AskFailed(asked, REQUEST) in effects
    assert last_down(effects).retry_at is None
    assert client.deadline() is None
    client.handle(TransportLost("late"), at(3.0))
    client.handle_deadline(at(1e6))
    assert client.take_effects() == []


def test_late_news_of_a_connection_is_ignored_in_every_state() -> None:
    client = client_up()
    client.handle(TransportLost("gone"), at(1.0))
    client.take_effects()
    client.handle(FrameReceived(encode(wire.Ping(1))), at(1.0))
    client.handle(TransportOpened(CERTIFICATE), at(1.0))
    client.handle(TransportLost("gone"), at(1.0))
    assert client.take_effects() == []
    assert client.state is LinkState.WAITING


def test_every_state_can_be_left_and_every_step_leads_to_a_state() -> None:
    assert set(TRANSITIONS) == set(LinkState)
    for steps in TRANSITIONS.values():
        assert steps
        assert set(steps.values()) <= set(LinkState)


# Logging in.


def test_remembered_mailbox_is_logged_in_to_on_every_link() -> None:
    client = new_client()
    client.log_in(BOX, owner_key(1), 4, INSTANCE, at(0.0))
    for round_ in range(3):
        client.connect_now(at(float(round_)))
        client.handle(TransportOpened(CERTIFICATE), at(float(round_)))
        client.take_effects()
        (login,) = sent(receive(client, HELLO))
        assert isinstance(login, wire.Login)
        check_login(login, certificate_hash=CERTIFICATE_HASH, nonce=HELLO.nonce)
        assert (login.mailbox, login.generation, login.instance) == (BOX, 4, INSTANCE)
        client.handle(TransportLost("gone"), at(float(round_)))


def test_login_result_becomes_a_fact() -> None:
    client = client_up()
    client.log_in(BOX, owner_key(1), 1, INSTANCE, at(0.0))
    client.take_effects()
    assert receive(client, wire.LoginResult(BOX, 0, 25, 0)) == [LoggedIn(BOX, 25)]
    client.log_in(BOX, owner_key(1), 1, INSTANCE, at(0.0))
    client.take_effects()
    stale = wire.LoginResult(BOX, ErrorCode.STORE_STALE, 0, 0)
    assert receive(client, stale) == [LoginRefused(BOX, ErrorCode.STORE_STALE)]


def test_unknown_code_of_a_newer_supernode_is_read_as_unknown() -> None:
    client = client_up()
    client.log_in(BOX, owner_key(1), 1, INSTANCE, at(0.0))
    client.take_effects()
    result = wire.LoginResult(BOX, 200, 0, 0)
    assert receive(client, result) == [LoginRefused(BOX, ErrorCode.UNKNOWN)]


def test_login_is_tried_again_on_the_same_link_after_a_passing_refusal() -> None:
    client = client_up()
    client.log_in(BOX, owner_key(1), 1, INSTANCE, at(0.0))
    receive(client, wire.LoginResult(BOX, ErrorCode.STORE_UNAVAILABLE, 0, 10_000))
    due = client.deadline()
    assert due is not None
    assert due <= 11.0
    client.handle_deadline(due)
    assert [type(frame) for frame in sent(client.take_effects())] == [wire.Login]


def test_forgotten_mailbox_is_left_alone() -> None:
    client = logged_in()
    client.forget_mailbox(BOX)
    assert receive(client, wire.Mail(BOX, 1, 0, b"late")) == []
    client.handle(TransportLost("gone"), at(1.0))
    client.connect_now(at(1.0))
    client.handle(TransportOpened(CERTIFICATE), at(1.0))
    client.take_effects()
    assert sent(receive(client, HELLO)) == []


# Asking.


def test_ask_has_its_answer() -> None:
    client = client_up()
    request_id = client.ask(REQUEST, at(1.0))
    assert sent(client.take_effects()) == [wire.Ask(request_id, encode(REQUEST))]
    challenge = Challenge(bytes(32), 20, 600_000)
    effects = receive(client, wire.Answer(request_id, encode(challenge)))
    assert effects == [AnswerArrived(request_id, REQUEST, challenge)]


def test_refusal_is_an_answer() -> None:
    client = client_up()
    request_id = client.ask(REQUEST, at(1.0))
    client.take_effects()
    refused = Refused(ErrorCode.RATE_LIMITED, 100)
    effects = receive(client, wire.Answer(request_id, encode(refused)))
    assert effects == [AnswerArrived(request_id, REQUEST, refused)]


def test_ask_fails_at_once_without_a_link() -> None:
    client = new_client()
    request_id = client.ask(REQUEST, at(0.0))
    live_id = client.send_live(BOX, bytes(16), b"x", at(0.0))
    assert client.take_effects() == [
        AskFailed(request_id, REQUEST),
        LiveOutcome(live_id, passed=False),
    ]


def test_asks_fail_when_the_link_goes() -> None:
    client = client_up()
    asked = [client.ask(REQUEST, at(1.0)) for _ in range(3)]
    live_id = client.send_live(BOX, bytes(16), b"x", at(1.0))
    client.take_effects()
    client.handle(TransportLost("gone"), at(2.0))
    *failed, down = client.take_effects()
    assert failed == [
        *(AskFailed(request_id, REQUEST) for request_id in asked),
        LiveOutcome(live_id, passed=False),
    ]
    assert isinstance(down, LinkDown)


def test_unanswered_ask_ends_the_link_after_a_minute() -> None:
    client = client_up()
    request_id = client.ask(REQUEST, at(1.0))
    client.take_effects()
    now = 1.0
    while client.state is LinkState.UP:
        due = client.deadline()
        assert due is not None
        now = due
        client.handle_deadline(due)
        # The home is there, and answers pings, but not the ask.
        for frame in sent(effects := client.take_effects()):
            if isinstance(frame, wire.Ping):
                receive(client, wire.Pong(frame.nonce), now)
    assert now == 1.0 + DEFAULT_LINK_CONFIG.ask_timeout_s
    assert AskFailed(request_id, REQUEST) in effects
    last_down(effects)


def test_too_many_unanswered_asks_fail_at_once() -> None:
    client = client_up()
    for _ in range(300):
        client.ask(REQUEST, at(1.0))
    effects = client.take_effects()
    asks = sum(isinstance(effect, SendFrame) for effect in effects)
    failed = sum(isinstance(effect, AskFailed) for effect in effects)
    assert (asks, failed) == (256, 44)


# What is pushed.


def test_pushed_mail_live_and_prekey_news_become_facts() -> None:
    client = logged_in()
    assert receive(client, wire.Mail(BOX, 7, 60, b"e")) == [MailArrived(BOX, 7, 60, b"e")]
    assert receive(client, wire.LiveMail(BOX, b"e")) == [LiveArrived(BOX, b"e")]
    assert receive(client, wire.PrekeysLow(BOX, 3)) == [PrekeysRanLow(BOX, 3)]


def test_acknowledgements_are_sent_in_frames_of_bounded_size() -> None:
    client = logged_in()
    client.acknowledge(BOX, list(range(600)), at(1.0))
    frames = sent(client.take_effects())
    assert all(isinstance(frame, wire.Ack) for frame in frames)
    assert [len(frame.sequences) for frame in frames if isinstance(frame, wire.Ack)] == [
        256,
        256,
        88,
    ]


def test_acknowledgement_is_dropped_while_the_mailbox_is_not_attached() -> None:
    client = client_up()
    client.acknowledge(BOX, [1], at(1.0))
    assert client.take_effects() == []


def test_live_outcome_is_told() -> None:
    client = client_up()
    request_id = client.send_live(BOX, bytes(16), b"x", at(1.0))
    client.take_effects()
    effects = receive(client, wire.LiveResult(request_id, passed=True))
    assert effects == [LiveOutcome(request_id, passed=True)]


def test_ping_is_answered_and_silence_is_broken_by_a_ping() -> None:
    client = client_up()
    assert sent(receive(client, wire.Ping(77))) == [wire.Pong(77)]
    due = client.deadline()
    assert due is not None
    client.handle_deadline(due)
    (ping,) = sent(client.take_effects())
    assert isinstance(ping, wire.Ping)
    client.handle_deadline(at(due + 15))
    down = last_down(client.take_effects())
    assert down.reason == "the supernode went silent"


# Breaches.


BREACHES = {
    "an answer that was not asked for": wire.Answer(99, encode(Done())),
    "a live result that was not asked for": wire.LiveResult(99, passed=True),
    "an answer of the wrong kind": wire.Answer(1, encode(Done())),
    "an answer that does not parse": wire.Answer(1, b"\xff"),
    "a live result for an ask": wire.LiveResult(1, passed=True),
    "mail for a mailbox that is not open": wire.Mail(BOX, 1, 0, b"e"),
    "live mail for a mailbox that is not open": wire.LiveMail(BOX, b"e"),
    "prekey news of a mailbox that is not open": wire.PrekeysLow(BOX, 1),
    "a login result that was not asked for": wire.LoginResult(BOX, 0, 0, 0),
    "a second hello": HELLO,
    "a frame of the node's": wire.Ack(BOX, [1]),
}


@pytest.mark.parametrize("breach", BREACHES.values(), ids=BREACHES)
def test_client_ends_the_link_when_the_supernode_sends(breach: Message) -> None:
    client = client_up()
    request_id = client.ask(REQUEST, at(1.0))
    assert request_id == 1
    client.take_effects()
    effects = receive(client, breach)
    assert sent(effects) == [wire.Goodbye(ErrorCode.MALFORMED, 0)]
    assert AskFailed(1, REQUEST) in effects
    last_down(effects)


def test_every_ask_has_exactly_one_outcome_under_random_events() -> None:
    for seed in range(30):
        random = Random(seed)
        client = client_up(seed)
        open_ids: set[int] = set()
        now = 0.0
        for _ in range(200):
            now += random.random() * 20
            match random.randrange(6):
                case 0 | 1:
                    open_ids.add(client.ask(REQUEST, at(now)))
                case 2 if client.state is LinkState.UP and open_ids:
                    answered = random.choice(sorted(open_ids))
                    refused = encode(Refused(12, 0))
                    client.handle(
                        FrameReceived(encode(wire.Answer(answered, refused))), at(now)
                    )
                case 3 if random.random() < 0.3:
                    client.handle(TransportLost("gone"), at(now))
                case 4:
                    client.handle(TransportOpened(CERTIFICATE), at(now))
                    client.handle(FrameReceived(encode(HELLO)), at(now))
                case _:
                    client.handle_deadline(at(now))
            for effect in client.take_effects():
                if isinstance(effect, AnswerArrived | AskFailed):
                    open_ids.remove(effect.request_id)
        client.stop(at(now))
        for effect in client.take_effects():
            if isinstance(effect, AskFailed):
                open_ids.remove(effect.request_id)
        assert open_ids == set()


def test_clock_offset_is_the_supernodes_clock_minus_ours() -> None:
    client = new_client()
    client.start(at(0.0))
    client.handle(TransportOpened(CERTIFICATE), at(0.0))
    ahead = wire.Hello(1, bytes(32), START_UNIX_MS + 7000, 0)
    client.handle(FrameReceived(encode(ahead)), at(0.0))
    assert client.take_effects() == [OpenTransport(ADDRESS), LinkUp(7000)]

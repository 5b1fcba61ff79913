"""The links of a node: whose news counts, what is lost with a link, when one is let go."""

import os
from ssl import PEM_cert_to_DER_cert

from hark.crypto.admission import envelope_hash
from hark.crypto.certificates import make_certificate, node_id_of_key
from hark.crypto.signing import SigningKey
from hark.machine import Instant
from hark.messaging import events as m
from hark.node.links import (
    FOREIGN_IDLE_S,
    CloseConnection,
    ConnectionInput,
    ConnectionOrder,
    LinkPool,
    OpenConnection,
    SendOnConnection,
)
from hark.overlay.link.events import FrameReceived, TransportLost, TransportOpened
from hark.overlay.link.liveness import PROBE_TIMEOUT_S
from hark.overlay.mailbox.custody import custody_leaf, sign_custody
from hark.wire import link as wire
from hark.wire.address import Address
from hark.wire.codec import encode
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import MailboxId
from hark.wire.mailbox import DeliveryToken, Held, MailboxAnswer, Put, Refused

KEY = SigningKey.from_seed(bytes(32))
OTHER_KEY = SigningKey.from_seed(bytes([1]) * 32)
ADDRESS = Address(node_id_of_key(KEY.public), "home.example", 7443)
MAILBOX = MailboxId(bytes(16))
PUT = Put(MAILBOX, DeliveryToken(bytes(16)), b"sealed")
REFUSED = Refused(ErrorCode.MAILBOX_FULL, 1000)
NOW = Instant(0.0)


def certificate_of(key: SigningKey) -> bytes:
    return PEM_cert_to_DER_cert(make_certificate(key)[0].decode())


class Pool:
    """A pool, and the supernode at the other end."""

    def __init__(self) -> None:
        self.pool = LinkPool(random_bytes=os.urandom, unix_ms=lambda _now: 1_800_000_000_000)
        self.orders: list[ConnectionOrder] = []

    def ask(self, ask_id: int, now: Instant = NOW) -> None:
        self.pool.ask(m.AskHome(ask_id, ADDRESS, PUT), now)

    def feed(self, connection: int, item: object, now: Instant = NOW) -> None:
        assert isinstance(item, TransportOpened | FrameReceived | TransportLost)
        self.pool.handle(ConnectionInput(connection, item), now)

    def take(self) -> list[ConnectionOrder]:
        return self.pool.take_orders()

    def come_up(self, now: Instant = NOW) -> int:
        """Let the connection that was ordered stand; return its number."""
        (order,) = [one for one in self.take() if isinstance(one, OpenConnection)]
        self.feed(order.connection, TransportOpened(certificate_of(KEY)), now)
        hello = wire.Hello(wire.PROTOCOL_VERSION, bytes(32), 1_800_000_000_000, 1000)
        self.feed(order.connection, FrameReceived(encode(hello)), now)
        return order.connection

    def asked(self) -> list[int]:
        """Return the request ids of what was sent."""
        frames = [one.frame for one in self.take() if isinstance(one, SendOnConnection)]
        parsed = [wire.NODE_FRAME_PARSER.parse(frame) for frame in frames]
        return [frame.request_id for frame in parsed if isinstance(frame, wire.Ask)]

    def answer(self, connection: int, request_id: int, answer: MailboxAnswer) -> None:
        frame = encode(wire.Answer(request_id, encode(answer)))
        self.feed(connection, FrameReceived(frame))

    def facts(self) -> list[m.MessagingInput]:
        return self.pool.take_facts()


def receipt(key: SigningKey, envelope: bytes) -> Held:
    until = 1_900_000_000_000
    leaf = custody_leaf(envelope_hash(envelope), MAILBOX, until)
    return sign_custody(key, [(leaf, until)])[0]


def test_ask_waits_for_its_link_and_is_answered_by_its_own_number() -> None:
    pool = Pool()
    pool.ask(7)
    connection = pool.come_up()
    (request_id,) = pool.asked()
    held = receipt(KEY, PUT.envelope)
    pool.answer(connection, request_id, held)
    assert pool.facts() == [m.HomeUp(ADDRESS.node_id, 0), m.AnswerReceived(7, held)]


def test_receipt_of_another_key_or_envelope_does_not_count_as_held() -> None:
    for forged in (receipt(OTHER_KEY, PUT.envelope), receipt(KEY, b"another")):
        pool = Pool()
        pool.ask(7)
        connection = pool.come_up()
        (request_id,) = pool.asked()
        pool.answer(connection, request_id, forged)
        assert pool.facts()[1:] == [m.AskLost(7)]


def test_answer_that_promises_nothing_needs_no_receipt() -> None:
    pool = Pool()
    pool.ask(7)
    connection = pool.come_up()
    (request_id,) = pool.asked()
    pool.answer(connection, request_id, REFUSED)
    assert pool.facts()[1:] == [m.AnswerReceived(7, REFUSED)]


def test_what_was_asked_is_lost_with_the_link() -> None:
    pool = Pool()
    pool.ask(7)
    connection = pool.come_up()
    pool.ask(8)
    pool.facts()
    pool.feed(connection, TransportLost("connection reset"))
    facts = pool.facts()
    assert m.AskLost(7) in facts
    assert m.AskLost(8) in facts
    assert facts[-1] == m.HomeDown(ADDRESS.node_id, "connection reset")
    assert pool.pool.reason(ADDRESS.node_id) == "connection reset"


def test_news_of_a_connection_that_was_given_up_is_ignored() -> None:
    pool = Pool()
    pool.ask(7)
    connection = pool.come_up()
    pool.feed(connection, TransportLost("connection reset"))
    pool.facts()
    pool.feed(connection, FrameReceived(b"late"))
    pool.feed(connection, TransportLost("again"))
    assert pool.facts() == []


def test_nothing_is_sent_to_another_supernode_and_the_reason_says_so() -> None:
    pool = Pool()
    pool.ask(7)
    (order,) = pool.take()
    assert isinstance(order, OpenConnection)
    pool.feed(order.connection, TransportOpened(certificate_of(OTHER_KEY)))
    assert pool.take() == [CloseConnection(order.connection)]
    assert m.AskLost(7) in pool.facts()
    assert "another supernode" in pool.pool.reason(ADDRESS.node_id)


def test_link_to_a_foreign_home_is_let_go_when_it_is_idle() -> None:
    pool = Pool()
    pool.ask(7)
    connection = pool.come_up()
    (request_id,) = pool.asked()
    pool.answer(connection, request_id, REFUSED)
    later = Instant(FOREIGN_IDLE_S + 1)
    due = pool.pool.deadline()
    assert due is not None
    assert due <= later
    pool.pool.handle_deadline(later)
    assert CloseConnection(connection) in pool.take()
    assert pool.pool.deadline() is None


def test_link_to_our_own_home_is_kept() -> None:
    pool = Pool()
    pool.pool.keep(ADDRESS, NOW)
    connection = pool.come_up()
    pool.take()
    pool.pool.handle_deadline(Instant(FOREIGN_IDLE_S + 1))
    assert CloseConnection(connection) not in pool.take()


def test_links_in_doubt_are_given_up_soon_and_only_those_that_seem_to_stand_are_asked() -> None:
    pool = Pool()
    pool.pool.keep(ADDRESS, NOW)
    pool.pool.probe(NOW)
    connection = pool.come_up()
    pool.pool.probe(NOW)
    (ping,) = pool.take()
    assert isinstance(ping, SendOnConnection)
    assert isinstance(wire.NODE_FRAME_PARSER.parse(ping.frame), wire.Ping)
    later = Instant(PROBE_TIMEOUT_S)
    pool.pool.handle_deadline(later)
    assert pool.take() == [
        CloseConnection(connection),
        OpenConnection(connection + 1, ADDRESS),
    ]

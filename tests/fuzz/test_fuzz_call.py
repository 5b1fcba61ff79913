"""Hostile signals of a call.

Invariant: parsing raises `MalformedError` or gives a signal that writes exactly those bytes, is
within every bound, and names addresses that are addresses and nothing else.
"""

import re
from ipaddress import ip_address

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hark.errors import MalformedError
from hark.wire import call
from hark.wire.call import parse_signal
from hark.wire.codec import Message, encode
from tests.unit.overlay.damage import damaged
from tools.make_call_vectors import SIGNALS

OPENINGS = call.CallOffer | call.CallAnswer | call.CallRedial | call.CallRedialAnswer
ICE_TEXT = re.compile(r"[A-Za-z0-9+/]+")

texts = st.one_of(
    st.text(max_size=140),
    st.ip_addresses().map(str),
    st.sampled_from(
        ["localhost", "::1%lo", "0x7f.1", "1.2.3.4\r\na=x", "::ffff:127.0.0.1", ""]
    ),
)
values: st.SearchStrategy[object] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.binary(max_size=140),
        texts,
    ),
    lambda inner: st.lists(inner, max_size=20),
    max_leaves=40,
)


def check(body: bytes) -> None:
    """Parse bytes and hold what comes out against the invariant."""
    try:
        signal = parse_signal(body)
    except MalformedError:
        return
    assert encode(signal) == body
    assert len(body) <= call.MAX_SIGNAL_BYTES
    if isinstance(signal, call.CallOffer | call.CallAnswer):
        assert 1 <= len({one.stream for one in signal.streams}) == len(signal.streams)
    if isinstance(signal, OPENINGS):
        end = signal.transport
        assert ICE_TEXT.fullmatch(end.username)
        assert ICE_TEXT.fullmatch(end.password)
        assert len(end.fingerprint) == 32
    if isinstance(signal, OPENINGS | call.CallCandidates):
        assert len(signal.candidates) <= call.MAX_BATCH_CANDIDATES
        for candidate in signal.candidates:
            assert str(ip_address(candidate.address)) == candidate.address
            assert ICE_TEXT.fullmatch(candidate.foundation)
            assert 1 <= candidate.port <= 65_535


@given(st.binary(max_size=300))
def test_any_bytes_are_a_signal_or_malformed(body: bytes) -> None:
    check(body)


@given(damaged(st.sampled_from(SIGNALS)))
def test_a_damaged_signal_is_a_signal_or_malformed(body: bytes) -> None:
    check(body)


@given(st.integers(0, 12), st.lists(values, max_size=12))
def test_an_array_of_any_values_is_a_signal_or_malformed(tag: int, rest: list[object]) -> None:
    check(msgspec.msgpack.encode([tag, *rest]))


@given(st.sampled_from(SIGNALS), values, st.data())
def test_a_signal_with_any_value_in_any_field_is_a_signal_or_malformed(
    signal: Message, value: object, data: st.DataObject
) -> None:
    elements = msgspec.msgpack.decode(encode(signal))
    elements[data.draw(st.integers(0, len(elements) - 1))] = value
    check(msgspec.msgpack.encode(elements))


@given(texts, texts, texts, texts)
def test_texts_of_a_peer_pass_as_what_they_must_be_or_not_at_all(
    address: str, foundation: str, username: str, password: str
) -> None:
    candidate = call.CallCandidate(0, address, 1, 1, foundation)
    end = call.CallTransport(username, password, bytes(32))
    check(encode(call.CallRedial(bytes(16), 2, end, [candidate], final=True)))
    good = call.CallTransport("user", "p" * 22, bytes(32))
    check(encode(call.CallRedial(bytes(16), 2, good, [candidate], final=True)))


@given(st.integers(0, 1_000))
def test_no_number_of_candidates_passes_that_is_beyond_the_bound(count: int) -> None:
    candidate = call.CallCandidate(0, "192.0.2.1", 1, 1, "1")
    check(encode(call.CallCandidates(bytes(16), 1, 1, [candidate] * count, final=True)))


@given(st.binary(max_size=6), st.integers(1, 5_000))
def test_nesting_and_length_end_in_malformed(head: bytes, depth: int) -> None:
    check(head + b"\x91" * depth)
    check(head + b"\xdd\xff\xff\xff\xff" * (depth % 50 + 1))

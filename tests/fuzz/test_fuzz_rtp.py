"""Fuzz targets of media packets. Each states its invariant in its first sentence."""

from hypothesis import given
from hypothesis import strategies as st

from hark.calls.media import IceServer, MediaKeys
from hark.crypto.sframe import SFrameSender
from hark.errors import MalformedError
from hark.machine import Instant
from hark.node.media.candidates import may_be_tried, parse_server
from hark.node.media.opus import OpusEncoder
from hark.node.media.rtp import Reception, Reports, RtpHeader, encode_rtp, parse_rtp
from hark.node.media.voice import VoicePlayer
from hark.node.media.voice_stream import VoiceReceiver
from hark.wire.call import CallCandidate
from hark.wire.sound import FRAME_BYTES, SILENCE

KEYS = MediaKeys(b"s" * 32, b"r" * 32, 256, 256)
U32 = st.integers(0, 2**32 - 1)


def sealed_packets() -> list[bytes]:
    """Return twenty packets as an honest peer sends them."""
    seal = SFrameSender(KEYS.receive_base, KEYS.receive_key_id)
    encoder = OpusEncoder()
    return [
        encode_rtp(RtpHeader(at, at * 960, 5), seal.seal(encoder.encode(SILENCE)))
        for at in range(20)
    ]


HONEST = sealed_packets()


@given(st.binary(max_size=2_000))
def test_packet_is_refused_or_is_what_we_would_write(packet: bytes) -> None:
    """Whatever parses is exactly what the encoder makes of it."""
    try:
        header, payload = parse_rtp(packet)
    except MalformedError:
        return
    assert encode_rtp(header, payload) == packet


@given(st.integers(0, 65_535), U32, U32, st.binary(min_size=1, max_size=1_400))
def test_packet_survives_the_way(
    sequence: int, timestamp: int, ssrc: int, payload: bytes
) -> None:
    """Whatever is written parses to the same."""
    header = RtpHeader(sequence, timestamp, ssrc)
    assert parse_rtp(encode_rtp(header, payload)) == (header, payload)


@given(st.lists(st.binary(max_size=300) | st.sampled_from(HONEST), max_size=60), st.data())
def test_receiver_plays_each_honest_packet_once_and_nothing_else(
    packets: list[bytes], data: st.DataObject
) -> None:
    """Whatever comes in whatever order: only honest packets are taken, each once."""
    player = VoicePlayer()
    receiver = VoiceReceiver(KEYS, player)
    taken = []
    for place, whole in enumerate(packets):
        cut = data.draw(st.integers(0, len(whole)) | st.just(len(whole)))
        packet = whole[:cut]
        if receiver.take(packet, Instant(place / 50)):
            taken.append(packet)
    assert set(taken) <= set(HONEST)
    assert len(taken) == len(set(taken))
    assert receiver.refused == len(packets) - len(taken)
    assert len(player.play(Instant(2))) == FRAME_BYTES


@given(st.sampled_from(HONEST), st.integers(12, len(HONEST[0]) - 1), st.integers(1, 255))
def test_bent_seal_is_never_opened(packet: bytes, at: int, change: int) -> None:
    """Any changed byte behind the RTP header makes the receiver refuse the packet."""
    bent = packet[:at] + bytes([packet[at] ^ change]) + packet[at + 1 :]
    receiver = VoiceReceiver(KEYS, VoicePlayer())
    assert not receiver.take(bent, Instant(0))
    assert receiver.take(packet, Instant(0))


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_reports_raise_nothing_but_malformed(blobs: list[bytes]) -> None:
    """Any bytes are read or refused, and the figures stay within their bounds."""
    reports = Reports(1, Reception())
    for blob in blobs:
        try:
            reports.read(blob, Instant(1))
        except MalformedError:
            continue
    assert reports.lately_lost == -1 or 0 <= reports.lately_lost < 1
    assert reports.round_trip_ms == -1 or 0 <= reports.round_trip_ms <= 60_000


@given(st.integers(0, 31), st.sampled_from([200, 201, 202, 203, 205, 206]), st.data())
def test_reports_with_true_lengths_raise_nothing_but_malformed(
    count: int, kind: int, data: st.DataObject
) -> None:
    """The same for packets whose header is right, which reach further into the parser."""
    words = data.draw(st.integers(0, 60))
    body = data.draw(st.binary(min_size=4 * words, max_size=4 * words))
    packet = bytes([0x80 | count, kind]) + words.to_bytes(2, "big") + body
    reports = Reports(int.from_bytes(body[:4], "big"), Reception())
    try:
        reports.read(packet, Instant(1))
    except MalformedError:
        return
    sent = reports.sent(packets=1, octets=1, timestamp=1, now=Instant(2))
    assert len(reports.write(1, sent, Instant(2))) == 52


@given(st.lists(st.tuples(st.integers(65_536, 70_000), U32, st.floats(0, 1e6)), max_size=50))
def test_reception_counts_within_bounds(
    arrivals: list[tuple[int, int, float]],
) -> None:
    """Whatever times a peer writes: loss is a share, jitter is finite."""
    reception = Reception()
    for counter, timestamp, now in {one[0]: one for one in arrivals}.values():
        reception.count(counter, timestamp, Instant(now))
        assert 0 <= reception.close_interval() <= 1
    assert reception.lost >= 0
    assert 0 <= reception.jitter_units < 2**32


@given(st.text(max_size=45), st.integers(), st.integers(), st.booleans())
def test_any_candidate_is_tried_or_not(
    address: str, port: int, kind: int, loopback: bool
) -> None:
    """No candidate makes the rule raise."""
    candidate = CallCandidate(kind, address, port, 1, "f")
    assert may_be_tried(candidate, loopback=loopback) in (True, False)


@given(st.text(max_size=80))
def test_any_server_is_used_or_not(url: str) -> None:
    """No address of a server makes the parser raise."""
    parse_server(IceServer(url))

"""The demo's capture knows media from the rest, and counts by ports."""

import struct

import pytest

from hark.app.cli.demo.capture import TCP, UDP, Flow, is_rtp, parse

RTP = b"\x80\x6f" + bytes(100)
RTCP = b"\x80\xc8" + bytes(50)
STUN = b"\x00\x01" + bytes(18)
DTLS = b"\x16\xfe" + bytes(60)


def ipv4(protocol: int, inner: bytes, options: bytes = b"") -> bytes:
    header_bytes = 20 + len(options)
    first = 0x40 | header_bytes // 4
    head = struct.pack(">BBH5xB10x", first, 0, header_bytes + len(inner), protocol)
    return head + options + inner


def ipv6(protocol: int, inner: bytes) -> bytes:
    return struct.pack(">4sHB33x", b"\x60\0\0\0", len(inner), protocol) + inner


def udp(payload: bytes) -> bytes:
    return struct.pack(">HHHH", 4_000, 5_000, 8 + len(payload), 0) + payload


def tcp(payload: bytes, options: bytes = bytes(12)) -> bytes:
    offset = (20 + len(options)) // 4 << 4
    return struct.pack(">HH8xB7x", 4_000, 7_443, offset) + options + payload


@pytest.mark.parametrize(
    ("payload", "is_media"), [(RTP, True), (RTCP, False), (STUN, False), (DTLS, False)]
)
def test_rtp_is_known_from_what_shares_its_port(payload: bytes, is_media: bool) -> None:
    assert is_rtp(payload[0], payload[1]) == is_media
    for packet in (
        ipv4(UDP, udp(payload)),
        ipv4(UDP, udp(payload), options=bytes(8)),
        ipv6(UDP, udp(payload)),
    ):
        parsed = parse(packet[:128])
        assert parsed is not None
        assert parsed.flow == Flow(UDP, 4_000, 5_000, is_media)
        assert parsed.payload_bytes == len(payload)


def test_tcp_counts_what_it_carries() -> None:
    parsed = parse(ipv4(TCP, tcp(bytes(1_000)))[:128])
    assert parsed is not None
    assert parsed.flow == Flow(TCP, 4_000, 7_443, is_media=False)
    assert parsed.payload_bytes == 1_000


def test_what_is_cut_off_or_foreign_is_left_out() -> None:
    assert parse(b"") is None
    assert parse(b"\x10" + bytes(60)) is None
    assert parse(ipv4(1, bytes(64))) is None
    whole = ipv4(UDP, udp(RTP))
    assert all(parse(whole[:length]) is None for length in range(24))

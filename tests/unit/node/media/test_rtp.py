"""Headers and reports of RTP, against the packets of an independent implementation."""

import struct

import pytest
from aiortc.rtp import RtcpPacket, RtcpRrPacket, RtcpSrPacket, RtpPacket

from hark.errors import MalformedError
from hark.machine import Instant
from hark.node.media.rtp import (
    PAYLOAD_TYPE,
    Reception,
    Reports,
    RtpHeader,
    encode_rtp,
    next_timestamp,
    parse_rtp,
)

HEADER = RtpHeader(sequence=7, timestamp=960, ssrc=0xDEADBEEF)
FIRST = 65_536


def heard(*counters: int, at_ms: float = 0.0) -> Reception:
    """What arrived, each frame 20 ms after the one before."""
    reception = Reception()
    for place, counter in enumerate(counters):
        now = Instant((at_ms + 20 * place) / 1000)
        reception.count(counter, (counter - FIRST) * 960, now)
    return reception


def test_packet_reads_in_another_implementation_as_it_was_written() -> None:
    packet = RtpPacket.parse(encode_rtp(HEADER, b"payload"))
    assert (packet.payload_type, packet.marker, packet.sequence_number) == (PAYLOAD_TYPE, 0, 7)
    assert (packet.timestamp, packet.ssrc, packet.payload) == (960, 0xDEADBEEF, b"payload")


def test_packet_of_another_implementation_reads_as_it_was_written() -> None:
    written = RtpPacket(PAYLOAD_TYPE, 0, 7, 960, 0xDEADBEEF, b"payload").serialize()
    assert parse_rtp(written) == (HEADER, b"payload")


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x80",
        encode_rtp(HEADER, b""),
        b"\x00" + encode_rtp(HEADER, b"p")[1:],
        b"\xa0" + encode_rtp(HEADER, b"p")[1:],
        b"\x90" + encode_rtp(HEADER, b"p")[1:],
        b"\x81" + encode_rtp(HEADER, b"p")[1:],
        b"\x80\xef" + encode_rtp(HEADER, b"p")[2:],
        b"\x80\x00" + encode_rtp(HEADER, b"p")[2:],
    ],
)
def test_any_other_header_is_refused(packet: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_rtp(packet)


def test_time_of_a_frame_wraps_around() -> None:
    assert next_timestamp(0) == 960
    assert next_timestamp(0, 3) == 2_880
    assert next_timestamp(2**32 - 960) == 0


def test_missing_frames_are_counted_since_the_first() -> None:
    reception = heard(FIRST, FIRST + 1, FIRST + 4)
    assert reception.lost == 2
    assert reception.highest == FIRST + 4
    assert reception.close_interval() == pytest.approx(2 / 5)
    assert reception.lately_lost == pytest.approx(2 / 5)


def test_frame_before_the_first_that_came_counts_too() -> None:
    assert heard(FIRST + 1, FIRST, FIRST + 2).lost == 0


def test_each_interval_counts_its_own_loss() -> None:
    reception = heard(FIRST, FIRST + 3)
    assert reception.close_interval() == pytest.approx(0.5)
    reception.count(FIRST + 4, 0, Instant(1))
    assert reception.close_interval() == 0
    assert reception.close_interval() == 0
    assert reception.lately_lost == pytest.approx(0.5 / 3)


def test_latecomers_make_no_negative_loss() -> None:
    reception = heard(FIRST, FIRST + 3)
    reception.close_interval()
    for counter in (FIRST + 1, FIRST + 2, FIRST + 4):
        reception.count(counter, 0, Instant(1))
    assert reception.close_interval() == 0
    assert reception.lost == 0


def test_nothing_heard_is_no_loss() -> None:
    reception = Reception()
    assert reception.close_interval() == 0
    assert reception.lost == 0
    assert reception.highest == -1


def test_even_pace_has_no_jitter_and_an_uneven_one_has() -> None:
    assert heard(*range(FIRST, FIRST + 50)).jitter_ms < 0.1
    uneven = Reception()
    for place in range(200):
        late_ms = 10 * (place % 2)
        uneven.count(FIRST + place, place * 960, Instant((20 * place + late_ms) / 1000))
    assert uneven.jitter_ms == pytest.approx(10, abs=0.5)


def test_wrap_of_the_times_is_no_jitter() -> None:
    reception = Reception()
    begin = 2**32 - 960 * 5
    for place in range(50):
        reception.count(FIRST + place, (begin + place * 960) % 2**32, Instant(place / 50))
    assert reception.jitter_ms < 0.1


class Way:
    """Reports between two ends, with a clock set by hand that differs at both."""

    def __init__(self) -> None:
        self.reception = Reception()
        self.left = Reports(1, Reception())
        self.right = Reports(2, self.reception)

    def left_writes(self, now_s: float) -> bytes:
        now = Instant(now_s)
        sent = self.left.sent(packets=50, octets=5_000, timestamp=9, now=now)
        return self.left.write(2, sent, now)

    def right_writes(self, now_s: float) -> bytes:
        now = Instant(now_s)
        sent = self.right.sent(packets=50, octets=5_000, timestamp=9, now=now)
        return self.right.write(1, sent, now)


def test_report_reads_in_another_implementation() -> None:
    way = Way()
    for counter in (FIRST, FIRST + 1, FIRST + 3):
        way.reception.count(counter, 0, Instant(0))
    [packet] = RtcpPacket.parse(way.right_writes(1))
    assert isinstance(packet, RtcpSrPacket)
    assert packet.ssrc == 2
    assert packet.sender_info.packet_count == 50
    [report] = packet.reports
    assert (report.ssrc, report.packets_lost, report.highest_sequence) == (1, 1, FIRST + 3)
    assert report.fraction_lost == 64


def test_all_reports_have_one_size() -> None:
    way = Way()
    first = way.right_writes(1)
    way.right.read(way.left_writes(2), Instant(2))
    way.reception.count(FIRST, 0, Instant(2))
    assert len(way.right_writes(3)) == len(first)


def test_round_trip_is_what_passed_less_what_the_other_end_waited() -> None:
    way = Way()
    assert way.left.round_trip_ms == -1
    # 40 ms there, 300 ms waited, 60 ms back.
    way.right.read(way.left_writes(10.0), Instant(500.04))
    way.left.read(way.right_writes(500.34), Instant(10.4))
    assert way.left.round_trip_ms == pytest.approx(100, abs=0.1)


def test_round_trip_is_not_made_of_a_report_that_answers_none() -> None:
    way = Way()
    way.left.read(way.right_writes(500), Instant(10))
    assert way.left.round_trip_ms == -1
    assert way.left.lately_lost == 0


def test_round_trip_that_cannot_be_is_not_believed() -> None:
    way = Way()
    way.right.read(way.left_writes(10.0), Instant(500))
    # The other end says that it waited longer than has passed.
    way.left.read(way.right_writes(510), Instant(10.4))
    assert way.left.round_trip_ms == -1


def test_loss_that_the_other_end_reports_is_the_mean_of_the_last_reports() -> None:
    way = Way()
    assert way.left.lately_lost == -1
    for lost in (False, True):
        begin = way.reception.highest + 1 if way.reception.highest > 0 else FIRST
        for counter in range(begin, begin + 100, 2 if lost else 1):
            way.reception.count(counter, 0, Instant(0))
        way.left.read(way.right_writes(1), Instant(1))
    assert way.left.lately_lost == pytest.approx(0.25, abs=0.02)


def test_report_about_somebody_else_is_not_ours() -> None:
    way = Way()
    stranger = Reports(9, Reception())
    stranger.read(way.right_writes(1), Instant(1))
    assert stranger.lately_lost == -1


def test_receiver_report_without_sending_is_read_too() -> None:
    way = Way()
    [packet] = RtcpPacket.parse(way.right_writes(1))
    assert isinstance(packet, RtcpSrPacket)
    way.left.read(bytes(RtcpRrPacket(ssrc=2, reports=packet.reports)), Instant(1))
    assert way.left.lately_lost == 0


@pytest.mark.parametrize(
    "data", [b"\x80", b"\x80\xc8\x00\x09", b"\x40" * 8, struct.pack("!BBH", 0x81, 201, 1) * 2]
)
def test_what_is_no_report_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        Reports(1, Reception()).read(data, Instant(0))


def test_times_in_reports_do_not_tell_the_time_of_day_or_of_the_machine() -> None:
    stamps = set()
    for _ in range(2):
        [packet] = RtcpPacket.parse(Way().left_writes(10))
        assert isinstance(packet, RtcpSrPacket)
        stamps.add(packet.sender_info.ntp_timestamp)
    assert len(stamps) == 2

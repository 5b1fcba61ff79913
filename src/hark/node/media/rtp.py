"""RTP of one voice: headers, and the reports about what arrived. No input, no output.

Every packet has the one header that is written here, twelve bytes, and nothing else is
accepted. The sequence number is the low half of the frame's counter, so that reports count
what was opened, not what somebody sent. Times in reports are of a clock that begins anywhere:
they say nothing about the time of day. Source: spec/calls.md#rtp; RFC 3550.
"""

import secrets
import struct
from collections import deque
from dataclasses import dataclass

from aiortc.rtp import (
    RtcpPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
)

from hark.errors import MalformedError
from hark.machine import Instant
from hark.wire.sound import FRAME_SAMPLES, SAMPLE_RATE_HZ

PAYLOAD_TYPE = 111
HEADER_BYTES = 12
LATELY_REPORTS = 5
"""Reports that a share of loss is the mean of; there is one each second."""

_HEADER = struct.Struct("!BBHII")
_FIRST_BYTE = 0x80
"""Version 2; no padding, no extension, no further sources."""
_U32 = 2**32
_NTP_UNIT = 65_536
_MAX_ROUND_TRIP_S = 60.0


@dataclass(frozen=True, slots=True)
class RtpHeader:
    """What a header says."""

    sequence: int
    timestamp: int
    ssrc: int


def encode_rtp(header: RtpHeader, payload: bytes) -> bytes:
    """Return a packet."""
    return (
        _HEADER.pack(_FIRST_BYTE, PAYLOAD_TYPE, header.sequence, header.timestamp, header.ssrc)
        + payload
    )


def parse_rtp(packet: bytes) -> tuple[RtpHeader, bytes]:
    """Return header and payload.

    Raises:
        MalformedError: any other header than ours.
    """
    if len(packet) <= HEADER_BYTES:
        raise MalformedError("a packet without a payload")
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(packet)
    # The marker bit is the high bit of the second byte; we never set it.
    if first != _FIRST_BYTE or second != PAYLOAD_TYPE:
        raise MalformedError("a packet whose header is not ours")
    return RtpHeader(sequence, timestamp, ssrc), packet[HEADER_BYTES:]


class Reception:
    """Counts what arrives, as RFC 3550 (appendix A) does."""

    def __init__(self) -> None:
        self._first = -1
        self._highest = -1
        self._received = 0
        self._expected_before = 0
        self._received_before = 0
        self._transit: float | None = None
        self._jitter_units = 0.0
        self._shares: deque[float] = deque(maxlen=LATELY_REPORTS)

    @property
    def highest(self) -> int:
        """Highest counter so far; -1 before the first."""
        return self._highest

    @property
    def jitter_units(self) -> float:
        """Jitter in samples."""
        return self._jitter_units

    @property
    def jitter_ms(self) -> float:
        """Jitter in milliseconds."""
        return self._jitter_units * 1000 / SAMPLE_RATE_HZ

    @property
    def lost(self) -> int:
        """Frames that are missing since the first."""
        return self._expected() - self._received

    @property
    def lately_lost(self) -> float:
        """Share that is missing of the last seconds, 0..1."""
        return _mean(self._shares)

    def count(self, counter: int, timestamp: int, now: Instant) -> None:
        """Take note of a frame that was opened."""
        if self._first < 0:
            self._first = counter
        # Frames may come in another order from the very beginning.
        self._first = min(self._first, counter)
        self._highest = max(self._highest, counter)
        self._received += 1
        transit = (int(now * SAMPLE_RATE_HZ) - timestamp) % _U32
        if self._transit is not None:
            change = abs(transit - self._transit)
            self._jitter_units += (min(change, _U32 - change) - self._jitter_units) / 16
        self._transit = transit

    def close_interval(self) -> float:
        """Begin the next interval; return the share that is missing of this one, 0..1."""
        expected = self._expected() - self._expected_before
        received = self._received - self._received_before
        self._expected_before += expected
        self._received_before += received
        # Latecomers of the interval before can make more arrive than was expected.
        share = max(0.0, (expected - received) / expected) if expected > 0 else 0.0
        self._shares.append(share)
        return share

    def _expected(self) -> int:
        return self._highest - self._first + 1 if self._received else 0


class Reports:
    """The reports of one end: writes ours, reads theirs.

    Args:
        ssrc: of what we send.
        reception: what arrives here.
    """

    def __init__(self, ssrc: int, reception: Reception) -> None:
        self._ssrc = ssrc
        self._reception = reception
        self._epoch_s = secrets.randbelow(_U32)
        self._heard: tuple[int, Instant] | None = None
        self._shares: deque[float] = deque(maxlen=LATELY_REPORTS)
        self.round_trip_ms = -1.0
        """-1 while it is not known."""

    @property
    def lately_lost(self) -> float:
        """Share of what we sent in the last seconds that did not arrive; -1 if not known."""
        return _mean(self._shares) if self._shares else -1.0

    def write(self, remote_ssrc: int, sent: RtcpSenderInfo, now: Instant) -> bytes:
        """Return a report about what we sent and what we got; all have one size."""
        share = self._reception.close_interval()
        last_report, delay = 0, 0
        if self._heard is not None:
            last_report, at = self._heard
            delay = int((now - at) * _NTP_UNIT)
        got = RtcpReceiverInfo(
            ssrc=remote_ssrc,
            fraction_lost=min(255, int(share * 256)),
            packets_lost=min(self._reception.lost, 2**23 - 1),
            highest_sequence=max(0, self._reception.highest),
            jitter=min(int(self._reception.jitter_units), _U32 - 1),
            lsr=last_report,
            dlsr=min(delay, _U32 - 1),
        )
        return bytes(RtcpSrPacket(ssrc=self._ssrc, sender_info=sent, reports=[got]))

    def sent(
        self, *, packets: int, octets: int, timestamp: int, now: Instant
    ) -> RtcpSenderInfo:
        """Describe what we have sent so far."""
        return RtcpSenderInfo(
            ntp_timestamp=self._ntp(now),
            rtp_timestamp=timestamp,
            packet_count=packets % _U32,
            octet_count=octets % _U32,
        )

    def read(self, data: bytes, now: Instant) -> None:
        """Take the reports of the other end.

        Raises:
            MalformedError: not RTCP.
        """
        try:
            packets = RtcpPacket.parse(data)
        except (ValueError, struct.error, IndexError) as error:
            raise MalformedError("reports that cannot be read") from error
        for packet in packets:
            if isinstance(packet, RtcpSrPacket):
                stamp = packet.sender_info.ntp_timestamp
                self._heard = (stamp >> 16) % _U32, now
            if isinstance(packet, RtcpSrPacket | RtcpRrPacket):
                for report in packet.reports:
                    self._take(report, now)

    def _take(self, report: RtcpReceiverInfo, now: Instant) -> None:
        if report.ssrc != self._ssrc:
            return
        self._shares.append(report.fraction_lost / 256)
        if report.lsr == 0:
            return
        units = ((self._ntp(now) >> 16) - report.lsr - report.dlsr) % _U32
        # One unit of rounding can make a very short way negative.
        seconds = 0.0 if units == _U32 - 1 else units / _NTP_UNIT
        if seconds <= _MAX_ROUND_TRIP_S:
            self.round_trip_ms = seconds * 1000

    def _ntp(self, now: Instant) -> int:
        return int((self._epoch_s + now) * _U32) % 2**64


def next_timestamp(timestamp: int, frames: int = 1) -> int:
    """Return the RTP time of a frame that comes `frames` later."""
    return (timestamp + frames * FRAME_SAMPLES) % _U32


def _mean(shares: deque[float]) -> float:
    return sum(shares) / len(shares) if shares else 0.0

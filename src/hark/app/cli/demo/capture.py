"""Looks at every packet of this machine for a while: where does media go, and where not?

Needs the right to capture (root, or CAP_NET_RAW). Packets are counted by their ports and
forgotten; of what is in them only the first two bytes are looked at, which tell RTP from the
rest (RFC 7983, RFC 5761). Linux.
"""

import socket
import struct
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

EVERY_PROTOCOL = 3
"""`ETH_P_ALL`."""
LOOPBACK = "lo"
HEAD_BYTES = 128
"""As much of a packet as is looked at: two headers and two bytes."""
KERNEL_BUFFER_BYTES = 8 * 1024 * 1024
POLL_S = 0.1
PACKET_LEVEL, STATISTICS = 263, 6
"""`SOL_PACKET` and `PACKET_STATISTICS`: how many packets came, and were lost."""
UDP, TCP = 17, 6


@dataclass(frozen=True, slots=True)
class Flow:
    """Packets that are alike."""

    protocol: int
    source_port: int
    target_port: int
    is_media: bool
    """Whether they look like RTP."""


@dataclass(slots=True)
class Amount:
    """How much of a flow there was."""

    packets: int = 0
    bytes: int = 0
    """Without the headers of IP, UDP and TCP."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What is looked at in a packet."""

    flow: Flow
    payload_bytes: int


class Capture:
    """All packets while the `with` lasts.

    Raises:
        OSError: capturing is not allowed here.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(EVERY_PROTOCOL)
        )
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BUFFER_BYTES)
        self._socket.settimeout(POLL_S)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._stopping = threading.Event()
        self.flows: dict[Flow, Amount] = {}
        """Written by the thread; to be read after the `with`."""
        self.lost_count = 0
        """Packets that came faster than they were counted; known after the `with`."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join()
        _came, self.lost_count = struct.unpack(
            "@II", self._socket.getsockopt(PACKET_LEVEL, STATISTICS, 8)
        )
        self._socket.close()

    def media_between(self, one: set[int], other: set[int]) -> Amount:
        """Return how much media went between two sets of UDP ports, both ways."""
        return _sum(
            amount
            for flow, amount in self.flows.items()
            if flow.is_media
            and (
                (flow.source_port in one and flow.target_port in other)
                or (flow.source_port in other and flow.target_port in one)
            )
        )

    def of_port(self, port: int, protocol: int) -> Amount:
        """Return how much went from or to a port."""
        return _sum(
            amount
            for flow, amount in self.flows.items()
            if flow.protocol == protocol and port in {flow.source_port, flow.target_port}
        )

    def media_from_to_others(self, ports: set[int]) -> Amount:
        """Return how much media went from these UDP ports to any other."""
        return _sum(
            amount
            for flow, amount in self.flows.items()
            if flow.is_media and flow.source_port in ports and flow.target_port not in ports
        )

    def _read(self) -> None:
        while not self._stopping.is_set():
            try:
                head, address = self._socket.recvfrom(HEAD_BYTES)
            except TimeoutError:
                continue
            interface, _protocol, kind = address[:3]
            # On the loopback interface every packet passes twice, out and in.
            if interface == LOOPBACK and kind == socket.PACKET_OUTGOING:
                continue
            if (parsed := parse(head)) is not None:
                amount = self.flows.setdefault(parsed.flow, Amount())
                amount.packets += 1
                amount.bytes += parsed.payload_bytes


def parse(head: bytes) -> Parsed | None:
    """Read the beginning of an IP packet; None when it is neither UDP nor TCP."""
    try:
        version = head[0] >> 4
        if version == 4:
            header_bytes = (head[0] & 0x0F) * 4
            protocol = head[9]
            inner_bytes = int.from_bytes(head[2:4], "big") - header_bytes
        elif version == 6:
            header_bytes, protocol = 40, head[6]
            inner_bytes = int.from_bytes(head[4:6], "big")
        else:
            return None
        inner = head[header_bytes:]
        source_port, target_port = struct.unpack_from(">HH", inner)
        if protocol == UDP:
            media = len(inner) > 9 and is_rtp(inner[8], inner[9])
            return Parsed(Flow(UDP, source_port, target_port, media), inner_bytes - 8)
        if protocol == TCP:
            skipped = (inner[12] >> 4) * 4
            return Parsed(Flow(TCP, source_port, target_port, False), inner_bytes - skipped)
    except (IndexError, struct.error):
        # Cut off: a fragment, or nothing of ours.
        pass
    return None


def is_rtp(first: int, second: int) -> bool:
    """Return whether a datagram that begins with these bytes is RTP, not RTCP, DTLS or STUN."""
    return 128 <= first <= 191 and not 192 <= second <= 223


def udp_ports(process_id: int) -> set[int]:
    """Return the UDP ports on which a process of ours receives."""
    sockets = set()
    for descriptor in Path(f"/proc/{process_id}/fd").iterdir():
        try:
            sockets.add(descriptor.readlink().name)
        except FileNotFoundError:
            # Closed meanwhile.
            continue
    ports = set()
    for table in ("udp", "udp6"):
        path = Path(f"/proc/{process_id}/net/{table}")
        lines = path.read_text().splitlines()[1:] if path.exists() else []
        for line in lines:
            fields = line.split()
            if f"socket:[{fields[9]}]" in sockets:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


def _sum(amounts: Iterable[Amount]) -> Amount:
    total = Amount()
    for amount in amounts:
        total.packets += amount.packets
        total.bytes += amount.bytes
    return total

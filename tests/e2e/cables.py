"""What is on the cables of a network, and what may not be read there."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.shell.media.test_engine_capture import capture, fields_of

MEDIA = frozenset({"stun", "dtls", "rtp", "rtcp"})
LINK = frozenset({"tls", "tcp"})
SECRET_BYTES = {16, 32}
"""Lengths of what is drawn to be kept secret. Shorter things name packets and sources."""
Way = tuple[str, str]
"""Address from which, address to which."""


class Packet(NamedTuple):
    """As tshark dissects it."""

    at: float
    """When, in seconds of the calendar."""
    layers: str
    source: str
    target: str
    udp_length: str
    tcp_length: str
    continued_in: str
    """For a piece of a TLS record: number of the packet that ends it."""
    dtls_version: str
    srtp_profiles: str

    @property
    def way(self) -> tuple[str, str]:
        """From where to where."""
        return self.source, self.target

    @property
    def kind(self) -> str:
        """What it is, of what a call may need; anything else under its full name."""
        layers = self.layers.removeprefix("eth:ethertype:").split(":")
        match layers:
            case ["arp"]:
                return "arp"
            case ["ip", "udp", "stun" | "rtp" | "rtcp" as kind]:
                return kind
            case ["ip", "udp", "dtls", *_]:
                return "dtls"
            case ["ip", "tcp", *_] if self.tcp_length == "0":
                return "tcp"
            case ["ip", "tcp", *inner] if "tls" in inner or self.continued_in:
                return "tls"
        return self.layers


FIELDS = (
    *("frame.time_epoch", "frame.protocols", "ip.src", "ip.dst", "udp.length", "tcp.len"),
    *("tcp.reassembled_in", "dtls.record.version", "dtls.use_srtp.protection_profile"),
)


def packets_of(file: Path) -> list[Packet]:
    return [Packet(float(at), *others) for at, *others in fields_of(file, *FIELDS)]


@dataclass
class Cable:
    """All packets of one machine."""

    packets: list[Packet]

    @classmethod
    def read(cls, file: Path) -> "Cable":
        return cls(packets_of(file))

    def strangers(self, media: Iterable[Way], links: Iterable[Way]) -> Counter[str]:
        """Count by kind what is neither a call's on one of its ways, nor a link's on its.

        Machines on a cable ask whose an address is (ARP), whatever runs on them.
        """
        allowed = {(way, kind) for way in media for kind in MEDIA}
        allowed |= {(way, kind) for way in links for kind in LINK}
        return Counter(
            one.kind
            for one in self.packets
            if (one.way, one.kind) not in allowed and one.kind != "arp"
        )

    def kinds(self, way: Way) -> set[str]:
        """Return what goes this way."""
        return {one.kind for one in self.packets if one.way == way}

    def sizes(self, kind: str) -> set[str]:
        """Return the lengths of all packets of a kind."""
        return {one.udp_length for one in self.packets if one.kind == kind}

    def rate(self, way: Way, kind: str, stretch: tuple[float, float]) -> float:
        """Return how many packets a second go this way in a stretch of time."""
        begin, end = stretch
        some = [one for one in self.packets if (one.way, one.kind) == (way, kind)]
        return sum(begin <= one.at < end for one in some) / (end - begin)

    def tcp_bytes(self, stretch: tuple[float, float]) -> int:
        """Return how many bytes TCP carries in a stretch of time, both ways."""
        begin, end = stretch
        return sum(
            int(one.tcp_length)
            for one in self.packets
            if one.tcp_length and begin <= one.at < end
        )

    def udp(self, source: str = "") -> int:
        """Return how many datagrams there are, or those from one machine."""
        return sum(one.udp_length != "" and source in {"", one.source} for one in self.packets)


@asynccontextmanager
async def cables_watched(
    namespaces: Mapping[str, str], folder: Path
) -> AsyncIterator[dict[str, Path]]:
    """Capture what is on the cables of machines; the files may be read afterwards.

    Args:
        namespaces: name of a machine → its namespace.
        folder: for the files.
    """
    files = {name: folder / f"{name}.pcap" for name in namespaces}
    async with AsyncExitStack() as stack:
        captures = [capture(namespaces[name], file) for name, file in files.items()]
        await asyncio.gather(*(stack.enter_async_context(one) for one in captures))
        yield files


@dataclass
class Phases:
    """Stretches of a call, by the clock of the captures."""

    stretches: dict[str, tuple[float, float]] = field(default_factory=dict)

    @asynccontextmanager
    async def stretch(self, name: str) -> AsyncIterator[None]:
        # What was said before is on its way for a moment.
        await asyncio.sleep(0.3)
        begin = time.time()
        yield
        self.stretches[name] = begin, time.time()


def secrets_told(file: Path) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Return what programs told that nobody may see, and what anybody may (`telltale`)."""
    secret, shown = {}, {}
    for number, line in enumerate(file.read_text().splitlines()):
        kind, text = line.split()
        told = bytes.fromhex(text)
        if kind == "shown":
            shown[f"{kind} {number}"] = told
        elif kind != "random" or len(told) in SECRET_BYTES:
            secret[f"{kind} {number}"] = told
    return secret, shown

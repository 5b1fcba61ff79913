"""What the supernode saw of a call: by its own counters, its sockets, and by a capture.

The supernode has no part that could take media, so there is no counter of media to ask. What
there is to show: it receives nothing over UDP, over which alone media goes; the bytes of all
its links together are a few signals; and where this program may capture, not one packet of
media was for it.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection

from hark.app.cli.demo.capture import TCP, UDP, Amount, Capture, udp_ports
from hark.app.cli.demo.stage import HOST, DemoError, Stage
from hark.wire.sound import FRAMES_PER_S, OPUS_PACKET_BYTES

METRICS = ("hark_supernode_link_bytes_received_total", "hark_supernode_link_bytes_sent_total")
TIMEOUT_S = 10.0
LEAST_SHARE = 0.5
"""A capture that has seen less than this of the packets that must have gone is no witness."""


@dataclass(frozen=True, slots=True)
class Captured:
    """What the capture has counted while the two spoke."""

    media: Amount
    """Between the two nodes, both ways."""
    media_elsewhere: Amount
    """From one of the two nodes to any other place."""
    supernode_udp: Amount
    """From or to the supernode's port."""
    supernode_tcp: Amount


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went where while the two spoke."""

    seconds: float
    link_bytes: int
    """Of all links of the supernode together, in and out, by its own counters."""
    supernode_udp_ports: int
    captured: Captured | None
    not_captured: str
    """Why there is no capture; empty when there is one."""

    @property
    def least_voice_bytes(self) -> int:
        """What one voice alone is, without any header."""
        return round(self.seconds * FRAMES_PER_S) * OPUS_PACKET_BYTES

    def check(self) -> None:
        """Check that no media can have passed the supernode.

        Raises:
            DemoError: some may have.
        """
        if self.supernode_udp_ports:
            raise DemoError("the supernode receives UDP")
        if self.link_bytes >= self.least_voice_bytes:
            raise DemoError(
                f"the supernode's links took {self.link_bytes} bytes during the call"
            )
        if (seen := self.captured) is None:
            return
        if seen.supernode_udp.packets or seen.media_elsewhere.packets:
            raise DemoError("media went elsewhere than from node to node")
        if seen.media.packets < LEAST_SHARE * 2 * self.seconds * FRAMES_PER_S:
            raise DemoError(f"the capture has seen {seen.media.packets} packets of media only")


class Witness:
    """Looks at the supernode, and at the wire, from `begin` to `end`.

    Args:
        stage: with the supernode and both nodes on it.
        nodes: profiles of the two that speak.
    """

    def __init__(self, stage: Stage, nodes: tuple[str, str]) -> None:
        self._stage = stage
        self._nodes = nodes
        self._stack = ExitStack()
        self._capture: Capture | None = None
        self._not_captured = ""
        self._link_bytes = 0

    def begin(self) -> None:
        """Begin to count."""
        try:
            self._capture = self._stack.enter_context(Capture())
        except PermissionError:
            self._not_captured = "capturing needs root"
        except OSError as error:
            self._not_captured = f"capturing is not possible here: {error.strerror}"
        self._link_bytes = link_bytes(self._stage)

    def end(self, seconds: float) -> Traffic:
        """Return what was counted in the seconds since `begin`."""
        bytes_since = link_bytes(self._stage) - self._link_bytes
        one, other = (udp_ports(self._stage.pid(node)) for node in self._nodes)
        self.close()
        return Traffic(
            seconds=seconds,
            link_bytes=bytes_since,
            supernode_udp_ports=len(udp_ports(self._stage.pid("supernode"))),
            captured=self._captured(one, other),
            not_captured=self._not_captured,
        )

    def close(self) -> None:
        """Stop capturing; harmless when it has been stopped."""
        self._stack.close()

    def _captured(self, one: set[int], other: set[int]) -> Captured | None:
        capture, address = self._capture, self._stage.address
        if capture is None or address is None:
            return None
        if capture.lost_count:
            self._not_captured = f"{capture.lost_count} packets came too fast to be counted"
            return None
        return Captured(
            media=capture.media_between(one, other),
            media_elsewhere=capture.media_from_to_others(one | other),
            supernode_udp=capture.of_port(address.port, UDP),
            supernode_tcp=capture.of_port(address.port, TCP),
        )


def link_bytes(stage: Stage) -> int:
    """Return how many bytes all links of the supernode have carried, by its own counters."""
    connection = HTTPConnection(HOST, stage.admin_port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    finally:
        connection.close()
    pairs = [line.split() for line in lines if not line.startswith("#")]
    return sum(int(value) for name, value in pairs if name in METRICS)

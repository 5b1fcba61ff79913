"""What does a node cost while nothing happens?

A supernode, a byte-counting forwarder and one node (`hark up`) on this machine. The node has
its mailboxes, nobody writes. After a time of settling, in which the keepalive interval grows,
two things are counted for each minute: bytes on its link, TCP/IP headers included, and
wake-ups, which are the voluntary context switches of all its threads.

    python -m benchmarks.bench_idle_node --settle-minutes 10 --minutes 10
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks._forwarder import Forwarder, Traffic, forwarding_to
from benchmarks._processes import voluntary_switches
from benchmarks._report import Goal, write_report
from hark.app.cli.demo.stage import Stage
from hark.wire.address import Address

PROFILE = "idle"
MINUTE_S = 60.0
HEADER_BYTES = 20 + 20 + 12
"""IPv4, TCP, and the timestamp option that Linux sends with every segment."""
MAX_BITS_PER_S = 1000
MAX_WAKE_UPS_PER_MINUTE = 2


@dataclass(frozen=True, slots=True)
class Minute:
    """What one minute of idling took."""

    link_bytes: int
    """Both directions, with headers."""
    wake_up_count: int


@dataclass(frozen=True, slots=True)
class _Reading:
    traffic: Traffic
    switches: dict[int, int]


def main(arguments: list[str] | None = None) -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--settle-minutes", type=float, default=10)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="settle for 1 minute, count 2")
    options = parser.parse_args(arguments)
    settle_minutes, minutes = (
        (1, 2) if options.quick else (options.settle_minutes, options.minutes)
    )
    samples = measure(settle_minutes, minutes)
    link_bytes = sum(minute.link_bytes for minute in samples)
    wake_ups = sum(minute.wake_up_count for minute in samples)
    write_report(
        "idle_node",
        question="What does a node cost while nothing happens?",
        parameters={"settle_minutes": settle_minutes, "minutes": minutes, "homes": 1},
        figures={
            "link_bits_per_s": link_bytes * 8 / (minutes * MINUTE_S),
            "wake_ups_per_minute": wake_ups / minutes,
        },
        samples={"minutes": [asdict(minute) for minute in samples]},
        goals=[
            Goal("link_bits_per_s", at_most=MAX_BITS_PER_S),
            Goal("wake_ups_per_minute", at_most=MAX_WAKE_UPS_PER_MINUTE),
        ],
    )


@contextmanager
def idle_node() -> Iterator[tuple[int, Forwarder]]:
    """Run a supernode and a node; yield the node's process id and what its link goes through.

    Raises:
        DemoError: one of them does not start.
    """
    with tempfile.TemporaryDirectory(prefix="hark-idle-") as name:
        folder = Path(name)
        with Stage(folder / "stage") as stage:
            home = stage.start_supernode()
            with forwarding_to(home.port) as forwarder:
                through = str(Address(home.node_id, home.host, forwarder.port))
                words = ["--words-file", str(folder / "words")]
                stage.hark(PROFILE, "init", *words, "--supernode", through)
                client = stage.start_node(PROFILE)
                stage.until(
                    lambda: all(home.attached for home in client.whoami().homes),
                    "the node has its mailboxes",
                )
                yield stage.pid(PROFILE), forwarder


def measure(settle_minutes: float, minute_count: int) -> list[Minute]:
    """Return what each of `minute_count` minutes took after `settle_minutes`."""
    with idle_node() as (pid, forwarder):
        time.sleep(settle_minutes * MINUTE_S)
        readings = [_read(pid, forwarder)]
        started_s = time.monotonic()
        for number in range(1, minute_count + 1):
            time.sleep(max(0.0, started_s + number * MINUTE_S - time.monotonic()))
            readings.append(_read(pid, forwarder))
    return [_between(*pair) for pair in itertools.pairwise(readings)]


def _read(pid: int, forwarder: Forwarder) -> _Reading:
    return _Reading(forwarder.traffic(), voluntary_switches(pid))


def _between(before: _Reading, after: _Reading) -> Minute:
    payload_bytes = after.traffic.payload_bytes - before.traffic.payload_bytes
    segment_count = after.traffic.segment_count - before.traffic.segment_count
    return Minute(
        link_bytes=payload_bytes + HEADER_BYTES * segment_count,
        # A thread that is new has slept from its start on.
        wake_up_count=sum(
            count - before.switches.get(thread, 0) for thread, count in after.switches.items()
        ),
    )


if __name__ == "__main__":
    main()

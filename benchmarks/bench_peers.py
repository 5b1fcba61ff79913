"""How do memory per client, messages and log-ins per CPU second compare with XMPP servers?

Ours, Prosody and ejabberd, one after the other on this machine, under the same plan: clients
log in over TLS and stay, memory is read, then some of them send messages of the size of a
sealed envelope to others. Processor time is that of the server's processes alone. The peers
store nothing; `hark_durable` is what it costs us to have a message on the disk before it is
acknowledged, and has no counterpart.

    python -m benchmarks.bench_peers
"""

import argparse
import asyncio
import resource
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from statistics import median

import uvloop

from benchmarks._load import ENVELOPE_BYTES
from benchmarks._report import Goal, Value, write_report
from benchmarks.peers import ejabberd, hark_load, prosody, xmpp_load
from benchmarks.peers.figures import Figures, Plan
from benchmarks.peers.xmpp_server import XmppServer, package_version

FULL = Plan(
    base_client_count=500,
    client_count=3000,
    sender_count=200,
    window_count=4,
    message_count=20_000,
    sample_count=5,
    body_bytes=ENVELOPE_BYTES,
    settle_s=3.0,
)
QUICK = Plan(
    base_client_count=100,
    client_count=600,
    sender_count=50,
    window_count=4,
    message_count=4000,
    sample_count=2,
    body_bytes=ENVELOPE_BYTES,
    settle_s=1.0,
)


@dataclass(frozen=True, slots=True)
class Peer:
    """A server to run beside ours."""

    name: str
    package: str
    """Of Debian."""
    is_installed: Callable[[], bool]
    running: Callable[[int], AbstractContextManager[XmppServer]]
    """Runs it with so many accounts."""


PEERS = [
    Peer(
        "prosody",
        prosody.PACKAGE,
        prosody.is_installed,
        lambda count: prosody.running_prosody(count, "incremental"),
    ),
    Peer(
        "prosody_generational",
        prosody.PACKAGE,
        prosody.is_installed,
        lambda count: prosody.running_prosody(count, "generational"),
    ),
    Peer("ejabberd", ejabberd.PACKAGE, ejabberd.is_installed, ejabberd.running_ejabberd),
]


def main(arguments: list[str] | None = None) -> None:
    """Measure ours and every peer that is installed; write the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer clients and messages")
    plan = QUICK if parser.parse_args(arguments).quick else FULL
    allow_many_connections()
    versions: dict[str, Value] = {}
    with hark_load.running_hark(plan) as ours:
        hark, durable = hark_load.measure(ours, plan)
    peers: dict[str, Figures] = {}
    for package in sorted({peer.package for peer in PEERS if not peer.is_installed()}):
        print(f"{package} is absent; to measure it: apt-get install {package}")
    for peer in PEERS:
        if not peer.is_installed():
            versions[peer.name] = "absent"
            continue
        versions[peer.name] = package_version(peer.package)
        with peer.running(plan.client_count) as server:
            peers[peer.name] = load_on(server, plan)
    write_report(
        "peers",
        question="How do memory per client, messages and log-ins per CPU second compare with "
        "XMPP servers?",
        parameters={**asdict(plan), "peer_versions": versions},
        figures=figures_of(hark, durable, peers),
        samples={name: asdict(one) for name, one in {"hark": hark, **peers}.items()}
        | {"hark_durable": durable},
        goals=goals_with(peers),
    )


def load_on(server: XmppServer, plan: Plan) -> Figures:
    """Put the load on an XMPP server."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(xmpp_load.measure(server, plan))


def figures_of(
    hark: Figures, durable: list[float], peers: dict[str, Figures]
) -> dict[str, float]:
    """Return the answer, one number each."""
    found = {}
    for name, one in {"hark": hark, **peers}.items():
        found[f"{name}_bytes_per_client"] = one.bytes_per_client
        found[f"{name}_messages_per_cpu_s"] = median(one.messages_per_cpu_s)
        found[f"{name}_log_ins_per_cpu_s"] = median(one.log_ins_per_cpu_s)
    found["hark_durable_messages_per_cpu_s"] = median(durable)
    return found


def goals_with(peers: dict[str, Figures]) -> list[Goal]:
    """Return our promises, and that we are ahead of the best peer in each figure."""
    goals = [
        Goal("hark_bytes_per_client", at_most=20 * 1024),
        Goal("hark_messages_per_cpu_s", at_least=20_000),
        Goal("hark_durable_messages_per_cpu_s", at_least=5000),
        Goal("hark_log_ins_per_cpu_s", at_least=1500),
    ]
    if peers:
        found = peers.values()
        best_messages = max(median(one.messages_per_cpu_s) for one in found)
        best_log_ins = max(median(one.log_ins_per_cpu_s) for one in found)
        goals += [
            Goal("hark_bytes_per_client", at_most=min(one.bytes_per_client for one in found)),
            Goal("hark_messages_per_cpu_s", at_least=best_messages),
            Goal("hark_log_ins_per_cpu_s", at_least=best_log_ins),
        ]
    return goals


def allow_many_connections() -> None:
    """Raise our limit of open files, and so that of what we start, as far as we may."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()

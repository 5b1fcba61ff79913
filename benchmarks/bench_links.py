"""How much memory does an idle link cost that is logged in?

Load generators open links, log in and are silent. Resident memory of the supernode is read
before and after; kernel memory (socket buffers) apart, from /proc/net/sockstat and the slab.
Several processes hold the other ends, each from a loopback address of its own.

    python -m benchmarks.bench_links --links 15000
    python -m benchmarks.bench_links --links 100000 --workers 6
"""

import argparse
import os
import time
from pathlib import Path

from benchmarks._load import LoadProcess
from benchmarks._processes import cpu_s, resident_bytes
from benchmarks._report import Goal, write_report
from benchmarks._supernode import HOST, RunningSupernode, supernode

WARM_COUNT = 200
"""Links before memory is first read: what every process needs once is there by then."""
PER_PROCESS = 15_000
"""Links that one load generator holds: 20,000 files may be open."""
SETTLE_S = 5.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--links", type=int, default=3000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--idle-seconds", type=float, default=10)
    options = parser.parse_args()
    with supernode(options.links + WARM_COUNT, "--workers", str(options.workers)) as home:
        warm = _hold(home, options.links, WARM_COUNT, 99)
        warm.wait_for_line()
        time.sleep(SETTLE_S)
        before, kernel_before = _resident(home), _socket_bytes()
        loads = _hold_all(home, options.links)
        for load in loads:
            load.wait_for_line()
        time.sleep(SETTLE_S)
        after, kernel_after = _resident(home), _socket_bytes()
        pids = {home.pid, *home.worker_pids()}
        cpu_before_s = sum(cpu_s(pid) for pid in pids)
        time.sleep(options.idle_seconds)
        idle_cpu_s = sum(cpu_s(pid) for pid in pids) - cpu_before_s
        for load in [*loads, warm]:
            load.end()
    grown_bytes = sum(after.values()) - sum(before.values())
    # Both ends of each connection are on this machine.
    kernel_bytes = (kernel_after - kernel_before) / 2
    whole_bytes = sum(after.values())
    goals = [Goal("resident_bytes_per_link", at_most=20_000)]
    if options.links >= 100_000:
        goals.append(Goal("resident_bytes", at_most=4e9))
    write_report(
        f"links_{options.links}",
        question="How much memory does an idle link cost that is logged in?",
        parameters={
            "links": options.links,
            "workers": options.workers,
            "load_processes": len(loads),
            "warm_links": WARM_COUNT,
        },
        figures={
            "resident_bytes_per_link": grown_bytes / options.links,
            "kernel_bytes_per_link": kernel_bytes / options.links,
            "resident_bytes": whole_bytes,
            "idle_cpu_share_of_a_core": idle_cpu_s / options.idle_seconds,
        },
        samples={
            "resident_before_bytes": list(before.values()),
            "resident_after_bytes": list(after.values()),
        },
        goals=goals,
    )


def _hold_all(home: RunningSupernode, count: int) -> list[LoadProcess]:
    """Open all links from at least two processes."""
    share = min(PER_PROCESS, (count + 1) // 2)
    return [
        _hold(home, first, min(share, count - first), number)
        for number, first in enumerate(range(0, count, share))
    ]


def _hold(home: RunningSupernode, first: int, count: int, number: int) -> LoadProcess:
    order: dict[str, int | str | float] = {
        "host": HOST,
        "port": home.address.port,
        "first": first,
        "link_count": count,
        # 28,000 ports for each source address.
        "source": f"127.0.0.{number + 2}",
    }
    return LoadProcess("idle", order)


def _resident(home: RunningSupernode) -> dict[int, int]:
    return {pid: resident_bytes(pid) for pid in {home.pid, *home.worker_pids()}}


def _socket_bytes() -> int:
    """Return what the kernel holds for sockets, in bytes: buffers and sockets."""
    pages = 0
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        words = line.split()
        if words[0] == "TCP:":
            pages = int(words[words.index("mem") + 1])
    slabs = 0
    slab_info = Path("/proc/slabinfo")
    # Readable by root only.
    if os.access(slab_info, os.R_OK):
        for line in slab_info.read_text().splitlines()[2:]:
            name, _, object_count, object_bytes = line.split()[:4]
            if name in {"TCP", "sock_inode_cache", "filp", "dentry", "eventpoll_epi"}:
                slabs += int(object_count) * int(object_bytes)
    return pages * os.sysconf("SC_PAGE_SIZE") + slabs


if __name__ == "__main__":
    main()

"""The same load on a hark supernode as `xmpp_load` puts on the others, over its own protocol.

What the peers do with a message is closest to a *live* one: passed on to whoever is connected,
never on disk. A *durable* one is on the disk before it is acknowledged, which nobody asked of
the peers; it stands beside them for its price.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks._load import LoadProcess
from benchmarks._processes import cpu_s, resident_bytes
from benchmarks._supernode import HOST, RunningSupernode, supernode
from benchmarks.peers.figures import Figures, Plan

PUT_S = 4
"""Duration of one sample of durable messages, in seconds."""
PUT_LINK_COUNT = 100
PUT_WINDOW_COUNT = 4
"""Messages on the way on each of them: enough for full commit batches."""


@contextmanager
def running_hark(plan: Plan) -> Iterator[RunningSupernode]:
    """Run a supernode with one worker and mailboxes for every link of `plan`."""
    senders_and_recipients = 2 * plan.sender_count * plan.sample_count
    put_mailboxes = PUT_LINK_COUNT * plan.sample_count
    with supernode(plan.client_count + senders_and_recipients + put_mailboxes) as running:
        yield running


def measure(server: RunningSupernode, plan: Plan) -> tuple[Figures, list[float]]:
    """Put the load of `plan` on a fresh supernode.

    Returns:
        What it showed with live messages, and the durable messages per second of processor
        time, one sample each.
    """
    holders: list[LoadProcess] = []
    try:
        holders.append(_hold(server, 0, plan.base_client_count))
        time.sleep(plan.settle_s)
        base_bytes = _over_processes(server, resident_bytes)
        log_ins = _log_in_samples(server, plan, holders)
        time.sleep(plan.settle_s)
        added_bytes = _over_processes(server, resident_bytes) - base_bytes
        live, live_per_s = _live_samples(server, plan)
    finally:
        for holder in holders:
            holder.end()
    figures = Figures(
        bytes_per_client=added_bytes / (plan.client_count - plan.base_client_count),
        log_ins_per_cpu_s=log_ins,
        messages_per_cpu_s=live,
        messages_per_s=live_per_s,
    )
    return figures, _durable_samples(server, plan)


def _log_in_samples(
    server: RunningSupernode, plan: Plan, holders: list[LoadProcess]
) -> list[float]:
    samples = []
    first = plan.base_client_count
    for target in plan.log_in_targets():
        before_s = _over_processes(server, cpu_s)
        holders.append(_hold(server, first, target - first))
        samples.append((target - first) / (_over_processes(server, cpu_s) - before_s))
        first = target
    return samples


def _hold(server: RunningSupernode, first: int, count: int) -> LoadProcess:
    """Log in `count` links that stay and do nothing; return when all are there."""
    holder = LoadProcess("idle", {**_where(server), "first": first, "link_count": count})
    try:
        holder.wait_for_line()
    except BaseException:
        holder.end()
        raise
    return holder


def _live_samples(server: RunningSupernode, plan: Plan) -> tuple[list[float], list[float]]:
    per_cpu_s, per_s = [], []
    per_pair = plan.message_count // plan.sender_count
    for number in range(plan.sample_count):
        order = {
            "first": plan.client_count + number * 2 * plan.sender_count,
            "link_count": 2 * plan.sender_count,
            "window": plan.window_count,
            "count": per_pair,
        }
        cpu, done = _run(server, "live", order)
        count = per_pair * plan.sender_count
        if done["passed"] != count:
            raise RuntimeError(f"of {count} messages only {done['passed']:.0f} were passed on")
        per_cpu_s.append(count / cpu)
        per_s.append(count / done["seconds"])
    return per_cpu_s, per_s


def _durable_samples(server: RunningSupernode, plan: Plan) -> list[float]:
    samples = []
    first = plan.client_count + 2 * plan.sender_count * plan.sample_count
    for number in range(plan.sample_count):
        order = {
            "first": first + number * PUT_LINK_COUNT,
            "link_count": PUT_LINK_COUNT,
            "window": PUT_WINDOW_COUNT,
            "seconds": PUT_S,
        }
        cpu, done = _run(server, "put", order)
        if done["refused"]:
            raise RuntimeError(f"{done['refused']:.0f} messages were refused")
        samples.append(done["held"] / cpu)
    return samples


def _run(
    server: RunningSupernode, mode: str, order: dict[str, int]
) -> tuple[float, dict[str, float]]:
    """Run one load to its end; return the server's processor time and what the load says."""
    load = LoadProcess(mode, {**_where(server), **order})
    try:
        load.wait_for_line()
        before_s = _over_processes(server, cpu_s)
        load.go()
        said = load.wait_for_line()
        taken_s = _over_processes(server, cpu_s) - before_s
    finally:
        load.end()
    return taken_s, {
        name: value for name, value in said.items() if isinstance(value, float | int)
    }


def _where(server: RunningSupernode) -> dict[str, int | str]:
    return {"host": HOST, "port": server.address.port}


def _over_processes(server: RunningSupernode, read: Callable[[int], float]) -> float:
    """Add up what `read` says of each of the supernode's processes."""
    return sum(read(pid) for pid in {server.pid, *server.worker_pids()})

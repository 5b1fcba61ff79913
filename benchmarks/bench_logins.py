"""How many log-ins does a worker do for one second of its processor time?

Each is a whole one: TCP, TLS 1.3 handshake, hello, the signed log-in to a mailbox, the look
into the store, the answer; then the link is cut. Twice with every device: the first log-in
after a device's start is written to the disk, a later one (the network was gone, the
supernode was restarted) is not. The goal is about the later ones, which come in storms.

    python -m benchmarks.bench_logins --count 5000
"""

import argparse

from benchmarks._load import LoadProcess
from benchmarks._processes import cpu_s
from benchmarks._report import Goal, write_report
from benchmarks._supernode import HOST, RunningSupernode, supernode

WINDOW = 50


def log_in_all(home: RunningSupernode, count: int) -> tuple[float, float]:
    """Log in to every mailbox once; return the rates by processor time and by the clock."""
    order: dict[str, int | str | float] = {
        "host": HOST,
        "port": home.address.port,
        "first": 0,
        "count": count,
        "window": WINDOW,
    }
    load = LoadProcess("log_ins", order)
    load.wait_for_line()
    before_s = cpu_s(home.pid)
    load.go()
    seconds = load.wait_for_line()["seconds"]
    assert isinstance(seconds, int | float)
    spent_s = cpu_s(home.pid) - before_s
    load.end()
    return count / spent_s, count / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    first: list[float] = []
    returning: list[float] = []
    rates: list[float] = []
    for _ in range(options.rounds):
        with supernode(options.count) as home:
            first.append(log_in_all(home, options.count)[0])
            per_cpu_s, per_s = log_in_all(home, options.count)
            returning.append(per_cpu_s)
            rates.append(per_s)
    write_report(
        "logins",
        question="How many log-ins does a worker do for one second of its CPU time?",
        parameters={"count": options.count, "window": WINDOW, "rounds": options.rounds},
        figures={
            "log_ins_per_cpu_s": sorted(returning)[len(returning) // 2],
            "first_log_ins_per_cpu_s": sorted(first)[len(first) // 2],
            "log_ins_per_s": sorted(rates)[len(rates) // 2],
        },
        samples={
            "log_ins_per_cpu_s": returning,
            "first_log_ins_per_cpu_s": first,
            "log_ins_per_s": rates,
        },
        goals=[Goal("log_ins_per_cpu_s", at_least=1500)],
    )


if __name__ == "__main__":
    main()

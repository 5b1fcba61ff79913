"""How many log-ins does a worker do for one second of its processor time?

Each is a whole one: TCP, TLS 1.3 handshake, hello, the signed log-in to a mailbox, the look
into the store, the answer; then the link is cut.

    python -m benchmarks.bench_logins --count 5000
"""

import argparse

from benchmarks._load import LoadProcess
from benchmarks._processes import cpu_s
from benchmarks._report import Goal, write_report
from benchmarks._supernode import HOST, supernode

WINDOW = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    cpu_rates: list[float] = []
    rates: list[float] = []
    for _ in range(options.rounds):
        with supernode(options.count) as home:
            order = {
                "host": HOST,
                "port": home.address.port,
                "first": 0,
                "count": options.count,
                "window": WINDOW,
            }
            load = LoadProcess("log_ins", order)
            load.wait_for_line()
            before_s = cpu_s(home.pid)
            load.go()
            seconds = load.wait_for_line()["seconds"]
            assert isinstance(seconds, int | float)
            cpu_rates.append(options.count / (cpu_s(home.pid) - before_s))
            rates.append(options.count / seconds)
            load.end()
    write_report(
        "logins",
        question="How many log-ins does a worker do for one second of its CPU time?",
        parameters={"count": options.count, "window": WINDOW, "rounds": options.rounds},
        figures={
            "log_ins_per_cpu_s": sorted(cpu_rates)[len(cpu_rates) // 2],
            "log_ins_per_s": sorted(rates)[len(rates) // 2],
        },
        samples={"log_ins_per_cpu_s": cpu_rates, "log_ins_per_s": rates},
        goals=[Goal("log_ins_per_cpu_s", at_least=1500)],
    )


if __name__ == "__main__":
    main()

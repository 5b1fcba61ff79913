"""How many live envelopes does a worker pass for one second of its processor time?

Pairs of links; one sends envelopes of 1,658 bytes, a few in flight, the other receives them.
Each is decrypted, parsed, looked up, encrypted for the receiver, and answered to the sender.

    python -m benchmarks.bench_live --rounds 5
"""

import argparse

from benchmarks._load import ENVELOPE_BYTES, LoadProcess
from benchmarks._processes import cpu_s
from benchmarks._report import Goal, write_report
from benchmarks._supernode import HOST, supernode

LINK_COUNT = 400
WINDOW = 4
PER_PAIR = 400
"""Fewer than the burst that one link may send."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    cpu_rates: list[float] = []
    rates: list[float] = []
    for _ in range(options.rounds):
        with supernode(LINK_COUNT) as home:
            load = LoadProcess(
                "live",
                {
                    "host": HOST,
                    "port": home.address.port,
                    "first": 0,
                    "link_count": LINK_COUNT,
                    "window": WINDOW,
                    "count": PER_PAIR,
                },
            )
            load.wait_for_line()
            before_s = cpu_s(home.pid)
            load.go()
            line = load.wait_for_line()
            spent_s = cpu_s(home.pid) - before_s
            passed, seconds = line["passed"], line["seconds"]
            assert isinstance(passed, int | float)
            assert isinstance(seconds, int | float)
            assert passed == LINK_COUNT // 2 * PER_PAIR
            cpu_rates.append(passed / spent_s)
            rates.append(passed / seconds)
            load.end()
    write_report(
        "live",
        question="How many live envelopes does a worker pass for one second of its CPU time?",
        parameters={
            "envelope_bytes": ENVELOPE_BYTES,
            "links": LINK_COUNT,
            "window": WINDOW,
            "count": LINK_COUNT // 2 * PER_PAIR,
            "rounds": options.rounds,
        },
        figures={
            "live_per_cpu_s": sorted(cpu_rates)[len(cpu_rates) // 2],
            "live_per_s": sorted(rates)[len(rates) // 2],
        },
        samples={"live_per_cpu_s": cpu_rates, "live_per_s": rates},
        goals=[Goal("live_per_cpu_s", at_least=20_000)],
    )


if __name__ == "__main__":
    main()

"""How many envelopes a second does a supernode take durably, end to end over TLS?

Load generators put envelopes of 1,658 bytes over links of their own, 200 of them in flight
altogether; each is answered with a custody receipt after its commit. The bare store beside it
is `bench_store`.

    python -m benchmarks.bench_durable --seconds 10
"""

import argparse

from benchmarks._load import ENVELOPE_BYTES, LoadProcess
from benchmarks._processes import cpu_s
from benchmarks._report import Goal, write_report
from benchmarks._supernode import HOST, supernode

PROCESS_COUNT = 2
LINK_COUNT = 200
"""One envelope in flight on each: many people, not one in a hurry."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    rates: list[float] = []
    cpu_rates: list[float] = []
    latencies: list[float] = []
    for _ in range(options.rounds):
        with supernode(LINK_COUNT, "--workers", str(options.workers)) as home:
            share = LINK_COUNT // PROCESS_COUNT
            loads = [
                LoadProcess(
                    "put",
                    {
                        "host": HOST,
                        "port": home.address.port,
                        "first": number * share,
                        "link_count": share,
                        "window": 1,
                        "seconds": options.seconds,
                    },
                )
                for number in range(PROCESS_COUNT)
            ]
            for load in loads:
                load.wait_for_line()
            pids = {home.pid, *home.worker_pids()}
            before_s = sum(cpu_s(pid) for pid in pids)
            for load in loads:
                load.go()
            said = [load.wait_for_line() for load in loads]
            spent_s = sum(cpu_s(pid) for pid in pids) - before_s
            held = 0.0
            for line in said:
                assert line["refused"] == 0
                assert isinstance(line["held"], int | float)
                assert isinstance(line["latencies_s"], list)
                held += line["held"]
                latencies += line["latencies_s"]
            rates.append(held / options.seconds)
            cpu_rates.append(held / spent_s)
            for load in loads:
                load.end()
    latencies.sort()
    write_report(
        "durable",
        question="How many envelopes a second are taken durably, end to end over TLS?",
        parameters={
            "envelope_bytes": ENVELOPE_BYTES,
            "in_flight": LINK_COUNT,
            "load_processes": PROCESS_COUNT,
            "workers": options.workers,
            "seconds": options.seconds,
        },
        figures={
            "durable_per_s": sorted(rates)[len(rates) // 2],
            "durable_per_cpu_s": sorted(cpu_rates)[len(cpu_rates) // 2],
            "latency_p50_ms": latencies[len(latencies) // 2] * 1000,
            "latency_p99_ms": latencies[int(len(latencies) * 0.99)] * 1000,
        },
        samples={"durable_per_s": rates, "durable_per_cpu_s": cpu_rates},
        goals=[Goal("durable_per_s", at_least=5000)],
    )


if __name__ == "__main__":
    main()

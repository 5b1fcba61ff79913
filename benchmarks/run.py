"""Runs the benchmarks one after the other: `make bench`, or `make bench ARGS=--full`.

Quick, the default, is for seeing that nothing has become ten times slower: a minute or two.
Full is what the published figures come from; it takes long and wants a quiet machine. Either
way docs/reference/performance.md then says what benchmarks/results/ says.

    python -m benchmarks.run --full
    python -m benchmarks.run store live
"""

import argparse
import importlib.util
import subprocess
import sys

from tools import performance_page

QUICK: dict[str, list[list[str]]] = {
    "store": [["--seconds", "3"]],
    "durable": [["--seconds", "5", "--rounds", "1"]],
    "live": [["--rounds", "2"]],
    "logins": [["--count", "2000", "--rounds", "1"]],
    "links": [["--links", "3000"]],
    "seal_open": [["--seconds", "2"]],
    "ratchet_commit": [["--seconds", "3"]],
    "call_setup": [["--count", "10"]],
    "call_between_nodes": [["--seconds", "5"]],
    "call_cpu": [["--seconds", "5"]],
}
"""Benchmark → arguments of each of its runs."""
FULL: dict[str, list[list[str]]] = {
    "store": [["--seconds", "10"]],
    "durable": [["--seconds", "20", "--rounds", "5"]],
    "live": [["--rounds", "9"]],
    "logins": [["--count", "8000", "--rounds", "5"]],
    "links": [
        ["--links", "15000", "--idle-seconds", "60"],
        ["--links", "100000", "--workers", "7", "--idle-seconds", "60"],
    ],
    "seal_open": [["--seconds", "10"]],
    "ratchet_commit": [["--seconds", "20"]],
    "call_setup": [["--count", "100"]],
    "call_between_nodes": [[]],
    "call_cpu": [["--seconds", "20"]],
    "voice_quality": [["--seeds", "5"]],
    "mouth_to_ear": [["--seconds", "20", "--pairs", "5"]],
    "cold_commands": [[]],
    "idle_node": [[]],
    "peers": [[]],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="long runs, for publishing")
    parser.add_argument("names", nargs="*", help="which; without any, all of the profile")
    options = parser.parse_args()
    profile = FULL if options.full else QUICK
    failed: list[str] = []
    for name in options.names or profile:
        module = f"benchmarks.bench_{name}"
        if importlib.util.find_spec(module) is None:
            parser.error(f"there is no benchmark {name}")
        for arguments in profile.get(name, [[]]):
            print(f"\n== {name} {' '.join(arguments)}", flush=True)
            ended = subprocess.run([sys.executable, "-m", module, *arguments], check=False)
            if ended.returncode:
                failed.append(name)
    performance_page.main()
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

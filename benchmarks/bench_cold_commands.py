"""How long does a person wait for a short command?

`hark whoami` beside a running node, each time as a new process, by the clock on the wall; and
`make setup` when there is nothing to set up, if this is a checkout where it has run.

    python -m benchmarks.bench_cold_commands
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from benchmarks._report import Goal, write_report
from hark.app.cli.demo.stage import Stage

REPOSITORY = Path(__file__).parents[1]
PROFILE = "cold"
MAX_WHOAMI_S = 0.25
MAX_SETUP_S = 1.0
COMMAND_TIMEOUT_S = 60.0


def main(arguments: list[str] | None = None) -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer samples")
    sample_count = 5 if parser.parse_args(arguments).quick else 20
    samples = {"whoami_s": measure_whoami(sample_count)}
    goals = [Goal("whoami_s", at_most=MAX_WHOAMI_S)]
    if setup := measure_setup(sample_count):
        samples["second_setup_s"] = setup
        goals.append(Goal("second_setup_s", at_most=MAX_SETUP_S))
    else:
        print("left out: `make setup` has not been run here")
    write_report(
        "cold_commands",
        question="How long does a person wait for a short command?",
        parameters={"sample_count": sample_count},
        figures={name: median(times) for name, times in samples.items()},
        samples=samples,
        goals=goals,
    )


def measure_whoami(sample_count: int) -> list[float]:
    """Return how long `hark whoami` took, in seconds, one sample a run.

    Raises:
        DemoError: the supernode or the node does not start.
    """
    hark = str(Path(sys.executable).with_name("hark"))
    with tempfile.TemporaryDirectory(prefix="hark-cold-") as name:
        folder = Path(name)
        with Stage(folder / "stage") as stage:
            home = str(stage.start_supernode())
            words = ["--words-file", str(folder / "words")]
            stage.hark(PROFILE, "init", *words, "--supernode", home)
            stage.start_node(PROFILE)
            command = [hark, "--profile", PROFILE, "whoami"]
            return _times_s(command, sample_count, stage.environment)


def measure_setup(sample_count: int) -> list[float]:
    """Return how long `make setup` took with nothing to do; empty where it has never run."""
    stamp = REPOSITORY / ".venv" / "hark-run.stamp"
    if shutil.which("make") is None or not stamp.exists():
        return []
    return _times_s(["make", "--silent", "-C", str(REPOSITORY), "setup"], sample_count, None)


def _times_s(
    command: list[str], count: int, environment: Mapping[str, str] | None
) -> list[float]:
    samples = []
    # One run more than is counted: the first finds its files on the disk, or sets up.
    for _ in range(count + 1):
        started_s = time.perf_counter()
        subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=COMMAND_TIMEOUT_S,
            check=True,
        )
        samples.append(time.perf_counter() - started_s)
    return samples[1:]


if __name__ == "__main__":
    main()

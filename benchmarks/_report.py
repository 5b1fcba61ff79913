"""Writes what a benchmark has found to `benchmarks/results/NAME.json`.

A result names its question, command, commit, machine and parameters, and holds the raw
samples, so that somebody else can run the same thing and compare. All figures here are of one
machine that talks to itself over loopback; the result says so.
"""

import json
import os
import platform
import shlex
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"

Value = int | float | str | bool | None | Sequence["Value"] | Mapping[str, "Value"]


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure is to be held against."""

    figure: str
    """Name of the figure."""
    at_least: float | None = None
    at_most: float | None = None

    def met(self, value: float) -> bool:
        """Return whether the figure is good enough."""
        above = self.at_least is None or value >= self.at_least
        below = self.at_most is None or value <= self.at_most
        return above and below


def write_report(
    name: str,
    *,
    question: str,
    parameters: Mapping[str, Value],
    figures: Mapping[str, float],
    samples: Mapping[str, Value],
    goals: Sequence[Goal] = (),
) -> Path:
    """Write a result, print its figures, and return the file.

    Args:
        name: of the benchmark; the file is called so.
        question: that it answers, in one sentence.
        parameters: under which it ran.
        figures: the answer, one number each, units in the names.
        samples: the raw numbers that the figures were made of.
        goals: what the figures are held against.
    """
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    judged = [{**asdict(goal), "met": goal.met(figures[goal.figure])} for goal in goals]
    report = {
        "question": question,
        "command": f"python {shlex.join(sys.orig_argv[1:])}",
        "figures": figures,
        "goals": judged,
        "parameters": parameters,
        "commit": _commit(),
        "machine": _machine(),
        "network": "loopback",
        "unix_s": int(time.time()),
        "samples": samples,
    }
    path.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    print(question)
    for figure, value in figures.items():
        print(f"  {figure}: {value:,.6g}")
    for goal in judged:
        bound = f">= {goal['at_least']}" if goal["at_least"] else f"<= {goal['at_most']}"
        print(f"  goal {goal['figure']} {bound}: {'met' if goal['met'] else 'NOT met'}")
    return path


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    described = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return described.stdout.strip() or "unknown"


def _machine() -> dict[str, Value]:
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "cpu": model,
        "cpu_count": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load_average": os.getloadavg(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION,
        "sqlite": sqlite3.sqlite_version,
    }

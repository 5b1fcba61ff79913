"""Writes docs/reference/performance.md from benchmarks/results/*.json.

    python tools/performance_page.py

The page is a function of the results alone, so that a test can tell when one was changed
without the other. A result names everything that the page says: question, command, figures,
goals, parameters, commit and machine (`benchmarks/_report.py` writes it).
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "reference" / "performance.md"

INTRODUCTION = """\
# Performance

Each section answers one question: the figures, what we promise (*goal*), the command that
measures it, and the file with its parameters and raw samples. Units are in the names: `_s`
seconds, `_per_cpu_s` for each second of processor time of the server, `_bytes`, `_bits`.

**Every figure here was measured over loopback, on one machine that also ran the load**; a
network adds its own delay and loss. Figures of two machines cannot be compared: to compare,
run the command on yours.

`tools/performance_page.py` writes this page from the results; a test fails when they differ.
"""

NOTHING_YET = "No results have been committed yet: `make bench` makes them."


class Goal(TypedDict):
    """What a figure is held against; one of the bounds is a number."""

    figure: str
    at_least: float | None
    at_most: float | None
    met: bool


class Machine(TypedDict):
    """Where a benchmark ran."""

    cpu: str
    cpu_count: int
    memory_bytes: int
    load_average: list[float]
    """Processes that wanted to run, over the last 1, 5 and 15 minutes."""
    kernel: str
    python: str


class Result(TypedDict):
    """The parts of a result that the page shows."""

    question: str
    command: str
    figures: dict[str, float]
    goals: list[Goal]
    parameters: dict[str, object]
    commit: str
    machine: Machine
    network: str
    unix_s: int


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(read_results(RESULTS)), encoding="utf-8")


def read_results(folder: Path) -> dict[str, Result]:
    """Return every result, by the name of its benchmark."""
    return {
        path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))
    }


def page(results: dict[str, Result]) -> str:
    """Return the page that these results give."""
    if not results:
        return f"{INTRODUCTION}\n{NOTHING_YET}\n"
    sections = [INTRODUCTION, summary(results.values())]
    sections += [section(name, result) for name, result in results.items()]
    return "\n".join(sections)


def summary(results: Iterable[Result]) -> str:
    """Return how many goals are met, and which are not."""
    goals = [(result, goal) for result in results for goal in result["goals"]]
    missed = [(result, goal) for result, goal in goals if not goal["met"]]
    lines = [f"{len(goals) - len(missed)} of {len(goals)} goals are met."]
    if missed:
        lines += ["", "Not met:", ""]
    for result, goal in missed:
        figure = goal["figure"]
        found = number(result["figures"][figure])
        lines.append(
            f"- {result['question']} `{figure}` is {found}; the goal is {bound(goal)}."
        )
    return "\n".join(lines) + "\n"


def section(name: str, result: Result) -> str:
    """Return the part of the page about one result."""
    lines = [f"## {result['question']}", ""]
    lines += ["| figure | value | goal | met |", "|---|---:|---:|---|"]
    for figure, value in result["figures"].items():
        goals = [goal for goal in result["goals"] if goal["figure"] == figure]
        bounds = "; ".join(bound(goal) for goal in goals) or "–"
        met = "; ".join("yes" if goal["met"] else "**no**" for goal in goals) or "–"
        lines.append(f"| `{figure}` | {number(value)} | {bounds} | {met} |")
    measured = datetime.fromtimestamp(result["unix_s"], UTC)
    lines += [
        "",
        f"- Measured by `{result['command']}` over {result['network']}, "
        f"{measured:%Y-%m-%d}, commit `{result['commit']}`.",
        f"- Samples: [{name}.json](../../benchmarks/results/{name}.json). "
        f"Parameters: {parameters(result['parameters'])}.",
        f"- Machine: {machine(result['machine'])}.",
    ]
    return "\n".join(lines) + "\n"


def number(value: float) -> str:
    """Return a number to three digits: more would claim a repeatability that is not there."""
    if abs(value) >= 1000:
        digits_to_drop = len(f"{abs(value):.0f}") - 3
        return f"{round(value, -digits_to_drop):,.0f}"
    return f"{value:.3g}"


def bound(goal: Goal) -> str:
    """Return what a goal asks for: a promise in full, a measured one (a peer's) in short."""
    sign, value = ("≥", goal["at_least"]) if goal["at_most"] is None else ("≤", goal["at_most"])
    assert value is not None
    return f"{sign} {value:,.0f}" if value == int(value) else f"{sign} {number(value)}"


def parameters(values: dict[str, object]) -> str:
    """Return the parameters as `name value`; tables of them as JSON."""
    words = [
        f"`{name}` {value if isinstance(value, str) else json.dumps(value)}"
        for name, value in values.items()
    ]
    return ", ".join(words) or "none"


def machine(where: Machine) -> str:
    """Return the machine in one line."""
    memory_gib = where["memory_bytes"] / 2**30
    return (
        f"{where['cpu'] or 'unknown processor'}, {where['cpu_count']} processors, "
        f"{memory_gib:.0f} GiB, Linux {where['kernel']}, Python {where['python']}; "
        f"load average at the end {where['load_average'][0]:.1f}"
    )


if __name__ == "__main__":
    main()

"""The performance page says what the results say."""

import json
from pathlib import Path

import pytest

from tools import performance_page
from tools.performance_page import Goal, Result

REPOSITORY = Path(__file__).parents[2]


def a_result(value: float = 12_345.6, *, met: bool = True) -> Result:
    goal: Goal = {"figure": "things_per_s", "at_least": 10_000, "at_most": None, "met": met}
    return {
        "question": "How many things?",
        "command": "python -m benchmarks.bench_things --count 3",
        "figures": {"things_per_s": value, "waste": 0.01234},
        "goals": [goal],
        "parameters": {"count": 3, "kind": "small"},
        "commit": "0123456789ab",
        "machine": {
            "cpu": "Abacus",
            "cpu_count": 2,
            "memory_bytes": 2**34,
            "load_average": [0.5, 0.4, 0.3],
            "kernel": "6.1",
            "python": "3.11.7",
        },
        "network": "loopback",
        "unix_s": 0,
    }


def test_the_page_is_what_the_results_give() -> None:
    results = performance_page.read_results(performance_page.RESULTS)
    wanted = performance_page.page(results)
    assert performance_page.PAGE.read_text("utf-8") == wanted, (
        "run: python tools/performance_page.py"
    )


def test_every_result_names_a_benchmark_that_is_there() -> None:
    results = performance_page.read_results(performance_page.RESULTS)
    modules = {name: result["command"].split()[2] for name, result in results.items()}
    missing = [
        name
        for name, module in modules.items()
        if not (REPOSITORY / f"{module.replace('.', '/')}.py").exists()
    ]
    assert missing == []


def test_a_result_appears_with_figure_goal_command_commit_and_machine(tmp_path: Path) -> None:
    (tmp_path / "things.json").write_text(json.dumps(a_result()))
    text = performance_page.page(performance_page.read_results(tmp_path))
    assert "| `things_per_s` | 12,300 | ≥ 10,000 | yes |" in text
    assert "| `waste` | 0.0123 | – | – |" in text
    assert "`python -m benchmarks.bench_things --count 3` over loopback" in text
    assert "commit `0123456789ab`" in text
    assert "`count` 3, `kind` small" in text
    assert "Abacus, 2 processors, 16 GiB" in text
    assert "1 of 1 goals are met." in text


def test_a_goal_that_was_missed_is_named_at_the_top() -> None:
    text = performance_page.page({"things": a_result(9000, met=False)})
    top = text.partition("## ")[0]
    assert "0 of 1 goals are met." in top
    assert "`things_per_s` is 9,000; the goal is ≥ 10,000." in top
    assert "| ≥ 10,000 | **no** |" in text


def test_a_promise_is_shown_in_full() -> None:
    goal: Goal = {"figure": "bytes", "at_least": None, "at_most": 20_480, "met": True}
    assert performance_page.bound(goal) == "≤ 20,480"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(0, "0", id="zero"),
        pytest.param(0.24961, "0.25", id="a fraction"),
        pytest.param(14.5, "14.5", id="tens"),
        pytest.param(999.4, "999", id="just below a thousand"),
        pytest.param(20_480, "20,500", id="thousands are rounded"),
        pytest.param(-1234, "-1,230", id="negative"),
    ],
)
def test_a_number_is_shown_with_three_digits(value: float, shown: str) -> None:
    assert performance_page.number(value) == shown

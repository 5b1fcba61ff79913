"""The threat model and the tests name the same claims."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explain" / "threat-model.md"
CLAIM = re.compile(r"\*\*([A-Z]-\d+)\*\*")
MARK = re.compile(r"pytest\.mark\.claim\(([^)]*)\)")


def claims_on_the_page() -> list[str]:
    return CLAIM.findall(PAGE.read_text("utf-8"))


def claims_in_the_tests() -> set[str]:
    found: set[str] = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        for mark in MARK.findall(file.read_text("utf-8")):
            found.update(re.findall(r"\"([A-Z]-\d+)\"", mark))
    return found


def test_every_claim_is_shown_by_a_test() -> None:
    assert sorted(set(claims_on_the_page()) - claims_in_the_tests()) == []


def test_every_marked_test_shows_a_claim_that_is_on_the_page() -> None:
    assert sorted(claims_in_the_tests() - set(claims_on_the_page())) == []


def test_no_claim_has_the_id_of_another() -> None:
    claims = claims_on_the_page()
    assert len(claims) == len(set(claims))

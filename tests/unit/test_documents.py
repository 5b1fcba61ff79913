"""What is written for people holds: links, anchors, generated pages, words, places.

Commands in documents are checked in `tests/unit/app/test_readme.py`; the README and the first
hour are typed as they stand in `tests/e2e/test_by_hand.py`.
"""

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from hark.app.cli.table import COMMANDS
from tests.unit.test_repository import REPOSITORY, repository_files, source_modules
from tools import make_reference

FENCE = re.compile(r"^(```+).*?^\1", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
NAMED_SPEC = re.compile(r"\bspec/[\w/-]+\.(?:md|toml|json)(?:#[\w-]+)?")
NAMED_PATH = re.compile(
    r"`((?:src|docs|spec|tests|tools|benchmarks|changes|requirements)/[\w./-]*)`"
)
MODULE = re.compile(r"`(hark(?:_lab)?(?:\.\w+)+)`")
PLACES = re.compile(r"(?<![\w.~<-])/(?:work|root|home/(?!alice)|Users)\b")
"""Folders of a person's machine; `/home/alice` is the one of the examples."""
GLOSSARY = REPOSITORY / "docs/reference/glossary.md"
TERM = re.compile(r"^\*\*(.+?)\*\*", re.MULTILINE)


def documents() -> list[Path]:
    return [file for file in repository_files() if file.suffix == ".md"]


def named(file: Path) -> str:
    return str(file.relative_to(REPOSITORY))


def prose(file: Path) -> str:
    """Return a document without its code blocks, where nothing is a link or a heading."""
    return FENCE.sub("", file.read_text("utf-8"))


@cache
def anchors(file: Path) -> frozenset[str]:
    """Return the anchors of a document's headings, as they are made by those who show it."""
    found: set[str] = set()
    for heading in HEADING.findall(prose(file)):
        words = re.sub(r"[`*]", "", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        repeated = sum(
            1 for known in found if re.fullmatch(rf"{re.escape(anchor)}(-\d+)?", known)
        )
        found.add(f"{anchor}-{repeated}" if repeated else anchor)
    return frozenset(found)


def fault_of(target: Path, anchor: str) -> str:
    """Return what is wrong with a link; empty when nothing is."""
    if not target.exists():
        return "nothing is there"
    if anchor and anchor not in anchors(target):
        return "there is no such heading"
    return ""


def test_every_relative_link_leads_somewhere() -> None:
    broken = []
    for document in documents():
        for link in LINK.findall(prose(document)):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (document.parent / path).resolve() if path else document
            if fault := fault_of(target, anchor):
                broken.append(f"{named(document)}: {link}: {fault}")
    assert broken == []


def test_every_section_of_the_spec_that_is_named_exists() -> None:
    broken = []
    for file in [*source_modules(), *documents(), REPOSITORY / "spec/registry.toml"]:
        for name in NAMED_SPEC.findall(file.read_text("utf-8")):
            path, _, anchor = name.partition("#")
            if fault := fault_of(REPOSITORY / path, anchor):
                broken.append(f"{named(file)}: {name}: {fault}")
    assert broken == []


def test_every_file_that_a_document_names_exists() -> None:
    broken = [
        f"{named(document)}: {path}"
        for document in documents()
        for path in NAMED_PATH.findall(prose(document))
        if not (REPOSITORY / path).exists()
    ]
    # The example of a file that somebody might add.
    assert [each for each in broken if not each.startswith("changes/README.md: ")] == []


def test_every_module_that_a_document_names_exists() -> None:
    broken = [
        f"{named(document)}: {name}"
        for document in documents()
        for name in MODULE.findall(prose(document))
        if not names_something(name)
    ]
    assert broken == []


def names_something(dotted: str) -> bool:
    """Return whether a dotted name is a package, a module, or a name at the top of one."""
    path = REPOSITORY / "src" / Path(*dotted.split("."))
    if path.is_dir() or path.with_suffix(".py").exists():
        return True
    module = path.parent.with_suffix(".py")
    if not module.exists():
        return False
    return bool(re.search(rf"^(?:class |def )?{path.name}\b", module.read_text(), re.MULTILINE))


@pytest.mark.parametrize(
    ("page", "wanted"),
    [
        (make_reference.COMMANDS_PAGE, make_reference.commands_page),
        (make_reference.STATES_PAGE, make_reference.states_page),
    ],
    ids=["commands", "states"],
)
def test_a_generated_page_is_what_the_code_gives(page: Path, wanted: object) -> None:
    assert callable(wanted)
    assert page.read_text("utf-8") == wanted(), "run: python tools/make_reference.py"


def test_every_command_of_help_is_on_the_page_of_commands() -> None:
    page = make_reference.COMMANDS_PAGE.read_text("utf-8")
    headings = set(re.findall(r"^## (hark .+)$", page, re.MULTILINE))
    for name in COMMANDS:
        assert any(heading.startswith(f"hark {name}") for heading in headings), name


def test_the_glossary_is_in_order_and_has_each_word_once() -> None:
    terms = [term.lower() for term in TERM.findall(GLOSSARY.read_text("utf-8"))]
    assert len(terms) > 20
    assert terms == sorted(set(terms))


def test_the_index_of_the_documents_names_every_page() -> None:
    index = REPOSITORY / "docs/README.md"
    linked = {(index.parent / link).resolve() for link in LINK.findall(prose(index))}
    missing = [
        named(page)
        for page in documents()
        if page.is_relative_to(index.parent)
        and page != index
        and page not in linked
        and page.parent not in linked
    ]
    assert missing == []


def test_no_document_names_a_place_of_somebodys_machine() -> None:
    found = [
        f"{named(document)}: {match[0]}"
        for document in documents()
        for match in PLACES.finditer(document.read_text("utf-8"))
    ]
    assert found == []


def test_every_document_ends_its_lines_without_blanks() -> None:
    listed = subprocess.run(
        ["git", "grep", "-nE", r"[[:blank:]]+$", "--", "*.md"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.stdout == ""

"""Hygiene of the repository itself: what every file in it keeps."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from flit_core import wheel

import hark

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "src"
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
LOCKS = ("run.lock", "test.lock")

LATER_PACKAGES = {
    "calls": ("pure-cores", "runtime", "supernode-cannot-read"),
    "ops": (),
    "transparency": ("pure-cores", "runtime"),
}
"""Packages that the design names and that are not written yet, with the contracts that have
to name them once they are (import-linter knows no optional modules there)."""


def repository_files() -> list[Path]:
    """Return every file that is in the repository or would be with `git add`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    files = (REPOSITORY / name for name in listed.stdout.split("\0") if name)
    return [file for file in files if file.is_file()]


def source_modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def locked_versions(lock: str) -> dict[str, set[str]]:
    """Return what a lock pins, as package name → versions: one, or one for each Python."""
    text = (REPOSITORY / "requirements" / lock).read_text()
    pinned: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([\w.+!-]+)", text, flags=re.MULTILINE):
        pinned.setdefault(name, set()).add(version)
    return pinned


def normalised(requirement: str) -> str:
    """Return the package name of a requirement as locks write it."""
    name = re.match(r"[\w.-]+", requirement)
    assert name
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def test_no_file_names_a_folder_of_this_machine() -> None:
    # The place of the repository, and the home folder where that says whose it is.
    places = [REPOSITORY, *([Path.home()] if len(Path.home().parts) > 2 else [])]
    pattern = re.compile(
        "|".join(
            rf"(?<![\w.]){re.escape(os.fspath(place))}(?![\w-])" for place in places
        ).encode()
    )
    assert [file for file in repository_files() if pattern.search(file.read_bytes())] == []


def test_no_lock_of_another_tool_is_committed() -> None:
    # They name the registry of whoever wrote them, once for each package.
    others = {"uv.lock", "poetry.lock", "Pipfile.lock", "pdm.lock", "package-lock.json"}
    assert [file for file in repository_files() if file.name in others] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_registry_and_has_hashes_for_every_package(lock: str) -> None:
    text = (REPOSITORY / "requirements" / lock).read_text()
    assert "://" not in text
    assert not re.search(r"^ *(-|[\w.-]+ *@)(?!-hash)", text, flags=re.MULTILINE)
    entries = re.split(r"\n(?=\w)", text.strip())
    assert len(entries) == sum(len(versions) for versions in locked_versions(lock).values())
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_run_lock_holds_every_dependency_and_the_test_lock_holds_the_run_lock() -> None:
    run, test = (locked_versions(lock) for lock in LOCKS)
    project, groups = PYPROJECT["project"], PYPROJECT["dependency-groups"]

    needed = project["dependencies"] + groups["build"] + groups["score"]
    assert {normalised(requirement) for requirement in needed} <= run.keys()
    assert {normalised(requirement) for requirement in groups["test"]} <= test.keys()
    # The same version everywhere: a marker may be wider in the larger lock.
    assert run == {name: versions for name, versions in test.items() if name in run}


def test_every_module_says_what_it_is() -> None:
    # An empty `__init__.py` has nothing to say.
    silent = [
        module
        for module in source_modules()
        if module.read_text().strip() and not ast.get_docstring(ast.parse(module.read_text()))
    ]
    assert silent == []


def test_the_layers_hold() -> None:
    # What a supernode cannot contain is a claim, so the tests carry it as well as the linter.
    linter = Path(sys.executable).with_name("lint-imports")
    command = [linter, "--no-logo", "--no-cache"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_only_hark_is_shipped(tmp_path: Path) -> None:
    built = wheel.make_wheel_in(REPOSITORY / "pyproject.toml", tmp_path)
    with zipfile.ZipFile(built.file) as archive:
        roots = {name.partition("/")[0] for name in archive.namelist()}
    assert roots == {"hark", f"hark-{hark.__version__}.dist-info"}


def test_the_licence_is_there_and_is_the_one_named() -> None:
    text = (REPOSITORY / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "Grant of Patent License" in text
    assert PYPROJECT["project"]["license"] == "Apache-2.0"


def test_the_readme_names_the_commands_that_matter() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    for command in ("make run", "make test"):
        assert command in readme


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_named_on_a_page_exists(page: str) -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    named = set(
        re.findall(r"(?:`|^)make ([a-z-]+)", (REPOSITORY / page).read_text(), re.MULTILINE)
    )
    assert named
    assert named <= targets


@pytest.mark.parametrize("script", [".ci/run", "tools/setup", "tools/lock"])
def test_a_script_can_be_started(script: str) -> None:
    assert os.access(REPOSITORY / script, os.X_OK)


def test_every_change_fragment_has_a_known_kind() -> None:
    fragments = {file.name for file in (REPOSITORY / "changes").iterdir()} - {"README.md"}
    pattern = re.compile(r"[a-z0-9-]+\.(added|changed|fixed|removed|security)\.md")
    assert [name for name in sorted(fragments) if not pattern.fullmatch(name)] == []


def test_every_decision_has_a_number_of_its_own() -> None:
    pages = [page.name for page in (REPOSITORY / "docs/decisions").glob("[0-9]*.md")]
    assert [page for page in pages if not re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", page)] == []
    numbers = [page[:4] for page in pages]
    assert sorted(set(numbers)) == sorted(numbers)


@pytest.mark.parametrize("package", LATER_PACKAGES)
def test_a_package_is_named_in_its_layer_contracts_once_it_exists(package: str) -> None:
    if not (SOURCE / "hark" / package).exists():
        return
    contracts = {entry["id"]: entry for entry in PYPROJECT["tool"]["importlinter"]["contracts"]}
    for contract in LATER_PACKAGES[package]:
        named = contracts[contract]["source_modules"] + contracts[contract]["forbidden_modules"]
        assert f"hark.{package}" in named, contract

"""The registry and the code agree on the labels and the limits of the identity layer."""

import re
import tomllib

import pytest

from hark.crypto.labels import Label
from hark.identity import (
    bundle,
    chain,
    devices,
    envelope_key,
    introduction,
    invitation,
    safety_number,
    statements,
)
from tests.vectors import REPOSITORY

REGISTRY = tomllib.loads((REPOSITORY / "spec" / "registry.toml").read_text("utf-8"))
SPEC = (REPOSITORY / "spec" / "identity.md").read_text("utf-8")

LIMITS = {
    "devices": devices.MAX_DEVICES,
    "root_rotations": chain.MAX_ROOT_ROTATIONS,
    "run_statements": chain.MAX_RUN,
    "chain_statements": chain.MAX_CHAIN_STATEMENTS,
    "introduction_statements": introduction.MAX_INTRODUCTION_STATEMENTS,
    "chain_seq": statements.MAX_CHAIN_SEQ,
    "epoch": statements.MAX_EPOCH,
    "statement_bytes": statements.MAX_STATEMENT_BYTES,
    "chain_bytes": chain.MAX_CHAIN_BYTES,
    "introduction_bytes": introduction.MAX_INTRODUCTION_BYTES,
    "blob_bytes": bundle.MAX_BLOB_BYTES,
    "invitation_characters": invitation.MAX_URI_CHARACTERS,
    "invitation_homes": invitation.MAX_HOMES,
    "host_characters": invitation.MAX_HOST_CHARACTERS,
    "invitation_life_ms": invitation.INVITATION_LIFE_MS,
    "envelope_key_life_ms": envelope_key.ENVELOPE_KEY_LIFE_MS,
    "max_envelope_key_life_ms": envelope_key.MAX_ENVELOPE_KEY_LIFE_MS,
    "expired_envelope_key_use_ms": envelope_key.MAX_EXPIRED_USE_MS,
    "clock_slack_ms": envelope_key.CLOCK_SLACK_MS,
    "safety_number_iterations": safety_number.ITERATIONS,
}


def test_the_registry_lists_exactly_the_labels_of_the_code() -> None:
    listed = {name: f"{text}\0".encode() for name, text in REGISTRY["labels"].items()}
    assert listed == {label.name.lower(): bytes(label) for label in Label}


def test_the_registry_lists_exactly_the_limits_of_the_code() -> None:
    assert REGISTRY["limits"]["identity"] == LIMITS


@pytest.mark.parametrize("name", re.findall(r"LABEL\(([a-z-]+)\)", SPEC))
def test_every_label_that_the_text_uses_is_in_the_table(name: str) -> None:
    if name != "word":
        assert f"hark/{name}/1\0".encode() in list(Label)


@pytest.mark.parametrize(
    "name", ["statement_bytes", "chain_bytes", "introduction_bytes", "blob_bytes"]
)
def test_the_text_names_the_same_sizes(name: str) -> None:
    assert f"{LIMITS[name]:,} bytes" in SPEC


def test_every_section_that_the_code_names_exists() -> None:
    sections = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", SPEC, re.MULTILINE)
    }
    for folder in ("crypto", "identity", "wire"):
        for file in (REPOSITORY / "src" / "hark" / folder).glob("*.py"):
            for anchor in re.findall(
                r"spec/identity\.md#([a-z0-9-]+)", file.read_text("utf-8")
            ):
                assert anchor in sections, f"{file.name}: {anchor}"

"""The registry, the text and the code agree on bodies and limits of messaging."""

import re
import tomllib

import pytest

from hark.crypto.labels import Label
from hark.messaging import conversations
from hark.messaging.config import MessagingConfig
from hark.wire import bodies, envelope, sound
from tests.vectors import REPOSITORY

REGISTRY = tomllib.loads((REPOSITORY / "spec" / "registry.toml").read_text("utf-8"))
SPEC = (REPOSITORY / "spec" / "messaging.md").read_text("utf-8")
CONFIG = MessagingConfig()

LIMITS = {
    "text_characters": bodies.MAX_TEXT_CHARS,
    "name_characters": bodies.MAX_NAME_CHARS,
    "devices": bodies.MAX_DEVICES,
    "homes": bodies.MAX_HOMES,
    "receipt_ids": bodies.MAX_RECEIPT_IDS,
    "chain_bytes": bodies.MAX_CHAIN_BYTES,
    "inner_bytes": envelope.MIN_INNER_BYTES,
    "request_inner_bytes": [
        envelope.REQUEST_INNER_BYTES,
        envelope.LARGE_REQUEST_INNER_BYTES,
    ],
    "put_window": CONFIG.put_window,
    "sessions": CONFIG.max_sessions,
    "outbox_life_ms": CONFIG.outbox_life_ms,
    "envelope_key_ms": CONFIG.envelope_key_ms,
    "envelope_key_keep_ms": CONFIG.envelope_key_keep_ms,
    "fallback_ms": CONFIG.fallback_ms,
    "session_interval_ms": CONFIG.session_interval_ms,
    "received_ms": CONFIG.received_ms,
    "quarantine_ms": CONFIG.quarantine_ms,
    "order_jump": conversations.MAX_ORDER_JUMP,
    "voicemail_bytes": sound.MAX_VOICEMAIL_BYTES,
    "ring_ms": CONFIG.ring_ms,
    "signal_life_ms": CONFIG.signal_life_ms,
    "call_request_ms": CONFIG.call_request_ms,
}


def test_the_registry_lists_exactly_the_bodies_of_the_code() -> None:
    assert REGISTRY["body"] == {kind.name.lower(): kind.value for kind in bodies.BodyType}


def test_the_registry_lists_exactly_the_limits_of_the_code() -> None:
    assert REGISTRY["limits"]["messaging"] == LIMITS


@pytest.mark.parametrize("kind", bodies.BodyType, ids=lambda kind: kind.name)
def test_the_text_describes_every_body(kind: bodies.BodyType) -> None:
    assert f"| {kind.value} | {kind.name.lower()} |" in SPEC


@pytest.mark.parametrize("name", LIMITS)
def test_the_text_gives_a_reason_for_every_limit(name: str) -> None:
    value = LIMITS[name]
    numbers = value if isinstance(value, list) else [value]
    (line,) = re.findall(rf"^\| `{name}` \|.*$", SPEC, re.MULTILINE)
    assert all(f"{number:,}" in line for number in numbers)


LABELS_IN_TEXT = sorted(set(re.findall(r"LABEL\(([a-z-]+)\)", SPEC)) - {"word"})


@pytest.mark.parametrize("word", LABELS_IN_TEXT)
def test_every_label_that_the_text_uses_is_in_the_table(word: str) -> None:
    assert f"hark/{word}/1\0".encode() in list(Label)


def test_the_text_names_the_fixed_sizes_of_the_layouts() -> None:
    assert envelope.SEALED_OFFSET == 10
    assert envelope.INNER_FIXED_BYTES == 59
    assert envelope.PAYLOAD_FIXED_BYTES == 75
    assert f"{envelope.MIN_ENVELOPE_BYTES:,} bytes" in SPEC


def test_every_section_that_the_code_names_exists() -> None:
    sections = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", SPEC, re.MULTILINE)
    }
    for folder in ("src", "src/hark_lab", "tests", "benchmarks"):
        for file in (REPOSITORY / folder).rglob("*.py"):
            for anchor in re.findall(
                r"spec/messaging\.md#([a-z0-9-]+)", file.read_text("utf-8")
            ):
                assert anchor in sections, f"{file.name}: {anchor}"


@pytest.mark.parametrize(
    ("document", "anchor"), sorted(set(re.findall(r"`spec/(\w+)\.md#([a-z0-9-]+)`", SPEC)))
)
def test_every_section_of_another_text_that_is_named_exists(document: str, anchor: str) -> None:
    other = (REPOSITORY / "spec" / f"{document}.md").read_text("utf-8")
    sections = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", other, re.MULTILINE)
    }
    assert anchor in sections

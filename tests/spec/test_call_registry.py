"""The registry, the text and the code agree on signals, codes and limits of calls."""

import json
import re
import tomllib
from dataclasses import fields
from enum import IntEnum
from typing import get_args

import pytest

from hark.calls import redial
from hark.calls.config import CallConfig
from hark.calls.events import CallState
from hark.crypto import sframe
from hark.crypto.labels import Label
from hark.wire import call, sound
from hark.wire.codec import encode
from tests.vectors import REPOSITORY

REGISTRY = tomllib.loads((REPOSITORY / "spec" / "registry.toml").read_text("utf-8"))
SPEC = (REPOSITORY / "spec" / "calls.md").read_text("utf-8")
SIGNALS = {kind.__name__: kind.__struct_config__.tag for kind in get_args(call.CallSignal)}
CODES: dict[str, type[IntEnum]] = {
    "candidate_kind": call.CandidateKind,
    "stream_kind": call.StreamKind,
    "end_reason": call.EndReason,
    "refusal": call.Refusal,
    "call_outcome": call.CallOutcome,
}
LIMITS = {
    "signal_bytes": call.MAX_SIGNAL_BYTES,
    "batch_candidates": call.MAX_BATCH_CANDIDATES,
    "candidates": call.MAX_CANDIDATES,
    "batches": call.MAX_BATCHES,
    "streams": call.MAX_STREAMS,
    "connection": call.MAX_CONNECTION,
    "connections_ahead": redial.MAX_AHEAD,
    "first_counter": sframe.FIRST_COUNTER,
    "counter_limit": sframe.COUNTER_LIMIT,
    "replay_window": sframe.REPLAY_WINDOW,
    "tag_bytes": sframe.TAG_BYTES,
    "sample_rate_hz": sound.SAMPLE_RATE_HZ,
    "frame_ms": sound.FRAME_MS,
    "opus_packet_bytes": sound.OPUS_PACKET_BYTES,
    "voicemail_s": sound.MAX_VOICEMAIL_S,
}
OPERATOR_CHOICES = {"ice_servers"}
"""Settings that are no limit."""
CONFIG = CallConfig()
TIMES = {
    one.name: getattr(CONFIG, one.name)
    for one in fields(CONFIG)
    if one.name not in OPERATOR_CHOICES
}


def test_the_registry_lists_exactly_the_signals_of_the_code() -> None:
    assert REGISTRY["signal"] == SIGNALS


@pytest.mark.parametrize("section", CODES)
def test_the_registry_lists_exactly_the_codes_of_the_code(section: str) -> None:
    assert REGISTRY[section] == {code.name: code.value for code in CODES[section]}


def test_the_registry_lists_exactly_the_limits_of_the_code() -> None:
    assert REGISTRY["limits"]["call"] == LIMITS


def test_the_registry_lists_exactly_the_times_of_the_code() -> None:
    assert REGISTRY["limits"]["call_times"] == TIMES


def section_of(title: str) -> str:
    """Return what stands under one heading."""
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", SPEC, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.mark.parametrize("name", SIGNALS)
def test_the_text_describes_every_signal(name: str) -> None:
    (line,) = re.findall(rf"^\| {SIGNALS[name]} \| `{name}` \|.*$", SPEC, re.MULTILINE)
    described = line.split("|")[4]
    (kind,) = (one for one in get_args(call.CallSignal) if one.__name__ == name)
    named = [re.split(r"[ :]", field.strip())[0] for field in described.split(", ")]
    assert named == list(kind.__struct_fields__)


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("Signals", call.CandidateKind),
        ("Signals", call.StreamKind),
        ("End reasons", call.EndReason),
        ("Refusals", call.Refusal),
        ("History", call.CallOutcome),
    ],
)
def test_the_text_describes_exactly_the_codes(title: str, kind: type[IntEnum]) -> None:
    rows = re.findall(r"^\| (\d+) \| `([A-Z_]+)` \| \w", section_of(title), re.MULTILINE)
    expected = {(str(code.value), code.name) for code in kind}
    assert expected <= set(rows)
    if title != "Signals":
        assert len(rows) == len(expected)


@pytest.mark.parametrize(("title", "limits"), [("Limits", LIMITS), ("Time limits", TIMES)])
def test_the_text_gives_value_and_reason_for_exactly_the_limits(
    title: str, limits: dict[str, float]
) -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\d,.]+) \| \w", section_of(title), re.MULTILINE)
    assert dict(rows) == {
        name: f"{value:,}".removesuffix(".0") for name, value in limits.items()
    }


def test_the_text_describes_exactly_the_states() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", section_of("States"), re.MULTILINE)
    assert rows == [state.value for state in CallState]


LABELS_IN_TEXT = sorted(set(re.findall(r"LABEL\(([a-z-]+)\)", SPEC)) - {"word"})


def test_every_label_that_the_text_uses_is_in_the_table() -> None:
    assert len(LABELS_IN_TEXT) == 6
    for word in LABELS_IN_TEXT:
        assert f"hark/{word}/1\0".encode() in list(Label)


def anchors_of(text: str) -> set[str]:
    return {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }


def test_every_section_that_the_code_names_exists() -> None:
    for folder in ("src", "tests", "benchmarks", "tools"):
        for file in (REPOSITORY / folder).rglob("*.py"):
            for anchor in re.findall(r"spec/calls\.md#([a-z0-9-]+)", file.read_text("utf-8")):
                assert anchor in anchors_of(SPEC), f"{file.name}: {anchor}"


@pytest.mark.parametrize(
    ("document", "anchor"), sorted(set(re.findall(r"`spec/(\w+)\.md#([a-z0-9-]+)`", SPEC)))
)
def test_every_section_of_another_text_that_is_named_exists(document: str, anchor: str) -> None:
    other = (REPOSITORY / "spec" / f"{document}.md").read_text("utf-8")
    assert anchor in anchors_of(other)


def examples() -> list[tuple[str, str]]:
    """Return the signals that the text writes out: name, and a pattern of its bytes."""
    found: list[tuple[str, str]] = []
    for block in re.findall(
        r"^```\n(.*?)^```", section_of("Signals"), re.MULTILINE | re.DOTALL
    ):
        # A line that begins with spaces goes on with the signal above it.
        for line in re.sub(r"\n +", " ", block).splitlines():
            name, _, rest = line.partition(" ")
            if name in SIGNALS:
                # Words follow after at least three spaces.
                hex_ = re.split(r" {3,}", rest.strip())[0].replace(" ", "")
                found.append((name, re.escape(hex_).replace("…", "[0-9a-f]*")))
    return found


def test_every_signal_that_the_text_writes_out_is_a_vector() -> None:
    file = REPOSITORY / "spec" / "vectors" / "calls" / "signals.json"
    cases = json.loads(file.read_text("utf-8"))["cases"]
    vectors = [(case["message"], case["hex"]) for case in cases if "message" in case]
    assert {name for name, _ in examples()} == set(SIGNALS)
    for name, pattern in examples():
        assert any(kind == name and re.fullmatch(pattern, hex_) for kind, hex_ in vectors), (
            name,
            pattern,
        )


def test_the_largest_signal_fits_its_bound() -> None:
    candidate = call.CallCandidate(2, "f" * 45, 65_535, 2**31 - 1, "f" * 32)
    transport = call.CallTransport("u" * 64, "p" * 128, bytes(32))
    stream = call.CallStream(255, 255)
    largest = call.CallOffer(
        bytes(16),
        bytes(32),
        bytes(32),
        2**32 - 1,
        2**32 - 1,
        [stream] * call.MAX_STREAMS,
        transport,
        [candidate] * call.MAX_BATCH_CANDIDATES,
        final=True,
        records=True,
    )
    assert len(encode(largest)) <= call.MAX_SIGNAL_BYTES

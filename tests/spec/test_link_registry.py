"""The registry and the code agree on frames, requests, answers, errors and limits."""

import json
import re
import tomllib
from dataclasses import asdict
from typing import get_args

import msgspec
import pytest

from hark.overlay.link import backoff, client, liveness, pending, server
from hark.overlay.mailbox import limits, stamps
from hark.wire import link, mailbox
from hark.wire.error_codes import ErrorCode
from tests.vectors import REPOSITORY

REGISTRY = tomllib.loads((REPOSITORY / "spec" / "registry.toml").read_text("utf-8"))
NODE_FRAMES, SUPERNODE_FRAMES = get_args(link.NodeFrame), get_args(link.SupernodeFrame)

LINK_LIMITS = {
    "protocol_version": link.PROTOCOL_VERSION,
    "frame_bytes": link.MAX_FRAME_BYTES,
    "body_bytes": link.MAX_FRAME_BYTES - 64,
    "ack_sequences": link.MAX_ACK_SEQUENCES,
    "mailboxes_per_link": server.MAX_MAILBOXES_PER_LINK,
    "open_requests": server.MAX_OPEN_REQUESTS,
    "pending_requests": pending.MAX_PENDING,
    "connect_timeout_s": client.DEFAULT_LINK_CONFIG.connect_timeout_s,
    "hello_timeout_s": client.DEFAULT_LINK_CONFIG.hello_timeout_s,
    "ask_timeout_s": client.DEFAULT_LINK_CONFIG.ask_timeout_s,
    "first_ping_s": liveness.FIRST_INTERVAL_S,
    "ping_growth": liveness.GROWTH,
    "longest_ping_s": liveness.MAX_INTERVAL_S,
    "pong_timeout_s": liveness.PONG_TIMEOUT_S,
    "probe_timeout_s": liveness.PROBE_TIMEOUT_S,
    "silence_s": server.MAX_SILENCE_S,
    "first_window_s": backoff.FIRST_WINDOW_S,
    "longest_window_s": backoff.MAX_WINDOW_S,
    "longest_named_window_s": backoff.MAX_NAMED_WINDOW_S,
    "hopeless_retry_s": client.DEFAULT_LINK_CONFIG.hopeless_retry_s,
    "budget_per_s": server.DEFAULT_LINK_BUDGET.refill_per_s,
    "budget_burst": server.DEFAULT_LINK_BUDGET.burst,
    "cost_login": server.COST_LOGIN,
    "cost_ask": server.COST_ASK,
    "cost_live": server.COST_LIVE,
    "cost_small": server.COST_SMALL,
}
MAILBOX_LIMITS = {
    "envelope_bytes": mailbox.MAX_ENVELOPE_BYTES,
    "request_envelope_bytes": list(limits.REQUEST_ENVELOPE_BYTES),
    "chain_blob_bytes": mailbox.MAX_CHAIN_BLOB_BYTES,
    "blob_bytes": mailbox.MAX_BLOB_BYTES,
    "prekey_blob_bytes": mailbox.MAX_PREKEY_BLOB_BYTES,
    "prekeys_per_request": mailbox.MAX_PREKEYS_PER_REQUEST,
    "custody_path": mailbox.MAX_CUSTODY_PATH,
    "challenge_life_ms": stamps.CHALLENGE_LIFE_MS,
    "stamp_bits": stamps.MAX_BITS,
    **asdict(limits.DEFAULT_MAILBOX_LIMITS),
}


def tags(union: object) -> dict[str, object]:
    return {kind.__name__: kind.__struct_config__.tag for kind in get_args(union)}


def test_the_registry_lists_exactly_the_frames_of_the_code() -> None:
    assert REGISTRY["frame"] == {**tags(link.NodeFrame), **tags(link.SupernodeFrame)}


def test_the_registry_says_who_may_send_each_frame() -> None:
    senders = {}
    for kind in {*NODE_FRAMES, *SUPERNODE_FRAMES}:
        sender = "node" if kind in NODE_FRAMES else "supernode"
        both = kind in NODE_FRAMES and kind in SUPERNODE_FRAMES
        senders[kind.__name__] = "both" if both else sender
    assert REGISTRY["frame_sender"] == senders


@pytest.mark.parametrize(
    ("section", "union"),
    [
        ("request", mailbox.MailboxRequest),
        ("answer", mailbox.MailboxAnswer),
        ("admission", mailbox.Admission),
    ],
)
def test_the_registry_lists_exactly_the_messages_of_the_code(
    section: str, union: object
) -> None:
    assert REGISTRY[section] == tags(union)


def test_the_registry_lists_exactly_the_error_codes_of_the_code() -> None:
    assert REGISTRY["error"] == {code.name: code.value for code in ErrorCode}


def test_the_registry_lists_exactly_the_limits_of_a_link() -> None:
    assert REGISTRY["limits"]["link"] == LINK_LIMITS


def test_the_registry_lists_exactly_the_limits_of_a_mailbox() -> None:
    assert REGISTRY["limits"]["mailbox"] == MAILBOX_LIMITS


def test_the_largest_messages_fit_one_frame() -> None:
    envelope = bytes(mailbox.MAX_ENVELOPE_BYTES)
    stamp = mailbox.Stamp(bytes(32), bytes(8))
    largest = 2**53 - 1
    bundle = mailbox.Bundle(
        largest,
        bytes(mailbox.MAX_CHAIN_BLOB_BYTES),
        bytes(mailbox.MAX_BLOB_BYTES),
        bytes(mailbox.MAX_PREKEY_BLOB_BYTES),
        bytes(mailbox.MAX_PREKEY_BLOB_BYTES),
    )
    for body in (mailbox.Put(bytes(16), stamp, envelope), bundle):
        encoded = msgspec.msgpack.encode(body)
        frame = msgspec.msgpack.encode(link.Ask(2**32 - 1, encoded))
        assert link.NODE_FRAME_PARSER.parse(frame) == link.Ask(2**32 - 1, encoded)
        assert len(frame) <= link.MAX_FRAME_BYTES


def sections_of(document: str) -> set[str]:
    text = (REPOSITORY / "spec" / f"{document}.md").read_text("utf-8")
    return {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }


@pytest.mark.parametrize("document", ["link", "mailbox"])
def test_every_section_that_the_code_names_exists(document: str) -> None:
    sections = sections_of(document)
    for folder in ("crypto", "wire", "overlay", "supernode", "node"):
        for file in (REPOSITORY / "src" / "hark" / folder).rglob("*.py"):
            text = file.read_text("utf-8")
            for anchor in re.findall(rf"spec/{document}\.md#([a-z0-9-]+)", text):
                assert anchor in sections, f"{file.name}: {anchor}"


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ("link", [*tags(link.NodeFrame), *tags(link.SupernodeFrame)]),
        (
            "mailbox",
            [
                *tags(mailbox.MailboxRequest),
                *tags(mailbox.MailboxAnswer),
                *tags(mailbox.Admission),
            ],
        ),
    ],
)
def test_the_text_describes_every_message(document: str, names: list[str]) -> None:
    text = (REPOSITORY / "spec" / f"{document}.md").read_text("utf-8")
    for name in names:
        assert f"`{name}" in text, name


@pytest.mark.parametrize(
    ("document", "section"), [("link", LINK_LIMITS), ("mailbox", MAILBOX_LIMITS)]
)
def test_the_text_gives_a_reason_for_every_limit(
    document: str, section: dict[str, object]
) -> None:
    text = (REPOSITORY / "spec" / f"{document}.md").read_text("utf-8")
    for name in section:
        assert f"| `{name}` |" in text, name


def test_the_text_describes_every_error_code() -> None:
    text = (REPOSITORY / "spec" / "link.md").read_text("utf-8")
    for code in ErrorCode:
        assert f"| {code.value} | `{code.name}` |" in text, code


def examples_of(document: str) -> list[tuple[str, str]]:
    """Return the messages that the text writes out: name, and a pattern of its bytes."""
    text = (REPOSITORY / "spec" / f"{document}.md").read_text("utf-8")
    found: list[tuple[str, str]] = []
    for block in re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        # A line that begins with spaces goes on with the message above it.
        for line in re.sub(r"\n +", " ", block).splitlines():
            name, _, rest = line.partition(" ")
            # Words follow after at least three spaces.
            hex_ = re.split(r" {3,}", rest.strip())[0].replace(" ", "")
            if name in tags(link.NodeFrame | link.SupernodeFrame | ALL_BODIES):
                found.append((name, re.escape(hex_).replace("…", "[0-9a-f]*")))
    return found


ALL_BODIES = mailbox.MailboxRequest | mailbox.MailboxAnswer


@pytest.mark.parametrize("document", ["link", "mailbox"])
def test_every_message_that_the_text_writes_out_is_a_vector(document: str) -> None:
    examples = examples_of(document)
    assert len(examples) >= 14
    vectors = [
        (case["message"], case["hex"])
        for file in (REPOSITORY / "spec" / "vectors" / document).glob("*.json")
        for case in json.loads(file.read_text("utf-8"))["cases"]
        if "message" in case
    ]
    for name, pattern in examples:
        assert any(kind == name and re.fullmatch(pattern, hex_) for kind, hex_ in vectors), (
            name,
            pattern,
        )

"""spec/control.md and the code say the same."""

import json
import re
from enum import IntEnum
from http import HTTPStatus
from pathlib import Path
from typing import get_args

import pytest

from hark import errors
from hark.app.cli.output import CAUSES, TRUST
from hark.calls.events import CallState
from hark.calls.media import Nat, PathKind
from hark.control import (
    asgi,
    call_sound,
    local_socket,
    problems,
    routes,
    schema,
    server,
    streams,
)
from hark.control.schema import EventKind
from hark.control.service import NodeService
from hark.errors import MalformedError
from hark.messaging.events import Cause, ContactChange, ContactStatus, MessageState, Trust
from hark.messaging.views import MessageKind
from hark.wire.bodies import MAX_TEXT_CHARS
from hark.wire.call import CallOutcome, EndReason, Refusal
from hark.wire.codec import JsonParser, Record, encode_json
from hark.wire.sound import FRAME_BYTES, MAX_VOICEMAIL_BYTES

SPEC = (Path(__file__).parents[3] / "spec" / "control.md").read_text(encoding="utf-8")
SOURCE = Path(__file__).parents[3] / "src"
VECTORS = Path(__file__).parents[3] / "spec" / "vectors" / "control"
CASES = json.loads((VECTORS / "requests.json").read_text(encoding="utf-8"))["cases"]
EXAMPLES = dict(re.findall(r"```json (\w+)\n(.*?)```", SPEC, flags=re.DOTALL))

RECORDS = {
    name: value
    for name, value in vars(schema).items()
    if isinstance(value, type) and issubclass(value, Record) and value is not Record
}


def section(title: str) -> str:
    """Return the text below a heading, up to the next heading of any level."""
    match = re.search(
        rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", SPEC, re.DOTALL | re.MULTILINE
    )
    assert match is not None, title
    return match[1]


def rows(title: str) -> list[list[str]]:
    """Return the cells of a section's table, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def words(cell: str) -> list[str]:
    """Return what stands in code marks."""
    return re.findall(r"`([^`]+)`", cell)


def test_every_object_has_an_example_and_every_example_an_object() -> None:
    assert set(EXAMPLES) == set(RECORDS)


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_an_example_parses_holds_every_field_and_is_written_alike(name: str) -> None:
    example = json.loads(EXAMPLES[name])
    record = RECORDS[name]
    assert set(example) == set(record.__struct_fields__)
    parser: JsonParser[Record] = JsonParser(record)
    assert json.loads(encode_json(parser.parse(EXAMPLES[name]))) == example


def test_the_table_of_requests_is_the_table_of_routes() -> None:
    listed = {}
    for name, request, takes, gives, _meaning in rows("Requests"):
        listed[words(name)[0]] = (words(request)[0], words(takes), gives.replace("`", ""))
    query = {"history": ["contact", "limit", "before"]}
    served = {}
    for constant, route in vars(routes).items():
        name = constant.lower()
        if isinstance(route, routes.Ask):
            served[name] = (f"GET {route.path}", query.get(name, []), route.given_type)
        elif isinstance(route, routes.Order):
            served[name] = (f"POST {route.path}", [route.takes.__name__], route.given_type)
    assert listed == served
    methods = {name for name in vars(NodeService) if not name.startswith("_")}
    renamed = {"call_limit": "limit_calls"}
    asked = {renamed.get(name, name) for name in served}
    assert asked == methods - {"events", "call_sound"}


def test_the_paths_of_the_streams_are_those_of_the_code() -> None:
    assert f"`WebSocket {routes.EVENTS_PATH}?after=SEQ&run=RUN`" in section("Events")
    assert f"`WebSocket {routes.CALL_SOUND_PATH}`" in section("Sound of a call")
    assert f"code {streams.NO_FRAME_OF_SOUND}" in section("Sound of a call")
    assert f"code {streams.CALL_OVER}" in section("Sound of a call")
    assert call_sound.CALL_OVER == streams.CALL_OVER


def test_every_word_of_messaging_is_listed() -> None:
    assert [words(row[0])[0] for row in rows("Causes")] == list(Cause)
    assert [words(row[0])[0] for row in rows("Contact changes")] == list(ContactChange)
    assert tuple(words(row[0])[0] for row in rows("Event kinds")) == get_args(EventKind)
    contact = [word for word in words(section("Contact")) if word in {*ContactStatus, *Trust}]
    assert contact == [*ContactStatus, *Trust]
    states = [word for word in words(section("Message")) if word in set(MessageState)]
    assert states == list(MessageState)


def listed_words(title: str) -> list[str]:
    return [words(row[0])[0] for row in rows(title)]


def lower(names: type[IntEnum]) -> list[str]:
    return [value.name.lower() for value in names]


def test_every_word_of_calls_is_listed() -> None:
    assert listed_words("Call states") == list(CallState)
    assert listed_words("Reasons") == lower(EndReason)
    assert ["none", *listed_words("Refusals")] == lower(Refusal)
    assert listed_words("Outcomes") == lower(CallOutcome)
    message = words(section("Message"))
    assert [word for word in message if word in set(MessageKind)] == list(MessageKind)
    path = words(section("CallPath"))
    assert [word for word in path if word in set(PathKind)] == list(PathKind)
    assert [word for word in path if word in set(Nat)] == list(Nat)


def test_every_word_of_messaging_has_a_text_for_people() -> None:
    assert set(CAUSES) == set(Cause) - {Cause.NONE}
    assert set(TRUST) == set(Trust)


def test_the_statuses_of_errors_are_listed() -> None:
    listed = {
        getattr(errors, name): HTTPStatus(int(row[0]))
        for row in rows("Errors")
        for name in words(row[1])
    }
    assert listed == problems.STATUS_BY_ERROR


def test_the_limits_are_those_of_the_code() -> None:
    listed = {row[0]: int(row[1].split()[0]) for row in rows("Limits")}
    assert listed == {
        "request body": routes.MAX_BODY_BYTES,
        "text of a message": MAX_TEXT_CHARS,
        "name of a contact": schema.MAX_NAME_CHARS,
        "page of history": schema.MAX_HISTORY,
        "page of history when no limit is named": asgi.DEFAULT_HISTORY,
        "open connections": server.MAX_CONNECTIONS,
        "WebSocket message from a client": server.MAX_WEBSOCKET_FRAME_BYTES,
        "WebSocket frames that a message may come in": server.MAX_MESSAGE_PARTS,
        "frame of sound": FRAME_BYTES,
        "sound of a voicemail": MAX_VOICEMAIL_BYTES,
        "path of the socket": local_socket.MAX_SOCKET_PATH_BYTES,
    }


def test_every_section_that_the_code_names_exists() -> None:
    titles = re.findall(r"^#+ (.*)$", SPEC, re.MULTILINE)
    anchors = {title.lower().replace(" ", "-") for title in titles}
    for file in SOURCE.rglob("*.py"):
        for anchor in re.findall(r"spec/control\.md#([a-z0-9-]+)", file.read_text("utf-8")):
            assert anchor in anchors, f"{file.name}: {anchor}"


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_request_is_taken_or_refused_as_the_vector_says(case: dict[str, str]) -> None:
    parser: JsonParser[Record] = JsonParser(RECORDS[case["takes"]])
    if case["accepted"]:
        parser.parse(case["body"])
    else:
        with pytest.raises(MalformedError):
            parser.parse(case["body"])

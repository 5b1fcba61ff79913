"""Our own vectors of envelopes, payloads, bodies and binds, both ways."""

import json
from functools import cache
from typing import Any

import pytest

from hark.crypto.olm import OlmAccount, PickleKey
from hark.crypto.xwing import EnvelopeSecret
from hark.errors import ForgedError, MalformedError
from hark.identity.devices import Device
from hark.identity.envelope_key import EnvelopeKeyRecord
from hark.messaging.sealing import Party, bind_of, open_envelope
from hark.wire import bodies
from hark.wire.bodies import BodyType
from hark.wire.codec import Parser, encode
from hark.wire.envelope import InnerMessage, OuterEnvelope, Payload
from hark.wire.ids import AccountId, DeviceId
from tests.vectors import REPOSITORY
from tools.make_messaging_vectors import DOCUMENTS, FROZEN, fields_of, written

Case = dict[str, Any]
FOLDER = REPOSITORY / "spec" / "vectors" / "messaging"
PARSERS: dict[BodyType, Parser[Any]] = {
    BodyType.TEXT: bodies.TEXT_PARSER,
    BodyType.RECEIPT: bodies.RECEIPT_PARSER,
    BodyType.CONTACT_REQUEST: bodies.CONTACT_REQUEST_PARSER,
    BodyType.CONTACT_ACCEPT: bodies.CONTACT_ACCEPT_PARSER,
    BodyType.CARD: bodies.CARD_PARSER,
    BodyType.CHAIN: bodies.CHAIN_PARSER,
    BodyType.SYNC: bodies.SYNC_PARSER,
    BodyType.TYPING: bodies.EMPTY_PARSER,
    BodyType.PRESENCE: bodies.EMPTY_PARSER,
    BodyType.VOICEMAIL: bodies.VOICEMAIL_PARSER,
}
ERRORS = {"malformed": MalformedError, "not_opened": ForgedError}


@cache
def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    names = [case["name"] for case in found["cases"]]
    assert len(names) == len(set(names)), "two cases share a name"
    assert all(case["flags"] for case in found["cases"] if case["result"] == "refused")
    return found


def of(name: str) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in document(name)["cases"]]


def test_every_file_is_read() -> None:
    names = {file.stem for file in FOLDER.glob("*.json")}
    assert names == {*DOCUMENTS, FROZEN}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_generator_writes_these_very_files(name: str) -> None:
    assert written(name) == (FOLDER / f"{name}.json").read_text("utf-8")


@pytest.mark.parametrize("case", of("inner"))
def test_inner(case: Case) -> None:
    data = bytes.fromhex(case["hex"])
    if case["result"] == "refused":
        with pytest.raises(MalformedError):
            InnerMessage.parse(data)
        return
    assert InnerMessage.parse(data).encode() == data[: case["inner_bytes"]]


@pytest.mark.parametrize("case", of("payload"))
def test_payload(case: Case) -> None:
    data = bytes.fromhex(case["hex"])
    if case["result"] == "refused":
        with pytest.raises(MalformedError):
            Payload.parse(data)
        return
    payload = Payload.parse(data)
    assert payload.encode() == data
    assert "fields" not in case or fields_of(payload) == case["fields"]


@pytest.mark.parametrize("case", of("bodies"))
def test_body(case: Case) -> None:
    data, parser = bytes.fromhex(case["hex"]), PARSERS[BodyType(case["type"])]
    if case["result"] == "refused":
        with pytest.raises(MalformedError):
            parser.parse(data)
        return
    body = parser.parse(data)
    assert encode(body).hex() == case.get("rewritten", case["hex"])
    assert fields_of(body) == case["fields"]


def party(fields: dict[str, str]) -> Party:
    device = Device(
        DeviceId(bytes.fromhex(fields["device"])),
        bytes.fromhex(fields["ed_key"]),
        bytes.fromhex(fields["curve_key"]),
    )
    return Party(AccountId(bytes.fromhex(fields["account"])), device)


@pytest.mark.parametrize("case", of("bind"))
def test_bind(case: Case) -> None:
    record_hash = bytes.fromhex(case["record_hash"])
    bind = bind_of(party(case["sender"]), party(case["recipient"]), record_hash)
    assert bind.hex() == case["hex"]


def test_binds_of_the_two_directions_differ() -> None:
    assert len({case["hex"] for case in document("bind")["cases"]}) == 2


def opened(case: Case) -> InnerMessage:
    found = document(FROZEN)
    record = EnvelopeKeyRecord.parse(bytes.fromhex(found["record"]))
    secret = EnvelopeSecret(bytes.fromhex(found["envelope_key_seed"]))
    assert secret.public == record.public
    outer = OuterEnvelope.parse(bytes.fromhex(case["hex"]))
    assert outer.encode() == bytes.fromhex(case["hex"])
    return open_envelope(record, secret, outer)


@pytest.mark.parametrize("case", of(FROZEN))
def test_frozen_envelope(case: Case) -> None:
    """What was sealed once opens for ever: seal, layout, Olm, payload and bind."""
    if case["result"] == "refused":
        with pytest.raises(ERRORS[case["flags"][0]]):
            opened(case)
        return
    found = document(FROZEN)
    inner = opened(case)
    sender, recipient = party(found["sender"]), party(found["recipient"])
    assert (inner.from_account, inner.from_device) == (
        sender.account,
        sender.device.device_id,
    )
    account = OlmAccount.from_pickle(
        found["recipient_olm_account"].encode("ascii"),
        PickleKey(bytes.fromhex(found["olm_pickle_key"])),
    )
    _, plaintext = account.inbound_session(
        sender.device.curve_key, inner.olm_type, inner.olm_body
    )
    payload = Payload.parse(plaintext)
    assert fields_of(payload) == case["fields"]
    record = EnvelopeKeyRecord.parse(bytes.fromhex(found["record"]))
    assert payload.bind == bind_of(sender, recipient, record.record_hash)

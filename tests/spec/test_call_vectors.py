"""Our own vectors of signals, set-ups and frames, both ways."""

import json
from functools import cache
from typing import Any

import pytest

from hark.calls import transcript
from hark.calls.keys import media_keys, short_authentication
from hark.calls.media import MediaKeys
from hark.crypto.sframe import FrameKey, SFrameReceiver
from hark.errors import ForgedError, MalformedError, ProtocolError
from hark.wire.call import CallAnswer, CallOffer, parse_signal
from hark.wire.codec import encode
from hark.wire.ids import AccountId, DeviceId
from tests.vectors import REPOSITORY
from tools.make_call_vectors import DOCUMENTS, written
from tools.make_link_vectors import fields_of

Case = dict[str, Any]
FOLDER = REPOSITORY / "spec" / "vectors" / "calls"
FRAME_ERRORS = {
    "Header": MalformedError,
    "KeyId": ProtocolError,
    "Counter": ProtocolError,
    "Replayed": ProtocolError,
    "Forged": ForgedError,
}


@cache
def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    names = [case["name"] for case in found["cases"]]
    assert len(names) == len(set(names)), "two cases share a name"
    assert all(case["flags"] for case in found["cases"] if case["result"] == "refused")
    return found


def of(name: str, result: str | None = None) -> list[Any]:
    return [
        pytest.param(case, id=case["name"])
        for case in document(name)["cases"]
        if result in {None, case["result"]}
    ]


def raw(case: Case, name: str) -> bytes:
    return bytes.fromhex(case[name])


def raws(case: Case, name: str) -> list[bytes]:
    return [bytes.fromhex(one) for one in case[name]]


def test_every_file_is_read() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} == set(DOCUMENTS)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_generator_writes_these_very_files(name: str) -> None:
    assert written(name) == (FOLDER / f"{name}.json").read_text("utf-8")


@pytest.mark.parametrize("case", of("signals"))
def test_signal(case: Case) -> None:
    data = raw(case, "hex")
    if case["result"] == "refused":
        with pytest.raises(MalformedError):
            parse_signal(data)
        return
    signal = parse_signal(data)
    assert type(signal).__name__ == case["message"]
    assert fields_of(signal) == case["fields"]
    assert encode(signal) == data


def fault_of(case: Case) -> str:
    """Return what the two ends find wrong with a set-up, as the text orders the checks."""
    offer, answer = parse_signal(raw(case, "offer")), parse_signal(raw(case, "answer"))
    assert isinstance(offer, CallOffer)
    assert isinstance(answer, CallAnswer)
    nonce = raw(case, "caller_nonce")
    setup = transcript.setup_hash(raw(case, "offer"), raw(case, "answer"))
    caller = transcript.caller_transcript(setup, raws(case, "caller_candidates"))
    full = transcript.full_transcript(caller, nonce, raws(case, "callee_candidates"))
    if transcript.offer_hash(raw(case, "offer")) != answer.offer_hash:
        return "WRONG_OFFER"
    if transcript.commitment(nonce) != offer.commitment:
        return "WRONG_NONCE"
    confirmed = (raw(case, "caller_transcript"), raw(case, "full_transcript"))
    return "" if (caller, full) == confirmed else "WRONG_TRANSCRIPT"


@pytest.mark.parametrize("case", of("setups"))
def test_setup(case: Case) -> None:
    assert fault_of(case) == "".join(case["flags"])


def keys_of(case: Case, *, caller: bool, connection: int) -> MediaKeys:
    devices = [raw(document("setups"), name) for name in ("caller_device", "callee_device")]
    own, peer = devices if caller else reversed(devices)
    offer, answer = parse_signal(raw(case, "offer")), parse_signal(raw(case, "answer"))
    assert isinstance(offer, CallOffer)
    assert isinstance(answer, CallAnswer)
    return media_keys(
        caller_secret=offer.secret,
        callee_secret=answer.secret,
        setup=raw(case, "setup_hash"),
        own_device=DeviceId(own),
        peer_device=DeviceId(peer),
        own_stream=offer.streams[0].stream,
        peer_stream=answer.streams[0].stream,
        connection=connection,
    )


@pytest.mark.parametrize("case", of("setups", "accepted"))
def test_keys_of_a_setup_are_those_written_and_mirror_each_other(case: Case) -> None:
    for keys in case["keys"]:
        caller = keys_of(case, caller=True, connection=keys["connection"])
        callee = keys_of(case, caller=False, connection=keys["connection"])
        assert (caller.send_base, caller.send_key_id) == (
            raw(keys, "send_base"),
            keys["send_key_id"],
        )
        assert (caller.receive_base, caller.receive_key_id) == (
            raw(keys, "receive_base"),
            keys["receive_key_id"],
        )
        assert (callee.send_base, callee.receive_base) == (
            caller.receive_base,
            caller.send_base,
        )


@pytest.mark.parametrize("case", of("setups", "accepted"))
def test_emoji_of_a_setup_are_those_written(case: Case) -> None:
    found, answer = document("setups"), parse_signal(raw(case, "answer"))
    assert isinstance(answer, CallAnswer)
    emoji = short_authentication(
        caller_nonce=raw(case, "caller_nonce"),
        callee_nonce=answer.nonce,
        setup=raw(case, "setup_hash"),
        caller=AccountId(raw(found, "caller")),
        callee=AccountId(raw(found, "callee")),
        caller_epoch=found["caller_epoch"],
        callee_epoch=found["callee_epoch"],
    )
    assert [one.name for one in emoji] == case["emoji"]


@pytest.mark.parametrize("case", of("frames"))
def test_frame(case: Case) -> None:
    found = document("frames")
    base = raw(found, "base_key")
    receiver = SFrameReceiver(base, found["key_id"])
    for counter in case["before"]:
        receiver.open(FrameKey(base, found["key_id"]).seal(counter, b"earlier"))
    if case["result"] == "refused":
        with pytest.raises(FRAME_ERRORS[case["flags"][0]]):
            receiver.open(raw(case, "hex"))
        return
    opened = receiver.open(raw(case, "hex"))
    assert (opened.counter, opened.frame) == (case["counter"], raw(found, "frame"))

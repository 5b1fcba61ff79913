"""Write `spec/vectors/calls/*.json`.

Run as `python -m tools.make_call_vectors` from the repository's root. All values are fixed, so
a second run writes the same bytes; a test compares.

A case has a `name`, a `result` (`accepted` or `refused`) and `flags` that say why it is
refused. Signals carry their bytes in `hex` and their `fields`; set-ups carry what two devices
have sent and what comes of it; frames carry the sealed bytes and the counters that were opened
before.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from hark.calls import transcript
from hark.calls.keys import key_id, media_keys, short_authentication
from hark.crypto.sframe import COUNTER_LIMIT, FIRST_COUNTER, REPLAY_WINDOW, FrameKey
from hark.wire import call
from hark.wire.codec import Message, encode
from hark.wire.ids import AccountId, DeviceId
from hark.wire.sound import OPUS_PACKET_BYTES
from tools.make_link_vectors import messages_document, refused

FOLDER = Path(__file__).parents[1] / "spec" / "vectors" / "calls"
Case = dict[str, Any]

CALL = bytes([0xC1]) * 16
CALLER, CALLEE = AccountId(bytes([0xA1]) * 32), AccountId(bytes([0xB1]) * 32)
CALLER_DEVICE, CALLEE_DEVICE = DeviceId(bytes([0xA2]) * 16), DeviceId(bytes([0xB2]) * 16)
CALLER_NONCE, CALLEE_NONCE = bytes([0xA3]) * 32, bytes([0xB3]) * 32
CALLER_SECRET, CALLEE_SECRET = bytes([0xA4]) * 32, bytes([0xB4]) * 32
CALLER_EPOCH, CALLEE_EPOCH = 1, 20_780

VOICE = call.CallStream(0, call.StreamKind.VOICE)
HOST = call.CallCandidate(0, "192.0.2.17", 50_000, 2_130_706_431, "1")
HOST_6 = call.CallCandidate(0, "2001:db8::17", 50_001, 2_130_706_175, "2")
REFLEXIVE = call.CallCandidate(1, "198.51.100.4", 61_001, 1_694_498_815, "3")
RELAYED = call.CallCandidate(2, "203.0.113.9", 49_152, 16_777_215, "a/+9")
CALLER_END = call.CallTransport("Aaaa", "A" * 22, bytes([0xA5]) * 32)
CALLEE_END = call.CallTransport("Bbbb", "B" * 22, bytes([0xB5]) * 32)

OFFER = call.CallOffer(
    CALL,
    transcript.commitment(CALLER_NONCE),
    CALLER_SECRET,
    CALLER_EPOCH,
    CALLEE_EPOCH,
    [VOICE],
    CALLER_END,
    [HOST],
    final=False,
    records=False,
)
ANSWER = call.CallAnswer(
    CALL,
    transcript.offer_hash(encode(OFFER)),
    CALLEE_NONCE,
    CALLEE_SECRET,
    [VOICE],
    CALLEE_END,
    [HOST_6],
    final=False,
    records=True,
)
CALLER_BATCH = call.CallCandidates(CALL, 1, 1, [REFLEXIVE, RELAYED], final=True)
CALLEE_BATCHES = [
    call.CallCandidates(CALL, 1, 1, [REFLEXIVE], final=False),
    call.CallCandidates(CALL, 1, 2, [], final=True),
]
SETUP = transcript.setup_hash(encode(OFFER), encode(ANSWER))
CALLER_TRANSCRIPT = transcript.caller_transcript(SETUP, [encode(CALLER_BATCH)])
FULL_TRANSCRIPT = transcript.full_transcript(
    CALLER_TRANSCRIPT, CALLER_NONCE, [encode(one) for one in CALLEE_BATCHES]
)

SIGNALS: list[Message] = [
    OFFER,
    call.CallRinging(CALL),
    call.CallRingConfirmed(CALL),
    ANSWER,
    CALLER_BATCH,
    CALLEE_BATCHES[1],
    call.CallConfirm(CALL, CALLER_NONCE, CALLER_TRANSCRIPT),
    call.CallConfirm(CALL, b"", FULL_TRANSCRIPT),
    call.CallEnd(CALL, call.EndReason.HUNG_UP, call.Refusal.NONE),
    call.CallEnd(CALL, call.EndReason.REFUSED, call.Refusal.WRONG_TRANSCRIPT),
    call.CallEnd(CALL, 255, 255),
    call.CallStatus(CALL, 1, muted=True, held=False, records=False),
    call.CallRedial(CALL, 2, CALLER_END, [HOST], final=True),
    call.CallRedialAnswer(CALL, 2, CALLEE_END, [HOST_6], final=True),
    call.CallRedialWanted(CALL, 1),
]


def with_address(text: str) -> Message:
    candidate = msgspec.structs.replace(HOST, address=text)
    return msgspec.structs.replace(CALLER_BATCH, candidates=[candidate])


def with_candidate(**change: object) -> Message:
    candidate = msgspec.structs.replace(HOST, **change)
    return msgspec.structs.replace(CALLER_BATCH, candidates=[candidate])


def with_end(**change: object) -> Message:
    return msgspec.structs.replace(
        OFFER, transport=msgspec.structs.replace(CALLER_END, **change)
    )


def with_streams(*streams: call.CallStream) -> Message:
    return msgspec.structs.replace(OFFER, streams=list(streams))


def refused_signals() -> list[Case]:
    """Return what the damage of single fields does not show: nested fields, rules, forms."""
    many = [HOST] * (call.MAX_BATCH_CANDIDATES + 1)
    wrong: list[tuple[str, str, Message]] = [
        *(
            (f"address {text}", "Address", with_address(text))
            for text in (
                "example.org",
                "fe80::1%eth0",
                "2001:DB8::17",
                "2001:db8:0:0:0:0:0:17",
                "::ffff:192.0.2.17",
                "::ffff:c000:211",
                "192.0.2.017",
                "192.0.2.17:50000",
                "192.0.2.17\n",
                "3221225489",
            )
        ),
        ("candidate of kind 3", "FieldRange", with_candidate(kind=3)),
        ("port 0", "FieldRange", with_candidate(port=0)),
        ("port 65,536", "FieldRange", with_candidate(port=65_536)),
        ("priority 0", "FieldRange", with_candidate(priority=0)),
        ("foundation with a space", "IceText", with_candidate(foundation="1 2")),
        ("foundation of 33", "FieldLength", with_candidate(foundation="1" * 33)),
        ("17 candidates", "FieldLength", msgspec.structs.replace(OFFER, candidates=many)),
        ("user name of 3", "FieldLength", with_end(username="Aaa")),
        ("user name with a line end", "IceText", with_end(username="Aaaa\n")),
        ("user name with CR and LF", "IceText", with_end(username="Aaaa\r\na=x")),
        ("password of 21", "FieldLength", with_end(password="A" * 21)),
        ("password of 129", "FieldLength", with_end(password="A" * 129)),
        ("password of 4 KiB", "TooLong", with_end(password="A" * 4_096)),
        ("fingerprint of 20", "FieldLength", with_end(fingerprint=bytes(20))),
        ("no streams", "FieldLength", with_streams()),
        (
            "five streams",
            "FieldLength",
            with_streams(*(call.CallStream(n, 0) for n in range(5))),
        ),
        ("two streams of one number", "Streams", with_streams(VOICE, call.CallStream(0, 1))),
        ("stream 256", "FieldRange", with_streams(call.CallStream(256, 0))),
        ("connection 0", "FieldRange", call.CallRedialWanted(CALL, 0)),
        ("connection 65,536", "FieldRange", call.CallRedialWanted(CALL, 65_536)),
        ("batch 0", "FieldRange", msgspec.structs.replace(CALLER_BATCH, batch=0)),
        (
            "batch beyond the last",
            "FieldRange",
            msgspec.structs.replace(CALLER_BATCH, batch=call.MAX_BATCHES + 1),
        ),
        ("status 0", "FieldRange", call.CallStatus(CALL, 0, True, True, True)),
        ("nonce of 16", "FieldLength", call.CallConfirm(CALL, bytes(16), SETUP)),
    ]
    ringing = encode(call.CallRinging(CALL))
    longer = [
        ("number in two bytes", ringing.replace(b"\x92\x02", b"\x92\xcc\x02")),
        ("array of 16 bits", ringing.replace(b"\x92", b"\xdc\x00\x02")),
        ("bytes of 16 bits", ringing.replace(b"\xc4\x10", b"\xc5\x00\x10")),
    ]
    return [refused(name, flag, encode(signal)) for name, flag, signal in wrong] + [
        refused(name, "NotCanonical", data) for name, data in longer
    ]


def signals() -> Case:
    document = messages_document(
        "spec/calls.md#signals", "Bodies of the type `call`, parsed canonically.", SIGNALS
    )
    document["cases"] += refused_signals()
    return document


def setup_case(name: str, **change: object) -> Case:
    """Return a complete set-up: what was sent, and what both ends make of it.

    Args:
        name: of the case.
        change: of the inputs.
    """
    inputs: dict[str, Any] = {
        "offer": encode(OFFER),
        "answer": encode(ANSWER),
        "caller_candidates": [encode(CALLER_BATCH)],
        "callee_candidates": [encode(one) for one in CALLEE_BATCHES],
        "caller_nonce": CALLER_NONCE,
        **change,
    }
    setup = transcript.setup_hash(inputs["offer"], inputs["answer"])
    caller = transcript.caller_transcript(setup, inputs["caller_candidates"])
    full = transcript.full_transcript(
        caller, inputs["caller_nonce"], inputs["callee_candidates"]
    )
    outputs = {
        "commitment": transcript.commitment(inputs["caller_nonce"]),
        "offer_hash": transcript.offer_hash(inputs["offer"]),
        "setup_hash": setup,
        "caller_transcript": caller,
        "full_transcript": full,
    }
    emoji = short_authentication(
        caller_nonce=inputs["caller_nonce"],
        callee_nonce=CALLEE_NONCE,
        setup=setup,
        caller=CALLER,
        callee=CALLEE,
        caller_epoch=CALLER_EPOCH,
        callee_epoch=CALLEE_EPOCH,
    )
    case: Case = {"name": name, "result": "accepted", "flags": []}
    case |= {key: _hex(value) for key, value in (inputs | outputs).items()}
    return case | {"emoji": [one.name for one in emoji], "keys": keys_cases(setup)}


def keys_cases(setup: bytes) -> list[Case]:
    """Return the caller's keys on several connections; the callee's are their mirror."""
    cases = []
    for connection in (1, 2, 65_535):
        keys = media_keys(
            caller_secret=CALLER_SECRET,
            callee_secret=CALLEE_SECRET,
            setup=setup,
            own_device=CALLER_DEVICE,
            peer_device=CALLEE_DEVICE,
            own_stream=0,
            peer_stream=0,
            connection=connection,
        )
        cases.append(
            {
                "connection": connection,
                "send_base": keys.send_base.hex(),
                "receive_base": keys.receive_base.hex(),
                "send_key_id": keys.send_key_id,
                "receive_key_id": keys.receive_key_id,
            }
        )
    return cases


def setups() -> Case:
    """Return one call, and the same one meddled with: the confirmed hashes no longer hold."""
    whole = setup_case("two devices agree")
    first, last = encode(CALLEE_BATCHES[0]), encode(CALLEE_BATCHES[1])
    pruned = msgspec.structs.replace(CALLER_BATCH, candidates=[RELAYED])
    changes: list[tuple[str, str, dict[str, bytes | list[bytes]]]] = [
        ("another offer", "WRONG_OFFER", {"offer": encode(with_end(username="Mmmm"))}),
        ("another nonce", "WRONG_NONCE", {"caller_nonce": bytes(32)}),
        ("a pruned candidate", "WRONG_TRANSCRIPT", {"caller_candidates": [encode(pruned)]}),
        ("a batch of the caller lost", "WRONG_TRANSCRIPT", {"caller_candidates": []}),
        ("a batch of the callee lost", "WRONG_TRANSCRIPT", {"callee_candidates": [last]}),
        ("batches exchanged", "WRONG_TRANSCRIPT", {"callee_candidates": [last, first]}),
        ("a batch repeated", "WRONG_TRANSCRIPT", {"callee_candidates": [first, last, last]}),
        (
            "another answer",
            "WRONG_TRANSCRIPT",
            {"answer": encode(msgspec.structs.replace(ANSWER, records=False))},
        ),
    ]
    cases = [whole]
    for name, flag, change in changes:
        shown = {key: _hex(value) for key, value in change.items()}
        cases.append(whole | {"name": name, "result": "refused", "flags": [flag]} | shown)
    return {
        "spec": "spec/calls.md#transcript",
        "about": "What was sent, and what the two ends confirmed: refused where they differ.",
        "caller": CALLER.hex(),
        "callee": CALLEE.hex(),
        "caller_device": CALLER_DEVICE.hex(),
        "callee_device": CALLEE_DEVICE.hex(),
        "caller_epoch": CALLER_EPOCH,
        "callee_epoch": CALLEE_EPOCH,
        "cases": cases,
    }


def frames() -> Case:
    """Return sealed frames of one stream, each with the counters that came before it."""
    base, name = bytes(range(32)), key_id(0, 1)
    voice = bytes(range(OPUS_PACKET_BYTES))

    def sealed(counter: int, key: int = name, with_base: bytes = base) -> bytes:
        return FrameKey(with_base, key).seal(counter, voice)

    def good(title: str, counter: int, *before: int) -> Case:
        return {
            "name": title,
            "result": "accepted",
            "flags": [],
            "before": list(before),
            "hex": sealed(counter).hex(),
            "counter": counter,
        }

    def bad(title: str, flag: str, data: bytes, *before: int) -> Case:
        return {**refused(title, flag, data), "before": list(before)}

    first, last = FIRST_COUNTER, COUNTER_LIMIT - 1
    frame = sealed(first)
    newest = first + REPLAY_WINDOW
    return {
        "spec": "spec/calls.md#sframe",
        "about": "Frames for one receiver, which has opened those of the counters `before`.",
        "base_key": base.hex(),
        "key_id": name,
        "frame": voice.hex(),
        "cases": [
            good("the first", first),
            good("the last", last, first),
            good("after a gap", first + 100, first),
            good("out of order", first + 1, first, first + 2),
            good("the oldest of the window", first + 1, newest),
            bad("one that came before", "Replayed", frame, first),
            bad("one that came before, after others", "Replayed", frame, first, first + 9),
            bad("older than the window", "Replayed", frame, newest),
            bad("counter 0", "Counter", sealed(0)),
            bad("counter before the first", "Counter", sealed(first - 1)),
            bad("counter after the last", "Counter", sealed(last + 1)),
            bad("key id of another stream", "KeyId", sealed(first, key_id(1, 1))),
            bad("key id of another connection", "KeyId", sealed(first, key_id(0, 2))),
            bad("another base key", "Forged", sealed(first, with_base=bytes(32))),
            bad("a bit of the content", "Forged", frame[:9] + b"\xff" + frame[10:]),
            bad("a bit of the tag", "Forged", frame[:-1] + bytes([frame[-1] ^ 1])),
            bad(
                "another counter in the header",
                "Forged",
                b"\x9a\x01\x00\x01\x00\x01" + frame[6:],
            ),
            bad("tag cut off", "Forged", frame[:-16]),
            bad("a byte cut off", "Forged", frame[:-1]),
            bad("a byte too many", "Forged", frame + b"\0"),
            bad("header alone", "Forged", frame[:6]),
            bad("nothing", "Header", b""),
            bad("header cut off", "Header", frame[:5]),
            bad("counter with a zero in front", "Header", b"\x9b\x01\x00\x00" + frame[3:]),
            bad("key id with a zero in front", "Header", b"\xaa\x00" + frame[1:]),
        ],
    }


def _hex(value: bytes | list[bytes]) -> str | list[str]:
    return value.hex() if isinstance(value, bytes) else [one.hex() for one in value]


DOCUMENTS: dict[str, Callable[[], Case]] = {
    "signals": signals,
    "setups": setups,
    "frames": frames,
}


def written(name: str) -> str:
    """Return the text of a document."""
    return json.dumps(DOCUMENTS[name](), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in DOCUMENTS:
        (FOLDER / f"{name}.json").write_text(written(name), "utf-8")


if __name__ == "__main__":
    main()

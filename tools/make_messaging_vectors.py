"""Write `spec/vectors/messaging/*.json`.

Run as `python -m tools.make_messaging_vectors` from the repository's root. Layouts, bodies and
binds are made from fixed values, so a second run writes the same bytes; a test compares. Sealed
envelopes hold randomness of the libraries: `envelopes.json` is frozen, its cases must open for
ever, and it is written only where it is absent.

A case has a `name`, a `result` (`accepted` or `refused`), `flags` that say why it is refused,
and its bytes in `hex`. Where we would write the same otherwise, that is in `rewritten`.
"""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from hark.crypto.hashing import sha256
from hark.crypto.olm import OlmAccount, PickleKey
from hark.crypto.signing import SigningKey
from hark.crypto.xwing import EnvelopeSecret
from hark.identity.devices import Device
from hark.identity.envelope_key import ENVELOPE_KEY_LIFE_MS, EnvelopeKeyRecord
from hark.messaging.sealing import Party, bind_of, seal_envelope
from hark.wire import bodies
from hark.wire.bodies import BodyType, DeviceCard, HomeCard
from hark.wire.codec import Message, encode
from hark.wire.envelope import InnerMessage, Payload
from hark.wire.ids import AccountId, DeviceId, KeyId, MessageId
from hark.wire.sound import OPUS_PACKET_BYTES

FOLDER = Path(__file__).parents[1] / "spec" / "vectors" / "messaging"
Case = dict[str, Any]

ANNA = AccountId(bytes([0xA1]) * 32)
BORIS = AccountId(bytes([0xB1]) * 32)
ANNA_DEVICE = DeviceId(bytes([0xA2]) * 16)
BORIS_DEVICE = DeviceId(bytes([0xB2]) * 16)
MESSAGE = MessageId(bytes(range(16)))
SENT_UNIX_MS = 1_800_000_000_000

INNER = InnerMessage(ANNA, ANNA_DEVICE, 1, b"an Olm message", b"")
REQUEST = InnerMessage(ANNA, ANNA_DEVICE, 0, b"an Olm message", b"an introduction")
PAYLOAD = Payload(bytes([0xBD]) * 32, MESSAGE, SENT_UNIX_MS, 1, 2, 3, 1, b"a body")
HOME = HomeCard(
    bytes([1]) * 32, "s1.example", 7443, bytes([2]) * 16, bytes([3]) * 16, b"t" * 16
)
CARD = DeviceCard(ANNA_DEVICE, 7, [HOME])
TEXT = bodies.TextBody(1, "hello")
VOICE = bytes(range(OPUS_PACKET_BYTES)) * 2
REQUEST_BODY = bodies.ContactRequestBody("Anna", b"k" * 16, [CARD])
BODIES: list[tuple[BodyType, str, Message]] = [
    (BodyType.TEXT, "text", TEXT),
    (BodyType.TEXT, "text with the highest order", bodies.TextBody(2**53 - 1, "ü\U0001f44b")),
    (BodyType.RECEIPT, "delivered", bodies.ReceiptBody(0, [MESSAGE])),
    (BodyType.RECEIPT, "read", bodies.ReceiptBody(1, [MESSAGE, bytes(16)])),
    (
        BodyType.CONTACT_REQUEST,
        "request of a stranger",
        bodies.ContactRequestBody("Anna", b"", [CARD]),
    ),
    (
        BodyType.CONTACT_REQUEST,
        "request with a token",
        REQUEST_BODY,
    ),
    (
        BodyType.CONTACT_REQUEST,
        "request of a stranger who would like to call",
        bodies.ContactRequestBody("Anna", b"", [CARD], wants_call=True),
    ),
    (BodyType.CONTACT_ACCEPT, "acceptance", bodies.ContactAcceptBody("Boris", [CARD])),
    (BodyType.CARD, "card", bodies.CardBody([CARD, DeviceCard(BORIS_DEVICE, 0, [])])),
    (BodyType.CHAIN, "chain", bodies.ChainBody(b"a chain")),
    (
        BodyType.SYNC,
        "text of another device",
        bodies.SyncText(BORIS, MESSAGE, SENT_UNIX_MS, TEXT, "held"),
    ),
    (
        BodyType.SYNC,
        "contact of another device",
        bodies.SyncContact(BORIS, "Boris", "accepted", "verified", b"a chain", [CARD]),
    ),
    (BodyType.SYNC, "read on another device", bodies.SyncRead(BORIS, [MESSAGE])),
    (BodyType.TYPING, "typing", bodies.EmptyBody()),
    (BodyType.PRESENCE, "presence", bodies.EmptyBody()),
    (BodyType.VOICEMAIL, "voicemail of two packets", bodies.VoicemailBody(3, VOICE)),
]


def accepted(name: str, data: bytes, **more: object) -> Case:
    return {"name": name, "result": "accepted", "flags": [], "hex": data.hex(), **more}


def refused(name: str, data: bytes, *flags: str, **more: object) -> Case:
    return {"name": name, "result": "refused", "flags": flags, "hex": data.hex(), **more}


def inner_cases() -> list[Case]:
    data, request = INNER.encode(), REQUEST.encode()
    n = len(data)

    def patched(offset: int, value: bytes) -> bytes:
        padded = data.ljust(n + 4, b"\0")
        return padded[:offset] + value + padded[offset + len(value) :]

    return [
        accepted("normal message", data, inner_bytes=n),
        accepted("normal message with zeros", data.ljust(512, b"\0"), inner_bytes=n),
        accepted("request", request.ljust(16_384, b"\0"), inner_bytes=len(request)),
        refused("empty", b"", "cut off"),
        refused("cut off in the header", data[:58], "cut off"),
        refused("cut off in the Olm message", data[:-1], "length"),
        refused("n too small", patched(0, (n - 1).to_bytes(4, "big")), "length"),
        refused("n too great", patched(0, (n + 5).to_bytes(4, "big")), "length"),
        refused("version 2", patched(4, b"\x02"), "version"),
        refused("a flag that is not known", patched(5, b"\x02"), "flags"),
        refused("an introduction that is not there", patched(5, b"\x01"), "introduction"),
        refused(
            "an introduction that is not announced",
            request[:5] + b"\0" + request[6:],
            "introduction",
        ),
        refused("Olm type 2", patched(54, b"\x02"), "type"),
        refused("no Olm message", patched(55, bytes(4)), "length"),
        refused("a byte in the padding", patched(n + 1, b"\x01"), "padding"),
    ]


def payload_cases() -> list[Case]:
    data = PAYLOAD.encode()
    highest = replace(PAYLOAD, sent_unix_ms=2**53 - 1, own_key_counter=2**53 - 1)
    return [
        accepted("payload", data, fields=fields_of(PAYLOAD)),
        accepted("payload without a body", replace(PAYLOAD, body=b"").encode()),
        accepted("highest numbers", highest.encode()),
        accepted("type that nobody knows", replace(PAYLOAD, body_type=65_535).encode()),
        refused("cut off", data[:74], "cut off"),
        refused("version 2", b"\x02" + data[1:], "version"),
        refused("time too late", replace(PAYLOAD, sent_unix_ms=2**53).encode(), "range"),
        refused("counter too high", replace(PAYLOAD, own_key_counter=2**53).encode(), "range"),
    ]


def body_cases() -> list[Case]:
    cases = [
        accepted(name, encode(body), type=int(body_type), fields=fields_of(body))
        for body_type, name, body in BODIES
    ]
    # Written before calls existed: an array of three, whose last field was the cards.
    request = encode(REQUEST_BODY)
    older = b"\x93" + request[1:-1]
    kind, fields = int(BodyType.CONTACT_REQUEST), fields_of(REQUEST_BODY)
    name = "request without the word about calls"
    cases.append(accepted(name, older, type=kind, fields=fields, rewritten=request.hex()))
    text, voicemail = encode(TEXT), encode(bodies.VoicemailBody(3, VOICE))
    wrong: list[tuple[BodyType, str, bytes, str]] = [
        (BodyType.TEXT, "nothing", b"", "cut off"),
        (BodyType.TEXT, "text cut off", text[:-1], "cut off"),
        (BodyType.TEXT, "text with more behind it", text + b"\0", "trailing"),
        (BodyType.TEXT, "empty text", encode(bodies.TextBody(1, "")), "length"),
        (BodyType.TEXT, "text too long", encode(bodies.TextBody(1, "x" * 16_385)), "length"),
        (BodyType.TEXT, "order 0", encode(bodies.TextBody(0, "x")), "range"),
        (BodyType.TEXT, "order too high", encode(bodies.TextBody(2**53, "x")), "range"),
        (BodyType.TEXT, "text that is not UTF-8", text.replace(b"hello", b"\xff" * 5), "utf-8"),
        (BodyType.TEXT, "a field too many", b"\x93" + text[1:] + b"\x01", "fields"),
        (BodyType.RECEIPT, "no ids", encode(bodies.ReceiptBody(0, [])), "length"),
        (BodyType.RECEIPT, "kind 2", encode(bodies.ReceiptBody(2, [MESSAGE])), "range"),
        (BodyType.RECEIPT, "short id", encode(bodies.ReceiptBody(0, [b"x"])), "length"),
        (BodyType.CARD, "eleven cards", encode(bodies.CardBody([CARD] * 11)), "length"),
        (
            BodyType.CARD,
            "three homes",
            encode(bodies.CardBody([DeviceCard(ANNA_DEVICE, 1, [HOME] * 3)])),
            "length",
        ),
        (BodyType.SYNC, "kind 4", b"\x92\x04\xc0", "kind"),
        (BodyType.TYPING, "typing with a field", b"\x91\x01", "fields"),
        (BodyType.CONTACT_REQUEST, "a word that is no word", request[:-1] + b"\x01", "type"),
        (
            BodyType.CONTACT_REQUEST,
            "a word too many",
            b"\x95" + request[1:] + b"\xc2",
            "fields",
        ),
        (BodyType.VOICEMAIL, "voicemail cut off", voicemail[:-1], "cut off"),
        (BodyType.VOICEMAIL, "no packet", encode(bodies.VoicemailBody(3, b"")), "length"),
        (
            BodyType.VOICEMAIL,
            "voicemail of order 0",
            encode(bodies.VoicemailBody(0, VOICE)),
            "range",
        ),
        (BodyType.VOICEMAIL, "a packet cut off", b"\x92\x03\xc4\x51" + bytes(81), "length"),
    ]
    cases += [refused(name, data, why, type=int(kind)) for kind, name, data, why in wrong]
    return cases


def bind_cases() -> list[Case]:
    anna = Party(ANNA, Device(ANNA_DEVICE, bytes([1]) * 32, bytes([2]) * 32))
    boris = Party(BORIS, Device(BORIS_DEVICE, bytes([3]) * 32, bytes([4]) * 32))
    record_hash = sha256(b"a record")
    both = (("Anna to Boris", anna, boris), ("Boris to Anna", boris, anna))
    return [
        accepted(
            name,
            bind_of(sender, recipient, record_hash),
            sender=_party(sender),
            recipient=_party(recipient),
            record_hash=record_hash.hex(),
        )
        for name, sender, recipient in both
    ]


def envelope_cases() -> dict[str, Any]:
    """Seal real envelopes; what comes out is different each time."""
    rng = random.Random(20260101)
    anna, boris = OlmAccount.create(), OlmAccount.create()
    key = SigningKey.from_seed(rng.randbytes(32))
    pickle_key = PickleKey(bytes(range(32)))
    secret = EnvelopeSecret(rng.randbytes(32))
    record = EnvelopeKeyRecord.sign(
        key,
        account_id=BORIS,
        device_id=BORIS_DEVICE,
        key_id=KeyId(b"key id 1"),
        counter=1,
        not_before_unix_ms=SENT_UNIX_MS,
        not_after_unix_ms=SENT_UNIX_MS + ENVELOPE_KEY_LIFE_MS,
        public=secret.public,
    )
    sender = Party(ANNA, Device(ANNA_DEVICE, anna.ed_key, anna.curve_key))
    recipient = Party(BORIS, Device(BORIS_DEVICE, boris.ed_key, boris.curve_key))
    (one_time,) = boris.generate_one_time_keys(1)
    boris_pickle = boris.pickle(pickle_key)
    session = anna.outbound_session(boris.curve_key, one_time)
    bind = bind_of(sender, recipient, record.record_hash)
    payload = replace(PAYLOAD, bind=bind, body_type=1, body=encode(TEXT))

    def inner(introduction: bytes = b"") -> InnerMessage:
        olm = session.encrypt(payload.encode())
        return InnerMessage(ANNA, ANNA_DEVICE, *olm, introduction)

    first = seal_envelope(record, inner())
    request = seal_envelope(record, inner(b"an introduction"), as_request=True)
    other = replace(record, account_id=ANNA)
    changes: list[tuple[str, Callable[[bytes], bytes], str]] = [
        ("version 2", lambda data: b"\x02" + data[1:], "malformed"),
        ("suite 2", lambda data: data[:1] + b"\x02" + data[2:], "malformed"),
        ("cut off", lambda data: data[:-1], "malformed"),
        ("one byte more", lambda data: data + b"\0", "not_opened"),
        ("bit of the encapsulated key", lambda data: _flip(data, 10), "not_opened"),
        ("bit of the X25519 share", lambda data: _flip(data, 1129), "not_opened"),
        ("bit of the ciphertext", lambda data: _flip(data, 1130), "not_opened"),
        ("bit of the tag", lambda data: _flip(data, -1), "not_opened"),
    ]
    return {
        "spec": "spec/messaging.md#envelope",
        "recipient": _party(recipient),
        "sender": _party(sender),
        "record": record.encode().hex(),
        "envelope_key_seed": secret.seed.hex(),
        "olm_pickle_key": pickle_key.hex(),
        "recipient_olm_account": boris_pickle.decode("ascii"),
        "cases": [
            accepted("text that opens a session", first, fields=fields_of(payload)),
            accepted("request of 16 KiB", request, fields=fields_of(payload)),
            *(refused(name, change(first), flag) for name, change, flag in changes),
            refused(
                "sealed for another account",
                seal_envelope(other, inner()),
                "not_opened",
            ),
        ],
    }


def _flip(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)


def _party(party: Party) -> dict[str, str]:
    return {
        "account": party.account.hex(),
        "device": party.device.device_id.hex(),
        "ed_key": party.device.ed_key.hex(),
        "curve_key": party.device.curve_key.hex(),
    }


def fields_of(value: object) -> object:
    """Return a value's fields as JSON has them: bytes in hexadecimal."""
    plain = msgspec.to_builtins(value, builtin_types=(bytes,))
    return _hex(plain)


def _hex(value: object) -> object:
    match value:
        case bytes():
            return value.hex()
        case dict():
            return {key: _hex(one) for key, one in value.items()}
        case list() | tuple():
            return [_hex(one) for one in value]
        case _:
            return value


DOCUMENTS: dict[str, Callable[[], dict[str, Any]]] = {
    "inner": lambda: {"spec": "spec/messaging.md#envelope", "cases": inner_cases()},
    "payload": lambda: {"spec": "spec/messaging.md#envelope", "cases": payload_cases()},
    "bodies": lambda: {"spec": "spec/messaging.md#bodies", "cases": body_cases()},
    "bind": lambda: {"spec": "spec/messaging.md#bind", "cases": bind_cases()},
}
FROZEN = "envelopes"


def written(name: str) -> str:
    """Return the text of a document."""
    return json.dumps(DOCUMENTS[name](), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in DOCUMENTS:
        (FOLDER / f"{name}.json").write_text(written(name), "utf-8")
    frozen = FOLDER / f"{FROZEN}.json"
    if not frozen.exists():
        frozen.write_text(json.dumps(envelope_cases(), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()

"""Write `spec/vectors/link/*.json` and `spec/vectors/mailbox/*.json`.

Run as `python -m tools.make_link_vectors` from the repository's root. All seeds are fixed, so a
second run writes the same bytes; a test compares. Only commit new files together with the
change of the protocol that makes them new.

A case has a `name`, a `result` (`accepted` or `refused`), `flags` that say why it is refused,
and the bytes in `hex`. Accepted messages carry their `fields`; refused ones are damaged copies
of accepted ones.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec

from hark.crypto.admission import envelope_hash, pass_hash, token_hash
from hark.crypto.hashing import sha256
from hark.crypto.signing import SigningKey
from hark.overlay.link.login import make_login
from hark.overlay.mailbox.custody import custody_leaf, sign_custody
from hark.overlay.mailbox.stamps import NO_MAILBOX, find_nonce
from hark.wire import link, mailbox
from hark.wire.codec import Message, encode
from hark.wire.ids import MailboxId

FOLDER = Path(__file__).parents[1] / "spec" / "vectors"
Case = dict[str, Any]

NODE_KEY = SigningKey.from_seed(bytes([1]) * 32)
OWNER = SigningKey.from_seed(bytes([2]) * 32)
BOX = MailboxId(bytes.fromhex("b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0"))
TOKEN = bytes.fromhex("70707070707070707070707070707070")
CERTIFICATE_HASH = sha256(b"a certificate")
NONCE = bytes([3]) * 32
INSTANCE = bytes([4]) * 16
UNTIL_UNIX_MS = 1_802_592_000_000
CHALLENGE = bytes.fromhex("14018f0000000000a1a2a3a4a5a6a7a8c0c1c2c3c4c5c6c7c8c9cacbcccdcecf")
LOGIN = make_login(OWNER, BOX, 7, INSTANCE, certificate_hash=CERTIFICATE_HASH, nonce=NONCE)
STAMP = mailbox.Stamp(CHALLENGE, bytes.fromhex("000000000000002a"))

FRAMES: list[Message] = [
    link.Hello(1, NONCE, 1_800_000_000_000, 5000),
    LOGIN,
    link.LoginResult(BOX, 0, 50, 0),
    link.Ask(1, encode(mailbox.GetChallenge(BOX))),
    link.Answer(1, encode(mailbox.Done())),
    link.Mail(BOX, 9, 61_000, b"sealed envelope"),
    link.Ack(BOX, [9, 10]),
    link.Live(2, BOX, TOKEN, b"sealed envelope"),
    link.LiveResult(2, passed=True),
    link.LiveMail(BOX, b"sealed envelope"),
    link.Ping(305419896),
    link.Pong(305419896),
    link.Goodbye(15, 60_000),
    link.PrekeysLow(BOX, 25),
]
REQUESTS: list[Message] = [
    mailbox.GetChallenge(BOX),
    mailbox.CreateMailbox(0, OWNER.public.raw, token_hash(TOKEN), STAMP),
    mailbox.Put(BOX, mailbox.DeliveryToken(TOKEN), b"sealed envelope"),
    mailbox.Put(BOX, mailbox.InvitationPass(bytes([5]) * 16), b"sealed envelope"),
    mailbox.Put(BOX, STAMP, b"sealed envelope"),
    mailbox.Claim(BOX, TOKEN, one_time=True),
    mailbox.Claim(BOX, b"", one_time=False),
    mailbox.SetToken(BOX, token_hash(TOKEN)),
    mailbox.PublishBundle(BOX, 3, b"chain", b"record", b"fallback"),
    mailbox.AddPrekeys(BOX, [b"prekey 1", b"prekey 2"]),
    mailbox.RegisterPass(BOX, pass_hash(bytes([5]) * 16), UNTIL_UNIX_MS),
    mailbox.DeleteMailbox(BOX),
]
ANSWERS: list[Message] = [
    mailbox.Refused(12, 1500),
    mailbox.Challenge(CHALLENGE, 20, 600_000),
    mailbox.MailboxCreated(BOX, UNTIL_UNIX_MS),
    mailbox.Held(UNTIL_UNIX_MS, 2, 1, [bytes([6]) * 32], bytes([7]) * 64),
    mailbox.Bundle(3, b"chain", b"record", b"fallback", b"prekey 1"),
    mailbox.Bundle(0, b"", b"", b"", b""),
    mailbox.Done(),
    mailbox.PrekeyCount(50),
]


def shown(value: object) -> object:
    """Return a field as JSON: bytes in hexadecimal, messages by name."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [shown(item) for item in value]
    if isinstance(value, Message):
        return {type(value).__name__: fields_of(value)}
    return value


def fields_of(message: Message) -> dict[str, object]:
    """Return all fields of a message as JSON."""
    return {name: shown(getattr(message, name)) for name in message.__struct_fields__}


def refused(name: str, flag: str, data: bytes) -> Case:
    return {"name": name, "result": "refused", "flags": [flag], "hex": data.hex()}


def damaged(name: str, message: Message) -> Iterator[Case]:
    """Damage one accepted message in every way that its parser must notice."""
    whole = encode(message)
    elements = msgspec.msgpack.decode(whole)
    yield refused(f"{name}: cut off", "CutOff", whole[:-1])
    yield refused(f"{name}: more behind it", "TrailingBytes", whole + b"\xc0")
    for flag, changed in (
        ("Tag", [99, *elements[1:]]),
        ("TagType", ["1", *elements[1:]]),
        ("TooFewFields", elements[:-1]),
        ("TooManyFields", [*elements, 0]),
    ):
        yield refused(f"{name}: {flag}", flag, msgspec.msgpack.encode(changed))
    for place, value in enumerate(elements[1:], 1):
        field = message.__struct_fields__[place - 1]
        for flag, other in wrong_values(value, fixed=field not in FREE_LENGTH):
            changed = [*elements[:place], other, *elements[place + 1 :]]
            data = msgspec.msgpack.encode(changed)
            yield refused(f"{name}: {field}, {flag}", flag, data)


FREE_LENGTH = {
    "body",
    "envelope",
    "token",
    "chain_blob",
    "record_blob",
    "fallback_blob",
    "one_time_blob",
}
"""Byte fields whose length is only bounded above."""


def wrong_values(value: object, *, fixed: bool) -> Iterator[tuple[str, object]]:
    """Return values that a field must not have, with the reason."""
    yield "FieldType", None
    if isinstance(value, bool):
        yield "FieldType", 1
    elif isinstance(value, int):
        yield "FieldRange", -1
        yield "FieldRange", 2**63
    elif isinstance(value, bytes) and fixed:
        yield "FieldLength", value[:-1]
        yield "FieldLength", value + b"\0"
    elif isinstance(value, list):
        yield "FieldType", {}


def accepted(name: str, message: Message) -> Case:
    return {
        "name": name,
        "result": "accepted",
        "flags": [],
        "message": type(message).__name__,
        "hex": encode(message).hex(),
        "fields": fields_of(message),
    }


def messages_document(spec: str, about: str, messages: list[Message]) -> Case:
    """Return accepted and damaged cases of a union of messages."""
    cases: list[Case] = []
    counts: dict[str, int] = {}
    for message in messages:
        kind = type(message).__name__
        counts[kind] = counts.get(kind, 0) + 1
        name = kind if counts[kind] == 1 else f"{kind} {counts[kind]}"
        cases += [accepted(name, message), *damaged(name, message)]
    cases += [
        refused("nothing", "Empty", b""),
        refused("not an array", "NotAnArray", b"\x01"),
        refused("a map", "NotAnArray", b"\x81\x01\x01"),
        refused("an empty array", "NoTag", b"\x90"),
        refused("arrays in arrays", "Depth", b"\x91" * 2000),
    ]
    return {"spec": spec, "about": about, "cases": unique(cases)}


def unique(cases: list[Case]) -> list[Case]:
    """Drop cases whose bytes another one has (a message with one field, say)."""
    seen: set[str] = set()
    kept = []
    for case in cases:
        if case["hex"] not in seen:
            seen.add(case["hex"])
            kept.append(case)
    names: dict[str, int] = {}
    for case in kept:
        name = case["name"]
        names[name] = names.get(name, 0) + 1
        if names[name] > 1:
            case["name"] = f"{name} {names[name]}"
    return kept


def directions() -> Case:
    """Return, for every frame, which end takes it."""
    node = {kind.__name__ for kind in get_args(link.NodeFrame)}
    supernode = {kind.__name__ for kind in get_args(link.SupernodeFrame)}
    cases = []
    for frame in FRAMES:
        kind = type(frame).__name__
        for taker, union in (("supernode", node), ("node", supernode)):
            takes = kind in union
            cases.append(
                {
                    "name": f"{kind} to the {taker}",
                    "result": "accepted" if takes else "refused",
                    "flags": [] if takes else ["Direction"],
                    "to": taker,
                    "hex": encode(frame).hex(),
                }
            )
    about = "The same frames by direction: a frame of the wrong one ends the link."
    return {"spec": "spec/link.md#frames", "about": about, "cases": cases}


def logins() -> Case:
    """Return log-ins whose signature holds, and such whose does not."""
    cases = [
        {
            "name": "the owner's",
            "result": "accepted",
            "flags": [],
            "hex": encode(LOGIN).hex(),
            "owner_seed": OWNER.seed.hex(),
        }
    ]
    other = SigningKey.from_seed(bytes([9]) * 32)
    changes: dict[str, dict[str, object]] = {
        "Mailbox": {"mailbox": bytes(16)},
        "Generation": {"generation": 8},
        "Instance": {"instance": bytes(16)},
        "OwnerKey": {"owner_key": other.public.raw},
        "SmallOrderKey": {"owner_key": bytes([1]) + bytes(31)},
        "Signature": {"signature": bytes([LOGIN.signature[0] ^ 1]) + LOGIN.signature[1:]},
    }
    for flag, change in changes.items():
        changed = msgspec.structs.replace(LOGIN, **change)
        cases.append(refused(flag, flag, encode(changed)))
    for flag, wrong in (
        ("Nonce", {"certificate_hash": CERTIFICATE_HASH, "nonce": bytes(32)}),
        ("Certificate", {"certificate_hash": bytes(32), "nonce": NONCE}),
    ):
        made = make_login(OWNER, BOX, 7, INSTANCE, **wrong)
        cases.append(refused(flag, flag, encode(made)))
    return {
        "spec": "spec/link.md#login",
        "about": "Log-ins on one link, of which certificate hash and nonce are given.",
        "certificate_hash": CERTIFICATE_HASH.hex(),
        "nonce": NONCE.hex(),
        "cases": cases,
    }


def custody() -> Case:
    """Return receipts of batches, and such that do not hold."""
    cases: list[Case] = []
    for size in (1, 2, 3, 5, 8):
        envelopes = [b"envelope %d of %d" % (number, size) for number in range(size)]
        hashes = [envelope_hash(envelope) for envelope in envelopes]
        leaves = [custody_leaf(hashed, BOX, UNTIL_UNIX_MS) for hashed in hashes]
        receipts = sign_custody(NODE_KEY, [(leaf, UNTIL_UNIX_MS) for leaf in leaves])
        for hashed, held in zip(hashes, receipts, strict=True):
            name = f"number {held.index} of {size}"
            cases.append(
                {
                    "name": name,
                    "result": "accepted",
                    "flags": [],
                    "hex": encode(held).hex(),
                    "envelope_hash": hashed.hex(),
                }
            )
    last, hashed_last = receipts[2], hashes[2]
    changes: dict[str, dict[str, object]] = {
        "Time": {"held_until_unix_ms": UNTIL_UNIX_MS + 1},
        "Index": {"index": 3},
        "IndexTooHigh": {"index": 8},
        "Size": {"batch_size": 9},
        "SizeZero": {"batch_size": 0},
        "PathTooShort": {"path": last.path[:-1]},
        "PathTooLong": {"path": [*last.path, bytes(32)]},
        "PathOrder": {"path": last.path[::-1]},
        "Signature": {"signature": bytes(64)},
    }
    for flag, change in changes.items():
        changed = msgspec.structs.replace(last, **change)
        case = refused(flag, flag, encode(changed))
        cases.append({**case, "envelope_hash": hashed_last.hex()})
    another = refused("Envelope", "Envelope", encode(last))
    cases.append({**another, "envelope_hash": hashes[3].hex()})
    return {
        "spec": "spec/mailbox.md#custody",
        "about": "Answers `Held` for one mailbox, by one node key.",
        "node_key": NODE_KEY.public.raw.hex(),
        "mailbox": BOX.hex(),
        "cases": cases,
    }


def stamps() -> Case:
    """Return nonces that are the work that was asked for, and such that are not."""
    cases: list[Case] = []
    subject = envelope_hash(b"sealed envelope")
    for bits in (0, 1, 8, 12, 16):
        nonce = find_nonce(CHALLENGE, BOX, subject, bits, 0, 2_000_000)
        assert nonce is not None
        given = {"mailbox": BOX.hex(), "subject_hash": subject.hex(), "bits": bits}
        cases.append(
            {"name": f"{bits} bits", "result": "accepted", "flags": [], **given}
            | {"hex": nonce.hex()}
        )
    cases.append(
        {**refused("17 bits asked for", "Bits", nonce), **given, "bits": 32}
        | {"subject_hash": subject.hex()}
    )
    for flag, change in (
        ("Mailbox", {"mailbox": NO_MAILBOX.hex()}),
        ("Subject", {"subject_hash": bytes(32).hex()}),
    ):
        cases.append({**refused(flag, flag, nonce), **given, **change})
    cases.append({**refused("Nonce", "Nonce", bytes([255]) * 8), **given})
    return {
        "spec": "spec/mailbox.md#stamps",
        "about": "The `hex` of a case is the nonce.",
        "challenge": CHALLENGE.hex(),
        "cases": cases,
    }


def hashes() -> Case:
    """Return what a home keeps of a token and a pass."""
    shown_pass = bytes([5]) * 16
    return {
        "spec": "spec/mailbox.md#admission",
        "about": "What a home keeps in place of what is shown to it.",
        "cases": [
            {"name": "token", "result": "accepted", "flags": [], "hex": TOKEN.hex()}
            | {"hash": token_hash(TOKEN).hex()},
            {"name": "pass", "result": "accepted", "flags": [], "hex": shown_pass.hex()}
            | {"hash": pass_hash(shown_pass).hex()},
        ],
    }


DOCUMENTS = {
    "link/frames": lambda: messages_document(
        "spec/link.md#frames", "Frames, without their length, of both directions.", FRAMES
    ),
    "link/directions": directions,
    "link/logins": logins,
    "mailbox/requests": lambda: messages_document(
        "spec/mailbox.md#requests", "Bodies of Ask frames.", REQUESTS
    ),
    "mailbox/answers": lambda: messages_document(
        "spec/mailbox.md#answers", "Bodies of Answer frames.", ANSWERS
    ),
    "mailbox/custody": custody,
    "mailbox/stamps": stamps,
    "mailbox/hashes": hashes,
}


def written(document: Case) -> str:
    """Return a document as it is written: one case on a line."""
    head = {key: value for key, value in document.items() if key != "cases"}
    lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    cases = ",\n".join(f"  {json.dumps(case)}" for case in document["cases"])
    return "\n".join(["{", *lines, ' "cases": [', cases, " ]", "}", ""])


def main() -> None:
    """Write all files."""
    for name, make in DOCUMENTS.items():
        path = FOLDER / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(written(make()), "utf-8")


if __name__ == "__main__":
    main()

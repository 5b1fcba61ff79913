"""Write `spec/vectors/identity/*.json`: what every implementation must accept and refuse.

Run as `python -m tools.make_identity_vectors` from the repository's root. All seeds are fixed,
so a second run gives the same values in all fields but `base64` (ML-DSA signatures draw fresh
randomness); a test compares. Only commit new files together with the change of the protocol
that makes them new.

Most refused cases are written as an edit of an accepted one: take the bytes of the case named
in `of`, remove `remove` bytes at offset `at` and put the bytes of `insert` there.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from hark.crypto.admission import pass_hash
from hark.crypto.labels import Label
from hark.errors import ForgedError, HarkError, MalformedError
from hark.identity.account_id import display
from hark.identity.bundle import BlobKind, seal_blob
from hark.identity.chain import IdentityChain
from hark.identity.devices import Device
from hark.identity.envelope_key import (
    CLOCK_SLACK_MS,
    MAX_ENVELOPE_KEY_LIFE_MS,
    MAX_EXPIRED_USE_MS,
)
from hark.identity.introduction import Introduction
from hark.identity.invitation import Home, Invitation, put_pass
from hark.identity.prekeys import PrekeyKind, SignedPrekey
from hark.identity.root import Root
from hark.identity.safety_number import half_of, safety_number
from hark.identity.sas import emoji_of
from hark.identity.statements import (
    DeviceStatement,
    Header,
    RootStatement,
    RotationStatement,
    Statement,
    StatementKind,
    sign_device_statement,
)
from hark.identity.words import words_of
from hark.wire import bech32
from hark.wire.ids import AccountId, DeviceId, MailboxId, NodeId
from tests.identity_people import (
    DAY,
    NOW_UNIX_MS,
    Person,
    device,
    envelope_record,
    fixed_bytes,
    fixed_random,
    root_seed,
    signer,
)

FOLDER = Path(__file__).parents[1] / "spec" / "vectors" / "identity"

Value = str | int | bool | list["Value"] | dict[str, "Value"]
Case = dict[str, Value]

ANNA = Person.create("anna")
ANNA_2 = ANNA.adds("anna-2")
ANNA_3 = ANNA_2.adds("anna-3")
RECOVERED = ANNA_2.recovers("anna-4")
RECOVERED_ALONE = ANNA.recovers("anna-6", forgets=True)
ROTATED = ANNA_2.rotates("anna new", "anna-5", day=DAY + 1)
BORIS = Person.create("boris")


def accepted(name: str, flags: Iterable[str] = (), **fields: Value) -> Case:
    """Return a case that must be accepted."""
    return {"name": name, "result": "accepted", "flags": list(flags), **fields}


def refused(name: str, flag: str, error: type[HarkError], **fields: Value) -> Case:
    """Return a case that must be refused, with the class of error that we raise."""
    return {
        "name": name,
        "result": "refused",
        "flags": [flag],
        "error": error.__name__,
        **fields,
    }


def base64(data: bytes) -> str:
    """Return bytes as text."""
    return b64encode(data).decode("ascii")


def edit(of: str, before: bytes, after: bytes) -> Value:
    """Return what turns `before` into `after`."""
    limit = min(len(before), len(after))
    start = 0
    while start < limit and before[start] == after[start]:
        start += 1
    end = 0
    while end < limit - start and before[-1 - end] == after[-1 - end]:
        end += 1
    return {
        "of": of,
        "at": start,
        "remove": len(before) - end - start,
        "insert": after[start : len(after) - end].hex(),
    }


def device_list(devices: Iterable[Device]) -> Value:
    """Return devices as JSON."""
    return [
        {
            "device_id": one.device_id.hex(),
            "ed25519": one.ed_key.hex(),
            "curve25519": one.curve_key.hex(),
        }
        for one in devices
    ]


# Words and ids


def words_cases() -> list[Case]:
    """Words, seeds, and the account that they lead to."""
    cases = []
    for name in ("anna", "boris"):
        root = Root.from_seed(root_seed(name))
        cases.append(
            accepted(
                name,
                words=words_of(root_seed(name)),
                seed=root_seed(name).hex(),
                root_ed25519=root.key.public.ed_key.hex(),
                account_id=root.account_id.hex(),
                display=display(root.account_id),
            )
        )
    words = words_of(root_seed("anna")).split()
    faults = {
        "UnknownWord": ["kryptonite", *words[1:]],
        "WordCount": words[:-1],
        "Checksum": [words[1], words[0], *words[2:]],
    }
    return cases + [
        {
            "name": flag,
            "result": "refused",
            "flags": [flag],
            "error": "RecoveryWordsError",
            "words": " ".join(given),
        }
        for flag, given in faults.items()
    ]


# Statements


def statement_case(name: str, statement: Statement) -> Case:
    """Return an accepted statement with its fields."""
    header = statement.header
    return accepted(
        name,
        base64=base64(statement.encode()),
        kind=int(header.kind),
        account_id=header.account_id.hex(),
        chain_seq=header.chain_seq,
        previous_hash=header.previous_hash.hex(),
        epoch=header.epoch,
        devices=device_list(statement.devices),
        statement_hash=statement.statement_hash.hex(),
    )


def statement_cases() -> list[Case]:
    """One statement: its layout, not its signatures."""
    create, add = ANNA.chain.anchor, ANNA_2.chain.run[0]
    recover, rotate = RECOVERED.chain.anchor, ROTATED.chain.rotations[0]
    assert isinstance(create, RootStatement)
    assert isinstance(recover, RootStatement)
    good: dict[str, Statement] = {
        "create": create,
        "add": add,
        "recover": recover,
        "recover at the genesis": RECOVERED_ALONE.chain.anchor,
        "rotate_root": rotate,
    }

    def with_header(statement: Statement, **changes: int | bytes | StatementKind) -> bytes:
        changed = replace(statement.header, **changes)  # type: ignore[arg-type]
        return replace(statement, header=changed).encode()

    data = {name: statement.encode() for name, statement in good.items()}
    at_kind, at_count = len(Label.STATEMENT), len(add.encode()) - 3373 - 161
    eleven = tuple(sorted(device(f"crowd-{number}") for number in range(11)))
    twins = sorted(
        [device("anna-1"), replace(device("anna-2"), ed_key=device("anna-1").ed_key)]
    )
    curves = sorted(
        [device("anna-1"), replace(device("anna-2"), curve_key=device("anna-1").curve_key)]
    )
    ids = [device("anna-1"), replace(device("anna-2"), device_id=device("anna-1").device_id)]
    faults: list[tuple[str, str, bytes]] = [
        ("TrailingByte", "add", data["add"] + b"\0"),
        ("TrailingByte", "rotate_root", data["rotate_root"] + b"\0"),
        ("CutOff", "add", data["add"][:-1]),
        ("CutOff", "create", data["create"][:40]),
        ("Empty", "add", b""),
        ("Label", "add", b"hark/stmt/2\0" + data["add"][12:]),
        ("Kind", "add", data["add"][:at_kind] + b"\0" + data["add"][at_kind + 1 :]),
        ("Kind", "add", data["add"][:at_kind] + b"\6" + data["add"][at_kind + 1 :]),
        ("ChainSeqZero", "add", with_header(add, chain_seq=0)),
        ("ChainSeqTooHigh", "add", with_header(add, chain_seq=2**32)),
        ("FirstNotAtGenesis", "create", with_header(create, previous_hash=bytes(32))),
        (
            "LaterAtGenesis",
            "recover",
            with_header(recover, previous_hash=recover.header.account_id),
        ),
        ("CreateEpoch", "create", with_header(create, epoch=1)),
        ("CreateSeq", "create", with_header(create, chain_seq=2, previous_hash=bytes(32))),
        ("EpochZero", "recover", with_header(recover, epoch=0)),
        ("EpochZero", "rotate_root", with_header(rotate, epoch=0)),
        ("NoDevice", "create", replace(create, devices=()).encode()),
        ("NoDevice", "add", replace(add, devices=()).encode()),
        ("NoDevice", "rotate_root", replace(rotate, devices=()).encode()),
        ("TooManyDevices", "add", replace(add, devices=eleven).encode()),
        ("DeviceOrder", "add", replace(add, devices=add.devices[::-1]).encode()),
        ("DeviceIdTwice", "add", replace(add, devices=tuple(ids)).encode()),
        ("DeviceKeyTwice", "add", replace(add, devices=tuple(twins)).encode()),
        ("DeviceKeyTwice", "add", replace(add, devices=tuple(curves)).encode()),
        (
            "DeviceCount",
            "add",
            data["add"][:at_count] + b"\1" + data["add"][at_count + 1 :],
        ),
        (
            "NothingRevoked",
            "add",
            replace(
                add,
                header=replace(add.header, kind=StatementKind.REVOKE),
                devices=eleven[:10],
            ).encode(),
        ),
    ]
    return [statement_case(name, statement) for name, statement in good.items()] + [
        refused(
            f"{flag} {number}",
            flag,
            MalformedError,
            edit=edit(of, data[of], damaged),
        )
        for number, (flag, of, damaged) in enumerate(faults)
    ]


# Chains


def good_chains() -> dict[str, IdentityChain]:
    """Every shape that a chain can have."""
    mallory = ANNA.adds("mallory").chain
    fork, _ = RECOVERED.chain.merge(RECOVERED_ALONE.chain)
    device_fork, _ = ANNA_3.chain.merge(mallory)
    handovers, _ = ROTATED.chain.merge(ANNA_2.rotates("mallory words", "mallory").chain)
    retired, _ = ANNA.recovers("mallory", day=DAY + 50).chain.merge(ROTATED.chain)
    return {
        "created": ANNA.chain,
        "two devices": ANNA_2.chain,
        "three devices": ANNA_3.chain,
        "three devices, shortened": ANNA_3.chain.shortened(),
        "other second device": mallory,
        "recovered": RECOVERED.chain,
        "recovered from the words alone": RECOVERED_ALONE.chain,
        "recovered again": RECOVERED.recovers("anna-7").chain,
        "new root": ROTATED.chain,
        "new root, recovered": ROTATED.recovers("anna-8", day=DAY + 60).chain,
        "retired root goes on": ANNA.recovers("mallory", day=DAY + 50).chain,
        "other new root": ANNA_2.rotates("mallory words", "mallory").chain,
        "another account": BORIS.chain,
        "frozen by two recoveries": fork,
        "frozen by two device lists": device_fork,
        "frozen by two new roots": handovers,
        "frozen by a retired root": retired,
    }


def chain_case(name: str, chain: IdentityChain) -> Case:
    """Return an accepted chain with what it proves."""
    return accepted(
        name,
        ["Frozen"] if chain.frozen else [],
        base64=base64(chain.encode()),
        account_id=chain.account_id.hex(),
        epoch=chain.epoch,
        chain_seq=chain.chain_seq,
        head_hash=chain.head_hash.hex(),
        account_key_hash=chain.account_key_hash.hex(),
        devices=device_list(chain.devices),
        frozen=chain.frozen,
    )


def encoded_chain(
    chain: IdentityChain, statements: Iterable[Statement], conflict: Statement | None = None
) -> bytes:
    """Write a chain that need not hold."""
    listed = [statement.encode() for statement in statements]
    data = chain.genesis.encode() + bytes([len(listed)])
    for one in listed:
        data += len(one).to_bytes(2, "big") + one
    if conflict is None:
        return data + b"\0"
    return data + b"\1" + len(conflict.encode()).to_bytes(2, "big") + conflict.encode()


def device_fault(
    person: Person, *names: str, by: Person | None = None, **changes: int | bytes
) -> DeviceStatement:
    """Return an `add` that goes on from a person's chain, with some fields changed."""
    chain = person.chain
    header = Header(
        StatementKind.ADD, chain.account_id, chain.chain_seq + 1, chain.head_hash, chain.epoch
    )
    return sign_device_statement(
        replace(header, **changes),  # type: ignore[arg-type]
        tuple(device(name) for name in names),
        (by or person).account_key,
    )


def chain_cases() -> list[Case]:
    """Whole chains: signatures and order."""
    chains = good_chains()
    create, add = ANNA.chain.anchor, ANNA_2.chain.run[0]
    body, anna_key, boris_key = add.body(), ANNA.account_key, BORIS.account_key
    right, wrong = anna_key.sign(Label.STATEMENT, body), boris_key.sign(Label.STATEMENT, body)
    other_label = anna_key.sign(Label.ROOT_PROOF, body)
    handover = ROTATED.chain.rotations[0]
    retired = ANNA.recovers("mallory", day=DAY + 50).chain.anchor
    names = ("anna-1", "anna-2", "anna-3")
    next_epoch = ROTATED.recovers("anna-8", day=DAY + 60).chain.anchor
    retired_freezes = ANNA.recovers("mallory", day=DAY + 60).chain.anchor
    # Boris hands his account to Anna's root, whose signatures stay bound to one account each.
    of_boris = BORIS.rotates("anna", "boris-2").recovers("boris-3", day=DAY + 5).chain.anchor
    by_boris = device_fault(ANNA, "anna-1", "mallory", by=BORIS)

    def with_add(signature: bytes) -> bytes:
        return encoded_chain(ANNA.chain, (create, replace(add, signature=signature)))

    def with_next(statement: DeviceStatement) -> bytes:
        return encoded_chain(ANNA.chain, (*ANNA_2.chain.statements, statement))

    def with_handover(**changes: bytes) -> bytes:
        faulty: RotationStatement = replace(handover, **changes)  # type: ignore[arg-type]
        return encoded_chain(ANNA.chain, (faulty,))

    same_epoch = RECOVERED_ALONE.chain.anchor
    forged: list[tuple[str, str, bytes]] = [
        ("SignatureEd25519", "two devices", with_add(wrong[:64] + right[64:])),
        ("SignatureMlDsa", "two devices", with_add(right[:64] + wrong[64:])),
        ("SignatureLabelEd25519", "two devices", with_add(other_label[:64] + right[64:])),
        ("SignatureLabelMlDsa", "two devices", with_add(right[:64] + other_label[64:])),
        ("SignatureOtherKey", "two devices", with_add(wrong)),
        ("Order", "two devices", encoded_chain(ANNA.chain, (add,))),
        ("Order", "two devices", encoded_chain(ANNA.chain, (add, create))),
        ("Order", "two devices", encoded_chain(ANNA.chain, (create, add, add))),
        ("OtherAccountSameRoot", "created", encoded_chain(ANNA.chain, (of_boris,))),
        (
            "ConflictRetiredRoot",
            "new root, recovered",
            encoded_chain(
                ANNA.chain, chains["new root, recovered"].statements, retired_freezes
            ),
        ),
        ("NoStatement", "created", encoded_chain(ANNA.chain, ())),
        ("OtherAccount", "created", encoded_chain(ANNA.chain, (BORIS.chain.anchor,))),
        (
            "PreviousHash",
            "two devices",
            with_next(device_fault(ANNA_2, *names, previous_hash=bytes(32))),
        ),
        ("Gap", "two devices", with_next(device_fault(ANNA_2, *names, chain_seq=4))),
        ("Epoch", "two devices", with_next(device_fault(ANNA_2, *names, epoch=1))),
        ("AddRemoves", "two devices", with_next(device_fault(ANNA_2, "anna-1", "anna-3"))),
        ("AddAddsNothing", "two devices", with_next(device_fault(ANNA_2, "anna-1", "anna-2"))),
        (
            "SameEpoch",
            "recovered",
            encoded_chain(ANNA.chain, (RECOVERED.chain.anchor, same_epoch)),
        ),
        ("RetiredRoot", "new root", encoded_chain(ANNA.chain, (handover, retired))),
        ("HandoverUnproven", "new root", with_handover(proof=handover.signature)),
        ("HandoverUnsigned", "new root", with_handover(signature=handover.proof)),
        (
            "NoConflict",
            "two devices",
            encoded_chain(ANNA.chain, ANNA_2.chain.statements, ANNA_3.chain.head),
        ),
        (
            "NoConflict",
            "new root",
            encoded_chain(ANNA.chain, ROTATED.chain.statements, next_epoch),
        ),
        (
            "ConflictUnsigned",
            "two devices",
            encoded_chain(ANNA.chain, ANNA_2.chain.statements, by_boris),
        ),
        (
            "ConflictOtherAccount",
            "created",
            encoded_chain(ANNA.chain, ANNA.chain.statements, BORIS.chain.anchor),
        ),
    ]
    two = ANNA_2.chain.encode()
    malformed: list[tuple[str, str, bytes]] = [
        ("TrailingByte", "two devices", two + b"\0"),
        ("CutOff", "two devices", two[:-1]),
        ("ConflictFlag", "two devices", two[:-1] + b"\2"),
        ("GenesisVersion", "two devices", b"\2" + two[1:]),
        ("GenesisAlgorithm", "two devices", b"\1\2" + two[2:]),
        ("TooManyStatements", "created", ANNA.chain.encode()[:1986] + b"\x16"),
        (
            "NotShortened",
            "recovered",
            encoded_chain(ANNA.chain, (create, RECOVERED.chain.anchor)),
        ),
    ]
    cases = [chain_case(name, chain) for name, chain in chains.items()]
    for error, faults in ((ForgedError, forged), (MalformedError, malformed)):
        for number, (flag, of, damaged) in enumerate(faults):
            change = edit(of, chains[of].encode(), damaged)
            cases.append(refused(f"{flag} {number}", flag, error, edit=change))
    return cases


def merge_cases() -> list[Case]:
    """All pairs of accepted chains: what joining the second to the first gives."""
    chains = good_chains()
    cases = []
    for our_name, ours in chains.items():
        for their_name, theirs in chains.items():
            if ours.account_id != theirs.account_id:
                continue
            kept, change = ours.merge(theirs)
            cases.append(
                accepted(
                    f"{our_name} + {their_name}",
                    ours=our_name,
                    theirs=their_name,
                    change=change.name.lower(),
                    head_hash=kept.head_hash.hex(),
                    chain_seq=kept.chain_seq,
                    frozen=kept.frozen,
                )
            )
    return cases


# Records of a device

RECORD = envelope_record(ANNA.chain.account_id, "anna-1", counter=7)


def envelope_key_cases() -> list[Case]:
    """Envelope-key records, for the first device of Anna."""
    data = RECORD.encode()
    of = "counter 7"
    at_account, at_device = len(Label.ENVELOPE_KEY), len(Label.ENVELOPE_KEY) + 32

    def changed(**changes: int | bytes) -> bytes:
        return replace(RECORD, **changes).encode()  # type: ignore[arg-type]

    start, end = RECORD.not_before_unix_ms, RECORD.not_after_unix_ms
    malformed = [
        ("TrailingByte", data + b"\0"),
        ("CutOff", data[:-1]),
        ("Label", b"hark/ek/2\0" + data[10:]),
        ("CounterZero", changed(counter=0)),
        ("LifeZero", changed(not_after_unix_ms=start)),
        ("LifeNegative", changed(not_after_unix_ms=start - 1)),
        ("LifeTooLong", changed(not_after_unix_ms=start + MAX_ENVELOPE_KEY_LIFE_MS + 1)),
    ]
    forged = [
        ("OtherAccount", data[:at_account] + BORIS.chain.account_id + data[at_device:]),
        ("OtherDevice", changed(device_id=device("anna-2").device_id)),
        (
            "SignatureOtherKey",
            changed(signature=envelope_record(ANNA.chain.account_id, "anna-2").signature),
        ),
        ("SignatureCounter", changed(counter=8)),
        ("SignaturePublic", changed(public=bytes(1216))),
        ("SignatureLife", changed(not_after_unix_ms=end + 1)),
    ]
    times: list[Value] = [
        {"now_unix_ms": now, "lowest_counter": lowest, "verdict": verdict}
        for now, lowest, verdict in (
            (start, 0, "fresh"),
            (start, 7, "fresh"),
            (start, 8, "refused"),
            (start - CLOCK_SLACK_MS, 0, "fresh"),
            (start - CLOCK_SLACK_MS - 1, 0, "refused"),
            (end + CLOCK_SLACK_MS, 0, "fresh"),
            (end + CLOCK_SLACK_MS + 1, 0, "expired"),
            (end + CLOCK_SLACK_MS + MAX_EXPIRED_USE_MS, 0, "expired"),
            (end + CLOCK_SLACK_MS + MAX_EXPIRED_USE_MS + 1, 0, "refused"),
        )
    ]
    first = accepted(
        of,
        base64=base64(data),
        account_id=RECORD.account_id.hex(),
        device=device_list([device("anna-1")]),
        key_id=RECORD.key_id.hex(),
        counter=RECORD.counter,
        not_before_unix_ms=start,
        not_after_unix_ms=end,
        record_hash=RECORD.record_hash.hex(),
        times=times,
    )
    return [first] + [
        refused(flag, flag, error, edit=edit(of, data, damaged))
        for error, faults in ((MalformedError, malformed), (ForgedError, forged))
        for flag, damaged in faults
    ]


def prekey_cases() -> list[Case]:
    """Prekeys of the first device of Anna."""
    account, listed = ANNA.chain.account_id, device("anna-1")

    def sign(kind: PrekeyKind, account_id: AccountId, device_id: DeviceId) -> SignedPrekey:
        key = fixed_bytes("prekey")
        return SignedPrekey.sign(signer("anna-1"), kind, account_id, device_id, key)

    good = {kind.name.lower(): sign(kind, account, listed.device_id) for kind in PrekeyKind}
    once, fallback = good["one_time"], good["fallback"]
    other_account = sign(PrekeyKind.ONE_TIME, BORIS.chain.account_id, listed.device_id)
    other_device = sign(PrekeyKind.ONE_TIME, account, device("anna-2").device_id)
    cases = [
        accepted(
            name,
            hex=prekey.encode().hex(),
            account_id=account.hex(),
            device=device_list([listed]),
            curve25519=prekey.curve_key.hex(),
        )
        for name, prekey in good.items()
    ]
    faults: list[tuple[str, type[HarkError], bytes]] = [
        ("TrailingByte", MalformedError, once.encode() + b"\0"),
        ("CutOff", MalformedError, once.encode()[:-1]),
        ("Kind", MalformedError, b"\3" + once.encode()[1:]),
        ("FallbackAsOneTime", ForgedError, b"\1" + fallback.encode()[1:]),
        ("OneTimeAsFallback", ForgedError, b"\2" + once.encode()[1:]),
        ("OtherAccount", ForgedError, other_account.encode()),
        ("OtherDevice", ForgedError, other_device.encode()),
        ("Key", ForgedError, replace(once, curve_key=bytes(32)).encode()),
    ]
    return cases + [
        refused(flag, flag, error, hex=damaged.hex()) for flag, error, damaged in faults
    ]


def introduction_cases() -> list[Case]:
    """Introductions of the first device of Anna, and of one with a new root."""
    intro = Introduction.of(ANNA_2.chain, RECORD)
    rotated = Introduction.of(ROTATED.chain, envelope_record(ANNA.chain.account_id, "anna-5"))
    data = intro.encode()
    three = Introduction(intro.genesis, ANNA_3.chain.statements, RECORD)
    unlisted = envelope_record(ANNA.chain.account_id, "mallory")
    foreign = envelope_record(BORIS.chain.account_id, "anna-1")
    unsigned = replace(RECORD, signature=bytes(64))
    faults: list[tuple[str, type[HarkError], bytes]] = [
        ("TrailingByte", MalformedError, data + b"\0"),
        ("CutOff", MalformedError, data[:-1]),
        ("Version", MalformedError, b"\2" + data[1:]),
        ("TooManyStatements", MalformedError, data[:1987] + b"\7" + data[1988:]),
        ("NotShortened", ForgedError, three.encode()),
        ("UnlistedDevice", ForgedError, replace(intro, envelope_key=unlisted).encode()),
        ("OtherAccount", ForgedError, replace(intro, envelope_key=foreign).encode()),
        ("RecordUnsigned", ForgedError, replace(intro, envelope_key=unsigned).encode()),
        ("OtherGenesis", ForgedError, replace(intro, genesis=BORIS.chain.genesis).encode()),
        ("NoStatement", ForgedError, replace(intro, statements=()).encode()),
    ]
    cases = [
        accepted(
            name,
            base64=base64(one.encode()),
            account_id=chain.account_id.hex(),
            device_id=one.envelope_key.device_id.hex(),
            epoch=chain.epoch,
            chain_seq=chain.chain_seq,
            head_hash=chain.head_hash.hex(),
        )
        for name, one, chain in (
            ("two devices", intro, ANNA_2.chain),
            ("new root", rotated, ROTATED.chain),
        )
    ]
    return cases + [
        refused(flag, flag, error, edit=edit("two devices", data, damaged))
        for flag, error, damaged in faults
    ]


def blob_cases() -> list[Case]:
    """Blobs as they lie at a home, of Anna's account."""
    account = ANNA.chain.account_id
    prekey = bytes.fromhex(str(prekey_cases()[0]["hex"]))
    blob = seal_blob(BlobKind.ONE_TIME_PREKEY, account, prekey, fixed_random("nonce"))
    of = "one-time prekey"
    first = accepted(
        of,
        base64=base64(blob),
        kind=int(BlobKind.ONE_TIME_PREKEY),
        account_id=account.hex(),
        content=prekey.hex(),
    )

    def case(flag: str, error: type[HarkError], damaged: bytes, kind: int = 3) -> Case:
        change = edit(of, blob, damaged)
        return refused(flag, flag, error, edit=change, kind=kind, account_id=account.hex())

    return [
        first,
        case("Version", MalformedError, b"\2" + blob[1:]),
        case("CutOff", ForgedError, blob[:-1]),
        case("TrailingByte", ForgedError, blob + b"\0"),
        case("OtherKind", ForgedError, blob, kind=4),
        case("Nonce", ForgedError, blob[:1] + bytes(12) + blob[13:]),
        {
            **case("OtherAccount", ForgedError, blob),
            "account_id": BORIS.chain.account_id.hex(),
        },
    ]


# What people see


def safety_number_cases() -> list[Case]:
    """Safety numbers of two accounts."""
    pairs = {
        "two new accounts": (ANNA.chain, BORIS.chain),
        "one has recovered": (RECOVERED.chain, BORIS.chain),
        "with oneself": (ANNA.chain, ANNA.chain),
    }
    return [
        accepted(
            name,
            accounts=[
                {
                    "account_id": chain.account_id.hex(),
                    "epoch": chain.epoch,
                    "account_key_hash": chain.account_key_hash.hex(),
                    "half": half_of(chain),
                }
                for chain in pair
            ],
            number=safety_number(*pair),
        )
        for name, pair in pairs.items()
    ]


def emoji_cases() -> list[Case]:
    """Six bytes and the names of their emoji."""
    inputs = [bytes(6), b"\xff" * 6, *(fixed_bytes(f"sas {number}", 6) for number in range(8))]
    return [accepted(sas.hex(), names=[one.name for one in emoji_of(sas)]) for sas in inputs]


def invitation_cases() -> list[Case]:
    """Links, accepted in both cases, and links that must be refused."""

    def home(host: str, name: str = "home") -> Home:
        node = NodeId(fixed_bytes(f"{name} node"))
        return Home(node, host, 7443, MailboxId(fixed_bytes(f"{name} mailbox", 16)))

    account, token = ANNA.chain.account_id, fixed_bytes("token", 16)
    two = Invitation(
        account,
        (home("home.example.org"), home("2001:db8::17", "second")),
        token,
        NOW_UNIX_MS,
    )
    contact = Invitation(account, (home("192.0.2.7"),))
    cases = [
        accepted(
            name,
            uri=one.uri(),
            account_id=one.account_id.hex(),
            homes=[
                {
                    "node_id": at.node_id.hex(),
                    "host": at.host,
                    "port": at.port,
                    "requests_mailbox": at.requests_mailbox.hex(),
                }
                for at in one.homes
            ],
            token="" if one.token is None else one.token.hex(),
            put_pass="" if one.token is None else put_pass(one.token).hex(),
            pass_hash=("" if one.token is None else pass_hash(put_pass(one.token)).hex()),
            expires_unix_ms=one.expires_unix_ms,
        )
        for name, one in (("two homes and a token", two), ("contact address", contact))
    ]
    uri = contact.uri()
    data = bech32.decode("invite", uri.removeprefix("hark:"))

    def packed(changed: bytes, prefix: str = "invite") -> str:
        return "hark:" + bech32.encode(prefix, changed)

    def hosted(host: bytes) -> str:
        return packed(data[:84] + bytes([len(host)]) + host + data[85 + len("192.0.2.7") :])

    assert hosted(b"192.0.2.7") == uri
    twice = data[:33] + b"\2" + data[34:94] * 2 + data[94:]
    links = [
        ("Scheme", uri.removeprefix("hark:")),
        ("Prefix", packed(data, "hark")),
        ("MixedCase", uri[:-1] + uri[-1].upper() if uri[-1].isalpha() else "Hark:" + uri[5:]),
        ("Mistyped", uri[:40] + ("q" if uri[40] != "q" else "p") + uri[41:]),
        ("CutOff", uri[:-1]),
        ("TooLong", "hark:invite1" + "q" * 400),
        ("Version", packed(b"\2" + data[1:])),
        ("TrailingByte", packed(data + b"\0")),
        ("NoHome", packed(data[:33] + b"\0" + data[94:])),
        ("HomeTwice", packed(twice)),
        ("ThreeHomes", packed(data[:33] + b"\3" + data[34:94] * 3 + data[94:])),
        ("Port", packed(data[:66] + b"\0\0" + data[68:])),
        ("TokenFlag", packed(data[:94] + b"\2" + bytes(16) + data[95:])),
        ("Host", hosted(b"Home.example.org")),
        ("Host", hosted(b"")),
        ("Host", hosted(b"127.1")),
        ("Host", hosted("\N{SNOWMAN}.example".encode())),
        ("Host", hosted(b"a" * 65)),
    ]
    return cases + [
        {
            "name": f"{flag} {number}",
            "result": "refused",
            "flags": [flag],
            "error": "InvitationError",
            "uri": link,
        }
        for number, (flag, link) in enumerate(links)
    ]


DOCUMENTS: dict[str, tuple[str, Callable[[], list[Case]]]] = {
    "words": ("recovery-words", words_cases),
    "statement": ("statements", statement_cases),
    "chain": ("the-chain", chain_cases),
    "merge": ("joining-two-chains", merge_cases),
    "envelope_key": ("envelope-key-record", envelope_key_cases),
    "prekey": ("prekeys", prekey_cases),
    "introduction": ("introduction", introduction_cases),
    "blob": ("sealed-blobs", blob_cases),
    "safety_number": ("safety-number", safety_number_cases),
    "emoji": ("emoji", emoji_cases),
    "invitation": ("invitation", invitation_cases),
}
"""File name, section of the specification, what makes the cases."""


def main() -> None:
    """Write all files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (anchor, make) in DOCUMENTS.items():
        document = {"spec": f"spec/identity.md#{anchor}", "cases": make()}
        text = json.dumps(document, indent=1, ensure_ascii=False)
        (FOLDER / f"{name}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()

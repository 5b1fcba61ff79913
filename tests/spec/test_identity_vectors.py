"""Our own vectors, both ways: what they accept we read and write; the rest we refuse."""

import json
from base64 import b64decode
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from hark import errors
from hark.crypto.admission import pass_hash
from hark.errors import ProtocolError
from hark.identity.account_id import display, parse_display
from hark.identity.bundle import BlobKind, open_blob
from hark.identity.chain import IdentityChain
from hark.identity.devices import Device
from hark.identity.envelope_key import EnvelopeKeyRecord
from hark.identity.introduction import Introduction
from hark.identity.invitation import Home, Invitation, put_pass
from hark.identity.prekeys import SignedPrekey
from hark.identity.root import Root
from hark.identity.safety_number import half, safety_number
from hark.identity.sas import emoji_of
from hark.identity.statements import parse_statement
from hark.identity.words import RootSeed, seed_of, words_of
from hark.wire.ids import AccountId, DeviceId, MailboxId, NodeId
from tests.vectors import REPOSITORY
from tools.make_identity_vectors import DOCUMENTS

Case = dict[str, Any]
FOLDER = REPOSITORY / "spec" / "vectors" / "identity"


@cache
def cases(name: str) -> dict[str, Case]:
    document = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    found = {case["name"]: case for case in document["cases"]}
    assert len(found) == len(document["cases"]), "two cases share a name"
    return found


def data_of(name: str, case: Case) -> bytes:
    """Return the bytes of a case, whichever way they are written."""
    if "edit" in case:
        edit = case["edit"]
        data = data_of(name, cases(name)[edit["of"]])
        after = edit["at"] + edit["remove"]
        return data[: edit["at"]] + bytes.fromhex(edit["insert"]) + data[after:]
    return bytes.fromhex(case["hex"]) if "hex" in case else b64decode(case["base64"])


def device_of(listed: Case) -> Device:
    return Device(
        DeviceId(bytes.fromhex(listed["device_id"])),
        bytes.fromhex(listed["ed25519"]),
        bytes.fromhex(listed["curve25519"]),
    )


def devices_of(case: Case) -> tuple[Device, ...]:
    return tuple(device_of(listed) for listed in case["devices"])


def words(case: Case) -> None:
    seed = seed_of(case["words"])
    root = Root.from_seed(seed)
    assert words_of(seed) == case["words"]
    assert seed == RootSeed(bytes.fromhex(case["seed"]))
    assert root.key.public.ed_key.hex() == case["root_ed25519"]
    assert root.account_id.hex() == case["account_id"]
    assert display(root.account_id) == case["display"]
    assert parse_display(case["display"]) == root.account_id


def statement(case: Case) -> None:
    data = data_of("statement", case)
    parsed = parse_statement(data)
    assert parsed.encode() == data
    header = parsed.header
    assert (header.kind, header.chain_seq, header.epoch) == (
        case["kind"],
        case["chain_seq"],
        case["epoch"],
    )
    assert header.account_id.hex() == case["account_id"]
    assert header.previous_hash.hex() == case["previous_hash"]
    assert parsed.devices == devices_of(case)
    assert parsed.statement_hash.hex() == case["statement_hash"]


def chain(case: Case) -> None:
    data = data_of("chain", case)
    parsed = IdentityChain.parse(data)
    assert parsed.encode() == data
    assert parsed.account_id.hex() == case["account_id"]
    assert parsed.position == (case["epoch"], case["chain_seq"])
    assert parsed.head_hash.hex() == case["head_hash"]
    assert parsed.account_key_hash.hex() == case["account_key_hash"]
    assert parsed.devices == devices_of(case)
    assert parsed.frozen == case["frozen"]


def merge(case: Case) -> None:
    chains = cases("chain")
    ours, theirs = (
        IdentityChain.parse(data_of("chain", chains[case[side]])) for side in ("ours", "theirs")
    )
    kept, change = ours.merge(theirs)
    assert change.name.lower() == case["change"]
    assert kept.head_hash.hex() == case["head_hash"]
    assert (kept.chain_seq, kept.frozen) == (case["chain_seq"], case["frozen"])


def envelope_key(case: Case) -> None:
    data = data_of("envelope_key", case)
    record = EnvelopeKeyRecord.parse(data)
    first = cases("envelope_key")["counter 7"]
    record.verify(AccountId(bytes.fromhex(first["account_id"])), device_of(first["device"][0]))
    assert record.encode() == data
    assert (record.key_id.hex(), record.counter) == (case["key_id"], case["counter"])
    assert record.not_before_unix_ms == case["not_before_unix_ms"]
    assert record.not_after_unix_ms == case["not_after_unix_ms"]
    assert record.record_hash.hex() == case["record_hash"]
    for moment in case["times"]:
        try:
            verdict = record.check_fresh(
                moment["now_unix_ms"], moment["lowest_counter"]
            ).name.lower()
        except ProtocolError:
            verdict = "refused"
        assert verdict == moment["verdict"]


def prekey(case: Case) -> None:
    data = data_of("prekey", case)
    parsed = SignedPrekey.parse(data)
    first = cases("prekey")["one_time"]
    parsed.verify(AccountId(bytes.fromhex(first["account_id"])), device_of(first["device"][0]))
    assert parsed.encode() == data
    assert parsed.curve_key.hex() == case["curve25519"]


def introduction(case: Case) -> None:
    data = data_of("introduction", case)
    parsed = Introduction.parse(data)
    verified = parsed.verify()
    assert parsed.encode() == data
    assert verified.account_id.hex() == case["account_id"]
    assert parsed.envelope_key.device_id.hex() == case["device_id"]
    assert verified.position == (case["epoch"], case["chain_seq"])
    assert verified.head_hash.hex() == case["head_hash"]


def blob(case: Case) -> None:
    content = open_blob(
        BlobKind(case["kind"]),
        AccountId(bytes.fromhex(case["account_id"])),
        data_of("blob", case),
    )
    assert content.hex() == case["content"]


def safety(case: Case) -> None:
    halves = [
        half(
            AccountId(bytes.fromhex(one["account_id"])),
            one["epoch"],
            bytes.fromhex(one["account_key_hash"]),
        )
        for one in case["accounts"]
    ]
    assert halves == [one["half"] for one in case["accounts"]]
    assert "".join(sorted(halves)) == case["number"]


def emoji(case: Case) -> None:
    assert [one.name for one in emoji_of(bytes.fromhex(case["name"]))] == case["names"]


def invitation(case: Case) -> None:
    parsed = Invitation.parse(case["uri"])
    assert Invitation.parse(case["uri"].upper()) == parsed
    assert parsed.uri() == case["uri"]
    assert parsed.account_id.hex() == case["account_id"]
    assert parsed.homes == tuple(
        Home(
            NodeId(bytes.fromhex(one["node_id"])),
            one["host"],
            one["port"],
            MailboxId(bytes.fromhex(one["requests_mailbox"])),
        )
        for one in case["homes"]
    )
    assert parsed.expires_unix_ms == case["expires_unix_ms"]
    if parsed.token is None:
        assert case["token"] == ""
    else:
        assert parsed.token.hex() == case["token"]
        assert put_pass(parsed.token).hex() == case["put_pass"]
        assert pass_hash(put_pass(parsed.token)).hex() == case["pass_hash"]


READERS: dict[str, Callable[[Case], None]] = {
    "words": words,
    "statement": statement,
    "chain": chain,
    "merge": merge,
    "envelope_key": envelope_key,
    "prekey": prekey,
    "introduction": introduction,
    "blob": blob,
    "safety_number": safety,
    "emoji": emoji,
    "invitation": invitation,
}


def named(result: str) -> list[tuple[str, str]]:
    return [
        (document, name)
        for document in READERS
        for name, case in cases(document).items()
        if case["result"] == result
    ]


@pytest.mark.parametrize(("document", "name"), named("accepted"))
def test_an_accepted_case_is_read_and_written_alike(document: str, name: str) -> None:
    READERS[document](cases(document)[name])


@pytest.mark.parametrize(("document", "name"), named("refused"))
def test_a_refused_case_is_refused_with_its_error(document: str, name: str) -> None:
    case = cases(document)[name]
    with pytest.raises(getattr(errors, case["error"])) as caught:
        READERS[document](case)
    assert type(caught.value).__name__ == case["error"]


def test_every_file_is_read_and_holds_cases_of_each_result() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} == set(READERS) == set(DOCUMENTS)
    only_accepted = {"merge", "safety_number", "emoji"}
    assert {document for document, _ in named("refused")} == set(READERS) - only_accepted


def lasting(case: Case) -> Case:
    """What does not depend on fresh randomness."""
    return {key: value for key, value in case.items() if key not in ("base64", "edit")}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_generator_makes_these_vectors(document: str) -> None:
    made = {str(case["name"]): lasting(case) for case in DOCUMENTS[document][1]()}
    assert made == {name: lasting(case) for name, case in cases(document).items()}


def test_both_sides_of_a_safety_number_agree() -> None:
    chains = [
        IdentityChain.parse(data_of("chain", cases("chain")[name]))
        for name in ("created", "another account")
    ]
    assert safety_number(*chains) == cases("safety_number")["two new accounts"]["number"]

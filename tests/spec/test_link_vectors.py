"""Our own vectors of link and mailbox, both ways."""

import json
from functools import cache
from typing import Any

import pytest

from hark.crypto.admission import pass_hash, token_hash
from hark.crypto.signing import SigningKey, VerifyKey
from hark.errors import ForgedError, MalformedError
from hark.overlay.link.login import check_login, make_login
from hark.overlay.mailbox.custody import check_receipt_by_key
from hark.overlay.mailbox.stamps import stamp_holds
from hark.wire import link, mailbox
from hark.wire.codec import Message, Parser, encode
from hark.wire.ids import MailboxId
from tests.vectors import REPOSITORY
from tools.make_link_vectors import DOCUMENTS, fields_of, written

Case = dict[str, Any]
FOLDER = REPOSITORY / "spec" / "vectors"
FRAME_PARSER: Parser[Message] = Parser(link.NodeFrame | link.SupernodeFrame)


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


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_generator_writes_these_very_files(name: str) -> None:
    assert written(DOCUMENTS[name]()) == (FOLDER / f"{name}.json").read_text("utf-8")


def both_ways(parser: Parser[Any], case: Case) -> None:
    data = bytes.fromhex(case["hex"])
    if case["result"] == "refused":
        with pytest.raises(MalformedError):
            parser.parse(data)
        return
    message = parser.parse(data)
    assert type(message).__name__ == case["message"]
    assert fields_of(message) == case["fields"]
    assert encode(message) == data


@pytest.mark.parametrize("case", of("link/frames"))
def test_frame(case: Case) -> None:
    both_ways(FRAME_PARSER, case)


@pytest.mark.parametrize("case", of("mailbox/requests"))
def test_request(case: Case) -> None:
    both_ways(mailbox.REQUEST_PARSER, case)


@pytest.mark.parametrize("case", of("mailbox/answers"))
def test_answer(case: Case) -> None:
    both_ways(mailbox.ANSWER_PARSER, case)


@pytest.mark.parametrize("case", of("link/directions"))
def test_frame_is_taken_in_its_own_direction_only(case: Case) -> None:
    to_supernode = case["to"] == "supernode"
    parser: Parser[Any] = (
        link.NODE_FRAME_PARSER if to_supernode else link.SUPERNODE_FRAME_PARSER
    )
    data = bytes.fromhex(case["hex"])
    if case["result"] == "accepted":
        parser.parse(data)
    else:
        with pytest.raises(MalformedError):
            parser.parse(data)


@pytest.mark.parametrize("case", of("link/logins"))
def test_login(case: Case) -> None:
    certificate_hash = bytes.fromhex(document("link/logins")["certificate_hash"])
    nonce = bytes.fromhex(document("link/logins")["nonce"])
    login = link.NODE_FRAME_PARSER.parse(bytes.fromhex(case["hex"]))
    assert isinstance(login, link.Login)
    if case["result"] == "refused":
        with pytest.raises(ForgedError):
            check_login(login, certificate_hash=certificate_hash, nonce=nonce)
        return
    check_login(login, certificate_hash=certificate_hash, nonce=nonce)
    made = make_login(
        SigningKey.from_seed(bytes.fromhex(case["owner_seed"])),
        MailboxId(login.mailbox),
        login.generation,
        login.instance,
        certificate_hash=certificate_hash,
        nonce=nonce,
    )
    assert made == login


@pytest.mark.parametrize("case", of("mailbox/custody"))
def test_custody_receipt(case: Case) -> None:
    key = VerifyKey(bytes.fromhex(document("mailbox/custody")["node_key"]))
    box = MailboxId(bytes.fromhex(document("mailbox/custody")["mailbox"]))
    held = mailbox.ANSWER_PARSER.parse(bytes.fromhex(case["hex"]))
    assert isinstance(held, mailbox.Held)
    hashed = bytes.fromhex(case["envelope_hash"])
    if case["result"] == "accepted":
        check_receipt_by_key(held, box, hashed, key)
    else:
        with pytest.raises(ForgedError):
            check_receipt_by_key(held, box, hashed, key)


@pytest.mark.parametrize("case", of("mailbox/stamps"))
def test_stamp(case: Case) -> None:
    holds = stamp_holds(
        bytes.fromhex(document("mailbox/stamps")["challenge"]),
        bytes.fromhex(case["mailbox"]),
        bytes.fromhex(case["subject_hash"]),
        case["bits"],
        bytes.fromhex(case["hex"]),
    )
    assert holds is (case["result"] == "accepted")


@pytest.mark.parametrize("case", of("mailbox/hashes"))
def test_hash(case: Case) -> None:
    function = {"token": token_hash, "pass": pass_hash}[case["name"]]
    assert function(bytes.fromhex(case["hex"])).hex() == case["hash"]

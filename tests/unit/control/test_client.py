"""What clients make of answers."""

import pytest

from hark.control import routes
from hark.control.client import find_contact, parse_answer, parse_event
from hark.control.schema import Contact
from hark.errors import ConfigurationError, ContactBlockedError, UnknownContactError


def contact(name: str, account: str) -> Contact:
    return Contact(
        account=account,
        name=name,
        status="accepted",
        trust="unverified",
        safety_number="",
        devices=1,
        unread=0,
        last_unix_ms=0,
    )


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b'{"id":"0","contact":"x","more":1}', b"<html>"],
    ids=["empty", "without fields", "with a later field", "no JSON"],
)
@pytest.mark.parametrize("status", [200, 400])
def test_an_answer_of_another_shape_means_another_version(status: int, body: bytes) -> None:
    with pytest.raises(ConfigurationError, match="another version"):
        parse_answer(routes.SEND.gives, status, body)


def test_an_event_of_another_shape_means_another_version() -> None:
    with pytest.raises(ConfigurationError, match="another version"):
        parse_event('{"seq":1,"kind":"later"}')


def test_a_problem_is_raised_as_what_it_was() -> None:
    body = b'{"error":"ContactBlockedError","sentence":"s","detail":"d","exit_code":6}'
    with pytest.raises(ContactBlockedError, match="d"):
        parse_answer(routes.SEND.gives, 409, body)


def test_a_contact_is_found_by_name_or_account() -> None:
    listed = [contact("Bob", "hark1bob"), contact("Eve", "hark1eve")]
    assert find_contact(listed, "Eve").account == "hark1eve"
    assert find_contact(listed, "hark1bob").name == "Bob"
    with pytest.raises(UnknownContactError):
        find_contact(listed, "bob")


@pytest.mark.claim("C-3")
def test_a_contact_that_is_named_as_another_is_never_found_in_its_place() -> None:
    listed = [contact("hark1bob", "hark1aaa"), contact("Bob", "hark1bob")]
    assert find_contact(listed, "hark1bob").account == "hark1bob"
    listed.append(contact("Bob", "hark1zzz"))
    with pytest.raises(UnknownContactError, match="account id"):
        find_contact(listed, "Bob")

"""What people see: account ids, invitations, safety numbers, emoji."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hark.crypto.admission import pass_hash
from hark.errors import InvitationError, MalformedError, UsageError
from hark.identity.account_id import display, parse_display
from hark.identity.invitation import (
    MAX_URI_CHARACTERS,
    Home,
    Invitation,
    is_host,
    put_pass,
)
from hark.identity.safety_number import grouped, half_of, safety_number
from hark.identity.sas import EMOJI, emoji_of
from hark.wire import bech32
from hark.wire.ids import AccountId, MailboxId, NodeId
from tests.identity_people import Person, fixed_bytes

ANNA, BORIS = Person.create("anna"), Person.create("boris")


@given(st.binary(min_size=32, max_size=32))
def test_account_ids_roundtrip(raw: bytes) -> None:
    text = display(AccountId(raw))
    assert len(text) == 63
    assert parse_display(f" {text}\n") == parse_display(text.upper()) == raw


@pytest.mark.parametrize(
    "text", ["", "hark1", "alice@example.org", bech32.encode("hark", bytes(31)), "1" * 2000]
)
def test_other_text_is_no_account_id(text: str) -> None:
    with pytest.raises(UsageError, match="not an account id"):
        parse_display(text)


# Invitations


def home(host: str = "home.example.org", name: str = "home", port: int = 7443) -> Home:
    mailbox = MailboxId(fixed_bytes(f"{name} mailbox", 16))
    return Home(NodeId(fixed_bytes(f"{name} node")), host, port, mailbox)


INVITATION = Invitation(
    ANNA.chain.account_id,
    (home(), home("2001:db8::17", "second")),
    fixed_bytes("token", 16),
    1_800_000_000_000,
)
CONTACT = Invitation(ANNA.chain.account_id, (home("192.0.2.7"),))


@pytest.mark.parametrize("invitation", [INVITATION, CONTACT], ids=["token", "public"])
def test_invitations_roundtrip_in_both_cases(invitation: Invitation) -> None:
    uri = invitation.uri()
    assert uri.startswith("hark:invite1")
    assert len(uri) <= MAX_URI_CHARACTERS
    assert Invitation.parse(uri) == invitation
    assert Invitation.parse(f"\n {uri.upper()} ") == invitation


@given(st.integers(0, 10**6), st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7l"))
def test_a_mistyped_invitation_is_refused(place: int, character: str) -> None:
    uri = INVITATION.uri()
    at = len("hark:invite1") + place % (len(uri) - len("hark:invite1"))
    mistyped = uri[:at] + character + uri[at + 1 :]
    if mistyped != uri:
        with pytest.raises(InvitationError):
            Invitation.parse(mistyped)


@given(st.integers(0, 400))
def test_an_invitation_that_is_cut_off_is_refused(length: int) -> None:
    uri = INVITATION.uri()
    with pytest.raises(InvitationError):
        Invitation.parse(uri[: min(length, len(uri) - 1)])


@given(st.text(max_size=450))
def test_any_text_is_refused_with_the_one_error(text: str) -> None:
    for link in (text, f"hark:{text}", f"hark:invite1{text}"):
        with pytest.raises(InvitationError):
            Invitation.parse(link)


@given(st.binary(max_size=250))
def test_any_bytes_behind_a_good_checksum_are_refused_or_canonical(data: bytes) -> None:
    link = "hark:" + bech32.encode("invite", b"\1" + data)
    try:
        invitation = Invitation.parse(link)
    except InvitationError:
        return
    assert invitation.uri() == link


@pytest.mark.parametrize(
    "homes",
    [(), (home(), home()), (home("a"), home("b", "2"), home("c", "3"))],
    ids=["none", "twice the same", "three"],
)
def test_an_invitation_names_one_or_two_homes(homes: tuple[Home, ...]) -> None:
    with pytest.raises(MalformedError):
        Invitation(ANNA.chain.account_id, homes).uri()


def test_two_long_hosts_are_too_long_and_said_so() -> None:
    homes = (home("a" * 60 + ".org"), home("b" * 60 + ".org", "second"))
    with pytest.raises(InvitationError, match="one home only"):
        replace(INVITATION, homes=homes).uri()
    replace(INVITATION, homes=homes[:1]).uri()


@pytest.mark.parametrize(
    "host",
    ["localhost", "a.example", "xn--bcher-kva.example", "192.0.2.1", "::1", "2001:db8::1"],
)
def test_host_names_and_addresses_are_hosts(host: str) -> None:
    assert is_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "", ".", "a..b", "-a", "a-", "A.example", "a b", "a/b", "a:1", "1.2.3", "127.1",
        "2130706433", "0x7f000001", "2001:DB8::1", "::1%lo", "ä.example", "[::1]", "a.",
        "\x1b[2J",
    ],
)  # fmt: skip
def test_other_text_is_no_host(host: str) -> None:
    assert not is_host(host)
    with pytest.raises(MalformedError):
        home(host).check()


@pytest.mark.parametrize("port", [0, 65536, -1])
def test_an_impossible_port_is_refused(port: int) -> None:
    with pytest.raises(MalformedError):
        home(port=port).check()


def test_an_invitation_expires() -> None:
    INVITATION.check_not_expired(INVITATION.expires_unix_ms)
    with pytest.raises(InvitationError, match="expired"):
        INVITATION.check_not_expired(INVITATION.expires_unix_ms + 1)
    CONTACT.check_not_expired(2**60)


def test_neither_the_pass_nor_what_is_stored_of_it_shows_the_token() -> None:
    token = fixed_bytes("token", 16)
    assert len({token, put_pass(token), pass_hash(put_pass(token))[:16]}) == 3


def test_an_invitation_does_not_show_its_token_when_it_is_printed() -> None:
    assert INVITATION.token is not None
    assert repr(INVITATION.token) not in repr(INVITATION)


# Safety numbers


def test_both_sides_compute_the_same_sixty_digits() -> None:
    number = safety_number(ANNA.chain, BORIS.chain)
    assert number == safety_number(BORIS.chain, ANNA.chain)
    assert len(number) == 60
    assert number.isdigit()
    assert grouped(number).split(" ") == [number[at : at + 5] for at in range(0, 60, 5)]


def test_the_number_changes_with_a_new_epoch_and_not_with_a_device() -> None:
    number = safety_number(ANNA.chain, BORIS.chain)
    assert safety_number(ANNA.adds("anna-2").chain, BORIS.chain) == number
    for other in (ANNA.recovers("anna-1"), ANNA.rotates("new", "anna-1")):
        assert safety_number(other.chain, BORIS.chain) != number
        assert half_of(BORIS.chain) in safety_number(other.chain, BORIS.chain)


# Emoji


def test_sixty_four_different_pictures_with_names() -> None:
    assert len(EMOJI) == 64
    assert len({one.symbol for one in EMOJI}) == len({one.name for one in EMOJI}) == 64


def test_emoji_are_seven_groups_of_six_bits() -> None:
    assert [one.name for one in emoji_of(bytes(6))] == ["Dog"] * 7
    assert [one.name for one in emoji_of(b"\xff" * 6)] == ["Pin"] * 7
    first = emoji_of(bytes([0b000001_00, 0b0010_0000, 0b11_000100, 0, 0, 0]))
    assert [one.name for one in first[:4]] == ["Cat", "Lion", "Horse", "Unicorn"]


def test_the_six_bits_that_are_left_over_do_not_matter() -> None:
    assert emoji_of(b"abcde\x80") == emoji_of(b"abcde\xbf")
    assert emoji_of(b"abcde\x80") != emoji_of(b"abcde\xc0")

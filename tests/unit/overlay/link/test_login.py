import msgspec
import pytest

from hark.errors import ForgedError
from hark.overlay.link.login import check_login, make_login
from hark.wire.ids import MailboxId
from hark.wire.link import Login
from tests.unit.overlay.world import owner_key

CERTIFICATE_HASH, NONCE = bytes([1]) * 32, bytes([2]) * 32
LOGIN = make_login(
    owner_key(1),
    MailboxId(bytes(16)),
    3,
    bytes([4]) * 16,
    certificate_hash=CERTIFICATE_HASH,
    nonce=NONCE,
)


def check(login: Login) -> None:
    check_login(login, certificate_hash=CERTIFICATE_HASH, nonce=NONCE)


def test_login_holds_on_the_link_for_which_it_was_made() -> None:
    check(LOGIN)


@pytest.mark.claim("A-2")
def test_login_does_not_hold_on_a_link_with_another_nonce() -> None:
    with pytest.raises(ForgedError):
        check_login(LOGIN, certificate_hash=CERTIFICATE_HASH, nonce=bytes(32))


@pytest.mark.claim("A-2")
def test_login_does_not_hold_at_a_server_with_another_certificate() -> None:
    with pytest.raises(ForgedError):
        check_login(LOGIN, certificate_hash=bytes(32), nonce=NONCE)


@pytest.mark.parametrize(
    "change",
    [
        {"mailbox": bytes([9]) * 16},
        {"generation": 4},
        {"instance": bytes([9]) * 16},
        {"owner_key": owner_key(2).public.raw},
        {"owner_key": bytes(32)},
        {"signature": bytes(64)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_login_does_not_hold_when_a_field_is_changed(change: dict[str, object]) -> None:
    with pytest.raises(ForgedError):
        check(msgspec.structs.replace(LOGIN, **change))

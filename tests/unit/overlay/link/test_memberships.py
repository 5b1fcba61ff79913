from random import Random

from hark.machine import Instant
from hark.overlay.link.memberships import PASSING_REFUSALS, Memberships
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import MailboxId
from tests.unit.overlay.world import INSTANCE, owner_key

BOX = MailboxId(bytes(16))
NOW = Instant(5.0)


def one_member() -> Memberships:
    memberships = Memberships(Random(1).randbytes)
    member = memberships.remember(BOX, owner_key(1), 1, INSTANCE)
    memberships.asked(member, Instant(65.0))
    return memberships


def test_mailbox_is_attached_once_its_login_has_succeeded() -> None:
    memberships = one_member()
    assert not memberships.attached(BOX)
    assert memberships.deadline() == 65.0
    assert memberships.answered(BOX, ErrorCode.NONE, 0, NOW)
    assert memberships.attached(BOX)
    assert memberships.deadline() is None


def test_result_without_a_login_under_way_is_told_apart() -> None:
    memberships = one_member()
    assert memberships.answered(BOX, ErrorCode.NONE, 0, NOW)
    assert not memberships.answered(BOX, ErrorCode.NONE, 0, NOW)
    assert not memberships.answered(MailboxId(bytes([1]) * 16), ErrorCode.NONE, 0, NOW)


def test_only_a_passing_refusal_is_tried_again_on_the_same_link() -> None:
    for code in ErrorCode:
        if code is ErrorCode.NONE:
            continue
        memberships = one_member()
        memberships.answered(BOX, code, 3000, NOW)
        due = memberships.deadline()
        assert (due is not None) == (code in PASSING_REFUSALS)
        if due is not None:
            assert NOW < due <= NOW + 3
            assert [member.mailbox for member in memberships.due(due)] == [BOX]
            assert memberships.due(NOW) == []


def test_end_of_the_link_forgets_the_login_that_was_to_be_tried_again() -> None:
    memberships = one_member()
    memberships.answered(BOX, ErrorCode.OVERLOADED, 3000, NOW)
    memberships.link_ended()
    assert memberships.deadline() is None
    assert memberships.due(Instant(100.0)) == []


def test_end_of_the_link_forgets_what_was_attached_but_not_the_mailbox() -> None:
    memberships = one_member()
    memberships.answered(BOX, ErrorCode.NONE, 0, NOW)
    memberships.link_ended()
    assert not memberships.attached(BOX)
    assert memberships.knows(BOX)
    assert [member.mailbox for member in memberships.all()] == [BOX]


def test_forgotten_mailbox_is_not_logged_in_to_again() -> None:
    memberships = one_member()
    memberships.forget(BOX)
    assert memberships.all() == []
    # Its answer is still under way, and is no breach of the supernode's.
    assert memberships.answered(BOX, ErrorCode.NONE, 0, NOW)

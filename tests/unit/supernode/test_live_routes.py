"""The short cut of live envelopes never outlives what made it right."""

import pytest

from hark.overlay.mailbox.events import Asked, Attached, LinkRef, LiveAnswered, LiveAsked
from hark.supernode.live_routes import LiveRoutes
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import MailboxId
from hark.wire.mailbox import DeleteMailbox, SetToken

BOX = MailboxId(b"b" * 16)
OWNER, SENDER, NEWER = LinkRef(1), LinkRef(2), LinkRef(3)
TOKEN, OTHER_TOKEN = b"t" * 16, b"o" * 16


def live(request_id: int, token: bytes = TOKEN) -> LiveAsked:
    return LiveAsked(SENDER, request_id, BOX, token, b"typing")


def attached(link: LinkRef, code: ErrorCode = ErrorCode.NONE) -> Attached:
    return Attached(link, BOX, code, 0, 0)


@pytest.fixture
def routes() -> LiveRoutes:
    """Routes that have learned the way to the owner's link."""
    routes = LiveRoutes()
    routes.learn(attached(OWNER))
    assert routes.target(live(1)) is None
    routes.learn(LiveAnswered(SENDER, 1, passed=True))
    return routes


def test_later_envelopes_with_the_same_token_take_the_short_cut(routes: LiveRoutes) -> None:
    assert routes.target(live(2)) == OWNER


def test_another_token_goes_to_the_store(routes: LiveRoutes) -> None:
    assert routes.target(live(2, OTHER_TOKEN)) is None


def test_what_the_store_refused_is_not_learned(routes: LiveRoutes) -> None:
    routes.target(live(2, OTHER_TOKEN))
    routes.learn(LiveAnswered(SENDER, 2, passed=False))
    assert routes.target(live(3, OTHER_TOKEN)) is None
    assert routes.target(live(4)) == OWNER


@pytest.mark.parametrize(
    "request_", [SetToken(BOX, bytes(32)), DeleteMailbox(BOX)], ids=["token", "deletion"]
)
def test_owner_request_ends_the_short_cut_before_the_store_has_seen_it(
    routes: LiveRoutes, request_: SetToken | DeleteMailbox
) -> None:
    routes.owner_asked(Asked(OWNER, 7, request_))
    assert routes.target(live(2)) is None


def test_answer_that_overtakes_a_new_token_teaches_nothing() -> None:
    routes = LiveRoutes()
    routes.learn(attached(OWNER))
    routes.target(live(1))
    routes.owner_asked(Asked(OWNER, 7, SetToken(BOX, bytes(32))))
    routes.learn(LiveAnswered(SENDER, 1, passed=True))
    assert routes.target(live(2)) is None


def test_request_of_somebody_else_changes_nothing(routes: LiveRoutes) -> None:
    routes.owner_asked(Asked(SENDER, 7, DeleteMailbox(BOX)))
    assert routes.target(live(2)) == OWNER


def test_link_that_is_gone_gets_nothing(routes: LiveRoutes) -> None:
    routes.forget(OWNER)
    assert routes.target(live(2)) is None


def test_newer_link_has_to_be_confirmed_again_and_survives_the_end_of_the_older(
    routes: LiveRoutes,
) -> None:
    routes.learn(attached(NEWER))
    assert routes.target(live(2)) is None
    routes.learn(LiveAnswered(SENDER, 2, passed=True))
    routes.forget(OWNER)
    assert routes.target(live(3)) == NEWER


def test_refused_login_makes_no_route() -> None:
    routes = LiveRoutes()
    routes.learn(attached(OWNER, ErrorCode.STORE_STALE))
    routes.target(live(1))
    routes.learn(LiveAnswered(SENDER, 1, passed=True))
    assert routes.target(live(2)) is None

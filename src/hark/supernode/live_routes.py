"""The short cut of live envelopes between two links of one worker.

The first live envelope for a mailbox goes to the store, which knows the token's hash. If it
was passed, the worker remembers the token that was shown, and passes later ones with the same
token by itself. What could make that wrong ends the memory: the owner's link is gone, or the
owner replaces the token or deletes the mailbox, which it can only ask over that same link. An
answer that overtakes such a request is told by the mailbox's count of changes.
"""

import hmac
from dataclasses import dataclass

from hark.overlay.mailbox.events import (
    Asked,
    Attached,
    LinkRef,
    LiveAnswered,
    LiveAsked,
    ServiceOutput,
)
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import MailboxId
from hark.wire.mailbox import DeleteMailbox, SetToken


@dataclass(slots=True)
class _Route:
    """A mailbox that is attached to a link of this worker."""

    link: LinkRef
    token: bytes | None = None
    """What the store has accepted; None before the first time."""
    change_count: int = 0


@dataclass(frozen=True, slots=True)
class _Question:
    """A live envelope on its way to the store."""

    mailbox: MailboxId
    token: bytes
    route: _Route
    change_count: int


class LiveRoutes:
    """Which live envelopes a worker may pass by itself."""

    def __init__(self) -> None:
        self._routes: dict[MailboxId, _Route] = {}
        self._of_link: dict[LinkRef, tuple[MailboxId, ...]] = {}
        self._questions: dict[tuple[LinkRef, int], _Question] = {}

    def target(self, item: LiveAsked) -> LinkRef | None:
        """Return the link to pass it to, or None if it has to go to the store."""
        route = self._routes.get(item.mailbox)
        if route is None:
            return None
        if route.token is not None and hmac.compare_digest(route.token, item.token):
            return route.link
        # As many as a link may have open requests; each is answered by the store.
        self._questions[item.link, item.request_id] = _Question(
            item.mailbox, item.token, route, route.change_count
        )
        return None

    def owner_asked(self, item: Asked) -> None:
        """Forget a token that an owner is about to replace."""
        request = item.request
        if isinstance(request, SetToken | DeleteMailbox):
            route = self._routes.get(MailboxId(request.mailbox))
            # Anybody can ask; only what the owner's link asks can have an effect.
            if route is not None and route.link == item.link:
                route.token = None
                route.change_count += 1

    def learn(self, output: ServiceOutput) -> None:
        """Note what the store says."""
        if isinstance(output, LiveAnswered):
            question = self._questions.pop((output.link, output.request_id), None)
            if question is not None and output.passed:
                self._confirm(question)
        elif isinstance(output, Attached) and output.code is ErrorCode.NONE:
            self._attach(output.mailbox, output.link)

    def forget(self, link: LinkRef) -> None:
        """Note that a link is gone."""
        for mailbox in self._of_link.pop(link, ()):
            route = self._routes.get(mailbox)
            if route is not None and route.link == link:
                del self._routes[mailbox]

    def _confirm(self, question: _Question) -> None:
        route = question.route
        standing = self._routes.get(question.mailbox) is route
        if standing and route.change_count == question.change_count:
            route.token = question.token

    def _attach(self, mailbox: MailboxId, link: LinkRef) -> None:
        route = self._routes.get(mailbox)
        if route is None or route.link != link:
            self._routes[mailbox] = _Route(link)
            self._of_link[link] = (*self._of_link.get(link, ()), mailbox)

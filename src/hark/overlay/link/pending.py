"""What a node has asked over one link and not yet been answered (spec/link.md#asks).

Asks and live envelopes share one space of request ids and one timeout, so the oldest entry is
always the next to give up on.
"""

from dataclasses import dataclass

from hark.machine import Instant
from hark.wire import mailbox as wire
from hark.wire.mailbox import MailboxAnswer, MailboxRequest

MAX_PENDING = 256
"""Unanswered asks and live envelopes of one link. Twice what the home works on at a time, so
that it is never idle for want of asks, and an unanswering home costs a bounded memory."""
_REQUEST_IDS = 2**32

_FITTING: dict[type[MailboxRequest], type[MailboxAnswer]] = {
    wire.GetChallenge: wire.Challenge,
    wire.CreateMailbox: wire.MailboxCreated,
    wire.Put: wire.Held,
    wire.Claim: wire.Bundle,
    wire.SetToken: wire.Done,
    wire.PublishBundle: wire.Done,
    wire.AddPrekeys: wire.PrekeyCount,
    wire.RegisterPass: wire.Done,
    wire.DeleteMailbox: wire.Done,
}
"""The answer that each request has when it is not refused."""


def fits(request: MailboxRequest, answer: MailboxAnswer) -> bool:
    """Whether `answer` is one that this request can have."""
    return isinstance(answer, (_FITTING[type(request)], wire.Refused))


@dataclass(frozen=True, slots=True)
class Pending:
    """One unanswered request."""

    request_id: int
    request: MailboxRequest | None
    """None: a live envelope."""
    give_up_at: Instant


class PendingRequests:
    """The unanswered requests of one link, oldest first."""

    def __init__(self) -> None:
        self._by_id: dict[int, Pending] = {}
        self._next_id = 1

    def full(self) -> bool:
        """Whether no more may be asked before something is answered."""
        return len(self._by_id) >= MAX_PENDING

    def new_id(self) -> int:
        """Return a request id that is not in use."""
        request_id = self._next_id
        while request_id in self._by_id:
            request_id = (request_id + 1) % _REQUEST_IDS
        self._next_id = (request_id + 1) % _REQUEST_IDS
        return request_id

    def add(self, pending: Pending) -> None:
        """Note a request that goes out now."""
        self._by_id[pending.request_id] = pending

    def take(self, request_id: int) -> Pending | None:
        """Remove and return the request of this id, or None if there is none."""
        return self._by_id.pop(request_id, None)

    def take_all(self) -> list[Pending]:
        """Remove and return everything, oldest first."""
        pending = list(self._by_id.values())
        self._by_id.clear()
        return pending

    def deadline(self) -> Instant | None:
        """Return when the oldest request is given up, or None."""
        for pending in self._by_id.values():
            return pending.give_up_at
        return None

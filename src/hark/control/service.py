"""What a node offers to its faces; the ASGI app calls it, `hark.node` implements it.

Every method may raise a `HarkError`; the app turns it into a `Problem`.
"""

from typing import Protocol

from hark.control import schema


class EventFeed(Protocol):
    """One subscriber's stream of events, bounded: a slow reader gets a `gap`."""

    async def next(self) -> schema.Event:
        """Wait for the next event."""

    def close(self) -> None:
        """Stop; later events are not kept for this subscriber."""


class NodeService(Protocol):
    """The requests of the control contract, one method each (spec/control.md#requests)."""

    async def status(self) -> schema.Status:
        """Describe the running node."""

    async def whoami(self) -> schema.Account:
        """Describe our own account."""

    async def contacts(self) -> list[schema.Contact]:
        """List contacts and requests, by name."""

    async def invite(self) -> schema.Invitation:
        """Make an invitation."""

    async def add(self, request: schema.AddRequest) -> schema.Contact:
        """Add a contact by its link."""

    async def accept(self, request: schema.ContactRequest) -> schema.Contact:
        """Accept a stranger's request."""

    async def block(self, request: schema.ContactRequest) -> schema.Contact:
        """Block a contact or a stranger."""

    async def verify(self, request: schema.VerifyRequest) -> schema.Contact:
        """Note that the person has compared the safety number."""

    async def rename(self, request: schema.RenameRequest) -> schema.Contact:
        """Give a contact another name."""

    async def send(self, request: schema.SendRequest) -> schema.Sent:
        """Send a text: durable on this device when this returns."""

    async def message(self, message_id: str) -> schema.Message:
        """Return one message."""

    async def history(
        self, contact: str, limit: int, before: str | None
    ) -> list[schema.Message]:
        """Return a page of a conversation, oldest first.

        Args:
            contact: name or account id.
            limit: how many messages at most, 1..MAX_HISTORY.
            before: id of a message of this conversation: only those that stand before it;
                None: the newest page. (Two messages may share an order number, so a number
                would lose one at the edge of a page.)
        """

    async def read(self, request: schema.ReadRequest) -> None:
        """Note that the person has seen messages of a conversation; sends read receipts."""

    async def chat(self, request: schema.ChatRequest) -> None:
        """Open or close a conversation before a person."""

    async def typing(self, request: schema.ContactRequest) -> None:
        """The person is writing (live, at most every ten seconds)."""

    async def diagnose(self) -> schema.Diagnosis:
        """Check store, homes, keys, clock and quarantine."""

    async def stop(self) -> None:
        """Stop the node; returns when the answer may be sent."""

    def events(self, after_seq: int | None) -> EventFeed:
        """Subscribe to events after `after_seq` (None: from now on)."""

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


class SoundFeed(Protocol):
    """The sound of one call, for the one face that speaks and listens for the person.

    A frame is 20 ms of sound (`hark.wire.sound`).
    """

    async def next(self) -> bytes | None:
        """Wait for the next frame to play; None when the call is over."""

    def push(self, frame: bytes) -> None:
        """Give a frame to send; a few may wait, older ones make way."""

    def close(self) -> None:
        """Let go of the call's sound; the call goes on with silence."""


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

    async def calls(self) -> list[schema.Call]:
        """List the calls of this moment, oldest first, and those that ended a minute ago."""

    async def place_call(self, request: schema.CallRequest) -> schema.Call:
        """Call a contact on all its devices."""

    async def answer_call(self, request: schema.AnswerRequest) -> schema.Call:
        """Take a call that rings here."""

    async def decline_call(self, request: schema.CallIdRequest) -> schema.Call:
        """Do not take a call; it stops ringing everywhere."""

    async def hang_up(self, request: schema.CallIdRequest) -> schema.Call:
        """End a call, or give up calling."""

    async def switch_call(self, request: schema.CallSwitchRequest) -> schema.Call:
        """Mute, hold, or say that we record."""

    async def limit_calls(self, request: schema.CallLimitRequest) -> None:
        """Set how many calls are taken at once, until the node stops."""

    async def call_sound(self, call: str) -> SoundFeed:
        """Attach to the sound of a call.

        Raises:
            NoSuchCallError: there is no such call.
            CallError: a face is attached to it already.
        """

    async def leave_voicemail(self, request: schema.VoicemailRequest) -> schema.Sent:
        """Send a spoken message: durable on this device when this returns."""

    async def voicemail(self, message_id: str) -> schema.Voicemail:
        """Return a spoken message with its sound."""

    async def privacy(self) -> schema.Privacy:
        """Return what others may learn about us."""

    async def set_privacy(self, request: schema.Privacy) -> schema.Privacy:
        """Change what others may learn about us."""

    async def diagnose(self) -> schema.Diagnosis:
        """Check store, homes, keys, clock and quarantine."""

    async def stop(self) -> None:
        """Stop the node; returns when the answer may be sent."""

    def events(self, after_seq: int | None) -> EventFeed:
        """Subscribe to events after `after_seq` (None: from now on)."""

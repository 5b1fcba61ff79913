"""What the faces can ask of a node (`hark.control.service.NodeService`).

Each method runs one function on the core's thread and turns the result into the objects of
the control contract. Contacts are named by the name that the person gave them, or by their
account id.
"""

import os
from collections.abc import Callable

import hark
from hark.control import schema
from hark.errors import UsageError
from hark.identity.account_id import display
from hark.identity.invitation import Invitation
from hark.machine import Instant
from hark.messaging.machine import Messaging
from hark.messaging.views import ContactView
from hark.node import views
from hark.node.asking import CoreAsker, contact_view, message_id_of, position_of, resolve
from hark.node.call_service import CallService
from hark.node.call_sound import CallSounds
from hark.node.core import NodeCore
from hark.node.doctor import checks_of
from hark.node.event_hub import EventHub, Feed
from hark.node.paths import Paths
from hark.runtime.clock import unix_now_ms
from hark.wire.ids import AccountId, MessageId


class Node(CallService):
    """A running node, as its faces see it.

    Args:
        asker: asks the node's core.
        hub: where events are published.
        paths: of this profile.
        sounds: the sound of its calls.
        prepare_media: has the media engine loaded before the first call.
        stop: ends the program.
    """

    def __init__(
        self,
        asker: CoreAsker,
        hub: EventHub,
        paths: Paths,
        sounds: CallSounds,
        *,
        prepare_media: Callable[[], None],
        stop: Callable[[], None],
    ) -> None:
        super().__init__(asker, sounds, prepare_media)
        self._asker = asker
        self._hub = hub
        self._paths = paths
        self._stop = stop
        self._started_unix_ms = unix_now_ms()

    async def status(self) -> schema.Status:
        """Describe the running node."""
        return schema.Status(
            version=hark.__version__,
            control_version=schema.CONTROL_VERSION,
            pid=os.getpid(),
            profile=self._paths.profile,
            data_dir=str(self._paths.data_dir),
            started_unix_ms=self._started_unix_ms,
        )

    async def whoami(self) -> schema.Account:
        """Describe our own account."""

        def ask(core: NodeCore, now: Instant) -> schema.Account:
            messaging = core.messaging(now)
            own = messaging.whoami()
            # Without a mailbox there is nothing yet that a link could name.
            ready = any(home.ready for home in own.homes)
            link = messaging.contact_link().uri() if ready else ""
            return views.account_of(own, link, core.home_reasons(now))

        return await self._asker.ask(ask)

    async def contacts(self) -> list[schema.Contact]:
        """List contacts and requests, by name."""
        found = await self._asker.ask_messaging(lambda messaging, _now: messaging.contacts())
        listed = sorted(found, key=lambda view: (view.name.casefold(), view.account_id))
        return [views.contact_of(view) for view in listed]

    async def invite(self) -> schema.Invitation:
        """Make an invitation."""
        invitation = await self._asker.ask_messaging(
            lambda messaging, now: messaging.invite(now)
        )
        return schema.Invitation(
            link=invitation.uri(), expires_unix_ms=invitation.expires_unix_ms
        )

    async def add(self, request: schema.AddRequest) -> schema.Contact:
        """Add a contact by its link."""
        invitation = Invitation.parse(request.link)

        def ask(messaging: Messaging, now: Instant) -> ContactView:
            account = messaging.add(invitation, request.name, now)
            return contact_view(messaging, account)

        return views.contact_of(await self._asker.ask_messaging(ask))

    async def accept(self, request: schema.ContactRequest) -> schema.Contact:
        """Accept a stranger's request."""
        return await self._change(request.contact, Messaging.accept)

    async def block(self, request: schema.ContactRequest) -> schema.Contact:
        """Block a contact or a stranger."""
        return await self._change(request.contact, Messaging.block)

    async def verify(self, request: schema.VerifyRequest) -> schema.Contact:
        """Note that the person has compared the safety number."""

        def verify(messaging: Messaging, account: AccountId, now: Instant) -> None:
            messaging.verify(account, now, request.safety_number)

        return await self._change(request.contact, verify)

    async def rename(self, request: schema.RenameRequest) -> schema.Contact:
        """Give a contact another name."""

        def ask(messaging: Messaging, now: Instant) -> ContactView:
            account = resolve(messaging, request.contact)
            messaging.rename(account, request.name, now)
            return contact_view(messaging, account)

        return views.contact_of(await self._asker.ask_messaging(ask))

    async def send(self, request: schema.SendRequest) -> schema.Sent:
        """Send a text: durable on this device when this returns."""

        def ask(messaging: Messaging, now: Instant) -> tuple[AccountId, MessageId]:
            account = resolve(messaging, request.contact)
            return account, messaging.send_text(account, request.text, now)

        account, message_id = await self._asker.ask_messaging(ask)
        return schema.Sent(id=message_id.hex(), contact=display(account))

    async def message(self, message_id: str) -> schema.Message:
        """Return one message."""
        wanted = message_id_of(message_id)

        def ask(messaging: Messaging, _now: Instant) -> schema.Message | None:
            found = messaging.message(wanted)
            return None if found is None else views.message_of(found.contact, found)

        message = await self._asker.ask_messaging(ask)
        if message is None:
            raise UsageError("there is no message of that id")
        return message

    async def history(
        self, contact: str, limit: int, before: str | None
    ) -> list[schema.Message]:
        """Return a page of a conversation, oldest first."""
        first_known = None if before is None else message_id_of(before)

        def ask(messaging: Messaging, _now: Instant) -> list[schema.Message]:
            account = resolve(messaging, contact)
            position = None if first_known is None else position_of(messaging, first_known)
            page = messaging.history(account, limit, position)
            return [views.message_of(account, view) for view in page]

        return await self._asker.ask_messaging(ask)

    async def read(self, request: schema.ReadRequest) -> None:
        """Note that the person has seen messages of a conversation; sends read receipts."""
        only = {message_id_of(text) for text in request.messages} or None

        def change(messaging: Messaging, account: AccountId, now: Instant) -> None:
            messaging.mark_read(account, now, only)

        await self._change(request.contact, change)

    async def chat(self, request: schema.ChatRequest) -> None:
        """Open or close a conversation before a person."""
        change = Messaging.open_chat if request.open else Messaging.close_chat
        await self._change(request.contact, change)

    async def typing(self, request: schema.ContactRequest) -> None:
        """The person is writing (live, at most every ten seconds)."""
        await self._change(request.contact, Messaging.typing)

    async def diagnose(self) -> schema.Diagnosis:
        """Check store, homes, keys, clock and quarantine."""

        def ask(core: NodeCore, now: Instant) -> list[schema.Check]:
            messaging = core.messaging(now)
            reasons = core.home_reasons(now)
            return checks_of(messaging.whoami(), messaging.diagnostics(), reasons)

        return schema.Diagnosis(checks=await self._asker.ask(ask))

    async def stop(self) -> None:
        """Stop the node; returns when the answer may be sent."""
        self._stop()

    def events(self, after_seq: int | None) -> Feed:
        """Subscribe to events after `after_seq` (None: from now on)."""
        return self._hub.feed(after_seq)

    async def _change(
        self, contact: str, change: Callable[[Messaging, AccountId, Instant], None]
    ) -> schema.Contact:
        """Carry out a command that names one contact; return the contact as it is then."""

        def ask(messaging: Messaging, now: Instant) -> ContactView:
            account = resolve(messaging, contact)
            change(messaging, account, now)
            return contact_view(messaging, account)

        return views.contact_of(await self._asker.ask_messaging(ask))

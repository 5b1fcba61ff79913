"""How the faces' requests reach the core: one function, run on the core's thread.

Contacts are named by the name that the person gave them, or by their account id.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from hark.errors import MalformedError, UnknownContactError, UsageError
from hark.identity.account_id import parse_display
from hark.machine import Instant, Machine
from hark.messaging.machine import Messaging
from hark.messaging.views import ContactView
from hark.node.core import NodeCore, NodeEffect, NodeInput
from hark.runtime.core_thread import CoreThread
from hark.wire.ids import MESSAGE_ID_BYTES, AccountId, MessageId

ResultT = TypeVar("ResultT")


class CoreAsker:
    """Asks the core of a running node.

    Args:
        core: the thread that runs it.
    """

    def __init__(self, core: CoreThread[NodeInput, NodeEffect]) -> None:
        self._core = core

    async def ask_messaging(self, question: Callable[[Messaging, Instant], ResultT]) -> ResultT:
        """Run a function of messaging on the core's thread."""
        return await self.ask(lambda core, now: question(core.messaging(now), now))

    async def ask(self, question: Callable[[NodeCore, Instant], ResultT]) -> ResultT:
        """Run a function of the core on its thread."""

        def on_core(core: Machine[NodeInput, NodeEffect], now: Instant) -> ResultT:
            assert isinstance(core, NodeCore)
            return question(core, now)

        return await asyncio.wrap_future(self._core.call(on_core))


def resolve(messaging: Messaging, contact: str) -> AccountId:
    """Return the account of a contact named by name or account id.

    Raises:
        UnknownContactError: nobody, or more than one, is called so.
    """
    known = messaging.contacts()
    try:
        wanted = parse_display(contact)
    except (MalformedError, UsageError):
        matches = [view.account_id for view in known if view.name == contact]
    else:
        matches = [view.account_id for view in known if view.account_id == wanted]
    if len(matches) > 1:
        raise UnknownContactError("several contacts have this name: use the account id")
    if not matches:
        raise UnknownContactError("nobody is called that here")
    return matches[0]


def contact_view(messaging: Messaging, account: AccountId) -> ContactView:
    """Return a contact that is known to be there."""
    return next(view for view in messaging.contacts() if view.account_id == account)


def position_of(messaging: Messaging, message_id: MessageId) -> bytes:
    """Return the place of a message in its conversation."""
    found = messaging.message(message_id)
    if found is None:
        raise UsageError("there is no message of that id")
    return found.position


def message_id_of(text: str) -> MessageId:
    """Return the id that a face has named.

    Raises:
        UsageError: it is none.
    """
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(raw) != MESSAGE_ID_BYTES:
        raise UsageError("a message id has 32 hexadecimal digits")
    return MessageId(raw)

"""What the faces can ask of a node about calls (`hark.control.service.NodeService`)."""

from collections.abc import Callable

from hark.calls.machine import Calls
from hark.control import schema
from hark.errors import NoSuchCallError, UsageError
from hark.identity.account_id import display
from hark.machine import Instant
from hark.messaging.machine import Messaging
from hark.node import views
from hark.node.asking import CoreAsker, message_id_of, resolve
from hark.node.call_sound import CallSounds, SoundFeed
from hark.node.core import NodeCore
from hark.wire.ids import CALL_ID_BYTES, AccountId, CallId, MessageId


class CallService:
    """The part of a node's service that is about calls.

    Args:
        asker: asks the node's core.
        sounds: who speaks and listens in which call.
        prepare_media: has the media engine loaded before the first call.
    """

    def __init__(
        self, asker: CoreAsker, sounds: CallSounds, prepare_media: Callable[[], None]
    ) -> None:
        self._core_asker = asker
        self._sounds = sounds
        self._prepare_media = prepare_media

    async def calls(self) -> list[schema.Call]:
        """List the calls of this moment, oldest first, and those that ended a minute ago."""

        def ask(core: NodeCore, now: Instant) -> list[schema.Call]:
            found = core.calls(now).views()
            messaging = core.messaging(now)
            return [views.call_of(view, messaging.name_of(view.account)) for view in found]

        return await self._core_asker.ask(ask)

    async def place_call(self, request: schema.CallRequest) -> schema.Call:
        """Call a contact on all its devices."""

        def ask(core: NodeCore, now: Instant) -> schema.Call:
            account = resolve(core.messaging(now), request.contact)
            call = core.place_call(account, now, records=request.recording)
            return _call(core, call, now)

        return await self._core_asker.ask(ask)

    async def answer_call(self, request: schema.AnswerRequest) -> schema.Call:
        """Take a call that rings here."""
        call = _call_id(request.call)

        def ask(core: NodeCore, now: Instant) -> schema.Call:
            core.answer_call(call, now, records=request.recording)
            return _call(core, call, now)

        return await self._core_asker.ask(ask)

    async def decline_call(self, request: schema.CallIdRequest) -> schema.Call:
        """Do not take a call; it stops ringing everywhere."""
        return await self._change_call(request.call, Calls.decline)

    async def hang_up(self, request: schema.CallIdRequest) -> schema.Call:
        """End a call, or give up calling."""
        return await self._change_call(request.call, Calls.hang_up)

    async def switch_call(self, request: schema.CallSwitchRequest) -> schema.Call:
        """Mute, hold, or say that we record."""

        def switch(calls: Calls, call: CallId, now: Instant) -> None:
            calls.switch(
                call, now, muted=request.muted, held=request.held, records=request.recording
            )

        return await self._change_call(request.call, switch)

    async def limit_calls(self, request: schema.CallLimitRequest) -> None:
        """Set how many calls are taken at once, until the node stops."""
        await self._core_asker.ask(lambda core, now: core.calls(now).set_limit(request.calls))
        # Who says how many calls it takes is about to take calls.
        self._prepare_media()

    async def call_sound(self, call: str) -> SoundFeed:
        """Attach to the sound of a call."""
        call_id = _call_id(call)
        feed = self._sounds.attach(call_id)
        # Asked after it: the end of a call that ends just now is either told to this feed, or
        # seen here.
        try:
            view = await self._core_asker.ask(lambda core, now: core.calls(now).view(call_id))
            if view is None or view.reason is not None:
                raise NoSuchCallError
        except BaseException:
            feed.close()
            raise
        return feed

    async def leave_voicemail(self, request: schema.VoicemailRequest) -> schema.Sent:
        """Send a spoken message: durable on this device when this returns."""

        def ask(messaging: Messaging, now: Instant) -> tuple[AccountId, MessageId]:
            account = resolve(messaging, request.contact)
            return account, messaging.send_voicemail(account, request.packets, now)

        account, message_id = await self._core_asker.ask_messaging(ask)
        return schema.Sent(id=message_id.hex(), contact=display(account))

    async def voicemail(self, message_id: str) -> schema.Voicemail:
        """Return a spoken message with its sound."""
        wanted = message_id_of(message_id)

        def ask(messaging: Messaging, _now: Instant) -> schema.Voicemail:
            message, packets = messaging.message(wanted), messaging.voicemail(wanted)
            if message is None or packets is None:
                raise UsageError("there is no spoken message of that id")
            return schema.Voicemail(
                message=views.message_of(message.contact, message), packets=packets
            )

        return await self._core_asker.ask_messaging(ask)

    async def privacy(self) -> schema.Privacy:
        """Return what others may learn about us."""
        return await self._core_asker.ask_messaging(lambda messaging, _now: _privacy(messaging))

    async def set_privacy(self, request: schema.Privacy) -> schema.Privacy:
        """Change what others may learn about us."""

        def ask(messaging: Messaging, now: Instant) -> schema.Privacy:
            messaging.set_hide_address(request.hide_address, now)
            return _privacy(messaging)

        return await self._core_asker.ask_messaging(ask)

    async def _change_call(
        self, call: str, change: Callable[[Calls, CallId, Instant], None]
    ) -> schema.Call:
        """Carry out a command that names one call; return the call as it is then."""
        call_id = _call_id(call)

        def ask(core: NodeCore, now: Instant) -> schema.Call:
            change(core.calls(now), call_id, now)
            return _call(core, call_id, now)

        return await self._core_asker.ask(ask)


def _call(core: NodeCore, call: CallId, now: Instant) -> schema.Call:
    view = core.calls(now).view(call)
    if view is None:
        raise NoSuchCallError
    return views.call_of(view, core.messaging(now).name_of(view.account))


def _privacy(messaging: Messaging) -> schema.Privacy:
    return schema.Privacy(hide_address=messaging.hide_address())


def _call_id(text: str) -> CallId:
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(raw) != CALL_ID_BYTES:
        raise UsageError("the id of a call has 32 hexadecimal digits")
    return CallId(raw)

"""One call before a person, from the first ring to its end."""

import asyncio
import signal
from collections.abc import Awaitable, Coroutine, Iterator
from contextlib import contextmanager, suppress

from hark.app.cli.talk.ends import Ends
from hark.app.cli.talk.screen import END_OF_INPUT, Screen, keys
from hark.app.cli.talk.wording import ENDED, TALKING, news, status_line
from hark.app.sound.pump import Pump
from hark.control.bot import Bot
from hark.control.problems import sentence_of
from hark.control.schema import Call
from hark.errors import HarkError, NodeNotRunningError, NoSuchCallError

HANG_UP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, being told to end, and a terminal that is closed."""
GLARE = "glare"


class Conversation:
    """Shows a call, carries its sound and does what the person wants.

    Args:
        bot: of the node that has the call.
        call: placed or answered just now.
        ends: what speaks and listens.
        screen: where it is shown.
    """

    def __init__(self, bot: Bot, call: Call, ends: Ends, screen: Screen) -> None:
        self._bot = bot
        self._call = call
        self._ends = ends
        self._screen = screen
        self._shown: Call | None = None
        self._at_work: set[asyncio.Task[None]] = set()
        """Keeps tasks alive; a task takes itself out."""

    async def run(self) -> Call:
        """Stay until the call is over; return how it ended.

        Raises:
            NodeNotRunningError: the node has stopped, and the call with it.
        """
        with self._hanging_up_by_signal(), keys(self._press):
            self._show(self._call)
            try:
                while (other := await self._other_call(await self._follow())) is not None:
                    self._call = other
            finally:
                self._screen.close()
                await _cancel(self._at_work)
        return self._call

    async def _follow(self) -> Call:
        """Show one call and carry its sound until it is over."""
        pump = Pump(self._ends.source, self._ends.sinks, self._sound_failed)
        sound = asyncio.create_task(self._carry(pump, self._call.id))
        speaks = False
        try:
            async for call in self._bot.call_changes(self._call.id):
                self._show(call)
                if call.state in TALKING and not speaks:
                    speaks = True
                    self._ends.begin()
                    pump.speak()
        finally:
            await _cancel({sound})
        return self._call

    async def _other_call(self, call: Call) -> Call | None:
        """Return the call that goes on, when both sides have called at once."""
        if call.reason != GLARE:
            return None
        for other in await self._bot.calls():
            if other.contact == call.contact and other.state not in {ENDED, "incoming"}:
                return other
        return None

    async def _carry(self, pump: Pump, call_id: str) -> None:
        # A call that is over, or a node that has stopped, is noticed by its changes.
        try:
            async with self._bot.call_sound(call_id) as sound:
                await pump.run(sound)
        except (NoSuchCallError, NodeNotRunningError):
            pass
        except HarkError as error:
            self._complain(error)

    def _show(self, call: Call) -> None:
        for line in news(self._shown, call):
            self._screen.say(line)
        self._shown = self._call = call
        if call.state != ENDED:
            self._screen.show_status(status_line(call, keys=self._keys()))

    def _keys(self) -> str:
        record = "r record  " if self._ends.recorder is not None else ""
        return f"m mute  h hold  {record}q hang up"

    def _press(self, key: str) -> None:
        if key == "m":
            self._do(self._switch(muted=not self._call.muted))
        elif key == "h":
            self._do(self._switch(held=not self._call.held))
        elif key == "r" and self._ends.recorder is not None:
            self._do(self._record(is_on=not self._call.recording))
        elif key in {"q", END_OF_INPUT}:
            self._hang_up()

    async def _switch(self, *, muted: bool | None = None, held: bool | None = None) -> None:
        await self._bot.switch_call(self._call.id, muted=muted, held=held)

    async def _record(self, *, is_on: bool) -> None:
        recorder = self._ends.recorder
        assert recorder is not None
        # Nothing is kept that the other side has not been told of.
        recorder.is_on = False
        await self._bot.switch_call(self._call.id, recording=is_on)
        recorder.is_on = is_on

    def _hang_up(self) -> None:
        self._do(self._bot_hang_up())

    async def _bot_hang_up(self) -> None:
        with suppress(NoSuchCallError):
            await self._bot.hang_up(self._call.id)

    def _do(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(self._guarded(work))
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)

    async def _guarded(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except HarkError as error:
            self._complain(error)

    def _sound_failed(self, error: HarkError) -> None:
        self._complain(error)
        recorder = self._ends.recorder
        if recorder is not None and recorder.is_on and self._call.recording:
            self._do(self._record(is_on=False))

    def _complain(self, error: HarkError) -> None:
        detail = f" ({error})" if str(error) else ""
        self._screen.say(sentence_of(error) + detail)

    @contextmanager
    def _hanging_up_by_signal(self) -> Iterator[None]:
        """Hang up at the first signal; the second one ends the program at once."""
        loop = asyncio.get_running_loop()

        def hang_up(number: signal.Signals) -> None:
            loop.remove_signal_handler(number)
            self._hang_up()

        for number in HANG_UP_SIGNALS:
            loop.add_signal_handler(number, hang_up, number)
        try:
            yield
        finally:
            for number in HANG_UP_SIGNALS:
                loop.remove_signal_handler(number)


async def begun(bot: Bot, asking: Awaitable[Call]) -> Call:
    """Return the call that is being placed or answered.

    Whoever gives up while the node is about it has no call: it would go on without a face.
    """
    asked = asyncio.ensure_future(asking)
    try:
        return await asyncio.shield(asked)
    except asyncio.CancelledError:
        with suppress(HarkError):
            await bot.hang_up((await asked).id)
        raise


async def _cancel(tasks: set[asyncio.Task[None]]) -> None:
    for task in list(tasks):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

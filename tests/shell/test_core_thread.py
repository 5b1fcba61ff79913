"""The thread of a machine: order, deadlines, questions, crashes."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from hark.errors import StoreDamagedError
from hark.machine import Instant
from hark.runtime.clock import monotonic_now
from hark.runtime.core_thread import MAX_ROUND_ITEM_COUNT, CoreThread


class Echo:
    """Gives back what it is given; wants to be woken `alarm_s` after the first input."""

    def __init__(self, alarm_s: float | None = None) -> None:
        self.alarm_s = alarm_s
        self.alarm: Instant | None = None
        self.effects: list[str] = []
        self.closed = False

    def handle(self, item: str, now: Instant) -> None:
        if item == "crash":
            raise RuntimeError("a bug")
        self.effects.append(item)
        if self.alarm_s is not None:
            self.alarm = Instant(now + self.alarm_s)

    def handle_deadline(self, now: Instant) -> None:
        if self.alarm is not None and now >= self.alarm:
            self.alarm = None
            self.effects.append("woken")

    def deadline(self) -> Instant | None:
        return self.alarm

    def take_effects(self) -> list[str]:
        effects, self.effects = self.effects, []
        return effects


def opened(machine: Echo) -> Callable[[], AbstractContextManager[Echo]]:
    @contextmanager
    def manager() -> Iterator[Echo]:
        yield machine
        machine.closed = True

    return manager


class Owner:
    """Collects what comes out on the event loop."""

    def __init__(self, machine: Callable[[], AbstractContextManager[Echo]]) -> None:
        self.effects: list[str] = []
        self.threads: set[int] = set()
        self.woken = asyncio.Event()
        self.crash: asyncio.Future[BaseException] = asyncio.Future()
        self.core: CoreThread[str, str] = CoreThread(
            machine, perform=self.perform, on_crash=self.crash.set_result
        )

    def perform(self, effects: list[str]) -> None:
        self.threads.add(threading.get_ident())
        self.effects += effects
        if "woken" in effects:
            self.woken.set()


def test_core_thread_works_off_a_flood_in_order_and_closes_its_machine() -> None:
    machine = Echo()

    async def scenario() -> Owner:
        owner = Owner(opened(machine))
        await owner.core.start()
        for number in range(3 * MAX_ROUND_ITEM_COUNT + 7):
            owner.core.post(str(number))
        await owner.core.stop()
        await asyncio.sleep(0)
        return owner

    owner = asyncio.run(scenario())
    assert owner.effects == [str(number) for number in range(3 * MAX_ROUND_ITEM_COUNT + 7)]
    assert owner.threads == {threading.get_ident()}
    assert machine.closed


def test_core_thread_wakes_for_a_deadline_without_polling() -> None:
    async def scenario() -> tuple[Owner, float, float]:
        owner = Owner(opened(Echo(alarm_s=0.2)))
        await owner.core.start()
        owner.core.post("start")
        cpu_s, started = time.process_time(), monotonic_now()
        await asyncio.wait_for(owner.woken.wait(), 5)
        spent = time.process_time() - cpu_s, monotonic_now() - started
        await owner.core.stop()
        return owner, *spent

    owner, cpu_s, wall_s = asyncio.run(scenario())
    assert owner.effects == ["start", "woken"]
    assert 0.15 < wall_s < 5
    assert cpu_s < 0.1


def test_core_thread_answers_questions_and_keeps_their_errors_to_the_asker() -> None:
    def fail(machine: object, now: Instant) -> None:
        raise KeyError("mine")

    async def scenario() -> list[str]:
        owner = Owner(opened(Echo()))
        await owner.core.start()
        owner.core.post("one")
        deadline = owner.core.call(lambda machine, now: machine.deadline())
        assert await asyncio.wrap_future(deadline) is None
        with pytest.raises(KeyError):
            await asyncio.wrap_future(owner.core.call(fail))
        owner.core.post("two")
        await owner.core.stop()
        await asyncio.sleep(0)
        assert owner.core.call(lambda machine, now: None).cancelled()
        return owner.effects

    assert asyncio.run(scenario()) == ["one", "two"]


def test_core_thread_tells_its_program_when_the_machine_raises() -> None:
    async def scenario() -> BaseException:
        owner = Owner(opened(Echo()))
        await owner.core.start()
        owner.core.post("crash")
        waiting = owner.core.call(lambda machine, now: None)
        error = await asyncio.wait_for(owner.crash, 5)
        assert waiting.cancelled()
        return error

    assert str(asyncio.run(scenario())) == "a bug"


def test_core_thread_raises_what_opening_the_machine_raised() -> None:
    def damaged() -> AbstractContextManager[Echo]:
        raise StoreDamagedError("cut off")

    async def scenario() -> None:
        await Owner(damaged).core.start()

    with pytest.raises(StoreDamagedError):
        asyncio.run(scenario())

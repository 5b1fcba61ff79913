"""Power is lost before and after every single commit of a scripted conversation.

Invariant: whatever the moment, after the restart each text is shown exactly once, to its
recipient alone, and both sides end in *delivered*. The whole script is tried, every commit of
either side, before it and after it.
"""

from collections.abc import Callable
from functools import partial

import pytest

from hark.errors import DiskFullError
from hark.messaging.events import ContactStatus, MessageState
from hark_lab.sim.device_store import AFTER_COMMIT, BEFORE_COMMIT, Crash
from tests.unit.messaging.post_office import Person, World, quick


class Stormy(World):
    """A world in which one commit of one person ends in a power cut."""

    def __init__(self) -> None:
        super().__init__(config=quick())
        self.crashed = 0

    def arm(self, person: Person, commit: int, phase: str) -> None:
        left = commit

        def fault(moment: str) -> None:
            nonlocal left
            if moment == BEFORE_COMMIT:
                left -= 1
            if moment == phase and left == 0:
                left = -1
                raise Crash

        person.store.fault = fault

    def surviving(self, person: Person, action: Callable[[], object]) -> None:
        """Do something; when the power goes, the device starts again."""
        try:
            action()
        except Crash:
            self.crashed += 1
            person.restart()

    def step(self, person: Person) -> bool:
        moved = False

        def act() -> None:
            nonlocal moved
            moved = World.step(self, person)

        before = self.crashed
        self.surviving(person, act)
        return moved or self.crashed > before

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.run()
            self.now = type(self.now)(min(end, self.now + 20))
            for person in self.people:
                self.surviving(person, partial(person.machine.handle_deadline, self.now))
        self.run()

    def write(self, writer: Person, reader: Person, text: str) -> None:
        """Write as a person does: look whether it is there, and write again if not."""
        self.surviving(writer, lambda: writer.machine.send_text(reader.account, text, self.now))
        if text not in writer.texts(reader):
            writer.machine.send_text(reader.account, text, self.now)


def conversation(world: Stormy, alice: Person, bob: Person) -> None:
    """Invite, accept, write both ways, one side offline for a while, read."""
    links = []
    world.surviving(alice, lambda: links.append(alice.machine.invite(world.now)))
    link = links[0] if links else alice.machine.invite(world.now)
    world.run()
    world.surviving(bob, lambda: bob.machine.add(link, "alice", world.now))
    if not bob.machine.contacts():
        bob.machine.add(link, "alice", world.now)
    world.pass_time(60)
    world.write(alice, bob, "one")
    world.write(bob, alice, "two")
    world.run()
    world.write(alice, bob, "three")
    world.pass_time(60)
    world.surviving(bob, lambda: bob.machine.mark_read(alice.account, world.now))
    world.pass_time(3600)


def run(world: Stormy) -> tuple[Person, Person]:
    alice, bob = world.people
    conversation(world, alice, bob)
    return alice, bob


def prepared() -> Stormy:
    world = Stormy()
    world.person("alice")
    world.person("bob")
    return world


def commits() -> tuple[int, int]:
    world = prepared()
    before = [person.store.commit_count for person in world.people]
    run(world)
    after = [person.store.commit_count for person in world.people]
    return after[0] - before[0], after[1] - before[1]


COMMITS = commits()


@pytest.mark.parametrize("phase", [BEFORE_COMMIT, AFTER_COMMIT])
@pytest.mark.parametrize("who", [0, 1])
def test_a_power_cut_at_any_commit_loses_and_repeats_nothing(who: int, phase: str) -> None:
    for commit in range(1, COMMITS[who] + 1):
        world = prepared()
        world.arm(world.people[who], commit, phase)
        alice, bob = run(world)
        place = f"commit {commit} of {COMMITS[who]}, {phase}"
        assert world.crashed == 1, place
        for reader, writer, texts in (
            (bob, alice, ["one", "three"]),
            (alice, bob, ["two"]),
        ):
            assert reader.received(writer) == texts, place
            assert set(writer.states(reader)) <= {
                MessageState.DELIVERED,
                MessageState.READ,
            }, place
            (view,) = reader.machine.contacts()
            assert view.status is ContactStatus.ACCEPTED, place
        assert alice.texts(bob) == bob.texts(alice), place
        for person in (alice, bob):
            assert person.machine.diagnostics().quarantine_by_cause == {}, place
            assert person.machine.diagnostics().internal_errors == {}, place


def test_a_commit_that_fails_lets_nothing_out_and_changes_nothing() -> None:
    """A full disk is not a power cut: the same machine goes on, as if it had not been asked."""
    world = prepared()
    alice, bob = world.people
    world.befriend(alice, bob)
    full = True

    def fault(moment: str) -> None:
        if full and moment == BEFORE_COMMIT:
            raise DiskFullError

    alice.store.fault = fault
    with pytest.raises(DiskFullError):
        alice.machine.send_text(bob.account, "no room", world.now)
    assert alice.machine.take_effects() == []
    assert alice.texts(bob) == []
    full = False
    alice.machine.send_text(bob.account, "room again", world.now)
    world.pass_time(60)
    assert bob.texts(alice) == ["room again"]


def test_mail_that_could_not_be_stored_is_not_acknowledged_and_comes_again() -> None:
    world = prepared()
    alice, bob = world.people
    world.befriend(alice, bob)
    world.pass_time(60)
    bob.go_offline()
    alice.machine.send_text(bob.account, "wait for me", world.now)
    world.run()
    bob.go_online()

    def fault(moment: str) -> None:
        if moment == BEFORE_COMMIT:
            raise DiskFullError

    bob.machine.take_effects()
    bob.store.fault = fault
    world.acknowledged.clear()
    with pytest.raises(DiskFullError):
        world.deliver(bob)
    assert bob.machine.take_effects() == []
    bob.store.fault = None
    world.run()
    assert bob.texts(alice) == ["wait for me"]
    assert world.acknowledged

"""A copy of a store: whatever it does, no step of a ratchet is used a second time."""

import pytest

from hark.messaging.tables import SESSIONS_OF_DEVICE, SessionRow
from tests.unit.messaging.post_office import Person, World, quick


def settled() -> tuple[World, Person, Person]:
    world = World(config=quick())
    alice, bob = world.friends()
    alice.machine.send_text(bob.account, "hello", world.now)
    bob.machine.send_text(alice.account, "hello", world.now)
    world.pass_time(61)
    return world, alice, bob


def sessions(person: Person, contact: Person) -> dict[str, SessionRow]:
    with person.store.transaction() as t:
        rows = t.select(SESSIONS_OF_DEVICE, contact.account)
    return {row.session_id: row for row in rows}


def moved(before: dict[str, SessionRow], after: dict[str, SessionRow]) -> set[str]:
    """Return the sessions that were there before and have been used since."""
    return {name for name, row in before.items() if after[name].pickle != row.pickle}


@pytest.mark.claim("R-2")
def test_device_sends_on_no_session_of_an_earlier_start() -> None:
    world, alice, bob = settled()
    alice.machine.send_text(bob.account, "in the same start", world.now)
    before = sessions(alice, bob)
    alice.restart()
    world.run()
    alice.machine.send_text(bob.account, "after a start", world.now)
    world.run()
    after = sessions(alice, bob)
    assert moved(before, after) == set()
    assert len(after) == len(before) + 1
    assert "after a start" in [view.text for view in bob.machine.history(alice.account)]


@pytest.mark.claim("R-2")
def test_copy_and_original_send_on_different_sessions() -> None:
    world, alice, bob = settled()
    at_the_copy = sessions(alice, bob)
    copy = Person(world, "alice's copy", alice.store.copy())
    alice.machine.send_text(bob.account, "the original goes on", world.now)
    world.run()
    used_by_original = moved(at_the_copy, sessions(alice, bob))
    assert used_by_original
    # The worst case: nobody has refused the copy before it writes.
    copy.restart()
    world.run()
    copy.machine.send_text(bob.account, "so does the copy", world.now)
    world.run()
    assert moved(at_the_copy, sessions(copy, bob)) & used_by_original == set()


def test_peer_that_still_writes_on_an_old_session_is_read() -> None:
    world, alice, bob = settled()
    alice.restart()
    world.run()
    bob.machine.send_text(alice.account, "on the old one", world.now)
    world.run()
    assert "on the old one" in [view.text for view in alice.machine.history(bob.account)]

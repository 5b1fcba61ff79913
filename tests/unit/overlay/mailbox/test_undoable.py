import itertools

from hark.overlay.mailbox.undoable import UndoableDict

STEPS = ("set a", "set b", "pop a", "pop b", "commit", "rollback")


def test_every_order_of_five_steps_behaves_like_a_copied_dictionary() -> None:
    for order in itertools.product(STEPS, repeat=5):
        undoable: UndoableDict[str, int] = UndoableDict()
        present: dict[str, int] = {}
        committed: dict[str, int] = {}
        for number, step in enumerate(order):
            action, _, key = step.partition(" ")
            if action == "set":
                undoable.set(key, number)
                present[key] = number
            elif action == "pop":
                assert undoable.pop(key) == present.pop(key, None)
            elif action == "commit":
                undoable.commit()
                committed = dict(present)
            else:
                undoable.rollback()
                present = dict(committed)
            assert dict(undoable.items()) == present
            assert len(undoable) == len(present)
            assert set(undoable) == set(present)
            assert undoable.get("a") == present.get("a")

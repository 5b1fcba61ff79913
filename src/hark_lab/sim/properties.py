"""What must hold in every world once the weather is calm again.

Each function returns sentences about what does not hold; none means that all is well. They
look at the devices as a person would: at histories, states and contacts.
"""

from collections import Counter

from hark.messaging.events import MessageState
from hark.messaging.views import MessageKind, MessageView
from hark.wire.call import CallOutcome
from hark.wire.ids import AccountId
from hark_lab.sim.node import SimNode
from hark_lab.sim.world import Person, World

WHOLE_HISTORY = 100_000


def violations(world: World) -> list[str]:
    """Return everything that does not hold."""
    return [
        *lost_messages(world),
        *messages_shown_twice(world),
        *misdelivered_messages(world),
        *disordered_messages(world),
        *untrue_states(world),
        *leftovers(world),
    ]


def lost_messages(world: World) -> list[str]:
    """Nothing acknowledged is lost: what `send_text` returned for is at every device."""
    found = []
    for message in world.written:
        if message.message_id is None:
            continue
        for number, device in enumerate(message.reader.devices):
            if message.text not in _texts(device, message.writer.account):
                found.append(f"lost on the way to device {number}: {message.text}")
        if message.text not in _texts(message.device, message.reader.account):
            found.append(f"lost at its writer: {message.text}")
    return found


def messages_shown_twice(world: World) -> list[str]:
    """No message is in a history twice."""
    return [
        f"shown {count} times: {text}"
        for _, _, texts in _conversations(world)
        for text, count in Counter(texts).items()
        if count > 1
    ]


def misdelivered_messages(world: World) -> list[str]:
    """No text reaches another account or conversation than the one that it was written to."""
    found = []
    for owner, device, contact in _pairs(world):
        for view in _history(device, contact.account):
            ends = (owner, contact) if view.outgoing else (contact, owner)
            expected = f"{ends[0].name}."
            if not view.text.startswith(expected) or f" to {ends[1].name}: " not in view.text:
                found.append(f"{owner.name} has in the chat with {contact.name}: {view.text}")
    return found


def disordered_messages(world: World) -> list[str]:
    """In every history the messages of one device stand in the order of their writing."""
    found = []
    for owner, contact, texts in _conversations(world):
        newest: dict[str, int] = {}
        for text in texts:
            writer, _, number = text.rpartition(": ")
            if int(number) <= newest.get(writer, 0):
                found.append(f"out of order at {owner.name} with {contact.name}: {text}")
            newest[writer] = int(number)
    return found


def untrue_states(world: World) -> list[str]:
    """In the end every message that was sent is delivered or read, and says so."""
    return [
        f"{view.state.value} ({view.cause.value}) at {owner.name}: {view.text}"
        for owner, device, contact in _pairs(world)
        for view in _history(device, contact.account)
        if view.outgoing and view.state not in {MessageState.DELIVERED, MessageState.READ}
    ]


def leftovers(world: World) -> list[str]:
    """In the end no home holds mail, and no bug of ours was met."""
    found = [
        f"a supernode still holds {box.row.envelope_count} envelopes"
        for supernode in world.supernodes.values()
        for box in supernode.disk.boxes.values()
        if box.row.envelope_count
    ]
    for person in world.people:
        for device in person.devices:
            errors = device.ask(lambda messaging: messaging.diagnostics()).internal_errors
            found.extend(f"internal error at {person.name}: {name}" for name in errors)
    return found


def _pairs(world: World) -> list[tuple[Person, SimNode, Person]]:
    """Return every device with every contact of its owner."""
    by_account = {person.account: person for person in world.people}
    return [
        (owner, device, by_account[view.account_id])
        for owner in world.people
        for device in owner.devices
        for view in device.ask(lambda messaging: messaging.contacts())
        if view.account_id in by_account
    ]


def _conversations(world: World) -> list[tuple[Person, Person, list[str]]]:
    return [
        (owner, contact, [view.text for view in _history(device, contact.account)])
        for owner, device, contact in _pairs(world)
    ]


def _texts(device: SimNode, contact: AccountId) -> set[str]:
    return {view.text for view in _history(device, contact)}


def calls_shown_wrongly(world: World) -> list[str]:
    """A call stands once in a history, and is over in the end.

    For worlds whose devices have all been started since the last call: no call survives that.
    """
    found: list[str] = []
    for owner, device, contact in _pairs(world):
        views = _views(device, contact.account, MessageKind.CALL)
        where = f"at {owner.name} with {contact.name}"
        ids = Counter((view.message_id, view.outgoing) for view in views)
        found.extend(f"shown {count} times {where}" for count in ids.values() if count > 1)
        found.extend(
            f"not over {where}"
            for view in views
            if view.outcome in {CallOutcome.RINGING, CallOutcome.GOING_ON}
        )
    return found


def _history(device: SimNode, contact: AccountId) -> list[MessageView]:
    return _views(device, contact, MessageKind.TEXT)


def _views(device: SimNode, contact: AccountId, kind: MessageKind) -> list[MessageView]:
    views = device.ask(lambda messaging: messaging.history(contact, WHOLE_HISTORY))
    return [view for view in views if view.kind is kind]

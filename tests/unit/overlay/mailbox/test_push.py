"""Every order of puts, acks, attachments and crashes, against a model of four rules."""

import itertools
from dataclasses import dataclass, field

import pytest

from hark.errors import DiskFullError
from hark.overlay.mailbox.events import (
    Acked,
    Asked,
    Attach,
    Deliver,
    Detach,
    LinkRef,
    ServiceInput,
    ServiceOutput,
    Superseded,
)
from hark.overlay.mailbox.limits import MailboxLimits
from hark.wire.ids import MailboxId
from tests.unit.overlay.world import (
    INSTANCE,
    SENDER,
    Home,
    delivered,
    owner_key,
    put_by_token,
)

FIRST, SECOND = LinkRef(1), LinkRef(2)
WINDOW = 3
STEPS = ("put", "ack oldest", "ack all", "attach first", "attach second", "detach", "fail")


@dataclass
class Model:
    """What may be pushed: in order, once for each attachment, a window at a time."""

    held: list[int] = field(default_factory=list)
    """Numbers of the envelopes that the home holds."""
    link: LinkRef | None = None
    pushed_to: int = -1
    unacknowledged: list[int] = field(default_factory=list)

    def attach(self, link: LinkRef) -> None:
        if self.link != link:
            self.link, self.pushed_to, self.unacknowledged = link, -1, []

    def detach(self) -> None:
        self.link, self.unacknowledged = None, []

    def take_pushed(self, numbers: list[int]) -> None:
        """Check what was pushed in this step."""
        waiting = [number for number in self.held if number > self.pushed_to]
        # Rule 1: nothing is skipped, doubled or out of order; rule 2: only to an open link.
        assert numbers == waiting[: len(numbers)]
        assert self.link is not None or not numbers
        if numbers:
            self.pushed_to = numbers[-1]
            self.unacknowledged += numbers
        # Rule 3: never more than a window.
        assert len(self.unacknowledged) <= WINDOW
        # Rule 4: nothing waits while nothing is under way.
        if self.link is not None and not self.unacknowledged:
            assert not waiting[len(numbers) :]


class Trial:
    def __init__(self) -> None:
        limits = MailboxLimits(create_stamp_bits=0, push_window=WINDOW)
        self.home = Home(limits)
        self.box = self.home.create()
        self.model = Model()
        self.sequences: dict[int, int] = {}
        self.next_number = 0

    def step(self, step: str) -> None:
        outputs: list[ServiceOutput] = []
        match step.split():
            case ["put"]:
                outputs = self.put()
            case ["ack", which]:
                outputs = self.acknowledge(everything=which == "all")
            case ["attach", which]:
                link = FIRST if which == "first" else SECOND
                outputs = self.home.attach(self.box, link)
                superseded = [o.link for o in outputs if isinstance(o, Superseded)]
                other = self.model.link is not None and self.model.link != link
                assert superseded == ([self.model.link] if other else [])
                self.model.attach(link)
            case ["detach"]:
                if self.model.link is not None:
                    outputs = self.home.apply(Detach(self.model.link))
                self.model.detach()
            case ["fail"]:
                self.fail()
        for output in outputs:
            if isinstance(output, Deliver):
                assert output.link == self.model.link
                self.sequences[number_of(output.envelope)] = output.sequence
        self.model.take_pushed([number_of(envelope) for envelope in delivered(outputs)])

    def put(self) -> list[ServiceOutput]:
        number = self.next_number
        self.next_number += 1
        outputs = self.home.apply(asked_put(self.box, number))
        self.model.held.append(number)
        return outputs

    def acknowledge(self, *, everything: bool) -> list[ServiceOutput]:
        if self.model.link is None:
            return []
        count = len(self.model.unacknowledged) if everything else 1
        done = self.model.unacknowledged[:count]
        del self.model.unacknowledged[:count]
        for number in done:
            self.model.held.remove(number)
        sequences = [self.sequences[number] for number in done] or [999]
        return self.home.apply(Acked(self.model.link, self.box, sequences))

    def fail(self) -> None:
        """A batch with a put, an acknowledgement and a new link meets a full disk."""

        def full() -> None:
            raise DiskFullError("test")

        self.home.store.before_commit = full
        attach = Attach(LinkRef(3), self.box, owner_key(1).public.raw, 9, INSTANCE)
        outputs = self.home.apply(asked_put(self.box, 1000), attach)
        self.home.store.before_commit = lambda: None
        assert delivered(outputs) == []


def asked_put(box: MailboxId, number: int) -> ServiceInput:
    return Asked(SENDER, number, put_by_token(box, b"%d" % number))


def number_of(envelope: bytes) -> int:
    return int(envelope)


@pytest.mark.parametrize("first", STEPS)
def test_mail_is_never_skipped_nor_doubled_in_any_order_of_five_steps(first: str) -> None:
    for rest in itertools.product(STEPS, repeat=4):
        order = (first, *rest)
        # The two links are alike, and nothing is seen of a failure at the end.
        if order[-1] == "fail" or "attach second" in order[: _place(order, "attach first")]:
            continue
        trial = Trial()
        for step in order:
            trial.step(step)


def _place(order: tuple[str, ...], step: str) -> int:
    return order.index(step) if step in order else len(order)


def test_mail_is_never_skipped_nor_doubled_when_much_waits_before_the_link_comes() -> None:
    for rest in itertools.product(STEPS, repeat=4):
        trial = Trial()
        for step in ("put", "put", "put", "put", "attach first", *rest):
            trial.step(step)


def test_everything_arrives_once_when_the_node_acknowledges_as_it_goes() -> None:
    trial = Trial()
    for _ in range(25):
        trial.step("put")
    trial.step("attach first")
    for _ in range(30):
        trial.step("ack oldest")
    assert trial.model.held == []
    assert trial.model.pushed_to == 24


def test_window_is_bounded_in_bytes_but_one_envelope_always_goes() -> None:
    home = Home(MailboxLimits(create_stamp_bits=0, push_window_bytes=1000))
    box = home.create()
    for number in range(5):
        home.put(box, bytes([number]) * 450)
    home.put(box, bytes(5000))
    outputs = home.attach(box)
    sizes = []
    while pushed := [output for output in outputs if isinstance(output, Deliver)]:
        sizes.append([len(output.envelope) for output in pushed])
        outputs = home.apply(Acked(FIRST, box, [output.sequence for output in pushed]))
    assert sizes == [[450, 450], [450, 450], [450], [5000]]


def test_new_mail_waits_behind_mail_that_is_held_already() -> None:
    home = Home(MailboxLimits(create_stamp_bits=0, push_window=1))
    box = home.create()
    home.attach(box)
    first = home.apply(asked_put(box, 1))
    assert delivered(first) == [b"1"]
    assert delivered(home.apply(asked_put(box, 2))) == []
    sequence = next(output.sequence for output in first if isinstance(output, Deliver))
    # The acknowledgement and a third envelope in one batch: the second one goes first.
    outputs = home.apply(Acked(FIRST, box, [sequence]), asked_put(box, 3))
    assert delivered(outputs) == [b"2"]


def test_envelope_says_how_long_it_has_been_held() -> None:
    home = Home(MailboxLimits(create_stamp_bits=0))
    box = home.create()
    home.put(box, b"1")
    home.later(ms=61_000)
    (deliver,) = (output for output in home.attach(box) if isinstance(output, Deliver))
    assert deliver.held_ms == 61_000

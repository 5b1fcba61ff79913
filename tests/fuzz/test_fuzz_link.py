"""Fuzz targets of link and mailbox. Each states its invariant in its first sentence."""

from dataclasses import replace
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hark.errors import DiskFullError
from hark.machine import Instant
from hark.overlay.link.client import LinkState
from hark.overlay.link.events import (
    AnswerArrived,
    AskFailed,
    CloseTransport,
    FrameReceived,
    LinkDown,
    LinkUp,
    MailArrived,
    OpenTransport,
    SendFrame,
    TransportLost,
    TransportOpened,
)
from hark.overlay.link.server import LinkServer, LinkServerShared, ServerEffect
from hark.overlay.mailbox.events import (
    Acked,
    Answered,
    Asked,
    Attach,
    Attached,
    Deliver,
    Detach,
    LinkRef,
    LiveAnswered,
    LiveAsked,
    ServiceInput,
)
from hark.wire import link as wire
from hark.wire.codec import encode
from hark.wire.ids import MailboxId
from hark.wire.mailbox import GetChallenge
from tests.unit.overlay.damage import (
    BOX,
    boxes,
    damaged,
    envelopes,
    node_frames,
    requests,
    supernode_frames,
    tokens,
)
from tests.unit.overlay.world import (
    A_LINK,
    CERTIFICATE,
    CERTIFICATE_HASH,
    INSTANCE,
    OTHER_CERTIFICATE,
    START_UNIX_MS,
    Home,
    client_up,
    new_client,
    owner_key,
)

NONCE = Random(1).randbytes(32)
"""The nonce that a server with this randomness names in its hello."""
START = Instant(0.0)


def serve(frames: list[bytes]) -> list[list[ServerEffect]]:
    """Feed frames to a new link, and return the effects of each."""
    shared = LinkServerShared(CERTIFICATE_HASH, random_bytes=Random(1).randbytes)
    server = LinkServer(A_LINK, shared, START, START_UNIX_MS)
    server.take_effects()
    effects = []
    for frame in frames:
        server.receive_frame(frame, START)
        effects.append(server.take_effects())
    return effects


@given(st.lists(st.one_of(damaged(node_frames(NONCE)), st.binary(max_size=60)), max_size=12))
def test_whatever_a_node_sends_the_server_answers_by_effects_alone(
    frames: list[bytes],
) -> None:
    """It never raises, and nothing but the detachment follows its goodbye."""
    every = serve(frames)
    ended = False
    for effects in every:
        if ended:
            assert effects == []
        for place, effect in enumerate(effects):
            if isinstance(effect, SendFrame):
                wire.SUPERNODE_FRAME_PARSER.parse(effect.frame)
            if effect == CloseTransport():
                ended = True
                assert place == len(effects) - 1
    flat = [effect for effects in every for effect in effects]
    assert sum(isinstance(effect, Detach) for effect in flat) <= 1
    if ended and any(isinstance(effect, Asked | Attach | LiveAsked) for effect in flat):
        assert any(isinstance(effect, Detach) for effect in flat)


@given(node_frames(NONCE).map(encode), st.data())
def test_a_login_that_was_damaged_attaches_nothing_else_than_it_said(
    frame: bytes, data: st.DataObject
) -> None:
    """An `Attach` comes only from a login whose owner key signed exactly its fields."""
    place = data.draw(st.integers(0, len(frame) - 1))
    bit = data.draw(st.integers(0, 7))
    changed = bytearray(frame)
    changed[place] ^= 1 << bit
    for effects in serve([bytes(changed)]):
        assert not any(isinstance(effect, Attach) for effect in effects)


CERTIFICATES = st.sampled_from([OTHER_CERTIFICATE, b"", CERTIFICATE[:-1], CERTIFICATE])


@given(
    CERTIFICATES,
    st.lists(st.one_of(damaged(supernode_frames()), st.binary(max_size=60)), max_size=12),
    st.booleans(),
)
@pytest.mark.claim("A-1")
def test_nothing_is_sent_before_the_pin_holds(
    certificate: bytes, frames: list[bytes], early: bool
) -> None:
    """A client sends a frame only after the pinned certificate and a valid hello were seen."""
    client = new_client()
    client.log_in(BOX, owner_key(1), 1, INSTANCE, START)
    client.start(START)
    if early:
        for frame in frames:
            client.handle(FrameReceived(frame), START)
    client.handle(TransportOpened(certificate), START)
    client.ask(GetChallenge(BOX), START)
    assert not any(isinstance(effect, SendFrame) for effect in client.take_effects())
    for frame in frames:
        client.handle(FrameReceived(frame), START)
        effects = client.take_effects()
        if certificate != CERTIFICATE:
            assert effects == []
        if any(isinstance(effect, SendFrame) for effect in effects):
            assert certificate == CERTIFICATE


@given(
    st.lists(
        st.one_of(
            damaged(supernode_frames()), st.binary(max_size=60), st.none(), st.just(b"ask")
        ),
        max_size=20,
    )
)
def test_whatever_a_supernode_sends_the_client_answers_by_effects_alone(
    steps: list[bytes | None],
) -> None:
    """It never raises, every ask has one outcome, and mail comes for open mailboxes only."""
    client = client_up()
    client.log_in(BOX, owner_key(1), 1, INSTANCE, START)
    asked: set[int] = set()
    open_boxes: set[bytes] = set()
    up = True
    for number, step in enumerate(steps):
        now = Instant(float(number))
        if step is None:
            client.handle_deadline(now)
        elif step == b"ask":
            asked.add(client.ask(GetChallenge(BOX), now))
        else:
            client.handle(FrameReceived(step), now)
        for effect in client.take_effects():
            match effect:
                case SendFrame(frame):
                    wire.NODE_FRAME_PARSER.parse(frame)
                case AnswerArrived(request_id) | AskFailed(request_id):
                    asked.remove(request_id)
                case MailArrived(mailbox):
                    assert up
                    assert mailbox == BOX
                case LinkDown():
                    up = False
                    open_boxes.clear()
                case LinkUp() | OpenTransport():
                    up = True
                case _:
                    pass
    client.handle(TransportLost("end"), Instant(100.0))
    outcomes = [effect for effect in client.take_effects() if isinstance(effect, AskFailed)]
    assert {effect.request_id for effect in outcomes} == asked
    assert client.state is not LinkState.UP


links = st.integers(1, 3).map(LinkRef)
inputs: st.SearchStrategy[ServiceInput] = st.one_of(
    st.builds(
        Attach,
        links,
        boxes,
        st.sampled_from([owner_key(number).public.raw for number in (1, 2)]),
        st.integers(0, 3),
        st.sampled_from([INSTANCE, bytes(range(16))]),
    ),
    st.builds(Detach, links),
    st.builds(Asked, links, st.integers(1, 9), requests(boxes)),
    st.builds(Acked, links, boxes, st.lists(st.integers(1, 30), min_size=1, max_size=5)),
    st.builds(LiveAsked, links, st.integers(1, 9), boxes, tokens, envelopes),
)


@given(st.lists(st.lists(inputs, max_size=8), max_size=8), st.integers(0, 8))
def test_whatever_links_ask_the_service_never_raises_and_owes_nobody_an_answer(
    batches: list[list[ServiceInput]], failing: int
) -> None:
    """Every ask, live ask and attach has one outcome, in every batch, disk full or not."""
    home = Home()
    real = home.create()
    for number, batch in enumerate(batches):
        home.store.before_commit = _full if number == failing else _nothing
        items = [_aimed(item, real) for item in batch]
        outputs = home.apply(*items)
        expected = [
            (type(item).__name__, item.link)
            for item in items
            if isinstance(item, Asked | LiveAsked | Attach)
        ]
        outcomes = [
            (
                {"Answered": "Asked", "LiveAnswered": "LiveAsked", "Attached": "Attach"}[kind],
                link,
            )
            for kind, link in (
                (type(output).__name__, output.link)
                for output in outputs
                if isinstance(output, Answered | LiveAnswered | Attached)
            )
        ]
        assert outcomes == expected
        sequences = [output.sequence for output in outputs if isinstance(output, Deliver)]
        assert all(sequence > 0 for sequence in sequences)
        if number != failing:
            assert home.service.take_faults() == []
        home.service.take_faults()


def _aimed(item: ServiceInput, real: MailboxId) -> ServiceInput:
    """Aim what goes to the first test mailbox at the one that exists."""
    if isinstance(item, Attach | Acked | LiveAsked) and item.mailbox == BOX:
        return replace(item, mailbox=real)
    if isinstance(item, Asked) and getattr(item.request, "mailbox", None) == BOX:
        return replace(item, request=msgspec.structs.replace(item.request, mailbox=real))
    return item


def _nothing() -> None:
    return None


def _full() -> None:
    raise DiskFullError("test")

"""What workers and store say to each other comes out as it went in."""

import pytest

from hark.overlay.mailbox import events
from hark.overlay.mailbox.events import LinkRef, ServiceInput, ServiceOutput
from hark.supernode.worker_codec import (
    input_from_wire,
    input_to_wire,
    output_from_wire,
    output_to_wire,
)
from hark.wire import mailbox
from hark.wire.codec import encode
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import MailboxId
from hark.wire.worker import (
    INPUT_BATCH_PARSER,
    OUTPUT_BATCH_PARSER,
    InputBatch,
    OutputBatch,
    WorkerCounts,
    WorkerStarted,
)

LINK = LinkRef(3 << 32 | 17)
BOX = MailboxId(b"b" * 16)

INPUTS: list[ServiceInput] = [
    events.Attach(LINK, BOX, bytes(32), 5, b"i" * 16),
    events.Detach(LINK),
    events.Asked(LINK, 1, mailbox.Put(BOX, mailbox.DeliveryToken(b"t" * 16), b"sealed")),
    events.Asked(LINK, 2, mailbox.GetChallenge(BOX)),
    events.Acked(LINK, BOX, [1, 2, 2**53 - 1]),
    events.LiveAsked(LINK, 3, BOX, b"t" * 16, b"typing"),
]
OUTPUTS: list[ServiceOutput] = [
    events.Attached(LINK, BOX, ErrorCode.STORE_STALE, 4, 5),
    events.Superseded(LINK),
    events.Answered(LINK, 1, mailbox.Done()),
    events.Answered(LINK, 2, mailbox.Held(9, 2, 1, [bytes(32)], bytes(64))),
    events.Deliver(LINK, BOX, 8, 9, b"sealed"),
    events.LiveAnswered(LINK, 3, passed=True),
    events.LiveDelivered(LINK, BOX, b"typing"),
    events.PrekeysRunLow(LINK, BOX, 7),
]


def test_batch_of_all_inputs_comes_out_as_it_went_in() -> None:
    data = encode(InputBatch([input_to_wire(item) for item in INPUTS]))
    items = INPUT_BATCH_PARSER.parse(data).items
    came = [
        input_from_wire(item)
        for item in items
        if not isinstance(item, WorkerStarted | WorkerCounts)
    ]
    assert came == INPUTS


def test_batch_of_all_outputs_comes_out_as_it_went_in() -> None:
    data = encode(OutputBatch(6, [output_to_wire(item) for item in OUTPUTS]))
    batch = OUTPUT_BATCH_PARSER.parse(data)
    assert batch.taken_count == 6
    assert [output_from_wire(item) for item in batch.items] == OUTPUTS


@pytest.mark.parametrize("kinds", [INPUTS, OUTPUTS])
def test_cases_above_cover_every_kind_of_event(kinds: list[object]) -> None:
    union = ServiceInput if kinds is INPUTS else ServiceOutput
    assert {type(item) for item in kinds} == set(union.__args__)

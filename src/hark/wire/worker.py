"""What the workers of one supernode and its store process say to each other.

Both ends are the same program on the same machine, over a Unix socket in a private folder;
frames as on a link (`hark.runtime.framing`), each a whole batch. The messages mirror the
events of `hark.overlay.mailbox.events`, where their meaning is stated. This is no public
protocol: it may change with any version, and the two ends never differ in version.
"""

from hark.wire.codec import JsonParser, Message, Parser, Record
from hark.wire.mailbox import (
    U8,
    U32,
    U53,
    Bytes16,
    Bytes32,
    Envelope,
    MailboxAnswer,
    MailboxRequest,
)

MAX_BATCH_BYTES = 64 * 1024 * 1024
"""Largest batch. A batch is cut at a few megabytes by its sender; this only stops nonsense."""

LinkNumber = U53


class WorkerAttach(Message, tag=1):
    """`Attach`."""

    link: LinkNumber
    mailbox: Bytes16
    owner_key: Bytes32
    generation: U53
    instance: Bytes16


class WorkerDetach(Message, tag=2):
    """`Detach`."""

    link: LinkNumber


class WorkerAsked(Message, tag=3):
    """`Asked`."""

    link: LinkNumber
    request_id: U32
    request: MailboxRequest


class WorkerAcked(Message, tag=4):
    """`Acked`."""

    link: LinkNumber
    mailbox: Bytes16
    sequences: list[U53]


class WorkerLiveAsked(Message, tag=5):
    """`LiveAsked`."""

    link: LinkNumber
    request_id: U32
    mailbox: Bytes16
    token: Bytes16
    envelope: Envelope


class WorkerStarted(Message, tag=6):
    """A worker's first message: it listens."""

    pid: U53


class WorkerCounts(Message, tag=7):
    """A worker's counters since it started, for the metrics of the whole supernode."""

    values: dict[str, U53]


WorkerInput = (
    WorkerAttach
    | WorkerDetach
    | WorkerAsked
    | WorkerAcked
    | WorkerLiveAsked
    | WorkerStarted
    | WorkerCounts
)


class WorkerAttached(Message, tag=1):
    """`Attached`."""

    link: LinkNumber
    mailbox: Bytes16
    code: U8
    prekey_count: U32
    retry_after_ms: U32


class WorkerSuperseded(Message, tag=2):
    """`Superseded`."""

    link: LinkNumber


class WorkerAnswered(Message, tag=3):
    """`Answered`."""

    link: LinkNumber
    request_id: U32
    answer: MailboxAnswer


class WorkerDeliver(Message, tag=4):
    """`Deliver`."""

    link: LinkNumber
    mailbox: Bytes16
    sequence: U53
    held_ms: U53
    envelope: Envelope


class WorkerLiveAnswered(Message, tag=5):
    """`LiveAnswered`."""

    link: LinkNumber
    request_id: U32
    passed: bool


class WorkerLiveDelivered(Message, tag=6):
    """`LiveDelivered`."""

    link: LinkNumber
    mailbox: Bytes16
    envelope: Envelope


class WorkerPrekeysRunLow(Message, tag=7):
    """`PrekeysRunLow`."""

    link: LinkNumber
    mailbox: Bytes16
    prekey_count: U32


WorkerOutput = (
    WorkerAttached
    | WorkerSuperseded
    | WorkerAnswered
    | WorkerDeliver
    | WorkerLiveAnswered
    | WorkerLiveDelivered
    | WorkerPrekeysRunLow
)


class WorkerSettings(Record):
    """What a worker process is started with (JSON, on its command line)."""

    worker_index: int
    parent_pid: int
    store_descriptor: int
    """Its end of the socket pair to the store process."""
    data_dir: str
    """Where the node key and certificate lie."""
    host: str
    port: int
    links_per_s: float
    burst_count: int
    max_link_count: int


class InputBatch(Message):
    """From a worker."""

    items: list[WorkerInput]


class OutputBatch(Message):
    """To a worker."""

    taken_count: U32
    """How many inputs of this worker these outputs follow from. Lets a worker know how much
    of what it sent is still waiting."""
    items: list[WorkerOutput]


INPUT_BATCH_PARSER: Parser[InputBatch] = Parser(InputBatch)
OUTPUT_BATCH_PARSER: Parser[OutputBatch] = Parser(OutputBatch)
SETTINGS_PARSER: JsonParser[WorkerSettings] = JsonParser(WorkerSettings)

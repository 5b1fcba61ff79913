"""The JSON objects of the control contract (spec/control.md): what faces and bots see.

Ids are text here: an account as `hark1…`, a message id as 32 hexadecimal digits. Times are
`_unix_ms`. Unknown fields in a request are refused; an answer may gain fields in a later
minor version, so clients built on other parsers must ignore what they do not know.
"""

from typing import Annotated, Literal

from hark.wire.codec import Meta, Record
from hark.wire.sound import MAX_VOICEMAIL_BYTES, OPUS_PACKET_BYTES
from hark.wire.text import MAX_TEXT_CHARS

CONTROL_VERSION = 1
"""Major version of the contract; part of every path (`/v1/…`)."""
MAX_NAME_CHARS = 64
MAX_HISTORY = 1_000
"""Messages in one page of history."""

MessageIdText = Annotated[str, Meta(min_length=32, max_length=32)]
CallIdText = Annotated[str, Meta(min_length=32, max_length=32)]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS)]
Text = Annotated[str, Meta(min_length=1, max_length=4 * MAX_TEXT_CHARS)]
"""A text beyond `MAX_TEXT_CHARS` parses, so that it can be refused as what it is: too long."""


class HomeState(Record):
    """One of our homes."""

    address: str
    """`NODEID@host:port`."""
    connected: bool
    attached: bool
    """Whether both mailboxes there are made and logged in to."""
    reason: str
    """Why it is not connected, for a person; empty otherwise."""


class Account(Record):
    """Our own account."""

    account: str
    name: str
    device: str
    """32 hexadecimal digits."""
    epoch: int
    chain_seq: int
    homes: list[HomeState]
    link: str
    """The address link that others can ask for contact with (no invitation)."""


class Contact(Record):
    """A person that we know."""

    account: str
    name: str
    status: str
    """invited · requested · accepted · blocked."""
    trust: str
    """unverified · verified · new_epoch · frozen."""
    safety_number: str
    """60 digits; empty while the contact's keys are not known."""
    devices: int
    unread: int
    last_unix_ms: int
    """Time of the newest message; 0 when there is none."""
    wants_call: bool = False
    """For `requested`: whether this person would like to call."""


class Message(Record):
    """One message of a conversation."""

    id: str
    contact: str
    outgoing: bool
    text: str
    sent_unix_ms: int
    order: int
    """Place in the conversation: grows, the same on both sides for one sender."""
    state: str
    """waiting · held · delivered · read · expired; `received` for the other side's, `noted` for
    a call."""
    held_by: int
    """Homes that hold it."""
    cause: str
    """Why it waits, as a word of the list in spec/control.md#causes; `none` otherwise."""
    unread: bool = False
    """Whether it is theirs and has not been seen (`ReadRequest`)."""
    kind: str = "text"
    """text · call · voicemail · unknown (of a newer hark)."""
    outcome: str = ""
    """For `call`: going_on · ringing · answered · missed · declined · busy · cancelled ·
    elsewhere · failed · interrupted."""
    duration_ms: int = 0
    """For `call`: from answer to end; for `voicemail`: how long it is."""


class CallPath(Record):
    """How the media of a call goes."""

    kind: str
    """direct · relayed."""
    relay: str
    """Host of the relay; empty for a direct path."""
    nat: str
    """none · unknown: what stands between the two ends, as far as the path shows it."""
    address_shown: bool
    """Whether the other end sees an address of ours."""
    address_seen: bool
    """Whether we see an address of the other end."""


class CallQuality(Record):
    """How a call does; renewed every two seconds."""

    round_trip_ms: float
    """-1 while it is not known."""
    loss_sent: float
    """Share of what we sent lately that did not arrive, 0..1; -1 while not known."""
    loss_received: float
    """Share of what was sent to us lately that did not arrive, 0..1."""
    jitter_ms: float
    frames_played: int
    frames_concealed: int
    """Played without having arrived."""
    frames_refused: int
    """Arrived and refused: replayed, damaged, or sealed under no key of this call."""


class Call(Record):
    """A call as it is now (spec/control.md#calls)."""

    id: str
    """32 hexadecimal digits; also the id of the call's message in the history."""
    contact: str
    contact_name: str
    outgoing: bool
    state: str
    """opening · calling · ringing · incoming · answering · connecting · active ·
    reconnecting · ended."""
    reason: str
    """For `ended`: hung_up · cancelled · declined · busy · no_answer · elsewhere · glare ·
    failed · lost · refused · unknown_call · no_path; empty otherwise."""
    by_peer: bool
    """For `ended`: whether the other side ended it."""
    refusal: str
    """For `ended` with `refused`: what was wrong, as a word of the list in
    spec/control.md#refusals; empty otherwise."""
    path: CallPath | None
    sas: list[str]
    """Seven emoji with their names, as `🐶 Dog`, to compare; empty while they are checked."""
    heard: bool
    """Whether anything of the other end has been played."""
    muted: bool
    held: bool
    recording: bool
    """Whether we record; the other side has been told."""
    peer_muted: bool
    peer_held: bool
    peer_recording: bool
    quality: CallQuality | None
    redials: int
    duration_ms: int
    """Since the answer; 0 before."""


class CallRequest(Record):
    """Call a contact."""

    contact: Annotated[str, Meta(min_length=1, max_length=200)]
    recording: bool = False
    """Whether we record from the start; the other side is told."""


class AnswerRequest(Record):
    """Take a call."""

    call: CallIdText
    recording: bool = False


class CallIdRequest(Record):
    """Name a call."""

    call: CallIdText


class CallSwitchRequest(Record):
    """Change how we take part in a call; what is left out stays as it is."""

    call: CallIdText
    muted: bool | None = None
    held: bool | None = None
    recording: bool | None = None


class CallLimitRequest(Record):
    """How many calls this node takes at once; one more is *busy*. One, unless a bot asks."""

    calls: Annotated[int, Meta(ge=1, le=50)]


class VoicemailRequest(Record):
    """Leave a spoken message."""

    contact: Annotated[str, Meta(min_length=1, max_length=200)]
    packets: Annotated[
        bytes, Meta(min_length=OPUS_PACKET_BYTES, max_length=MAX_VOICEMAIL_BYTES)
    ]
    """Opus packets of 20 ms and 80 bytes, one after the other (base64)."""


class Voicemail(Record):
    """A spoken message."""

    message: Message
    packets: bytes
    """As in `VoicemailRequest`."""


class Privacy(Record):
    """What others may learn about us."""

    hide_address: bool
    """Whether contacts too are kept from seeing our address: calls then need a relay."""


class Invitation(Record):
    """An invitation that can be used once."""

    link: str
    expires_unix_ms: int


class InviteRequest(Record):
    """Make an invitation."""


class AddRequest(Record):
    """Add a contact by a link."""

    link: Annotated[str, Meta(max_length=1_024)]
    name: Name


class ContactRequest(Record):
    """Name a contact: by its name or its `hark1…` account id."""

    contact: Annotated[str, Meta(min_length=1, max_length=200)]


class VerifyRequest(Record):
    """Say that the person has compared the safety number with a contact."""

    contact: Annotated[str, Meta(min_length=1, max_length=200)]
    safety_number: Annotated[str, Meta(max_length=60)] = ""
    """The 60 digits that were compared: refused if they have changed since they were shown.
    Empty: those of this moment, whatever they are."""


class RenameRequest(Record):
    """Give a contact another name (kept on this device only)."""

    contact: Annotated[str, Meta(min_length=1, max_length=200)]
    name: Name


class ReadRequest(Record):
    """Say that the person has seen messages of a conversation."""

    contact: Annotated[str, Meta(min_length=1, max_length=200)]
    messages: Annotated[tuple[MessageIdText, ...], Meta(max_length=MAX_HISTORY)] = ()
    """Ids of the messages that were seen; empty: all that there are."""


class SendRequest(Record):
    """Send one text."""

    contact: Annotated[str, Meta(min_length=1, max_length=200)]
    text: Text


class Sent(Record):
    """The message is safe on this device."""

    id: str
    contact: str


class ChatRequest(Record):
    """Say whether the conversation is open before a person (receipts at once, typing)."""

    contact: Annotated[str, Meta(min_length=1, max_length=200)]
    open: bool


class StopRequest(Record):
    """Stop the node."""


class Done(Record):
    """It has been done; there is nothing to tell."""


class Check(Record):
    """One line of the doctor."""

    name: str
    ok: bool
    sentence: str
    """What was found, and what to do when it is not well."""


class Diagnosis(Record):
    """What the doctor found."""

    checks: list[Check]


class Status(Record):
    """The running node."""

    version: str
    control_version: int
    pid: int
    profile: str
    data_dir: str
    started_unix_ms: int


class Problem(Record):
    """Why a request failed (HTTP status >= 400)."""

    error: str
    """Class name in the error tree."""
    sentence: str
    """What happened, what it means, what to do."""
    detail: str
    """The particulars of this case; may be empty."""
    exit_code: int
    code: int = 0
    """For `RefusedError`: the error code of `spec/registry.toml`; 0 otherwise."""
    retry_after_ms: int = 0
    """How long to wait before asking again, in milliseconds; 0 when not said."""


EventKind = Literal[
    "message",
    "state",
    "contact",
    "typing",
    "presence",
    "home",
    "call",
    "store_overtaken",
    "gap",
]


class Event(Record):
    """One event of the stream. `gap`: events were lost, ask for the present state."""

    seq: int
    """Grows by one; a reconnecting client names the last it has seen."""
    kind: EventKind
    contact: str = ""
    message: Message | None = None
    """For `message` and `state`: the message as it is now."""
    change: str = ""
    """For `contact`: what changed (spec/control.md#contact-changes)."""
    call: Call | None = None
    """For `call`: the call as it is now."""
    connected: bool = False
    """For `home`."""
    reason: str = ""

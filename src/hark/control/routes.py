"""The requests of the control contract as a table: where each goes and what it takes and gives.

Each constant is called as the method of `hark.control.service.NodeService` that answers. The
ASGI app serves this table, the clients call it, and a test compares it with
spec/control.md#requests. Reading is GET, changing is POST with a JSON object.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from hark.control import schema
from hark.wire.codec import JsonParser, Record

TakenT = TypeVar("TakenT", bound=Record)
GivenT = TypeVar("GivenT")

MAX_BODY_BYTES = 256 * 1024
"""Largest request body: the longest text, each character escaped as 12 bytes, and room."""
MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""Largest answer that a client reads: a page of history of 1,000 of the longest texts."""
EVENTS_PATH = "/v1/events"
"""`WebSocket /v1/events?after=SEQ&run=RUN`."""
CALL_SOUND_PATH = "/v1/calls/{call}/sound"
"""`WebSocket`: the sound of a call, both ways, in binary messages of one frame each."""
RUN_HEADER = "hark-run"
"""In the answer to the WebSocket handshake: names the run of the node whose numbers follow."""


@dataclass(frozen=True)
class Ask(Generic[GivenT]):
    """A request without a body (GET)."""

    path: str
    """May hold one `{parameter}`."""
    gives: JsonParser[GivenT]
    given_type: str
    """Name of what it gives, as spec/control.md writes it."""


@dataclass(frozen=True)
class Order(Generic[TakenT, GivenT]):
    """A request with a JSON object as body (POST)."""

    path: str
    takes: type[TakenT]
    gives: JsonParser[GivenT]
    given_type: str


def _ask(path: str, gives: type[GivenT]) -> Ask[GivenT]:
    return Ask(path, JsonParser(gives), gives.__name__)


def _order(path: str, takes: type[TakenT], gives: type[GivenT]) -> Order[TakenT, GivenT]:
    return Order(path, takes, JsonParser(gives), gives.__name__)


def _ask_list(path: str, item: type[GivenT]) -> Ask[list[GivenT]]:
    return Ask(path, JsonParser(list[item]), f"list of {item.__name__}")  # type: ignore[valid-type]


STATUS = _ask("/v1/status", schema.Status)
WHOAMI = _ask("/v1/account", schema.Account)
CONTACTS = _ask_list("/v1/contacts", schema.Contact)
MESSAGE = _ask("/v1/messages/{message_id}", schema.Message)
HISTORY = _ask_list("/v1/history", schema.Message)
DIAGNOSE = _ask("/v1/diagnosis", schema.Diagnosis)
CALLS = _ask_list("/v1/calls", schema.Call)
VOICEMAIL = _ask("/v1/voicemails/{message_id}", schema.Voicemail)
PRIVACY = _ask("/v1/privacy", schema.Privacy)

INVITE = _order("/v1/invitations", schema.InviteRequest, schema.Invitation)
ADD = _order("/v1/contacts", schema.AddRequest, schema.Contact)
ACCEPT = _order("/v1/contacts/accept", schema.ContactRequest, schema.Contact)
BLOCK = _order("/v1/contacts/block", schema.ContactRequest, schema.Contact)
VERIFY = _order("/v1/contacts/verify", schema.VerifyRequest, schema.Contact)
RENAME = _order("/v1/contacts/rename", schema.RenameRequest, schema.Contact)
SEND = _order("/v1/messages", schema.SendRequest, schema.Sent)
READ = _order("/v1/read", schema.ReadRequest, schema.Done)
CHAT = _order("/v1/chat", schema.ChatRequest, schema.Done)
TYPING = _order("/v1/typing", schema.ContactRequest, schema.Done)
PLACE_CALL = _order("/v1/calls", schema.CallRequest, schema.Call)
ANSWER_CALL = _order("/v1/calls/answer", schema.AnswerRequest, schema.Call)
DECLINE_CALL = _order("/v1/calls/decline", schema.CallIdRequest, schema.Call)
HANG_UP = _order("/v1/calls/hangup", schema.CallIdRequest, schema.Call)
SWITCH_CALL = _order("/v1/calls/switch", schema.CallSwitchRequest, schema.Call)
CALL_LIMIT = _order("/v1/calls/limit", schema.CallLimitRequest, schema.Done)
LEAVE_VOICEMAIL = _order("/v1/voicemails", schema.VoicemailRequest, schema.Sent)
SET_PRIVACY = _order("/v1/privacy", schema.Privacy, schema.Privacy)
STOP = _order("/v1/stop", schema.StopRequest, schema.Done)

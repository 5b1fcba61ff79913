"""The control contract for programs that wait: one method per request (spec/control.md).

Built on the standard library, so that a command that asks one question starts quickly; only
`events` loads the WebSocket library. Every `Problem` is raised as the error that the node
raised.
"""

import http.client
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, urlencode

from hark.control import routes, schema
from hark.control.local_socket import connect
from hark.control.problems import error_of
from hark.errors import (
    ConfigurationError,
    HarkError,
    MalformedError,
    NodeNotRunningError,
    UnknownContactError,
)
from hark.wire.codec import JsonParser, Record, encode_json

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

TakenT = TypeVar("TakenT", bound=Record)
GivenT = TypeVar("GivenT")

ANSWER_TIMEOUT_S = 30.0
"""How long the node may take to answer, in seconds. It answers from its own store; only adding
a contact and the doctor ask the network, within bounds of their own."""
MAX_EVENT_BYTES = 1024 * 1024
"""Largest event: one message of the longest text, escaped."""

_EVENT: JsonParser[schema.Event] = JsonParser(schema.Event)
_PROBLEM: JsonParser[schema.Problem] = JsonParser(schema.Problem)


class Client:
    """Asks one node. Makes a connection for each request, so it may be kept for long.

    Every method raises what the node raised, and besides:

    - `NodeNotRunningError`: no node listens on the socket, or it stopped before it answered;
    - `ConfigurationError`: the node is of another version than this program.

    Args:
        socket_path: of the node's control socket.
        timeout_s: how long one request may take, in seconds.
    """

    def __init__(self, socket_path: Path, *, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        self._socket_path = socket_path
        self._timeout_s = timeout_s

    def status(self) -> schema.Status:
        """Describe the running node."""
        return self._ask(routes.STATUS)

    def whoami(self) -> schema.Account:
        """Describe our own account."""
        return self._ask(routes.WHOAMI)

    def contacts(self) -> list[schema.Contact]:
        """List contacts and requests, by name."""
        return self._ask(routes.CONTACTS)

    def contact(self, name: str) -> schema.Contact:
        """Return the contact of this name or account id.

        Raises:
            UnknownContactError: there is none.
        """
        return find_contact(self.contacts(), name)

    def invite(self) -> schema.Invitation:
        """Make an invitation."""
        return self._order(routes.INVITE, schema.InviteRequest())

    def add(self, link: str, name: str) -> schema.Contact:
        """Add a contact by its link."""
        return self._order(routes.ADD, schema.AddRequest(link=link, name=name))

    def accept(self, contact: str) -> schema.Contact:
        """Accept a stranger's request."""
        return self._order(routes.ACCEPT, schema.ContactRequest(contact=contact))

    def block(self, contact: str) -> schema.Contact:
        """Block a contact or a stranger."""
        return self._order(routes.BLOCK, schema.ContactRequest(contact=contact))

    def verify(self, contact: str, safety_number: str = "") -> schema.Contact:
        """Note that the person has compared the safety number.

        Args:
            contact: name or account id.
            safety_number: what the person was shown; empty for whatever it is now.

        Raises:
            ContactUnverifiedError: it has changed since it was shown.
        """
        taken = schema.VerifyRequest(contact=contact, safety_number=safety_number)
        return self._order(routes.VERIFY, taken)

    def rename(self, contact: str, name: str) -> schema.Contact:
        """Give a contact another name."""
        return self._order(routes.RENAME, schema.RenameRequest(contact=contact, name=name))

    def send(self, contact: str, text: str) -> schema.Sent:
        """Send a text: durable on this device when this returns."""
        return self._order(routes.SEND, schema.SendRequest(contact=contact, text=text))

    def message(self, message_id: str) -> schema.Message:
        """Return one message."""
        return self._ask(routes.MESSAGE, message_id=message_id)

    def history(
        self,
        contact: str,
        *,
        limit: int = schema.MAX_HISTORY,
        before: str | None = None,
    ) -> list[schema.Message]:
        """Return a page of a conversation, oldest first.

        Args:
            contact: name or account id.
            limit: how many messages at most, 1..1000.
            before: id of a message: only those that stand before it; None: the newest page.
        """
        query = {"contact": contact, "limit": str(limit)}
        if before is not None:
            query["before"] = before
        return self._ask(routes.HISTORY, query)

    def read(self, contact: str, messages: Sequence[str] = ()) -> None:
        """Note that the person has seen these messages, 1,000 at most (none named: all)."""
        taken = schema.ReadRequest(contact=contact, messages=tuple(messages))
        self._order(routes.READ, taken)

    def chat(self, contact: str, *, is_open: bool) -> None:
        """Open or close a conversation before a person."""
        self._order(routes.CHAT, schema.ChatRequest(contact=contact, open=is_open))

    def typing(self, contact: str) -> None:
        """The person is writing."""
        self._order(routes.TYPING, schema.ContactRequest(contact=contact))

    def calls(self) -> list[schema.Call]:
        """List the calls of this moment, and those that ended within the last minute."""
        return self._ask(routes.CALLS)

    def place_call(self, contact: str, *, recording: bool = False) -> schema.Call:
        """Call a contact on all its devices.

        Raises:
            CallBusyError: there are as many calls as may be.
            ContactNotAcceptedError: the contact has not accepted us; it learns of the wish.
        """
        taken = schema.CallRequest(contact=contact, recording=recording)
        return self._order(routes.PLACE_CALL, taken)

    def answer_call(self, call_id: str, *, recording: bool = False) -> schema.Call:
        """Take a call that rings here."""
        taken = schema.AnswerRequest(call=call_id, recording=recording)
        return self._order(routes.ANSWER_CALL, taken)

    def decline_call(self, call_id: str) -> schema.Call:
        """Do not take a call; it stops ringing everywhere."""
        return self._order(routes.DECLINE_CALL, schema.CallIdRequest(call=call_id))

    def hang_up(self, call_id: str) -> schema.Call:
        """End a call, or give up calling."""
        return self._order(routes.HANG_UP, schema.CallIdRequest(call=call_id))

    def switch_call(
        self,
        call_id: str,
        *,
        muted: bool | None = None,
        held: bool | None = None,
        recording: bool | None = None,
    ) -> schema.Call:
        """Mute, hold, or say that we record; None leaves it as it is."""
        taken = schema.CallSwitchRequest(
            call=call_id, muted=muted, held=held, recording=recording
        )
        return self._order(routes.SWITCH_CALL, taken)

    def limit_calls(self, count: int) -> None:
        """Take so many calls at once, 1 to 50, until the node stops; one more is *busy*."""
        self._order(routes.CALL_LIMIT, schema.CallLimitRequest(calls=count))

    def leave_voicemail(self, contact: str, packets: bytes) -> schema.Sent:
        """Send a spoken message: durable on this device when this returns.

        Args:
            contact: name or account id.
            packets: Opus packets of 20 ms and 80 bytes, one after the other; 25 s at most.
        """
        taken = schema.VoicemailRequest(contact=contact, packets=packets)
        return self._order(routes.LEAVE_VOICEMAIL, taken)

    def voicemail(self, message_id: str) -> schema.Voicemail:
        """Return a spoken message with its sound."""
        return self._ask(routes.VOICEMAIL, message_id=message_id)

    def privacy(self) -> schema.Privacy:
        """Return what others may learn about us."""
        return self._ask(routes.PRIVACY)

    def set_privacy(self, *, hide_address: bool) -> schema.Privacy:
        """Say whether contacts too are kept from seeing our address."""
        return self._order(routes.SET_PRIVACY, schema.Privacy(hide_address=hide_address))

    def diagnose(self) -> schema.Diagnosis:
        """Check store, homes, keys, clock and quarantine."""
        return self._ask(routes.DIAGNOSE)

    def stop(self) -> None:
        """Stop the node."""
        self._order(routes.STOP, schema.StopRequest())

    @contextmanager
    def events(self) -> Iterator["EventStream"]:
        """Open the stream of events from now on.

        What happens after this has been entered is in the stream, so ask for the present state
        inside the `with`.
        """
        # Imported here: it costs more time than a whole `hark whoami`.
        from websockets.exceptions import WebSocketException  # noqa: PLC0415
        from websockets.sync.client import unix_connect  # noqa: PLC0415

        connection = connect(self._socket_path, timeout_s=self._timeout_s)
        try:
            websocket = unix_connect(
                sock=connection,
                uri=f"ws://hark{routes.EVENTS_PATH}",
                max_size=MAX_EVENT_BYTES,
                compression=None,
                ping_interval=None,
                proxy=None,
            )
        except (OSError, WebSocketException) as error:
            connection.close()
            raise NodeNotRunningError("it refused the stream of events") from error
        with websocket:
            yield EventStream(websocket)

    def _ask(
        self, ask: routes.Ask[GivenT], query: dict[str, str] | None = None, **parts: str
    ) -> GivenT:
        path = ask.path.format(**{name: quote(part, safe="") for name, part in parts.items()})
        if query:
            path = f"{path}?{urlencode(query)}"
        return parse_answer(ask.gives, *self._exchange("GET", path, None))

    def _order(self, order: routes.Order[TakenT, GivenT], taken: TakenT) -> GivenT:
        return parse_answer(
            order.gives, *self._exchange("POST", order.path, encode_json(taken))
        )

    def _exchange(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        connection = _UnixConnection(self._socket_path, self._timeout_s)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read(routes.MAX_ANSWER_BYTES)
        except TimeoutError as error:
            raise NodeNotRunningError(
                f"it did not answer within {self._timeout_s:.0f} s"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise NodeNotRunningError("it stopped before it answered") from error
        finally:
            connection.close()


class EventStream:
    """The events of one node, one after the other."""

    def __init__(self, websocket: "ClientConnection") -> None:
        self._websocket = websocket

    def next(self, timeout_s: float | None = None) -> schema.Event | None:
        """Wait for the next event; None when the time is over.

        Raises:
            NodeNotRunningError: the node has stopped.
        """
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415

        try:
            return parse_event(self._websocket.recv(timeout_s))
        except TimeoutError:
            return None
        except ConnectionClosed as error:
            raise NodeNotRunningError("it has stopped") from error

    def close(self) -> None:
        """End the stream, from any thread: a waiting `next` raises `NodeNotRunningError`."""
        self._websocket.close()


def parse_answer(gives: JsonParser[GivenT], status: int, body: bytes) -> GivenT:
    """Return what an answer holds.

    Raises:
        HarkError: what the node raised.
        ConfigurationError: the answer has another shape than this version knows.
    """
    if status >= http.client.BAD_REQUEST:
        raise parse_problem(body)
    try:
        return gives.parse(body)
    except MalformedError as error:
        raise _other_version() from error


def parse_problem(body: bytes) -> HarkError:
    """Return the error that an answer tells.

    Raises:
        ConfigurationError: it has another shape than this version knows.
    """
    try:
        return error_of(_PROBLEM.parse(body))
    except MalformedError as error:
        raise _other_version() from error


def parse_event(data: str | bytes) -> schema.Event:
    """Return the event that a frame of the stream holds.

    Raises:
        ConfigurationError: it has another shape than this version knows.
    """
    try:
        return _EVENT.parse(data)
    except MalformedError as error:
        raise _other_version() from error


def find_contact(contacts: list[schema.Contact], name: str) -> schema.Contact:
    """Return the contact of this name or account id.

    Raises:
        UnknownContactError: there is none, or more than one has this name.
    """
    # An account id first: somebody may have taken the id of another as a name.
    found = [contact for contact in contacts if contact.account == name]
    found = found or [contact for contact in contacts if contact.name == name]
    if len(found) > 1:
        raise UnknownContactError("several contacts have this name: use the account id")
    if not found:
        raise UnknownContactError
    return found[0]


def _other_version() -> ConfigurationError:
    return ConfigurationError(
        "the running node is of another version than this program: `hark down`, then `hark up`"
    )


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket that has been checked to be our own user's."""

    def __init__(self, socket_path: Path, timeout_s: float) -> None:
        super().__init__("hark", timeout=timeout_s)
        self._socket_path = socket_path
        self._timeout_s = timeout_s

    def connect(self) -> None:
        self.sock: socket.socket = connect(self._socket_path, timeout_s=self._timeout_s)

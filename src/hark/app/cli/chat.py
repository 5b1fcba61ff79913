"""`hark chat`: a conversation before a person.

Two things happen at once: the main thread shows what comes, another one reads what is typed.
What is typed must survive what is printed above it, so on a terminal the line is redrawn.
"""

import contextlib
import sys
import threading
from collections.abc import Iterator

import typer

from hark.app.cli import options
from hark.app.cli.command import Command
from hark.app.cli.output import line_of, state_of
from hark.app.cli.text import escape
from hark.control.client import Client, EventStream
from hark.control.schema import Call, Contact, Event, Message
from hark.errors import HarkError, NodeNotRunningError
from hark.wire.text import MAX_TEXT_CHARS

PROMPT = "> "
SHOWN_COUNT = 10
"""Messages shown at the beginning."""
CLEAR_LINE = "\r\x1b[K"


def chat(context: typer.Context, name: options.Name, profile: options.Profile = "") -> None:
    """Talk with a contact: type a line to send it; Ctrl-D or Ctrl-C ends.

    Behind your messages you see what is true of them: waiting, held, delivered, read.
    """
    client = options.client(context, profile)
    contact = client.contact(name)
    with _terminal_restored(), client.events() as events, _open_chat(client, contact):
        Conversation(client, contact, events).run()


class Conversation:
    """One conversation on the screen."""

    def __init__(self, client: Client, contact: Contact, events: EventStream) -> None:
        self._client = client
        self._contact = contact
        self._events = events
        self._screen = threading.Lock()
        self._typed_all = threading.Event()
        """Set by the typing thread alone."""
        self._on_terminal = sys.stdin.isatty() and sys.stdout.isatty()
        self._has_prompt = False
        """Whether a line is being typed below what is printed."""
        self._shown_states: dict[str, str] = {}
        self._rung: set[str] = set()
        """Calls that were told of."""

    def run(self) -> None:
        """Show and send until the person ends it or the node stops."""
        for message in self._client.history(self._contact.account, limit=SHOWN_COUNT):
            self._show(message)
        self._client.read(self._contact.account)
        threading.Thread(target=self._send_what_is_typed, daemon=True).start()
        try:
            while (event := self._events.next()) is not None:
                self._take(event)
        except KeyboardInterrupt:
            # One of the two ways to end a conversation.
            pass
        except NodeNotRunningError:
            if not self._typed_all.is_set():
                raise

    def _take(self, event: Event) -> None:
        if event.kind == "gap":
            self._print("(some news may be missing: hark history)")
        if event.call is not None:
            self._tell_of(event.call)
        if event.contact != self._contact.account:
            return
        if event.message is not None and event.message.kind == "call":
            self._show_call(event.message)
        elif event.kind == "message" and event.message is not None:
            self._show(event.message)
            if not event.message.outgoing:
                self._client.read(self._contact.account, [event.message.id])
        elif event.kind == "state" and event.message is not None:
            self._show_state(event.message)
        elif event.kind == "contact" and event.change in {"new_epoch", "frozen"}:
            self._print("(their keys are new: nothing is sent before you `hark verify`)")

    def _show(self, message: Message) -> None:
        if message.outgoing:
            self._shown_states[message.id] = state_of(message)
        self._print(line_of(message, self._contact.name))

    def _tell_of(self, call: Call) -> None:
        """Say that somebody is calling, in whatever conversation the person is."""
        if call.state == "incoming" and call.id not in self._rung:
            self._rung.add(call.id)
            self._print(f"({escape(call.contact_name)} is calling: hark answer)")

    def _show_call(self, message: Message) -> None:
        """Show what has become of a call, once it is over."""
        if message.outcome not in {"ringing", "going_on"}:
            self._print(line_of(message, self._contact.name))
            if message.unread:
                self._client.read(self._contact.account, [message.id])

    def _show_state(self, message: Message) -> None:
        state = state_of(message)
        if message.outgoing and self._shown_states.get(message.id) != state:
            self._shown_states[message.id] = state
            what = escape(message.text)[:40] if message.kind == "text" else "spoken message"
            self._print(f"    … {what} [{state}]")

    def _send_what_is_typed(self) -> None:
        """Runs on a thread of its own: reading a line cannot be interrupted."""
        for line in self._typed_lines():
            if not line.strip():
                continue
            try:
                if len(line) > MAX_TEXT_CHARS:
                    self._print("(too long for one message)")
                else:
                    self._client.send(self._contact.account, line)
            except HarkError as error:
                self._print(f"({(type(error).__doc__ or '').splitlines()[0]})")
        self._typed_all.set()
        self._events.close()

    def _typed_lines(self) -> Iterator[str]:
        if not self._on_terminal:
            yield from (line.rstrip("\n") for line in sys.stdin)
            return
        # Lets `input` edit lines, and lets us see the one that is being typed.
        import readline  # noqa: F401, PLC0415

        self._has_prompt = True
        with contextlib.suppress(EOFError):
            while True:
                yield input(PROMPT)

    def _print(self, line: str) -> None:
        with self._screen:
            if not self._has_prompt:
                print(line, flush=True)
                return
            import readline  # noqa: PLC0415

            print(f"{CLEAR_LINE}{line}\n{PROMPT}{readline.get_line_buffer()}", end="")
            sys.stdout.flush()


@contextlib.contextmanager
def _open_chat(client: Client, contact: Contact) -> Iterator[None]:
    """Have receipts go at once while the conversation is on the screen."""
    client.chat(contact.account, is_open=True)
    try:
        yield
    finally:
        with contextlib.suppress(NodeNotRunningError):
            client.chat(contact.account, is_open=False)


@contextlib.contextmanager
def _terminal_restored() -> Iterator[None]:
    """Give the terminal back as it was, though `input` may still hold it on its thread."""
    if not sys.stdin.isatty():
        yield
        return
    import termios  # noqa: PLC0415

    settings = termios.tcgetattr(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, settings)
        print()


COMMAND = Command(chat, "hark chat bob")

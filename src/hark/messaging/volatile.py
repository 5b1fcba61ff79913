"""What a restart may forget: links, asks under way, open chats, caches.

Nothing here decides what is true; everything can be found out again from the store and the
homes. Caches hold only what a committed transaction, or the present one, has written: when a
transaction is undone, `drop_caches` is called.
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass, field

from hark.crypto.xwing import EnvelopeSecret
from hark.machine import Instant
from hark.messaging.asks import Purpose, PutEnvelope, RowKey
from hark.messaging.own import OwnDevice
from hark.wire.ids import AccountId, DeviceId, MailboxId, NodeId

MAX_CACHED = 1024


@dataclass(slots=True)
class OpenChat:
    """A chat that a person has before them."""

    typing_at: Instant | None = None
    presence_at: Instant | None = None


@dataclass(slots=True)
class Backoff:
    """A home that does not answer."""

    tries: int
    until: Instant


@dataclass(slots=True)
class Stamping:
    """A stamp that is being looked for."""

    challenge: bytes
    subject: bytes
    """Hash of what it is for."""


@dataclass(slots=True)
class Volatile:
    """The machine's memory beside the store."""

    instance: bytes
    """Random at each start; together with the generation it shows a copied store."""
    links: set[NodeId] = field(default_factory=set)
    """Supernodes with a link."""
    clock_offsets_ms: dict[NodeId, int] = field(default_factory=dict)
    """Of our own homes: their clock minus ours."""
    attached: set[MailboxId] = field(default_factory=set)
    asks: dict[int, tuple[Purpose, Instant]] = field(default_factory=dict)
    busy: dict[Purpose, int] = field(default_factory=dict)
    puts: Counter[tuple[AccountId, DeviceId]] = field(default_factory=Counter)
    """Puts under way for each device."""
    next_ask_id: int = 1
    stamps: dict[int, Stamping] = field(default_factory=dict)
    backoff: dict[NodeId, Backoff] = field(default_factory=dict)
    claim_backoff: dict[tuple[AccountId, DeviceId], Backoff] = field(default_factory=dict)
    starved: dict[NodeId, dict[RowKey, None]] = field(default_factory=dict)
    """Messages that a home could not be asked to take, oldest first."""
    crowded: dict[tuple[AccountId, DeviceId], dict[RowKey, None]] = field(default_factory=dict)
    """Messages that wait for room in a device's window, oldest first."""
    healing: set[tuple[AccountId, DeviceId]] = field(default_factory=set)
    """Devices that get a new session as soon as their keys have come."""
    last_serial: int = 0
    """Place of the newest message in the outbox."""
    one_time_counts: dict[NodeId, int] = field(default_factory=dict)
    """One-time keys that each home said to hold, while attached."""
    home_retry: dict[NodeId, Instant] = field(default_factory=dict)
    """When to go on with a home that refused something."""
    last_mail: Instant | None = None
    """When an envelope last came from a home."""
    open_chats: OrderedDict[AccountId, OpenChat] = field(default_factory=OrderedDict)
    live_unanswered: Counter[tuple[AccountId, DeviceId]] = field(default_factory=Counter)
    cards_sent: dict[AccountId, Instant] = field(default_factory=dict)
    call_requests: dict[AccountId, Instant] = field(default_factory=dict)
    """When somebody who has not accepted us was last told that we would like to call."""
    chains_sent: dict[AccountId, Instant] = field(default_factory=dict)
    maintenance_at: Instant | None = None
    internal_errors: Counter[str] = field(default_factory=Counter)
    """Bugs of ours that one input met, by the class of the error."""
    next_due_unix_ms: int = 0
    """When a row of the store is to be looked at next, at the earliest; 0: not known."""
    requests_mailboxes: set[tuple[NodeId, MailboxId]] | None = None
    """Our requests mailboxes; None before they were looked up."""
    quarantine_bytes: int | None = None
    """Size of the quarantine; None before it was counted."""
    own: OwnDevice | None = None
    secrets: dict[bytes, EnvelopeSecret] = field(default_factory=dict)

    def drop_caches(self) -> None:
        """Forget what an undone transaction may have written."""
        self.own = None
        self.quarantine_bytes = None
        self.requests_mailboxes = None
        self.next_due_unix_ms = 0
        self.secrets.clear()

    def begin(self, purpose: Purpose, now: Instant) -> int:
        """Note an ask and return its number."""
        ask_id = self.next_ask_id
        self.next_ask_id += 1
        self.asks[ask_id] = (purpose, now)
        self.busy[purpose] = ask_id
        if isinstance(purpose, PutEnvelope):
            self.puts[purpose.key.account, purpose.key.device] += 1
        return ask_id

    def end(self, ask_id: int) -> Purpose | None:
        """Forget an ask and return what it was for; None when it is not known any more."""
        found = self.asks.pop(ask_id, None)
        if found is None:
            return None
        purpose = found[0]
        if self.busy.get(purpose) == ask_id:
            del self.busy[purpose]
        if isinstance(purpose, PutEnvelope):
            device = (purpose.key.account, purpose.key.device)
            self.puts[device] -= 1
            if self.puts[device] <= 0:
                del self.puts[device]
        return purpose

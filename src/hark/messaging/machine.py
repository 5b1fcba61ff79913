"""The messaging machine: one device's account, contacts and messages, without I/O.

It is fed by the links of the homes and by what a person does, and gives orders and facts as
effects. Every input and every command is one transaction of the store; its effects come out
only after the commit, so nothing leaves the device that a crash could make it forget
(`spec/messaging.md#persist-before-send`). What it does is in the modules beside it, one for
each concept; here is only what joins them: the transaction, the order of inputs, the clock.

A store that a home has seen a newer copy of is never used again (`StoreStaleError`).
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

from hark.errors import (
    ContactNotAcceptedError,
    DiskFullError,
    MessageTooLongError,
    StoreStaleError,
    UsageError,
)
from hark.identity.devices import Device
from hark.identity.invitation import Invitation
from hark.machine import Instant, RandomBytes, UnixMs
from hark.messaging import (
    answers,
    call_records,
    calls,
    contacts,
    devices,
    healing,
    homes,
    inbox,
    intake,
    live,
    names,
    outbox,
    outgoing,
    queries,
    receipts,
    upkeep,
)
from hark.messaging.config import MessagingConfig
from hark.messaging.events import (
    AnswerReceived,
    AskLost,
    CallOrder,
    CallPeer,
    HomeDown,
    HomeUp,
    LiveReceived,
    MailboxAttached,
    MailboxRefused,
    MailReceived,
    MessagingEffect,
    MessagingInput,
    PrekeysLow,
    StampFound,
    StoreOvertaken,
)
from hark.messaging.opening import UnopenedError
from hark.messaging.own import OwnDevice
from hark.messaging.provision import DeviceLink
from hark.messaging.quarantine import keep as quarantine_keep
from hark.messaging.store import DeviceStore
from hark.messaging.tables import NEVER_UNIX_MS, OUTBOX_BY_DUE
from hark.messaging.views import ContactView, Diagnostics, MessageView, OwnAccount
from hark.messaging.volatile import Volatile
from hark.messaging.work import Work
from hark.wire.address import Address
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import AccountId, MessageId
from hark.wire.sound import MAX_VOICEMAIL_BYTES, MAX_VOICEMAIL_S, OPUS_PACKET_BYTES
from hark.wire.text import MAX_TEXT_CHARS

DEFAULT_CONFIG = MessagingConfig()


class Messaging:
    """One device's end of every conversation. Keeps the contract of `hark.machine.Machine`."""

    def __init__(
        self,
        store: DeviceStore,
        *,
        random_bytes: RandomBytes,
        unix_ms: UnixMs,
        instance: bytes,
        config: MessagingConfig = DEFAULT_CONFIG,
    ) -> None:
        self._store = store
        self._random_bytes = random_bytes
        self._unix_ms = unix_ms
        self._config = config
        self._volatile = Volatile(instance)
        self._effects: list[MessagingEffect] = []
        self._deadline: Instant | None = None
        self._now = Instant(0.0)
        self._stale = False

    # The machine.

    def start(self, now: Instant) -> None:
        """Begin: count the start, keep links to the homes, make keys that are due.

        Raises:
            NotInitialisedError: the store is empty.
            StoreStaleError: a home has seen a newer copy of this store.
        """
        with self._transaction(now) as work:
            row = work.own.row
            if row.stale:
                self._stale = True
                raise StoreStaleError
            generation = row.generation + 1
            work.save_own(row._replace(generation=generation, started_unix_ms=work.now_unix_ms))
            call_records.settle(work)
            homes.start(work)
            upkeep.run(work)

    def handle(self, item: MessagingInput, now: Instant) -> None:
        """Take one input. Never raises `PeerError`."""
        self.handle_batch((item,), now)

    def handle_batch(self, items: Iterable[MessagingInput], now: Instant) -> None:
        """Take several inputs in one transaction.

        An input that meets a bug of ours is undone alone; mail goes to the quarantine then.

        Raises:
            DiskFullError: nothing of the batch was kept; the homes still hold the mail.
        """
        if self._stale:
            return
        with self._transaction(now) as work:
            for item in items:
                self._take(work, item)

    def handle_deadline(self, now: Instant) -> None:
        """Take the passing of time. Harmless when called early."""
        if self._stale or self._deadline is None or now < self._deadline:
            return
        with self._transaction(now) as work:
            self._do_due(work)

    def deadline(self) -> Instant | None:
        """Return when to call `handle_deadline` next, or None for never."""
        return None if self._stale else self._deadline

    def take_effects(self) -> list[MessagingEffect]:
        """Return what must be done now, oldest first, and forget it."""
        effects, self._effects = self._effects, []
        return effects

    # What a person does.

    def send_text(self, contact: AccountId, text: str, now: Instant) -> MessageId:
        """Write to a contact; the message is safe here when this returns.

        Raises:
            UnknownContactError, ContactBlockedError, ContactFrozenError,
            ContactUnverifiedError: it may not be sent.
            MessageTooLongError: longer than 16,384 characters.
            UsageError: it is empty, or not text.
        """
        return self.send_texts(contact, [text], now)[0]

    def send_texts(self, contact: AccountId, texts: list[str], now: Instant) -> list[MessageId]:
        """Write several messages in one transaction; errors as for `send_text`."""
        for text in texts:
            _check_text(text)
        with self._command(now) as work:
            contacts.check_sending(contacts.find(work, contact))
            return [outgoing.send_text(work, contact, text) for text in texts]

    def send_voicemail(self, contact: AccountId, packets: bytes, now: Instant) -> MessageId:
        """Leave a spoken message; it is safe here when this returns.

        Args:
            contact: for whom.
            packets: Opus packets of `OPUS_PACKET_BYTES` each, one after the other.
            now: the moment.

        Raises:
            UnknownContactError, ContactBlockedError, ContactFrozenError,
            ContactUnverifiedError: it may not be sent.
            MessageTooLongError: longer than 25 seconds.
            UsageError: there is nothing in it, or a packet is cut off.
        """
        _check_voicemail(packets)
        with self._command(now) as work:
            contacts.check_sending(contacts.find(work, contact))
            return outgoing.send_voicemail(work, contact, packets)

    def call_peer(self, contact: AccountId, now: Instant) -> CallPeer:
        """Return a contact that may be called now, and by which keys we know each other.

        Raises:
            ContactNotAcceptedError: it has not accepted us; our request has gone again (at
                most once an hour) and says that we would like to call.
            UnknownContactError, ContactBlockedError, ContactFrozenError,
            ContactUnverifiedError: it may not be called.
            UsageError: it is our own account, or a stranger's request that has no answer yet.
        """
        with self._command(now) as work:
            peer = calls.peer_of(work, contact)
        # Raised after the commit: the request must not be undone.
        if peer is None:
            raise ContactNotAcceptedError
        return peer

    def carry_calls(self, orders: Iterable[CallOrder], now: Instant) -> None:
        """Send signals of calls and note in the history what they are, in one transaction.

        What may not be sent now, and what is for nobody we know, is passed over.
        """
        with self._command(now) as work:
            calls.carry(work, orders)

    def set_hide_address(self, flag: bool, now: Instant) -> None:
        """Set whether contacts too are kept from seeing our address in a call."""
        with self._command(now) as work:
            work.save_own(work.own.row._replace(hide_address=int(flag)))

    def invite(self, now: Instant, name_hint: str = "") -> Invitation:
        """Make an invitation for one person, valid for seven days.

        Raises:
            UnreachableError: no home has made our mailboxes yet.
        """
        with self._command(now) as work:
            return contacts.invite(work, names.clean_name(name_hint))

    def contact_link(self) -> Invitation:
        """Return our public contact address: whoever uses it has to be accepted.

        Raises:
            UnreachableError: no home has made our mailboxes yet.
        """
        with self._command(self._now) as work:
            return Invitation(work.own.account, contacts.invitation_homes(work))

    def add(self, invitation: Invitation, name: str, now: Instant) -> AccountId:
        """Ask somebody whose link we were given.

        Raises:
            InvitationError: it has expired, or is our own.
            ContactBlockedError: we have blocked this account.
        """
        with self._command(now) as work:
            return contacts.add(work, invitation, name)

    def accept(self, contact: AccountId, now: Instant) -> None:
        """Accept a stranger's request, or lift a block.

        Raises:
            UnknownContactError: there is no such contact.
        """
        with self._command(now) as work:
            contacts.accept(work, contact)

    def block(self, contact: AccountId, now: Instant) -> None:
        """Block a contact.

        Raises:
            UnknownContactError: there is no such contact.
        """
        with self._command(now) as work:
            contacts.block(work, contact)

    def rename(self, contact: AccountId, name: str, now: Instant) -> None:
        """Give a contact another name here.

        Raises:
            UnknownContactError: there is no such contact.
        """
        with self._command(now) as work:
            contacts.rename(work, contact, name)

    def verify(self, contact: AccountId, now: Instant, number: str = "") -> None:
        """Note that the safety number was compared; what waited for that goes on.

        Args:
            contact: whose number.
            now: the moment.
            number: the digits that the person was shown; empty for those of this moment.

        Raises:
            UnknownContactError: there is no such contact.
            ContactFrozenError: no number settles a fork.
            ContactUnverifiedError: the number has changed since it was shown.
        """
        with self._command(now) as work:
            contacts.verify(work, contact, number)

    def mark_read(
        self, contact: AccountId, now: Instant, only: Collection[MessageId] | None = None
    ) -> None:
        """Note that a conversation has been read; the writer is told.

        Args:
            contact: whose conversation.
            now: the moment.
            only: these messages, and no other that may have come meanwhile; None: all.

        Raises:
            UnknownContactError: there is no such contact.
        """
        with self._command(now) as work:
            contacts.find(work, contact)
            intake.read_all(work, contact, only)

    def let_in(self, device: Device, now: Instant) -> DeviceLink:
        """Let a further device into this account; contacts are told.

        Raises:
            UsageError: there are ten devices already.
        """
        with self._command(now) as work:
            return devices.let_in(work, device)

    def typing(self, contact: AccountId, now: Instant) -> None:
        """Tell a contact, whose chat is open, that we are writing."""
        with self._command(now) as work:
            live.typing(work, contact)

    def open_chat(self, contact: AccountId, now: Instant) -> None:
        """Note that a person has this chat before them: receipts and presence go at once."""
        with self._command(now) as work:
            contacts.find(work, contact)
            live.open_chat(work, contact)

    def close_chat(self, contact: AccountId, now: Instant) -> None:
        """Note that this chat is not looked at any more."""
        with self._command(now) as work:
            live.close_chat(work, contact)

    def add_home(self, address: Address, now: Instant) -> None:
        """Use a further supernode as a home.

        Raises:
            UsageError: there are two already.
        """
        with self._command(now) as work:
            homes.add(work, address)

    def leave_home(self, address: Address, now: Instant) -> None:
        """Give a home up; contacts are told where we are now.

        Raises:
            UsageError: it is the only one, or none of ours.
        """
        with self._command(now) as work:
            homes.leave(work, address)

    # What a person is shown.

    def whoami(self) -> OwnAccount:
        """Return who we are."""
        with self._reading() as work:
            return queries.whoami(work)

    def contacts(self) -> list[ContactView]:
        """Return all contacts."""
        with self._reading() as work:
            return queries.contact_views(work)

    def history(
        self, contact: AccountId, limit: int = 50, before: bytes | None = None
    ) -> list[MessageView]:
        """Return the newest messages of a conversation, or those before a position.

        Raises:
            UnknownContactError: there is no such contact.
        """
        with self._reading() as work:
            return queries.history(work, contact, limit, before)

    def message(self, message_id: MessageId) -> MessageView | None:
        """Return one message, or None."""
        with self._reading() as work:
            return queries.message(work, message_id)

    def voicemail(self, message_id: MessageId) -> bytes | None:
        """Return the packets of a voicemail; None when there is none of this id."""
        with self._reading() as work:
            return queries.voicemail(work, message_id)

    def hide_address(self) -> bool:
        """Return whether contacts too are kept from seeing our address in a call."""
        with self._reading() as work:
            return bool(work.own.row.hide_address)

    def name_of(self, contact: AccountId) -> str:
        """Return what a contact is called here; empty for nobody we know."""
        with self._reading() as work:
            return queries.name_of(work, contact)

    def safety_number(self, contact: AccountId) -> str:
        """Return the 60 digits to compare with a contact; empty before its keys are known.

        Raises:
            UnknownContactError: there is no such contact.
        """
        with self._reading() as work:
            return queries.safety_number(work, contact)

    def diagnostics(self) -> Diagnostics:
        """Return how messaging is doing, without names or content."""
        with self._reading() as work:
            return queries.diagnostics(work)

    # Inside.

    @contextmanager
    def _transaction(self, now: Instant) -> Iterator[Work]:
        """Open one transaction; its effects come out once it has been committed."""
        self._now = max(self._now, now)
        work: Work | None = None
        try:
            with self._store.transaction() as transaction:
                work = Work(
                    transaction,
                    self._volatile,
                    self._config,
                    self._random_bytes,
                    now=now,
                    now_unix_ms=self._unix_ms(now),
                )
                yield work
                deadline = self._next_deadline(work)
        except BaseException:
            if work is not None:
                work.undo_to()
            raise
        self._deadline = deadline
        self._effects += work.effects()

    @contextmanager
    def _command(self, now: Instant) -> Iterator[Work]:
        if self._stale:
            raise StoreStaleError
        with self._transaction(now) as work:
            yield work

    @contextmanager
    def _reading(self) -> Iterator[Work]:
        with self._transaction(self._now) as work:
            yield work

    def _take(self, work: Work, item: MessagingInput) -> None:
        mark = work.mark()
        try:
            with work.t.savepoint():
                self._handle_item(work, item)
        except DiskFullError:
            raise
        except Exception as error:
            work.undo_to(mark)
            work.volatile.internal_errors[type(error).__name__] += 1
            if isinstance(item, MailReceived):
                quarantine_keep(work, item.envelope, UnopenedError("internal"))
        if isinstance(item, MailReceived):
            work.acknowledge(item.home, item.mailbox, item.sequence)

    def _handle_item(self, work: Work, item: MessagingInput) -> None:
        match item:
            case MailReceived(home, mailbox, _, held_ms, envelope):
                work.volatile.last_mail = work.now
                by_requests = homes.is_requests_mailbox(work, home, mailbox)
                late = held_ms > self._config.ring_ms
                inbox.receive(work, envelope, by_requests=by_requests, late=late)
            case LiveReceived(envelope):
                inbox.receive(work, envelope, by_requests=False, live=True)
            case AnswerReceived(ask_id, answer):
                answers.take(work, ask_id, answer)
            case AskLost(ask_id):
                answers.lost(work, ask_id)
            case StampFound(stamp_id, nonce):
                answers.stamp_found(work, stamp_id, nonce)
            case HomeUp(home, clock_offset_ms):
                work.volatile.links.add(home)
                homes.link_up(work, home, clock_offset_ms)
                outbox.home_up(work, home)
            case HomeDown(home, reason):
                work.volatile.links.discard(home)
                homes.link_down(work, home, reason)
            case MailboxAttached(home, mailbox, prekey_count):
                homes.attached(work, home, mailbox, prekey_count)
            case MailboxRefused(home, mailbox, code):
                if ErrorCode(code) is ErrorCode.STORE_STALE:
                    self._stop_for_good(work)
                else:
                    homes.login_refused(work, home, mailbox, ErrorCode(code))
            case PrekeysLow(home, _, prekey_count):
                homes.prekeys_low(work, home, prekey_count)

    def _stop_for_good(self, work: Work) -> None:
        work.save_own(work.own.row._replace(stale=1))
        work.notify(StoreOvertaken())
        self._stale = True

    def _do_due(self, work: Work) -> None:
        maintenance_at = work.volatile.maintenance_at
        if maintenance_at is None or work.now >= maintenance_at:
            upkeep.run(work)
        upkeep.retry_homes(work)
        live.tell_presence(work)
        receipts.send_due(work)
        limit = work.now_unix_ms + 1
        for row in work.t.select(OUTBOX_BY_DUE, below=limit, limit=self._config.due_batch):
            # An earlier one of this round may have moved it on.
            now_row = outbox.row_of(work, outbox.key_of(row))
            if now_row is None or now_row.due_unix_ms >= limit:
                continue
            if not healing.look_after(work, now_row):
                outbox.advance(work, now_row)

    def _next_deadline(self, work: Work) -> Instant | None:
        moments = [
            work.volatile.maintenance_at,
            upkeep.next_home_retry(work),
            live.next_presence(work),
        ]
        due_unix_ms = _next_due_unix_ms(work)
        if due_unix_ms != NEVER_UNIX_MS:
            moments.append(work.after_ms(max(0, due_unix_ms - work.now_unix_ms)))
        return min((moment for moment in moments if moment is not None), default=None)


def _next_due_unix_ms(work: Work) -> int:
    """Return when the first row is to be looked at; perhaps too early, never too late.

    Between deadlines only what is written can come sooner, so the store is asked only when
    the time that is known has come.
    """
    volatile = work.volatile
    known_unix_ms = min(volatile.next_due_unix_ms, work.t.earliest_due_unix_ms)
    if known_unix_ms <= work.now_unix_ms:
        rows = work.t.select(OUTBOX_BY_DUE, below=NEVER_UNIX_MS, limit=1)
        known_unix_ms = rows[0].due_unix_ms if rows else NEVER_UNIX_MS
        receipt_unix_ms = receipts.next_due_unix_ms(work)
        if receipt_unix_ms is not None:
            known_unix_ms = min(known_unix_ms, receipt_unix_ms)
    volatile.next_due_unix_ms = known_unix_ms
    return known_unix_ms


def load_own(store: DeviceStore) -> OwnDevice:
    """Return whose store this is, without starting anything (`hark whoami`).

    Raises:
        NotInitialisedError: the store is empty.
    """
    with store.transaction() as transaction:
        return OwnDevice.load(transaction)


def _check_voicemail(packets: bytes) -> None:
    if not packets or len(packets) % OPUS_PACKET_BYTES:
        raise UsageError("a voicemail is made of whole packets")
    if len(packets) > MAX_VOICEMAIL_BYTES:
        raise MessageTooLongError(f"a voicemail has at most {MAX_VOICEMAIL_S} seconds")


def _check_text(text: str) -> None:
    if not text:
        raise UsageError("a message needs some text")
    if len(text) > MAX_TEXT_CHARS:
        raise MessageTooLongError(f"at most {MAX_TEXT_CHARS} characters, not {len(text)}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError("a message has characters that are no text") from error

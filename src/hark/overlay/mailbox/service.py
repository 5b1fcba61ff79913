"""The mailboxes of a home: one batch of inputs, one commit, one custody signature.

Implements spec/mailbox.md over a transactional store. Rules it keeps:

1. What is answered `Held`, `Done` or `MailboxCreated` is on disk before the answer leaves.
2. A batch that cannot be committed changes nothing, neither on disk nor in memory: what
   needed the disk is refused with `STORE_UNAVAILABLE`, acknowledgements are kept for the next
   batch, and everything else of the batch happens.
3. An item that meets a bug of ours is refused with `INTERNAL`, and no other item with it.
4. All memory is bounded: by links (attachments), by limits (stamps), by time (claims).

It knows mailboxes and numbers of links: no account, no address, no name. Signatures of
log-ins have been checked by `hark.overlay.link.server` before an `Attach` comes here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hark.crypto.admission import envelope_hash, token_hash
from hark.crypto.hashing import equal
from hark.crypto.signing import SigningKey
from hark.errors import OperatorError
from hark.machine import Instant, RandomBytes
from hark.overlay.mailbox.attachments import Attachment, Attachments
from hark.overlay.mailbox.custody import custody_leaf, sign_custody
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
    LiveDelivered,
    PrekeysRunLow,
    ServiceInput,
    ServiceOutput,
    Superseded,
)
from hark.overlay.mailbox.limits import (
    DAY_MS,
    DEFAULT_MAILBOX_LIMITS,
    REQUEST_ENVELOPE_BYTES,
    MailboxLimits,
)
from hark.overlay.mailbox.requests import RequestRules, login_code, refused
from hark.overlay.mailbox.stamps import StampDesk
from hark.overlay.mailbox.store import (
    MailboxRow,
    MailboxStore,
    MailboxTransaction,
    Swept,
)
from hark.wire import mailbox as wire
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import MailboxId

MAX_OWED_ACKS = 10_000
"""Acknowledgements kept while the disk does not take them. What is dropped beyond is pushed
again at the next login, and told apart by its hash."""
MAX_FAULTS = 16
"""Faults kept for the program to report."""
PRUNE_EVERY_S = 60.0
"""How often counts whose time is over are forgotten, in seconds."""
RENEW_BEFORE_MS = DAY_MS
"""A login writes a mailbox's new life only if it gains a day: after a restart thousands log
in at once, and none of them needs a commit."""


@dataclass(slots=True)
class _Batch:
    """What a batch has come to so far."""

    transaction: MailboxTransaction
    now: Instant
    now_unix_ms: int
    outputs: list[ServiceOutput | None] = field(default_factory=list)
    promises: list[tuple[bytes, int]] = field(default_factory=list)
    """Custody leaf and time of each envelope to be promised."""
    promised: list[tuple[int, Asked]] = field(default_factory=list)
    """Place in `outputs` where the receipt goes, and who asked."""


class MailboxService:
    """All mailboxes of one home. See the module's docstring.

    Args:
        store: where mailboxes are durable.
        node_key: the supernode's key; signs custody receipts.
        random_bytes: for mailbox ids, challenges and their secret.
        limits: quotas, lives and rates.
    """

    def __init__(
        self,
        store: MailboxStore,
        *,
        node_key: SigningKey,
        random_bytes: RandomBytes,
        limits: MailboxLimits = DEFAULT_MAILBOX_LIMITS,
    ) -> None:
        self._store = store
        self._node_key = node_key
        self._limits = limits
        self._attachments = Attachments(limits)
        self._rules = RequestRules(
            self._attachments,
            StampDesk(random_bytes, limits),
            random_bytes=random_bytes,
            limits=limits,
        )
        self._owed: list[Acked] = []
        self._faults: list[Exception] = []
        self._prune_at: float = 0.0

    @property
    def attached_count(self) -> int:
        """Mailboxes that some link has open now."""
        return len(self._attachments)

    def take_faults(self) -> list[Exception]:
        """Return what went wrong on this side (disk, bugs) since the last call, at most 16."""
        faults, self._faults = self._faults, []
        return faults

    def apply(
        self, batch: Sequence[ServiceInput], now: Instant, now_unix_ms: int
    ) -> list[ServiceOutput]:
        """Carry out a batch in order and commit it; the outputs may leave then.

        Args:
            batch: inputs of all links, at most `custody.MAX_BATCH_ENVELOPES`; 100 to 200 are
                best for SQLite.
            now: the present moment.
            now_unix_ms: calendar time.

        Never raises: see rules 2 and 3, and `take_faults`.
        """
        if now >= self._prune_at:
            self._prune_at = now + PRUNE_EVERY_S
            self._rules.prune(now, now_unix_ms)
        owed, self._owed = self._owed, []
        return self._apply([*owed, *batch], now, now_unix_ms)

    def sweep(self, now_unix_ms: int) -> Swept:
        """Delete what has expired. Mailboxes that are open now stay.

        Raises:
            OperatorError: the store cannot commit; nothing was deleted.
        """
        renewed: list[tuple[MailboxId, Attachment]] = []
        with self._store.transaction() as t:
            for mailbox, attachment in self._attachments.items():
                longer = self._renewed(attachment, now_unix_ms)
                if longer is not attachment and t.mailbox(mailbox) is not None:
                    self._write_login(t, mailbox, longer)
                    renewed.append((mailbox, longer))
            swept = t.sweep(now_unix_ms)
        for mailbox, attachment in renewed:
            self._attachments.replace(mailbox, attachment)
        self._attachments.commit()
        return swept

    # One batch, three ways.

    def _apply(
        self, items: list[ServiceInput], now: Instant, now_unix_ms: int
    ) -> list[ServiceOutput]:
        if not any(_needs_store(item) for item in items):
            return self._without_store(items, now_unix_ms)
        try:
            return self._in_one_commit(items, now, now_unix_ms)
        except OperatorError as error:
            self._undo(error)
            return self._without_store(items, now_unix_ms)
        except Exception as error:  # rule 3: whatever it is, the others go on
            self._undo(error)
        if len(items) == 1:
            return _internal(items[0])
        outputs: list[ServiceOutput] = []
        for item in items:
            outputs += self._apply([item], now, now_unix_ms)
        return outputs

    def _in_one_commit(
        self, items: list[ServiceInput], now: Instant, now_unix_ms: int
    ) -> list[ServiceOutput]:
        with self._store.transaction() as transaction:
            batch = _Batch(transaction, now, now_unix_ms)
            for item in items:
                if type(item) is Asked:
                    self._asked(batch, item)
                elif type(item) is Acked:
                    self._acked(batch, item)
                elif type(item) is Attach:
                    self._attach(batch, item)
                elif type(item) is LiveAsked:
                    batch.outputs += self._live(item)
                elif type(item) is Detach:
                    self._attachments.close_link(item.link)
            self._promise(batch)
        self._attachments.commit()
        self._rules.commit()
        return [output for output in batch.outputs if output is not None]

    def _without_store(
        self, items: list[ServiceInput], now_unix_ms: int
    ) -> list[ServiceOutput]:
        """Do what needs no disk; refuse, or keep for later, what does."""
        outputs: list[ServiceOutput] = []
        retry_ms = self._limits.unavailable_retry_ms
        for item in items:
            match item:
                case Detach(link):
                    self._attachments.close_link(link)
                case LiveAsked():
                    outputs += self._live(item)
                case Asked(link, request_id, wire.GetChallenge() as request):
                    answer = self._rules.challenge(request, now_unix_ms)
                    outputs.append(Answered(link, request_id, answer))
                case Asked(link, request_id):
                    unavailable = refused(ErrorCode.STORE_UNAVAILABLE, retry_ms)
                    outputs.append(Answered(link, request_id, unavailable))
                case Attach(link, mailbox):
                    code = ErrorCode.STORE_UNAVAILABLE
                    outputs.append(Attached(link, mailbox, code, 0, retry_ms))
                case Acked():
                    if len(self._owed) < MAX_OWED_ACKS:
                        self._owed.append(item)
        self._attachments.commit()
        self._rules.commit()
        return outputs

    def _undo(self, error: Exception) -> None:
        self._attachments.rollback()
        self._rules.rollback()
        if len(self._faults) < MAX_FAULTS:
            self._faults.append(error)

    # One item.

    def _attach(self, batch: _Batch, item: Attach) -> None:
        row = batch.transaction.mailbox(item.mailbox)
        code = login_code(row, item.owner_key, item.generation, item.instance)
        if row is None or code is not ErrorCode.NONE:
            batch.outputs.append(Attached(item.link, item.mailbox, code, 0, 0))
            return
        asked = Attachment(
            item.link,
            row.token_hash if row.kind == wire.CONTACT_MAILBOX else b"",
            item.generation,
            item.instance,
            row.expires_unix_ms,
        )
        attachment = self._renewed(asked, batch.now_unix_ms)
        newer_start = (row.generation, row.instance) != (item.generation, item.instance)
        if newer_start or attachment is not asked:
            self._write_login(batch.transaction, item.mailbox, attachment)
        older = self._attachments.open(item.mailbox, attachment)
        if older is not None:
            batch.outputs.append(Superseded(older))
        prekey_count = batch.transaction.prekey_count(item.mailbox)
        batch.outputs.append(Attached(item.link, item.mailbox, code, prekey_count, 0))
        if row.envelope_count > 0:
            self._push_held(batch, item.mailbox, item.link)
        else:
            self._attachments.pushed(item.mailbox, {}, behind=False)

    def _acked(self, batch: _Batch, item: Acked) -> None:
        if not self._attachments.is_open(item.mailbox, item.link):
            return  # superseded or gone: the newer link acknowledges for itself
        batch.transaction.delete_envelopes(item.mailbox, item.sequences)
        if self._attachments.acknowledged(item.mailbox, item.sequences):
            self._push_held(batch, item.mailbox, item.link)

    def _asked(self, batch: _Batch, item: Asked) -> None:
        request, t = item.request, batch.transaction
        answer: wire.MailboxAnswer
        match request:
            case wire.Put():
                self._put(batch, item, request)
                return
            case wire.Claim():
                answer, left = self._rules.claim(t, request, batch.now)
                if left is not None:
                    self._ask_for_prekeys(batch, MailboxId(request.mailbox), left)
            case wire.GetChallenge():
                answer = self._rules.challenge(request, batch.now_unix_ms)
            case wire.CreateMailbox():
                answer = self._rules.create(t, request, batch.now_unix_ms)
            case _:
                answer = self._rules.owner_request(t, request, item.link, batch.now_unix_ms)
        batch.outputs.append(Answered(item.link, item.request_id, answer))

    def _put(self, batch: _Batch, item: Asked, put: wire.Put) -> None:
        """Keep an envelope.

        Steps:
            1. The mailbox is here, and the envelope is of a size that it takes.
            2. A contact shows the present token.
            3. An envelope that is held already is promised again, until the same time: the
               answer may have been lost, with a pass or stamp that is used up.
            4. There is room.
            5. A stranger's pass or stamp holds, and is used up.
        """
        t, envelope = batch.transaction, put.envelope
        mailbox = MailboxId(put.mailbox)
        row = t.mailbox(mailbox)
        if row is None:  # 1
            self._refuse(batch, item, refused(ErrorCode.UNKNOWN_MAILBOX))
            return
        if row.kind == wire.REQUESTS_MAILBOX and len(envelope) not in REQUEST_ENVELOPE_BYTES:
            self._refuse(batch, item, refused(ErrorCode.TOO_LARGE))
            return
        hashed = envelope_hash(envelope)
        by_token = isinstance(put.admission, wire.DeliveryToken)
        refusal = None
        if by_token:  # 2
            refusal = self._rules.admit(t, row, put.admission, hashed, batch.now_unix_ms)
        if refusal is not None:
            self._refuse(batch, item, refusal)
            return
        held_until_unix_ms = t.held_until(mailbox, hashed)  # 3
        if held_until_unix_ms is not None:
            self._promise_later(batch, item, hashed, mailbox, held_until_unix_ms)
            return
        if not self._has_room(row, len(envelope)):  # 4
            full = refused(ErrorCode.MAILBOX_FULL, self._limits.full_retry_ms)
            self._refuse(batch, item, full)
            return
        if not by_token:  # 5
            refusal = self._rules.admit(t, row, put.admission, hashed, batch.now_unix_ms)
        if refusal is not None:
            self._refuse(batch, item, refusal)
            return
        until = batch.now_unix_ms + self._limits.envelope_life_ms
        sequence = t.insert_envelope(mailbox, hashed, envelope, batch.now_unix_ms, until)
        self._promise_later(batch, item, hashed, mailbox, until)
        attachment = self._attachments.get(mailbox)
        if attachment is not None and self._attachments.push_one(
            mailbox, sequence, len(envelope)
        ):
            batch.outputs.append(Deliver(attachment.link, mailbox, sequence, 0, envelope))

    def _live(self, item: LiveAsked) -> list[ServiceOutput]:
        """Pass a live envelope on. A wrong token and nobody there look the same."""
        attachment = self._attachments.get(item.mailbox)
        passed = attachment is not None and equal(
            token_hash(item.token), attachment.live_token_hash
        )
        answered = LiveAnswered(item.link, item.request_id, passed)
        if attachment is None or not passed:
            return [answered]
        return [LiveDelivered(attachment.link, item.mailbox, item.envelope), answered]

    # Parts of the above.

    def _push_held(self, batch: _Batch, mailbox: MailboxId, link: LinkRef) -> None:
        """Push what is held, as far as the window has room."""
        after, room_count, room_bytes = self._attachments.room(mailbox)
        empty = room_bytes == self._limits.push_window_bytes
        held = batch.transaction.envelopes_after(mailbox, after, room_count)
        sizes: dict[int, int] = {}
        for row in held:
            size = len(row.envelope)
            # Whatever its size, one envelope goes: otherwise nothing ever would.
            if size > room_bytes and not (empty and not sizes):
                break
            sizes[row.sequence] = size
            room_bytes -= size
            held_ms = max(0, batch.now_unix_ms - row.arrived_unix_ms)
            batch.outputs.append(Deliver(link, mailbox, row.sequence, held_ms, row.envelope))
        behind = len(held) == room_count or len(sizes) < len(held)
        self._attachments.pushed(mailbox, sizes, behind=behind)

    def _has_room(self, row: MailboxRow, size: int) -> bool:
        limits = self._limits
        if row.kind == wire.CONTACT_MAILBOX:
            most_envelopes, most_bytes = limits.contact_envelopes, limits.contact_bytes
        else:
            most_envelopes, most_bytes = limits.requests_envelopes, limits.requests_bytes
        return row.envelope_count < most_envelopes and row.envelope_bytes + size <= most_bytes

    def _ask_for_prekeys(self, batch: _Batch, mailbox: MailboxId, left: int) -> None:
        attachment = self._attachments.get(mailbox)
        if attachment is not None:
            batch.outputs.append(PrekeysRunLow(attachment.link, mailbox, left))

    def _renewed(self, attachment: Attachment, now_unix_ms: int) -> Attachment:
        """Return the attachment with a longer life, or the same where that gains little."""
        expires_unix_ms = now_unix_ms + self._limits.mailbox_life_ms
        if expires_unix_ms - attachment.expires_unix_ms < RENEW_BEFORE_MS:
            return attachment
        return Attachment(
            attachment.link,
            attachment.live_token_hash,
            attachment.generation,
            attachment.instance,
            expires_unix_ms,
        )

    def _write_login(
        self, t: MailboxTransaction, mailbox: MailboxId, attachment: Attachment
    ) -> None:
        t.set_login(
            mailbox, attachment.generation, attachment.instance, attachment.expires_unix_ms
        )

    def _refuse(self, batch: _Batch, item: Asked, answer: wire.Refused) -> None:
        batch.outputs.append(Answered(item.link, item.request_id, answer))

    def _promise_later(
        self, batch: _Batch, item: Asked, hashed: bytes, mailbox: MailboxId, until: int
    ) -> None:
        """Leave a place for the receipt, which is signed with all others of the batch."""
        batch.promises.append((custody_leaf(hashed, mailbox, until), until))
        batch.promised.append((len(batch.outputs), item))
        batch.outputs.append(None)

    def _promise(self, batch: _Batch) -> None:
        """Sign the receipts. They leave only if the commit that follows succeeds."""
        if not batch.promises:
            return
        receipts = sign_custody(self._node_key, batch.promises)
        for (place, item), held in zip(batch.promised, receipts, strict=True):
            batch.outputs[place] = Answered(item.link, item.request_id, held)


def _needs_store(item: ServiceInput) -> bool:
    if isinstance(item, Asked):
        return not isinstance(item.request, wire.GetChallenge)
    return isinstance(item, Attach | Acked)


def _internal(item: ServiceInput) -> list[ServiceOutput]:
    """Answer an item that met a bug."""
    match item:
        case Asked(link, request_id):
            return [Answered(link, request_id, refused(ErrorCode.INTERNAL))]
        case Attach(link, mailbox):
            return [Attached(link, mailbox, ErrorCode.INTERNAL, 0, 0)]
        case _:
            return []

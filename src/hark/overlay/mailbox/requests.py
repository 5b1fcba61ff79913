"""What a home does with one request (spec/mailbox.md#requests).

`RequestRules` holds the rules and the memory that they need (stamps, claims); the database is
the transaction that it is given. It answers, it never raises for what a node asked: a refusal
is an answer. What is kept of an envelope is the service's.
"""

from hark.crypto.admission import pass_hash, token_hash
from hark.crypto.hashing import equal, sha256
from hark.machine import Instant, RandomBytes
from hark.overlay.mailbox.attachments import Attachment, Attachments
from hark.overlay.mailbox.events import LinkRef
from hark.overlay.mailbox.limits import MailboxLimits
from hark.overlay.mailbox.stamps import NO_MAILBOX, StampDesk
from hark.overlay.mailbox.store import BundleRow, MailboxRow, MailboxTransaction
from hark.overlay.mailbox.undoable import UndoableDict
from hark.wire import mailbox as wire
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import MAILBOX_ID_BYTES, MailboxId
from hark.wire.mailbox import MailboxAnswer, Refused

HOUR_S = 60 * 60.0
_NO_INSTANCE = bytes(16)
"""Instance of a mailbox that nobody has logged in to yet."""

OwnerRequest = (
    wire.SetToken
    | wire.PublishBundle
    | wire.AddPrekeys
    | wire.RegisterPass
    | wire.DeleteMailbox
)


def refused(code: ErrorCode, retry_after_ms: int = 0) -> Refused:
    """Return the answer of a request that is not carried out."""
    return Refused(code, retry_after_ms)


def login_code(
    row: MailboxRow | None, owner_key: bytes, generation: int, instance: bytes
) -> ErrorCode:
    """Judge a login whose signature holds.

    Steps:
        1. The mailbox is here.
        2. The key that signed is its owner's.
        3. The device store is no older copy: its generation is higher than any before, or it
           is the very start that logged in last.
    """
    if row is None:  # 1
        return ErrorCode.UNKNOWN_MAILBOX
    if not equal(row.owner_key, owner_key):  # 2
        return ErrorCode.LOGIN_INVALID
    same_start = row.instance in {instance, _NO_INSTANCE}
    if generation < row.generation or (generation == row.generation and not same_start):  # 3
        return ErrorCode.STORE_STALE
    return ErrorCode.NONE


class RequestRules:
    """Answers requests. See the module's docstring."""

    def __init__(
        self,
        attachments: Attachments,
        stamps: StampDesk,
        *,
        random_bytes: RandomBytes,
        limits: MailboxLimits,
    ) -> None:
        self._attachments = attachments
        self._stamps = stamps
        self._random_bytes = random_bytes
        self._limits = limits
        self._claims: UndoableDict[MailboxId, tuple[Instant, int]] = UndoableDict()
        """Mailbox → since when the hour runs, and one-time keys given out in it."""

    # Requests of anybody.

    def challenge(self, request: wire.GetChallenge, now_unix_ms: int) -> MailboxAnswer:
        """Hand out a challenge, for a mailbox that may or may not be here."""
        return self._stamps.challenge(MailboxId(request.mailbox), now_unix_ms)

    def create(
        self, t: MailboxTransaction, request: wire.CreateMailbox, now_unix_ms: int
    ) -> MailboxAnswer:
        """Make a mailbox, or find the one that was made with the same key."""
        subject_hash = sha256(request.owner_key)
        code = self._stamps.take(request.stamp, NO_MAILBOX, subject_hash, now_unix_ms)
        if code is not ErrorCode.NONE:
            return refused(code, self._retry_ms(code))
        row = t.mailbox_of_owner(request.owner_key, request.kind)
        if row is None:
            row = MailboxRow(
                mailbox=MailboxId(self._random_bytes(MAILBOX_ID_BYTES)),
                kind=request.kind,
                owner_key=request.owner_key,
                token_hash=request.token_hash,
                generation=0,
                instance=_NO_INSTANCE,
                expires_unix_ms=now_unix_ms + self._limits.new_mailbox_life_ms,
                envelope_count=0,
                envelope_bytes=0,
            )
            t.insert_mailbox(row)
        return wire.MailboxCreated(row.mailbox, row.expires_unix_ms)

    def claim(
        self, t: MailboxTransaction, request: wire.Claim, now: Instant
    ) -> tuple[MailboxAnswer, int | None]:
        """Give what is needed to write to a device.

        Returns:
            The answer, and how many one-time keys are left if their owner should refill.
        """
        mailbox = MailboxId(request.mailbox)
        row = t.mailbox(mailbox)
        if row is None:
            return refused(ErrorCode.UNKNOWN_MAILBOX), None
        contact = row.kind == wire.CONTACT_MAILBOX
        if contact and not equal(token_hash(request.token), row.token_hash):
            return refused(ErrorCode.TOKEN_STALE), None
        one_time, left = b"", None
        if contact and request.one_time and self._may_claim(mailbox, now):
            one_time = t.take_prekey(mailbox) or b""
            left = t.prekey_count(mailbox)
            if left > self._limits.prekey_refill_mark:
                left = None
        bundle = t.bundle(mailbox) or BundleRow(0, b"", b"", b"")
        answer = wire.Bundle(
            bundle.record_counter,
            bundle.chain_blob,
            bundle.record_blob,
            bundle.fallback_blob,
            one_time,
        )
        return answer, left

    # Requests of the owner.

    def owner_request(
        self, t: MailboxTransaction, request: OwnerRequest, link: LinkRef, now_unix_ms: int
    ) -> MailboxAnswer:
        """Carry out what only a link that has the mailbox open may ask."""
        mailbox = MailboxId(request.mailbox)
        attachment = self._attachments.get(mailbox)
        if attachment is None or attachment.link != link:
            return refused(ErrorCode.NOT_OWNER)
        row = t.mailbox(mailbox)
        if row is None:
            return refused(ErrorCode.UNKNOWN_MAILBOX)
        match request:
            case wire.SetToken():
                return self._set_token(t, row, attachment, request.token_hash)
            case wire.PublishBundle():
                return self._publish(t, mailbox, request)
            case wire.AddPrekeys():
                return self._add_prekeys(t, mailbox, request.prekey_blobs)
            case wire.RegisterPass():
                return self._register_pass(t, row, request, now_unix_ms)
            case wire.DeleteMailbox():
                t.delete_mailbox(mailbox)
                self._attachments.close_mailbox(mailbox)
                return wire.Done()

    def _set_token(
        self, t: MailboxTransaction, row: MailboxRow, attachment: Attachment, new_hash: bytes
    ) -> MailboxAnswer:
        if row.kind != wire.CONTACT_MAILBOX:
            return refused(ErrorCode.MALFORMED)
        t.set_token_hash(row.mailbox, new_hash)
        self._attachments.replace(
            row.mailbox,
            Attachment(
                attachment.link,
                new_hash,
                attachment.generation,
                attachment.instance,
                attachment.expires_unix_ms,
            ),
        )
        return wire.Done()

    def _publish(
        self, t: MailboxTransaction, mailbox: MailboxId, request: wire.PublishBundle
    ) -> MailboxAnswer:
        held = t.bundle(mailbox)
        if held is not None and request.record_counter < held.record_counter:
            return refused(ErrorCode.RECORD_OLD)
        t.set_bundle(
            mailbox,
            BundleRow(
                request.record_counter,
                request.chain_blob,
                request.record_blob,
                request.fallback_blob,
            ),
        )
        return wire.Done()

    def _add_prekeys(
        self, t: MailboxTransaction, mailbox: MailboxId, blobs: list[bytes]
    ) -> MailboxAnswer:
        # An empty blob would read as "none" in a bundle.
        if not all(blobs):
            return refused(ErrorCode.MALFORMED)
        count = t.prekey_count(mailbox) + len(blobs)
        if count > self._limits.one_time_prekeys:
            return refused(ErrorCode.PREKEYS_FULL)
        t.add_prekeys(mailbox, blobs)
        return wire.PrekeyCount(count)

    def _register_pass(
        self,
        t: MailboxTransaction,
        row: MailboxRow,
        request: wire.RegisterPass,
        now_unix_ms: int,
    ) -> MailboxAnswer:
        if row.kind != wire.REQUESTS_MAILBOX or request.expires_unix_ms <= now_unix_ms:
            return refused(ErrorCode.PASS_INVALID)
        if t.pass_count(row.mailbox) >= self._limits.passes:
            return refused(ErrorCode.MAILBOX_FULL)
        latest = now_unix_ms + self._limits.pass_life_ms
        t.insert_pass(row.mailbox, request.pass_hash, min(request.expires_unix_ms, latest))
        return wire.Done()

    # Admission of an envelope.

    def admit(
        self,
        t: MailboxTransaction,
        row: MailboxRow,
        admission: wire.Admission,
        hashed_envelope: bytes,
        now_unix_ms: int,
    ) -> Refused | None:
        """Judge, and use up, what admits an envelope; None if it may enter."""
        match admission:
            case wire.DeliveryToken(token):
                contact = row.kind == wire.CONTACT_MAILBOX
                if contact and equal(token_hash(token), row.token_hash):
                    return None
                return refused(ErrorCode.TOKEN_STALE)
            case wire.InvitationPass(invitation_pass):
                shown = pass_hash(invitation_pass)
                if t.take_pass(row.mailbox, shown, now_unix_ms):
                    return None
                return refused(ErrorCode.PASS_INVALID)
            case wire.Stamp():
                if row.kind != wire.REQUESTS_MAILBOX:
                    return refused(ErrorCode.STAMP_INVALID)
                code = self._stamps.take(admission, row.mailbox, hashed_envelope, now_unix_ms)
                return None if code is ErrorCode.NONE else refused(code, self._retry_ms(code))

    # Memory.

    def commit(self) -> None:
        """Keep what was counted."""
        self._stamps.commit()
        self._claims.commit()

    def rollback(self) -> None:
        """Undo what was counted since the last commit."""
        self._stamps.rollback()
        self._claims.rollback()

    def prune(self, now: Instant, now_unix_ms: int) -> None:
        """Forget counts whose time is over."""
        self._stamps.prune(now_unix_ms)
        for mailbox, (since, _) in self._claims.items():
            if now - since >= HOUR_S:
                self._claims.pop(mailbox)
        self._claims.commit()

    def _may_claim(self, mailbox: MailboxId, now: Instant) -> bool:
        """Count a claim of a one-time key; False if the hour's are used up."""
        since, count = self._claims.get(mailbox) or (now, 0)
        if now - since >= HOUR_S:
            since, count = now, 0
        if count >= self._limits.claims_per_hour:
            return False
        self._claims.set(mailbox, (since, count + 1))
        return True

    def _retry_ms(self, code: ErrorCode) -> int:
        return self._limits.unavailable_retry_ms if code is ErrorCode.OVERLOADED else 0

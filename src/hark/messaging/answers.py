"""What homes answer, led back to whoever asked."""

from hark.errors import PeerError
from hark.messaging import claims, healing, homes, inbox, outbox, outgoing
from hark.messaging.asks import (
    ClaimKeys,
    MailboxChallenge,
    MakeMailbox,
    Purpose,
    PutChallenge,
    PutEnvelope,
    RefillPrekeys,
)
from hark.messaging.claims import UNKNOWN_DEVICE
from hark.messaging.events import Cause
from hark.messaging.work import Work
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import DeviceId, MailboxId
from hark.wire.mailbox import (
    Bundle,
    Challenge,
    Done,
    Held,
    MailboxAnswer,
    MailboxCreated,
    PrekeyCount,
    Refused,
)

MAX_OBEYED_WAIT_MS = 60 * 60 * 1000
"""Longest wait that a home may ask for, an hour: a broken one must not silence us for weeks."""


def take(work: Work, ask_id: int, answer: MailboxAnswer) -> None:
    """Take the answer to an ask; one that is not known any more is passed over."""
    purpose = work.volatile.end(ask_id)
    if isinstance(answer, Refused):
        answer = Refused(answer.code, min(answer.retry_after_ms, MAX_OBEYED_WAIT_MS))
    match purpose:
        case None:
            return
        case PutEnvelope() | PutChallenge():
            _put_answered(work, purpose, answer)
            outbox.pump(work, purpose.key.account, purpose.key.device)
        case ClaimKeys():
            _claim_answered(work, purpose, answer)
        case _:
            _home_answered(work, purpose, answer)


def lost(work: Work, ask_id: int) -> None:
    """Note that an ask was not answered. It may have been carried out."""
    purpose = work.volatile.end(ask_id)
    match purpose:
        case None:
            return
        case PutEnvelope() | PutChallenge():
            outbox.put_lost(work, purpose)
            outbox.pump(work, purpose.key.account, purpose.key.device)
        case ClaimKeys(account, device):
            claims.failed(work, purpose)
            outbox.keys_refused(work, account, device, Cause.NO_HOME)
        case _:
            homes.lost(work, purpose)


def stamp_found(work: Work, stamp_id: int, nonce: bytes) -> None:
    """Use a stamp whose work has been done."""
    found = work.volatile.stamps.pop(stamp_id, None)
    purpose = work.volatile.end(stamp_id)
    if found is None or purpose is None:
        return
    match purpose:
        case MakeMailbox():
            homes.stamp_found(work, purpose, found.challenge, nonce)
        case PutChallenge():
            outbox.stamp_found(work, purpose, found.challenge, nonce, found.subject)
        case _:
            pass


def _put_answered(
    work: Work, purpose: PutEnvelope | PutChallenge, answer: MailboxAnswer
) -> None:
    match purpose, answer:
        case PutEnvelope(), Held():
            outbox.put_held(work, purpose, answer)
        case PutChallenge(), Challenge():
            outbox.challenge_given(work, purpose, answer)
        case _, Refused():
            outbox.put_refused(work, purpose, answer)
        case _:
            # An answer to another question: the home is out of step.
            outbox.put_lost(work, purpose)


def _claim_answered(work: Work, purpose: ClaimKeys, answer: MailboxAnswer) -> None:
    account, device = purpose.account, purpose.device
    if isinstance(answer, Bundle):
        _bundle_came(work, purpose, answer)
        return
    if isinstance(answer, Refused):
        stale = ErrorCode(answer.code) is ErrorCode.TOKEN_STALE
        if stale and not purpose.by_requests:
            claims.want_keys(work, account, device, one_time=True, by_requests=True)
            return
        claims.failed(work, purpose, answer.retry_after_ms)
    else:
        claims.failed(work, purpose)
    outbox.keys_refused(work, account, device, Cause.REFUSED)


def _bundle_came(work: Work, purpose: ClaimKeys, bundle: Bundle) -> None:
    account = purpose.account
    try:
        peer = claims.take_bundle(work, purpose, bundle)
    except PeerError:
        claims.failed(work, purpose)
        outbox.keys_refused(work, account, purpose.device, Cause.KEYS_INVALID)
        return
    device = DeviceId(peer.device)
    if purpose.device == UNKNOWN_DEVICE:
        outbox.aim(work, account, device)
    healing.keys_came(work, peer)
    outbox.wake(work, account, device)
    inbox.retry(work, account)
    outgoing.catch_up(work, account)


def _home_answered(work: Work, purpose: Purpose, answer: MailboxAnswer) -> None:
    assert not isinstance(purpose, PutEnvelope | PutChallenge | ClaimKeys)
    match purpose, answer:
        case MailboxChallenge(), Challenge():
            homes.challenge_given(work, purpose, answer)
        case MakeMailbox(), MailboxCreated(mailbox):
            homes.mailbox_made(work, purpose, MailboxId(mailbox))
        case RefillPrekeys(home), PrekeyCount(count):
            work.volatile.one_time_counts[home] = count
        case _, Refused():
            homes.refused(work, purpose, answer)
        case _, Done():
            homes.done(work, purpose)
        case _:
            homes.lost(work, purpose)

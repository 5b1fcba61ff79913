"""What is believed about the keys of an account, and what follows when that changes.

Chains arrive from homes, introductions and contacts; each has been verified before it gets
here and is joined to the one that we know. A new device is a notice. A new epoch voids the
verification and stops sending until a person has looked at the number; a fork freezes.
Source: spec/messaging.md#trust.
"""

from hark.identity.chain import Change, IdentityChain
from hark.messaging import peers
from hark.messaging.events import (
    Cause,
    ContactChange,
    ContactChanged,
    ContactStatus,
    Trust,
)
from hark.messaging.tables import CHAINS, CONTACTS, ChainRow, ContactRow
from hark.messaging.work import Work
from hark.wire.ids import AccountId

_STOPPING_TRUST = {Trust.NEW_EPOCH: Cause.NEW_EPOCH, Trust.FROZEN: Cause.FROZEN}


def chain_of(work: Work, account: AccountId) -> IdentityChain | None:
    """Return the verified chain of an account, our own included, or None."""
    if account == work.own.account:
        return work.own.chain
    row = work.t.get(CHAINS, account)
    return None if row is None else IdentityChain.load(row.chain)


def learn_chain(work: Work, chain: IdentityChain) -> Change:
    """Join a *verified* chain to what is known, and draw the consequences.

    Args:
        work: the transaction.
        chain: of a contact, of somebody who is about to become one, or our own from another
            device of this account.
    """
    account = chain.account_id
    known = chain_of(work, account)
    if known is None:
        work.t.put(CHAINS, ChainRow(account, chain.encode()))
        peers.follow_chain(work, chain)
        _note_head(work, chain)
        return Change.UNCHANGED
    merged, change = known.merge(chain)
    if change in (Change.UNCHANGED, Change.OLDER):
        return change
    if account == work.own.account:
        _learn_own(work, merged)
        return change
    work.t.put(CHAINS, ChainRow(account, merged.encode()))
    peers.follow_chain(work, merged)
    _note_head(work, merged)
    _judge(work, account, change)
    return change


def sending_stopped(work: Work, account: AccountId) -> Cause:
    """Return why nothing may be sent to this account now; `NONE` when it may."""
    if account == work.own.account:
        return Cause.NONE
    row = work.t.get(CONTACTS, account)
    if row is None:
        return Cause.BLOCKED
    return stopping_cause(row)


def stopping_cause(row: ContactRow) -> Cause:
    """Return why nothing may be sent to this contact now; `NONE` when it may."""
    if row.status == ContactStatus.BLOCKED:
        return Cause.BLOCKED
    stop = _STOPPING_TRUST.get(Trust(row.trust))
    if stop is not None:
        return stop
    return Cause.NONE if row.status == ContactStatus.ACCEPTED else Cause.NOT_ACCEPTED


def _note_head(work: Work, chain: IdentityChain) -> None:
    row = work.t.get(CONTACTS, chain.account_id)
    if row is not None:
        work.t.put(CONTACTS, row._replace(epoch=chain.epoch, chain_seq=chain.chain_seq))


def _judge(work: Work, account: AccountId, change: Change) -> None:
    """Set the trust in a contact after a change, and say so."""
    row = work.t.get(CONTACTS, account)
    if row is None:
        return
    if change is Change.DEVICES_CHANGED:
        work.notify(ContactChanged(account, ContactChange.DEVICES))
        return
    frozen = change is Change.FROZEN
    trust = Trust.FROZEN if frozen else Trust.NEW_EPOCH
    event = ContactChange.FROZEN if frozen else ContactChange.NEW_EPOCH
    work.t.put(CONTACTS, row._replace(trust=trust.value, changed_unix_ms=work.now_unix_ms))
    work.notify(ContactChanged(account, event))


def _learn_own(work: Work, chain: IdentityChain) -> None:
    """Take a newer chain of our own account, from another of its devices."""
    own = work.own
    if chain.device(own.device_id) is None:
        # We have been revoked, or everything was recovered elsewhere. What we hold stays
        # readable; others will not listen to us any more.
        return
    work.save_own(own.row._replace(chain=chain.encode()))
    peers.follow_chain(work, chain)

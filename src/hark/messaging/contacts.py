"""Contacts: invited, asked, accepted, blocked; and what a person decides about them.

An invitation's token means *accepted on both sides* when it comes back; a stranger waits for
a decision, and gets no sign of life before it. Source: spec/messaging.md#contacts.
"""

from hark.errors import (
    ContactBlockedError,
    ContactFrozenError,
    ContactUnverifiedError,
    InvitationError,
    UnknownContactError,
    UnreachableError,
    UsageError,
)
from hark.identity.invitation import Home, Invitation
from hark.identity.safety_number import safety_number
from hark.messaging import cards, claims, homes, mailboxes, names, outbox, outgoing, trust
from hark.messaging.asks import RowKey
from hark.messaging.claims import UNKNOWN_DEVICE
from hark.messaging.conversations import conversation
from hark.messaging.events import (
    Cause,
    ContactChange,
    ContactChanged,
    ContactStatus,
    Trust,
)
from hark.messaging.tables import (
    CONTACTS,
    CONTACTS_BY_STATUS,
    INVITATIONS,
    MAILBOXES,
    MAILBOXES_BY_HOME,
    PEERS_BY_ACCOUNT,
    RECEIPTS,
    RECEIPTS_BY_PEER,
    ContactRow,
    InvitationRow,
)
from hark.messaging.work import Work
from hark.wire.bodies import (
    BodyType,
    ContactAcceptBody,
    ContactRequestBody,
    SyncContact,
)
from hark.wire.codec import encode
from hark.wire.ids import AccountId, MailboxId, NodeId
from hark.wire.mailbox import CONTACT_MAILBOX

INVITATION_TOKEN_BYTES = 16


def find(work: Work, account: AccountId) -> ContactRow:
    """Return a contact.

    Raises:
        UnknownContactError: there is none of this account id.
    """
    row = work.t.get(CONTACTS, account)
    if row is None:
        raise UnknownContactError
    return row


def check_sending(row: ContactRow) -> None:
    """Check that a person may write to this contact now.

    Raises:
        ContactBlockedError, ContactFrozenError, ContactUnverifiedError: and why not.
        UsageError: a stranger who has not been answered yet.
    """
    if row.status == ContactStatus.BLOCKED:
        raise ContactBlockedError
    if row.trust == Trust.FROZEN:
        raise ContactFrozenError
    if row.trust == Trust.NEW_EPOCH:
        raise ContactUnverifiedError
    if row.status == ContactStatus.REQUESTED:
        raise UsageError("accept this contact's request first")


# Invitations.


def invitation_homes(work: Work) -> tuple[Home, ...]:
    """Return where strangers reach us.

    Raises:
        UnreachableError: no home has made our mailboxes yet.
    """
    found = []
    for home in homes.home_rows(work):
        pair = mailboxes.pair_at(work.t, home)
        if pair is not None:
            requests = MailboxId(pair[1].mailbox)
            found.append(Home(NodeId(home.node), home.host.lower(), home.port, requests))
    if not found:
        raise UnreachableError("no home has made a mailbox for this account yet")
    return tuple(found)


def invite(work: Work, name: str) -> Invitation:
    """Make an invitation for one person.

    Args:
        work: the transaction.
        name: what whoever uses it will be called here; empty for the name they give.

    Raises:
        UnreachableError: no home has made our mailboxes yet.
    """
    token = work.random_bytes(INVITATION_TOKEN_BYTES)
    expires_unix_ms = work.calendar_unix_ms + work.config.invitation_ms
    found = invitation_homes(work)
    work.t.put(INVITATIONS, InvitationRow(token, expires_unix_ms, name, 0))
    homes.care_everywhere(work)
    return Invitation(work.own.account, found, token, expires_unix_ms)


def use_token(work: Work, token: bytes) -> InvitationRow | None:
    """Return the invitation that a token belongs to and use it up; None if it has no use."""
    row = work.t.get(INVITATIONS, token) if token else None
    if row is None or row.expires_unix_ms < work.calendar_unix_ms:
        return None
    work.t.delete(INVITATIONS, token)
    return row


# What a person decides.


def add(work: Work, invitation: Invitation, name: str) -> AccountId:
    """Ask somebody whose link we have been given.

    A link of somebody we know already is a new way to them: its keys are fetched and joined to
    what is known, so a contact that has recovered its account goes on in the same conversation.

    Raises:
        InvitationError: expired, or our own.
    """
    account = invitation.account_id
    if account == work.own.account:
        raise InvitationError("this is your own invitation")
    invitation.check_not_expired(work.calendar_unix_ms)
    row = work.t.get(CONTACTS, account)
    if row is None:
        row = _new_row(work, account, name, ContactStatus.INVITED)
        work.t.put(CONTACTS, row._replace(invitation=invitation.uri()))
        names.strangers_give_way(work, account)
        work.notify(ContactChanged(account, ContactChange.ADDED))
    elif row.status == ContactStatus.BLOCKED:
        raise ContactBlockedError
    else:
        work.t.put(CONTACTS, row._replace(invitation=invitation.uri()))
    if row.status == ContactStatus.REQUESTED:
        accept(work, account)
    else:
        _request(work, invitation)
    return account


def ask_for_call(work: Work, row: ContactRow) -> None:
    """Ask somebody who has not accepted us once more, and say that we would like to call.

    At most once an hour; and only the device that was given the link can ask.
    """
    account = AccountId(row.account)
    last = work.volatile.call_requests.get(account)
    too_soon = last is not None and (work.now - last) * 1000 < work.config.call_request_ms
    if row.invitation and not too_soon:
        work.volatile.call_requests[account] = work.now
        _request(work, Invitation.parse(row.invitation), wants_call=True)


def accept(work: Work, account: AccountId) -> None:
    """Accept a stranger, or take somebody back who was blocked."""
    row = find(work, account)
    if row.status not in (ContactStatus.REQUESTED, ContactStatus.BLOCKED):
        return
    become_accepted(work, row)


def block(work: Work, account: AccountId) -> None:
    """Block a contact: nothing more goes there, and what comes from there is not taken.

    Every mailbox gets a new delivery token, which all other contacts are told.
    """
    row = find(work, account)
    if row.status == ContactStatus.BLOCKED:
        return
    set_status(work, row, ContactStatus.BLOCKED, ContactChange.BLOCKED)
    forget_outgoing(work, account)
    replace_tokens(work)
    tell_own(work, account)


def verify(work: Work, account: AccountId, number: str = "") -> None:
    """Note that a person has compared the safety number.

    Args:
        work: the transaction.
        account: of the contact.
        number: the digits that were compared; empty for those of this moment.

    Raises:
        ContactFrozenError: two recoveries contradict each other; no number settles that.
        ContactUnverifiedError: the number has changed since it was shown.
        UsageError: the contact's keys have not come yet, so there is no number.
    """
    row = find(work, account)
    if row.trust == Trust.FROZEN:
        raise ContactFrozenError
    chain = trust.chain_of(work, account)
    if chain is None:
        raise UsageError("the keys of this contact have not come yet")
    # Whoever recovers the account while a person compares must not profit from the answer.
    if number and number != safety_number(work.own.chain, chain):
        raise ContactUnverifiedError("the number has changed since it was shown; compare again")
    work.t.put(CONTACTS, row._replace(trust=Trust.VERIFIED.value))
    work.notify(ContactChanged(account, ContactChange.VERIFIED))
    outgoing.catch_up(work, account)
    outbox.wake(work, account)
    tell_own(work, account)


def rename(work: Work, account: AccountId, name: str) -> None:
    """Give a contact another name, on this side only."""
    row = find(work, account)
    work.t.put(CONTACTS, row._replace(name=names.clean_name(name)))
    names.strangers_give_way(work, account)
    work.notify(ContactChanged(account, ContactChange.RENAMED))


# What both the person and a message can bring about.


def become_accepted(work: Work, row: ContactRow) -> None:
    """Make a contact accepted, answer it with our cards, and send what waits."""
    account = AccountId(row.account)
    set_status(work, row, ContactStatus.ACCEPTED, ContactChange.ACCEPTED)
    send_acceptance(work, account)
    outgoing.catch_up(work, account)
    tell_own(work, account)


def send_acceptance(work: Work, account: AccountId) -> None:
    """Tell a contact where our mailboxes are, in answer to its request."""
    for row in outbox.rows_to(work, account):
        if row.body_type == BodyType.CONTACT_ACCEPT:
            outbox.forget(work, row)
    body = ContactAcceptBody(work.own.row.name, cards.all_cards(work))
    outgoing.send_control(work, account, BodyType.CONTACT_ACCEPT, encode(body))


def set_status(
    work: Work, row: ContactRow, status: ContactStatus, change: ContactChange
) -> ContactRow:
    """Store a contact's new status and say so."""
    row = row._replace(status=status.value, changed_unix_ms=work.now_unix_ms, wants_call=0)
    work.t.put(CONTACTS, row)
    work.notify(ContactChanged(AccountId(row.account), change))
    return row


def new_contact(work: Work, account: AccountId, name: str, status: ContactStatus) -> ContactRow:
    """Store somebody new."""
    row = _new_row(work, account, name, status)
    work.t.put(CONTACTS, row)
    names.strangers_give_way(work, account)
    return row


def request_count(work: Work) -> int:
    """Return how many strangers wait for an answer."""
    return work.t.count(CONTACTS_BY_STATUS, ContactStatus.REQUESTED.value)


def forget_outgoing(work: Work, account: AccountId) -> None:
    """Drop what is on its way to an account, and the receipts that we owe it."""
    for row in outbox.rows_to(work, account):
        outbox.forget(work, row)
    for receipt in work.t.select(RECEIPTS_BY_PEER, account):
        work.t.delete(
            RECEIPTS, receipt.account, receipt.device, receipt.kind, receipt.message_id
        )


def replace_tokens(work: Work) -> None:
    """Give every contact mailbox a new delivery token, and tell it to all contacts."""
    for home in homes.home_rows(work):
        for row in work.t.select(MAILBOXES_BY_HOME, home.node):
            if row.kind == CONTACT_MAILBOX:
                token = work.random_bytes(mailboxes.TOKEN_BYTES)
                # Before the mailbox exists it is simply made with the new one.
                token_set = 0 if row.mailbox else row.token_set
                work.t.put(MAILBOXES, row._replace(token=token, token_set=token_set))
    homes.care_everywhere(work)
    cards.card_changed(work)


def _request(work: Work, invitation: Invitation, *, wants_call: bool = False) -> None:
    """Send our request, as soon as the keys of the invited device have come."""
    account = invitation.account_id
    for row in outbox.rows_to(work, account):
        if row.body_type == BodyType.CONTACT_REQUEST:
            outbox.forget(work, row)
    token, known = invitation.token or b"", cards.all_cards(work)
    body = ContactRequestBody(work.own.row.name, token, known, wants_call)
    key = RowKey(outgoing.new_message_id(work), account, UNKNOWN_DEVICE)
    route = outbox.ROUTE_PASS if invitation.token else outbox.ROUTE_STAMP
    work.volatile.claim_backoff.pop((account, UNKNOWN_DEVICE), None)
    outbox.enqueue(work, key, BodyType.CONTACT_REQUEST, encode(body), route=route)
    claims.want_keys(work, account, UNKNOWN_DEVICE, one_time=True)


def _new_row(work: Work, account: AccountId, name: str, status: ContactStatus) -> ContactRow:
    chain = trust.chain_of(work, account)
    return ContactRow(
        account=account,
        name=names.clean_name(name),
        their_name="",
        status=status.value,
        trust=(Trust.FROZEN if chain and chain.frozen else Trust.UNVERIFIED).value,
        epoch=chain.epoch if chain else 0,
        chain_seq=chain.chain_seq if chain else 0,
        invitation="",
        created_unix_ms=work.now_unix_ms,
        changed_unix_ms=work.now_unix_ms,
        wants_call=0,
    )


def tell_own(work: Work, account: AccountId) -> None:
    """Tell our other devices where a contact stands."""
    row, chain = work.t.get(CONTACTS, account), trust.chain_of(work, account)
    if row is None or not work.t.select(PEERS_BY_ACCOUNT, work.own.account, limit=1):
        return
    body = SyncContact(
        account,
        row.name,
        row.status,
        row.trust,
        b"" if chain is None else chain.shortened().encode(),
        cards.known_cards(work, account),
    )
    outgoing.sync(work, encode(body))


def unread_count(work: Work, account: AccountId) -> int:
    """Return how many messages of a contact have not been read."""
    return conversation(work.t, account).unread


def may_hear(row: ContactRow) -> bool:
    """Return whether a person who is not blocked and not a stranger speaks."""
    return trust.stopping_cause(row) is not Cause.BLOCKED and (
        row.status != ContactStatus.REQUESTED
    )

"""Our homes: mailboxes made there, our bundle laid out there, one-time keys refilled.

Everything is driven by the difference between what the store says should be and what the home
is known to have (`care_for`), so that a lost answer, a restart or a home that lost its disk
all end in the same way: what is missing is asked for again. Source: spec/messaging.md#homes.
"""

from hark.crypto.admission import pass_hash, token_hash
from hark.crypto.hashing import sha256
from hark.crypto.signing import SigningKey
from hark.errors import UsageError
from hark.identity.bundle import BlobKind, seal_blob
from hark.identity.invitation import put_pass
from hark.identity.prekeys import PrekeyKind, SignedPrekey
from hark.messaging import cards, envelope_keys, mailboxes
from hark.messaging.asks import (
    DropMailbox,
    MailboxChallenge,
    MakeMailbox,
    Publish,
    RefillPrekeys,
    Register,
    ReplaceToken,
)
from hark.messaging.events import HomeChanged, KeepHome, LeaveHome, LogInMailbox
from hark.messaging.tables import (
    HOMES,
    HOMES_BY_AGE,
    INVITATIONS,
    INVITATIONS_BY_TIME,
    MAILBOXES,
    MAILBOXES_BY_HOME,
    OLM_ACCOUNT,
    HomeRow,
    MailboxRow,
)
from hark.messaging.work import Work
from hark.wire.address import Address
from hark.wire.bodies import MAX_HOMES
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import MAILBOX_ID_BYTES, MailboxId, NodeId
from hark.wire.mailbox import (
    CONTACT_MAILBOX,
    MAX_PREKEYS_PER_REQUEST,
    REQUESTS_MAILBOX,
    AddPrekeys,
    Challenge,
    CreateMailbox,
    DeleteMailbox,
    GetChallenge,
    MailboxRequest,
    PublishBundle,
    Refused,
    RegisterPass,
    SetToken,
    Stamp,
)

NO_MAILBOX = bytes(MAILBOX_ID_BYTES)
"""Named in a challenge for making a mailbox."""
_NO_TOKEN_HASH = bytes(32)
_REFUSED_RETRY_MS = 30 * 1000

HomePurpose = (
    MailboxChallenge
    | MakeMailbox
    | Publish
    | RefillPrekeys
    | ReplaceToken
    | Register
    | DropMailbox
)


def address_of(home: HomeRow) -> Address:
    """Return where a home of ours is."""
    return Address(NodeId(home.node), home.host, home.port)


def home_rows(work: Work) -> list[HomeRow]:
    """Return our homes, oldest first."""
    return work.t.select(HOMES_BY_AGE)


def add(work: Work, address: Address) -> None:
    """Make a supernode one of our homes.

    Raises:
        UsageError: there are two already.
    """
    known = home_rows(work)
    if any(home.node == address.node_id for home in known):
        return
    if len(known) == MAX_HOMES:
        raise UsageError(f"a device has at most {MAX_HOMES} homes")
    mailboxes.store_home(work.t, address, work.now_unix_ms, work.random_bytes)
    _forget_registrations(work)
    work.emit(KeepHome(address))
    if address.node_id in work.volatile.links:
        care_for(work, address.node_id)


def leave(work: Work, address: Address) -> None:
    """Give a home up: its mailboxes are deleted there, and contacts are told.

    Raises:
        UsageError: it is the only one, or none of ours.
    """
    node = address.node_id
    known = home_rows(work)
    if all(home.node != node for home in known):
        raise UsageError("this supernode is not a home of this device")
    if len(known) == 1:
        raise UsageError("a device keeps at least one home; add another one first")
    for row in work.t.select(MAILBOXES_BY_HOME, node):
        if row.mailbox:
            work.ask(address, DeleteMailbox(row.mailbox), DropMailbox(node, row.mailbox))
            work.volatile.attached.discard(MailboxId(row.mailbox))
        work.t.delete(MAILBOXES, node, row.kind)
    work.t.delete(HOMES, node)
    work.volatile.clock_offsets_ms.pop(node, None)
    _forget_registrations(work)
    cards.card_changed(work)
    work.emit(LeaveHome(node))


def _forget_registrations(work: Work) -> None:
    """Register every invitation again: which home is number 0 may have changed."""
    for row in work.t.select(INVITATIONS_BY_TIME):
        work.t.put(INVITATIONS, row._replace(registered=0))


def start(work: Work) -> None:
    """Keep a link to every home, and log in where there are mailboxes."""
    for home in home_rows(work):
        work.emit(KeepHome(address_of(home)))
        for mailbox in work.t.select(MAILBOXES_BY_HOME, home.node):
            log_in(work, mailbox)


def log_in(work: Work, row: MailboxRow) -> None:
    """Log in to a mailbox, if it has been made."""
    if row.mailbox:
        own = work.own.row
        work.emit(
            LogInMailbox(
                NodeId(row.node),
                MailboxId(row.mailbox),
                row.owner_seed,
                own.generation,
                work.volatile.instance,
            )
        )


def link_up(work: Work, node: NodeId, clock_offset_ms: int) -> None:
    """Go on with a home that can be asked again, and take note of its clock."""
    if work.t.get(HOMES, node) is not None:
        work.volatile.clock_offsets_ms[node] = clock_offset_ms
        work.notify(HomeChanged(node, connected=True, reason=""))
        work.volatile.home_retry.pop(node, None)
        care_for(work, node)


def link_down(work: Work, node: NodeId, reason: str) -> None:
    """Note that a home cannot be reached."""
    for row in work.t.select(MAILBOXES_BY_HOME, node):
        work.volatile.attached.discard(MailboxId(row.mailbox))
    if work.t.get(HOMES, node) is not None:
        work.notify(HomeChanged(node, connected=False, reason=reason))


def attached(work: Work, node: NodeId, mailbox: MailboxId, prekey_count: int) -> None:
    """Note that mail of a mailbox will come; what the home lacks may now be brought."""
    home = work.t.get(HOMES, node)
    row = mailbox_row(work, node, mailbox)
    if home is None or row is None:
        return
    work.volatile.attached.add(mailbox)
    if row.kind == CONTACT_MAILBOX:
        work.volatile.one_time_counts[node] = prekey_count
    work.t.put(HOMES, home._replace(reached_unix_ms=work.now_unix_ms))
    care_for(work, node)


def login_refused(work: Work, node: NodeId, mailbox: MailboxId, code: ErrorCode) -> None:
    """React to a login that was refused, other than for a stale store."""
    row = mailbox_row(work, node, mailbox)
    if row is None:
        return
    if code is ErrorCode.UNKNOWN_MAILBOX:
        # It expired, or the home lost its disk: a new one is made with the same key.
        work.t.put(MAILBOXES, row._replace(mailbox=b"", published=0))
        work.volatile.requests_mailboxes = None
        care_for(work, node)
        return
    work.notify(HomeChanged(node, connected=False, reason=code.name.lower()))


def mailbox_row(work: Work, node: NodeId, mailbox: MailboxId) -> MailboxRow | None:
    """Return our mailbox of this id at a home, or None."""
    for row in work.t.select(MAILBOXES_BY_HOME, node):
        if row.mailbox == mailbox:
            return row
    return None


def is_requests_mailbox(work: Work, node: NodeId, mailbox: MailboxId) -> bool:
    """Return whether mail of this mailbox comes from strangers."""
    known = work.volatile.requests_mailboxes
    if known is None:
        known = work.volatile.requests_mailboxes = {
            (NodeId(home.node), MailboxId(row.mailbox))
            for home in home_rows(work)
            for row in work.t.select(MAILBOXES_BY_HOME, home.node)
            if row.kind == REQUESTS_MAILBOX
        }
    return (node, mailbox) in known


def prekeys_low(work: Work, node: NodeId, count: int) -> None:
    """Take the home's word for how many one-time keys it still has."""
    work.volatile.one_time_counts[node] = count
    care_for(work, node)


def care_everywhere(work: Work) -> None:
    """Look at every home: something of ours has changed."""
    for home in home_rows(work):
        care_for(work, NodeId(home.node))


def care_for(work: Work, node: NodeId) -> None:
    """Ask a home for everything that is missing there."""
    home = work.t.get(HOMES, node)
    if home is None or node not in work.volatile.links:
        return
    for row in work.t.select(MAILBOXES_BY_HOME, node):
        if not row.mailbox:
            if MakeMailbox(node, row.kind) not in work.volatile.busy:
                _ask(work, home, GetChallenge(NO_MAILBOX), MailboxChallenge(node, row.kind))
        elif row.mailbox in work.volatile.attached:
            _care_for_mailbox(work, home, row)


def _care_for_mailbox(work: Work, home: HomeRow, row: MailboxRow) -> None:
    node = NodeId(home.node)
    version = envelope_keys.bundle_version(work)
    if row.published < version:
        _ask(work, home, _bundle(work, row), Publish(node, row.kind, version))
    if row.kind == REQUESTS_MAILBOX:
        _register_passes(work, home, row)
        return
    if not row.token_set:
        request = SetToken(row.mailbox, token_hash(row.token))
        _ask(work, home, request, ReplaceToken(node, row.token))
    _refill(work, home, row)


def _ask(work: Work, home: HomeRow, request: MailboxRequest, purpose: HomePurpose) -> None:
    work.ask(address_of(home), request, purpose)


def _bundle(work: Work, row: MailboxRow) -> PublishBundle:
    own = work.own
    newest = envelope_keys.newest(work)
    account_row, _ = work.olm_account()
    assert newest is not None, "the first key is made before the first mailbox"
    chain = own.chain.shortened().encode()
    return PublishBundle(
        row.mailbox,
        newest.counter,
        seal_blob(BlobKind.CHAIN, own.account, chain, work.random_bytes),
        seal_blob(BlobKind.ENVELOPE_KEY, own.account, newest.record, work.random_bytes),
        account_row.fallback_blob,
    )


def _refill(work: Work, home: HomeRow, row: MailboxRow) -> None:
    """Top the one-time keys up at half of what the home is to have."""
    config, node = work.config, NodeId(home.node)
    two = len(home_rows(work)) > 1
    wanted = config.prekeys_two_homes if two else config.prekeys_one_home
    held = work.volatile.one_time_counts.get(node, wanted)
    if held > wanted // 2 or RefillPrekeys(node) in work.volatile.busy:
        return
    account_row, olm = work.olm_account()
    count = min(wanted - held, MAX_PREKEYS_PER_REQUEST)
    count = min(count, config.max_one_time_keys - account_row.one_time_count)
    if count <= 0:
        return
    own = work.own
    blobs = []
    for key in olm.generate_one_time_keys(count):
        prekey = SignedPrekey.sign(olm, PrekeyKind.ONE_TIME, own.account, own.device_id, key)
        kind = BlobKind.ONE_TIME_PREKEY
        blobs.append(seal_blob(kind, own.account, prekey.encode(), work.random_bytes))
    # Marked before they are sent: keys that never arrive are lost, none is given out twice.
    olm.mark_published()
    work.t.put(
        OLM_ACCOUNT,
        account_row._replace(
            pickle=olm.pickle(own.pickle_key),
            one_time_count=account_row.one_time_count + count,
        ),
    )
    _ask(work, home, AddPrekeys(row.mailbox, blobs), RefillPrekeys(node))


def _register_passes(work: Work, home: HomeRow, row: MailboxRow) -> None:
    node = NodeId(home.node)
    slot = [one.node for one in home_rows(work)].index(home.node)
    for invitation in work.t.select(INVITATIONS_BY_TIME, above=work.now_unix_ms):
        if not invitation.registered & 1 << slot:
            shown = put_pass(invitation.token)
            request = RegisterPass(row.mailbox, pass_hash(shown), invitation.expires_unix_ms)
            _ask(work, home, request, Register(node, slot, invitation.token))


# Answers.


def challenge_given(work: Work, purpose: MailboxChallenge, answer: Challenge) -> None:
    """Have the stamp for a new mailbox made."""
    row = work.t.get(MAILBOXES, purpose.home, purpose.kind)
    if row is None or row.mailbox:
        return
    subject = sha256(SigningKey(row.owner_seed).public.raw)
    stamp_purpose = MakeMailbox(purpose.home, purpose.kind)
    work.find_stamp(stamp_purpose, answer.challenge, answer.bits, NO_MAILBOX, subject)


def stamp_found(work: Work, purpose: MakeMailbox, challenge: bytes, nonce: bytes) -> None:
    """Make the mailbox, now that its stamp is there."""
    home = work.t.get(HOMES, purpose.home)
    row = work.t.get(MAILBOXES, purpose.home, purpose.kind)
    if home is None or row is None:
        return
    request = CreateMailbox(
        purpose.kind,
        SigningKey(row.owner_seed).public.raw,
        token_hash(row.token) if row.token else _NO_TOKEN_HASH,
        Stamp(challenge, nonce),
    )
    _ask(work, home, request, purpose)


def mailbox_made(work: Work, purpose: MakeMailbox, mailbox: MailboxId) -> None:
    """Take a new mailbox into use: log in, and once both are there, tell the contacts."""
    home = work.t.get(HOMES, purpose.home)
    row = work.t.get(MAILBOXES, purpose.home, purpose.kind)
    if home is None or row is None or row.mailbox == mailbox:
        return
    row = row._replace(mailbox=mailbox, published=0, token_set=1)
    work.t.put(MAILBOXES, row)
    work.volatile.requests_mailboxes = None
    log_in(work, row)
    if mailboxes.pair_at(work.t, home) is not None:
        cards.card_changed(work)


def done(work: Work, purpose: HomePurpose) -> None:
    """Note that a home has carried something out, durably."""
    match purpose:
        case Publish(home, kind, version):
            row = work.t.get(MAILBOXES, home, kind)
            if row is not None and row.published < version:
                work.t.put(MAILBOXES, row._replace(published=version))
                envelope_keys.note_published(work)
        case ReplaceToken(home, token):
            row = work.t.get(MAILBOXES, home, CONTACT_MAILBOX)
            if row is not None and row.token == token:
                work.t.put(MAILBOXES, row._replace(token_set=1))
        case Register(_, slot, token):
            invitation = work.t.get(INVITATIONS, token)
            if invitation is not None:
                registered = invitation.registered | 1 << slot
                work.t.put(INVITATIONS, invitation._replace(registered=registered))
        case _:
            pass


def refused(work: Work, purpose: HomePurpose, answer: Refused) -> None:
    """Try again later; a home that already has something newer is left as it is."""
    code = ErrorCode(answer.code)
    if code is ErrorCode.RECORD_OLD and isinstance(purpose, Publish):
        done(work, purpose)
        return
    if code is ErrorCode.PREKEYS_FULL and isinstance(purpose, RefillPrekeys):
        work.volatile.one_time_counts[purpose.home] = work.config.prekeys_one_home
        return
    wait_ms = max(answer.retry_after_ms, _REFUSED_RETRY_MS)
    work.volatile.home_retry[purpose.home] = work.after_ms(work.jittered_ms(wait_ms))


def lost(work: Work, purpose: HomePurpose) -> None:
    """Try again: at the next link, and if there is one still, soon."""
    if purpose.home in work.volatile.links:
        work.volatile.home_retry[purpose.home] = work.after_ms(_REFUSED_RETRY_MS)

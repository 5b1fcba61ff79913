"""The chain: what extends it, what is refused, and how two chains are joined."""

from dataclasses import replace

import pytest

from hark.crypto.labels import Label
from hark.crypto.signing import CompositeKey
from hark.errors import ForgedError, MalformedError, PeerError, RecoveryWordsError, UsageError
from hark.identity.accounts import (
    add_device,
    recover_account,
    revoke_devices,
    rotate_root,
)
from hark.identity.chain import (
    MAX_CHAIN_BYTES,
    MAX_ROOT_ROTATIONS,
    MAX_RUN,
    Change,
    IdentityChain,
)
from hark.identity.devices import Device
from hark.identity.root import Root
from hark.identity.statements import (
    Header,
    RotationStatement,
    StatementKind,
    sign_device_statement,
    sign_root_statement,
    sign_rotation,
)
from tests.identity_people import DAY, Person, device, fixed_random, root_seed

ANNA = Person.create("anna")
ANNA_2 = ANNA.adds("anna-2")
ANNA_3 = ANNA_2.adds("anna-3")
RECOVERED = ANNA_2.recovers("anna-4")
ROTATED = ANNA_2.rotates("anna new", "anna-5", day=DAY + 1)
BORIS = Person.create("boris")
ROOT = Root.from_seed(root_seed("anna"))

PEOPLE = [ANNA, ANNA_2, ANNA_3, RECOVERED, ROTATED, RECOVERED.adds("anna-6")]


def device_statement(
    person: Person,
    *names: str,
    kind: StatementKind = StatementKind.ADD,
    seq: int | None = None,
    epoch: int | None = None,
    previous: bytes | None = None,
    key: CompositeKey | None = None,
) -> IdentityChain:
    """Extend a person's chain by a statement that may break a rule."""
    chain = person.chain
    header = Header(
        kind,
        chain.account_id,
        chain.chain_seq + 1 if seq is None else seq,
        previous or chain.head_hash,
        chain.epoch if epoch is None else epoch,
    )
    devices = tuple(device(name) for name in names)
    return chain.extend(sign_device_statement(header, devices, key or person.account_key))


# Life of an account


def test_a_new_account_has_one_device_at_epoch_0() -> None:
    assert ANNA.chain.position == (0, 1)
    assert ANNA.chain.devices == (device("anna-1"),)
    assert ANNA.chain.account_id == ROOT.account_id
    assert not ANNA.chain.frozen


def test_adding_and_revoking_go_on_in_the_same_epoch() -> None:
    assert ANNA_2.chain.position == (0, 2)
    assert set(ANNA_2.chain.devices) == {device("anna-1"), device("anna-2")}
    gone = revoke_devices(ANNA_2.chain, ANNA_2.account_key, [device("anna-1").device_id])
    assert gone.devices == (device("anna-2"),)
    assert gone.device(device("anna-1").device_id) is None
    assert gone.device(device("anna-2").device_id) == device("anna-2")
    assert gone.account_key == ANNA.chain.account_key


def test_the_last_device_can_be_revoked_and_the_words_go_on() -> None:
    empty = revoke_devices(ANNA.chain, ANNA.account_key, [device("anna-1").device_id])
    assert empty.devices == ()
    assert replace(ANNA, chain=empty).recovers("anna-2").chain.devices == (device("anna-2"),)


def test_recovery_replaces_key_and_devices_and_goes_on_counting() -> None:
    assert RECOVERED.chain.position == (DAY, 3)
    assert RECOVERED.chain.devices == (device("anna-4"),)
    assert RECOVERED.chain.account_key != ANNA.chain.account_key
    assert RECOVERED.chain.account_id == ANNA.chain.account_id


def test_recovery_from_the_words_alone_points_at_the_genesis() -> None:
    chain = ANNA_2.recovers("anna-4", forgets=True).chain
    assert chain.position == (DAY, 1)
    assert chain.head.header.previous_hash == ANNA.chain.account_id
    assert chain.account_id == ANNA.chain.account_id


@pytest.mark.parametrize(
    ("known", "day", "epoch"), [(0, DAY, DAY), (DAY, DAY, DAY + 1), (DAY + 9, DAY, DAY + 10)]
)
def test_the_epoch_of_a_recovery_is_above_what_is_known_and_not_before_today(
    known: int, day: int, epoch: int
) -> None:
    chain, _ = recover_account(
        root_seed("anna"),
        [device("anna-4")],
        known_epoch=known,
        unix_day=day,
        random_bytes=fixed_random("x"),
    )
    assert chain.epoch == epoch


def test_after_a_new_root_only_the_new_words_recover() -> None:
    assert ROTATED.chain.root == Root.from_seed(root_seed("anna new")).key.public
    assert ROTATED.recovers("anna-6").chain.epoch == DAY + 2
    with pytest.raises(RecoveryWordsError):
        replace(ROTATED, words="anna").recovers("anna-6")


def test_the_root_can_be_changed_four_times() -> None:
    person = ANNA
    for number in range(MAX_ROOT_ROTATIONS):
        person = person.rotates(f"anna words {number}", "anna-1", day=DAY + number)
    assert IdentityChain.parse(person.chain.encode()) == person.chain
    with pytest.raises(UsageError):
        person.rotates("anna words 9", "anna-1", day=DAY + 9)


def test_ten_devices_are_the_most() -> None:
    full = ANNA.adds(*(f"more-{number}" for number in range(9)))
    assert len(full.chain.devices) == 10
    with pytest.raises(UsageError):
        full.adds("one too many")


def test_a_device_cannot_be_listed_twice_nor_revoked_unlisted() -> None:
    with pytest.raises(MalformedError):
        add_device(ANNA.chain, ANNA.account_key, device("anna-1"))
    twin = Device(device("other").device_id, device("anna-1").ed_key, device("x").curve_key)
    with pytest.raises(MalformedError):
        add_device(ANNA.chain, ANNA.account_key, twin)
    with pytest.raises(UsageError):
        revoke_devices(ANNA.chain, ANNA.account_key, [device("anna-2").device_id])


# What is refused


@pytest.mark.claim("R-3", "S-8")
def test_a_statement_signed_by_another_key_is_refused() -> None:
    with pytest.raises(ForgedError):
        device_statement(ANNA, "anna-1", "anna-2", key=BORIS.account_key)
    with pytest.raises(ForgedError):
        device_statement(ANNA, "anna-1", "anna-2", key=ROOT.key)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (StatementKind.ADD, ["anna-1", "anna-2"]),  # nothing changes
        (StatementKind.REVOKE, ["anna-1", "anna-2"]),
        (StatementKind.ADD, ["anna-1", "anna-3"]),  # one goes, too
        (StatementKind.REVOKE, ["anna-1", "anna-3"]),  # one comes, too
        (StatementKind.ADD, ["anna-1"]),
        (StatementKind.REVOKE, ["anna-1", "anna-2", "anna-3"]),
    ],
)
def test_add_only_adds_and_revoke_only_removes(kind: StatementKind, names: list[str]) -> None:
    with pytest.raises(ForgedError):
        device_statement(ANNA_2, *names, kind=kind)


@pytest.mark.parametrize(
    "fault",
    [{"seq": 2}, {"seq": 4}, {"epoch": 1}, {"previous": b"\7" * 32}],
    ids=["again", "gap", "epoch", "other branch"],
)
def test_a_statement_out_of_place_is_refused(fault: dict[str, int | bytes]) -> None:
    names = ("anna-1", "anna-2", "anna-3")
    with pytest.raises(ForgedError):
        device_statement(ANNA_2, *names, **fault)  # type: ignore[arg-type]


def test_a_chain_begins_with_its_root() -> None:
    with pytest.raises(ForgedError):
        IdentityChain.verify(ANNA.chain.genesis, ANNA_2.chain.run)
    with pytest.raises(ForgedError):
        IdentityChain.verify(ANNA.chain.genesis, [])


def test_the_statements_of_another_account_are_refused() -> None:
    with pytest.raises(ForgedError):
        IdentityChain.verify(ANNA.chain.genesis, BORIS.chain.statements)
    with pytest.raises(ForgedError):
        ANNA.chain.extend(BORIS.recovers("boris-2").chain.head)


def test_a_root_cannot_sign_for_another_account_that_it_also_rules() -> None:
    # Boris hands his account to Anna's root; its signatures stay bound to one account each.
    boris = BORIS.rotates("anna", "boris-2")
    stolen = boris.recovers("boris-3", day=DAY + 5).chain.head
    with pytest.raises(ForgedError):
        ANNA.chain.extend(stolen)
    with pytest.raises(ForgedError):
        IdentityChain.verify(ANNA.chain.genesis, [stolen])
    anna = ANNA.recovers("anna-4", day=DAY + 5)
    assert anna.chain.epoch == stolen.header.epoch
    with pytest.raises(ForgedError):
        IdentityChain.parse(replace(anna.chain, conflict=stolen).encode())


def test_a_root_signed_statement_must_begin_a_higher_epoch() -> None:
    header = Header(
        StatementKind.RECOVER, ANNA.chain.account_id, 9, b"\1" * 32, RECOVERED.chain.epoch
    )
    again = sign_root_statement(
        header, RECOVERED.account_key.public, (device("anna-9"),), ROOT.key
    )
    with pytest.raises(ForgedError):
        RECOVERED.chain.extend(again)


def test_a_retired_root_cannot_extend_the_chain() -> None:
    header = Header(StatementKind.RECOVER, ANNA.chain.account_id, 9, b"\1" * 32, DAY + 99)
    late = sign_root_statement(header, ANNA.account_key.public, (device("x"),), ROOT.key)
    with pytest.raises(ForgedError):
        ROTATED.chain.extend(late)


def test_a_new_root_must_prove_that_its_words_are_held() -> None:
    handover = ROTATED.chain.rotations[0]
    other = Root.from_seed(root_seed("somebody"))
    header = handover.header
    unproven = sign_rotation(
        header, handover.account_key, handover.devices, ROOT.key, other.key
    )
    for faulty in (
        replace(handover, proof=handover.signature),
        replace(handover, signature=handover.proof),
        replace(handover, new_root=other.key.public),
        replace(handover, proof=unproven.proof),
    ):
        with pytest.raises(ForgedError):
            ANNA_2.chain.extend(faulty)


# Bytes


@pytest.mark.parametrize("person", PEOPLE)
def test_chains_roundtrip(person: Person) -> None:
    encoded = person.chain.encode()
    assert IdentityChain.parse(encoded) == person.chain
    assert IdentityChain.load(encoded) == person.chain
    assert len(encoded) <= MAX_CHAIN_BYTES


def test_a_chain_keeps_the_newest_statements_only() -> None:
    person = ANNA
    for _ in range(MAX_RUN):
        person = person.adds("anna-2")
        chain = revoke_devices(person.chain, person.account_key, [device("anna-2").device_id])
        person = replace(person, chain=chain)
    assert person.chain.chain_seq == 1 + 2 * MAX_RUN
    assert len(person.chain.run) == MAX_RUN
    assert IdentityChain.parse(person.chain.encode()) == person.chain
    assert IdentityChain.verify(ANNA.chain.genesis, person.chain.statements) == person.chain


def test_a_chain_that_is_not_shortened_is_malformed() -> None:
    # Anna's first epoch is history after the recovery, and may not be carried along.
    statements = (*ANNA_2.chain.statements, RECOVERED.chain.head)
    assert IdentityChain.verify(ANNA.chain.genesis, statements) == RECOVERED.chain
    encoded = bytearray(RECOVERED.chain.genesis.encode() + bytes([len(statements)]))
    for statement in statements:
        data = statement.encode()
        encoded += len(data).to_bytes(2, "big") + data
    with pytest.raises(MalformedError):
        IdentityChain.parse(bytes(encoded + b"\0"))


# Joining


def merged(ours: IdentityChain, theirs: IdentityChain) -> tuple[IdentityChain, Change]:
    """Join two chains, after both went through their bytes, and check that the result holds."""
    chain, change = IdentityChain.parse(ours.encode()).merge(
        IdentityChain.parse(theirs.encode())
    )
    assert IdentityChain.parse(chain.encode()) == chain
    assert (change is Change.UNCHANGED) == (chain == ours) or change is Change.OLDER
    return chain, change


def test_a_newer_device_list_is_taken_with_a_notice() -> None:
    assert merged(ANNA.chain, ANNA_3.chain) == (ANNA_3.chain, Change.DEVICES_CHANGED)
    assert merged(ANNA_3.chain, ANNA.chain) == (ANNA_3.chain, Change.OLDER)
    assert merged(ANNA_3.chain, ANNA_3.chain) == (ANNA_3.chain, Change.UNCHANGED)


def test_a_shortened_chain_brings_the_same_news() -> None:
    short = ANNA_3.chain.shortened()
    chain, change = merged(ANNA.chain, short)
    assert change is Change.DEVICES_CHANGED
    assert chain.devices == ANNA_3.chain.devices
    assert merged(ANNA_2.chain, short) == (ANNA_3.chain, Change.DEVICES_CHANGED)
    assert merged(short, ANNA_3.chain) == (short, Change.UNCHANGED)


def test_a_higher_epoch_wins_over_everything_older() -> None:
    assert merged(ANNA_3.chain, RECOVERED.chain) == (RECOVERED.chain, Change.NEW_EPOCH)
    assert merged(RECOVERED.chain, ANNA_3.chain) == (RECOVERED.chain, Change.OLDER)
    assert merged(ANNA_2.chain, ROTATED.chain) == (ROTATED.chain, Change.NEW_EPOCH)


def test_two_recoveries_at_one_epoch_freeze_until_a_higher_one() -> None:
    other = ANNA.recovers("mallory", forgets=True)
    assert other.chain.epoch == RECOVERED.chain.epoch
    frozen, change = merged(RECOVERED.chain, other.chain)
    assert (change, frozen.frozen) == (Change.FROZEN, True)
    assert frozen.devices == RECOVERED.chain.devices
    assert merged(other.chain, RECOVERED.chain)[1] is Change.FROZEN
    assert merged(frozen, other.chain) == (frozen, Change.UNCHANGED)
    assert merged(frozen, RECOVERED.adds("anna-7").chain) == (frozen, Change.UNCHANGED)
    assert merged(frozen, ANNA_3.chain) == (frozen, Change.OLDER)
    healed, change = merged(frozen, RECOVERED.recovers("anna-8").chain)
    assert (change, healed.frozen) == (Change.NEW_EPOCH, False)


def test_who_learns_of_a_fork_from_a_frozen_chain_freezes_too() -> None:
    other = ANNA.recovers("mallory", forgets=True)
    frozen, _ = merged(RECOVERED.chain, other.chain)
    assert merged(RECOVERED.chain, frozen)[1] is Change.FROZEN
    assert merged(ANNA.chain, frozen)[1] is Change.FROZEN


def test_two_device_lists_at_one_place_freeze() -> None:
    ours, theirs = ANNA.adds("anna-2"), ANNA.adds("mallory")
    frozen, change = merged(ours.chain, theirs.chain)
    assert (change, frozen.frozen) == (Change.FROZEN, True)
    # Also when one branch has gone on, and when only its neighbour is known.
    assert merged(ours.adds("anna-3").chain, theirs.chain)[1] is Change.FROZEN
    assert merged(ours.chain, theirs.adds("eve").chain.shortened())[1] is Change.FROZEN
    assert merged(theirs.adds("eve").chain.shortened(), ours.chain)[1] is Change.FROZEN


def test_two_creations_with_the_same_words_freeze() -> None:
    again = Person.create("anna", account_key="another machine")
    assert merged(ANNA.chain, again.chain)[1] is Change.FROZEN


def test_what_a_retired_root_signs_later_is_ignored_by_who_knows_better() -> None:
    thief = ANNA.recovers("mallory", day=DAY + 50)
    assert merged(ROTATED.chain, thief.chain) == (ROTATED.chain, Change.OLDER)


def test_who_had_believed_a_retired_root_freezes() -> None:
    thief = ANNA.recovers("mallory", day=DAY + 50)
    frozen, change = merged(thief.chain, ROTATED.chain)
    assert (change, frozen.frozen) == (Change.FROZEN, True)
    # The owner, recovering with the new words at a higher epoch, comes through.
    healed = ROTATED.recovers("anna-6", day=DAY + 60)
    assert merged(frozen, healed.chain) == (healed.chain, Change.NEW_EPOCH)


def test_two_handovers_of_one_root_freeze_whatever_their_epochs() -> None:
    thief = ANNA_2.rotates("mallory words", "mallory", day=DAY + 50)
    for ours, theirs in ((ROTATED, thief), (thief, ROTATED)):
        frozen, change = merged(ours.chain, theirs.chain)
        assert (change, frozen.frozen) == (Change.FROZEN, True)
        assert frozen.root == ours.chain.root


def test_a_handover_and_a_recovery_at_one_epoch_freeze() -> None:
    thief = ANNA_2.recovers("mallory", day=DAY + 1)
    assert merged(ROTATED.chain, thief.chain)[1] is Change.FROZEN
    assert merged(thief.chain, ROTATED.chain)[1] is Change.FROZEN


def test_chains_of_two_accounts_are_not_joined() -> None:
    with pytest.raises(ForgedError):
        ANNA.chain.merge(BORIS.chain)


def test_joining_refuses_a_list_that_changes_otherwise_than_it_says() -> None:
    # The gap hides the change from a verifier of the short chain, not from who knows the list.
    bad = sign_device_statement(
        Header(StatementKind.ADD, ANNA.chain.account_id, 3, ANNA_2.chain.head_hash, 0),
        (device("anna-9"),),
        ANNA.account_key,
    )
    short = ANNA.chain.extend(bad)
    with pytest.raises(ForgedError):
        ANNA_2.chain.merge(short)


# A conflict is a proof


@pytest.mark.parametrize(
    "conflict",
    [
        ROTATED.recovers("anna-6", day=DAY + 9).chain.anchor,  # simply the next epoch
        ROTATED.rotates("next words", "anna-1", day=DAY + 9).chain.anchor,  # the next root
        ROTATED.adds("anna-7").chain.head,  # simply the next statement
        ROTATED.chain.anchor,  # what is there already
        ANNA_2.chain.head,  # of an older epoch
        BORIS.chain.anchor,  # of somebody else
    ],
    ids=["recovery", "handover", "next", "same", "older", "foreign"],
)
def test_nobody_can_freeze_an_account_with_something_that_is_no_contradiction(
    conflict: RotationStatement,
) -> None:
    pretended = replace(ROTATED.chain, conflict=conflict).encode()
    with pytest.raises(PeerError):
        IdentityChain.parse(pretended)


@pytest.mark.claim("R-3")
def test_nobody_can_freeze_an_account_without_its_keys() -> None:
    fork = ANNA.adds("mallory").chain.run[0]
    forged = replace(fork, signature=BORIS.account_key.sign(Label.STATEMENT, fork.body()))
    with pytest.raises(ForgedError):
        IdentityChain.parse(replace(ANNA_2.chain, conflict=forged).encode())
    assert IdentityChain.parse(replace(ANNA_2.chain, conflict=fork).encode()).frozen


def test_a_retired_root_cannot_freeze_the_account_again() -> None:
    # At the very epoch of a recovery by the new root, and at that of the handover afterwards.
    later = ROTATED.recovers("anna-6", day=DAY + 60)
    for day in (DAY + 60, DAY + 1):
        thief = ANNA.recovers("mallory", day=day).chain
        assert merged(later.chain, thief) == (later.chain, Change.OLDER)
        with pytest.raises(ForgedError):
            IdentityChain.parse(replace(later.chain, conflict=thief.anchor).encode())


def test_rotation_needs_the_words_in_force() -> None:
    with pytest.raises(RecoveryWordsError):
        rotate_root(
            ANNA.chain,
            root_seed("boris"),
            root_seed("new"),
            [device("anna-1")],
            unix_day=DAY,
            random_bytes=fixed_random("x"),
        )

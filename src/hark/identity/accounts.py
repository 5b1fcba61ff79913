"""What an account does with its own chain: create, add, revoke, recover, change the root.

Pure functions from keys and a chain to the next chain; storing and publishing it is the
caller's part. A new account key is drawn here and returned as its 32-byte seed: every device of
the account keeps it. Source: spec/identity.md#life-of-an-account.
"""

from collections.abc import Collection, Iterable

from hark.crypto.signing import SEED_BYTES, CompositeKey
from hark.errors import RecoveryWordsError, UsageError
from hark.identity.chain import MAX_ROOT_ROTATIONS, IdentityChain
from hark.identity.devices import MAX_DEVICES, Device
from hark.identity.root import Root
from hark.identity.statements import (
    Header,
    StatementKind,
    sign_device_statement,
    sign_root_statement,
    sign_rotation,
)
from hark.identity.words import RootSeed
from hark.machine import RandomBytes
from hark.wire.ids import DeviceId

DAY_MS = 24 * 60 * 60 * 1000


def unix_day(unix_ms: int) -> int:
    """Return the number of the day since 1970-01-01 UTC."""
    return unix_ms // DAY_MS


def create_account(
    seed: RootSeed, device: Device, random_bytes: RandomBytes
) -> tuple[IdentityChain, bytes]:
    """Make a new account with its first device.

    Args:
        seed: 32 fresh random bytes; the person keeps them as words.
        device: the device that this runs on.
        random_bytes: source of the account key.

    Returns:
        The chain and the seed of the account key (32 secret bytes).
    """
    root = Root.from_seed(seed)
    account_key_seed = random_bytes(SEED_BYTES)
    account_key = CompositeKey.from_seed(account_key_seed).public
    header = Header(StatementKind.CREATE, root.account_id, 1, root.account_id, 0)
    statement = sign_root_statement(header, account_key, (device,), root.key)
    return IdentityChain.verify(root.genesis, [statement]), account_key_seed


def add_device(
    chain: IdentityChain, account_key: CompositeKey, device: Device
) -> IdentityChain:
    """Return the chain with one more device.

    Raises:
        UsageError: there are ten already.
        MalformedError: its id or a key of it is listed already.
        ForgedError: `account_key` is not the one in force.
    """
    if len(chain.devices) == MAX_DEVICES:
        raise UsageError(f"an account has at most {MAX_DEVICES} devices")
    return _with_devices(chain, account_key, StatementKind.ADD, (*chain.devices, device))


def revoke_devices(
    chain: IdentityChain, account_key: CompositeKey, device_ids: Collection[DeviceId]
) -> IdentityChain:
    """Return the chain without some devices.

    This is for devices that are given up. A *stolen* device still has the account key, so it
    can contradict; against that only recovery with the words helps.

    Raises:
        UsageError: an id is not listed.
        ForgedError: `account_key` is not the one in force.
    """
    kept = tuple(one for one in chain.devices if one.device_id not in device_ids)
    if not device_ids or len(kept) + len(set(device_ids)) != len(chain.devices):
        raise UsageError("there is no such device")
    return _with_devices(chain, account_key, StatementKind.REVOKE, kept)


def recover_account(
    seed: RootSeed,
    devices: Iterable[Device],
    *,
    known_epoch: int,
    unix_day: int,
    random_bytes: RandomBytes,
    known_chain: IdentityChain | None = None,
) -> tuple[IdentityChain, bytes]:
    """Begin a new epoch from the words: a new account key, all devices replaced.

    Args:
        seed: the words in force.
        devices: the devices of the new epoch, at least one.
        known_epoch: the highest epoch known from anywhere; 0 for none.
        unix_day: today, in days since 1970-01-01 UTC.
        random_bytes: source of the account key.
        known_chain: the newest chain known, or None: then the statement points at the genesis.
            After `rotate_root` it is needed, since the new words do not lead to the account id.

    Returns:
        The chain and the seed of the account key (32 secret bytes).

    Raises:
        RecoveryWordsError: the words are not the ones in force for `known_chain`.
    """
    root = Root.from_seed(seed)
    account_key_seed = random_bytes(SEED_BYTES)
    account_key = CompositeKey.from_seed(account_key_seed).public
    header = _new_epoch_header(
        StatementKind.RECOVER, root, known_chain, known_epoch=known_epoch, unix_day=unix_day
    )
    statement = sign_root_statement(header, account_key, tuple(devices), root.key)
    if known_chain is None:
        return IdentityChain.verify(root.genesis, [statement]), account_key_seed
    return known_chain.extend(statement), account_key_seed


def rotate_root(
    chain: IdentityChain,
    old_seed: RootSeed,
    new_seed: RootSeed,
    devices: Iterable[Device],
    *,
    unix_day: int,
    random_bytes: RandomBytes,
) -> tuple[IdentityChain, bytes]:
    """Replace the root, for words that somebody else may have seen.

    The account id stays. From now on only `new_seed` recovers the account, and only together
    with the chain.

    Args:
        chain: the newest chain.
        old_seed: the words in force.
        new_seed: 32 fresh random bytes, kept as the new words.
        devices: the devices of the new epoch, at least one.
        unix_day: today, in days since 1970-01-01 UTC.
        random_bytes: source of the account key.

    Returns:
        The chain and the seed of the account key (32 secret bytes).

    Raises:
        RecoveryWordsError: `old_seed` is not the root in force.
        UsageError: the root was changed four times already.
    """
    if len(chain.rotations) == MAX_ROOT_ROTATIONS:
        raise UsageError(f"the root can be changed {MAX_ROOT_ROTATIONS} times only")
    old_root, new_root = Root.from_seed(old_seed), Root.from_seed(new_seed)
    account_key_seed = random_bytes(SEED_BYTES)
    account_key = CompositeKey.from_seed(account_key_seed).public
    header = _new_epoch_header(
        StatementKind.ROTATE_ROOT, old_root, chain, known_epoch=chain.epoch, unix_day=unix_day
    )
    statement = sign_rotation(header, account_key, tuple(devices), old_root.key, new_root.key)
    return chain.extend(statement), account_key_seed


def _with_devices(
    chain: IdentityChain,
    account_key: CompositeKey,
    kind: StatementKind,
    devices: tuple[Device, ...],
) -> IdentityChain:
    """Extend the chain by an `add` or `revoke` with this list."""
    header = Header(kind, chain.account_id, chain.chain_seq + 1, chain.head_hash, chain.epoch)
    return chain.extend(sign_device_statement(header, devices, account_key))


def _new_epoch_header(
    kind: StatementKind,
    root: Root,
    chain: IdentityChain | None,
    *,
    known_epoch: int,
    unix_day: int,
) -> Header:
    """Return the header of a statement that begins an epoch: max(known + 1, today)."""
    if chain is None:
        epoch = max(known_epoch + 1, unix_day)
        return Header(kind, root.account_id, 1, root.account_id, epoch)
    if root.key.public != chain.root:
        raise RecoveryWordsError("they are valid, but not the words of this account")
    epoch = max(known_epoch + 1, chain.epoch + 1, unix_day)
    return Header(kind, chain.account_id, chain.chain_seq + 1, chain.head_hash, epoch)

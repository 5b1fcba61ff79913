"""Making an account on this machine: a new one, or one that its words bring back.

Everything is made in a folder beside the profile's (`<profile>.new`) and moved into place at
the end, so that there is a whole account or none. An account that is there is never touched.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hark.errors import AlreadyInitialisedError, ConfigurationError
from hark.identity.account_id import display
from hark.identity.words import RootSeed, seed_of, words_of
from hark.messaging import provision
from hark.messaging.store import DeviceStore
from hark.node.paths import Paths
from hark.node.storage.keyfile import (
    make_with_keyring,
    make_with_passphrase,
    read_keyfile,
)
from hark.node.storage.sqlcipher import SqlcipherDeviceStore
from hark.runtime.clock import unix_now_ms
from hark.runtime.files import private_directory
from hark.wire.address import Address
from hark.wire.ids import AccountId

SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class InitResult:
    """A new account."""

    account: str
    """`hark1…`."""
    words: list[str]
    """The 24 recovery words. They are nowhere else: show them once."""


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """An account that came back."""

    account: str
    """`hark1…`, the same as before."""


def init_account(
    paths: Paths, name: str, passphrase: str | None, supernodes: Sequence[Address]
) -> InitResult:
    """Make a new account.

    Args:
        paths: of the profile.
        name: what contacts see.
        passphrase: for the store; None puts its key into the keyring.
        supernodes: the homes to be, one or two.

    Raises:
        AlreadyInitialisedError: the profile has an account.
        MissingPartError: there is no keyring.
        DiskFullError, ConfigurationError: the folder cannot be written.
    """
    seed = RootSeed(os.urandom(SEED_BYTES))

    def fill(store: DeviceStore) -> AccountId:
        return provision.create_account(
            store, seed, name, supernodes, random_bytes=os.urandom, now_unix_ms=unix_now_ms()
        )

    account = _build(paths, passphrase, fill)
    return InitResult(display(account), words_of(seed).split())


def restore_account(
    paths: Paths,
    words: str,
    name: str,
    passphrase: str | None,
    supernodes: Sequence[Address],
) -> RestoreResult:
    """Bring an account back as a new device, in a new epoch.

    Arguments and errors as `init_account`, and:

    Raises:
        RecoveryWordsError: a word is not in the list, wrong or swapped.
    """
    seed = seed_of(words)

    def fill(store: DeviceStore) -> AccountId:
        return provision.restore_account(
            store, seed, name, supernodes, random_bytes=os.urandom, now_unix_ms=unix_now_ms()
        )

    return RestoreResult(display(_build(paths, passphrase, fill)))


def needs_passphrase(paths: Paths) -> bool:
    """Whether the store's key is under a passphrase (and not in the keyring).

    Raises:
        NotInitialisedError: there is no account here.
        StoreError: the key file is damaged or of a newer version.
    """
    return read_keyfile(paths.keyfile).kind == "passphrase"


def _build(
    paths: Paths, passphrase: str | None, fill: Callable[[DeviceStore], AccountId]
) -> AccountId:
    """Make a store beside the profile's place, fill it, and move it there."""
    if paths.data_dir.exists():
        raise AlreadyInitialisedError
    building = paths.data_dir.with_name(paths.data_dir.name + ".new")
    _make_parents(building)
    # What lies there is from an attempt that was broken off: no account was ever shown for it.
    shutil.rmtree(building, ignore_errors=True)
    private_directory(building)
    parts = Paths(paths.profile, building, paths.socket)
    try:
        if passphrase is None:
            key = make_with_keyring(parts.keyfile, os.urandom)
        else:
            key = make_with_passphrase(parts.keyfile, passphrase, os.urandom)
        store = SqlcipherDeviceStore(parts.database, key)
        try:
            account = fill(store)
        finally:
            store.close()
        building.rename(paths.data_dir)
    except OSError as error:
        raise ConfigurationError("the account's folder cannot be put into place") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return account


def _make_parents(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"the folder {path.parent.name} cannot be made") from error

"""The key of the device store: 32 random bytes, under a passphrase or in the OS keyring.

`key.json` says which: `{"version": 1, "kind": "passphrase", "wrapped": "…"}` (base64 of the
record of `hark.crypto.passphrase`) or `{"version": 1, "kind": "keyring", "entry": "…"}`. There
is no third kind: a store without a key does not exist.
"""

import base64
import binascii
from pathlib import Path
from typing import Literal

from hark.crypto.passphrase import STORE_KEY_BYTES, unwrap_store_key, wrap_store_key
from hark.errors import (
    MalformedError,
    MissingPartError,
    NotInitialisedError,
    StoreDamagedError,
    StoreVersionError,
    WrongPassphraseError,
)
from hark.machine import RandomBytes
from hark.runtime.files import write_private
from hark.wire.codec import JsonParser, Record, encode_json

KEYFILE_VERSION = 1
KEYRING_SERVICE = "hark"
MAX_KEYFILE_BYTES = 4096


class Keyfile(Record):
    """What `key.json` says."""

    version: int
    kind: Literal["passphrase", "keyring"]
    wrapped: str = ""
    """For a passphrase: the wrapped key, base64."""
    entry: str = ""
    """For the keyring: name of the entry, 32 hexadecimal digits."""


_PARSER: JsonParser[Keyfile] = JsonParser(Keyfile)


def make_with_passphrase(path: Path, passphrase: str, random_bytes: RandomBytes) -> bytes:
    """Make a store key and keep it under a passphrase; return it.

    Raises:
        DiskFullError, ConfigurationError: the file cannot be written.
    """
    key = random_bytes(STORE_KEY_BYTES)
    wrapped = base64.b64encode(wrap_store_key(key, passphrase, random_bytes)).decode()
    _write(path, Keyfile(version=KEYFILE_VERSION, kind="passphrase", wrapped=wrapped))
    return key


def make_with_keyring(path: Path, random_bytes: RandomBytes) -> bytes:
    """Make a store key and keep it in the keyring of the desktop; return it.

    Raises:
        MissingPartError: there is no keyring here.
        DiskFullError, ConfigurationError: the file cannot be written.
    """
    import keyring  # noqa: PLC0415 (loads half a desktop; only those who use it pay)
    from keyring.errors import KeyringError  # noqa: PLC0415

    key = random_bytes(STORE_KEY_BYTES)
    entry = random_bytes(16).hex()
    try:
        keyring.set_password(KEYRING_SERVICE, entry, base64.b64encode(key).decode())
    except KeyringError as error:
        raise MissingPartError("there is no keyring here: use a passphrase") from error
    _write(path, Keyfile(version=KEYFILE_VERSION, kind="keyring", entry=entry))
    return key


def read_keyfile(path: Path) -> Keyfile:
    """Read `key.json`.

    Raises:
        NotInitialisedError: it is not there.
        StoreVersionError: a newer hark wrote it.
        StoreDamagedError: it is cut off or altered.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_KEYFILE_BYTES + 1)
    except FileNotFoundError:
        raise NotInitialisedError from None
    try:
        keyfile = _PARSER.parse(data)
    except MalformedError as error:
        raise StoreDamagedError("the key file is not readable") from error
    if keyfile.version > KEYFILE_VERSION:
        raise StoreVersionError("the key file is of a newer version")
    return keyfile


def unlock(keyfile: Keyfile, passphrase: str | None) -> bytes:
    """Return the store key.

    Args:
        keyfile: as read.
        passphrase: of the person; None when the keyring has the key.

    Raises:
        WrongPassphraseError: it is not the one, or none was given.
        StoreDamagedError: the wrapped key is damaged.
        MissingPartError: the keyring is not there, or has no such entry.
    """
    if keyfile.kind == "keyring":
        return _from_keyring(keyfile.entry)
    if passphrase is None:
        raise WrongPassphraseError("no passphrase was given")
    try:
        wrapped = base64.b64decode(keyfile.wrapped, validate=True)
    except binascii.Error as error:
        raise StoreDamagedError("the wrapped key is not readable") from error
    return unwrap_store_key(wrapped, passphrase)


def _from_keyring(entry: str) -> bytes:
    import keyring  # noqa: PLC0415 (as above)
    from keyring.errors import KeyringError  # noqa: PLC0415

    try:
        found = keyring.get_password(KEYRING_SERVICE, entry)
    except KeyringError as error:
        raise MissingPartError("there is no keyring here") from error
    try:
        key = base64.b64decode(found or "", validate=True)
    except binascii.Error:
        key = b""
    if len(key) != STORE_KEY_BYTES:
        raise MissingPartError("the keyring has no key for this store")
    return key


def _write(path: Path, keyfile: Keyfile) -> None:
    write_private(path, encode_json(keyfile) + b"\n")

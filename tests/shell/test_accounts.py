"""Making an account on a real disk: a whole one or none, and never over another one."""

import json
from pathlib import Path

import pytest

from hark.errors import (
    AlreadyInitialisedError,
    NotInitialisedError,
    RecoveryWordsError,
    StoreDamagedError,
    StoreVersionError,
    WrongPassphraseError,
)
from hark.identity.words import seed_of
from hark.node import accounts
from hark.node.paths import Paths, paths_of
from hark.node.storage.keyfile import read_keyfile, unlock
from hark.node.storage.sqlcipher import SqlcipherDeviceStore
from hark.wire.address import Address
from hark.wire.ids import NodeId

HOMES = [Address(NodeId(bytes(32)), "home.example", 7443)]


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return paths_of("anna", {"HARK_HOME": str(tmp_path)})


def make(paths: Paths) -> accounts.InitResult:
    return accounts.init_account(paths, "Anna", "secret", HOMES)


def test_account_is_private_and_whole(paths: Paths) -> None:
    made = make(paths)
    assert len(made.words) == 24
    assert paths.data_dir.stat().st_mode & 0o777 == 0o700
    for file in paths.data_dir.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file.name
    assert not list(paths.data_dir.parent.glob("*.new"))


def test_words_bring_back_the_same_account(paths: Paths, tmp_path: Path) -> None:
    made = make(paths)
    other = paths_of("again", {"HARK_HOME": str(tmp_path)})
    back = accounts.restore_account(other, " ".join(made.words), "Anna", "other", HOMES)
    assert back.account == made.account


def test_account_that_is_there_is_left_alone(paths: Paths) -> None:
    make(paths)
    before = paths.database.read_bytes()
    with pytest.raises(AlreadyInitialisedError):
        make(paths)
    assert paths.database.read_bytes() == before


def test_attempt_that_was_broken_off_is_in_nobodys_way(paths: Paths) -> None:
    building = paths.data_dir.with_name("anna.new")
    building.mkdir()
    (building / "store.db").write_bytes(b"half")
    make(paths)
    assert not building.exists()


def test_words_that_are_wrong_make_nothing(paths: Paths) -> None:
    with pytest.raises(RecoveryWordsError):
        accounts.restore_account(paths, "abandon " * 24, "Anna", "secret", HOMES)
    assert not paths.data_dir.exists()


def test_root_seed_and_words_are_in_no_file(paths: Paths) -> None:
    made = make(paths)
    words = " ".join(made.words)
    seed = seed_of(words)
    key = unlock(read_keyfile(paths.keyfile), "secret")
    store = SqlcipherDeviceStore(paths.database, key)
    query = "SELECT name FROM sqlite_master WHERE type = 'table'"
    tables = [name for (name,) in store._connection.execute(query).fetchall()]
    values = [
        value if isinstance(value, bytes) else str(value).encode()
        for table in tables
        for row in store._connection.execute(f"SELECT * FROM {table}").fetchall()
        for value in row
    ]
    store.close()
    files = [file.read_bytes() for file in paths.data_dir.iterdir()]
    assert len(values) > 10
    for place in (*values, *files):
        assert seed not in place
        assert words.encode() not in place


def test_wrong_passphrase_opens_nothing(paths: Paths) -> None:
    make(paths)
    with pytest.raises(WrongPassphraseError):
        unlock(read_keyfile(paths.keyfile), "Secret")
    with pytest.raises(WrongPassphraseError):
        unlock(read_keyfile(paths.keyfile), None)


def test_key_file_that_is_missing_damaged_or_newer_is_named_so(paths: Paths) -> None:
    with pytest.raises(NotInitialisedError):
        read_keyfile(paths.keyfile)
    make(paths)
    whole = paths.keyfile.read_text()
    paths.keyfile.write_text(whole[: len(whole) // 2])
    with pytest.raises(StoreDamagedError):
        read_keyfile(paths.keyfile)
    paths.keyfile.write_text(json.dumps(json.loads(whole) | {"version": 2}))
    with pytest.raises(StoreVersionError):
        read_keyfile(paths.keyfile)
    wrapped = json.loads(whole)["wrapped"]
    for damaged in ("", "!", wrapped[:-8], "A" * len(wrapped)):
        paths.keyfile.write_text(json.dumps(json.loads(whole) | {"wrapped": damaged}))
        with pytest.raises(StoreDamagedError):
            unlock(read_keyfile(paths.keyfile), "secret")

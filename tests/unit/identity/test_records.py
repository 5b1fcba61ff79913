"""What a device signs: envelope-key records and prekeys; and what it introduces itself with."""

from dataclasses import replace

import pytest

from hark.crypto.hashing import sha256
from hark.crypto.olm import OlmAccount
from hark.crypto.xwing import EnvelopeSecret
from hark.errors import ForgedError, MalformedError, ProtocolError
from hark.identity.chain import IdentityChain
from hark.identity.envelope_key import (
    CLOCK_SLACK_MS,
    DAY_MS,
    MAX_ENVELOPE_KEY_LIFE_MS,
    MAX_EXPIRED_USE_MS,
    EnvelopeKeyRecord,
    Freshness,
)
from hark.identity.introduction import (
    ENVELOPE_KEY_RECORD_BYTES,
    MAX_INTRODUCTION_BYTES,
    Introduction,
)
from hark.identity.prekeys import PREKEY_BYTES, PrekeyKind, SignedPrekey
from tests.identity_people import (
    DAY,
    NOW_UNIX_MS,
    Person,
    device,
    envelope_record,
    fixed_bytes,
    signer,
)

ANNA = Person.create("anna").adds("anna-2")
BORIS = Person.create("boris")
ACCOUNT = ANNA.chain.account_id
RECORD = envelope_record(ACCOUNT, "anna-1", counter=7)


# Envelope keys


def test_an_envelope_key_record_roundtrips_and_verifies() -> None:
    encoded = RECORD.encode()
    assert len(encoded) == ENVELOPE_KEY_RECORD_BYTES == 1370
    assert EnvelopeKeyRecord.parse(encoded) == RECORD
    assert RECORD.record_hash == sha256(encoded)
    RECORD.verify(ACCOUNT, device("anna-1"))


def test_an_olm_account_signs_records_as_well() -> None:
    account = OlmAccount.create()
    listed = replace(device("anna-1"), ed_key=account.ed_key)
    record = EnvelopeKeyRecord.sign(
        account,
        account_id=ACCOUNT,
        device_id=listed.device_id,
        key_id=RECORD.key_id,
        counter=1,
        not_before_unix_ms=0,
        not_after_unix_ms=DAY_MS,
        public=EnvelopeSecret(bytes(32)).public,
    )
    record.verify(ACCOUNT, listed)


@pytest.mark.claim("S-8")
def test_a_record_of_another_device_or_account_is_refused() -> None:
    with pytest.raises(ForgedError):
        RECORD.verify(BORIS.chain.account_id, device("anna-1"))
    with pytest.raises(ForgedError):
        RECORD.verify(ACCOUNT, device("anna-2"))
    # The right id, but the key of another device.
    with pytest.raises(ForgedError):
        RECORD.verify(ACCOUNT, replace(device("anna-1"), ed_key=device("anna-2").ed_key))


@pytest.mark.parametrize(
    "change",
    [
        {"counter": 8},
        {"key_id": bytes(8)},
        {"not_after_unix_ms": RECORD.not_after_unix_ms + 1},
        {"not_before_unix_ms": RECORD.not_before_unix_ms - 1},
        {"public": EnvelopeSecret(bytes(32)).public},
    ],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.claim("S-8")
def test_every_field_of_a_record_is_signed(change: dict[str, bytes]) -> None:
    with pytest.raises(ForgedError):
        replace(RECORD, **change).verify(ACCOUNT, device("anna-1"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"counter": 0},
        {"counter": 2**53},
        {"not_after_unix_ms": RECORD.not_before_unix_ms},
        {"not_after_unix_ms": 0},
        {"not_after_unix_ms": RECORD.not_before_unix_ms + MAX_ENVELOPE_KEY_LIFE_MS + 1},
    ],
)
def test_a_record_with_an_impossible_field_is_malformed(change: dict[str, int]) -> None:
    with pytest.raises(MalformedError):
        EnvelopeKeyRecord.parse(replace(RECORD, **change).encode())  # type: ignore[arg-type]


START, END = RECORD.not_before_unix_ms, RECORD.not_after_unix_ms


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (START - CLOCK_SLACK_MS, Freshness.FRESH),
        (NOW_UNIX_MS, Freshness.FRESH),
        (END + CLOCK_SLACK_MS, Freshness.FRESH),
        (END + CLOCK_SLACK_MS + 1, Freshness.EXPIRED),
        (END + CLOCK_SLACK_MS + MAX_EXPIRED_USE_MS, Freshness.EXPIRED),
    ],
)
def test_freshness_has_a_slack_of_26_hours(now: int, verdict: Freshness) -> None:
    assert RECORD.check_fresh(now, lowest_counter=7) is verdict


@pytest.mark.parametrize(
    ("now", "lowest"),
    [
        (START - CLOCK_SLACK_MS - 1, 0),
        (END + CLOCK_SLACK_MS + MAX_EXPIRED_USE_MS + 1, 0),
        (NOW_UNIX_MS, 8),
    ],
    ids=["future", "too old", "older than the one known"],
)
def test_a_record_that_must_not_be_used_is_refused(now: int, lowest: int) -> None:
    with pytest.raises(ProtocolError):
        RECORD.check_fresh(now, lowest)


# Prekeys


def prekey(kind: PrekeyKind) -> SignedPrekey:
    listed = device("anna-1")
    key = fixed_bytes("prekey")
    return SignedPrekey.sign(signer("anna-1"), kind, ACCOUNT, listed.device_id, key)


@pytest.mark.parametrize("kind", PrekeyKind)
@pytest.mark.claim("S-8")
def test_a_prekey_roundtrips_and_verifies_for_its_device_only(kind: PrekeyKind) -> None:
    signed = prekey(kind)
    assert len(signed.encode()) == PREKEY_BYTES == 97
    assert SignedPrekey.parse(signed.encode()) == signed
    signed.verify(ACCOUNT, device("anna-1"))
    for account, listed in [
        (BORIS.chain.account_id, device("anna-1")),
        (ACCOUNT, device("anna-2")),
        (ACCOUNT, replace(device("anna-1"), device_id=device("anna-2").device_id)),
    ]:
        with pytest.raises(ForgedError):
            signed.verify(account, listed)


def test_a_fallback_key_is_no_one_time_key() -> None:
    pretended = replace(prekey(PrekeyKind.FALLBACK), kind=PrekeyKind.ONE_TIME)
    with pytest.raises(ForgedError):
        pretended.verify(ACCOUNT, device("anna-1"))


@pytest.mark.parametrize("kind", [0, 3, 255])
def test_a_prekey_of_an_unknown_kind_is_malformed(kind: int) -> None:
    with pytest.raises(MalformedError):
        SignedPrekey.parse(bytes([kind]) + prekey(PrekeyKind.FALLBACK).encode()[1:])


# Introductions


def introduction(person: Person, device_name: str) -> Introduction:
    record = envelope_record(person.chain.account_id, device_name)
    return Introduction.of(person.chain, record)


@pytest.mark.parametrize(
    ("person", "name"),
    [
        (BORIS, "boris-1"),
        (ANNA.adds("anna-3"), "anna-3"),
        (ANNA.recovers("anna-4"), "anna-4"),
        (ANNA.rotates("w", "anna-5").recovers("anna-6", day=DAY + 5), "anna-6"),
    ],
    ids=["new", "many devices", "recovered", "new root"],
)
def test_an_introduction_roundtrips_and_proves_the_chain(person: Person, name: str) -> None:
    intro = introduction(person, name)
    again = Introduction.parse(intro.encode())
    assert again == intro
    chain = again.verify()
    assert chain == person.chain.shortened()
    assert chain.devices == person.chain.devices
    assert len(intro.encode()) <= MAX_INTRODUCTION_BYTES


def test_without_a_changed_root_an_introduction_fits_a_request() -> None:
    full = BORIS.recovers(*(f"boris-{number}" for number in range(9))).adds("last")
    # 16 KiB less the envelope, the ratchet message and a greeting.
    assert len(introduction(full, "last").encode()) < 16 * 1024 - 1146 - 600


@pytest.mark.claim("R-3")
def test_an_introduction_of_a_device_that_is_not_listed_is_refused() -> None:
    with pytest.raises(ForgedError, match="not listed"):
        introduction(ANNA, "mallory").verify()


def test_an_introduction_signed_by_another_device_is_refused() -> None:
    record = replace(
        envelope_record(ACCOUNT, "anna-1"),
        signature=envelope_record(ACCOUNT, "anna-2").signature,
    )
    with pytest.raises(ForgedError):
        Introduction.of(ANNA.chain, record).verify()


def test_an_introduction_with_another_accounts_key_is_refused() -> None:
    with pytest.raises(ForgedError):
        Introduction.of(ANNA.chain, envelope_record(BORIS.chain.account_id, "anna-1")).verify()


def test_an_introduction_carries_nothing_that_it_does_not_need() -> None:
    longer = replace(
        introduction(ANNA.adds("anna-3"), "anna-1"),
        statements=ANNA.adds("anna-3").chain.statements,
    )
    IdentityChain.verify(longer.genesis, longer.statements)
    with pytest.raises(ForgedError, match="does not need"):
        longer.verify()

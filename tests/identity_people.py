"""Accounts and devices for tests and vectors, made from names: the same every time.

Signing devices here are plain Ed25519 keys; in a node the ratchet account signs. Only ML-DSA
signatures differ from run to run, because the library draws their randomness.
"""

import hashlib
from dataclasses import dataclass, replace

from hark.crypto.signing import CompositeKey, SigningKey
from hark.crypto.xwing import EnvelopeSecret
from hark.identity.accounts import add_device, create_account, recover_account, rotate_root
from hark.identity.chain import IdentityChain
from hark.identity.devices import Device
from hark.identity.envelope_key import ENVELOPE_KEY_LIFE_MS, EnvelopeKeyRecord
from hark.identity.words import RootSeed
from hark.machine import RandomBytes
from hark.wire.ids import AccountId, DeviceId, KeyId

DAY = 20_780
"""A day in November 2026, counted from 1970."""
NOW_UNIX_MS = DAY * 24 * 60 * 60 * 1000


def fixed_bytes(name: str, count: int = 32) -> bytes:
    """Return bytes that follow from a name."""
    return hashlib.shake_256(b"hark test\0" + name.encode()).digest(count)


def fixed_random(name: str) -> RandomBytes:
    """Return a source of randomness that repeats."""
    calls = 0

    def random_bytes(count: int) -> bytes:
        nonlocal calls
        calls += 1
        return fixed_bytes(f"{name} {calls}", count)

    return random_bytes


def signer(name: str) -> SigningKey:
    """Return the signing key of the device of that name."""
    return SigningKey.from_seed(fixed_bytes(f"{name} signs"))


def device(name: str) -> Device:
    """Return the device of that name."""
    return Device(
        DeviceId(fixed_bytes(f"{name} id", 16)),
        signer(name).public.raw,
        fixed_bytes(f"{name} curve"),
    )


def root_seed(name: str) -> RootSeed:
    """Return the root seed of that name."""
    return RootSeed(fixed_bytes(f"{name} root"))


def envelope_record(
    account_id: AccountId, device_name: str, counter: int = 1
) -> EnvelopeKeyRecord:
    """Return a fresh envelope-key record of the device of that name."""
    return EnvelopeKeyRecord.sign(
        signer(device_name),
        account_id=account_id,
        device_id=device(device_name).device_id,
        key_id=KeyId(fixed_bytes(f"{device_name} key {counter}", 8)),
        counter=counter,
        not_before_unix_ms=NOW_UNIX_MS,
        not_after_unix_ms=NOW_UNIX_MS + ENVELOPE_KEY_LIFE_MS,
        public=EnvelopeSecret(fixed_bytes(f"{device_name} envelope {counter}")).public,
    )


@dataclass(frozen=True)
class Person:
    """An account at one moment, with its secrets."""

    chain: IdentityChain
    account_key: CompositeKey
    words: str
    """Name of the root seed in force."""

    @classmethod
    def create(cls, name: str, *, account_key: str = "") -> "Person":
        """A new account with one device, `<name>-1`."""
        chain, key_seed = create_account(
            root_seed(name), device(f"{name}-1"), fixed_random(account_key or name)
        )
        return cls(chain, CompositeKey.from_seed(key_seed), name)

    def adds(self, *names: str) -> "Person":
        """The same account with more devices."""
        chain = self.chain
        for name in names:
            chain = add_device(chain, self.account_key, device(name))
        return replace(self, chain=chain)

    def recovers(self, *names: str, day: int = DAY, forgets: bool = False) -> "Person":
        """The account after a recovery with these devices."""
        chain, key_seed = recover_account(
            root_seed(self.words),
            [device(name) for name in names],
            known_epoch=0,
            unix_day=day,
            random_bytes=fixed_random(f"recovery {day} {names}"),
            known_chain=None if forgets else self.chain,
        )
        return Person(chain, CompositeKey.from_seed(key_seed), self.words)

    def rotates(self, new_words: str, *names: str, day: int = DAY) -> "Person":
        """The account with a new root and these devices."""
        chain, key_seed = rotate_root(
            self.chain,
            root_seed(self.words),
            root_seed(new_words),
            [device(name) for name in names],
            unix_day=day,
            random_bytes=fixed_random(f"rotation {day} {new_words}"),
        )
        return Person(chain, CompositeKey.from_seed(key_seed), new_words)

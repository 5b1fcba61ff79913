"""Signed prekeys: the keys with which a stranger's or a contact's first message begins.

Olm does not sign them, so the device does. The two kinds have labels of their own: a fallback
key, which is used many times, can never be handed out as a one-time key or the other way round.
Source: spec/identity.md#prekeys.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from hark.crypto.labels import Label
from hark.crypto.signing import ED25519_SIGNATURE_BYTES
from hark.errors import MalformedError
from hark.identity.devices import CURVE_KEY_BYTES, Device
from hark.identity.envelope_key import DeviceSigner
from hark.wire.ids import AccountId, DeviceId
from hark.wire.layout import Reader, Writer

PREKEY_BYTES = 1 + CURVE_KEY_BYTES + ED25519_SIGNATURE_BYTES


class PrekeyKind(IntEnum):
    """How often a prekey is used; the number on the wire."""

    ONE_TIME = 1
    FALLBACK = 2


_LABELS = {
    PrekeyKind.ONE_TIME: Label.ONE_TIME_PREKEY,
    PrekeyKind.FALLBACK: Label.FALLBACK_PREKEY,
}


@dataclass(frozen=True, slots=True)
class SignedPrekey:
    """97 bytes: kind (1), Curve25519 key (32), Ed25519 signature of the device (64).

    Signed are the label of the kind, account id (32), device id (16) and the key (32).
    """

    kind: PrekeyKind
    curve_key: bytes
    signature: bytes

    @classmethod
    def sign(
        cls,
        signer: DeviceSigner,
        kind: PrekeyKind,
        account_id: AccountId,
        device_id: DeviceId,
        curve_key: bytes,
    ) -> Self:
        """Make a prekey signed by the device."""
        signature = signer.sign(_LABELS[kind], account_id + device_id + curve_key)
        return cls(kind, curve_key, signature)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the layout above; the signature is not checked yet.

        Raises:
            MalformedError: not the layout, or of an unknown kind.
        """
        reader = Reader(data)
        try:
            kind = PrekeyKind(reader.u8())
        except ValueError:
            raise MalformedError("an unknown kind of prekey") from None
        prekey = cls(kind, reader.take(CURVE_KEY_BYTES), reader.take(ED25519_SIGNATURE_BYTES))
        reader.end()
        return prekey

    def encode(self) -> bytes:
        """Write the layout above."""
        return Writer().u8(self.kind).raw(self.curve_key).raw(self.signature).finish()

    def verify(self, account_id: AccountId, device: Device) -> None:
        """Check that this device of this account signed the prekey, as the kind it claims.

        Raises:
            ForgedError: it did not.
        """
        signed = account_id + device.device_id + self.curve_key
        device.key.verify(_LABELS[self.kind], signed, self.signature)

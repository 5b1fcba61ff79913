"""The devices of an account, as its statements list them.

Source: spec/identity.md#device-list.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from hark.crypto.signing import ED25519_KEY_BYTES, VerifyKey
from hark.errors import MalformedError
from hark.wire.ids import DEVICE_ID_BYTES, DeviceId
from hark.wire.layout import Reader, Writer

MAX_DEVICES = 10
"""Every message is encrypted once per device of both sides; ten bounds that at twenty."""

CURVE_KEY_BYTES = 32
DEVICE_BYTES = DEVICE_ID_BYTES + ED25519_KEY_BYTES + CURVE_KEY_BYTES


@dataclass(frozen=True, slots=True, order=True)
class Device:
    """80 bytes: device id (16), Ed25519 key (32), Curve25519 key (32)."""

    device_id: DeviceId
    """16 random bytes, chosen when the device was set up; never used again."""
    ed_key: bytes
    """Signs the device's records, 32 bytes."""
    curve_key: bytes
    """Olm identity key, 32 bytes."""

    @property
    def key(self) -> VerifyKey:
        """`ed_key` as a key that verifies."""
        return VerifyKey(self.ed_key)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Take one device off a layout; `MalformedError` when it is cut off."""
        return cls(
            DeviceId(reader.take(DEVICE_ID_BYTES)),
            reader.take(ED25519_KEY_BYTES),
            reader.take(CURVE_KEY_BYTES),
        )

    def write(self, writer: Writer) -> None:
        """Append the layout above."""
        writer.raw(self.device_id).raw(self.ed_key).raw(self.curve_key)


def sorted_devices(devices: Iterable[Device]) -> tuple[Device, ...]:
    """Return a device list in its one order, after checking it.

    Raises:
        MalformedError: more than ten, or two share an id or a key.
    """
    ordered = tuple(sorted(devices))
    check_devices(ordered)
    return ordered


def check_devices(devices: tuple[Device, ...]) -> None:
    """Check a device list: at most ten, ascending by id, no id or key twice.

    Raises:
        MalformedError: a rule is broken.
    """
    if len(devices) > MAX_DEVICES:
        raise MalformedError("too many devices")
    ids = [device.device_id for device in devices]
    if any(second <= first for first, second in pairwise(ids)):
        raise MalformedError("devices are not in ascending order of their ids")
    # One key under two ids would let one device speak as two.
    if len({device.ed_key for device in devices}) < len(devices):
        raise MalformedError("two devices share a signing key")
    if len({device.curve_key for device in devices}) < len(devices):
        raise MalformedError("two devices share a key-agreement key")


def read_devices(reader: Reader) -> tuple[Device, ...]:
    """Take a device list off a layout: count (1), devices (80 each).

    Raises:
        MalformedError: cut off, or a rule of `check_devices` is broken.
    """
    count = reader.u8()
    if count > MAX_DEVICES:
        raise MalformedError("too many devices")
    devices = tuple(Device.read(reader) for _ in range(count))
    check_devices(devices)
    return devices


def write_devices(writer: Writer, devices: tuple[Device, ...]) -> None:
    """Append a device list: count (1), devices (80 each)."""
    writer.u8(len(devices))
    for device in devices:
        device.write(writer)

"""The secrets of a call: keys of its frames, and the emoji that two people compare.

Source: spec/calls.md#media-keys and spec/calls.md#emoji.
"""

from hark.calls.media import MediaKeys
from hark.crypto.hashing import hkdf
from hark.crypto.labels import Label
from hark.identity.sas import SAS_BYTES, Emoji, emoji_of
from hark.wire.call import MAX_CONNECTION
from hark.wire.ids import AccountId, DeviceId

BASE_KEY_BYTES = 32
MAX_STREAM = 255


def key_id(stream: int, connection: int) -> int:
    """Return the key id of a stream on a connection; no two pairs share one.

    Args:
        stream: as its sender's offer or answer names it, 0 to 255.
        connection: 1 to 65,535; a call never uses a number twice.

    Source: spec/calls.md#key-ids.
    """
    if not (0 <= stream <= MAX_STREAM and 1 <= connection <= MAX_CONNECTION):
        raise ValueError("a stream or connection whose number does not fit a key id")
    return connection << 8 | stream


def media_keys(
    *,
    caller_secret: bytes,
    callee_secret: bytes,
    setup: bytes,
    own_device: DeviceId,
    peer_device: DeviceId,
    own_stream: int,
    peer_stream: int,
    connection: int,
) -> MediaKeys:
    """Derive the keys of one connection, for the device that answered and no other.

    Args:
        caller_secret: 32 bytes, of the offer.
        callee_secret: 32 bytes, of the answer.
        setup: `transcript.setup_hash` of the two.
        own_device: of this side. It MUST differ from `peer_device`, or both would send under
            one key.
        peer_device: of the other side.
        own_stream: the voice stream that we announced.
        peer_stream: the voice stream that the other side announced.
        connection: number of the connection, from 1.
    """
    if own_device == peer_device:
        raise ValueError("two devices of one name would share a key")
    secret = caller_secret + callee_secret

    def base_of(sender: DeviceId) -> bytes:
        return hkdf(secret, Label.MEDIA_KEY, BASE_KEY_BYTES, salt=setup + sender)

    return MediaKeys(
        send_base=base_of(own_device),
        receive_base=base_of(peer_device),
        send_key_id=key_id(own_stream, connection),
        receive_key_id=key_id(peer_stream, connection),
    )


def short_authentication(
    *,
    caller_nonce: bytes,
    callee_nonce: bytes,
    setup: bytes,
    caller: AccountId,
    callee: AccountId,
    caller_epoch: int,
    callee_epoch: int,
) -> tuple[Emoji, ...]:
    """Return the seven emoji of a call.

    They come from offer and answer alone. Whoever sits in between has then chosen all of its
    own parts before it learns a nonce of the others; a candidate that came later could be
    varied until 42 bits agree.

    Args:
        caller_nonce: 32 bytes, compared with the commitment before.
        callee_nonce: 32 bytes, of the answer.
        setup: `transcript.setup_hash`.
        caller: account of the caller.
        callee: account of the callee.
        caller_epoch: root epoch of the caller's account, as both know it.
        callee_epoch: root epoch of the callee's account, as both know it.
    """
    epochs = caller_epoch.to_bytes(4, "big") + callee_epoch.to_bytes(4, "big")
    salt = setup + caller + callee + epochs
    return emoji_of(hkdf(caller_nonce + callee_nonce, Label.SAS, SAS_BYTES, salt=salt))

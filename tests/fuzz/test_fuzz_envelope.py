"""Damage to valid envelopes, inner messages, payloads and bodies.

Invariant: parsing damaged bytes raises `MalformedError` or gives a value that writes exactly
those bytes; and a sealed envelope opens only if not a single bit of it was changed.
"""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from hark.crypto.signing import SigningKey
from hark.crypto.xwing import EnvelopeSecret
from hark.errors import MalformedError, PeerError
from hark.identity.envelope_key import ENVELOPE_KEY_LIFE_MS, EnvelopeKeyRecord
from hark.messaging.sealing import open_envelope, seal_envelope
from hark.wire import bodies
from hark.wire.codec import encode
from hark.wire.envelope import InnerMessage, OuterEnvelope, Payload
from hark.wire.ids import KeyId
from tools.make_messaging_vectors import (
    BODIES,
    BORIS,
    BORIS_DEVICE,
    INNER,
    PAYLOAD,
    REQUEST,
)

SECRET = EnvelopeSecret(bytes(range(32)))
RECORD = EnvelopeKeyRecord.sign(
    SigningKey.from_seed(bytes(32)),
    account_id=BORIS,
    device_id=BORIS_DEVICE,
    key_id=KeyId(bytes(8)),
    counter=1,
    not_before_unix_ms=0,
    not_after_unix_ms=ENVELOPE_KEY_LIFE_MS,
    public=SECRET.public,
)
ENVELOPE = seal_envelope(RECORD, INNER)


def _inner(data: bytes) -> bytes:
    inner = InnerMessage.parse(data).encode()
    return inner.ljust(len(data), b"\0")


PARSED: list[tuple[bytes, Callable[[bytes], bytes]]] = [
    (INNER.encode().ljust(512, b"\0"), _inner),
    (REQUEST.encode().ljust(512, b"\0"), _inner),
    (PAYLOAD.encode(), lambda data: Payload.parse(data).encode()),
    (ENVELOPE, lambda data: OuterEnvelope.parse(data).encode()),
]


@st.composite
def damaged(draw: st.DrawFn, valid: bytes) -> bytes:
    """Return `valid` with bits flipped, a part cut out, doubled or replaced."""
    data = bytearray(valid)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, max(0, len(data) - 1)))
        end = draw(st.integers(start, min(len(data), start + 40)))
        match draw(st.sampled_from(["flip", "cut", "double", "replace"])):
            case "flip" if data:
                data[start] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del data[start:end]
            case "double":
                data[start:start] = data[start:end]
            case _:
                data[start:end] = draw(st.binary(max_size=40))
    return bytes(data)


@given(st.data())
def test_a_damaged_layout_is_refused_or_means_what_it_says(data: st.DataObject) -> None:
    valid, rewritten = data.draw(st.sampled_from(PARSED))
    changed = data.draw(damaged(valid))
    try:
        assert rewritten(changed) == changed
    except MalformedError:
        return


@given(st.data())
def test_a_damaged_body_is_refused_or_is_within_its_bounds(data: st.DataObject) -> None:
    _, _, body = data.draw(st.sampled_from(BODIES))
    changed = data.draw(damaged(encode(body)))
    for parser in (
        bodies.TEXT_PARSER,
        bodies.RECEIPT_PARSER,
        bodies.CONTACT_REQUEST_PARSER,
        bodies.CONTACT_ACCEPT_PARSER,
        bodies.CARD_PARSER,
        bodies.CHAIN_PARSER,
        bodies.SYNC_PARSER,
    ):
        try:
            found = parser.parse(changed)
        except MalformedError:
            continue
        # What was read is within all bounds, for it is read again.
        assert parser.parse(encode(found)) == found


@given(st.data())
def test_a_damaged_envelope_never_opens(data: st.DataObject) -> None:
    changed = data.draw(damaged(ENVELOPE))
    if changed == ENVELOPE:
        return
    try:
        outer = OuterEnvelope.parse(changed)
        if outer.key_id != RECORD.key_id:
            # Another key would be looked for; this one is not asked.
            return
        open_envelope(RECORD, SECRET, outer)
    except PeerError:
        return
    raise AssertionError("a changed envelope has opened")

"""Keys and emoji of a call: equal at both ends, different everywhere else."""

from itertools import product

import pytest

from hark.calls.keys import key_id, media_keys, short_authentication
from hark.calls.media import MediaKeys
from hark.crypto.sframe import SFrameReceiver, SFrameSender
from hark.errors import ProtocolError
from hark.identity.sas import Emoji
from hark.wire.ids import AccountId, DeviceId

CALLER, CALLEE = DeviceId(bytes([1]) * 16), DeviceId(bytes([2]) * 16)


def keys_of(own: DeviceId, peer: DeviceId, connection: int = 1, **other: bytes) -> MediaKeys:
    values = {"caller_secret": b"a" * 32, "callee_secret": b"b" * 32, "setup": bytes(32)}
    values |= other
    return media_keys(
        **values,
        own_device=own,
        peer_device=peer,
        own_stream=0,
        peer_stream=0,
        connection=connection,
    )


def test_what_one_end_sends_the_other_receives() -> None:
    caller, callee = keys_of(CALLER, CALLEE), keys_of(CALLEE, CALLER)
    assert caller.send_base == callee.receive_base
    assert caller.receive_base == callee.send_base
    assert caller.send_base != caller.receive_base


def test_every_input_changes_both_base_keys() -> None:
    several = [
        keys_of(CALLER, CALLEE),
        keys_of(CALLER, CALLEE, caller_secret=b"x" * 32),
        keys_of(CALLER, CALLEE, callee_secret=b"x" * 32),
        keys_of(CALLER, CALLEE, setup=b"x" * 32),
        keys_of(DeviceId(b"x" * 16), DeviceId(b"y" * 16)),
    ]
    assert len({keys.send_base for keys in several}) == len(several)
    assert len({keys.receive_base for keys in several}) == len(several)


def test_no_two_streams_and_connections_share_a_key_id() -> None:
    streams, connections = (0, 1, 255), (1, 2, 255, 256, 65_535)
    pairs = list(product(streams, connections))
    assert len({key_id(stream, connection) for stream, connection in pairs}) == len(pairs)


def test_a_new_connection_never_takes_up_the_keys_of_an_older_one() -> None:
    first, second = (keys_of(CALLER, CALLEE, connection) for connection in (1, 2))
    frame = SFrameSender(first.send_base, first.send_key_id).seal(b"said on the first")
    receiver = SFrameReceiver(second.send_base, second.send_key_id)
    with pytest.raises(ProtocolError):
        receiver.open(frame)


@pytest.mark.parametrize(("stream", "connection"), [(-1, 1), (256, 1), (0, 0), (0, 65_536)])
def test_numbers_that_do_not_fit_a_key_id_are_refused(stream: int, connection: int) -> None:
    with pytest.raises(ValueError, match="key id"):
        key_id(stream, connection)


def test_two_ends_of_one_name_get_no_keys() -> None:
    with pytest.raises(ValueError, match="share a key"):
        keys_of(CALLER, CALLER)


def test_keys_do_not_show_in_their_text_form() -> None:
    assert repr(keys_of(CALLER, CALLEE)) == "MediaKeys(…)"


def emoji(**other: bytes | int) -> tuple[Emoji, ...]:
    def raw(name: str, default: bytes) -> bytes:
        value = other.get(name, default)
        assert isinstance(value, bytes)
        return value

    def number(name: str) -> int:
        value = other.get(name, 1)
        assert isinstance(value, int)
        return value

    return short_authentication(
        caller_nonce=raw("caller_nonce", b"n" * 32),
        callee_nonce=raw("callee_nonce", b"m" * 32),
        setup=raw("setup", bytes(32)),
        caller=AccountId(raw("caller", b"A" * 32)),
        callee=AccountId(raw("callee", b"B" * 32)),
        caller_epoch=number("caller_epoch"),
        callee_epoch=number("callee_epoch"),
    )


def test_both_ends_of_one_call_show_the_same_seven_emoji() -> None:
    assert emoji() == emoji()
    assert len(emoji()) == 7


@pytest.mark.claim("S-14")
@pytest.mark.parametrize(
    "other",
    [
        {"caller_nonce": b"x" * 32},
        {"callee_nonce": b"x" * 32},
        {"setup": b"x" * 32},
        {"caller": b"x" * 32},
        {"callee": b"x" * 32},
        {"caller_epoch": 2},
        {"callee_epoch": 2},
        {"caller": b"B" * 32, "callee": b"A" * 32},
    ],
    ids="-".join,
)
def test_every_input_changes_the_emoji(other: dict[str, bytes | int]) -> None:
    assert emoji(**other) != emoji()

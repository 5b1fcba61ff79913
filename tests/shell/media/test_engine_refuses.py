"""What a media engine must survive, count and never play."""

import asyncio
import os
import socket
import struct
from dataclasses import replace
from random import Random

import pytest
from aioice import Candidate
from aioice.stun import Class, Message, Method

from hark.calls.media import (
    AddCandidates,
    ConnectMedia,
    FirstSound,
    LocalMedia,
    MediaConnected,
    MediaFailed,
    MediaFailure,
    MediaKeys,
    MediaQuality,
    MediaSilent,
)
from hark.crypto.sframe import SFrameSender, encode_header
from hark.node.media import ice
from hark.node.media.ice import IceConnection
from hark.node.media.opus import OpusEncoder
from hark.wire.call import CallCandidate, CallTransport, CandidateKind
from tests.shell.media.ends import (
    CALL,
    HEARD,
    End,
    Speaker,
    a_call,
    connect,
    in_a_loop,
    introduce,
    is_silent,
    key_of,
    keys_of,
    share_of_tone,
    tone,
    two_ends,
    with_other_fingerprint,
)
from tests.shell.media.hostile import HostilePeer

TONE = tone(400)


def candidate(
    address: str, port: int, kind: CandidateKind = CandidateKind.HOST
) -> CallCandidate:
    return CallCandidate(kind=kind, address=address, port=port, priority=1_000, foundation="1")


def send_from_outside(target: CallCandidate, datagrams: list[bytes]) -> None:
    family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as stranger:
        for datagram in datagrams:
            stranger.sendto(datagram, (target.address, target.port))


def garbage(count: int) -> list[bytes]:
    """Datagrams of every first byte: empty, short, long, and checks that are cut or bent."""
    chance = Random(7)
    check = Message(Method.BINDING, Class.REQUEST)
    check.attributes["USERNAME"] = "a:b"
    check.attributes["PRIORITY"] = 1
    check.add_message_integrity(b"key")
    whole = bytes(check)
    made = [b"", b"\x00", whole, b"\x16\xfe\xfd" + bytes(40), b"\x80\x6f" + bytes(60)]
    made += [b"\x16" + bytes(9_000), b"\x80\x6f" + bytes(60_000)]
    # Its length is right, an attribute inside is shorter than its kind: `struct.error`.
    short = struct.pack("!HH", 0x0024, 2) + bytes(4)
    made.append(struct.pack("!HHI12s", 1, len(short), 0x2112A442, bytes(12)) + short)
    while len(made) < count:
        bent = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            bent[chance.randrange(len(bent))] = chance.randrange(256)
        made += [bytes(bent[: chance.randrange(len(bent))]), bytes(bent)]
        made.append(bytes([chance.randrange(256)]) + chance.randbytes(chance.randrange(1400)))
    return made[:count]


@pytest.mark.claim("C-6")
def test_frames_under_other_keys_are_counted_and_never_played() -> None:
    def wrong_keys(own: str, peer: str, connection: int) -> MediaKeys:
        keys = keys_of(own, peer, connection)
        return replace(keys, send_base=key_of("somebody else"))

    async def scenario() -> None:
        async with two_ends() as (left, right):
            listener = Speaker()
            left.engine.attach(CALL, Speaker(TONE))
            right.engine.attach(CALL, listener)
            introduce(left, right, keys=wrong_keys)
            left.open(controlling=True)
            right.open(controlling=False)
            quality = await right.wait(MediaQuality)
            assert quality.frames_played == 0
            assert quality.frames_refused > 40
            assert not right.told(FirstSound)
            assert right.told(MediaSilent)
            assert listener.heard
            assert is_silent(listener.heard)

    in_a_loop(scenario)


@pytest.mark.claim("A-4")
def test_another_certificate_is_refused_before_any_media() -> None:
    async def scenario() -> None:
        async with two_ends() as (left, right):
            speaker = Speaker(TONE)
            left.engine.attach(CALL, speaker)
            introduce(left, right, change=with_other_fingerprint)
            left.open(controlling=True)
            right.open(controlling=False)
            failed = await left.wait(MediaFailed)
            assert failed.cause is MediaFailure.WRONG_CERTIFICATE
            assert not left.told(MediaConnected)
            assert speaker.taken == 0
            assert not right.told(FirstSound)

    in_a_loop(scenario)


@pytest.mark.claim("A-5")
@pytest.mark.parametrize("moment", ["before", "connected"])
def test_datagrams_of_strangers_are_survived_and_counted(moment: str) -> None:
    async def scenario() -> None:
        async with two_ends() as (left, right):
            listener = Speaker()
            right.engine.attach(CALL, Speaker(TONE))
            left.engine.attach(CALL, listener)
            left.open(controlling=True)
            right.open(controlling=False)
            local = await left.wait(LocalMedia)
            if moment == "before":
                for target in local.candidates:
                    send_from_outside(target, garbage(500))
                await asyncio.sleep(0.1)
            introduce(left, right)
            await left.wait(FirstSound)
            if moment == "connected":
                for target in local.candidates:
                    send_from_outside(target, garbage(500))
            quality = await left.wait(MediaQuality)
            assert quality.frames_refused > 100
            assert quality.frames_played > 50
            assert share_of_tone(listener.heard[-20:], 400) > HEARD
            assert not left.told(MediaFailed)

    in_a_loop(scenario)


@pytest.mark.claim("A-5")
def test_repeated_cut_and_bent_packets_are_counted_and_not_played(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest_send = IceConnection.send

    async def send(self: IceConnection, data: bytes) -> None:
        await honest_send(self, data)
        if data[0] >= 128:
            bent = data[:-1] + bytes([data[-1] ^ 1])
            for copy in (data, data[:-5], data[:13], data[:12], bent):
                await honest_send(self, copy)

    monkeypatch.setattr(IceConnection, "send", send)

    async def scenario() -> None:
        async with two_ends() as (left, right):
            listener = Speaker()
            left.engine.attach(CALL, Speaker(TONE))
            right.engine.attach(CALL, listener)
            await connect(left, right)
            quality = await right.wait(MediaQuality)
            assert 80 <= quality.frames_played <= 101
            assert quality.frames_refused >= 4 * 80
            assert share_of_tone(listener.heard[-40:], 400) > HEARD

    in_a_loop(scenario)


@pytest.mark.claim("C-6")
def test_peer_with_valid_encryption_cannot_have_bad_frames_played() -> None:
    async def scenario() -> None:
        left = End("left")
        listener = Speaker()
        left.engine.attach(CALL, listener)
        async with HostilePeer(left) as peer:
            keys = keys_of("right", "left")
            seal = SFrameSender(keys.send_base, keys.send_key_id + 1)
            foreign = SFrameSender(key_of("left"), keys.send_key_id)
            opus = OpusEncoder()
            voices = [opus.encode(frame) for frame in TONE[:20]]
            bad = [
                b"\x00",
                b"\xff" * 17,
                os.urandom(102),
                seal.seal(voices[0]),
                foreign.seal(voices[1]),
                encode_header(keys.send_key_id, 1) + bytes(96),
                encode_header(keys.send_key_id, 2**24) + bytes(96),
                encode_header(keys.send_key_id, 2**60) + bytes(96),
                os.urandom(1_300),
            ]
            payloads = [peer.with_payload(one, at) for at, one in enumerate(bad)]
            # With another header: padding, extension, other payload type, marker.
            first = peer.packet(TONE[0])
            bent = [
                bytes([flags, kind]) + struct.pack("!H", 100 + at) + first[4:]
                for at, (flags, kind) in enumerate(
                    [(0xA0, 111), (0x90, 111), (0x8F, 111), (0x80, 0), (0x80, 239)]
                )
            ]
            await peer.send(payloads + bent)
            reports = [
                b"\x81\xc9\x00\x01" + bytes(4),
                b"\x9f\xca\x00\x03" + b"\xff" * 12,
                b"\x80\xcd\x00\x00" + bytes(4),
                b"\xa1\xca\x00\x02" + b"\xff" * 8,
                b"\x81\xc8\x00\x0c" + os.urandom(48),
            ]
            await peer.send(reports)
            quality = await left.wait(MediaQuality)
            assert quality.frames_played == 0
            assert quality.frames_refused >= len(payloads) + len(bent)
            assert not left.told(FirstSound)
            assert not left.told(MediaFailed)
            assert is_silent(listener.heard)
            # The same peer is heard as soon as it does what it must.
            for frame in TONE[:30]:
                await peer.send([peer.packet(frame)])
                await asyncio.sleep(0.02)
            assert left.told(FirstSound)
        await left.engine.close()

    in_a_loop(scenario)


@pytest.mark.claim("C-6")
def test_frame_that_is_sealed_once_is_played_once() -> None:
    async def scenario() -> None:
        left = End("left")
        async with HostilePeer(left) as peer:
            first = [peer.packet(frame) for frame in TONE[:10]]
            await peer.send(first)
            # The same sealed frames in new packets, which the encryption lets through.
            again = [
                peer.with_payload(packet[12:], 500 + at) for at, packet in enumerate(first)
            ]
            await peer.send(again)
            quality = await left.wait(MediaQuality)
            assert quality.frames_refused == 10
            assert quality.frames_played <= 10
        await left.engine.close()

    in_a_loop(scenario)


@pytest.mark.claim("C-7")
def test_packets_of_further_sources_are_not_even_decrypted() -> None:
    async def scenario() -> None:
        left = End("left")
        async with HostilePeer(left) as peer:
            await peer.send([peer.packet(TONE[0])])
            await left.wait(FirstSound)
            await peer.send([peer.packet(TONE[1], ssrc=ssrc) for ssrc in range(1, 200)])
            quality = await left.wait(MediaQuality)
            assert quality.frames_refused == 199
        await left.engine.close()

    in_a_loop(scenario)


@pytest.mark.claim("C-6")
def test_sealed_packets_that_are_no_opus_are_counted_and_concealed() -> None:
    async def scenario() -> None:
        left = End("left")
        async with HostilePeer(left) as peer:
            keys = keys_of("right", "left")
            seal = SFrameSender(keys.send_base, keys.send_key_id)
            chance = Random(3)
            lengths = [0, 1, 2, 80, 1_200]
            for at in range(60):
                payload = chance.randbytes(lengths[at % len(lengths)])
                await peer.send([peer.with_payload(seal.seal(payload), at)])
                await asyncio.sleep(0.02)
            quality = await left.wait(MediaQuality)
            assert quality.frames_refused > 0
            assert not left.told(MediaFailed)
        await left.engine.close()

    in_a_loop(scenario)


@pytest.mark.claim("C-7")
def test_a_thousand_absurd_addresses_are_not_tried_and_do_not_prevent_a_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[str] = []
    honest_add = IceConnection.add_remote_candidate

    async def note(self: IceConnection, one: Candidate | None) -> None:
        if one is not None:
            tried.append(one.host)
        await honest_add(self, one)

    monkeypatch.setattr(IceConnection, "add_remote_candidate", note)
    absurd = [
        "127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.251", "169.254.1.1", "240.0.0.1",
        "::1", "::", "fe80::1", "ff02::1", "::ffff:127.0.0.1", "example.org", "",
    ]  # fmt: skip
    flood = [candidate(absurd[at % len(absurd)], 1 + at % 65_535) for at in range(500)]
    flood += [candidate(f"198.51.100.{at % 250 + 1}", 40_000 + at) for at in range(500)]

    async def scenario() -> None:
        async with two_ends() as (left, right):
            introduce(left, right)
            left.open(controlling=True)
            right.open(controlling=False)
            await left.wait(LocalMedia)
            await left.until(lambda: bool(right.told(LocalMedia)))
            await asyncio.sleep(0)
            left.engine.perform(AddCandidates(CALL, 1, tuple(flood), final=False))
            await left.wait(FirstSound)
            assert not set(tried) & set(absurd)
            assert len(tried) <= 64

    in_a_loop(scenario)


def test_data_of_addresses_without_a_check_is_dropped() -> None:
    async def scenario() -> None:
        async with a_call() as (left, _):
            await left.wait(FirstSound)
            connection = left.engine._open[CALL, 1]
            before = connection._ice.refused
            for target in left.told(LocalMedia)[0].candidates:
                send_from_outside(target, [b"\x16\xfe\xfd" + bytes(60)] * 10)
            await asyncio.sleep(0.1)
            count = len(left.told(LocalMedia)[0].candidates)
            assert connection._ice.refused - before == 10 * count

    in_a_loop(scenario)


@pytest.mark.claim("C-7")
def test_unread_datagrams_do_not_pile_up() -> None:
    async def scenario() -> None:
        connection = IceConnection(controlling=True, hide_address=False)
        for _ in range(10_000):
            connection.data_received(b"\x16" + bytes(1_000), 1)
        assert connection._queue.qsize() == ice.MAX_WAITING
        assert connection.refused == 10_000 - ice.MAX_WAITING
        await connection.close()

    in_a_loop(scenario)


@pytest.mark.claim("C-7")
def test_checks_from_ever_new_addresses_make_no_ever_longer_list() -> None:
    async def scenario() -> None:
        connection = IceConnection(controlling=False, hide_address=False)
        await connection.gather_hosts()
        connection.remote_username, connection.remote_password = "user", "password" * 4
        check = Message(Method.BINDING, Class.REQUEST)
        check.attributes["PRIORITY"] = 1
        for port in range(1_000, 2_000):
            connection.check_incoming(check, ("192.0.2.99", port), connection._protocols[0])
        assert len(connection.remote_candidates) == ice.MAX_REMOTE
        no_priority = Message(Method.BINDING, Class.REQUEST)
        connection.check_incoming(no_priority, ("192.0.2.98", 1), connection._protocols[0])
        await connection.close()

    in_a_loop(scenario)


def test_datagrams_after_the_close_reach_nobody() -> None:
    async def scenario() -> None:
        async with a_call() as (left, right):
            targets = left.told(LocalMedia)[0].candidates
            await left.engine.close()
            for target in targets:
                send_from_outside(target, garbage(50))
            facts = len(left.facts)
            await asyncio.sleep(0.2)
            assert len(left.facts) == facts
            assert not right.told(MediaFailed)

    in_a_loop(scenario)


def test_nonsense_as_a_peers_description_fails_that_connection_only() -> None:
    async def scenario() -> None:
        async with two_ends() as (left, right):
            await connect(left, right)
            left.open(controlling=True, connection=2)
            await left.wait(LocalMedia, count=2)
            nonsense = CallTransport("AAAA", "A" * 22, b"")
            left.engine.perform(ConnectMedia(CALL, 2, nonsense, keys_of("left", "right", 2)))
            left.engine.perform(
                AddCandidates(CALL, 2, (candidate("::ffff:1.2.3.4", 0),), final=True)
            )
            failed = await left.wait(MediaFailed)
            assert failed.connection == 2
            assert len(left.told(MediaConnected)) == 1

    in_a_loop(scenario)

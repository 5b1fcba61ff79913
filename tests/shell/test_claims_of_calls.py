"""What somebody on the line between two callers can hear, alter or pass off: real engines.

Each look at what must not be possible comes with the same look where it is.
"""

import asyncio
from functools import partial

import pylibsrtp
import pytest
from aiortc import rtcdtlstransport
from pylibsrtp import Policy, Session

from hark.calls.media import (
    FirstSound,
    LocalMedia,
    MediaBack,
    MediaConnected,
    MediaFailed,
    MediaFailure,
    MediaQuality,
    MediaSilent,
)
from hark.crypto.sframe import SFrameReceiver
from hark.errors import PeerError
from hark.machine import Instant
from hark.node.media.rtp import HEADER_BYTES
from hark.node.media.voice import VoicePlayer
from hark.wire.call import CallTransport
from hark.wire.ids import CallId
from tests.shell.media.between import Between, Impostor, Socket, is_voice
from tests.shell.media.ends import (
    CALL,
    HEARD,
    End,
    Speaker,
    in_a_loop,
    keys_of,
    share_of_tone,
    tone,
    two_ends,
)

OTHER_CALL = CallId(b"\x02" * 16)
LEFT_HZ, RIGHT_HZ = 400, 700
PATIENCE_S = 4
"""Silence is counted in beats, of which a busy machine leaves some out. Measured: 1.1 s."""


async def speak(left: End, right: End, call: CallId = CALL) -> tuple[Speaker, Speaker]:
    """Let both ends say their tones, and remember what they hear."""
    speakers = Speaker(tone(LEFT_HZ)), Speaker(tone(RIGHT_HZ))
    for end, speaker in zip((left, right), speakers, strict=True):
        end.engine.attach(call, speaker)
    return speakers


def voice_in(frames: list[bytes], base_key: bytes, key_id: int) -> list[bytes]:
    """Return the sound in sealed frames, to whoever has this key.

    Raises:
        PeerError: it is not the key.
    """
    opener, player = SFrameReceiver(base_key, key_id), VoicePlayer()
    sound = []
    for number, frame in enumerate(frames):
        now = Instant(number * 0.02)
        opened = opener.open(frame)
        player.put(opened.counter, opened.frame, now)
        sound.append(player.play(now))
    return sound


def check_sealed(frames: list[bytes], others: list[bytes]) -> None:
    """Check that frames of the left end open under its base key and under none of `others`."""
    keys = keys_of("left", "right")
    assert len(frames) >= 50
    for other in others:
        for frame in frames:
            with pytest.raises(PeerError):
                SFrameReceiver(other[:32].ljust(32, b"\0"), keys.send_key_id).open(frame)
    heard = voice_in(frames, keys.send_base, keys.send_key_id)
    assert share_of_tone(heard[-40:], LEFT_HZ) > HEARD


@pytest.mark.claim("A-4")
def test_whoever_shows_a_certificate_of_its_own_gets_no_media_and_both_ends_say_so() -> None:
    async def scenario() -> None:
        async with two_ends() as (left, right), Between() as between:
            speakers = await speak(left, right)
            impostor = Impostor(between)
            await between.introduce(left, right)
            locals_ = [end.told(LocalMedia)[0].transport.fingerprint for end in (left, right)]
            impostor.begin(*locals_)
            for end in (left, right):
                failed = await end.wait(MediaFailed)
                assert failed.cause is MediaFailure.WRONG_CERTIFICATE
                assert not end.told(MediaConnected)
            await impostor.close()
            assert impostor.heard == []
            assert [speaker.taken for speaker in speakers] == [0, 0]
            assert [speaker.heard for speaker in speakers] == [[], []]

    in_a_loop(scenario)


@pytest.mark.claim("A-5", "N-3")
def test_whoever_has_the_signals_name_its_certificate_still_hears_and_alters_nothing() -> None:
    def bend(packet: bytes) -> bytes:
        return packet[:-1] + bytes([packet[-1] ^ 1])

    def name(fingerprint: bytes, transport: CallTransport) -> CallTransport:
        return CallTransport(transport.username, transport.password, fingerprint)

    async def scenario() -> None:
        async with two_ends() as (left, right), Between() as between:
            speakers = await speak(left, right)
            impostor = Impostor(between)
            impostor.change = bend
            await between.introduce(left, right, change=partial(name, impostor.fingerprint))
            locals_ = [end.told(LocalMedia)[0].transport.fingerprint for end in (left, right)]
            impostor.begin(*locals_)
            quality = await right.wait(MediaQuality)
            # The outer encryption is broken: it has the packets of both, and passes them on.
            assert quality.frames_refused > 50
            assert quality.frames_played == 0
            assert not left.told(FirstSound)
            assert not right.told(FirstSound)
            heard = [
                data[HEADER_BYTES:] for side, data in impostor.heard if side is between.left
            ]
            check_sealed(heard, [bytes(32), impostor.fingerprint, *locals_])
            # What it does not touch is heard, so it was the bent bit that was refused.
            impostor.change = lambda packet: packet
            await right.wait(FirstSound)
            await asyncio.sleep(1.0)
            assert share_of_tone(speakers[1].heard[-20:], LEFT_HZ) > HEARD
            await impostor.close()

    in_a_loop(scenario)


@pytest.mark.claim("N-3")
def test_recorded_packets_and_all_keys_of_the_connection_do_not_give_the_voice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known: list[tuple[bytes, int]] = []

    def note(*, key: bytes, ssrc_type: int, srtp_profile: int) -> Policy:
        known.append((bytes(key), srtp_profile))
        return Policy(key=key, ssrc_type=ssrc_type, srtp_profile=srtp_profile)

    recorded: list[bytes] = []

    async def scenario() -> None:
        async with two_ends() as (left, right), Between() as between:
            await speak(left, right)
            note.SSRC_ANY_INBOUND = Policy.SSRC_ANY_INBOUND  # type: ignore[attr-defined]
            note.SSRC_ANY_OUTBOUND = Policy.SSRC_ANY_OUTBOUND  # type: ignore[attr-defined]
            monkeypatch.setattr(rtcdtlstransport, "Policy", note)
            await between.introduce(left, right)
            await right.wait(MediaQuality)
            recorded.extend(between.recorded(between.left))

    in_a_loop(scenario)
    assert len({key for key, _ in known}) == 2
    frames: list[bytes] = []
    for key, profile in dict(known).items():
        eavesdropper = Session(
            Policy(key=key, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=profile)
        )
        for packet in recorded:
            try:
                frames.append(eavesdropper.unprotect(packet)[HEADER_BYTES:])
            except pylibsrtp.Error:
                # The key of the other direction.
                continue
    assert len(frames) == len(recorded)
    check_sealed(frames, [bytes(32), *(key for key, _ in known)])


@pytest.mark.claim("A-5")
def test_packets_given_twice_altered_or_taken_from_another_call_are_not_played() -> None:
    async def scenario() -> None:
        async with two_ends() as (left, right), Between() as one, Between() as other:

            def twice_and_bent(_side: Socket, data: bytes) -> list[bytes]:
                if not is_voice(data):
                    return [data]
                return [data, data, data[:20] + bytes([data[20] ^ 1]) + data[21:]]

            def also_into_the_first(side: Socket, data: bytes) -> list[bytes]:
                if is_voice(data):
                    (one.right if side is other.left else one.left).give(data)
                return [data]

            one.decide, other.decide = twice_and_bent, also_into_the_first
            speakers = await speak(left, right)
            foreign = Speaker(tone(900)), Speaker(tone(900))
            for end, speaker in zip((left, right), foreign, strict=True):
                end.engine.attach(OTHER_CALL, speaker)
            await one.introduce(left, right)
            await other.introduce(left, right, call=OTHER_CALL)
            quality = await right.wait(MediaQuality)
            assert quality.frames_refused >= 2 * 50
            quality = await right.wait(MediaQuality, count=2)
            # As many as were said, by the clock; nothing came on top.
            assert quality.frames_played <= 4 * 50 + 10
            assert quality.frames_refused >= 3 * 100
            assert share_of_tone(speakers[1].heard[-20:], LEFT_HZ) > HEARD
            assert share_of_tone(speakers[0].heard[-20:], RIGHT_HZ) > HEARD
            assert share_of_tone(foreign[1].heard[-20:], 900) > HEARD

    in_a_loop(scenario)


@pytest.mark.claim("A-6")
def test_line_that_is_cut_is_noticed_by_both_ends() -> None:
    async def scenario() -> None:
        async with two_ends() as (left, right), Between() as between:
            await speak(left, right)
            await between.introduce(left, right)
            for end in (left, right):
                await end.wait(FirstSound)
            assert not left.told(MediaSilent)
            between.decide = lambda _side, _data: []
            for end in (left, right):
                await end.wait(MediaSilent, within_s=PATIENCE_S)

    in_a_loop(scenario)


@pytest.mark.claim("A-6")
def test_checks_alone_do_not_keep_up_a_path_whose_sound_is_held_back() -> None:
    async def scenario() -> None:
        async with two_ends() as (left, right), Between() as between:
            await speak(left, right)
            await between.introduce(left, right)
            for end in (left, right):
                await end.wait(FirstSound)
            old = between.recorded(between.left)
            between.decide = lambda _side, data: [] if is_voice(data) else [data]
            for end in (left, right):
                await end.wait(MediaSilent, within_s=PATIENCE_S)
            # Nor do the packets that came before: they are no sign of life.
            assert old
            for packet in old:
                between.right.give(packet)
            await asyncio.sleep(0.2)
            assert not right.told(MediaBack)
            # Those that were held back are.
            for packet in between.recorded(between.left)[-20:]:
                between.right.give(packet)
            await right.wait(MediaBack, within_s=PATIENCE_S)

    in_a_loop(scenario)

"""Microphone and speaker: heard as played, pulled out, back again, and not there at all."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hark.app.sound import devices, portaudio
from hark.app.sound.devices import MAX_WAITING_FRAMES, Microphone, Speaker, running
from hark.errors import SoundDeviceError
from hark.wire.sound import FRAMES_PER_S, OPUS_PACKET_BYTES, SILENCE
from tests.e2e.terminal import Terminal
from tests.shell.cli.phone import Phone, until
from tests.shell.control.fake_calls import frame_of
from tests.shell.control.fake_node import message_of
from tests.shell.sound.sound_server import SoundServer, is_installed

needs_server = pytest.mark.skipif(
    not is_installed(), reason="pulseaudio and pactl are not installed"
)
HAS_CARD = Path("/dev/snd/controlC0").exists()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SoundServer]:
    with SoundServer(tmp_path / "pulse") as server:
        yield server


class Talker:
    """`speak_and_hear`, as it runs."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child
        self.said: list[str] = []

    def next(self) -> str:
        assert self._child.stdout is not None
        line = self._child.stdout.readline().strip()
        assert line, self.said
        self.said.append(line)
        return line

    def until(self, beginning: str) -> str:
        while not self.next().startswith(beginning):
            pass
        return self.said[-1]

    def until_tone(self, loudness: int) -> tuple[int, int]:
        """Wait until a tone is heard from beginning to end; return loudness and pitch."""
        while True:
            _heard, loudest, pitch_hz = self.until("heard").split()
            if int(loudest) > loudness and abs(int(pitch_hz) - 500) <= 10:
                return int(loudest), int(pitch_hz)


@contextmanager
def talking(environment: dict[str, str], *form: str) -> Iterator[Talker]:
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.shell.sound.speak_and_hear", *form],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    talker = Talker(child)
    try:
        yield talker
        assert child.stdin is not None
        child.stdin.close()
        child.stdin = None
        rest, complaint = child.communicate(timeout=20)
        talker.said += rest.splitlines()
        assert complaint == ""
    finally:
        child.kill()
        child.communicate()


@needs_server
@pytest.mark.parametrize("form", [(), ("44100", "2"), ("16000", "1")], ids=" ".join)
def test_what_the_speaker_plays_the_microphone_hears(
    server: SoundServer, form: tuple[str, ...]
) -> None:
    server.plug_in("room")
    with talking(server.environment, *form) as talker:
        loudest, _pitch_hz = talker.until_tone(4_000)
        assert loudest < 9_000
    assert talker.said[-1] == "closed"


@needs_server
def test_devices_that_are_pulled_out_are_used_again_when_they_are_back(
    server: SoundServer,
) -> None:
    room = server.plug_in("room")
    with talking(server.environment) as talker:
        talker.until_tone(4_000)
        server.pull_out(room)
        assert {talker.until("The"), talker.until("The")} == {
            "The microphone is gone; it is used again when it is back.",
            "The speaker is gone; it is used again when it is back.",
        }
        server.plug_in("another")
        assert {talker.until("The"), talker.until("The")} == {
            "The microphone is back.",
            "The speaker is back.",
        }
        talker.until_tone(4_000)
    assert talker.said[-1] == "closed"


@needs_server
def test_when_the_microphone_goes_another_one_is_used(server: SoundServer) -> None:
    server.plug_in("room")
    desk = server.plug_in("desk")
    server.use(speaker="room", microphone="desk")
    with talking(server.environment) as talker:
        assert talker.until("heard") == "heard 0 0"
        server.pull_out(desk)
        # The one that hears the room; the server moves us there, or we find it ourselves.
        talker.until_tone(4_000)
    assert not any("speaker" in line for line in talker.said)


@needs_server
@pytest.mark.skipif(HAS_CARD, reason="this machine has a sound card of its own")
def test_a_machine_without_devices_is_told_so(server: SoundServer) -> None:
    with talking(server.environment) as talker:
        assert talker.next().startswith("SoundDeviceError")


@needs_server
def test_a_call_by_microphone_and_speaker_carries_both_voices(
    server: SoundServer, tmp_path: Path
) -> None:
    server.plug_in("room")
    phone = Phone(tmp_path / "home")
    phone.environment["PULSE_SERVER"] = server.environment["PULSE_SERVER"]
    with phone:
        child = phone.hark("call", "bob")
        sound = phone.sound()
        phone.answer()
        tone = frame_of(0x10001000)

        def hears_itself() -> bool:
            phone.give(tone)
            return any(frame != SILENCE for frame in sound.pushed)

        until(hears_itself)
        phone.end(duration_ms=1_000)
        out, err = child.communicate(timeout=20)
    assert child.returncode == 0, err
    assert "bob hung up after 0:01" in out


@needs_server
def test_who_finds_nobody_speaks_a_message_and_the_other_side_hears_it(
    server: SoundServer, tmp_path: Path
) -> None:
    server.plug_in("room")
    phone = Phone(tmp_path / "home")
    phone.environment["PULSE_SERVER"] = server.environment["PULSE_SERVER"]
    with phone, Terminal(["call", "bob"], phone.environment) as terminal:
        phone.sound()
        phone.end(reason="no_answer", by_peer=False)
        terminal.wait_for("Leave a spoken message of up to 25 s? [y/N]")
        terminal.type("y\n")
        terminal.wait_for("Speak now.")
        terminal.wait_for("Recording: 23 s left")
        terminal.type(" ")
        terminal.wait_for("your message has been left (0:0")
        assert terminal.wait_for_end() == 0
        length = len(phone.calls.voicemail) // OPUS_PACKET_BYTES
        assert FRAMES_PER_S <= length < 10 * FRAMES_PER_S

        message = message_of(7, "", outgoing=False, unread=True, kind="voicemail")
        phone.served.node.talk.append(message)
        phone.served.node.unread.append(message.id)
        started_s = time.monotonic()
        child = phone.hark("voicemail", message.id[:8])
        _out, err = child.communicate(timeout=20)
        assert (child.returncode, err) == (0, "")
        assert time.monotonic() - started_s > (length - 10) / FRAMES_PER_S
        assert phone.served.node.unread == []


def test_without_the_sound_library_the_package_is_named(tmp_path: Path) -> None:
    phone = Phone(tmp_path / "home")
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    phone.environment["PYTHONPATH"] = str(tmp_path)
    with phone:
        child = phone.hark("call", "bob")
        _out, err = child.communicate(timeout=20)
        assert phone.calls.known == {}
    assert child.returncode == 3
    assert "sudo apt-get install libportaudio2" in err


class FakeStream:
    """A device that a test pulls out."""

    def __init__(self) -> None:
        self.active = True
        self.closed = False

    def start(self) -> None:
        pass

    def abort(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class FakeLibrary:
    """A sound library whose devices the test plugs in."""

    PortAudioError = RuntimeError

    def __init__(self) -> None:
        self.opened: dict[str, FakeStream] = {}
        self.plugged_in = {"input", "output"}
        self.looks = 0

    def RawInputStream(self, **_options: object) -> FakeStream:  # noqa: N802
        return self._open("input")

    def RawOutputStream(self, **_options: object) -> FakeStream:  # noqa: N802
        return self._open("output")

    def _open(self, kind: str) -> FakeStream:
        if kind not in self.plugged_in:
            raise self.PortAudioError("Invalid device")
        self.opened[kind] = FakeStream()
        return self.opened[kind]

    def query_devices(self, *, kind: str) -> dict[str, float]:
        return {f"max_{kind}_channels": 2, "default_samplerate": 48_000.0}

    def _terminate(self) -> None:
        self.looks += 1

    def _initialize(self) -> None:
        pass

    def pull_out(self, *kinds: str) -> None:
        self.plugged_in -= {*kinds}
        for kind in kinds:
            self.opened[kind].active = False


@pytest.mark.parametrize("pulled", [("input",), ("output",), ("input", "output")], ids=" ".join)
def test_one_device_that_goes_leaves_the_other_alone(
    monkeypatch: pytest.MonkeyPatch, pulled: tuple[str, ...]
) -> None:
    library = FakeLibrary()
    monkeypatch.setattr(portaudio, "load", lambda: library)
    monkeypatch.setattr(devices, "LOOK_S", 0.01)
    monkeypatch.setattr(devices, "RETRY_S", 0.05)
    told: list[str] = []

    async def scene() -> None:
        microphone, speaker = Microphone(), Speaker()
        async with running(microphone.stream, speaker.stream, tell=told.append):
            before = dict(library.opened)
            library.pull_out(*pulled)
            await asyncio.sleep(0.3)
            assert [before[kind].closed for kind in pulled] == [True] * len(pulled)
            assert len(told) == len(pulled)
            library.plugged_in = {"input", "output"}
            await asyncio.sleep(0.3)
            assert len(told) == 2 * len(pulled)
            for kind in {"input", "output"} - {*pulled}:
                assert library.opened[kind] is before[kind]
        assert all(stream.closed for stream in library.opened.values())

    asyncio.run(scene())
    # Looking for new devices would close the one that works.
    assert bool(library.looks) == (len(pulled) == 2)


def test_a_call_does_not_begin_with_half_of_the_devices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = FakeLibrary()
    library.plugged_in = {"input"}
    monkeypatch.setattr(portaudio, "load", lambda: library)

    async def scene() -> None:
        async with running(Microphone().stream, Speaker().stream, tell=print):
            pytest.fail("it began")

    with pytest.raises(SoundDeviceError, match="the speaker cannot be opened: Invalid device"):
        asyncio.run(scene())
    assert library.opened["input"].closed


def test_what_waits_to_be_played_never_lags_far_behind() -> None:
    async def scene() -> None:
        speaker = Speaker()
        for number in range(1_000):
            speaker.play(frame_of(number))
            assert len(speaker._waiting) <= MAX_WAITING_FRAMES
        assert speaker._waiting[-1] == frame_of(999)

    asyncio.run(scene())

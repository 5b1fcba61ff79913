"""Speech is taken from the first place that has it, and a signal is never called speech."""

import os
import struct
import wave
from pathlib import Path

import pytest

from hark.app.sound import speech
from hark.app.sound.speech import MAX_SPEECH_S, find_speech
from hark.errors import SoundFileError
from hark.wire.sound import FRAME_BYTES, FRAMES_PER_S, SAMPLE_RATE_HZ


def write_wav(path: Path, value: int, seconds: float = 1.0) -> Path:
    """Write a WAV file of one value, by which it is known again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(struct.pack("<h", value) * round(seconds * SAMPLE_RATE_HZ))
    return path


def values_of(frames: list[bytes]) -> list[int]:
    """Return which values come one after the other."""
    found: list[int] = []
    for frame in frames:
        (value,) = struct.unpack_from("<h", frame, FRAME_BYTES // 2)
        if not found or found[-1] != value:
            found.append(value)
    return found


@pytest.fixture
def without_tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No program is found."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))


def put_tools(folder: Path, monkeypatch: pytest.MonkeyPatch, apt: str, dpkg: str) -> None:
    folder.mkdir()
    for name, script in (("apt-get", apt), ("dpkg-deb", dpkg)):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_the_file_that_is_named_wins(tmp_path: Path) -> None:
    write_wav(tmp_path / "root" / speech.RECORDINGS / "Front_Center.wav", 7)
    named = write_wav(tmp_path / "hello.wav", 5)
    found = find_speech(named, tmp_path / "cache", tmp_path / "root")
    assert values_of(found.frames) == [5]
    assert len(found.frames) == FRAMES_PER_S
    assert found.source == "the file hello.wav"
    assert found.is_recorded


def test_a_named_file_that_is_no_sound_is_an_error(
    tmp_path: Path,
) -> None:
    write_wav(tmp_path / "root" / speech.RECORDINGS / "Front_Center.wav", 7)
    (tmp_path / "hello.wav").write_bytes(b"not sound")
    with pytest.raises(SoundFileError):
        find_speech(tmp_path / "hello.wav", tmp_path / "cache", tmp_path / "root")


@pytest.mark.usefixtures("without_tools")
def test_recordings_of_the_machine_come_in_order_without_noise(tmp_path: Path) -> None:
    folder = tmp_path / "root" / speech.RECORDINGS
    for name, value in (("Rear_Left", 3), ("Front_Left", 1), ("Noise", 2), ("Zero", 4)):
        write_wav(folder / f"{name}.wav", value)
    (folder / "Broken.wav").write_bytes(b"RIFF")
    found = find_speech(None, tmp_path / "cache", tmp_path / "root")
    assert values_of(found.frames) == [1, 3, 4]
    assert found.is_recorded


@pytest.mark.usefixtures("without_tools")
def test_not_more_is_taken_than_a_call_needs(tmp_path: Path) -> None:
    folder = tmp_path / "root" / speech.RECORDINGS
    for number in range(1, 5):
        write_wav(folder / f"{number}.wav", number, seconds=2.0)
    found = find_speech(None, tmp_path / "cache", tmp_path / "root")
    assert len(found.frames) == MAX_SPEECH_S * FRAMES_PER_S
    assert values_of(found.frames) == [1, 2, 3]


def test_recordings_are_fetched_from_the_package_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    write_wav(package / speech.RECORDINGS / "Front_Center.wav", 9)
    (package / speech.RECORDINGS / "Noise.wav").write_bytes(b"")
    fetched = tmp_path / "fetched"
    put_tools(
        tmp_path / "bin",
        monkeypatch,
        apt=f'[ "$6" = alsa-utils ] && echo >> {fetched} && touch alsa-utils_1_amd64.deb',
        dpkg=f'[ "$1 $2" = "-x alsa-utils_1_amd64.deb" ] && cp -r {package} "$3"',
    )
    for _ in range(2):
        found = find_speech(None, tmp_path / "cache", tmp_path / "root")
        assert values_of(found.frames) == [9]
        assert found.source == "recordings of the package alsa-utils"
        assert found.is_recorded
    assert fetched.read_text() == "\n"
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["alsa-utils"]


def test_without_network_a_signal_stands_in_and_is_called_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_tools(tmp_path / "bin", monkeypatch, apt="exit 100", dpkg="exit 2")
    found = find_speech(None, tmp_path / "cache", tmp_path / "root")
    assert not found.is_recorded
    assert "generated" in found.source
    assert len(found.frames) == MAX_SPEECH_S * FRAMES_PER_S
    assert {len(frame) for frame in found.frames} == {FRAME_BYTES}
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.usefixtures("without_tools")
def test_a_cache_that_cannot_be_made_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert not find_speech(None, tmp_path / "cache", tmp_path / "root").is_recorded

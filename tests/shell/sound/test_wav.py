"""WAV files of every kind are read in constant memory; a recording survives a kill."""

import math
import os
import resource
import signal
import stat
import struct
import subprocess
import sys
import time
import wave
from array import array
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from hark.app.sound.wav import HEADER, WavReader, WavWriter
from hark.errors import DiskFullError, SoundFileError, UsageError
from hark.wire.sound import FRAME_BYTES, FRAMES_PER_S, SAMPLE_RATE_HZ, SILENCE

TONE_HZ = 440
LOUD = 0.5
FLOAT = 3
"""Kind of samples in a header of a WAV file."""
PCM = 1


def sound_file(
    path: Path,
    *,
    rate_hz: int = SAMPLE_RATE_HZ,
    channels: int = 1,
    bits: int = 16,
    kind: int = PCM,
    duration_s: float = 1.0,
) -> Path:
    """Write one second of a tone in the wanted form."""
    count = round(rate_hz * duration_s)
    values = [
        LOUD * math.sin(2 * math.pi * TONE_HZ * place / rate_hz) for place in range(count)
    ]
    sound = b"".join(encoded(value, bits, kind) * channels for value in values)
    size = bits // 8
    start = struct.pack(
        "<4sI4s4sIHHIIHH",
        b"RIFF",
        36 + len(sound),
        b"WAVE",
        b"fmt ",
        16,
        kind,
        channels,
        rate_hz,
        rate_hz * channels * size,
        channels * size,
        bits,
    )
    path.write_bytes(start + struct.pack("<4sI", b"data", len(sound)) + sound)
    return path


def encoded(value: float, bits: int, kind: int) -> bytes:
    if kind == FLOAT:
        return struct.pack("<f" if bits == 32 else "<d", value)
    if bits == 8:
        return bytes([128 + round(127 * value)])
    whole = round(value * (2 ** (bits - 1) - 1))
    return whole.to_bytes(bits // 8, "little", signed=True)


def write_all(writer: WavWriter, frames: list[bytes]) -> None:
    for frame in frames:
        writer.write(frame)


def frames_of(path: Path) -> list[bytes]:
    with WavReader(path) as reader:
        return list(iter(reader.next, None))


def pitch_hz(frames: list[bytes]) -> float:
    """Return the pitch of a tone, by counting where it passes zero upwards."""
    samples = array("h", b"".join(frames))
    middle = samples[len(samples) // 4 : 3 * len(samples) // 4]
    rises = sum(before < 0 <= after for before, after in pairwise(middle))
    return rises * SAMPLE_RATE_HZ / len(middle)


FORMS = [
    *(
        {"rate_hz": rate_hz}
        for rate_hz in (8_000, 11_025, 16_000, 22_050, 44_100, 96_000, 192_000)
    ),
    *({"channels": channels} for channels in range(1, 9)),
    *({"bits": bits} for bits in (8, 16, 24, 32)),
    *({"bits": bits, "kind": FLOAT} for bits in (32, 64)),
    {"rate_hz": 8_000, "channels": 6, "bits": 24},
]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_wav_file_of_any_form_becomes_the_same_sound(
    tmp_path: Path, form: dict[str, int]
) -> None:
    frames = frames_of(sound_file(tmp_path / "in.wav", **form))
    assert {len(frame) for frame in frames} == {FRAME_BYTES}
    assert abs(len(frames) - FRAMES_PER_S) <= 1
    assert abs(pitch_hz(frames) - TONE_HZ) < 5
    loudest = max(array("h", b"".join(frames))) / 2**15
    assert loudest == pytest.approx(LOUD, abs=0.05)


def test_the_last_frame_is_filled_up_with_silence(tmp_path: Path) -> None:
    frames = frames_of(sound_file(tmp_path / "in.wav", duration_s=0.05))
    assert len(frames) == 3
    assert frames[2].endswith(SILENCE[: FRAME_BYTES // 2])


def text_file(path: Path) -> None:
    path.write_text("Good morning. " * 100)


def playlist(path: Path) -> None:
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.wav\n")
    sound_file(path.with_name("other.wav"))


def half_a_header(path: Path) -> None:
    path.write_bytes(sound_file(path).read_bytes()[:30])


def half_a_sound(path: Path) -> None:
    path.write_bytes(sound_file(path).read_bytes()[:50_000])


def no_sample(path: Path) -> None:
    sound_file(path, duration_s=0)


def no_channels(path: Path) -> None:
    sound_file(path, channels=0)


def unknown_codec(path: Path) -> None:
    sound_file(path, kind=0x7FFF)


def endless_chunks(path: Path) -> None:
    path.write_bytes(b"RIFF\xff\xff\xff\x7fWAVE" + b"junk\0\0\0\0" * 100_000)


def long_chunk(path: Path) -> None:
    path.write_bytes(b"RIFF\xff\xff\xff\x7fWAVEjunk\xff\xff\xff\xff")


def nothing_there(_path: Path) -> None:
    pass


def a_folder(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Path.touch, "is empty"),
        (text_file, "is no WAV file"),
        (playlist, "is no WAV file"),
        (half_a_header, "is cut off"),
        (half_a_sound, "is cut off"),
        (no_sample, "there is no sound"),
        (no_channels, "damaged|no sound|decoded"),
        (unknown_codec, "no sound|decoded"),
        (endless_chunks, "is cut off"),
        (long_chunk, "is cut off"),
        (nothing_there, "no such file"),
        (a_folder, "is no file"),
        (a_pipe, "is no file"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_no_sound_file_is_refused_with_the_reason(
    tmp_path: Path, make: object, reason: str
) -> None:
    path = tmp_path / "in.wav"
    assert callable(make)
    make(path)
    with pytest.raises(SoundFileError, match=reason):
        WavReader(path)


def test_a_file_of_another_user_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = sound_file(tmp_path / "in.wav")
    path.chmod(0)
    program = (
        "import os, sys; from pathlib import Path; from hark.app.sound.wav import WavReader\n"
        "if os.geteuid() == 0: os.setresuid(65534, 65534, 65534)\n"
        "WavReader(Path(sys.argv[1]))"
    )
    # As root every file can be read; another user may not even see the folder.
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=False
    )
    assert "SoundFileError: in.wav cannot be read: permission denied" in done.stderr


def test_a_sound_whose_length_nobody_knew_is_read_to_its_end(tmp_path: Path) -> None:
    path = sound_file(tmp_path / "in.wav")
    whole = bytearray(path.read_bytes())
    for length in (2**32 - 1, 0):
        whole[40:44] = length.to_bytes(4, "little")
        path.write_bytes(whole)
        assert abs(len(frames_of(path)) - FRAMES_PER_S) <= 1


def test_an_hour_is_read_in_constant_memory(tmp_path: Path) -> None:
    path = tmp_path / "hour.wav"
    duration_s, rate_hz = 3_600, 48_000
    sound_bytes = duration_s * rate_hz * 6 * 3
    start = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + sound_bytes,
        b"WAVE",
        b"fmt ",
        16,
        PCM,
        6,
        rate_hz,
        rate_hz * 18,
        18,
        24,
        b"data",
        sound_bytes,
    )
    path.write_bytes(start)
    # Silence that takes no room on the disk.
    os.truncate(path, len(start) + sound_bytes)
    program = (
        "import resource, sys; from pathlib import Path\n"
        "from hark.app.sound.wav import WavReader\n"
        "reader = WavReader(Path(sys.argv[1]))\n"
        "for _ in range(500): reader.next()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "count = 500\n"
        "while reader.next() is not None: count += 1\n"
        "print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=True
    )
    count, grown_kib = map(int, done.stdout.split())
    assert abs(count - duration_s * FRAMES_PER_S) <= 1
    assert grown_kib < 4 * 1024


def tone() -> Iterator[bytes]:
    place = 0
    while True:
        yield b"".join(
            struct.pack("<h", round(8_000 * math.sin(2 * math.pi * TONE_HZ * step / 48_000)))
            for step in range(place, place + FRAME_BYTES // 2)
        )
        place += FRAME_BYTES // 2


def test_a_recording_is_read_back_as_it_was_by_us_and_by_others(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    source = tone()
    frames = [next(source) for _ in range(77)]
    writer = WavWriter(path)
    write_all(writer, frames)
    writer.close()
    assert frames_of(path) == frames
    with wave.open(str(path)) as other:
        assert other.getparams()[:4] == (1, 2, SAMPLE_RATE_HZ, 77 * FRAME_BYTES // 2)
        assert other.readframes(10**6) == b"".join(frames)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    path.write_text("precious")
    with pytest.raises(UsageError, match=r"out\.wav exists already"):
        WavWriter(path)
    assert path.read_text() == "precious"
    with pytest.raises(UsageError, match="no such file"):
        WavWriter(tmp_path / "nowhere" / "out.wav")


def test_after_a_kill_the_recording_can_be_played_but_for_its_last_second(
    tmp_path: Path,
) -> None:
    path = tmp_path / "out.wav"
    program = (
        "import sys, time; from pathlib import Path\n"
        "from hark.app.sound.wav import WavWriter\n"
        "writer = WavWriter(Path(sys.argv[1]))\n"
        "for _ in range(130): writer.write(b'\\1\\2' * 960)\n"
        "print('written', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", program, path], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout as lines:
        lines.readline()
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert frames_of(path) == [b"\1\2" * 960] * 100


def test_on_a_full_disk_the_recording_keeps_what_went_on_it(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    writer = WavWriter(path)
    room = HEADER.size + 150_000
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        with pytest.raises(DiskFullError, match=r"out\.wav"):
            write_all(writer, [b"\1\2" * 960] * 200)
        writer.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert frames_of(path) == [b"\1\2" * 960] * FRAMES_PER_S


def test_where_there_is_no_room_at_all_no_empty_file_is_left(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(DiskFullError):
            WavWriter(tmp_path / "out.wav")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert list(tmp_path.iterdir()) == []


def test_a_recording_ends_where_a_header_cannot_count_further(tmp_path: Path) -> None:
    writer = WavWriter(tmp_path / "out.wav")
    writer._written_bytes = 12 * 3600 * FRAMES_PER_S * FRAME_BYTES
    with pytest.raises(SoundFileError, match="12 hours"):
        write_all(writer, [SILENCE] * FRAMES_PER_S)
    writer._waiting.clear()
    writer.close()


def test_reading_a_second_takes_less_than_a_tenth_of_one(tmp_path: Path) -> None:
    path = sound_file(tmp_path / "in.wav", rate_hz=44_100, channels=2, duration_s=2)
    frames_of(path)
    started = time.process_time()
    frames_of(path)
    assert time.process_time() - started < 0.2

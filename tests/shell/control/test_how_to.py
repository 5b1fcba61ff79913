"""The programs of the page about bots that speak in calls, run as they stand there."""

import os
import re
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hark.node.paths import paths_of
from hark.wire.sound import FRAME_BYTES, SAMPLE_BYTES, SAMPLE_RATE_HZ
from tests.shell.control.conftest import Served
from tests.shell.control.fake_calls import FakeSound, frame_of

REPOSITORY = Path(__file__).parents[3]
PAGE = (REPOSITORY / "docs" / "how-to" / "write-a-bot.md").read_text("utf-8")
_ECHO, RECORDER, SPEAKER = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
FRAMES = [frame_of(number) for number in range(1, 6)]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """The node that the programs ask for."""
    # The path of a socket is short; that of a folder of pytest is not.
    with tempfile.TemporaryDirectory(prefix="hark-") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        monkeypatch.delenv("HARK_HOME", raising=False)
        with Served(paths_of("desk").socket) as served:
            yield served


@contextmanager
def running(program: str, folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def sound_of(served: Served, call: str) -> FakeSound:
    until(lambda: call in served.node.phone.sounds)
    return served.node.phone.sounds[call]


def test_the_bot_that_records_says_so_and_gives_back_what_it_hears(
    desk: Served, tmp_path: Path
) -> None:
    with running(RECORDER, tmp_path) as bot:
        until(lambda: desk.node.phone.limit == 10)
        calls = [desk.call(desk.node.phone.ring), desk.call(lambda: desk.node.phone.ring(2))]
        for call in calls:
            sound = sound_of(desk, call.id)
            assert desk.node.phone.known[call.id].recording
            desk.call(lambda sound=sound: sound.give(*FRAMES))
            until(lambda sound=sound: sound.pushed == FRAMES)
        for call in calls:
            desk.call(lambda call=call: desk.node.phone.end(call.id, by_peer=True))
        until(lambda: not desk.node.phone.sounds)
        for call in calls:
            file = tmp_path / f"{call.id}.wav"
            until(lambda file=file: file.stat().st_size == 44 + len(FRAMES) * FRAME_BYTES)
            with wave.open(str(file)) as kept:
                assert kept.getparams()[:3] == (1, SAMPLE_BYTES, SAMPLE_RATE_HZ)
                assert kept.readframes(10**6) == b"".join(FRAMES)
        assert bot.poll() is None


def test_the_bot_that_calls_speaks_its_file_and_hangs_up(desk: Served, tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "said.wav"), "wb") as said:
        said.setparams((1, SAMPLE_BYTES, SAMPLE_RATE_HZ, 0, "NONE", ""))
        said.writeframes(b"".join(FRAMES)[: -FRAME_BYTES // 2])
    with running(SPEAKER, tmp_path, "bob", "said.wav") as bot:
        call = f"{1:032x}"
        sound = sound_of(desk, call)
        desk.call(lambda: desk.node.phone.change(call, state="active"))
        desk.call(lambda: sound.give(*FRAMES, FRAMES[0]))
        output, errors = bot.communicate(timeout=20)
    assert (bot.returncode, errors) == (0, "")
    assert output.splitlines()[-1] == "ended hung_up"
    half = FRAMES[-1][: FRAME_BYTES // 2] + bytes(FRAME_BYTES // 2)
    assert sound.pushed == [*FRAMES[:-1], half]

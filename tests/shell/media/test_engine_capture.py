"""What somebody on the line between two engines sees: a capture by tshark, read by tshark.

The dissectors of Wireshark know STUN, DTLS and RTP better than we do, and have no keys.
"""

import asyncio
import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hark.node.media.opus import OpusEncoder
from tests.e2e.wire import found_in
from tests.shell.media.ends import in_a_loop, key_of
from tests.shell.media.far_end import frames_of
from tests.shell.media.programs import connected, join, namespaces, program

SPEECH = Path("/usr/share/sounds/alsa/Front_Center.wav")

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed"),
    pytest.mark.skipif(not SPEECH.exists(), reason="alsa-utils is not installed"),
]


@asynccontextmanager
async def capture(namespace: str, file: Path) -> AsyncIterator[None]:
    command = ["tshark", "-q", "-i", "wire", "-F", "pcap", "-w", str(file)]
    process = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", namespace, *command),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(15):
            while b"Capturing" not in await process.stderr.readline():
                pass
        # It says so a moment before it is so.
        await asyncio.sleep(0.5)
        yield
        await asyncio.sleep(0.5)
    finally:
        process.terminate()
        await process.communicate()


def fields_of(file: Path, *names: str, only: str = "") -> list[list[str]]:
    """Return these fields of each packet."""
    command = ["tshark", "-r", str(file), "-T", "fields"]
    command += ["--enable-heuristic", "rtp_udp", "--enable-heuristic", "dtls_udp"]
    command += [f"-e{name}" for name in names] + (["-Y", only] if only else [])
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [line.split("\t") for line in printed.splitlines()]


async def say_in_clear(namespace: str, payload: bytes) -> None:
    """Send a datagram past the capture, so that a search that finds nothing means something."""
    script = (
        "import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
        "s.sendto(bytes.fromhex(sys.argv[1]), ('10.77.0.2', 9))"
    )
    process = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", namespace, "python3", "-c", script, payload.hex())
    )
    await process.wait()


async def a_call(a: str, b: str, *, muted: bool) -> Counter[str]:
    """Hold a call of three seconds; return the kinds of facts of the caller."""
    spoken = ["--say-file", str(SPEECH)]
    async with (
        program("left", "right", "--caller", *spoken, namespace=a) as left,
        program("right", "left", *spoken, namespace=b) as right,
    ):
        await connected(left, right)
        if muted:
            left.tell("mute")
            right.tell("mute")
        await asyncio.sleep(3)
        await left.heard()
        return Counter(str(line.get("fact")) for line in left.lines)


@pytest.mark.claim("N-3", "N-4")
def test_wire_shows_checks_a_handshake_and_packets_of_one_size_and_nothing_else(
    tmp_path: Path,
) -> None:
    spoken, quiet = tmp_path / "spoken.pcap", tmp_path / "quiet.pcap"
    encoder = OpusEncoder()
    frames = frames_of(SPEECH)
    voices = [encoder.encode(frame) for frame in frames[:40]]
    control = b"said in clear: " + voices[20]

    async def scenario() -> None:
        with namespaces("a", "b") as (a, b):
            join(a, b)
            async with capture(a, spoken):
                await a_call(a, b, muted=False)
                await say_in_clear(a, control)
            async with capture(a, quiet):
                await a_call(a, b, muted=True)

    in_a_loop(scenario)
    ours = "udp && !(udp.port == 9) && !mdns && !(ipv6.dst == ff02::/16) && !icmp"
    sizes: dict[Path, set[str]] = {}
    for file in (spoken, quiet):
        protocols = Counter(row[0] for row in fields_of(file, "frame.protocols", only=ours))
        kinds = Counter(
            last
            if (last := whole.rpartition(":")[2]) in ("stun", "dtls", "rtp", "rtcp")
            else whole
            for whole in protocols.elements()
        )
        assert kinds["stun"] >= 4, kinds
        assert any("dtls" in whole for whole in protocols), protocols
        assert kinds["rtp"] > 200, kinds
        voice = fields_of(file, "udp.length", only="rtp && rtp.p_type == 111")
        sizes[file] = {row[0] for row in voice}
        unknown = {whole for whole in protocols if not any(
            known in whole for known in ("stun", "dtls", "rtp", "rtcp", "srtp", "x509")
        )}  # fmt: skip
        assert not unknown, unknown
    assert len(sizes[spoken]) == 1
    assert sizes[spoken] == sizes[quiet]
    secrets = {f"voice {at}": voice[:24] for at, voice in enumerate(voices)}
    loud = max(frames, key=lambda frame: len(set(frame)))
    secrets |= {
        "sound": loud[400:432],
        "key": key_of("left"),
        "other key": key_of("right"),
    }
    assert found_in(spoken.read_bytes(), secrets) == ["voice 20"]
    assert found_in(quiet.read_bytes(), secrets) == []

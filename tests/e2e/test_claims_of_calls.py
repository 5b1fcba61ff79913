"""What a call leaves behind, and what of it reaches the supernode: real programs, loud logs.

The programs tell the test what they draw, derive and say: so there is something to look for.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aioice.ice import get_host_addresses

from hark.app.cli.demo.capture import udp_ports
from hark.app.cli.demo.stage import Stage
from hark.app.cli.demo.traffic import link_bytes
from hark.identity.account_id import parse_display
from hark.wire.address import Address
from hark.wire.sound import FRAMES_PER_S, OPUS_PACKET_BYTES
from tests.e2e.callers import (
    ALICE,
    BOB,
    Pair,
    Voice,
    move_in,
    one,
    pair_on,
    state_of,
    talking,
)
from tests.e2e.networks import _memory
from tests.e2e.wire import found_in
from tests.shell.test_claims_at_rest import canary, files_in, mailbox_rows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

TELLTALE = Path(__file__).parent / "telltale" / "sitecustomize.py"
LOUD = """
import logging
logging.basicConfig(level=1)
# Whatever a program sets, all that its own code says is logged, and all that libraries say
# which the program does not silence.
set_level = logging.Logger.setLevel
logging.Logger.setLevel = lambda self, level: set_level(
    self, 1 if self.name.startswith("hark") else level
)
logging.getLogger("hark").setLevel(1)
logging.getLogger("hark.start").debug("everything is logged")
"""
"""Runs at the start of every Python program of the test, after the telltale."""
ALICE_HZ, BOB_HZ = 500, 800
SPEECH_S = 3.0
RECEIPTS_S = 10.5
"""When receipts of what came just now have been sent (spec/messaging.md#receipts)."""
MEDIA_LIBRARIES = (b"libav", b"libopus", b"libsrtp", b"pylibsrtp", b"portaudio")


class LoudStage(Stage):
    """Every program logs all it can, and tells this test what it must tell nobody."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "home")
        self.names = {profile: canary(f"name-{profile}") for profile in (ALICE, BOB)}
        self._secrets = folder / "secrets"
        loud = folder / "loud"
        loud.mkdir()
        (loud / "sitecustomize.py").write_text(TELLTALE.read_text() + LOUD)
        paths = filter(None, [str(loud), os.environ.get("PYTHONPATH")])
        self.environment["PYTHONPATH"] = os.pathsep.join(paths)

    def start_supernode(self) -> Address:
        # What it draws itself is no secret before it.
        self.environment["HARK_TEST_SECRETS"] = os.devnull
        address = super().start_supernode()
        self.environment["HARK_TEST_SECRETS"] = str(self._secrets)
        return address

    def told(self) -> list[tuple[str, bytes]]:
        """Return what the nodes have told so far, with its kind."""
        lines = [line.split() for line in self._secrets.read_text().splitlines()]
        return [(kind, bytes.fromhex(secret)) for kind, secret in lines]


@dataclass
class Witnessed:
    """A call that is over, and what was seen of it."""

    stage: LoudStage
    files_before: set[str]
    secrets: dict[str, bytes]
    addresses: dict[str, bytes]
    supernode_bytes: int
    """That passed its links while the two spoke."""
    seconds: float
    udp: dict[str, set[int]]
    """Ports on which each program received while they spoke."""
    rang_with: set[int]
    """Ports of Bob's node while it rang."""
    libraries: dict[str, set[bytes]]
    """Of media, in the programs."""
    memory: bytes
    """Of the supernode, while they spoke and afterwards."""


def libraries_of(process_id: int) -> set[bytes]:
    maps = Path(f"/proc/{process_id}/maps").read_bytes()
    return {name for name in MEDIA_LIBRARIES if name in maps}


async def witness(stage: LoudStage, pair: Pair) -> Witnessed:
    """Let the two speak, and look on."""
    programs = {name: stage.pid(name) for name in (ALICE, BOB, "supernode")}
    files_before = set(files_in(stage.paths(BOB).data_dir))
    told_before = len(stage.told())
    placed = await pair.alice.place_call(BOB)
    await pair.ringing()
    await asyncio.sleep(1.0)
    rang_with = udp_ports(programs[BOB])
    await pair.bob.answer_call(placed.id)
    await pair.until(pair.both_hear(placed.id), "both hear each other")
    alice, bob = Voice(ALICE_HZ), Voice(BOB_HZ)

    async def both_heard() -> bool:
        return alice.hears(BOB_HZ) and bob.hears(ALICE_HZ)

    async with talking(pair.alice, placed.id, alice), talking(pair.bob, placed.id, bob):
        before, begin = await link_bytes_at_rest(stage), time.monotonic()
        await asyncio.sleep(SPEECH_S)
        passed, seconds = link_bytes(stage) - before, time.monotonic() - begin
        udp = {name: udp_ports(process_id) for name, process_id in programs.items()}
        libraries = {name: libraries_of(process_id) for name, process_id in programs.items()}
        await pair.until(both_heard, "each hears the other's tone")
        heard = alice.heard[-1]
        memory = b"".join(_memory(programs["supernode"]))
    assert (await one(pair.bob, placed.id)).sas
    await pair.alice.hang_up(placed.id)
    await state_of(pair.bob, placed.id, "ended")
    memory += b"".join(_memory(programs["supernode"]))
    secrets = secrets_of(stage.told()[told_before:])
    secrets |= {
        "call": bytes.fromhex(placed.id),
        "heard": heard[400:432],
    }
    for profile, bot in ((ALICE, pair.alice), (BOB, pair.bob)):
        own = await bot.whoami()
        secrets[f"account of {profile}"] = bytes(parse_display(own.account))
        secrets[f"account of {profile}, as shown"] = own.account.encode()
        secrets[f"name of {profile}"] = stage.names[profile].encode()
    addresses = get_host_addresses(use_ipv4=True, use_ipv6=True)
    return Witnessed(
        stage=stage,
        files_before=files_before,
        secrets=secrets,
        addresses={f"address {text}": text.encode() for text in addresses},
        supernode_bytes=passed,
        seconds=seconds,
        udp=udp,
        rang_with=rang_with,
        libraries=libraries,
        memory=memory,
    )


async def link_bytes_at_rest(stage: Stage) -> int:
    """Return what the links have carried, once the set-up and its receipts are over.

    What set the call up is confirmed a while later, like all mail.
    """
    await asyncio.sleep(RECEIPTS_S)
    before = -1
    while (now := link_bytes(stage)) != before:
        before = now
        await asyncio.sleep(1.0)
    return now


def secrets_of(told: list[tuple[str, bytes]]) -> dict[str, bytes]:
    """Return what was drawn and derived for a call, and some of what was said."""
    keys = {secret for kind, secret in told if kind == "key"}
    drawn = {secret for kind, secret in told if kind == "random" and len(secret) in {16, 32}}
    voices = [secret for kind, secret in told if kind == "voice"]
    assert len(keys) >= 4
    assert len(voices) > 2 * SPEECH_S * FRAMES_PER_S * 0.5
    found = {f"key {number}": key for number, key in enumerate(sorted(keys))}
    found |= {f"drawn {number}": one for number, one in enumerate(sorted(drawn))}
    spoken = sorted(set(voices), key=voices.index)[-20::5]
    return found | {f"voice {number}": one[8:40] for number, one in enumerate(spoken)}


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witnessed]:
    with LoudStage(tmp_path_factory.mktemp("claims")) as stage:
        move_in(stage, stage.names)

        async def run() -> Witnessed:
            async with pair_on(stage) as pair:
                return await witness(stage, pair)

        yield asyncio.run(run())


@pytest.mark.claim("S-11")
def test_supernode_carries_nothing_of_a_call_and_has_no_part_that_could(
    call: Witnessed,
) -> None:
    assert call.udp["supernode"] == set()
    assert call.udp[ALICE]
    assert call.udp[BOB]
    # One voice alone, without any header, and both without a byte of it.
    voice_bytes = call.seconds * FRAMES_PER_S * OPUS_PACKET_BYTES
    assert call.supernode_bytes < voice_bytes / 10
    assert call.libraries["supernode"] == set()
    assert call.libraries[ALICE]


@pytest.mark.claim("S-11")
def test_supernode_has_nothing_of_a_call_in_its_memory_nor_on_its_disk(call: Witnessed) -> None:
    disk = b"".join(files_in(call.stage.supernode_dir).values())
    # Its memory is the memory of a program: what it does know is there, often.
    known = {
        f"mailbox {n}": row[0] for n, row in enumerate(mailbox_rows(call.stage.supernode_dir))
    }
    assert len(known) == 4
    assert [name for name, secret in known.items() if secret not in call.memory] == []
    found = {name for name, secret in call.secrets.items() if secret in call.memory + disk}
    assert found == set()


@pytest.mark.claim("S-10", "D-2")
def test_no_log_tells_of_a_call_even_when_everything_is_logged(call: Witnessed) -> None:
    logs = {path.name: path.read_bytes() for path in call.stage.folder.glob("*.log")}
    assert {"supernode.log", "alice.log", "bob.log"} <= set(logs)
    ports = {
        f"port of {name} {port}": f":{port}".encode()
        for name, ports in call.udp.items()
        for port in ports
    }
    secrets = call.secrets | call.addresses | ports
    for name, content in logs.items():
        assert b"everything is logged" in content, name
        assert found_in(content, secrets) == [], name
    planted = b"INFO a call " + call.secrets["call"].hex().encode()
    assert "call" in found_in(planted, secrets)


@pytest.mark.claim("D-2")
def test_call_leaves_no_file_and_neither_key_nor_sound_in_those_that_are_there(
    call: Witnessed,
) -> None:
    for profile in (ALICE, BOB):
        folder = call.stage.paths(profile).data_dir
        files = files_in(folder)
        assert set(files) <= call.files_before | {
            name for name in files if name.endswith("-shm")
        }
        assert found_in(b"".join(files.values()), call.secrets) == []
        planted = folder / "planted"
        planted.write_bytes(b"sound: " + call.secrets["heard"])
        found = found_in(b"".join(files_in(folder).values()), call.secrets)
        planted.unlink()
        assert found == ["heard"]


@pytest.mark.claim("C-4")
def test_node_opens_no_port_for_a_call_before_it_is_answered(call: Witnessed) -> None:
    assert call.rang_with == set()
    assert call.udp[BOB]


@pytest.mark.claim("D-2", "S-1")
def test_spoken_message_is_in_clear_on_no_disk(call: Witnessed) -> None:
    stage = call.stage
    packets = os.urandom(50 * OPUS_PACKET_BYTES)
    sound = {"packet": packets[:32], "later packet": packets[20 * OPUS_PACKET_BYTES :][:32]}

    async def run() -> bytes:
        async with pair_on(stage) as pair:
            message_id = (await pair.alice.leave_voicemail(BOB, packets)).id

            async def delivered() -> bool:
                return (await pair.alice.history(BOB))[-1].state == "delivered"

            await pair.until(delivered, "it is delivered")
            return (await pair.bob.voicemail(message_id)).packets

    assert asyncio.run(run()) == packets
    folders = [
        stage.supernode_dir,
        *(stage.paths(profile).data_dir for profile in (ALICE, BOB)),
    ]
    for folder in folders:
        assert found_in(b"".join(files_in(folder).values()), sound) == []
    assert found_in(b"sound: " + packets, sound) == sorted(sound, reverse=True)

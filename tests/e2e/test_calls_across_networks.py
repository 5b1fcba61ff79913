"""Calls between machines: real nodes in network namespaces, a router between them, bad weather.

What is on the cables is captured and read by tshark, whose dissectors have no keys. How long
something took is printed; what the tests insist on is that it happens.
"""

import asyncio
import contextlib
import math
import os
import shutil
import socket
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hark.app.sound.score import delay_samples, stoi
from hark.app.sound.speech import find_speech
from hark.control.bot import Bot
from hark.control.schema import Call
from hark.errors import ContactNotAcceptedError, NoSuchCallError
from hark.identity.account_id import parse_display
from hark.wire.sound import FRAME_SAMPLES, FRAMES_PER_S
from tests.e2e.cables import MEDIA, Cable, Phases, cables_watched, secrets_told
from tests.e2e.callers import (
    ALICE,
    BOB,
    Pair,
    Voice,
    has_tone,
    move_in,
    one,
    pair_on,
    state_of,
    talking,
)
from tests.e2e.networks import Network, SpreadStage, inside, network, only_loopback
from tests.e2e.wire import HOST, found_in
from tests.shell.media.programs import run
from tests.shell.media.test_engine_capture import capture

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs_root,
    pytest.mark.timeout(120),
    pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed"),
    pytest.mark.skipif(shutil.which("nft") is None, reason="nftables is not installed"),
]

CAROL, SUPERNODE = "carol", "supernode"
ALICE_HZ, BOB_HZ = 500, 800
TELLTALE = Path(__file__).parent / "telltale"
PLAIN_PORT = 9
"""Nobody listens there (`discard`)."""
RECEIPTS_S = 10.5
"""When receipts of what came just now have been sent (spec/messaging.md#receipts)."""
QUIET_BYTES = 500
"""As much as all links of the supernode may carry while two people only speak."""
DROP_UDP = "meta l4proto udp drop"
RAIN = "meta l4proto udp numgen random mod 100 < 20 drop"
BURST_S, OUTAGE_S = 0.3, 8.0
NEW_ADDRESS = "10.82.0.2"
REDIAL_S, RETURN_S, LOST_S, MOVED_S = 6, 15, 25, 18
"""How long the tests wait in seconds. Measured: 1.4 to the sound of a new path, 0.3 to the
return of the old one, 21 until a call is lost, 4.2 to a new path from another address."""
STRETCH_FRAMES, SLACK_FRAMES = 75, 15
UNDERSTOOD = 0.7
"""STOI on average. Measured: 0.95; 0.86 where the machine was too busy for the test itself."""
CLEAR = {"eth:ethertype:ip:udp:data": 1, "eth:ethertype:ip:icmp:ip:udp:data": 1}
"""What is captured of something said in clear where nobody listens."""
DTLS_1_2 = "0xfefd"
AEAD_PROFILES = {"0x0007", "0x0008"}
"""Source: RFC 7714 section 14.2."""


# What it takes.


@dataclass
class Scene:
    """Two people who are contacts, a stranger, and the network between all of them."""

    stage: SpreadStage
    network: Network
    names: dict[str, str]
    secrets: Path
    """Where the programs tell what nobody may see (`telltale`)."""

    def address(self, profile: str) -> str:
        return self.network.addresses[profile]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("networks")
    names = {profile: f"name-{profile}-{os.urandom(9).hex()}" for profile in (ALICE, BOB)}
    with network(ALICE, BOB, CAROL, SUPERNODE) as between:
        places, host = between.machines, between.addresses[SUPERNODE]
        with SpreadStage(folder / "stage", places, host) as stage:
            path = [str(TELLTALE), *filter(None, [os.environ.get("PYTHONPATH")])]
            stage.environment["PYTHONPATH"] = os.pathsep.join(path)
            stage.environment["HARK_TEST_SECRETS"] = str(folder / "secrets")
            move_in(stage, names)
            yield Scene(stage, between, names, folder / "secrets")


@pytest.fixture(autouse=True)
def _fine_weather(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "scene" in request.fixturenames:
        scene: Scene = request.getfixturevalue("scene")
        scene.network.weather()


def play(stage: SpreadStage, story: Callable[[Pair], Awaitable[None]]) -> None:
    """Let something happen between two people who are at home; end every call after it."""

    async def run() -> None:
        async with pair_on(stage) as pair:
            await at_home(pair)
            try:
                await story(pair)
            finally:
                for bot in (pair.alice, pair.bob):
                    for call in await bot.calls():
                        # The other side's end may come just then.
                        with contextlib.suppress(NoSuchCallError):
                            await bot.hang_up(call.id)

    asyncio.run(run())


async def at_home(pair: Pair) -> None:
    """Wait until both are attached to their supernode, after whatever was before."""

    async def attached() -> bool:
        accounts = [await bot.whoami() for bot in (pair.alice, pair.bob)]
        return all(home.attached for account in accounts for home in account.homes)

    await pair.until(attached, "both are at home")


@dataclass
class Reader(Voice):
    """Somebody who reads frames aloud, again and again, and then is silent."""

    frames: list[bytes] = field(default_factory=list)

    def says(self, number: int) -> bytes:
        return self.frames[number % len(self.frames)]


def speech() -> list[bytes]:
    """Return some seconds of people who speak."""
    return find_speech(None, Path(os.devnull)).frames


@asynccontextmanager
async def both_talking(pair: Pair, call: Call) -> AsyncIterator[tuple[Voice, Voice]]:
    """Let both say their tone."""
    alice, bob = Voice(ALICE_HZ), Voice(BOB_HZ)
    async with talking(pair.alice, call.id, alice), talking(pair.bob, call.id, bob):
        yield alice, bob


async def hear_each_other(pair: Pair, alice: Voice, bob: Voice) -> None:
    async def both() -> bool:
        return alice.hears(BOB_HZ) and bob.hears(ALICE_HZ)

    await pair.until(both, "each hears the other's tone")


def test_machines_that_speak_have_a_direct_path_and_the_same_emoji(scene: Scene) -> None:
    async def story(pair: Pair) -> None:
        begin = time.monotonic()
        here, there = await pair.connect()
        print(f"set up and heard on both ends: {time.monotonic() - begin:.2f} s")
        async with both_talking(pair, here) as voices:
            await hear_each_other(pair, *voices)
        for bot in (pair.alice, pair.bob):
            path = (await one(bot, here.id)).path
            assert path is not None
            assert (path.kind, path.nat) == ("direct", "none")
        assert len(here.sas) == 7
        assert here.sas == there.sas

    play(scene.stage, story)


def say_in_clear(scene: Scene, payload: bytes) -> None:
    """Send a datagram past the captures, from one machine to the other."""
    target = scene.address(BOB), PLAIN_PORT
    with inside(scene.network.machines[ALICE]):
        plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with plain:
        plain.sendto(b"in clear: " + payload, target)


async def identities(scene: Scene, pair: Pair) -> dict[str, bytes]:
    """Return what says who somebody is."""
    found: dict[str, bytes] = {}
    for profile, bot in ((ALICE, pair.alice), (BOB, pair.bob)):
        own = await bot.whoami()
        found[f"account of {profile}"] = bytes(parse_display(own.account))
        found[f"account of {profile}, as shown"] = own.account.encode()
        found[f"device of {profile}"] = bytes.fromhex(own.device)
        found[f"name of {profile}"] = scene.names[profile].encode()
    return found


async def a_watched_call(
    scene: Scene, pair: Pair, frames: list[bytes], phases: Phases
) -> tuple[str, int]:
    """Let both speak, mute, hold and be silent; return the call, and how many bytes passed the
    links of the supernode while both spoke.
    """
    here, _there = await pair.connect()
    voices = [Reader(0, frames=frames) for _ in range(2)]
    async with (
        talking(pair.alice, here.id, voices[0]),
        talking(pair.bob, here.id, voices[1]),
    ):
        # What set the call up is confirmed a while later, like all mail.
        await asyncio.sleep(RECEIPTS_S)
        before = scene.stage.link_bytes()
        async with phases.stretch("speech"):
            await asyncio.sleep(3)
        passed = scene.stage.link_bytes() - before
        for bot in (pair.alice, pair.bob):
            await bot.switch_call(here.id, muted=True)
        async with phases.stretch("both muted"):
            await asyncio.sleep(1)
        await pair.alice.switch_call(here.id, muted=False, held=True)
        async with phases.stretch("held"):
            await asyncio.sleep(1)
        await pair.alice.switch_call(here.id, held=False)
        await pair.bob.switch_call(here.id, muted=False)
    async with phases.stretch("silence"):
        await asyncio.sleep(1)
    await pair.alice.hang_up(here.id)
    await state_of(pair.bob, here.id, "ended")
    return here.id, passed


@pytest.mark.claim("N-3", "N-4", "S-11")
def test_cables_carry_checks_a_handshake_sealed_voice_and_tls_and_show_nothing_of_the_call(
    scene: Scene, tmp_path: Path
) -> None:
    phases, frames = Phases(), speech()
    loud = max(frames, key=lambda frame: len(set(frame)))
    secrets = {
        f"sound {number}": frame[400:432]
        for number, frame in enumerate(frames)
        if len(set(frame)) > 100
    }
    files: dict[str, Path] = {}
    passed = -1

    async def story(pair: Pair) -> None:
        nonlocal files, passed
        secrets.update(await identities(scene, pair))
        scene.secrets.write_bytes(b"")
        machines = {name: scene.network.machines[name] for name in (ALICE, BOB, SUPERNODE)}
        async with cables_watched(machines, tmp_path) as files:
            call_id, passed = await a_watched_call(scene, pair, frames, phases)
            say_in_clear(scene, loud[:640])
        secrets["call id"] = bytes.fromhex(call_id)

    play(scene.stage, story)
    cables = {name: Cable.read(file) for name, file in files.items()}
    alice, bob, supernode = (scene.address(name) for name in (ALICE, BOB, SUPERNODE))
    direct = [(alice, bob), (bob, alice)]
    links = {end: [(end, supernode), (supernode, end)] for end in (alice, bob)}

    # Media from node to node, TLS to the supernode, nothing else: what was said in clear, and
    # that nobody took it, stands out.
    assert cables[ALICE].strangers(direct, links[alice]) == CLEAR
    assert cables[BOB].strangers(direct, links[bob]) == CLEAR
    assert cables[SUPERNODE].strangers([], links[alice] + links[bob]) == {}
    assert all(cables[name].kinds(way) >= MEDIA for name in (ALICE, BOB) for way in direct)
    assert all("tls" in cables[SUPERNODE].kinds(way) for way in links[alice] + links[bob])

    # The first word of a DTLS handshake bears an old number in every version.
    handshake = [packet for packet in cables[ALICE].packets if packet.kind == "dtls"]
    versions = {version for one in handshake[1:] for version in one.dtls_version.split(",")}
    assert versions == {DTLS_1_2}
    chosen = [one.srtp_profiles for one in handshake if one.source == alice]
    assert AEAD_PROFILES & set(chosen)

    # Packets have one size and come at one beat, whatever is said. Those that a busy machine
    # could not send in time are left out.
    assert len(cables[ALICE].sizes("rtp")) == 1
    assert len(cables[ALICE].sizes("rtcp")) == 1
    for name, stretch in phases.stretches.items():
        rates = [cables[ALICE].rate(way, "rtp", stretch) for way in direct]
        print(f"{name}: {rates[0]:.1f} and {rates[1]:.1f} packets of voice a second")
        assert all(0.8 * FRAMES_PER_S < rate < 1.1 * FRAMES_PER_S for rate in rates), name

    # The supernode has nothing to do with it while both speak.
    tcp_bytes = cables[SUPERNODE].tcp_bytes(phases.stretches["speech"])
    print(
        f"in 3 s of speech {passed} bytes over the supernode's links, {tcp_bytes} of TCP there"
    )
    assert passed <= QUIET_BYTES
    assert tcp_bytes <= QUIET_BYTES
    assert cables[SUPERNODE].udp() == 0

    # Nothing can be read; what is in clear is found.
    told, shown = secrets_told(scene.secrets)
    kinds = Counter(name.split()[0] for name in told)
    print(f"looked for {len(secrets)} and {dict(kinds)}")
    assert kinds["key"] == 8
    assert kinds["voice"] > 2 * 8 * FRAMES_PER_S
    assert kinds["random"] > 10
    whole = b"".join(file.read_bytes() for file in files.values())
    assert found_in(whole, told) == []
    assert len(shown) == 2
    assert found_in(whole, shown) == list(shown)
    assert [secrets[name] for name in found_in(whole, secrets)] == [loud[400:432]]


# Bad weather.


def understood(frames: list[bytes], heard: list[bytes]) -> list[float]:
    """Return how much of each stretch of 1.5 s can be understood (STOI).

    Args:
        frames: what is read, again and again.
        heard: what has come of it; the beginning in good order.
    """
    later = round(delay_samples(frames, heard[: len(frames) + 50]) / FRAME_SAMPLES)
    marks = []
    for begin in range(0, len(heard) - STRETCH_FRAMES - SLACK_FRAMES, STRETCH_FRAMES):
        said = [
            frames[(begin - later + number) % len(frames)] for number in range(STRETCH_FRAMES)
        ]
        # The buffer may hold more or less than at the beginning.
        end = begin + STRETCH_FRAMES + SLACK_FRAMES
        marks.append(stoi(said, heard[max(0, begin - SLACK_FRAMES) : end]))
    return marks


def test_call_goes_on_in_a_rain_of_losses_and_bursts_and_says_how_much_is_lost(
    scene: Scene,
) -> None:
    frames = speech()

    async def story(pair: Pair) -> None:
        here, _there = await pair.connect()
        alice, bob = (Reader(0, frames=frames) for _ in range(2))
        async with talking(pair.alice, here.id, alice), talking(pair.bob, here.id, bob):
            await asyncio.sleep(len(frames) / FRAMES_PER_S + 1)
            dry = min(len(voice.heard) for voice in (alice, bob)) // STRETCH_FRAMES
            for _ in range(2):
                scene.network.weather(RAIN)
                await asyncio.sleep(3)
                scene.network.weather(DROP_UDP)
                await asyncio.sleep(BURST_S)
            scene.network.weather(RAIN)
            await asyncio.sleep(3)
            for bot, voice in ((pair.alice, alice), (pair.bob, bob)):
                end = await one(bot, here.id)
                assert (end.state, end.redials) == ("active", 0)
                assert end.quality is not None
                marks = understood(frames, voice.heard)[dry:]
                print(
                    f"in the rain: STOI {statistics.mean(marks):.2f} ({min(marks):.2f} at "
                    f"worst), said to be lost {end.quality.loss_received:.0%} and "
                    f"{end.quality.loss_sent:.0%}, filled in {end.quality.frames_concealed}"
                )
                assert statistics.mean(marks) > UNDERSTOOD
                # A fifth, and two bursts.
                for share in (end.quality.loss_received, end.quality.loss_sent):
                    assert 0.1 < share < 0.5
                assert end.quality.frames_concealed > 0.1 * 9 * FRAMES_PER_S

    play(scene.stage, story)


# Broken paths.


@dataclass
class Clock:
    """When something has become so, in seconds since the beginning."""

    pair: Pair
    call_id: str
    begin: float = field(default_factory=time.monotonic)

    @property
    def now(self) -> float:
        return time.monotonic() - self.begin

    async def both(self, *states: str, within_s: float) -> float:
        """Wait until the call is in one of these states at both ends; return when."""
        for bot in (self.pair.alice, self.pair.bob):
            await state_of(bot, self.call_id, *states, timeout_s=within_s)
        return self.now

    async def heard(self, voice: Voice, hz: int, within_s: float) -> float:
        """Wait for the first frames of a tone after those that were heard; return when."""
        known = len(voice.heard)

        async def comes() -> bool:
            return len(voice.heard) > known + 3 and has_tone(b"".join(voice.heard[-3:]), hz)

        await self.pair.until(comes, "sound again", within_s)
        return self.now


def break_path(scene: Scene) -> None:
    """Drop what comes from or goes to the present port of Alice's call, for good."""
    [port] = scene.stage.ports(ALICE)
    scene.network.weather(f"udp sport {port} drop", f"udp dport {port} drop")


def test_broken_path_is_replaced_by_another_with_new_keys_and_the_same_emoji(
    scene: Scene,
) -> None:
    async def story(pair: Pair) -> None:
        here, _there = await pair.connect()
        async with both_talking(pair, here) as (alice, bob):
            await hear_each_other(pair, alice, bob)
            scene.secrets.write_bytes(b"")
            break_path(scene)
            clock = Clock(pair, here.id)
            noticed = await clock.both("reconnecting", within_s=REDIAL_S)
            stands = await clock.both("active", within_s=REDIAL_S)
            heard = [
                await clock.heard(alice, BOB_HZ, REDIAL_S),
                await clock.heard(bob, ALICE_HZ, REDIAL_S),
            ]
            print(
                f"path broken: noticed after {noticed:.2f} s, another one after "
                f"{stands:.2f} s, sound after {max(heard):.2f} s"
            )
            assert max(heard) < REDIAL_S
            await hear_each_other(pair, alice, bob)
            # The old path stays as it is: nothing comes back over it.
            for bot in (pair.alice, pair.bob):
                end = await one(bot, here.id)
                assert end.redials == 1
                assert end.sas == here.sas
        told, _shown = secrets_told(scene.secrets)
        assert sum(name.startswith("key ") for name in told) == 8

    play(scene.stage, story)


def test_call_comes_back_when_everything_was_dropped_for_eight_seconds(scene: Scene) -> None:
    async def story(pair: Pair) -> None:
        here, _there = await pair.connect()
        async with both_talking(pair, here) as (alice, bob):
            scene.network.weather("drop")
            clock = Clock(pair, here.id)
            await clock.both("reconnecting", within_s=OUTAGE_S)
            await asyncio.sleep(OUTAGE_S - clock.now)
            scene.network.weather()
            stands = await clock.both("active", within_s=RETURN_S)
            await hear_each_other(pair, alice, bob)
            print(f"everything dropped for {OUTAGE_S} s: active again after {stands:.2f} s")
            assert (await one(pair.alice, here.id)).sas == here.sas

    play(scene.stage, story)


@pytest.mark.claim("A-6")
def test_call_is_lost_on_both_ends_when_nothing_comes_through_any_more(scene: Scene) -> None:
    async def story(pair: Pair) -> None:
        here, _there = await pair.connect()
        scene.network.weather("drop")
        clock = Clock(pair, here.id)
        ended = await clock.both("ended", within_s=LOST_S)
        print(f"everything dropped for good: ended after {ended:.2f} s")
        for bot in (pair.alice, pair.bob):
            end = await one(bot, here.id)
            assert (end.reason, end.by_peer) == ("lost", False)
        scene.network.weather()

    play(scene.stage, story)


def test_call_goes_on_when_the_caller_gets_another_address(scene: Scene) -> None:
    async def story(pair: Pair) -> None:
        here, _there = await pair.connect()
        async with both_talking(pair, here) as (alice, bob):
            scene.network.readdress(ALICE, 77)
            clock = Clock(pair, here.id)
            await clock.both("reconnecting", within_s=MOVED_S)
            stands = await clock.both("active", within_s=MOVED_S)
            alice.heard.clear()
            bob.heard.clear()
            await hear_each_other(pair, alice, bob)
            print(f"another address: active again after {stands:.2f} s")
            for bot in (pair.alice, pair.bob):
                end = await one(bot, here.id)
                assert end.redials >= 1
                assert end.sas == here.sas

    play(scene.stage, story)
    scene.network.readdress(ALICE, 2)


# Who learns which address.


def knows_address(scene: Scene, who: str, of: str) -> bool:
    return scene.stage.remembers(who, scene.address(of))


@pytest.mark.claim("P-4")
def test_wish_of_a_stranger_to_call_rings_nowhere_and_carries_no_address_either_way(
    scene: Scene, tmp_path: Path
) -> None:
    stage = scene.stage
    words = ["--words-file", str(stage.folder / "carol.words")]
    stage.hark(CAROL, "init", "--name", CAROL, *words, "--supernode", str(stage.address))
    carol = stage.start_node(CAROL)
    stage.until(lambda: all(home.attached for home in carol.whoami().homes), "a mailbox")
    file = tmp_path / "bob.pcap"

    async def story(pair: Pair) -> None:
        async with (
            Bot.connect(stage.paths(CAROL).socket) as stranger,
            capture(scene.network.machines[BOB], file),
        ):
            await stranger.add((await pair.bob.whoami()).link, BOB)
            with pytest.raises(ContactNotAcceptedError):
                await stranger.place_call(BOB)
            own = (await stranger.whoami()).account

            async def wished() -> bool:
                return any(
                    one.account == own and one.status == "requested" and one.wants_call
                    for one in await pair.bob.contacts()
                )

            await pair.until(wished, "Bob sees who would like to call")
            # If it rang, it would not be long after.
            await asyncio.sleep(1)
            assert [call for call in await pair.bob.calls() if call.contact == own] == []
            assert await stranger.calls() == []

    play(stage, story)
    cable = Cable.read(file)
    assert cable.udp() == 0
    assert cable.tcp_bytes((0, math.inf)) > 0
    assert not knows_address(scene, CAROL, of=BOB)
    assert not knows_address(scene, BOB, of=CAROL)
    # The same look finds an address that a node does know.
    assert knows_address(scene, CAROL, of=SUPERNODE)
    stage.stop_node(CAROL)


def begin_anew(scene: Scene) -> None:
    """Start both nodes again: what they have learned in calls before is forgotten."""
    for profile in (ALICE, BOB):
        scene.stage.stop_node(profile)
        scene.stage.start_node(profile)


@pytest.mark.claim("C-4")
def test_caller_learns_no_address_of_a_contact_while_it_only_rings(
    scene: Scene, tmp_path: Path
) -> None:
    begin_anew(scene)
    file = tmp_path / "bob.pcap"

    async def story(pair: Pair) -> None:
        async with capture(scene.network.machines[BOB], file):
            placed = await pair.alice.place_call(BOB)
            ringing = await pair.ringing()
            await state_of(pair.alice, placed.id, "ringing")
            await asyncio.sleep(1)
        assert not knows_address(scene, ALICE, of=BOB)
        # She has told hers: Bob is a contact, and she wants to speak with him.
        assert knows_address(scene, BOB, of=ALICE)
        await pair.bob.answer_call(ringing)
        await pair.until(pair.both_hear(placed.id), "both hear each other")
        assert knows_address(scene, ALICE, of=BOB)

    play(scene.stage, story)
    cable = Cable.read(file)
    assert cable.udp() == 0
    assert cable.tcp_bytes((0, math.inf)) > 0


@pytest.mark.claim("C-5")
def test_hidden_address_is_told_to_nobody_and_without_a_relay_the_call_ends_with_a_word(
    scene: Scene, tmp_path: Path
) -> None:
    begin_anew(scene)

    async def a_call(pair: Pair, hidden: str) -> None:
        private = pair.alice if hidden == ALICE else pair.bob
        await private.set_privacy(hide_address=True)
        try:
            placed = await pair.alice.place_call(BOB)
            if hidden == BOB:
                await pair.bob.answer_call(await pair.ringing())
            ended = await state_of(pair.alice, placed.id, "ended")
            assert (ended.reason, ended.by_peer) == ("no_path", hidden == BOB)
        finally:
            await private.set_privacy(hide_address=False)

    files = {hidden: tmp_path / f"{hidden}.pcap" for hidden in (ALICE, BOB)}

    async def story(pair: Pair) -> None:
        for hidden, file in files.items():
            async with capture(scene.network.machines[hidden], file):
                await a_call(pair, hidden)
            other = BOB if hidden == ALICE else ALICE
            assert not knows_address(scene, other, of=hidden)

    play(scene.stage, story)
    for hidden, file in files.items():
        cable = Cable.read(file)
        assert cable.udp(scene.address(hidden)) == 0
        # A caller ends it before anything is said; whoever is called says why it is over.
        assert hidden == ALICE or cable.tcp_bytes((0, math.inf)) > 0


# A machine alone.


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[tuple[SpreadStage, str]]:
    with only_loopback("alone") as namespace:
        places = dict.fromkeys((ALICE, BOB, SUPERNODE), namespace)
        with SpreadStage(tmp_path / "stage", places, HOST) as stage:
            move_in(stage)
            yield stage, namespace


def test_loopback_is_a_path_where_there_is_no_other_and_none_where_there_is_one(
    alone: tuple[SpreadStage, str],
) -> None:
    stage, namespace = alone

    async def connects(pair: Pair) -> None:
        here, _there = await pair.connect()
        async with both_talking(pair, here) as voices:
            await hear_each_other(pair, *voices)
        path = (await one(pair.alice, here.id)).path
        assert path is not None
        assert path.kind == "direct"

    async def is_refused(pair: Pair) -> None:
        placed = await pair.alice.place_call(BOB)
        ringing = await pair.ringing()
        # Alice has told the loopback. Bob answers from a machine that is on a network now.
        run(*f"ip -n {namespace} link add wire type veth peer socket".split())
        run(*f"ip -n {namespace} link set wire up".split())
        run(*f"ip -n {namespace} link set socket up".split())
        run(*f"ip -n {namespace} address add {NEW_ADDRESS}/24 dev wire".split())
        await pair.bob.answer_call(ringing)
        for bot in (pair.alice, pair.bob):
            ended = await state_of(bot, placed.id, "ended", "active")
            assert (ended.state, ended.reason, ended.path) == ("ended", "failed", None)

    play(stage, connects)
    play(stage, is_refused)

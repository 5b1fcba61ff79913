"""Step 4: a call. Alice speaks with a sound test, and no supernode hears anything of it."""

import asyncio
import time
from dataclasses import dataclass

from hark.app.cli.demo.cast import ALICE, ECHO, Cast, Facts, received
from hark.app.cli.demo.conversation import Conversation, converse
from hark.app.cli.demo.stage import DemoError
from hark.app.cli.demo.traffic import Captured, Traffic, Witness
from hark.app.sound.score import Score, score
from hark.app.sound.speech import Speech, cache_folder, find_speech
from hark.app.sound.wav import WavWriter
from hark.app.sound_test.recording import QUIET_FRAMES
from hark.app.sound_test.report import TITLE
from hark.control.bot import Bot
from hark.control.schema import Call, CallPath
from hark.wire.sound import FRAME_MS, FRAMES_PER_S

ANSWER_NAME = "answer.wav"
LATE_FRAMES = FRAMES_PER_S // 2
"""How much later than it was said, and repeated, the last word may be back."""
LEAST_STOI = 0.6
"""Of what came back, through the codec twice: 0.98 where nothing is in the way. A machine that
is too busy for a call makes it less; below this it is not what was said."""


@dataclass
class Witnessed:
    """What others saw while the two spoke."""

    traffic: Traffic
    other_end: Call
    """The call as Echo's node sees it."""


def call(cast: Cast) -> Facts:
    """Step 4: Alice calls Echo, hears herself, and is told how the path was."""
    stage, teller = cast.stage, cast.teller
    teller.step(4, "Alice calls Echo")
    with teller.waiting("looking for recorded speech"):
        speech = find_speech(cast.speech_file, cache_folder())
    said_s = len(speech.frames) * FRAME_MS / 1000
    teller.say(f"She says {said_s:.1f} s ({speech.source}); Echo records and plays it back.")
    with teller.waiting("they speak"):
        done, seen = asyncio.run(_call(cast, speech))
    active, path = _checked(done, seen)
    teller.fact("path", f"{path.kind}; NAT in between: {path.nat}")
    teller.fact("first sound", f"{done.first_sound_ms:.0f} ms after the call was placed")
    teller.fact("to compare", "  ".join(active.sas))
    teller.say("Both see the same seven, so nobody is in between.")
    marks = _save_and_score(cast, done)
    with teller.waiting("the report comes"):
        text = _report(cast)
    teller.say("Echo's report has come as a message:")
    teller.show(text)
    seen.traffic.check()
    _tell_traffic(cast, seen.traffic)
    return {
        "path": path.kind,
        "nat": path.nat,
        "first_sound_ms": round(done.first_sound_ms, 1),
        "same_sas_on_both_sides": True,
        "speech": {
            "source": speech.source,
            "is_recorded": speech.is_recorded,
            "seconds": said_s,
        },
        "answer": str(stage.folder / ANSWER_NAME),
        "stoi": round(marks.stoi, 3),
        "pesq": None if marks.pesq is None else round(marks.pesq, 2),
        "pesq_missing": marks.pesq_missing,
        "report": text,
        **_traffic_facts(seen.traffic),
    }


async def _call(cast: Cast, speech: Speech) -> tuple[Conversation, Witnessed]:
    """Have Alice call and speak; look from outside meanwhile."""
    stage = cast.stage
    witness = Witness(stage, (ALICE, ECHO))
    begin = 0.0
    seen: list[Witnessed] = []

    def on_connected(call: Call) -> None:
        nonlocal begin
        cast.canaries |= {call.id.encode(), bytes.fromhex(call.id)}
        witness.begin()
        begin = time.monotonic()

    def on_answered(call: Call) -> None:
        traffic = witness.end(time.monotonic() - begin)
        seen.extend(
            Witnessed(traffic, other)
            for other in cast.client(ECHO).calls()
            if other.id == call.id
        )

    try:
        async with Bot.connect(stage.paths(ALICE).socket) as bot:
            done = await converse(
                bot,
                cast.accounts[ECHO].account,
                speech.frames,
                on_connected=on_connected,
                on_answered=on_answered,
            )
    finally:
        witness.close()
    if not seen:
        raise DemoError("Echo's node does not know the call")
    return done, seen[0]


def _checked(done: Conversation, seen: Witnessed) -> tuple[Call, CallPath]:
    """Return Alice's end of the call, if it went as it must."""
    active, ended, other = done.active, done.ended, seen.other_end
    if active is None or active.path is None or ended is None:
        raise DemoError("the call was not connected")
    if ended.reason != "hung_up" or not ended.by_peer:
        raise DemoError(f"Echo did not hang up; the call ended as {ended.reason}")
    if active.path.kind != "direct":
        raise DemoError(f"the path was {active.path.kind}")
    if len(active.sas) != 7 or active.sas != other.sas:
        raise DemoError("the emoji to compare are not the same on both sides")
    return active, active.path


def _save_and_score(cast: Cast, done: Conversation) -> Score:
    """Save what came back, and say how much of the voice is in it."""
    path = cast.stage.folder / ANSWER_NAME
    writer = WavWriter(path)
    for frame in done.heard:
        writer.write(frame)
    writer.close()
    begin = done.said_from + len(done.said)
    end = begin + len(done.said) + QUIET_FRAMES + LATE_FRAMES
    marks = score(done.said, done.heard[begin:end])
    if marks.stoi < LEAST_STOI:
        raise DemoError(f"what came back is not what was said (STOI {marks.stoi:.2f})")
    cast.teller.say("All that came back: the tone, her own words, and the tones of the result.")
    cast.teller.fact("saved as", str(path))
    cast.teller.fact("STOI", f"{marks.stoi:.3f} of 1, there and back again")
    cast.teller.fact(
        "PESQ", marks.pesq_missing if marks.pesq is None else f"{marks.pesq:.2f} of 4.64"
    )
    return marks


def _report(cast: Cast) -> str:
    client = cast.client(ALICE)

    def reports() -> list[str]:
        return [text for text in received(client, "Echo") if text.startswith(TITLE)]

    cast.stage.until(lambda: bool(reports()), "Echo's report comes")
    text = reports()[-1]
    cast.canaries.add(text.encode())
    return text


def _tell_traffic(cast: Cast, traffic: Traffic) -> None:
    teller = cast.teller
    teller.say("The supernode has no part that could take media. What it saw of the call:")
    teller.fact("UDP", "it has no UDP socket, and media goes over nothing else")
    teller.fact("its own counter", f"{traffic.link_bytes:,} bytes over all links, signals")
    teller.fact("", f"while each voice alone was {traffic.least_voice_bytes:,} bytes")
    if (seen := traffic.captured) is None:
        teller.fact("a capture", f"none: {traffic.not_captured}")
        return
    teller.fact("a capture", f"{seen.media.packets:,} packets of media between the two nodes")
    teller.fact("", f"({seen.media.bytes:,} bytes), and none to anybody else")


def _traffic_facts(traffic: Traffic) -> Facts:
    return {
        "watched_s": round(traffic.seconds, 2),
        "voice_bytes": 2 * traffic.least_voice_bytes,
        "supernode": {
            "media_bytes": 0,
            "because": "it has no UDP socket, and its links carried less than one voice",
            "udp_sockets": traffic.supernode_udp_ports,
            "link_bytes": traffic.link_bytes,
        },
        "capture": None if traffic.captured is None else _captured_facts(traffic.captured),
        "capture_missing": traffic.not_captured,
    }


def _captured_facts(captured: Captured) -> Facts:
    return {
        "media_packets_between_nodes": captured.media.packets,
        "media_bytes_between_nodes": captured.media.bytes,
        "media_packets_elsewhere": captured.media_elsewhere.packets,
        "media_bytes_at_supernode": captured.supernode_udp.bytes,
        "tcp_bytes_at_supernode": captured.supernode_tcp.bytes,
    }

"""One end of a call as a program of its own: `python -m tests.shell.media.far_end NAME PEER`.

Lines of JSON: it writes what it says of itself and its facts, and reads what the other end
says of itself. It ends when its input does.
"""

import argparse
import asyncio
import json
import sys
import wave
from dataclasses import fields, is_dataclass
from pathlib import Path

from hark.calls.media import (
    AddCandidates,
    ConnectMedia,
    LocalMedia,
    MediaFact,
    OpenMedia,
    SetSending,
)
from hark.node.media.engine import MediaEngine
from hark.wire.call import CallCandidate, CallTransport
from hark.wire.sound import FRAME_BYTES, SAMPLE_RATE_HZ
from tests.shell.media.ends import CALL, Speaker, keys_of, share_of_tone, tone


def frames_of(path: Path) -> list[bytes]:
    """Return a WAV file of 48 kHz, one channel, 16 bits, in whole frames."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels()) == (SAMPLE_RATE_HZ, 1)
        raw = file.readframes(file.getnframes())
    whole = len(raw) // FRAME_BYTES * FRAME_BYTES
    return [raw[at : at + FRAME_BYTES] for at in range(0, whole, FRAME_BYTES)]


def say(**line: object) -> None:
    print(json.dumps(line), flush=True)


def on_fact(fact: MediaFact) -> None:
    if isinstance(fact, LocalMedia):
        transport = fact.transport
        say(
            local={
                "transport": [
                    transport.username,
                    transport.password,
                    transport.fingerprint.hex(),
                ],
                "candidates": [
                    [one.kind, one.address, one.port, one.priority, one.foundation]
                    for one in fact.candidates
                ],
            }
        )
        return
    assert is_dataclass(fact)
    particulars = {
        field.name: value
        for field in fields(fact)
        if isinstance(value := getattr(fact, field.name), int | float | str)
    }
    say(fact=type(fact).__name__, **particulars)


def connect(engine: MediaEngine, line: str, own: str, peer: str) -> None:
    """Connect to the end that a line describes."""
    local = json.loads(line)["local"]
    username, password, fingerprint = local["transport"]
    transport = CallTransport(username, password, bytes.fromhex(fingerprint))
    candidates = tuple(CallCandidate(*one) for one in local["candidates"])
    engine.perform(ConnectMedia(CALL, 1, transport, keys_of(own, peer)))
    engine.perform(AddCandidates(CALL, 1, candidates, final=True))


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("peer")
    parser.add_argument("--caller", action="store_true")
    parser.add_argument("--say-tone", type=float)
    parser.add_argument("--say-file", type=Path)
    parser.add_argument("--hear-tone", type=float)
    options = parser.parse_args()
    spoken: list[bytes] | None = None
    if options.say_tone:
        spoken = tone(options.say_tone)
    elif options.say_file:
        spoken = frames_of(options.say_file)
    speaker = Speaker(spoken)
    engine = MediaEngine(tell=on_fact)
    engine.attach(CALL, speaker)
    engine.perform(OpenMedia(CALL, 1, options.caller, hide_address=False, ice_servers=()))
    while line := await asyncio.to_thread(sys.stdin.readline):
        match line.strip():
            case "mute":
                engine.perform(SetSending(CALL, sending=False))
            case "heard":
                lately = speaker.heard[-25:]
                say(
                    heard=len(speaker.heard),
                    share=share_of_tone(lately, options.hear_tone or 1.0),
                )
            case described:
                connect(engine, described, options.name, options.peer)
    await engine.close()


if __name__ == "__main__":
    asyncio.run(main())

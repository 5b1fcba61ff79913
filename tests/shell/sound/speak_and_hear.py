"""Plays a tone by the speaker and says each half second what the microphone has heard.

    python -m tests.shell.sound.speak_and_hear [RATE CHANNELS]

With a rate and channels the devices can do nothing else. Ends with its standard input.
"""

import asyncio
import itertools
import math
import struct
import sys
from array import array
from itertools import pairwise

from hark.app.sound.devices import DeviceStream, Microphone, Speaker, running
from hark.errors import HarkError
from hark.wire.sound import FRAME_BYTES, FRAME_SAMPLES, FRAMES_PER_S, SAMPLE_RATE_HZ

TONE_HZ = 500
"""A frame holds ten whole waves of it."""
TONE = b"".join(
    struct.pack("<h", round(8_000 * math.sin(2 * math.pi * TONE_HZ * place / SAMPLE_RATE_HZ)))
    for place in range(FRAME_SAMPLES)
)


def say(*words: object) -> None:
    print(*words, flush=True)


async def hear(microphone: Microphone) -> None:
    while True:
        heard = [await microphone.next() for _ in range(FRAMES_PER_S // 2)]
        assert {len(frame) for frame in heard} == {FRAME_BYTES}
        samples = array("h", b"".join(heard))
        rises = sum(before < 0 <= after for before, after in pairwise(samples))
        say("heard", max(samples), 2 * rises)


async def main() -> None:
    if len(sys.argv) > 1:
        form = (int(sys.argv[1]), int(sys.argv[2]))
        DeviceStream._forms = lambda _stream, _library: [form]  # type: ignore[method-assign]
    microphone, speaker = Microphone(), Speaker()
    async with running(microphone.stream, speaker.stream, tell=say):
        tasks = {
            asyncio.create_task(speaker.play_whole(itertools.repeat(TONE))),
            asyncio.create_task(hear(microphone)),
        }
        await asyncio.to_thread(sys.stdin.read)
        for task in tasks:
            task.cancel()
    say("closed")


try:
    asyncio.run(main())
except HarkError as error:
    say(type(error).__name__, error)

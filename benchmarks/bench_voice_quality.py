"""How much of a voice is left when packets are lost?

Eleven seconds of recorded speech (Debian: alsa-utils) go through codec and jitter buffer in
this process, over a path that is made up: five patterns of loss for each share, the same ones
for hark and for stock aiortc (its Opus codec at its own 96 kb/s and its jitter buffer; what it
gives out is placed by its own time stamps). The figures are medians; PESQ-WB goes to 4.64,
STOI to 1.

    python -m benchmarks.bench_voice_quality --seeds 5
"""

import argparse
from array import array
from collections.abc import Callable
from statistics import median

import av
from aiortc.codecs.opus import OpusDecoder, OpusEncoder
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtp import RtpPacket

from benchmarks._report import Goal, write_report
from hark.app.sound.score import PESQ_MISSING, pesq, stoi
from hark.errors import MissingPartError
from hark.wire.sound import (
    FRAME_BYTES,
    FRAME_SAMPLES,
    FRAMES_PER_S,
    OPUS_PACKET_BYTES,
    SAMPLE_BYTES,
    SAMPLE_RATE_HZ,
    SILENCE,
)
from hark_lab.sim.voice import Fate, burst, carry_voice, random_loss, recorded_speech

LOSSES = (0.0, 0.05, 0.1, 0.2)
BURST_AT = (100, 167, 234, 301, 368, 435)
BURST_PACKETS = 10
STOCK_CAPACITY, STOCK_PREFETCH = 16, 4
"""As aiortc's receiver of sound makes its buffer."""

Chain = Callable[[list[bytes], Fate], list[bytes]]


def through_hark(frames: list[bytes], fate: Fate) -> list[bytes]:
    return carry_voice(frames, fate).frames


def through_stock(frames: list[bytes], fate: Fate) -> list[bytes]:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    buffer = JitterBuffer(capacity=STOCK_CAPACITY, prefetch=STOCK_PREFETCH)
    heard = [SILENCE] * len(frames)
    # Some more, so that the buffer gives out the last of them too.
    for number, frame in enumerate(frames + [SILENCE] * STOCK_CAPACITY):
        for payload in encoder.encode(_as_stereo(frame, number))[0]:
            if fate(number) is None:
                continue
            packet = RtpPacket(96, 0, number, number * FRAME_SAMPLES, 1, payload)
            packet._data = payload  # as its receiver does
            _, encoded = buffer.add(packet)
            for decoded in decoder.decode(encoded) if encoded else []:
                at = (decoded.pts or 0) // FRAME_SAMPLES
                if 0 <= at < len(heard):
                    heard[at] = _as_mono(decoded)
    return heard


def _as_stereo(frame: bytes, number: int) -> av.AudioFrame:
    samples = array("h", frame)
    both = array("h", bytes(2 * FRAME_BYTES))
    both[0::2] = both[1::2] = samples
    found = av.AudioFrame(format="s16", layout="stereo", samples=FRAME_SAMPLES)
    found.planes[0].update(both.tobytes())
    found.sample_rate = SAMPLE_RATE_HZ
    found.pts = number * FRAME_SAMPLES
    return found


def _as_mono(frame: av.AudioFrame) -> bytes:
    samples = array("h", bytes(frame.planes[0])[: 2 * FRAME_SAMPLES * SAMPLE_BYTES])
    return samples[0::2].tobytes()


def marks(speech: list[bytes], chain: Chain, loss: float, seeds: int) -> list[float]:
    found: list[float] = []
    for seed in range(seeds if loss else 1):
        quality = pesq(speech, chain(speech, random_loss(loss, seed)))
        if quality is None:
            raise MissingPartError(PESQ_MISSING)
        found.append(quality)
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args(arguments)
    speech = recorded_speech()
    if not speech:
        raise MissingPartError("recordings of people who speak: install alsa-utils")
    figures: dict[str, float] = {}
    samples: dict[str, list[float]] = {}
    for name, chain in (("", through_hark), ("stock_", through_stock)):
        for loss in LOSSES:
            figure = f"{name}pesq_at_{round(loss * 100)}_percent_loss"
            samples[figure] = marks(speech, chain, loss, options.seeds)
            figures[figure] = median(samples[figure])
        figure = f"{name}least_stoi_with_a_gap_of_200_ms"
        samples[figure] = [
            stoi(speech, chain(speech, burst(at, BURST_PACKETS))) for at in BURST_AT
        ]
        figures[figure] = min(samples[figure])
    write_report(
        "voice_quality",
        question="How much of a voice is left when packets are lost?",
        parameters={
            "path": "made up, in one process",
            "speech_s": len(speech) / FRAMES_PER_S,
            "packet_bytes": OPUS_PACKET_BYTES,
            "seeds": options.seeds,
            "gaps_at_packet": BURST_AT,
            "stock": "aiortc: 96 kb/s, its own jitter buffer",
        },
        figures=figures,
        samples=samples,
        goals=[
            Goal("pesq_at_0_percent_loss", at_least=4.2),
            Goal("pesq_at_10_percent_loss", at_least=3.0),
            Goal("pesq_at_20_percent_loss", at_least=2.3),
            Goal("least_stoi_with_a_gap_of_200_ms", at_least=0.9),
        ],
    )


if __name__ == "__main__":
    main()

"""How long from the press of a button until the other end is heard?

Two nodes and a supernode as real processes, all warm; the callee is a bot that answers at
once. The time goes from the request to the caller's node until that node tells that it has
opened and decoded the first frame of the other end: offer and answer as sealed mail through the
supernode, ICE, DTLS, SFrame, Opus.

    python -m benchmarks.bench_call_setup
"""

import argparse
import asyncio
import contextlib
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

from benchmarks._report import Goal, write_report
from hark.app.cli.demo.stage import Stage
from hark.control.bot import Bot

CALLER, CALLEE = "caller", "callee"
WARM_UP_COUNT = 2
"""Calls before the measured ones: they load the media engines and open the ratchets."""


def main(arguments: list[str] | None = None) -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=50, help="measured calls")
    count = parser.parse_args(arguments).count
    with tempfile.TemporaryDirectory(prefix="hark-calls-") as folder:
        samples_s = _samples_s(Path(folder), count)
    percentiles = quantiles(samples_s, n=20)
    write_report(
        "call_setup",
        question="How long from the press of a button until the other end is heard?",
        parameters={"calls": count},
        figures={
            "press_to_first_frame_p50_s": median(samples_s),
            "press_to_first_frame_p95_s": percentiles[18],
            "press_to_first_frame_max_s": max(samples_s),
        },
        samples={"press_to_first_frame_s": samples_s},
        goals=[
            Goal("press_to_first_frame_p50_s", at_most=0.4),
            Goal("press_to_first_frame_p95_s", at_most=0.7),
        ],
    )


def _samples_s(folder: Path, count: int) -> list[float]:
    with Stage(folder / "stage") as stage:
        home = str(stage.start_supernode())
        for profile in (CALLER, CALLEE):
            words = ["--words-file", str(folder / profile)]
            stage.hark(profile, "init", "--name", profile, *words, "--supernode", home)
            stage.start_node(profile)
        return asyncio.run(_measure(stage, count))


async def _measure(stage: Stage, count: int) -> list[float]:
    """Return the times of `count` calls, in seconds."""
    async with (
        Bot.connect(stage.paths(CALLER).socket) as caller,
        Bot.connect(stage.paths(CALLEE).socket) as callee,
    ):
        await _become_contacts(stage, caller, callee)
        answering = asyncio.create_task(_answer_all(callee))
        try:
            for _ in range(WARM_UP_COUNT):
                await _call(caller)
            return [await _call(caller) for _ in range(count)]
        finally:
            answering.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await answering


async def _become_contacts(stage: Stage, caller: Bot, callee: Bot) -> None:
    for profile in (CALLER, CALLEE):
        client = stage.client(profile)
        stage.until(
            lambda client=client: all(home.attached for home in client.whoami().homes),
            f"{profile} has its mailboxes",
        )
    await caller.add((await callee.invite()).link, CALLEE)
    while (await caller.contacts())[0].status != "accepted":  # noqa: ASYNC110 (another process)
        await asyncio.sleep(0.05)


async def _answer_all(callee: Bot) -> None:
    async for call in callee.incoming_calls():
        await callee.answer_call(call.id)


async def _call(caller: Bot) -> float:
    """Place one call; return how long it took until the other end was heard, in seconds."""
    begin = time.perf_counter()
    placed = await caller.place_call(CALLEE)
    async for call in caller.call_changes(placed.id):
        if call.state == "ended":
            raise RuntimeError(f"the call ended before anything was heard: {call.reason}")
        if call.heard:
            break
    took_s = time.perf_counter() - begin
    await caller.hang_up(placed.id)
    # Both ends are free again before the next press.
    await asyncio.sleep(0.3)
    return took_s


if __name__ == "__main__":
    main()

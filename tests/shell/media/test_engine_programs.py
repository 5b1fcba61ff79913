"""Two media engines as two programs: a peer that dies, and networks of different kinds."""

import asyncio
import signal
import time

import pytest

from tests.shell.media.ends import HEARD, in_a_loop
from tests.shell.media.programs import connected, join, namespaces, program

LEFT = ("left", "right", "--caller", "--say-tone", "400", "--hear-tone", "1000")
RIGHT = ("right", "left", "--say-tone", "1000", "--hear-tone", "400")


def test_killed_peer_is_noticed_within_two_seconds() -> None:
    async def scenario() -> None:
        async with program(*LEFT) as left, program(*RIGHT) as right:
            await connected(left, right)
            right.process.kill()
            begin = time.monotonic()
            await left.fact("MediaSilent")
            assert time.monotonic() - begin < 2

    in_a_loop(scenario)


def test_peer_that_stood_still_is_heard_again() -> None:
    async def scenario() -> None:
        async with program(*LEFT) as left, program(*RIGHT) as right:
            await connected(left, right)
            right.process.send_signal(signal.SIGSTOP)
            await left.fact("MediaSilent")
            right.process.send_signal(signal.SIGCONT)
            await left.fact("MediaBack")
            await asyncio.sleep(1.5)
            assert (await left.heard())["share"] > HEARD  # type: ignore[operator]

    in_a_loop(scenario)


def test_peer_that_ends_says_so() -> None:
    async def scenario() -> None:
        async with program(*LEFT) as left, program(*RIGHT) as right:
            await connected(left, right)
            assert right.process.stdin is not None
            right.process.stdin.close()
            begin = time.monotonic()
            await left.fact("MediaClosed")
            assert time.monotonic() - begin < 1

    in_a_loop(scenario)


@pytest.mark.needs_root
def test_call_works_where_only_the_loopback_is_up() -> None:
    async def scenario() -> None:
        with namespaces("alone") as (alone,):
            async with (
                program(*LEFT, namespace=alone) as left,
                program(*RIGHT, namespace=alone) as right,
            ):
                await connected(left, right)
                await asyncio.sleep(1)
                assert (await left.heard())["share"] > HEARD  # type: ignore[operator]
                addresses = [one[1] for one in left.lines[0]["local"]["candidates"]]  # type: ignore[index]
                assert addresses == ["127.0.0.1"]

    in_a_loop(scenario)


@pytest.mark.needs_root
def test_call_between_two_machines_uses_their_real_addresses() -> None:
    async def scenario() -> None:
        with namespaces("a", "b") as (a, b):
            join(a, b)
            async with (
                program(*LEFT, namespace=a) as left,
                program(*RIGHT, namespace=b) as right,
            ):
                await connected(left, right)
                await asyncio.sleep(1)
                for end, address in ((left, "10.77.0.1"), (right, "10.77.0.2")):
                    assert (await end.heard())["share"] > HEARD  # type: ignore[operator]
                    found = [one[1] for one in end.lines[0]["local"]["candidates"]]  # type: ignore[index]
                    assert found == [address]

    in_a_loop(scenario)

"""Starts the two ends of a call as programs, also in network namespaces of their own."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[3]
Line = dict[str, object]


class Program:
    """One end of a call; see `far_end`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[Line] = []

    async def next(self) -> Line:
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            raw = await self.process.stdout.readline()
        assert raw, "the program has ended"
        line: Line = json.loads(raw)
        self.lines.append(line)
        return line

    async def fact(self, name: str) -> Line:
        """Return the next fact of this name; what comes before it is passed over."""
        while (line := await self.next()).get("fact") != name:
            pass
        return line

    async def local(self) -> Line:
        while "local" not in (line := await self.next()):
            pass
        return line

    async def heard(self) -> Line:
        self.tell("heard")
        while "heard" not in (line := await self.next()):
            pass
        return line

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")


@asynccontextmanager
async def program(*arguments: str, namespace: str = "") -> AsyncIterator[Program]:
    inside = ["ip", "netns", "exec", namespace] if namespace else []
    process = await asyncio.create_subprocess_exec(
        *inside,
        sys.executable,
        *("-m", "tests.shell.media.far_end", *arguments),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Program(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            await process.stdin.wait_closed()


async def connected(left: Program, right: Program) -> None:
    """Let two programs know of each other and wait until both hear the other."""
    described = [json.dumps(await one.local()) for one in (left, right)]
    left.tell(described[1])
    right.tell(described[0])
    await left.fact("FirstSound")
    await right.fact("FirstSound")


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def namespaces(*names: str) -> Iterator[list[str]]:
    """Network namespaces with only `lo`, which is up."""
    own = [f"hark-{os.getpid()}-{name}" for name in names]
    try:
        for name in own:
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        yield own
    finally:
        for name in own:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def join(left: str, right: str) -> None:
    """Join two namespaces by a cable: `wire` in both, 10.77.0.1 and 10.77.0.2."""
    run("ip", "-n", left, "link", "add", "wire", "type", "veth", "peer", "wire", "netns", right)
    for number, name in enumerate((left, right), 1):
        run("ip", "-n", name, "address", "add", f"10.77.0.{number}/24", "dev", "wire")
        run("ip", "-n", name, "link", "set", "wire", "up")

"""Calls without media, for tests of the control contract."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from hark.control import schema
from hark.errors import CallBusyError, CallError, NoSuchCallError
from hark.wire.sound import FRAME_BYTES

KEPT_FRAMES = 10


class FakeSound:
    """The sound of one call: the test is the other end."""

    def __init__(self, detach: Callable[[], None]) -> None:
        self._detach = detach
        self._waiting: deque[bytes] = deque(maxlen=KEPT_FRAMES)
        self._news = asyncio.Event()
        self._over = False
        self.pushed: list[bytes] = []
        self.closed = False

    async def next(self) -> bytes | None:
        while not self._waiting:
            if self._over:
                return None
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()

    def push(self, frame: bytes) -> None:
        self.pushed.append(frame)

    def close(self) -> None:
        self.closed = True
        self._detach()

    def give(self, *frames: bytes) -> None:
        """Let the other end say something."""
        self._waiting.extend(frames)
        self._news.set()

    def end(self) -> None:
        """The call is over."""
        self._over = True
        self._news.set()


@dataclass
class FakeCalls:
    """The calls of a fake node."""

    publish: Callable[[schema.Call], None]
    known: dict[str, schema.Call] = field(default_factory=dict)
    sounds: dict[str, FakeSound] = field(default_factory=dict)
    """Attached now, by call."""
    all_sounds: list[FakeSound] = field(default_factory=list)
    limit: int = 1
    hide_address: bool = False
    voicemail: bytes = b""

    def ring(self, number: int = 1) -> schema.Call:
        """Let Bob call."""
        return self._note(call_of(number))

    def place(self, request: schema.CallRequest) -> schema.Call:
        if len(self.known) >= self.limit:
            raise CallBusyError("one call at a time")
        number = len(self.known) + 1
        return self._note(
            change(call_of(number), state="opening", outgoing=True, recording=request.recording)
        )

    def change(self, call_id: str, **fields: object) -> schema.Call:
        """Change a call and tell it."""
        if call_id not in self.known:
            raise NoSuchCallError("there is none of this id")
        return self._note(change(self.known[call_id], **fields))

    def switch(self, request: schema.CallSwitchRequest) -> schema.Call:
        given = {
            "muted": request.muted,
            "held": request.held,
            "recording": request.recording,
        }
        return self.change(
            request.call, **{name: value for name, value in given.items() if value is not None}
        )

    def end(self, call_id: str, *, by_peer: bool = False) -> schema.Call:
        rings = call_id in self.known and self.known[call_id].state == "incoming"
        reason = "declined" if rings else "hung_up"
        ended = self.change(call_id, state="ended", reason=reason, by_peer=by_peer)
        if call_id in self.sounds:
            self.sounds[call_id].end()
        return ended

    def attach(self, call_id: str) -> FakeSound:
        if call_id not in self.known or self.known[call_id].state == "ended":
            raise NoSuchCallError("there is none of this id")
        if call_id in self.sounds:
            raise CallError("its sound is taken")
        sound = FakeSound(lambda: self.sounds.pop(call_id, None) and None)
        self.sounds[call_id] = sound
        self.all_sounds.append(sound)
        return sound

    def _note(self, call: schema.Call) -> schema.Call:
        self.known[call.id] = call
        self.publish(call)
        return call


def call_of(number: int) -> schema.Call:
    """Return a call of Bob's that rings here."""
    return schema.Call(
        id=f"{number:032x}",
        contact="hark1bob",
        contact_name="bob",
        outgoing=False,
        state="incoming",
        reason="",
        by_peer=False,
        refusal="",
        path=None,
        sas=[],
        heard=False,
        muted=False,
        held=False,
        recording=False,
        peer_muted=False,
        peer_held=False,
        peer_recording=False,
        quality=None,
        redials=0,
        duration_ms=0,
    )


def change(call: schema.Call, **fields: object) -> schema.Call:
    """Return a call with other fields."""
    return msgspec.structs.replace(call, **fields)


def frame_of(number: int) -> bytes:
    """Return a frame of sound that names itself."""
    return number.to_bytes(4, "big") * (FRAME_BYTES // 4)


def number_of(frame: bytes) -> int:
    """Return what `frame_of` was given."""
    return int.from_bytes(frame[:4], "big")

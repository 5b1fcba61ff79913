"""The 20 ms beat of a connection that stands: one frame out, one frame in.

The beat is counted from its beginning, so it does not drift. Whoever speaks has a beat of
their own: ours is put off until it comes just after theirs, so that no frame waits here for
long, and none is missed because it came a moment late. After a stall of the program a few
missed frames are sent at once; what is older is left out. Silence is counted in beats, so
neither a stall nor a sleeping computer is taken for a silent peer.
Source: spec/calls.md#voice.
"""

import asyncio
from collections.abc import Callable

from hark.calls.media import (
    FirstSound,
    MediaBack,
    MediaFact,
    MediaKeys,
    MediaQuality,
    MediaSilent,
)
from hark.errors import PeerError
from hark.machine import Instant
from hark.node.media.dtls import SecureMedia
from hark.node.media.rtp import Reports
from hark.node.media.sound import CallSound
from hark.node.media.voice import VoiceEncoder, VoicePlayer
from hark.node.media.voice_stream import VoiceReceiver, VoiceSender
from hark.wire.ids import CallId
from hark.wire.sound import FRAME_MS, FRAMES_PER_S, SILENCE

BEAT_S = FRAME_MS / 1000
LATE_S = 0.006
"""How long a beat is put off for a frame that has not come yet."""
LOOK_S = 0.002
"""From one look for such a frame to the next."""
PUT_OFF_S = 2 * BEAT_S
"""By how much the beats of a connection are put off in all: enough to come into step. Whoever
speaks in spurts, with nothing between them, would else show each one's end on the wire."""
MAX_BURST = 5
"""Missed frames that are sent at once after a stall."""
SILENT_BEATS = FRAMES_PER_S
"""A second without a frame means that the path is broken: frames never pause."""
REPORT_BEATS = FRAMES_PER_S
QUALITY_BEATS = 2 * FRAMES_PER_S


class VoiceLoop:
    """Speaks and listens over one connection.

    Args:
        call: that it belongs to.
        connection: number of the connection.
        keys: of the frames.
        sound: where frames come from and go to.
        tell: given the facts of this connection.
        clock: monotonic.
    """

    def __init__(
        self,
        call: CallId,
        connection: int,
        *,
        keys: MediaKeys,
        sound: CallSound,
        tell: Callable[[MediaFact], None],
        clock: Callable[[], Instant],
    ) -> None:
        self._call = call
        self._connection = connection
        self._sound = sound
        self._tell = tell
        self._clock = clock
        self._player = VoicePlayer()
        self._sender = VoiceSender(keys, VoiceEncoder())
        self._receiver = VoiceReceiver(keys, self._player)
        self._reports = Reports(self._sender.ssrc, self._receiver.reception)
        self._spoken = False
        self._may_put_off_s = PUT_OFF_S
        self._beats = 0
        self._quiet_beats = 0
        self._silent = False
        self._heard = False

    def on_rtp(self, packet: bytes) -> None:
        """Take a packet of the other end."""
        if self._receiver.take(packet, self._clock()):
            self._quiet_beats = 0
            if self._silent:
                self._silent = False
                self._tell(MediaBack(self._call, self._connection))

    def on_rtcp(self, data: bytes) -> None:
        """Take reports of the other end."""
        try:
            self._reports.read(data, self._clock())
        except PeerError:
            self._receiver.refused += 1
            return
        if self._reports.lately_lost >= 0:
            self._sender.expect_loss(self._reports.lately_lost)

    async def run(self, media: SecureMedia) -> None:
        """Speak and listen until the connection is closed."""
        due: float = self._clock()
        try:
            while True:
                due += await self._speak(media)
                await self._listen(media)
                due += BEAT_S
                late = self._clock() - due
                if late > MAX_BURST * BEAT_S:
                    missed = int(late / BEAT_S)
                    self._sender.skip(missed)
                    due += missed * BEAT_S
                    late = 0.0
                await asyncio.sleep(max(0.0, -late))
        except ConnectionError:
            # Whoever watches the connection learns the reason.
            return

    async def _speak(self, media: SecureMedia) -> float:
        """Send a frame; return by how much the beat was put off for it, in seconds."""
        put_off_s = 0.0
        frame = self._sound.take(self._connection)
        if frame is None and self._spoken and self._may_put_off_s > 0:
            frame, put_off_s = await self._late_frame()
            self._may_put_off_s -= put_off_s
        self._spoken = frame is not None
        await media.send(self._sender.packet(SILENCE if frame is None else frame))
        return put_off_s

    async def _late_frame(self) -> tuple[bytes | None, float]:
        began = self._clock()
        while True:
            await asyncio.sleep(LOOK_S)
            frame = self._sound.take(self._connection)
            waited_s = self._clock() - began
            if frame is not None or waited_s >= LATE_S:
                return frame, waited_s

    async def _listen(self, media: SecureMedia) -> None:
        self._play()
        self._beats += 1
        self._quiet_beats += 1
        if self._quiet_beats > SILENT_BEATS and not self._silent:
            self._silent = True
            self._tell(MediaSilent(self._call, self._connection))
        if self._beats % REPORT_BEATS == 0:
            await media.send(self._report())
        if self._beats % QUALITY_BEATS == 0:
            self._tell(self._quality(media.refused))

    def _play(self) -> None:
        self._sound.give(self._connection, self._player.play(self._clock()))
        if not self._heard and self._player.counters.played:
            self._heard = True
            self._tell(FirstSound(self._call, self._connection))

    def _report(self) -> bytes:
        now = self._clock()
        sent = self._reports.sent(
            packets=self._sender.packets,
            octets=self._sender.octets,
            timestamp=self._sender.timestamp,
            now=now,
        )
        return self._reports.write(self._receiver.ssrc, sent, now)

    def _quality(self, refused_below: int) -> MediaQuality:
        counters = self._player.counters
        return MediaQuality(
            call=self._call,
            connection=self._connection,
            round_trip_ms=self._reports.round_trip_ms,
            loss_sent=self._reports.lately_lost,
            loss_received=self._receiver.reception.lately_lost,
            jitter_ms=self._receiver.reception.jitter_ms,
            frames_played=counters.played,
            frames_concealed=counters.concealed + counters.recovered,
            frames_refused=refused_below + self._receiver.refused + counters.refused,
        )

"""A peer that has the keys of a connection and sends what it likes."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from aiortc.rtcdtlstransport import RTCCertificate

from hark.calls.media import AddCandidates, ConnectMedia, LocalMedia, MediaFailure
from hark.crypto.sframe import SFrameSender
from hark.node.media.dtls import SecureMedia, own_fingerprint
from hark.node.media.ice import IceConnection
from hark.node.media.opus import OpusEncoder
from hark.node.media.rtp import RtpHeader, encode_rtp, next_timestamp
from hark.wire.call import CallTransport
from tests.shell.media.ends import CALL, End, keys_of

SSRC = 0xC0FFEE


class HostilePeer:
    """The callee of a call with `victim`; over after the `async with`."""

    def __init__(self, victim: End, *, controlling: bool = False) -> None:
        self.received: list[bytes] = []
        self.ice = IceConnection(controlling=controlling, hide_address=False)
        self.certificate = RTCCertificate.generateCertificate()
        self.media = SecureMedia(
            self.ice,
            self.certificate,
            server=controlling,
            on_rtp=self.received.append,
            on_rtcp=self.received.append,
        )
        self._victim = victim
        self._controlling = controlling
        keys = keys_of("right", "left")
        self._seal = SFrameSender(keys.send_base, keys.send_key_id)
        self._encoder = OpusEncoder()
        self._timestamp = 0

    async def __aenter__(self) -> Self:
        self._victim.open(controlling=not self._controlling)
        local = await self._victim.wait(LocalMedia)
        hosts = await self.ice.gather_hosts()
        await self.ice.gather_servers(())
        own = CallTransport(
            self.ice.local_username,
            self.ice.local_password,
            own_fingerprint(self.certificate),
        )
        engine = self._victim.engine
        engine.perform(ConnectMedia(CALL, 1, own, keys_of("left", "right")))
        engine.perform(AddCandidates(CALL, 1, hosts, final=True))
        await self.ice.add_remote(local.candidates, final=True)
        await self.ice.establish(local.transport.username, local.transport.password)
        failure: MediaFailure | None = await self.media.establish(local.transport.fingerprint)
        assert failure is None
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self.media.stop()
        await self.ice.close()

    def packet(self, frame: bytes, *, ssrc: int = SSRC) -> bytes:
        """Return the next packet of an honest peer."""
        sequence = self._seal.counter & 0xFFFF
        sealed = self._seal.seal(self._encoder.encode(frame))
        self._timestamp = next_timestamp(self._timestamp)
        return encode_rtp(RtpHeader(sequence, self._timestamp, ssrc), sealed)

    def with_payload(self, payload: bytes, sequence: int) -> bytes:
        """Return a packet with a payload of one's own choice."""
        return encode_rtp(RtpHeader(sequence, self._timestamp, SSRC), payload)

    async def send(self, packets: Sequence[bytes]) -> None:
        for packet in packets:
            await self.media.send(packet)

"""DTLS-SRTP over one ICE connection, with the parts of `aiortc` that do that and no others.

What arrives inside the encryption is given on as bytes; nothing of it is parsed here. The
peer's certificate must be exactly the one that the signals named: the library compares it
right after the handshake, before any key for media exists.

Private parts of `aiortc` are used; tests/shell/media/test_engine_libraries.py names them.
Source: spec/calls.md#dtls; RFC 5763, RFC 5764.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from aiortc.rtcdtlstransport import (
    SRTP_PROFILES,
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
)
from aiortc.rtcicetransport import RTCIceTransport
from aiortc.rtp import is_rtcp

from hark.calls.media import MediaFailure
from hark.node.media.ice import IceConnection
from hark.node.media.rtp import HEADER_BYTES

HASH_NAME = "sha-256"
MIN_RTP_BYTES = HEADER_BYTES + 1

Take = Callable[[bytes], None]


def own_fingerprint(certificate: RTCCertificate) -> bytes:
    """Return SHA-256 of a certificate of ours, 32 bytes."""
    values = {one.algorithm: one.value for one in certificate.getFingerprints()}
    return bytes.fromhex(values[HASH_NAME].replace(":", ""))


class _Path:
    """What DTLS reads from and writes to: an ICE connection, behind one more guard.

    A stream of RTP costs the library memory for as long as it lives, so once the first packet
    has been authenticated only its source is let through.
    """

    def __init__(self, ice: IceConnection, *, server: bool) -> None:
        # The library derives its part in the handshake from this word.
        self.role = "controlling" if server else "controlled"
        self.source: bytes | None = None
        """Of the first packet that was authenticated."""
        self.unproved = 0
        """Packets read that were not authenticated, or not yet."""
        self.lost = False
        self._ice = ice

    async def _recv(self) -> bytes:
        while True:
            try:
                data = await self._ice.recv()
            except ConnectionError:
                self.lost = True
                raise
            if data[0] < 128:
                return data
            self.unproved += 1
            if is_rtcp(data):
                return data
            if len(data) >= MIN_RTP_BYTES and self.source in (None, data[8:12]):
                return data

    async def _send(self, data: bytes) -> None:
        await self._ice.send(data)


class SecureMedia(RTCDtlsTransport):
    """The encryption of one connection.

    Args:
        ice: path that has been established.
        certificate: ours, used for this connection only.
        server: whether the other end begins the handshake.
        on_rtp: given each RTP packet, decrypted and authenticated.
        on_rtcp: the same for reports.
    """

    def __init__(
        self,
        ice: IceConnection,
        certificate: RTCCertificate,
        *,
        server: bool,
        on_rtp: Take,
        on_rtcp: Take,
    ) -> None:
        self._ice = ice
        self._path = _Path(ice, server=server)
        super().__init__(cast(RTCIceTransport, self._path), [certificate])
        # Both ends are this program: the older profile with HMAC-SHA1 is never needed.
        self._srtp_profiles = [one for one in SRTP_PROFILES if b"AEAD" in one.openssl_profile]
        self._on_rtp = on_rtp
        self._on_rtcp = on_rtcp
        self._wrong_certificate = False

    @property
    def refused(self) -> int:
        """Datagrams that came to this connection and were not of the other end."""
        return self._ice.refused + self._path.unproved

    async def establish(self, fingerprint: bytes) -> MediaFailure | None:
        """Shake hands with the holder of the certificate that has this SHA-256.

        Returns:
            Why it failed, or None.
        """
        expected = RTCDtlsFingerprint(HASH_NAME, fingerprint.hex(":"))
        await self.start(RTCDtlsParameters([expected]))
        if self.state == "connected":
            return None
        if self._wrong_certificate:
            return MediaFailure.WRONG_CERTIFICATE
        return MediaFailure.HANDSHAKE

    async def wait_closed(self) -> bool:
        """Wait until nothing comes any more; return whether the other end has said so."""
        pump = self._task
        assert pump is not None
        await asyncio.wait([pump])
        if not pump.cancelled():
            # Looked at, so that the event loop does not report it; the connection is over.
            pump.exception()
        return not self._path.lost

    async def send(self, packet: bytes) -> None:
        """Encrypt and send a packet, RTP or RTCP.

        Raises:
            ConnectionError: the connection is closed.
        """
        await self._send_rtp(packet)

    def _validate_peer_identity(self, remoteParameters: RTCDtlsParameters) -> None:  # noqa: N803
        super()._validate_peer_identity(remoteParameters)
        self._wrong_certificate = self.state == "failed"

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        # The library's time of arrival is of the calendar, which may be set meanwhile.
        del arrival_time_ms
        self._path.unproved -= 1
        self._path.source = data[8:12]
        self._on_rtp(data)

    async def _handle_rtcp_data(self, data: bytes) -> None:
        self._path.unproved -= 1
        self._on_rtcp(data)

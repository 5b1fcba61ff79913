"""The private parts of the pinned libraries that the engine stands on.

When a version is moved and one of these is gone, this says which, before calls fail in odd
ways. What else is used of them is public.
"""

import importlib.metadata
import inspect
import logging
import socket

import aioice.ice
import aioice.stun
import aioice.turn
import pytest
from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCCertificate, RTCDtlsTransport

from hark.calls.media import LocalMedia
from hark.node.media.engine import LIBRARIES, MediaEngine
from hark.wire.call import CandidateKind
from tests.shell.media.ends import CALL, a_call, in_a_loop


def test_versions_are_those_that_were_read() -> None:
    versions = {
        name: importlib.metadata.version(name) for name in ("aiortc", "aioice", "dnspython")
    }
    assert versions == {"aiortc": "1.16.0", "aioice": "0.13.0", "dnspython": "2.9.0"}


def test_ice_has_the_private_parts_that_are_used() -> None:
    async def scenario() -> None:
        connection = aioice.ice.Connection(True)
        for name in (
            "_protocols",
            "_local_candidates",
            "_local_candidates_start",
            "_local_candidates_end",
            "_remote_candidates",
            "_remote_candidates_end",
            "_nominated",
            "_queue",
        ):
            assert name in vars(connection), name
        for name in ("_pair_remote_candidate", "sort_check_list", "check_incoming"):
            assert callable(getattr(connection, name)), name
        assert "_network_host" in vars(
            aioice.Candidate("f", 1, "udp", 1, "192.0.2.1", 1, "host")
        )
        assert list(inspect.signature(connection.data_received).parameters) == [
            "data",
            "component",
        ]
        transport = aioice.turn.TurnTransport(None)  # type: ignore[arg-type]
        assert "_TurnTransport__close_task" in vars(transport)
        await connection.close()

    in_a_loop(scenario)


def test_dtls_has_the_private_parts_that_are_used() -> None:
    members = inspect.getsource(RTCDtlsTransport)
    for name in ("_task", "_srtp_profiles", "transport._recv()", "transport._send("):
        assert name in members, name
    for name in (
        "_validate_peer_identity",
        "_handle_rtp_data",
        "_handle_rtcp_data",
        "_send_rtp",
    ):
        assert callable(getattr(RTCDtlsTransport, name)), name
    certificate = RTCCertificate.generateCertificate()
    assert "sha-256" in [one.algorithm for one in certificate.getFingerprints()]


def test_encryption_with_a_seal_of_its_own_is_there() -> None:
    names = [one.openssl_profile for one in SRTP_PROFILES if b"AEAD" in one.openssl_profile]
    assert names == [b"SRTP_AEAD_AES_256_GCM", b"SRTP_AEAD_AES_128_GCM"]


def test_no_server_is_asked_that_was_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def note(name: object, *_: object) -> str:
        asked.append(name)
        raise OSError("no names here")

    for function in ("gethostbyname", "getaddrinfo"):
        monkeypatch.setattr(socket, function, note)

    async def scenario() -> None:
        async with a_call() as (left, right):
            for end in (left, right):
                [local] = end.told(LocalMedia)
                assert local.final
                assert {one.kind for one in local.candidates} == {CandidateKind.HOST}
                connection = end.engine._open[CALL, 1]._ice
                assert connection.stun_server is None
                assert connection.turn_server is None
        assert asked == []

    in_a_loop(scenario)


@pytest.mark.parametrize(
    "name", ["aioice.ice", "aioice.turn", "aiortc.rtcdtlstransport", "libav"]
)
def test_libraries_are_silent_even_where_everything_is_logged(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    MediaEngine(tell=lambda fact: None)
    logging.getLogger(name).critical("an address")
    assert "an address" not in caplog.text
    assert name.partition(".")[0] in LIBRARIES

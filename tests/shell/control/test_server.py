"""The control socket: who may use it, what it answers, what it costs when idle."""

import http.client
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from hark.control import local_socket
from hark.control.client import Client
from hark.control.routes import MAX_BODY_BYTES
from hark.errors import (
    ConfigurationError,
    ContactUnverifiedError,
    HarkError,
    MessageTooLongError,
    NodeNotRunningError,
    RefusedError,
    StoreInUseError,
    UnknownContactError,
)
from tests.shell.control.conftest import Served

IDLE_PROGRAM = """
import asyncio, sys
from pathlib import Path
from hark.control.server import ControlServer
from tests.shell.control.fake_node import FakeNode

async def main():
    await ControlServer(FakeNode(), Path(sys.argv[1])).start()
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def raw_request(socket_path: Path, request: bytes) -> bytes:
    with local_socket.connect(socket_path, timeout_s=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


def test_a_client_gets_every_kind_of_answer(served: Served) -> None:
    client = Client(served.socket_path)
    assert client.status().profile == "test"
    assert client.whoami().name == "Alice"
    assert [contact.name for contact in client.contacts()] == ["bob"]
    sent = client.send("bob", "Grüße \u202e")
    assert client.message(sent.id).text == "Grüße \u202e"
    assert [message.id for message in client.history("bob", limit=3)] == [sent.id]
    assert client.history("bob", before=sent.id) == []
    assert client.verify("bob").trust == "verified"
    assert client.accept("bob").account == client.contact("bob").account
    assert client.rename("bob", "Bob").name == "bob"
    assert client.add("hark:x", "bob").name == "bob"
    assert client.diagnose().checks[0].ok
    client.read("bob")
    client.chat("bob", is_open=True)
    client.typing("bob")
    assert served.node.said == ["chat bob True", "typing bob"]
    client.stop()
    assert served.node.stopped.is_set()


def test_a_client_raises_the_error_that_the_node_raised(served: Served) -> None:
    client = Client(served.socket_path)
    with pytest.raises(UnknownContactError, match="nobody is called that"):
        client.send("eve", "hello")
    with pytest.raises(UnknownContactError):
        client.contact("eve")
    with pytest.raises(ContactUnverifiedError):
        client.send("bob", "unverified")
    with pytest.raises(MessageTooLongError):
        client.send("bob", "ü" * 16_385)
    with pytest.raises(RefusedError) as refused:
        client.invite()
    assert (refused.value.code, refused.value.retry_after_ms) == (12, 3_000)


def test_a_bug_of_ours_is_answered_and_logged_without_its_particulars(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(HarkError) as failed:
        Client(served.socket_path).block("bob")
    assert "secret content" not in str(failed.value)
    assert "RuntimeError" in caplog.text
    assert "in block" in caplog.text
    # The line of our own source that raised it is in the traceback; its text is not.
    assert caplog.text.count("secret content") <= 1
    assert "RuntimeError: secret content" not in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"contact":"bob"}',
        b'{"contact":"bob","text":"x","more":1}',
        b'{"contact":"bob","text":7}',
        b'{"contact":"bob","text":""}',
        b'{"contact":"' + b"b" * 201 + b'","text":"x"}',
        b"[" * 100_000,
        b'{"contact":"bob","text":"\xff"}',
    ],
    ids=[
        "empty",
        "no object",
        "missing field",
        "unknown field",
        "other type",
        "empty text",
        "name too long",
        "deep",
        "no UTF-8",
    ],
)
def test_a_malformed_request_is_refused_with_a_sentence(served: Served, body: bytes) -> None:
    connection = http.client.HTTPConnection("hark")
    connection.sock = local_socket.connect(served.socket_path, timeout_s=10)
    connection.request("POST", "/v1/messages", body)
    response = connection.getresponse()
    problem = json.loads(response.read())
    connection.close()
    assert response.status == http.HTTPStatus.BAD_REQUEST
    assert (problem["error"], problem["exit_code"]) == ("UsageError", 2)


@pytest.mark.parametrize(
    "path",
    ["/", "/v1/none", "/v1/history", "/v1/history?contact=bob&limit=0"]
    + [f"/v1/history?contact=bob&limit={limit}" for limit in ("1001", "-1", "٣", "9" * 5000)],
)
def test_a_request_outside_the_contract_is_refused(served: Served, path: str) -> None:
    connection = http.client.HTTPConnection("hark")
    connection.sock = local_socket.connect(served.socket_path, timeout_s=10)
    connection.putrequest("GET", path.replace("٣", "%D9%A3"))
    connection.endheaders()
    response = connection.getresponse()
    problem = json.loads(response.read())
    connection.close()
    assert response.status == http.HTTPStatus.BAD_REQUEST
    assert problem["error"] == "UsageError"


def test_a_body_that_is_too_large_is_refused(served: Served) -> None:
    head = f"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: {MAX_BODY_BYTES + 1}\r\n"
    answer = raw_request(
        served.socket_path, head.encode() + b"\r\n" + bytes(MAX_BODY_BYTES + 1)
    )
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"MessageTooLongError" in answer


def test_the_socket_is_ours_alone(served: Served) -> None:
    assert stat.S_IMODE(served.socket_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(served.socket_path.parent.stat().st_mode) == 0o700


def test_a_folder_that_others_may_enter_is_refused(socket_path: Path) -> None:
    socket_path.parent.mkdir(mode=0o755)
    with pytest.raises(ConfigurationError):
        local_socket.listen(socket_path)
    with pytest.raises(ConfigurationError):
        Client(socket_path).status()


def test_a_folder_that_is_a_link_is_refused(socket_path: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    socket_path.parent.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError):
        local_socket.listen(socket_path)


def test_a_path_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        local_socket.listen(tmp_path / ("x" * 108))


@pytest.mark.needs_root
def test_another_user_is_cut_off_even_when_the_folder_lets_it_in() -> None:
    program = (
        "import socket,os,sys\n"
        "os.setuid(65534)\n"
        "s=socket.socket(socket.AF_UNIX)\n"
        "s.connect(sys.argv[1])\n"
        "try:\n"
        "    s.sendall(b'GET /v1/status HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n')\n"
        "    print(s.recv(100))\n"
        "except (BrokenPipeError, ConnectionResetError): print(b'')\n"
    )
    with tempfile.TemporaryDirectory() as folder, Served(Path(folder) / "test.sock") as served:
        served.socket_path.chmod(0o777)
        Path(folder).chmod(0o777)
        result = subprocess.run(
            [sys.executable, "-c", program, str(served.socket_path)],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    assert result.stdout.strip() == "b''", result


def test_a_socket_left_by_a_killed_node_is_replaced(socket_path: Path) -> None:
    socket_path.parent.mkdir(mode=0o700)
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(socket_path))
    stale.close()
    with pytest.raises(NodeNotRunningError):
        Client(socket_path).status()
    with Served(socket_path):
        assert Client(socket_path).status().pid == 1


def test_a_second_node_does_not_take_the_socket_from_the_first(served: Served) -> None:
    with pytest.raises(StoreInUseError):
        local_socket.listen(served.socket_path)
    assert Client(served.socket_path).status().pid == 1


def test_without_a_node_a_client_says_so(socket_path: Path) -> None:
    with pytest.raises(NodeNotRunningError):
        Client(socket_path).status()


def test_events_come_until_the_client_goes(served: Served) -> None:
    with Client(served.socket_path).events() as events:
        served.call(lambda: served.node.receive("one"))
        event = events.next(timeout_s=10)
        assert event is not None
        assert event.message is not None
        assert event.message.text == "one"
        assert events.next(timeout_s=0.05) is None
    deadline = time.monotonic() + 10
    while not served.node.feeds[0].closed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert served.node.feeds[0].closed


def test_an_open_event_stream_ends_with_the_node(socket_path: Path) -> None:
    with Served(socket_path) as served:
        streaming = Client(socket_path).events()
        events = streaming.__enter__()
        begin = time.monotonic()
    with pytest.raises(NodeNotRunningError):
        events.next(timeout_s=10)
    assert time.monotonic() - begin < 3
    streaming.__exit__(None, None, None)
    assert served.node.feeds[0].closed
    assert not socket_path.exists()


def test_a_bad_event_number_is_refused(served: Served) -> None:
    answer = raw_request(
        served.socket_path,
        b"GET /v1/events?after=x HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n"
        b"upgrade: websocket\r\nsec-websocket-version: 13\r\n"
        b"sec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_an_idle_server_does_not_wake(socket_path: Path) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", IDLE_PROGRAM, str(socket_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    try:
        assert program.stdout is not None
        assert program.stdout.readline() == b"ready\n"
        with Client(socket_path).events():
            Client(socket_path).status()
            time.sleep(1)
            before = wakeups(program.pid)
            time.sleep(5)
            assert wakeups(program.pid) - before <= 1
    finally:
        program.kill()
        program.wait()
        assert program.stdout is not None
        program.stdout.close()


def wakeups(pid: int) -> int:
    """Voluntary context switches of all threads."""
    count = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                count += int(line.split()[1])
    return count

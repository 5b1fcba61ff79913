"""Supernodes for the tests of this folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.shell.supernode.peer import Server


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Return a function that starts a supernode; all are killed in the end."""
    servers: list[Server] = []

    def start(*arguments: str, name: str = "supernode") -> Server:
        server = Server(tmp_path / name, *arguments)
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.kill()

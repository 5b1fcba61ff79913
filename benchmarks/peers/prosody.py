"""A Prosody server of our own for one measurement.

Where there is a choice it favours Prosody: passwords are stored in plain text and compared (no
key derivation at log-in), the certificate has a P-256 key, TLS starts with the connection (no
STARTTLS round), no roster, presence, carbons or archive is kept, no rate limit is set.

Its figures hang on the garbage collector, so that is a parameter: with the `incremental` one,
which Debian's package uses unless told otherwise, it needs two to three times the processor
time that it needs with the `generational` one, and less memory.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from benchmarks.peers.xmpp_client import Account
from benchmarks.peers.xmpp_server import (
    DOMAIN,
    LISTEN_HOST,
    XmppServer,
    free_port,
    make_accounts,
    running,
    server_folder,
    write_certificate,
)

PACKAGE = "prosody"

Collector = Literal["incremental", "generational"]
"""Of Lua 5.4."""

_CONFIG = """\
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
certificates = "{folder}"
log = {{ warn = "{folder}/prosody.log" }}
modules_enabled = {{ "saslauth"; "tls"; "posix" }}
modules_disabled = {{ "s2s"; "s2s_auth_certs"; "offline"; "presence" }}
authentication = "internal_plain"
gc = {{ mode = "{collector}" }}
network_settings = {{ tcp_backlog = 1024 }}
interfaces = {{ "{host}" }}
c2s_ports = {{ }}
c2s_direct_tls_ports = {{ {port} }}
c2s_direct_tls_ssl = {{ key = "{folder}/key.pem"; certificate = "{folder}/certificate.pem" }}
VirtualHost "{domain}"
  ssl = {{ key = "{folder}/key.pem"; certificate = "{folder}/certificate.pem" }}
"""


def is_installed() -> bool:
    """Return whether there is a Prosody on this machine."""
    return shutil.which("prosody") is not None


@contextmanager
def running_prosody(account_count: int, collector: Collector) -> Iterator[XmppServer]:
    """Run a server with `account_count` accounts; stop it and remove its files at the end.

    Raises:
        FileNotFoundError: Prosody is not installed.
        RuntimeError: it did not come up.
    """
    program = shutil.which("prosody")
    if program is None:
        raise FileNotFoundError("prosody")
    with server_folder() as folder:
        port = free_port()
        certificate = write_certificate(folder)
        accounts = make_accounts(account_count)
        _write_accounts(folder / "data", accounts)
        config = folder / "prosody.cfg.lua"
        config.write_text(
            _CONFIG.format(
                folder=folder, host=LISTEN_HOST, port=port, domain=DOMAIN, collector=collector
            )
        )
        command = [program, "-F", "--config", str(config)]
        with running(
            command, folder=folder, user_name="prosody", port=port, environment={}
        ) as pid:
            yield XmppServer(pid, port, certificate, accounts)


def _write_accounts(data: Path, accounts: list[Account]) -> None:
    """Write account files as Prosody's own storage would: one Lua table each."""
    folder = data / DOMAIN / "accounts"
    folder.mkdir(parents=True)
    for account in accounts:
        text = f'return {{\n\t["password"] = "{account.password}";\n}};\n'
        (folder / f"{account.name}.dat").write_text(text)

"""An ejabberd server of our own for one measurement.

Where there is a choice it favours ejabberd: passwords are stored in plain text and compared,
the certificate has a P-256 key, TLS starts with the connection, no module is loaded, no shaper
is set, and the Erlang machine has no distribution (so no second program listens).
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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

PACKAGE = "ejabberd"
_INSTALLED_IN = Path("/usr/lib")
"""Debian keeps it in a folder of the architecture's libraries, below this one."""

_CONFIG = """\
hosts: ["{domain}"]
loglevel: error
certfiles: ["{folder}/both.pem"]
auth_method: [mnesia]
auth_password_format: plain
listen:
  - port: {port}
    ip: "{host}"
    module: ejabberd_c2s
    tls: true
    backlog: 1024
    access: all
modules: {{}}
"""

# The port is open before the accounts are made.
_START = """\
{{ok, _}} = application:ensure_all_started(ejabberd),
[ok = ejabberd_auth:try_register(<<"user", (integer_to_binary(N))/binary>>,
                                 <<"{domain}">>,
                                 <<"password", (integer_to_binary(N))/binary>>)
 || N <- lists:seq(0, {last})],
ok = file:write_file("{folder}/ready", <<>>).
"""


def is_installed() -> bool:
    """Return whether there is an ejabberd on this machine."""
    return shutil.which("erl") is not None and _library() is not None


@contextmanager
def running_ejabberd(account_count: int) -> Iterator[XmppServer]:
    """Run a server with `account_count` accounts; stop it and remove its files at the end.

    Raises:
        FileNotFoundError: ejabberd is not installed.
        RuntimeError: it did not come up.
    """
    library = _library()
    if library is None:
        raise FileNotFoundError("ejabberd")
    with server_folder() as folder:
        port = free_port()
        certificate = write_certificate(folder)
        config = folder / "ejabberd.yml"
        config.write_text(
            _CONFIG.format(folder=folder, host=LISTEN_HOST, port=port, domain=DOMAIN)
        )
        start = _START.format(folder=folder, domain=DOMAIN, last=account_count - 1)
        # As ejabberd's own start script does: kernel polling, enough processes.
        machine = ["erl", "+K", "true", "+P", "250000", "-noinput"]
        command = [*machine, "-mnesia", "dir", f'"{folder}/db"', "-eval", start]
        environment = {
            "EJABBERD_CONFIG_PATH": str(config),
            "EJABBERD_LOG_PATH": str(folder / "ejabberd.log"),
            "ERL_LIBS": str(library),
            "ERL_CRASH_DUMP": "/dev/null",
            "ERL_MAX_PORTS": "32000",
            "HOME": str(folder),
        }
        with running(
            command,
            folder=folder,
            user_name="ejabberd",
            port=port,
            environment=environment,
            ready_file=folder / "ready",
        ) as pid:
            yield XmppServer(pid, port, certificate, make_accounts(account_count))


def _library() -> Path | None:
    found = sorted(_INSTALLED_IN.glob("*-linux-gnu/ejabberd-*/ebin"))
    return found[-1].parent.parent if found else None

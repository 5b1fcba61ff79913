"""`python -m hark.supernode`, which is what `hark supernode` runs.

    run        serve until stopped
    identity   print the address line to give to people
    inventory  print every field that is stored, and why
    scan       look at the bytes on the disk

The only place of the supernode that turns errors into sentences and exit codes
(`hark.errors`). What a subcommand needs is imported when it runs.
"""

import argparse
import inspect
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hark.errors import EXIT_FAILED, CheckFailedError, HarkError
from hark.supernode.config import Setting, SupernodeConfig, load_config, setting_names

if TYPE_CHECKING:
    from hark.supernode.daemon import Running

DEFAULT_DATA_DIR = Path("~/.local/share/hark-supernode")


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand and return the exit code."""
    options = _parser().parse_args(arguments)
    command = {"run": _run, "identity": _identity, "inventory": _inventory, "scan": _scan}
    try:
        command[options.command](options)
    except HarkError as error:
        print(f"hark supernode: {_sentence(error)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_FAILED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hark supernode",
        description="Lets people find each other, and holds sealed mail for a while.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="serve until stopped")
    run.add_argument("--config", type=Path, metavar="FILE", help="settings, TOML")
    run.add_argument("--host", help="address to listen on (default: all)")
    run.add_argument("--public-host", help="name by which people reach this machine")
    run.add_argument("--port", type=int, help="port for nodes (default: 7443; 0: a free one)")
    run.add_argument("--admin-port", type=int, help="port for /metrics, on 127.0.0.1 only")
    run.add_argument("--workers", type=int, help="processes that hold links (default: 1)")
    run.add_argument("--links-per-s", type=float, help="new links a second and worker")
    run.add_argument("--burst-count", type=int, help="new links at once and worker")
    run.add_argument("--max-link-count", type=int, help="open links and worker")
    run.add_argument(
        "--json-ready", action="store_true", help="print one line of JSON when ready"
    )
    commands.add_parser("identity", help="print the address line to give to people")
    inventory = commands.add_parser(
        "inventory", help="print every field that is stored, and why"
    )
    inventory.add_argument("--json", action="store_true", help="as JSON")
    scan = commands.add_parser("scan", help="look at the bytes on the disk")
    scan.add_argument(
        "--canaries",
        type=Path,
        metavar="FILE",
        help="byte strings that must not be there, one per line, in hexadecimal",
    )
    scan.add_argument("--json", action="store_true", help="as JSON")
    for command in commands.choices.values():
        command.add_argument(
            "--data",
            type=Path,
            metavar="DIR",
            default=DEFAULT_DATA_DIR,
            help=f"data directory (default: {DEFAULT_DATA_DIR})",
        )
    return parser


def _run(options: argparse.Namespace) -> None:
    from hark.runtime.logs import set_up_logs  # noqa: PLC0415
    from hark.runtime.tls_server import new_event_loop  # noqa: PLC0415
    from hark.supernode.daemon import Supernode  # noqa: PLC0415

    config = _config(options)
    set_up_logs()

    async def serve() -> None:
        await Supernode(config).run(lambda running: _say_ready(running, options.json_ready))

    loop = new_event_loop()
    try:
        loop.run_until_complete(serve())
    finally:
        loop.close()


def _config(options: argparse.Namespace) -> SupernodeConfig:
    flags: dict[str, Setting | None] = {
        name: getattr(options, name) for name in setting_names()
    }
    return load_config(
        _data_dir(options), file=options.config, environment=os.environ, flags=flags
    )


def _data_dir(options: argparse.Namespace) -> Path:
    path: Path = options.data
    return path.expanduser()


def _say_ready(running: "Running", as_json: bool) -> None:
    from hark.supernode.address_file import AddressRecord  # noqa: PLC0415
    from hark.wire.codec import encode_json  # noqa: PLC0415

    if as_json:
        record = AddressRecord(
            node_id=running.node_id_hex,
            host=running.host,
            port=running.port,
            admin_port=running.admin_port,
        )
        print(encode_json(record).decode(), flush=True)
        return
    print("The supernode is ready. Its address, to give to people:")
    print(f"{running.node_id_hex}@{running.host}:{running.port}", flush=True)
    if running.host == socket.gethostname():
        print(
            "(If others do not know this machine by that name: --public-host NAME)", flush=True
        )


def _identity(options: argparse.Namespace) -> None:
    from hark.supernode.address_file import read_address  # noqa: PLC0415

    print(read_address(_data_dir(options)))


def _inventory(options: argparse.Namespace) -> None:
    from hark.supernode.inventory import inventory_of  # noqa: PLC0415

    inventory = inventory_of(_data_dir(options))
    print(inventory.as_json() if options.json else inventory.as_text())
    _fail_on(inventory.findings)


def _scan(options: argparse.Namespace) -> None:
    from hark.supernode.disk_scan import read_canaries, scan  # noqa: PLC0415

    canaries = read_canaries(options.canaries) if options.canaries else []
    report = scan(_data_dir(options), canaries)
    print(report.as_json() if options.json else report.as_text())
    _fail_on(report.findings)


def _fail_on(findings: list[str]) -> None:
    if findings:
        raise CheckFailedError(f"{len(findings)} findings")


def _sentence(error: HarkError) -> str:
    """Return what an error says to a person: its meaning, then the particulars."""
    meaning = inspect.getdoc(type(error)) or ""
    particulars = str(error)
    return f"{meaning}\n({particulars})" if particulars else meaning


if __name__ == "__main__":
    sys.exit(main())

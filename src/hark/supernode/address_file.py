"""`address.json`: how people reach this supernode, for programs and for `identity`."""

import socket
from pathlib import Path

from hark.errors import MalformedError, NotInitialisedError
from hark.supernode.config import SupernodeConfig
from hark.wire.address import Address
from hark.wire.codec import JsonParser, Record
from hark.wire.ids import NodeId

ADDRESS_NAME = "address.json"
WILDCARDS = {"", "0.0.0.0", "::"}  # noqa: S104 (compared with, not bound to)


class AddressRecord(Record):
    """What the file holds: the state of the last start."""

    node_id: str
    """64 hexadecimal digits."""
    host: str
    port: int
    admin_port: int


_PARSER: JsonParser[AddressRecord] = JsonParser(AddressRecord)


def address_host(config: SupernodeConfig) -> str:
    """Return the name or address to give to people."""
    if config.public_host:
        return config.public_host
    return socket.gethostname() if config.host in WILDCARDS else config.host


def read_address(data_dir: Path) -> Address:
    """Return the address line of a supernode that has run on this data directory.

    Raises:
        NotInitialisedError: it has never run here.
    """
    try:
        record = _PARSER.parse((data_dir / ADDRESS_NAME).read_bytes())
    except (OSError, MalformedError) as error:
        raise NotInitialisedError("no supernode has run on this data directory") from error
    return Address(NodeId(bytes.fromhex(record.node_id)), record.host, record.port)

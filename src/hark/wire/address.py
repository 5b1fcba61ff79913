"""Where a supernode listens, and under which key: `NODEID@host:port` in text."""

from dataclasses import dataclass

from hark.errors import MalformedError
from hark.wire.ids import NODE_ID_BYTES, NodeId

MAX_HOST_BYTES = 255
"""Longest host name (RFC 1035, section 2.3.4)."""
MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """One supernode."""

    node_id: NodeId
    host: str
    """Host name or IP address, 1..255 ASCII characters (an IPv6 address without brackets)."""
    port: int
    """TCP port, 1..65535."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.node_id.hex()}@{host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Parse `NODEID@host:port`, the node id as 64 hexadecimal digits.

        Raises:
            MalformedError: not an address of this form.
        """
        node_hex, at, place = text.strip().partition("@")
        host, colon, port = place.rpartition(":")
        if not at or not colon or len(node_hex) != 2 * NODE_ID_BYTES:
            raise MalformedError("a supernode's address has the form NODEID@host:port")
        host = host.removeprefix("[").removesuffix("]")
        try:
            node_id = NodeId(bytes.fromhex(node_hex))
        except ValueError as error:
            raise MalformedError("the node id is not hexadecimal") from error
        if not port.isascii() or not port.isdigit() or not 1 <= int(port[:6]) <= MAX_PORT:
            raise MalformedError("the port is not a number from 1 to 65535")
        check_host(host)
        return cls(node_id, host, int(port))


def check_host(host: str) -> None:
    """Check that `host` can be a host name or an IP address: printable ASCII, bounded.

    Raises:
        MalformedError: empty, too long, or with characters that no host name has.
    """
    allowed = all(char.isalnum() or char in ".-:_%" for char in host)
    if not host.isascii() or not 1 <= len(host) <= MAX_HOST_BYTES or not allowed:
        raise MalformedError("not a host name or an IP address")

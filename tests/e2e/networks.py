"""Machines with a network between them, each a network namespace, and real programs on them.

Every machine has one cable, `wire`, to a router, and an address and a default route of its own.
On the router it can rain: packets are dropped by rules of nftables. Nothing here is visible
outside of the namespaces, which go away with the `with`.
"""

import ctypes
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hark.app.cli.demo.capture import udp_ports
from hark.app.cli.demo.stage import HOST, Stage
from hark.app.cli.demo.traffic import link_bytes
from hark.wire.address import Address
from tests.shell.media.programs import namespaces, run

CLONE_NEWNET = 0x40000000
"""Source: sched.h."""
IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
NO_IPV6 = Path("/proc/sys/net/ipv6/conf/all/disable_ipv6")
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Be in a network namespace: for sockets that are made, and programs that are started.

    It is this thread that goes there, alone. (`os.setns` is there from Python 3.12 on.)
    """
    with Path("/proc/thread-self/ns/net").open("rb") as home:
        _enter(Path("/run/netns") / namespace)
        try:
            yield
        finally:
            assert _libc.setns(home.fileno(), CLONE_NEWNET) == 0, ctypes.get_errno()


def _enter(path: Path) -> None:
    with path.open("rb") as opened:
        assert _libc.setns(opened.fileno(), CLONE_NEWNET) == 0, ctypes.get_errno()


@dataclass
class Network:
    """Machines, by the names that the test gives them, and the router between them."""

    router: str
    """Name of its namespace."""
    machines: dict[str, str] = field(default_factory=dict)
    """Name of a machine → name of its namespace."""
    addresses: dict[str, str] = field(default_factory=dict)
    """Name of a machine → its address."""

    def plug_in(self, machine: str, namespace: str) -> None:
        """Join one more machine to the router."""
        number = len(self.machines) + 1
        address, gateway = f"10.81.{number}.2", f"10.81.{number}.1"
        self.machines[machine] = namespace
        self.addresses[machine] = address
        # Of itself the kernel says things over IPv6 that would stand in every capture.
        with inside(namespace):
            NO_IPV6.write_text("1")
        there = f"to-{machine}"
        run(*f"ip -n {namespace} link add wire type veth peer {there}".split(),
            "netns", self.router)  # fmt: skip
        run(*f"ip -n {self.router} address add {gateway}/24 dev {there}".split())
        run(*f"ip -n {self.router} link set {there} up".split())
        run(*f"ip -n {namespace} link set wire up".split())
        self._move(namespace, address, gateway)

    def readdress(self, machine: str, last: int) -> None:
        """Take a machine's address away, and give it another one that ends in `last`."""
        namespace, address = self.machines[machine], self.addresses[machine]
        network = address.rpartition(".")[0]
        run(*f"ip -n {namespace} address del {address}/24 dev wire".split())
        self.addresses[machine] = f"{network}.{last}"
        self._move(namespace, self.addresses[machine], f"{network}.1")

    def weather(self, *rules: str) -> None:
        """Let these rules, and no others, hold for what the router passes on."""
        chain = ["type filter hook forward priority 0;", *rules]
        body = "\n".join(
            ["flush ruleset", "table ip weather {", "chain pass {", *chain, "}", "}"]
        )
        with inside(self.router):
            subprocess.run(["nft", "-f", "-"], input=body.encode(), check=True)

    def _move(self, namespace: str, address: str, gateway: str) -> None:
        run(*f"ip -n {namespace} address add {address}/24 dev wire".split())
        run(*f"ip -n {namespace} route replace default via {gateway}".split())


@contextmanager
def network(*machines: str) -> Iterator[Network]:
    """Machines that reach each other through a router."""
    with namespaces("router", *machines) as (router, *others):
        made = Network(router)
        with inside(router):
            IP_FORWARD.write_text("1")
            NO_IPV6.write_text("1")
        for machine, namespace in zip(machines, others, strict=True):
            made.plug_in(machine, namespace)
        yield made


class SpreadStage(Stage):
    """A stage whose programs run in different network namespaces.

    Args:
        folder: as of a `Stage`.
        places: name of a profile, or `supernode` → the namespace that it runs in.
        supernode_host: address of the supernode there.
    """

    def __init__(self, folder: Path, places: Mapping[str, str], supernode_host: str) -> None:
        super().__init__(folder)
        self._places = places
        self._supernode_host = supernode_host

    def start_supernode(self) -> Address:
        address = super().start_supernode()
        self.address = Address(address.node_id, self._supernode_host, address.port)
        return self.address

    def hark(self, profile: str, *arguments: str) -> str:
        with inside(self._places[profile]):
            return super().hark(profile, *arguments)

    def _start(
        self, name: str, arguments: list[str], stdout: int | None = None
    ) -> "subprocess.Popen[bytes]":
        if name == "supernode":
            arguments = [self._supernode_host if word == HOST else word for word in arguments]
        with inside(self._places[name]):
            return super()._start(name, arguments, stdout)

    def link_bytes(self) -> int:
        """Return what all links of the supernode have carried, by its own counters."""
        with inside(self._places["supernode"]):
            return link_bytes(self)

    def ports(self, profile: str) -> list[int]:
        """Return the UDP ports on which a node receives now."""
        return sorted(udp_ports(self.pid(profile)))

    def remembers(self, profile: str, text: str) -> bool:
        """Return whether a text stands anywhere in the memory of a running node."""
        forms = [text.encode(), text.encode("utf-16-le"), text.encode("utf-32-le")]
        return any(form in piece for piece in _memory(self.pid(profile)) for form in forms)


def _memory(process_id: int) -> Iterator[bytes]:
    """Return what a process can write to in its memory, and so what it can have learned."""
    folder = Path(f"/proc/{process_id}")
    with (folder / "mem").open("rb") as memory:
        for line in (folder / "maps").read_text().splitlines():
            place, rights = line.split()[:2]
            if not rights.startswith("rw"):
                continue
            begin, end = (int(number, 16) for number in place.split("-"))
            memory.seek(begin)
            try:
                yield memory.read(end - begin)
            except OSError:
                # A page that the kernel keeps for itself.
                continue


@contextmanager
def only_loopback(name: str) -> Iterator[str]:
    """One machine without any network; gives the name of its namespace."""
    with namespaces(name) as (namespace,):
        with inside(namespace):
            NO_IPV6.write_text("1")
        yield namespace

"""A STUN and TURN server as small as the client allows: RFC 8656 with channels over UDP.

It is nobody's relay: no quotas, no lifetimes. `silent` makes it stop answering.
"""

import asyncio
from types import TracebackType
from typing import Self

from aioice.stun import Class, Message, Method, parse_message
from aioice.turn import make_integrity_key

from hark.calls.media import IceServer

USER, PASSWORD, REALM = "user", "password", "test"
KEY = make_integrity_key(USER, REALM, PASSWORD)
Place = tuple[str, int]


class _Allocation(asyncio.DatagramProtocol):
    """The relayed address of one client."""

    def __init__(self, relay: "Relay", client: Place) -> None:
        self.peers: dict[int, Place] = {}
        self._relay = relay
        self._client = client
        self.transport: asyncio.DatagramTransport

    def datagram_received(self, data: bytes, addr: Place) -> None:
        for channel, peer in self.peers.items():
            if peer == addr:
                self._relay.passed += 1
                header = channel.to_bytes(2, "big") + len(data).to_bytes(2, "big")
                self._relay.send(header + data, self._client)


class Relay(asyncio.DatagramProtocol):
    """Runs on one address of this machine within `async with`."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.passed = 0
        """Datagrams relayed to clients."""
        self.asked = 0
        self.silent = False
        self._allocations: dict[Place, _Allocation] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(self.host, 0)
        )
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        for allocation in self._allocations.values():
            allocation.transport.close()
        self._transport.close()
        await asyncio.sleep(0)

    def server(self, scheme: str = "turn") -> IceServer:
        port = self._transport.get_extra_info("sockname")[1]
        credentials = (USER, PASSWORD) if scheme == "turn" else ("", "")
        return IceServer(f"{scheme}:{self.host}:{port}", *credentials)

    def send(self, data: bytes, place: Place) -> None:
        if not self.silent:
            self._transport.sendto(data, place)

    def datagram_received(self, data: bytes, addr: Place) -> None:
        if data[0] & 0xC0 == 0x40:
            allocation = self._allocations.get(addr)
            peer = allocation.peers.get(int.from_bytes(data[:2], "big")) if allocation else None
            if allocation is not None and peer is not None:
                allocation.transport.sendto(data[4:], peer)
            return
        request = parse_message(data)
        self.asked += 1
        task = asyncio.get_running_loop().create_task(self._answer(request, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: Message, addr: Place) -> None:
        answer = Message(request.message_method, Class.RESPONSE, request.transaction_id)
        if request.message_method is Method.BINDING:
            answer.attributes["XOR-MAPPED-ADDRESS"] = addr
            self.send(bytes(answer), addr)
            return
        if not request.check_message_integrity(KEY):
            answer.message_class = Class.ERROR
            answer.attributes = {
                "ERROR-CODE": (401, "Unauthorized"),
                "REALM": REALM,
                "NONCE": b"nonce",
            }
            self.send(bytes(answer), addr)
            return
        match request.message_method:
            case Method.ALLOCATE:
                answer.attributes["LIFETIME"] = 600
                answer.attributes["XOR-MAPPED-ADDRESS"] = addr
                answer.attributes["XOR-RELAYED-ADDRESS"] = await self._allocate(addr)
            case Method.CHANNEL_BIND:
                channel = request.attributes["CHANNEL-NUMBER"]
                peer = request.attributes["XOR-PEER-ADDRESS"]
                self._allocations[addr].peers[channel] = peer
            case Method.REFRESH:
                answer.attributes["LIFETIME"] = request.attributes["LIFETIME"]
            case _:
                return
        answer.add_message_integrity(KEY)
        self.send(bytes(answer), addr)

    async def _allocate(self, client: Place) -> Place:
        if client not in self._allocations:
            transport, allocation = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _Allocation(self, client), local_addr=(self.host, 0)
            )
            allocation.transport = transport
            self._allocations[client] = allocation
        place: Place = self._allocations[client].transport.get_extra_info("sockname")
        return place

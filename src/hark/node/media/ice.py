"""ICE for one connection, over `aioice`, with what it lacks.

- Addresses come in two steps: those of the machine at once, those of servers when they answer.
- No server is asked that was not named.
- Pairs through a relay are held back: checks choose the first pair that works, and a relay
  often answers before a direct path does.
- Whatever arrives at a socket is survived: what is neither a check nor data from an address
  that checks are made with is dropped and counted.

Private parts of `aioice` are used; tests/shell/media/test_engine_libraries.py names them.
Source: spec/calls.md#candidates; RFC 8445.
"""

import asyncio
import secrets
from collections.abc import Sequence

from aioice import Candidate, Connection
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import (
    StunProtocol,
    get_host_addresses,
    relayed_candidate,
    server_reflexive_candidate,
)
from aioice.stun import Message, TransactionError

from hark.calls.media import IceServer, MediaPath
from hark.node.media.candidates import (
    Server,
    from_ice,
    may_be_tried,
    only_loopback,
    own_addresses,
    parse_server,
    path_of,
    to_ice,
    without_repeats,
)
from hark.wire.call import MAX_CANDIDATES, CallCandidate, CandidateKind

RELAY_DELAY_S = 1.2
"""How long direct paths are tried alone."""
SERVER_S = 5.0
"""How long a STUN or TURN server may take."""
CLOSE_S = 1.0
"""How long a relay may take to let go of us."""
MAX_SERVERS = 4
MAX_SERVER_ADDRESSES = 8
"""Addresses found by servers that are told, so that one signal can carry them."""
MAX_REMOTE = 2 * MAX_CANDIDATES
"""Addresses of the other end: those that it told, and those that its checks came from."""
MAX_WAITING = 256
"""Datagrams of a connection that wait for being read: five seconds of voice."""
MAX_DATAGRAM_BYTES = 1_500
"""Nothing of ours is longer, and nothing longer passes a common link in one piece."""


class _Socket(StunProtocol):
    """One socket. No datagram can raise out of it."""

    receiver: "IceConnection"

    def datagram_received(self, data: bytes | str, addr: tuple[str, int]) -> None:
        """Let checks and expected data through."""
        assert isinstance(data, bytes)
        if not self.receiver.expects(data, addr):
            self.receiver.refused += 1
            return
        try:
            super().datagram_received(data, addr)
        except Exception:  # The parser fails in many ways, `struct.error` among them.
            self.receiver.refused += 1


class IceConnection(Connection):
    """The addresses and checks of one connection.

    Args:
        controlling: whether we decide which pair is used.
        hide_address: whether only relayed addresses may be used.
    """

    def __init__(self, *, controlling: bool, hide_address: bool) -> None:
        # No server is named here: of itself the library asks none.
        super().__init__(
            controlling,
            local_username=secrets.token_hex(4),
            local_password=secrets.token_hex(16),
        )
        self.refused = 0
        """Datagrams that were dropped."""
        self._hide_address = hide_address
        self._loopback = False
        self._address_seen = False
        self._remote_count = 0
        self._remote_final = False
        self._gathered = False
        self._relays_free = hide_address
        self._held_sockets: list[StunProtocol] = []
        self._held_remote: list[CallCandidate] = []

    # Our addresses.

    async def gather_hosts(self) -> tuple[CallCandidate, ...]:
        """Open sockets on the addresses of this machine, and return those."""
        if not self._hide_address:
            addresses = own_addresses(get_host_addresses(use_ipv4=True, use_ipv6=True))
            self._loopback = only_loopback(addresses)
            for address in addresses:
                await self._open_socket(address)
        self._local_candidates_start = self._local_candidates_end = True
        return tuple(from_ice(candidate) for candidate in self._local_candidates)

    async def gather_servers(self, servers: Sequence[IceServer]) -> tuple[CallCandidate, ...]:
        """Ask servers for further addresses of ours, and return those. Called once."""
        usable = [one for one in map(parse_server, servers[:MAX_SERVERS]) if one is not None]
        sockets = [one for one in self._protocols if ":" not in one.local_candidate.host]
        jobs = [self._relayed(one) for one in usable if one.relays]
        for one in usable:
            if not one.relays:
                jobs += [self._reflexive(one, socket) for socket in sockets]
        found = [one for one in await asyncio.gather(*jobs) if one is not None]
        found = without_repeats(found)[:MAX_SERVER_ADDRESSES]
        self._local_candidates += found
        self._gathered = True
        await self._end_when_complete()
        return tuple(from_ice(candidate) for candidate in found)

    async def _open_socket(self, address: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            transport, socket = await loop.create_datagram_endpoint(
                lambda: _Socket(self), local_addr=(address, 0)
            )
        except OSError:
            # An address may vanish between being listed and being used.
            return
        host, port = transport.get_extra_info("sockname")[:2]
        socket.local_candidate = Candidate(
            foundation=candidate_foundation("host", "udp", host),
            component=1,
            transport="udp",
            priority=candidate_priority(1, "host"),
            host=host,
            port=port,
            type="host",
        )
        self._protocols.append(socket)
        self._local_candidates.append(socket.local_candidate)

    async def _reflexive(self, server: Server, socket: StunProtocol) -> Candidate | None:
        try:
            async with asyncio.timeout(SERVER_S):
                found, _ = await server_reflexive_candidate(socket, (server.host, server.port))
        except (TimeoutError, OSError, TransactionError, KeyError):
            return None
        return found

    async def _relayed(self, server: Server) -> Candidate | None:
        try:
            async with asyncio.timeout(SERVER_S):
                found, socket = await relayed_candidate(
                    component=1,
                    hide_related_address=True,
                    protocol_factory=lambda: _Socket(self),
                    turn_server=(server.host, server.port),
                    turn_username=server.username,
                    turn_password=server.credential,
                    turn_ssl=server.tls,
                    turn_transport=server.transport,
                )
        except (TimeoutError, OSError, TransactionError):
            return None
        if self._relays_free:
            self._use_socket(socket)
        else:
            self._held_sockets.append(socket)
        return found

    def _use_socket(self, socket: StunProtocol) -> None:
        self._protocols.append(socket)
        for remote in self._remote_candidates:
            self._pair_remote_candidate(remote)
        self.sort_check_list()

    # Their addresses.

    async def add_remote(self, candidates: Sequence[CallCandidate], *, final: bool) -> None:
        """Try further addresses of the other end, those that may be tried."""
        if self._remote_final:
            return
        for candidate in candidates:
            if self._remote_count >= MAX_CANDIDATES:
                break
            if not may_be_tried(candidate, loopback=self._loopback):
                continue
            self._remote_count += 1
            relayed = candidate.kind == CandidateKind.RELAYED
            self._address_seen |= not relayed
            if relayed and not self._relays_free:
                self._held_remote.append(candidate)
            else:
                await self.add_remote_candidate(to_ice(candidate))
        self._remote_final = final
        if final and not self._address_seen:
            await self.release_relays()
        await self._end_when_complete()

    async def release_relays(self) -> None:
        """Try pairs through relays too, from now on."""
        self._relays_free = True
        for socket in self._held_sockets:
            self._use_socket(socket)
        self._held_sockets.clear()
        held, self._held_remote = self._held_remote, []
        for candidate in held:
            await self.add_remote_candidate(to_ice(candidate))
        await self._end_when_complete()

    async def _end_when_complete(self) -> None:
        """Say that there will be no more pairs; without it failing checks go on for ever."""
        complete = self._remote_final and self._gathered
        held = self._held_remote or self._held_sockets
        if complete and not held and not self._remote_candidates_end:
            await self.add_remote_candidate(None)

    # Checks and data.

    async def establish(self, username: str, password: str) -> None:
        """Find a path.

        Raises:
            ConnectionError: no pair of addresses works.
        """
        self.remote_username = username
        self.remote_password = password
        release = asyncio.create_task(self._release_later())
        try:
            await self.connect()
        finally:
            release.cancel()

    async def _release_later(self) -> None:
        await asyncio.sleep(RELAY_DELAY_S)
        await self.release_relays()

    def path(self) -> MediaPath:
        """Describe the path; only after `establish`."""
        pair = self._nominated[1]
        return path_of(
            pair.local_candidate,
            pair.remote_candidate,
            address_shown=not self._hide_address,
            address_seen=self._address_seen or pair.remote_candidate.type != "relay",
        )

    def expects(self, data: bytes, source: tuple[str, int]) -> bool:
        """Return whether a datagram is worth a look."""
        if not data or len(data) > MAX_DATAGRAM_BYTES:
            return False
        # Checks begin with two zero bits and carry their own proof. Source: RFC 7983.
        if data[0] < 4:
            return True
        return any(
            (remote._network_host, remote.port) == source[:2]  # noqa: SLF001
            for remote in self._remote_candidates
        )

    def data_received(self, data: bytes, component: int) -> None:
        """Keep DTLS and SRTP until they are read; drop anything else. Source: RFC 7983."""
        known = 20 <= data[0] <= 63 or 128 <= data[0] <= 191
        if known and self._queue.qsize() < MAX_WAITING:
            super().data_received(data, component)
        else:
            self.refused += 1

    def check_incoming(
        self, message: Message, addr: tuple[str, int], protocol: StunProtocol
    ) -> None:
        """Take a check that has proved to be of the other end, from one more address."""
        if "PRIORITY" in message.attributes and len(self._remote_candidates) < MAX_REMOTE:
            super().check_incoming(message, addr, protocol)
        else:
            self.refused += 1

    async def close(self) -> None:
        """Close all sockets. A relay that does not answer the farewell is left to itself."""
        self._protocols += self._held_sockets
        self._held_sockets.clear()
        sockets = [socket.transport for socket in self._protocols]
        for socket in sockets:
            socket.close()
        try:
            async with asyncio.timeout(CLOSE_S):
                await super().close()
        except TimeoutError:
            # Otherwise the library goes on asking for a minute.
            farewells = [vars(socket).get("_TurnTransport__close_task") for socket in sockets]
            for farewell in farewells:
                if isinstance(farewell, asyncio.Task):
                    farewell.cancel()

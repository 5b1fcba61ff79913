"""Which addresses may be told, used and believed, as plain rules.

A peer that we speak with tells us where to send packets to. Whatever it says, we send nothing
to this machine itself, to whole networks, or to addresses that nobody outside has.
Source: spec/calls.md#candidates; RFC 8445 section 5.1.1.
"""

import ipaddress
import re
from dataclasses import dataclass

from aioice import Candidate

from hark.calls.media import IceServer, MediaPath, Nat, PathKind
from hark.wire.call import CallCandidate, CandidateKind

MAX_HOST_ADDRESSES = 8
"""Addresses of this machine that are tried, so that one signal can carry them."""

_NAMES = {
    CandidateKind.HOST: "host",
    CandidateKind.REFLEXIVE: "srflx",
    CandidateKind.RELAYED: "relay",
}
_KINDS = {name: kind for kind, name in _NAMES.items()}
_SERVER = re.compile(
    r"(?P<scheme>stun|turns?):(?P<host>\[[0-9a-fA-F:]+\]|[^?:\[\]]+)(:(?P<port>[0-9]{1,5}))?"
    r"(\?transport=(?P<transport>udp|tcp))?"
)


@dataclass(frozen=True, slots=True)
class Server:
    """A STUN or TURN server, taken apart."""

    relays: bool
    host: str
    port: int
    tls: bool
    transport: str
    """`udp` or `tcp`."""
    username: str
    credential: str

    def __repr__(self) -> str:
        """Say nothing of what it holds."""
        return "Server(…)"


def parse_server(server: IceServer) -> Server | None:
    """Take the address of a server apart; None when it is none that can be used."""
    match = _SERVER.fullmatch(server.url)
    if match is None:
        return None
    scheme = match["scheme"]
    tls = scheme == "turns"
    transport = match["transport"] or ("tcp" if tls else "udp")
    if (scheme == "stun" and match["transport"]) or (tls and transport == "udp"):
        return None
    return Server(
        relays=scheme != "stun",
        host=match["host"].strip("[]"),
        port=int(match["port"] or (5349 if tls else 3478)),
        tls=tls,
        transport=transport,
        username=server.username,
        credential=server.credential,
    )


def own_addresses(found: list[str]) -> list[str]:
    """Return the addresses to be used of those that the machine has.

    The loopback address is one only where there is no other: two programs on a machine
    without a network still reach each other.
    """
    usable = [address for address in found if not _is_local(address)]
    return usable[:MAX_HOST_ADDRESSES] or ["127.0.0.1"]


def only_loopback(addresses: list[str]) -> bool:
    """Return whether none of these addresses is known outside of this machine."""
    return all(ipaddress.ip_address(address).is_loopback for address in addresses)


def may_be_tried(candidate: CallCandidate, *, loopback: bool) -> bool:
    """Return whether packets may be sent to an address that a peer told us.

    Args:
        candidate: as the peer described it.
        loopback: whether we ourselves have loopback addresses only.
    """
    try:
        address = ipaddress.ip_address(candidate.address)
    except ValueError:
        return False
    if not 1 <= candidate.port <= 65_535 or candidate.kind not in list(CandidateKind):
        return False
    # Python counts ::1 among the reserved addresses, so loopback is looked at first.
    if address.is_loopback:
        return loopback
    return not (
        address.is_multicast
        or address.is_unspecified
        or address.is_link_local
        # 240.0.0.0/4 with the broadcast address; in IPv6 also IPv4 in disguise.
        or address.is_reserved
    )


def to_ice(candidate: CallCandidate) -> Candidate:
    """Return a candidate in the form of the ICE library."""
    return Candidate(
        foundation=candidate.foundation,
        component=1,
        transport="udp",
        priority=candidate.priority,
        host=candidate.address,
        port=candidate.port,
        type=_NAMES[CandidateKind(candidate.kind)],
    )


def from_ice(candidate: Candidate) -> CallCandidate:
    """Return a candidate of ours as it is told: without the address that it stands for."""
    return CallCandidate(
        kind=_KINDS[candidate.type],
        address=str(ipaddress.ip_address(candidate.host)),
        port=candidate.port,
        priority=candidate.priority,
        foundation=candidate.foundation,
    )


def without_repeats(candidates: list[Candidate]) -> list[Candidate]:
    """Return the candidates with different addresses: two servers often see the same one."""
    return list({(one.host, one.port): one for one in candidates}.values())


def path_of(
    local: Candidate, remote: Candidate, *, address_shown: bool, address_seen: bool
) -> MediaPath:
    """Describe the path between the two addresses that were chosen."""
    relays = [one.host for one in (local, remote) if one.type == "relay"]
    direct = local.type == remote.type == "host"
    return MediaPath(
        kind=PathKind.RELAYED if relays else PathKind.DIRECT,
        relay=relays[0] if relays else "",
        nat=Nat.NONE if direct else Nat.UNKNOWN,
        address_shown=address_shown,
        address_seen=address_seen,
    )


def _is_local(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    return parsed.is_loopback or parsed.is_link_local

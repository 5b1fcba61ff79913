"""Which addresses may be told, used and believed."""

import pytest
from aioice import Candidate

from hark.calls.media import IceServer, Nat, PathKind
from hark.node.media.candidates import (
    MAX_HOST_ADDRESSES,
    from_ice,
    may_be_tried,
    only_loopback,
    own_addresses,
    parse_server,
    path_of,
    to_ice,
    without_repeats,
)
from hark.wire.call import CallCandidate, CandidateKind


def at(address: str, port: int = 4_000, kind: int = CandidateKind.HOST) -> CallCandidate:
    return CallCandidate(kind=kind, address=address, port=port, priority=1, foundation="f")


def ice(kind: str, host: str = "192.0.2.1", port: int = 1) -> Candidate:
    return Candidate("f", 1, "udp", 1, host, port, kind)


@pytest.mark.parametrize(
    "address",
    ["192.0.2.7", "10.0.0.1", "172.16.3.4", "100.64.0.9", "2001:db8::1", "fd00::2"],
)
def test_address_of_a_machine_is_tried(address: str) -> None:
    assert may_be_tried(at(address), loopback=False)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "255.255.255.255",
        "240.1.2.3",
        "224.0.0.251",
        "239.255.255.250",
        "169.254.169.254",
        "::",
        "ff02::1",
        "ff0e::1",
        "fe80::1",
        "::ffff:127.0.0.1",
        "::ffff:192.0.2.1",
        "peer.local",
        "",
        "192.0.2.1 ",
    ],
)
@pytest.mark.parametrize("loopback", [False, True])
def test_address_that_is_no_other_machine_is_never_tried(address: str, loopback: bool) -> None:
    assert not may_be_tried(at(address), loopback=loopback)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_loopback_is_tried_only_where_we_have_nothing_else(address: str) -> None:
    assert not may_be_tried(at(address), loopback=False)
    assert may_be_tried(at(address), loopback=True)


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_port_that_is_none_is_not_tried(port: int) -> None:
    assert not may_be_tried(at("192.0.2.7", port), loopback=False)


def test_unknown_kind_is_not_tried() -> None:
    assert not may_be_tried(at("192.0.2.7", kind=3), loopback=False)


def test_loopback_is_our_address_only_without_another() -> None:
    assert own_addresses([]) == ["127.0.0.1"]
    assert own_addresses(["127.0.0.1", "169.254.3.4", "::1"]) == ["127.0.0.1"]
    assert own_addresses(["127.0.0.1", "192.0.2.1"]) == ["192.0.2.1"]
    assert only_loopback(["127.0.0.1"])
    assert not only_loopback(["127.0.0.1", "192.0.2.1"])


def test_machine_with_many_addresses_tells_some_of_them() -> None:
    found = [f"192.0.2.{number}" for number in range(1, 100)]
    assert own_addresses(found) == found[:MAX_HOST_ADDRESSES]


@pytest.mark.parametrize("kind", list(CandidateKind))
def test_candidate_comes_back_from_the_library_as_it_was(kind: CandidateKind) -> None:
    assert from_ice(to_ice(at("192.0.2.7", 9, kind))) == at("192.0.2.7", 9, kind)


def test_address_that_two_servers_see_is_told_once() -> None:
    found = [ice("srflx", port=5), ice("srflx", port=5), ice("srflx", port=6)]
    assert [one.port for one in without_repeats(found)] == [5, 6]


@pytest.mark.parametrize(
    ("local", "remote", "kind", "relay", "nat"),
    [
        ("host", "host", PathKind.DIRECT, "", Nat.NONE),
        ("srflx", "host", PathKind.DIRECT, "", Nat.UNKNOWN),
        ("host", "prflx", PathKind.DIRECT, "", Nat.UNKNOWN),
        ("relay", "host", PathKind.RELAYED, "192.0.2.1", Nat.UNKNOWN),
        ("host", "relay", PathKind.RELAYED, "192.0.2.2", Nat.UNKNOWN),
        ("relay", "relay", PathKind.RELAYED, "192.0.2.1", Nat.UNKNOWN),
    ],
)
def test_path_is_named_after_the_pair_that_was_chosen(
    local: str, remote: str, kind: PathKind, relay: str, nat: Nat
) -> None:
    path = path_of(ice(local), ice(remote, "192.0.2.2"), address_shown=True, address_seen=False)
    assert (path.kind, path.relay, path.nat) == (kind, relay, nat)
    assert path.address_shown
    assert not path.address_seen


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("stun:stun.example", (False, "stun.example", 3478, False, "udp")),
        ("stun:192.0.2.1:5000", (False, "192.0.2.1", 5000, False, "udp")),
        ("turn:relay.example", (True, "relay.example", 3478, False, "udp")),
        ("turn:relay.example:1?transport=tcp", (True, "relay.example", 1, False, "tcp")),
        ("turns:relay.example", (True, "relay.example", 5349, True, "tcp")),
        ("turn:[2001:db8::1]:99", (True, "2001:db8::1", 99, False, "udp")),
    ],
)
def test_server_is_taken_apart(url: str, expected: tuple[bool, str, int, bool, str]) -> None:
    server = parse_server(IceServer(url, "user", "credential"))
    assert server is not None
    assert (
        server.relays,
        server.host,
        server.port,
        server.tls,
        server.transport,
    ) == expected
    assert "credential" not in repr(server)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://stun.example",
        "stun:",
        "stuns:stun.example",
        "stun:stun.example?transport=tcp",
        "turns:relay.example?transport=udp",
        "turn:relay.example?transport=sctp",
        "turn:relay.example:port",
        "turn:a?b",
    ],
)
def test_what_is_no_server_is_not_used(url: str) -> None:
    assert parse_server(IceServer(url)) is None

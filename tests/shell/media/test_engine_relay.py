"""Paths through a relay: when they are taken, and what they hide."""

import asyncio
import time

import pytest
from aioice.ice import get_host_addresses

from hark.calls.media import (
    FirstSound,
    IceServer,
    LocalCandidates,
    LocalMedia,
    MediaConnected,
    MediaFailed,
    MediaFailure,
    PathKind,
)
from hark.node.media import ice
from hark.node.media.candidates import own_addresses
from hark.wire.call import CandidateKind
from tests.shell.media.ends import (
    CALL,
    HEARD,
    End,
    Speaker,
    in_a_loop,
    introduce,
    share_of_tone,
    tone,
    two_ends,
)
from tests.shell.media.relay import Relay

HOST = own_addresses(get_host_addresses(use_ipv4=True, use_ipv6=False))[0]


async def both_hear(left: End, right: End) -> None:
    await left.wait(FirstSound)
    await right.wait(FirstSound)


def kinds_told(end: End) -> set[int]:
    first = [one.kind for fact in end.told(LocalMedia) for one in fact.candidates]
    more = [one.kind for fact in end.told(LocalCandidates) for one in fact.candidates]
    return {*first, *more}


@pytest.mark.claim("C-5")
def test_hidden_address_is_told_to_nobody_and_sound_passes_the_relay() -> None:
    async def scenario() -> None:
        async with Relay(HOST) as relay, two_ends() as (left, right):
            listener = Speaker()
            left.engine.attach(CALL, Speaker(tone(400)))
            right.engine.attach(CALL, listener)
            introduce(left, right)
            left.open(controlling=True, hide_address=True, servers=(relay.server(),))
            right.open(controlling=False, hide_address=True, servers=(relay.server(),))
            await both_hear(left, right)
            await asyncio.sleep(1)
            assert share_of_tone(listener.heard[-20:], 400) > HEARD
            assert relay.passed > 80
            for end in (left, right):
                path = end.told(MediaConnected)[0].path
                assert (path.kind, path.relay) == (PathKind.RELAYED, HOST)
                assert not path.address_shown
                assert not path.address_seen
                assert kinds_told(end) == {CandidateKind.RELAYED}

    in_a_loop(scenario)


def test_end_that_hides_sees_the_address_of_one_that_does_not() -> None:
    async def scenario() -> None:
        async with Relay(HOST) as relay, two_ends() as (left, right):
            introduce(left, right)
            left.open(controlling=True, hide_address=True, servers=(relay.server(),))
            right.open(controlling=False)
            await both_hear(left, right)
            hidden, shown = (end.told(MediaConnected)[0].path for end in (left, right))
            assert (hidden.kind, hidden.address_shown, hidden.address_seen) == (
                PathKind.RELAYED,
                False,
                True,
            )
            assert (shown.kind, shown.address_shown, shown.address_seen) == (
                PathKind.RELAYED,
                True,
                False,
            )

    in_a_loop(scenario)


def test_direct_path_is_taken_although_a_relay_would_do() -> None:
    async def scenario() -> None:
        async with Relay(HOST) as relay:
            for _ in range(3):
                async with two_ends() as (left, right):
                    # Relays are known on both ends before anybody connects.
                    left.open(controlling=True, servers=(relay.server(),))
                    right.open(controlling=False, servers=(relay.server(),))
                    await left.wait(LocalCandidates)
                    await right.wait(LocalCandidates)
                    introduce(left, right)
                    await both_hear(left, right)
                    for end in (left, right):
                        assert end.told(MediaConnected)[0].path.kind is PathKind.DIRECT

    in_a_loop(scenario)


def test_own_addresses_are_told_before_servers_have_answered() -> None:
    async def scenario() -> None:
        async with Relay(HOST) as relay, two_ends() as (left, _):
            servers = (relay.server("stun"), relay.server())
            left.open(controlling=True, servers=servers)
            more = await left.wait(LocalCandidates)
            [local] = left.told(LocalMedia)
            assert not local.final
            assert {one.kind for one in local.candidates} == {CandidateKind.HOST}
            assert more.final
            assert {one.kind for one in more.candidates} == {
                CandidateKind.REFLEXIVE,
                CandidateKind.RELAYED,
            }

    in_a_loop(scenario)


@pytest.mark.claim("C-5")
def test_hiding_end_asks_no_server_for_its_own_address() -> None:
    async def scenario() -> None:
        async with Relay(HOST) as relay, two_ends() as (left, _):
            left.open(controlling=True, hide_address=True, servers=(relay.server("stun"),))
            failed = await left.wait(MediaFailed, within_s=2)
            assert failed.cause is MediaFailure.NO_CANDIDATES
            assert relay.asked == 0

    in_a_loop(scenario)


def test_servers_that_do_not_answer_hold_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ice, "SERVER_S", 0.5)

    async def scenario() -> None:
        async with Relay(HOST) as relay, two_ends() as (left, right):
            relay.silent = True
            servers = (relay.server("stun"), relay.server(), IceServer("turn:a:b:c"))
            introduce(left, right)
            left.open(controlling=True, servers=servers)
            right.open(controlling=False)
            await left.wait(FirstSound, within_s=2)
            more = await left.wait(LocalCandidates)
            assert more.final
            assert more.candidates == ()

    in_a_loop(scenario)


def test_relay_that_does_not_answer_the_farewell_holds_up_nobody() -> None:
    async def scenario() -> None:
        async with Relay(HOST) as relay:
            async with two_ends() as (left, right):
                introduce(left, right)
                left.open(controlling=True, hide_address=True, servers=(relay.server(),))
                right.open(controlling=False)
                await both_hear(left, right)
                relay.silent = True
                begin = time.monotonic()
            assert time.monotonic() - begin < 3

    in_a_loop(scenario)

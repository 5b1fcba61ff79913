"""Calls with somebody to whom nothing may be sent any more, and over an overtaken store."""

import pytest

from hark.calls.events import CallState
from hark.identity.chain import IdentityChain
from hark.identity.words import RootSeed
from hark.machine import Instant
from hark.messaging import events as m
from hark.messaging import outbox, trust
from hark.messaging.machine import Messaging, load_own
from hark.messaging.provision import create_account, restore_account
from hark.wire.call import (
    CallOffer,
    CallOutcome,
    CallStream,
    CallTransport,
    EndReason,
    Refusal,
    StreamKind,
)
from hark.wire.codec import encode
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import AccountId, MailboxId
from hark_lab.sim import world as simulated
from hark_lab.sim.device_store import DictDeviceStore
from tests.sim.test_calls_between_nodes import Town, outcomes, talk, two, view

NOTICED_S = 3.0
BACK_S = 900.0
"""Links are up again by then."""
TRIES = 60
"""Calls, one after the other, to somebody whose home is away for ten minutes."""


def recovered_chain(town: Town, seed: RootSeed) -> IdentityChain:
    """Return the chain of an account whose owner has begun a new epoch somewhere."""
    store, address = DictDeviceStore(), next(iter(town.world.supernodes.values())).address
    now_unix_ms = simulated.FIRST_UNIX_MS
    restore_account(
        store,
        seed,
        "anna",
        [address],
        random_bytes=town.world.random.randbytes,
        now_unix_ms=now_unix_ms,
    )
    return load_own(store).chain


@pytest.mark.parametrize("stop", ["block", "new epoch"])
def test_a_call_ends_when_nothing_may_be_sent_to_the_contact_any_more(
    stop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[RootSeed] = []

    def noted(
        store: DictDeviceStore, seed: RootSeed, *rest: object, **named: object
    ) -> AccountId:
        seeds.append(seed)
        return create_account(store, seed, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(simulated, "create_account", noted)
    town, caller, anna, ben = two()
    callee = ben.devices[0]
    call = talk(town, caller, ben)
    chain = recovered_chain(town, seeds[0])

    def act(messaging: Messaging, now: Instant) -> None:
        if stop == "block":
            messaging.block(anna.account, now)
        else:
            with messaging._transaction(now) as work:
                trust.learn_chain(work, chain)

    assert callee.do(act)
    # The microphone is closed at once, whatever becomes of the word about it.
    assert view(callee, call).state is CallState.ENDED
    town.run(NOTICED_S)
    assert view(caller, call).state is CallState.ENDED
    assert outcomes(callee, anna) == [CallOutcome.ANSWERED]


def test_a_ring_of_somebody_who_is_blocked_ends() -> None:
    town, caller, anna, ben = two()
    callee = ben.devices[0]
    call = town.call(caller, ben)
    town.run(2.0)
    assert view(callee, call).state is CallState.INCOMING
    assert callee.do(lambda messaging, now: messaging.block(anna.account, now))
    assert view(callee, call).reason is EndReason.DECLINED
    assert outcomes(callee, anna) == [CallOutcome.DECLINED]


def test_blocking_somebody_leaves_the_call_with_somebody_else() -> None:
    town = Town.of(1, simulated.Weather(), {"carl": 1, "ben": 1, "anna": 1})
    carl, ben, anna = town.world.people
    call = talk(town, anna.devices[0], ben)
    assert ben.devices[0].do(lambda messaging, now: messaging.block(carl.account, now))
    town.run(NOTICED_S)
    assert view(ben.devices[0], call).state is CallState.ACTIVE


def test_a_call_over_a_store_that_was_overtaken_can_be_ended_and_the_core_goes_on() -> None:
    town, caller, anna, ben = two()
    callee = ben.devices[0]
    call = talk(town, caller, ben)

    def overtake(messaging: Messaging, now: Instant) -> None:
        home = messaging.whoami().homes[0].address.node_id
        refused = m.MailboxRefused(home, MailboxId(bytes(16)), ErrorCode.STORE_STALE)
        messaging.handle(refused, now)

    assert callee.do(overtake)
    town.run(NOTICED_S)
    assert view(callee, call).state is CallState.ACTIVE

    town.hang_up(callee, call)
    assert callee.up
    assert not callee.overtaken
    town.run(NOTICED_S)
    assert view(callee, call).state is CallState.ENDED
    assert view(caller, call).state is CallState.ENDED
    # Nothing is written to it either: it is somebody else's history now.
    assert outcomes(callee, anna) == [CallOutcome.GOING_ON]


def test_an_offer_by_the_name_of_our_own_call_rings_in_no_history() -> None:
    town, caller, anna, ben = two()
    call = town.call(caller, ben)
    town.run(1.0)
    transport = CallTransport("user", "p" * 22, bytes(32))
    streams = [CallStream(0, StreamKind.VOICE)]
    offer = CallOffer(call, bytes(32), bytes(32), 0, 0, streams, transport, [], True, False)
    order = m.SignalOrder(anna.account, encode(offer), None, None)
    assert ben.devices[0].do(lambda messaging, now: messaging.carry_calls([order], now))
    town.run(NOTICED_S)
    assert view(caller, call).refusal is Refusal.REFLECTED
    assert outcomes(caller, ben) == [CallOutcome.FAILED] * 2


def test_calls_that_nobody_can_hear_of_do_not_use_the_ratchet_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    town, caller, anna, ben = two()
    callee = ben.devices[0]
    for supernode in town.world.supernodes.values():
        supernode.crash()
    town.run(10.0)
    sealed: list[object] = []
    seal = outbox.seal_content

    def counting(*args: object, as_request: bool) -> bytes:
        sealed.append(args[3])
        return seal(*args, as_request=as_request)  # type: ignore[arg-type]

    monkeypatch.setattr(outbox, "seal_content", counting)
    for _ in range(TRIES):
        call = town.call(caller, ben)
        town.run(1.0)
        town.hang_up(caller, call)
        town.run(9.0)
    assert len(sealed) < TRIES / 2
    for supernode in town.world.supernodes.values():
        supernode.start()
    town.run(BACK_S)
    call = talk(town, caller, ben)
    assert view(callee, call).state is CallState.ACTIVE
    assert outcomes(callee, anna) == [CallOutcome.GOING_ON]

"""The doctor says what is unwell, and only that, in words for a person."""

from dataclasses import replace

from hark.control.schema import Check
from hark.messaging.events import Cause
from hark.messaging.views import Diagnostics, OwnAccount, OwnHome
from hark.node.doctor import checks_of
from hark.wire.address import Address
from hark.wire.ids import AccountId, DeviceId, NodeId

HOME = Address(NodeId(bytes(32)), "home.example", 7443)
WELL = Diagnostics(
    generation=3,
    overtaken=False,
    outbox_count=0,
    outbox_by_cause={},
    quarantine_by_cause={},
    clock_offset_ms=0,
    clock_is_wrong=False,
    envelope_key_ages_ms=[3_600_000],
    one_time_keys=50,
    internal_errors={},
)


def account(*, connected: bool, ready: bool) -> OwnAccount:
    homes = [OwnHome(HOME, connected=connected, ready=ready)]
    return OwnAccount(AccountId(bytes(32)), DeviceId(bytes(16)), "anna", 0, 1, 1, homes)


def unwell(
    found: Diagnostics, *, connected: bool = True, ready: bool = True, reason: str = ""
) -> list[Check]:
    own = account(connected=connected, ready=ready)
    return [check for check in checks_of(own, found, {HOME.node_id: reason}) if not check.ok]


def test_nothing_is_unwell_when_all_is_well() -> None:
    assert unwell(WELL) == []


def test_why_a_supernode_is_not_connected_is_said() -> None:
    (check,) = unwell(WELL, connected=False, ready=False, reason="connection refused")
    assert "connection refused" in check.sentence
    assert HOME.host not in check.sentence


def test_overtaken_store_is_the_only_thing_that_matters() -> None:
    (check,) = unwell(replace(WELL, overtaken=True), connected=False, ready=False)
    assert "old copy" in check.sentence
    assert "hark restore" in check.sentence


def test_clock_that_is_a_day_off_is_named_with_its_direction() -> None:
    behind = replace(WELL, clock_offset_ms=86_400_000, clock_is_wrong=True)
    (check,) = unwell(behind)
    assert "1440 minutes behind" in check.sentence
    ahead = replace(WELL, clock_offset_ms=-86_400_000, clock_is_wrong=True)
    assert "1440 minutes ahead of" in unwell(ahead)[0].sentence


def test_messages_that_only_a_person_can_free_are_unwell() -> None:
    stuck = replace(WELL, outbox_count=2, outbox_by_cause={Cause.NEW_EPOCH.value: 2})
    (check,) = unwell(stuck)
    assert "hark verify NAME" in check.sentence


def test_messages_on_their_way_are_not_unwell() -> None:
    on_the_way = replace(WELL, outbox_count=2, outbox_by_cause={Cause.NONE.value: 2})
    assert unwell(on_the_way) == []


def test_every_cause_has_a_sentence() -> None:
    for cause in Cause:
        found = replace(WELL, outbox_count=1, outbox_by_cause={cause.value: 1})
        lines = checks_of(account(connected=True, ready=True), found, {})
        (outbox,) = [check for check in lines if check.name == "outbox"]
        assert cause is Cause.NONE or "on their way" not in outbox.sentence


def test_bug_of_ours_is_unwell_and_says_that_nothing_is_lost() -> None:
    (check,) = unwell(replace(WELL, internal_errors={"KeyError": 1}))
    assert "nothing is lost" in check.sentence

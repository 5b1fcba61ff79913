"""How messaging behaves: every interval and bound, with unit and reason.

What two sides must agree on is not here but in `hark.wire` and `spec/registry.toml`.
Source: spec/messaging.md#limits.
"""

from dataclasses import dataclass

SECOND_MS = 1000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class MessagingConfig:
    """Settings of one device. The defaults are the protocol's; tests shorten some."""

    outbox_life_ms: int = 30 * DAY_MS
    """A message that nobody has received for so long is *expired*."""
    reput_delays_ms: tuple[int, ...] = (
        MINUTE_MS,
        4 * MINUTE_MS,
        16 * MINUTE_MS,
        HOUR_MS,
        4 * HOUR_MS,
        12 * HOUR_MS,
    )
    """Waits before the same bytes are put again, while no receipt has come; the last one
    repeats. A home that lost its disk is cured by this."""
    heal_grace_ms: int = 2 * MINUTE_MS
    """Wait between learning that the recipient was here and opening a new session: its
    receipt may be on the way."""
    session_interval_ms: int = HOUR_MS
    """At most one new session to a device in this time."""
    max_sessions: int = 5
    """Sessions kept for one device."""
    put_window: int = 40
    """Envelopes for one device that no home holds yet. A receiving chain keeps 40 skipped
    keys, and puts may overtake each other."""
    retry_first_ms: int = 5 * SECOND_MS
    """First wait after a lost ask; doubles with each one …"""
    retry_last_ms: int = 5 * MINUTE_MS
    """… up to this."""
    ask_timeout_ms: int = 5 * MINUTE_MS
    """An ask that has had no answer for so long is taken for lost."""
    envelope_key_ms: int = DAY_MS
    """Age at which the envelope key is replaced."""
    envelope_key_keep_ms: int = 3 * DAY_MS
    """A key is deleted so long after its successor lay at every home."""
    expired_key_ms: int = 30 * DAY_MS
    """A record past its end is used for so long if it is still the newest."""
    clock_slack_ms: int = 26 * HOUR_MS
    """Differences of clocks that are no reason to refuse a key."""
    clock_warning_ms: int = 5 * MINUTE_MS
    fallback_ms: int = 7 * DAY_MS
    """Age at which the fallback prekey is replaced."""
    prekeys_one_home: int = 50
    prekeys_two_homes: int = 25
    """One-time keys at each of two homes; the sets are disjoint."""
    max_one_time_keys: int = 1000
    """One-time keys out and unused; beyond it the fallback serves (a pickle of 5,000 has
    800 kB)."""
    receipt_open_ms: int = 2 * SECOND_MS
    """Longest wait of a delivery receipt while the chat is open; the wait is random."""
    receipt_batch_ms: int = 10 * SECOND_MS
    """Wait of delivery receipts otherwise; at most 60 s. Receipts then share an envelope."""
    receipt_repeat_ms: int = MINUTE_MS
    """A repeated envelope makes us repeat its receipt at most so often."""
    invitation_ms: int = 7 * DAY_MS
    max_requests: int = 100
    """Strangers waiting for an answer."""
    quarantine_ms: int = 7 * DAY_MS
    max_quarantine: int = 256
    max_quarantine_bytes: int = 4 * 1024 * 1024
    received_ms: int = 61 * DAY_MS
    """How long a message id is known, so that no resend is shown twice."""
    dead_home_ms: int = 3 * DAY_MS
    """A home that was not reached for so long no longer keeps old keys alive."""
    maintenance_ms: int = 10 * MINUTE_MS
    """How often keys, lives and quarantine are looked at."""
    typing_interval_ms: int = 10 * SECOND_MS
    presence_interval_ms: int = 5 * MINUTE_MS
    max_open_chats: int = 20
    max_live_unanswered: int = 20
    """Live envelopes to a device that has said nothing since; each leaves a gap in the
    receiving chain."""
    card_repeat_ms: int = HOUR_MS
    """A contact that still uses an old token is told the new one at most so often."""
    ring_ms: int = MINUTE_MS
    """A signal of a call that a home has held for longer does not ring any more."""
    signal_life_ms: int = MINUTE_MS
    """A signal that no home has taken for so long is given up."""
    call_request_ms: int = HOUR_MS
    """A contact that has not accepted us is told at most so often that we would like to
    call."""
    due_batch: int = 200
    """Rows looked at in one transaction when their time has come."""

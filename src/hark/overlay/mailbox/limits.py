"""How much a home holds, for whom and how long (spec/mailbox.md#limits).

The defaults are the numbers of `spec/registry.toml`, section `limits.mailbox`. An operator may
promise less or more; a sender learns what it got from the answers alone.
"""

from dataclasses import dataclass

from hark.wire.mailbox import MAX_PREKEYS_PER_REQUEST

KIB = 1024
MIB = 1024 * KIB
MINUTE_MS = 60 * 1000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

ENVELOPE_OVERHEAD_BYTES = 1146
"""What a sealed envelope adds to its padded inside (spec/messaging.md#envelope)."""
REQUEST_ENVELOPE_BYTES = (
    ENVELOPE_OVERHEAD_BYTES + 16 * KIB,
    ENVELOPE_OVERHEAD_BYTES + 32 * KIB,
)
"""The only sizes that a requests mailbox takes: one bucket for everybody, and a second one for
introductions that a rotated root has made longer."""


@dataclass(frozen=True, slots=True)
class MailboxLimits:
    """Quotas, lives and rates of a mailbox service."""

    contact_envelopes: int = 10_000
    """Envelopes in a contact mailbox: a month of 300 a day."""
    contact_bytes: int = 64 * MIB
    """Bytes in a contact mailbox: about 30 times the text of those."""
    requests_envelopes: int = 100
    """Envelopes in a requests mailbox. More strangers than a person answers; a flood of stamps
    fills it and disturbs nothing else."""
    requests_bytes: int = 2 * MIB
    """Bytes in a requests mailbox: a hundred small requests."""
    envelope_life_ms: int = 30 * DAY_MS
    """How long an envelope is held. The sender's outbox gives up at the same time."""
    mailbox_life_ms: int = 90 * DAY_MS
    """How long a mailbox stays without a login: three times the life of what it holds."""
    new_mailbox_life_ms: int = 7 * DAY_MS
    """How long a mailbox stays before its first login. Its maker logs in at once; a stamp
    of 16 bits must not buy three months of room."""
    push_window: int = 64
    """Unacknowledged envelopes pushed to one mailbox's link. At a round trip of 100 ms that is
    640 envelopes a second."""
    push_window_bytes: int = 1 * MIB
    """Unacknowledged bytes likewise: what a link that does not read may cost its worker."""
    one_time_prekeys: int = MAX_PREKEYS_PER_REQUEST
    """One-time keys held: two and a half hours of claims at the highest rate."""
    prekey_refill_mark: int = MAX_PREKEYS_PER_REQUEST // 2
    """At this many or fewer after a claim, the owner is told."""
    claims_per_hour: int = 20
    """One-time keys given out in an hour; after them the fallback key only, so that nobody
    empties the store and wears the device out with refilling."""
    passes: int = 64
    """Invitation passes of one mailbox at a time: more open invitations than a person has."""
    pass_life_ms: int = 30 * DAY_MS
    """Longest life of a pass, whatever was asked for. Invitations live for seven days."""
    create_stamp_bits: int = 16
    """Work for making a mailbox: a tenth of a second. The operator has other means against
    floods of mailboxes (links, admission); a person must not wait."""
    request_stamp_bits: int = 20
    """Work for writing to a stranger: about a second."""
    max_request_stamp_bits: int = 26
    """Work under load: about a minute."""
    stamps_at_base: int = 8
    """Stamps that a mailbox takes within a challenge's life before the price rises; each
    doubling costs one more bit. Nobody has eight new acquaintances in ten minutes."""
    used_challenges: int = 200_000
    """Challenges remembered as used, all mailboxes together (about 30 MB). Beyond it no stamp
    is taken until older ones have expired: that is 330 a second, each worth a second's work."""
    full_retry_ms: int = 1 * HOUR_MS
    """When to try a full mailbox again: its owner has to come back first."""
    unavailable_retry_ms: int = 1 * MINUTE_MS
    """When to try again after the disk was full or failed."""


DEFAULT_MAILBOX_LIMITS = MailboxLimits()

"""The mailboxes that a node opens at one supernode (spec/link.md#login).

They are remembered over reconnects. On each link every one of them is logged in to once; a
refusal that time may heal is tried again on the same link.
"""

from dataclasses import dataclass

from hark.crypto.signing import SigningKey
from hark.machine import Instant, RandomBytes
from hark.overlay.link.backoff import Backoff
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import MailboxId

PASSING_REFUSALS = frozenset(
    {
        ErrorCode.RATE_LIMITED,
        ErrorCode.STORE_UNAVAILABLE,
        ErrorCode.OVERLOADED,
        ErrorCode.INTERNAL,
    }
)
"""Refusals that say nothing about the mailbox, only about this moment."""


@dataclass(slots=True)
class Membership:
    """One mailbox that is ours."""

    mailbox: MailboxId
    owner: SigningKey
    generation: int
    instance: bytes
    backoff: Backoff
    retry_at: Instant | None = None
    """When to log in again after a passing refusal."""


class Memberships:
    """What to log in to, what has been asked on this link, and what is attached."""

    def __init__(self, random_bytes: RandomBytes) -> None:
        self._random_bytes = random_bytes
        self._members: dict[MailboxId, Membership] = {}
        self._awaited: list[tuple[MailboxId, Instant]] = []
        self._attached: set[MailboxId] = set()

    def remember(
        self, mailbox: MailboxId, owner: SigningKey, generation: int, instance: bytes
    ) -> Membership:
        """Log in to this mailbox from now on; replaces what was said of it before."""
        member = Membership(mailbox, owner, generation, instance, Backoff(self._random_bytes))
        self._members[mailbox] = member
        return member

    def forget(self, mailbox: MailboxId) -> None:
        """Do not log in to it again. On the present link it stays as it is."""
        self._members.pop(mailbox, None)

    def knows(self, mailbox: MailboxId) -> bool:
        """Whether it is remembered."""
        return mailbox in self._members

    def all(self) -> list[Membership]:
        """Return everything that is remembered."""
        return list(self._members.values())

    def link_ended(self) -> None:
        """Forget what belonged to the link."""
        self._awaited.clear()
        self._attached.clear()
        for member in self._members.values():
            member.retry_at = None

    def asked(self, member: Membership, give_up_at: Instant) -> None:
        """Note that a login went out."""
        member.retry_at = None
        self._awaited.append((member.mailbox, give_up_at))

    def answered(
        self, mailbox: MailboxId, code: ErrorCode, retry_after_ms: int, now: Instant
    ) -> bool:
        """Note a login's result; False if no such login is under way."""
        for place, (awaited, _) in enumerate(self._awaited):
            if awaited == mailbox:
                del self._awaited[place]
                break
        else:
            return False
        member = self._members.get(mailbox)
        if code is ErrorCode.NONE:
            self._attached.add(mailbox)
            if member is not None:
                member.backoff.reset()
        elif member is not None and code in PASSING_REFUSALS:
            member.retry_at = Instant(now + member.backoff.next_delay_s(retry_after_ms))
        return True

    def attached(self, mailbox: MailboxId) -> bool:
        """Whether the supernode has opened this mailbox for the present link."""
        return mailbox in self._attached

    def due(self, now: Instant) -> list[Membership]:
        """Return those whose login is to be tried again now."""
        return [
            member
            for member in self._members.values()
            if member.retry_at is not None and member.retry_at <= now
        ]

    def give_up_at(self) -> Instant | None:
        """Return when the oldest unanswered login is given up, or None."""
        return self._awaited[0][1] if self._awaited else None

    def deadline(self) -> Instant | None:
        """Return when there is something to give up or to try again, or None."""
        moments = [member.retry_at for member in self._members.values()]
        return min(
            (moment for moment in (*moments, self.give_up_at()) if moment is not None),
            default=None,
        )

"""One transaction of the machine: what it reads and writes, and what it wants done after.

Effects that are given to a `Work` leave the machine only after its transaction has been
committed (`spec/messaging.md#persist-before-send`). What one poisoned input did can be undone
alone: `mark` and `undo_to` do for effects and asks what a savepoint does for rows.
"""

from statistics import median

from hark.crypto.olm import OlmAccount
from hark.machine import Instant, RandomBytes
from hark.messaging.asks import Purpose
from hark.messaging.config import MessagingConfig
from hark.messaging.events import (
    AcknowledgeMail,
    AskHome,
    Event,
    FindStamp,
    MessagingEffect,
    Notify,
)
from hark.messaging.own import OwnDevice, olm_account
from hark.messaging.recall import RecallingTransaction
from hark.messaging.store import Transaction
from hark.messaging.tables import OWN, OlmAccountRow, OwnRow
from hark.messaging.volatile import Stamping, Volatile
from hark.wire.address import Address
from hark.wire.ids import MailboxId, NodeId
from hark.wire.mailbox import MailboxRequest


class Work:
    """The reach of one transaction."""

    def __init__(
        self,
        transaction: Transaction,
        volatile: Volatile,
        config: MessagingConfig,
        random_bytes: RandomBytes,
        *,
        now: Instant,
        now_unix_ms: int,
    ) -> None:
        self.t = RecallingTransaction(transaction)
        self.volatile = volatile
        self.config = config
        self.random_bytes = random_bytes
        self.now = now
        self.now_unix_ms = now_unix_ms
        """Our own clock: what our own deadlines are counted by."""
        self._effects: list[MessagingEffect] = []
        self._asked: list[int] = []
        self._acknowledged: dict[tuple[NodeId, MailboxId], list[int]] = {}

    @property
    def own(self) -> OwnDevice:
        """Who we are."""
        if self.volatile.own is None:
            self.volatile.own = OwnDevice.load(self.t)
        return self.volatile.own

    def save_own(self, row: OwnRow) -> None:
        """Store a change of who we are."""
        self.t.put(OWN, row)
        self.volatile.own = None

    def olm_account(self) -> tuple[OlmAccountRow, OlmAccount]:
        """Load the Olm account for a change."""
        return olm_account(self.t, self.own.pickle_key)

    @property
    def clock_offset_ms(self) -> int:
        """What our clock lacks: the median of what the homes say, within reason."""
        offsets = self.volatile.clock_offsets_ms.values()
        offset = int(median(offsets)) if offsets else 0
        # Beyond the slack one of the two is broken, and guessing which is no correction.
        return offset if abs(offset) <= self.config.clock_slack_ms else 0

    @property
    def calendar_unix_ms(self) -> int:
        """Calendar time as others see it."""
        return self.now_unix_ms + self.clock_offset_ms

    def after_ms(self, delay_ms: float) -> Instant:
        """Return the moment so many milliseconds from now."""
        return Instant(self.now + delay_ms / 1000)

    def random_below(self, bound: int) -> int:
        """Return a random number, 0 <= number < `bound`, for jitter."""
        return int.from_bytes(self.random_bytes(4), "big") % max(1, bound)

    def jittered_ms(self, delay_ms: int) -> int:
        """Return `delay_ms`, spread by a tenth, so that many do not come at once."""
        return delay_ms + self.random_below(delay_ms // 10 + 1)

    def emit(self, effect: MessagingEffect) -> None:
        """Want something done once this transaction has been committed."""
        self._effects.append(effect)

    def notify(self, event: Event) -> None:
        """Tell the faces, once this transaction has been committed."""
        self._effects.append(Notify(event))

    def ask(self, address: Address, request: MailboxRequest, purpose: Purpose) -> bool:
        """Ask a home, unless the same is under way; whether it is asked now."""
        if purpose in self.volatile.busy:
            return False
        ask_id = self.volatile.begin(purpose, self.now)
        self._asked.append(ask_id)
        self.emit(AskHome(ask_id, address, request))
        return True

    def find_stamp(
        self, purpose: Purpose, challenge: bytes, bits: int, mailbox: bytes, subject: bytes
    ) -> None:
        """Have the work of a stamp done."""
        stamp_id = self.volatile.begin(purpose, self.now)
        self._asked.append(stamp_id)
        self.volatile.stamps[stamp_id] = Stamping(challenge, subject)
        self.emit(FindStamp(stamp_id, challenge, bits, mailbox, subject))

    def acknowledge(self, home: NodeId, mailbox: MailboxId, sequence: int) -> None:
        """Let the home delete an envelope, once this transaction has been committed."""
        self._acknowledged.setdefault((home, mailbox), []).append(sequence)

    def mark(self) -> tuple[int, int]:
        """Return a place to which `undo_to` goes back."""
        return len(self._effects), len(self._asked)

    def undo_to(self, mark: tuple[int, int] = (0, 0)) -> None:
        """Give up what was wanted since `mark`; the store undoes its rows itself."""
        del self._effects[mark[0] :]
        for ask_id in self._asked[mark[1] :]:
            self.volatile.end(ask_id)
            self.volatile.stamps.pop(ask_id, None)
        del self._asked[mark[1] :]
        self.volatile.drop_caches()

    def effects(self) -> list[MessagingEffect]:
        """Return what is to be done, acknowledgements last."""
        acks = [
            AcknowledgeMail(home, mailbox, sequences)
            for (home, mailbox), sequences in self._acknowledged.items()
        ]
        return [*self._effects, *acks]

"""Stamps: a little work in place of an introduction (spec/mailbox.md#stamps).

Whoever is not a contact pays for a place in a mailbox with a search for a nonce. The home's
challenge is stateless: it names its time and price and is authenticated by a secret that the
home draws at its start, so handing challenges out costs no memory; only the used ones are
remembered, until they expire.

Challenge, 32 bytes: bits (1), Unix milliseconds (7), random (8), authentication code over
those and the mailbox (16).
"""

import hashlib
import hmac

from hark.crypto.hashing import equal
from hark.crypto.labels import Label
from hark.machine import RandomBytes
from hark.overlay.mailbox.limits import MINUTE_MS, MailboxLimits
from hark.overlay.mailbox.undoable import UndoableDict
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import MailboxId
from hark.wire.mailbox import Challenge, Stamp

CHALLENGE_LIFE_MS = 10 * MINUTE_MS
"""How long a challenge is valid. A slow phone finds 26 bits in that time, mostly."""
NO_MAILBOX = MailboxId(bytes(16))
"""The mailbox of a stamp for making a mailbox."""
NONCE_BYTES = 8
MAX_BITS = 32

_HEAD_BYTES = 16
_CODE_BYTES = 16


def stamp_holds(
    challenge: bytes, mailbox: bytes, subject_hash: bytes, bits: int, nonce: bytes
) -> bool:
    """Whether a nonce is the work that was asked for.

    Args:
        challenge: the home's challenge, 32 bytes.
        mailbox: where the envelope goes, or `NO_MAILBOX`, 16 bytes.
        subject_hash: what the stamp is for: the envelope's hash, or the owner key's.
        bits: zero bits asked for, 0..32.
        nonce: 8 bytes.
    """
    digest = hashlib.sha256(Label.STAMP + challenge + mailbox + subject_hash + nonce).digest()
    return _leading_zeros(digest, bits)


def find_nonce(  # noqa: PLR0917 - the first four name the stamp, as in `stamp_holds`
    challenge: bytes, mailbox: bytes, subject_hash: bytes, bits: int, start: int, count: int
) -> bytes | None:
    """Look for a nonce among `count` candidates from `start` on.

    It is the caller who decides how long a slice is, and on which thread; about a million
    candidates a second. Arguments as `stamp_holds`.

    Returns:
        A nonce, or None if there is none in this slice.
    """
    # The common beginning is hashed once; `sha256()` of our own would hash it each time.
    common = hashlib.sha256(Label.STAMP + challenge + mailbox + subject_hash)
    limit = 1 << (256 - bits)
    for candidate in range(start, start + count):
        state = common.copy()
        nonce = candidate.to_bytes(NONCE_BYTES, "big")
        state.update(nonce)
        if int.from_bytes(state.digest(), "big") < limit:
            return nonce
    return None


class StampDesk:
    """Hands out challenges and takes stamps, each once."""

    def __init__(self, random_bytes: RandomBytes, limits: MailboxLimits) -> None:
        self._random_bytes = random_bytes
        self._limits = limits
        self._secret = random_bytes(32)
        self._used: UndoableDict[bytes, tuple[int, MailboxId]] = UndoableDict()
        """Challenge → when it expires, and for which mailbox it was."""
        self._taken: UndoableDict[MailboxId, int] = UndoableDict()
        """Mailbox → stamps taken within the life of a challenge."""

    def bits(self, mailbox: MailboxId) -> int:
        """Return the present price: one bit more for each doubling of recent stamps."""
        limits = self._limits
        if mailbox == NO_MAILBOX:
            return limits.create_stamp_bits
        recent = self._taken.get(mailbox) or 0
        more = (recent // limits.stamps_at_base).bit_length()
        return min(limits.request_stamp_bits + more, limits.max_request_stamp_bits)

    def challenge(self, mailbox: MailboxId, now_unix_ms: int) -> Challenge:
        """Make a challenge for one stamp."""
        bits = self.bits(mailbox)
        head = bytes([bits]) + now_unix_ms.to_bytes(7, "big") + self._random_bytes(8)
        return Challenge(head + self._code(head, mailbox), bits, CHALLENGE_LIFE_MS)

    def take(
        self, stamp: Stamp, mailbox: MailboxId, subject_hash: bytes, now_unix_ms: int
    ) -> ErrorCode:
        """Take a stamp and remember that its challenge is used.

        Returns:
            `NONE`, `STAMP_INVALID`, or `OVERLOADED` when no more can be remembered.
        """
        head, code = stamp.challenge[:_HEAD_BYTES], stamp.challenge[_HEAD_BYTES:]
        if not equal(code, self._code(head, mailbox)):
            return ErrorCode.STAMP_INVALID
        bits, made_unix_ms = head[0], int.from_bytes(head[1:8], "big")
        expired = not 0 <= now_unix_ms - made_unix_ms < CHALLENGE_LIFE_MS
        if expired or self._used.get(stamp.challenge) is not None:
            return ErrorCode.STAMP_INVALID
        if not stamp_holds(stamp.challenge, mailbox, subject_hash, bits, stamp.nonce):
            return ErrorCode.STAMP_INVALID
        if len(self._used) >= self._limits.used_challenges:
            return ErrorCode.OVERLOADED
        self._used.set(stamp.challenge, (made_unix_ms + CHALLENGE_LIFE_MS, mailbox))
        self._taken.set(mailbox, (self._taken.get(mailbox) or 0) + 1)
        return ErrorCode.NONE

    def commit(self) -> None:
        """Keep what was taken."""
        self._used.commit()
        self._taken.commit()

    def rollback(self) -> None:
        """Give back what was taken since the last commit."""
        self._used.rollback()
        self._taken.rollback()

    def prune(self, now_unix_ms: int) -> None:
        """Forget what has expired."""
        for challenge, (expires_unix_ms, mailbox) in self._used.items():
            if expires_unix_ms <= now_unix_ms:
                self._used.pop(challenge)
                left = (self._taken.get(mailbox) or 0) - 1
                if left > 0:
                    self._taken.set(mailbox, left)
                else:
                    self._taken.pop(mailbox)
        self.commit()

    def _code(self, head: bytes, mailbox: MailboxId) -> bytes:
        message = Label.CHALLENGE + head + mailbox
        return hmac.digest(self._secret, message, "sha256")[:_CODE_BYTES]


def _leading_zeros(digest: bytes, bits: int) -> bool:
    return int.from_bytes(digest, "big") >> (256 - bits) == 0

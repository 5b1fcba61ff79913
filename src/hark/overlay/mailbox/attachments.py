"""Which link has which mailbox open, and what has been pushed over it (spec/mailbox.md#push).

Rules: one link at a time has a mailbox; its mail goes out in the order of arrival, each
envelope once for each attachment; at most a window of it is unacknowledged. Every change can
be undone until `commit`.
"""

from dataclasses import dataclass

from hark.overlay.mailbox.events import LinkRef
from hark.overlay.mailbox.limits import MailboxLimits
from hark.overlay.mailbox.undoable import UndoableDict
from hark.wire.ids import MailboxId


@dataclass(frozen=True, slots=True)
class Attachment:
    """A mailbox that a link has opened."""

    link: LinkRef
    live_token_hash: bytes
    """What a live envelope must show; empty for a requests mailbox, which takes none."""
    generation: int
    instance: bytes
    expires_unix_ms: int
    """Until when the mailbox stays without another login."""


@dataclass(frozen=True, slots=True)
class Window:
    """How far an attachment's mail has been pushed."""

    pushed_to: int
    """Highest sequence pushed, 0 for none."""
    unacknowledged: dict[int, int]
    """Sequence → size in bytes. Replaced, never changed."""
    behind: bool
    """Whether more may be held than has been pushed."""


EMPTY_WINDOW = Window(0, {}, behind=True)


class Attachments:
    """The table of open mailboxes. Its size is bounded by links × mailboxes of a link."""

    def __init__(self, limits: MailboxLimits) -> None:
        self._limits = limits
        self._open: UndoableDict[MailboxId, Attachment] = UndoableDict()
        self._windows: UndoableDict[MailboxId, Window] = UndoableDict()
        self._of_link: UndoableDict[LinkRef, tuple[MailboxId, ...]] = UndoableDict()

    def get(self, mailbox: MailboxId) -> Attachment | None:
        """Return the mailbox's attachment, or None."""
        return self._open.get(mailbox)

    def is_open(self, mailbox: MailboxId, link: LinkRef) -> bool:
        """Whether it is this link that has the mailbox open."""
        attachment = self._open.get(mailbox)
        return attachment is not None and attachment.link == link

    def open(self, mailbox: MailboxId, attachment: Attachment) -> LinkRef | None:
        """Attach a mailbox, and return the other link that it is taken from, if any.

        Opening it again on the same link leaves what has been pushed as it is.
        """
        before = self._open.get(mailbox)
        self._open.set(mailbox, attachment)
        if before is not None and before.link == attachment.link:
            return None
        self._windows.set(mailbox, EMPTY_WINDOW)
        mailboxes = self._of_link.get(attachment.link) or ()
        self._of_link.set(attachment.link, (*mailboxes, mailbox))
        if before is None:
            return None
        self._unlist(before.link, mailbox)
        return before.link

    def replace(self, mailbox: MailboxId, attachment: Attachment) -> None:
        """Note a new token or life of an attached mailbox."""
        self._open.set(mailbox, attachment)

    def close_mailbox(self, mailbox: MailboxId) -> None:
        """Detach one mailbox: it has been deleted."""
        attachment = self._open.pop(mailbox)
        if attachment is not None:
            self._windows.pop(mailbox)
            self._unlist(attachment.link, mailbox)

    def close_link(self, link: LinkRef) -> None:
        """Detach everything that a link had open."""
        for mailbox in self._of_link.pop(link) or ():
            self._open.pop(mailbox)
            self._windows.pop(mailbox)

    # Pushing.

    def behind(self, mailbox: MailboxId) -> bool:
        """Whether held mail waits for room in the window."""
        window = self._windows.get(mailbox)
        return window is not None and window.behind

    def room(self, mailbox: MailboxId) -> tuple[int, int, int]:
        """Return the sequence after which to push, and room in envelopes and bytes."""
        window = self._windows.get(mailbox) or EMPTY_WINDOW
        limits = self._limits
        return (
            window.pushed_to,
            limits.push_window - len(window.unacknowledged),
            limits.push_window_bytes - sum(window.unacknowledged.values()),
        )

    def pushed(self, mailbox: MailboxId, sizes: dict[int, int], *, behind: bool) -> None:
        """Note what goes out.

        Args:
            mailbox: an attached one.
            sizes: sequence → size in bytes, of higher sequences than were pushed before.
            behind: whether more may be held.
        """
        window = self._windows.get(mailbox) or EMPTY_WINDOW
        pushed_to = max(sizes, default=window.pushed_to)
        unacknowledged = {**window.unacknowledged, **sizes}
        self._windows.set(mailbox, Window(pushed_to, unacknowledged, behind))

    def push_one(self, mailbox: MailboxId, sequence: int, size: int) -> bool:
        """Push an envelope that has just come; False if it must wait for its turn."""
        window = self._windows.get(mailbox)
        if window is None or window.behind:
            return False
        _, count, room_bytes = self.room(mailbox)
        fits = count > 0 and (size <= room_bytes or not window.unacknowledged)
        self.pushed(mailbox, {sequence: size} if fits else {}, behind=not fits)
        return fits

    def acknowledged(self, mailbox: MailboxId, sequences: list[int]) -> bool:
        """Note what is safe with the owner; whether it is time to push more."""
        window = self._windows.get(mailbox) or EMPTY_WINDOW
        left = dict(window.unacknowledged)
        for sequence in sequences:
            left.pop(sequence, None)
        self._windows.set(mailbox, Window(window.pushed_to, left, window.behind))
        limits = self._limits
        # Half a window at a time, so that a mailbox is not read once for every acknowledgement.
        return (
            window.behind
            and len(left) <= limits.push_window // 2
            and sum(left.values()) <= limits.push_window_bytes // 2
        )

    # Keeping and undoing.

    def commit(self) -> None:
        """Keep the changes."""
        for table in (self._open, self._windows, self._of_link):
            table.commit()

    def rollback(self) -> None:
        """Undo the changes since the last commit."""
        for table in (self._open, self._windows, self._of_link):
            table.rollback()

    def items(self) -> list[tuple[MailboxId, Attachment]]:
        """Return a copy of all attachments."""
        return self._open.items()

    def __len__(self) -> int:
        return len(self._open)

    def _unlist(self, link: LinkRef, mailbox: MailboxId) -> None:
        left = tuple(other for other in self._of_link.get(link) or () if other != mailbox)
        if left:
            self._of_link.set(link, left)
        else:
            self._of_link.pop(link)

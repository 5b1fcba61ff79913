"""What people are called here: by the person, else by themselves, and nobody as another.

A name identifies nobody (the safety number does), but `hark chat Bob` has to mean one person.
So whoever chooses a name for themselves gets one that is free, and a stranger gives way.
Source: spec/messaging.md#contacts.
"""

import unicodedata

from hark.messaging.events import ContactStatus
from hark.messaging.tables import CONTACTS, CONTACTS_BY_STATUS
from hark.messaging.work import Work
from hark.wire.bodies import MAX_NAME_CHARS
from hark.wire.ids import AccountId


def clean_name(name: str) -> str:
    """Return a name within its bound. What it holds is data; faces escape it."""
    return name.strip()[:MAX_NAME_CHARS]


def distinct_name(work: Work, name: str, account: AccountId) -> str:
    """Return a name that nobody else has here, for somebody who chose it: "Bob", "Bob (2)".

    A name that a peer chose must not stand for two, or `hark chat Bob` would be a guess. Case,
    forms of one character and what is not seen make no difference.
    """
    name = clean_name(name)
    taken = {
        _same_looking(row.name)
        for status in ContactStatus
        for row in work.t.select(CONTACTS_BY_STATUS, status.value)
        if row.account != account
    }
    found, number = name, 1
    while name and _same_looking(found) in taken:
        number += 1
        ending = f" ({number})"
        found = name[: MAX_NAME_CHARS - len(ending)] + ending
    return found


def strangers_give_way(work: Work, account: AccountId) -> None:
    """Give another name to strangers who came first with the one that this contact has now.

    Or anybody could take the name of a friend-to-be, and leave it meaning two people.
    """
    row = work.t.get(CONTACTS, account)
    if row is None:
        return
    for stranger in work.t.select(CONTACTS_BY_STATUS, ContactStatus.REQUESTED.value):
        if stranger.account != account and _same_looking(stranger.name) == _same_looking(
            row.name
        ):
            name = distinct_name(work, stranger.name, AccountId(stranger.account))
            work.t.put(CONTACTS, stranger._replace(name=name))


def _same_looking(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(char for char in folded if unicodedata.category(char) != "Cf").strip()

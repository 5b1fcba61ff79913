"""Everything that a supernode keeps on its disk, declared: what, why, who, until when.

`hark supernode inventory` compares these tables with the real database and folder; what is
there without standing here is a finding. The texts are for operators, auditors and courts.
"""

from dataclasses import dataclass

OPERATOR = "the operator, and whoever takes the disk"
PEOPLE = "anybody"

MAILBOX_LIFE = (
    "the mailbox is deleted, or 90 days after the last login (7 days after it was made)"
)
ENVELOPE_LIFE = "the owner acknowledges it, or 30 days after it came"


@dataclass(frozen=True, slots=True)
class Declared:
    """One column, index or file."""

    what: str
    why: str
    until: str
    """When it is deleted."""
    readable_by: str = OPERATOR


TABLES: dict[str, dict[str, Declared]] = {
    "mailbox": {
        "id": Declared("a small number", "ties the other tables to the mailbox", MAILBOX_LIFE),
        "mailbox": Declared(
            "16 random bytes, chosen here", "senders name the mailbox by it", MAILBOX_LIFE
        ),
        "kind": Declared(
            "0: from accepted contacts, 1: from strangers",
            "the two have different quotas and admission",
            MAILBOX_LIFE,
        ),
        "owner_key": Declared(
            "public key made for this mailbox alone; no account's key",
            "the owner proves itself with it at login",
            MAILBOX_LIFE,
        ),
        "token_hash": Declared(
            "hash of the delivery token; zeros where there is none",
            "only who was given the token may leave mail",
            MAILBOX_LIFE,
        ),
        "generation": Declared(
            "how often the owner's store was started",
            "a copied or rolled-back device is refused before it repeats keys",
            MAILBOX_LIFE,
        ),
        "instance": Declared(
            "16 random bytes of the owner's last start",
            "tells two copies of one store apart",
            MAILBOX_LIFE,
        ),
        "expires_unix_ms": Declared(
            "when the mailbox goes if nobody logs in; so, when somebody last did, to a day",
            "forgotten mailboxes are deleted",
            MAILBOX_LIFE,
        ),
        "envelope_count": Declared(
            "how many envelopes are held", "enforces the quota", MAILBOX_LIFE
        ),
        "envelope_bytes": Declared("their size together", "enforces the quota", MAILBOX_LIFE),
    },
    "envelope": {
        "sequence": Declared(
            "a number that grows with every envelope here",
            "order of delivery; acknowledgements name it",
            ENVELOPE_LIFE,
        ),
        "mailbox_id": Declared("for which mailbox", "delivery", ENVELOPE_LIFE),
        "envelope_hash": Declared(
            "SHA-256 of the envelope", "the same envelope is kept once", ENVELOPE_LIFE
        ),
        "arrived_unix_ms": Declared(
            "when it came", "tells the owner how long it lay here", ENVELOPE_LIFE
        ),
        "expires_unix_ms": Declared("when it goes", "the promise to its sender", ENVELOPE_LIFE),
        "envelope": Declared(
            "sealed bytes in a size bucket; sealed to keys that no supernode has",
            "it is what is delivered",
            ENVELOPE_LIFE,
        ),
    },
    "bundle": {
        "mailbox_id": Declared("for which mailbox", "finding it", MAILBOX_LIFE),
        "record_counter": Declared(
            "how often the envelope key was changed",
            "an older record cannot replace a newer one",
            MAILBOX_LIFE,
        ),
        "chain_blob": Declared(
            "the account's chain, encrypted under a key made from the account id",
            "who knows the account id can check who they write to",
            "replaced by its owner; " + MAILBOX_LIFE,
            "who knows the account id",
        ),
        "record_blob": Declared(
            "the envelope key, encrypted likewise",
            "who knows the account id can seal to it",
            "replaced by its owner; " + MAILBOX_LIFE,
            "who knows the account id",
        ),
        "fallback_blob": Declared(
            "a fallback key for first messages, encrypted likewise",
            "first messages when one-time keys are used up",
            "replaced by its owner; " + MAILBOX_LIFE,
            "who knows the account id",
        ),
    },
    "prekey": {
        "id": Declared("a small number", "order of handing out", "the key is given out"),
        "mailbox_id": Declared("for which mailbox", "finding it", "the key is given out"),
        "blob": Declared(
            "a one-time key, encrypted under a key made from the account id",
            "given to one writer each",
            "the key is given out; " + MAILBOX_LIFE,
            "who knows the account id",
        ),
    },
    "invitation_pass": {
        "mailbox_id": Declared(
            "for which mailbox", "finding it", "the pass is used or expires"
        ),
        "pass_hash": Declared(
            "hash of an invitation's pass",
            "who was invited may write once",
            "the pass is used or expires",
        ),
        "expires_unix_ms": Declared(
            "when the invitation ends", "it ends", "the pass is used or expires"
        ),
    },
    # Made by SQLite for AUTOINCREMENT.
    "sqlite_sequence": {
        "name": Declared("the word 'envelope'", "made by SQLite", "never"),
        "seq": Declared(
            "how many envelopes ever came",
            "a sequence is never used twice",
            "never",
        ),
    },
}

INDEXES: dict[str, str] = {
    "mailbox_expiry": "finds mailboxes whose time is over",
    "envelope_once": "finds an envelope that is held already",
    "envelope_queue": "finds a mailbox's envelopes in order",
    "envelope_expiry": "finds envelopes whose time is over",
    "prekey_queue": "finds a mailbox's one-time keys in order",
    "invitation_pass_expiry": "finds passes whose time is over",
    "sqlite_autoindex_mailbox_1": "keeps mailbox ids apart",
    "sqlite_autoindex_mailbox_2": "finds a mailbox by owner key and kind",
}
"""Indexes repeat columns of their tables, and live as long."""

DATABASE_FILE = "mailboxes.sqlite"

FILES: dict[str, Declared] = {
    DATABASE_FILE: Declared(
        "the tables above", "they must survive a restart", "see the tables"
    ),
    DATABASE_FILE + "-wal": Declared(
        "the last changes to the tables, before they reach the file above",
        "a commit survives a power cut",
        "a minute after the change; an acknowledged envelope is in here until then",
    ),
    DATABASE_FILE + "-shm": Declared(
        "an index of the -wal, no content", "made by SQLite", "the program ends"
    ),
    "node.seed": Declared(
        "this supernode's own private key", "it is the supernode's identity", "never"
    ),
    "node.key.pem": Declared("the same key, for the TLS library", "TLS", "never"),
    "node.crt.pem": Declared("the certificate of that key", "TLS", "never", PEOPLE),
    "address.json": Declared(
        "node id, host and ports of this supernode",
        "the line to give to people",
        "never",
        PEOPLE,
    ),
    "reserve": Declared("zeros", "room for deleting when the disk is full", "the disk is full"),
    "lock": Declared("a process id", "one program at a time", "never"),
    # Left over only by a crash in the middle of writing.
    "node.seed.new": Declared("as node.seed, half written", "whole files", "the next start"),
    "node.key.pem.new": Declared(
        "as node.key.pem, half written", "whole files", "the next start"
    ),
    "node.crt.pem.new": Declared(
        "as node.crt.pem, half written", "whole files", "the next start"
    ),
    "address.json.new": Declared(
        "as address.json, half written", "whole files", "the next start"
    ),
}

NEVER_GIVEN: tuple[tuple[str, str], ...] = (
    ("names, handles, phone numbers, e-mail addresses", "no message has a place for them"),
    ("account ids", "a mailbox is opened with a key made for it alone"),
    (
        "the text of messages, and what they are about",
        "sealed to keys of the recipient's device",
    ),
    ("contacts", "they are kept by devices; no request mentions them"),
    ("keys that open envelopes", "made on devices and never sent"),
)
"""What a supernode was never given, and why it could not be."""

SEEN_NOT_KEPT: tuple[tuple[str, str], ...] = (
    (
        "who writes to whom",
        "an envelope does not name its sender, but the link that brings it is in memory while"
        " it is open, and so is the mailbox that this link has logged in to: an operator who"
        " changes the program could correlate the two as it happens",
    ),
    (
        "addresses of people's networks",
        "known while a connection is open, as to any server",
    ),
    (
        "which mailboxes are open, and since when",
        "known while they are, so that mail can be pushed",
    ),
)
"""What a running supernode sees and never writes down, and how it sees it."""

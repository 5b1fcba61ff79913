-- The mailboxes of a supernode. What each column is for, who can read it and until when stands
-- in hark/supernode/declarations.py; a column that is not declared there fails a test and the
-- inventory.

CREATE TABLE mailbox (
    id INTEGER PRIMARY KEY,
    mailbox BLOB NOT NULL UNIQUE CHECK (length(mailbox) = 16),
    kind INTEGER NOT NULL,
    owner_key BLOB NOT NULL CHECK (length(owner_key) = 32),
    token_hash BLOB NOT NULL CHECK (length(token_hash) = 32),
    generation INTEGER NOT NULL,
    instance BLOB NOT NULL CHECK (length(instance) = 16),
    expires_unix_ms INTEGER NOT NULL,
    envelope_count INTEGER NOT NULL CHECK (envelope_count >= 0),
    envelope_bytes INTEGER NOT NULL CHECK (envelope_bytes >= 0),
    UNIQUE (owner_key, kind)
) STRICT;

CREATE INDEX mailbox_expiry ON mailbox (expires_unix_ms);

-- AUTOINCREMENT: a sequence is never used twice, even when the highest has been deleted, or an
-- acknowledgement that arrives late could delete other mail.
CREATE TABLE envelope (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    mailbox_id INTEGER NOT NULL REFERENCES mailbox (id) ON DELETE CASCADE,
    envelope_hash BLOB NOT NULL CHECK (length(envelope_hash) = 32),
    arrived_unix_ms INTEGER NOT NULL,
    expires_unix_ms INTEGER NOT NULL,
    envelope BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX envelope_once ON envelope (mailbox_id, envelope_hash);
-- Ends with the sequence by itself: this is the order of delivery.
CREATE INDEX envelope_queue ON envelope (mailbox_id);
CREATE INDEX envelope_expiry ON envelope (expires_unix_ms);

CREATE TABLE bundle (
    mailbox_id INTEGER PRIMARY KEY REFERENCES mailbox (id) ON DELETE CASCADE,
    record_counter INTEGER NOT NULL,
    chain_blob BLOB NOT NULL,
    record_blob BLOB NOT NULL,
    fallback_blob BLOB NOT NULL
) STRICT;

CREATE TABLE prekey (
    id INTEGER PRIMARY KEY,
    mailbox_id INTEGER NOT NULL REFERENCES mailbox (id) ON DELETE CASCADE,
    blob BLOB NOT NULL
) STRICT;

CREATE INDEX prekey_queue ON prekey (mailbox_id);

CREATE TABLE invitation_pass (
    mailbox_id INTEGER NOT NULL REFERENCES mailbox (id) ON DELETE CASCADE,
    pass_hash BLOB NOT NULL CHECK (length(pass_hash) = 32),
    expires_unix_ms INTEGER NOT NULL,
    PRIMARY KEY (mailbox_id, pass_hash)
) STRICT, WITHOUT ROWID;

CREATE INDEX invitation_pass_expiry ON invitation_pass (expires_unix_ms);

-- Version 1: what a device stores. Columns and keys as in hark/messaging/tables.py, which says
-- what each of them means; a test compares the two. Tables with large rows keep their rowid, so
-- that an index lookup does not carry the large columns along. What is read in the order of
-- the key needs no index of its own; each one more is a page more in every commit.

CREATE TABLE own (
    id INTEGER NOT NULL,
    account BLOB NOT NULL,
    device BLOB NOT NULL,
    name TEXT NOT NULL,
    chain BLOB NOT NULL,
    account_key_seed BLOB NOT NULL,
    pickle_key BLOB NOT NULL,
    generation INTEGER NOT NULL,
    stale INTEGER NOT NULL,
    card_counter INTEGER NOT NULL,
    started_unix_ms INTEGER NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE olm_account (
    id INTEGER NOT NULL,
    pickle BLOB NOT NULL,
    fallback_blob BLOB NOT NULL,
    fallback_made_unix_ms INTEGER NOT NULL,
    one_time_count INTEGER NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE homes (
    node BLOB NOT NULL,
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    added_unix_ms INTEGER NOT NULL,
    reached_unix_ms INTEGER NOT NULL,
    PRIMARY KEY (node)
) WITHOUT ROWID;
CREATE TABLE mailboxes (
    node BLOB NOT NULL,
    kind INTEGER NOT NULL,
    mailbox BLOB NOT NULL,
    owner_seed BLOB NOT NULL,
    token BLOB NOT NULL,
    token_set INTEGER NOT NULL,
    published INTEGER NOT NULL,
    PRIMARY KEY (node, kind)
) WITHOUT ROWID;
CREATE TABLE bundle (
    id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (id)
) WITHOUT ROWID;
CREATE TABLE envelope_keys (
    key_id BLOB NOT NULL,
    seed BLOB NOT NULL,
    record BLOB NOT NULL,
    counter INTEGER NOT NULL,
    made_unix_ms INTEGER NOT NULL,
    bundle_version INTEGER NOT NULL,
    retired_unix_ms INTEGER NOT NULL,
    PRIMARY KEY (key_id)
);
CREATE TABLE contacts (
    account BLOB NOT NULL,
    name TEXT NOT NULL,
    their_name TEXT NOT NULL,
    status TEXT NOT NULL,
    trust TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    chain_seq INTEGER NOT NULL,
    invitation TEXT NOT NULL,
    created_unix_ms INTEGER NOT NULL,
    changed_unix_ms INTEGER NOT NULL,
    PRIMARY KEY (account)
) WITHOUT ROWID;
CREATE TABLE chains (
    account BLOB NOT NULL,
    chain BLOB NOT NULL,
    PRIMARY KEY (account)
);
CREATE TABLE conversations (
    account BLOB NOT NULL,
    highest_order INTEGER NOT NULL,
    unread INTEGER NOT NULL,
    last_unix_ms INTEGER NOT NULL,
    PRIMARY KEY (account)
) WITHOUT ROWID;
CREATE TABLE peer_devices (
    account BLOB NOT NULL,
    device BLOB NOT NULL,
    ed_key BLOB NOT NULL,
    curve_key BLOB NOT NULL,
    card BLOB NOT NULL,
    card_counter INTEGER NOT NULL,
    record BLOB NOT NULL,
    record_counter INTEGER NOT NULL,
    gossip_counter INTEGER NOT NULL,
    gossip_unix_ms INTEGER NOT NULL,
    claimed_unix_ms INTEGER NOT NULL,
    session_made_unix_ms INTEGER NOT NULL,
    PRIMARY KEY (account, device)
);
CREATE TABLE sessions (
    account BLOB NOT NULL,
    device BLOB NOT NULL,
    session_id TEXT NOT NULL,
    pickle BLOB NOT NULL,
    rank INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    PRIMARY KEY (account, device, session_id)
);
CREATE TABLE messages (
    message_id BLOB NOT NULL,
    author BLOB NOT NULL,
    author_device BLOB NOT NULL,
    contact BLOB NOT NULL,
    position BLOB NOT NULL,
    body_type INTEGER NOT NULL,
    body BLOB NOT NULL,
    sent_unix_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    held_by INTEGER NOT NULL,
    cause TEXT NOT NULL,
    unread INTEGER NOT NULL,
    PRIMARY KEY (message_id, author, author_device)
) WITHOUT ROWID;
CREATE TABLE outbox (
    account BLOB NOT NULL,
    device BLOB NOT NULL,
    message_id BLOB NOT NULL,
    serial INTEGER NOT NULL,
    conversation BLOB NOT NULL,
    body_type INTEGER NOT NULL,
    body BLOB NOT NULL,
    sent_unix_ms INTEGER NOT NULL,
    expires_unix_ms INTEGER NOT NULL,
    due_unix_ms INTEGER NOT NULL,
    envelope BLOB NOT NULL,
    key_counter INTEGER NOT NULL,
    first_put_unix_ms INTEGER NOT NULL,
    held INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    resends INTEGER NOT NULL,
    route INTEGER NOT NULL,
    cause TEXT NOT NULL,
    PRIMARY KEY (account, device, message_id)
);
CREATE TABLE custody (
    message_id BLOB NOT NULL,
    account BLOB NOT NULL,
    device BLOB NOT NULL,
    node BLOB NOT NULL,
    receipt BLOB NOT NULL,
    held_until_unix_ms INTEGER NOT NULL,
    PRIMARY KEY (message_id, account, device, node)
) WITHOUT ROWID;
CREATE TABLE receipts (
    account BLOB NOT NULL,
    device BLOB NOT NULL,
    kind INTEGER NOT NULL,
    message_id BLOB NOT NULL,
    due_unix_ms INTEGER NOT NULL,
    PRIMARY KEY (account, device, kind, message_id)
) WITHOUT ROWID;
CREATE TABLE seen (
    key_id BLOB NOT NULL,
    envelope_hash BLOB NOT NULL,
    account BLOB NOT NULL,
    device BLOB NOT NULL,
    message_id BLOB NOT NULL,
    body_type INTEGER NOT NULL,
    answered_unix_ms INTEGER NOT NULL,
    PRIMARY KEY (key_id, envelope_hash)
) WITHOUT ROWID;
CREATE TABLE received (
    account BLOB NOT NULL,
    device BLOB NOT NULL,
    message_id BLOB NOT NULL,
    received_unix_ms INTEGER NOT NULL,
    PRIMARY KEY (account, device, message_id)
) WITHOUT ROWID;
CREATE TABLE quarantine (
    envelope_hash BLOB NOT NULL,
    received_unix_ms INTEGER NOT NULL,
    cause TEXT NOT NULL,
    account BLOB NOT NULL,
    device BLOB NOT NULL,
    envelope BLOB NOT NULL,
    tries INTEGER NOT NULL,
    PRIMARY KEY (envelope_hash)
);
CREATE TABLE invitations (
    token BLOB NOT NULL,
    expires_unix_ms INTEGER NOT NULL,
    name TEXT NOT NULL,
    registered INTEGER NOT NULL,
    PRIMARY KEY (token)
) WITHOUT ROWID;

CREATE INDEX homes_by_age ON homes (added_unix_ms, node);
CREATE INDEX keys_by_counter ON envelope_keys (counter, key_id);
CREATE INDEX contacts_by_status ON contacts (status, created_unix_ms, account);
CREATE INDEX messages_by_position ON messages (contact, position);
CREATE INDEX outbox_by_due ON outbox (due_unix_ms, account, device, message_id);
CREATE INDEX receipts_by_due ON receipts (due_unix_ms, account, device, kind, message_id);
CREATE INDEX received_by_time ON received (received_unix_ms, account, device, message_id);
CREATE INDEX quarantine_by_time ON quarantine (received_unix_ms, envelope_hash);
CREATE INDEX quarantine_by_cause ON quarantine (cause, received_unix_ms, envelope_hash);
CREATE INDEX invitations_by_time ON invitations (expires_unix_ms, token);

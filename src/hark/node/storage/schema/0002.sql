-- Version 2: calls. Whether contacts may see our address, whether a stranger would like to
-- call, and which calls of the history are not over.

ALTER TABLE own ADD COLUMN hide_address INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contacts ADD COLUMN wants_call INTEGER NOT NULL DEFAULT 0;
CREATE TABLE open_calls (
    call BLOB NOT NULL,
    caller BLOB NOT NULL,
    caller_device BLOB NOT NULL,
    PRIMARY KEY (call, caller, caller_device)
) WITHOUT ROWID;

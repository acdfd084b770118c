-- What waits to be sent on: a message, its body once, and a row for each recipient that does not have it yet.
CREATE TABLE message (
    id BIGINT NOT NULL PRIMARY KEY,
    sender TEXT NOT NULL,
    account BIGINT,
    size_bytes BIGINT NOT NULL,
    smtputf8 BOOLEAN NOT NULL,
    return_full BOOLEAN NOT NULL,
    envid TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    body BYTES
);

CREATE TABLE recipient (
    message BIGINT NOT NULL REFERENCES message (id),
    position BIGINT NOT NULL,
    address TEXT NOT NULL,
    domain TEXT NOT NULL,
    held BOOLEAN NOT NULL,
    attempts BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    delay_told BOOLEAN NOT NULL,
    notify TEXT,
    orcpt_kind TEXT,
    orcpt_address TEXT,
    last_reply TEXT,
    PRIMARY KEY (message, position)
);

CREATE INDEX recipient_due ON recipient (next_attempt_at);

-- People whom a provisioning program deleted (SCIM): disabled, and not shown to it any more. Their mail stays until somebody
-- who looks after the home removes the account; enabling it brings them back.
CREATE TABLE withdrawn (
    account BIGINT NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    at BIGINT NOT NULL
);

-- What a provisioning program calls somebody or a group (RFC 7643 §3.1).
CREATE TABLE external_id (
    account BIGINT NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    value TEXT NOT NULL
);

-- Who shares mailboxes with whom: an index over the access lists in the mail store, so that nobody's mail is opened in vain.
-- It may say more than the lists, never less. grantee is an account, a group's account, or 0 for anyone.
CREATE TABLE share (
    owner BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    grantee BIGINT NOT NULL,
    PRIMARY KEY (owner, grantee)
);
CREATE INDEX share_grantee ON share (grantee);

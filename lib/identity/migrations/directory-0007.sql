-- Tokens that came of another token (RFC 8693): `client` is who they were given to, `actors` (a JSON array of client ids, the
-- last one first) who acts for the person, `subject` the hash of the token that they came of, with which they end.
ALTER TABLE access_token ADD COLUMN client BIGINT;
ALTER TABLE access_token ADD COLUMN actors TEXT;
ALTER TABLE access_token ADD COLUMN subject BYTES;
CREATE INDEX access_token_of_subject ON access_token (subject);

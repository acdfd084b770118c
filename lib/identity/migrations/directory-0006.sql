-- An address elsewhere that a person proved to be theirs: what concerns the safety of their account is told there too.
CREATE TABLE contact (
    account BIGINT NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    address TEXT NOT NULL,
    proven_at BIGINT NOT NULL
);

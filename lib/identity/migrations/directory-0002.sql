-- Letters that the house itself writes; hearth-smtp takes them into its queue.
CREATE TABLE letter (
    id BIGINT NOT NULL PRIMARY KEY,
    recipient TEXT NOT NULL,
    raw BYTES NOT NULL
);

-- When an address was last written to about a certificate: once an hour at most.
CREATE TABLE cert_mail (
    address_key TEXT NOT NULL PRIMARY KEY,
    sent_at BIGINT NOT NULL
);

-- The address as it was written. purpose: upload (no address), proof, manage, canonical.
ALTER TABLE cert_upload ADD COLUMN address TEXT;

CREATE INDEX cert_by_change ON cert (changed_at);

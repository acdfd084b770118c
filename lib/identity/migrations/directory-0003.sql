-- Certificates of people elsewhere, as they were found: source is friend, wkd, dane, keyserver or autocrypt; via is whom
-- we asked. History: a row stays when another certificate takes its place.
CREATE TABLE cert_seen (
    address_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    source TEXT NOT NULL,
    via TEXT NOT NULL,
    confidence BIGINT NOT NULL,
    bytes BYTES NOT NULL,
    first_seen_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    PRIMARY KEY (address_key, fingerprint, source)
);
CREATE INDEX cert_seen_by_age ON cert_seen (last_seen_at);

-- Which certificate a person was last told of for an address, so that a change is noticed.
CREATE TABLE cert_told (
    account BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    address_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    told_at BIGINT NOT NULL,
    PRIMARY KEY (account, address_key)
);

-- What a person's correspondents sent in Autocrypt fields: the newest of each.
CREATE TABLE autocrypt_peer (
    account BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    address_key TEXT NOT NULL,
    keydata BYTES NOT NULL,
    mutual BOOLEAN NOT NULL,
    effective_at BIGINT NOT NULL,
    PRIMARY KEY (account, address_key)
);

-- Certifications of user ids by this house, or by others with the owner's approval (approved, with the approvals
-- themselves); packet is one signature.
CREATE TABLE cert_vouch (
    fingerprint TEXT NOT NULL REFERENCES cert (fingerprint) ON DELETE CASCADE,
    user_id TEXT NOT NULL,
    issuer TEXT NOT NULL,
    packet BYTES NOT NULL,
    approved BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (fingerprint, user_id, issuer)
);

-- Homes whose own certificate this house trusts for their own domain: bytes has our scoped trust signature in it.
CREATE TABLE trusted_home (
    domain TEXT NOT NULL PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    bytes BYTES NOT NULL,
    since BIGINT NOT NULL
);

-- Keys that a server needs without asking the vault: role is submission (Web Key Service).
CREATE TABLE service_cert (
    role TEXT NOT NULL PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    secret BYTES NOT NULL,
    created_at BIGINT NOT NULL
);

-- Mails to an address that a server of the house answers itself.
CREATE TABLE house_mail (
    id BIGINT NOT NULL PRIMARY KEY,
    recipient TEXT NOT NULL,
    raw BYTES NOT NULL
);

-- What was published, in order. leaf = SHA-256 of nonce and entry; head = SHA-256 of the head before and leaf.
CREATE TABLE cert_log (
    seq BIGINT NOT NULL PRIMARY KEY,
    entry TEXT NOT NULL,
    nonce BYTES NOT NULL,
    leaf BYTES NOT NULL,
    head BYTES NOT NULL
);

CREATE TABLE cert_log_size (
    id BIGINT NOT NULL PRIMARY KEY,
    size BIGINT NOT NULL,
    head BYTES NOT NULL
);

-- Heads that the house signed; the newest is served.
CREATE TABLE cert_log_signed (
    size BIGINT NOT NULL PRIMARY KEY,
    statement TEXT NOT NULL,
    signature TEXT NOT NULL,
    signed_at BIGINT NOT NULL
);

-- Reminders that were written.
CREATE TABLE cert_reminder (
    fingerprint TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    days BIGINT NOT NULL,
    sent_at BIGINT NOT NULL,
    PRIMARY KEY (fingerprint, expires_at, days)
);

-- SPDX-License-Identifier: AGPL-3.0-or-later
-- directory, step 1: people, what they are reachable as, what they let in, and whom this home trusts.
-- Times are milliseconds; an `address_key` is Address::key(); lists of words are separated by a space.

-- Settings that are changed while the node runs.
CREATE TABLE setting (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);

-- Numbers that are taken one after the other.
CREATE TABLE counter (
    name TEXT NOT NULL PRIMARY KEY,
    n BIGINT NOT NULL
);
INSERT INTO counter (name, n) VALUES ('revocation', 0);

CREATE TABLE domain (
    id BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    is_primary BOOLEAN NOT NULL,
    catch_all BIGINT,
    created_at BIGINT NOT NULL
);

-- kind: person, group, service, guest
CREATE TABLE account (
    id BIGINT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    primary_address TEXT NOT NULL,
    name TEXT NOT NULL,
    admin BOOLEAN NOT NULL,
    disabled BOOLEAN NOT NULL,
    language TEXT,
    quota_bytes BIGINT,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);

-- What is left of an account that was removed: its id is never given again.
CREATE TABLE account_tombstone (
    id BIGINT NOT NULL PRIMARY KEY,
    primary_address TEXT NOT NULL,
    removed_at BIGINT NOT NULL
);

-- One row for each address of this home, whatever it leads to: target is account, alias or list.
CREATE TABLE address (
    address_key TEXT NOT NULL PRIMARY KEY,
    address TEXT NOT NULL,
    domain BIGINT NOT NULL REFERENCES domain (id),
    target TEXT NOT NULL,
    account BIGINT REFERENCES account (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL
);
CREATE INDEX address_of_account ON address (account);

CREATE TABLE alias_target (
    alias_key TEXT NOT NULL REFERENCES address (address_key) ON DELETE CASCADE,
    target_key TEXT NOT NULL,
    target TEXT NOT NULL,
    PRIMARY KEY (alias_key, target_key)
);

-- A mailing list; posting: members, anyone, owners.
CREATE TABLE list (
    list_key TEXT NOT NULL PRIMARY KEY REFERENCES address (address_key) ON DELETE CASCADE,
    name TEXT NOT NULL,
    posting TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- role: member, owner
CREATE TABLE list_member (
    list_key TEXT NOT NULL REFERENCES list (list_key) ON DELETE CASCADE,
    member_key TEXT NOT NULL,
    member TEXT NOT NULL,
    role TEXT NOT NULL,
    added_at BIGINT NOT NULL,
    PRIMARY KEY (list_key, member_key)
);

-- Who is in a group; role: member, owner.
CREATE TABLE membership (
    group_account BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    member BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    added_at BIGINT NOT NULL,
    PRIMARY KEY (group_account, member)
);
CREATE INDEX membership_of ON membership (member);

-- What a person may do beyond being one: role names such as `help-desk`; domain is NULL for all domains.
CREATE TABLE account_role (
    account BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    domain BIGINT,
    added_at BIGINT NOT NULL,
    PRIMARY KEY (account, role)
);

-- OAuth and OpenID clients. `identifier` is the client_id on the wire. A secret is 256 random bits, kept as SHA-256.
CREATE TABLE client (
    id BIGINT NOT NULL PRIMARY KEY,
    identifier TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    secret_hash BYTES,
    auth_method TEXT NOT NULL,
    redirect_uris TEXT NOT NULL,
    post_logout_redirect_uris TEXT NOT NULL,
    grant_types TEXT NOT NULL,
    scopes TEXT NOT NULL,
    preset TEXT,
    trusted BOOLEAN NOT NULL,
    access TEXT NOT NULL,
    metadata TEXT NOT NULL,
    disabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);

-- Per-app access, for clients whose `access` is `listed`: an account that is a person or a group.
CREATE TABLE app_access (
    client BIGINT NOT NULL REFERENCES client (id) ON DELETE CASCADE,
    account BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    added_at BIGINT NOT NULL,
    PRIMARY KEY (client, account)
);

-- What a person agreed to share with a client.
CREATE TABLE consent (
    account BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    client BIGINT NOT NULL REFERENCES client (id) ON DELETE CASCADE,
    scopes TEXT NOT NULL,
    given_at BIGINT NOT NULL,
    PRIMARY KEY (account, client)
);

-- A signed-in device. kind: browser (a cookie), client (an OAuth grant), app-password, password (mail by human password).
-- parent: the browser session in which a client was let in. secret_hash: SHA-256 of a browser's cookie.
CREATE TABLE session (
    id BIGINT NOT NULL PRIMARY KEY,
    account BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    label TEXT NOT NULL,
    services TEXT NOT NULL,
    parent BIGINT,
    client BIGINT,
    secret_hash BYTES UNIQUE,
    auth_methods TEXT NOT NULL,
    authenticated_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    last_peer TEXT,
    user_agent TEXT,
    expires_at BIGINT,
    ended_at BIGINT
);
CREATE INDEX session_of_account ON session (account, kind);
CREATE INDEX session_of_parent ON session (parent);
CREATE INDEX session_of_client ON session (client);

-- The news that a session ended, for processes that hold its connections.
CREATE TABLE revocation (
    seq BIGINT NOT NULL PRIMARY KEY,
    session BIGINT NOT NULL,
    account BIGINT NOT NULL,
    at BIGINT NOT NULL
);

-- What a session of kind client was granted.
CREATE TABLE oauth_grant (
    session BIGINT NOT NULL PRIMARY KEY REFERENCES session (id) ON DELETE CASCADE,
    client BIGINT NOT NULL REFERENCES client (id) ON DELETE CASCADE,
    account BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    scopes TEXT NOT NULL,
    resources TEXT NOT NULL,
    offline BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);

-- An authorization code, by SHA-256; spent when used_at is set, and kept until it expires so that a replay is noticed.
CREATE TABLE authorization_code (
    hash BYTES NOT NULL PRIMARY KEY,
    client BIGINT NOT NULL REFERENCES client (id) ON DELETE CASCADE,
    account BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    session BIGINT NOT NULL,
    redirect_uri TEXT NOT NULL,
    redirect_uri_was_sent BOOLEAN NOT NULL,
    scopes TEXT NOT NULL,
    nonce TEXT,
    code_challenge TEXT,
    code_challenge_method TEXT,
    request TEXT NOT NULL,
    authenticated_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    granted_session BIGINT
);
CREATE INDEX authorization_code_expires ON authorization_code (expires_at);

-- Requests that wait for a person: PAR, device codes, CIBA. kind: par, device, ciba.
CREATE TABLE pending_request (
    hash BYTES NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    client BIGINT NOT NULL REFERENCES client (id) ON DELETE CASCADE,
    user_code TEXT UNIQUE,
    state TEXT NOT NULL,
    request TEXT NOT NULL,
    account BIGINT,
    session BIGINT,
    polled_at BIGINT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX pending_request_expires ON pending_request (expires_at);

CREATE TABLE access_token (
    hash BYTES NOT NULL PRIMARY KEY,
    session BIGINT NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    scopes TEXT NOT NULL,
    audience TEXT NOT NULL,
    confirmation TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    first_used_at BIGINT
);
CREATE INDEX access_token_of_session ON access_token (session);
CREATE INDEX access_token_expires ON access_token (expires_at);

-- Refresh tokens rotate: `spent_at` and `successor` tell a lost answer from a theft.
CREATE TABLE refresh_token (
    hash BYTES NOT NULL PRIMARY KEY,
    session BIGINT NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    confirmation TEXT,
    access_hash BYTES NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    spent_at BIGINT,
    successor BYTES
);
CREATE INDEX refresh_token_of_session ON refresh_token (session);
CREATE INDEX refresh_token_expires ON refresh_token (expires_at);

-- jti values and the like that may be seen once.
CREATE TABLE seen_once (
    kind TEXT NOT NULL,
    value BYTES NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (kind, value)
);
CREATE INDEX seen_once_expires ON seen_once (expires_at);

-- Networks from which an account has signed in: no stranger's failures elsewhere can keep its owner out there.
CREATE TABLE known_network (
    account BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    network TEXT NOT NULL,
    last_used_at BIGINT NOT NULL,
    PRIMARY KEY (account, network)
);

-- OpenPGP certificates as opaque pieces (see src/certs): whole = all that we hold; head + the blocks of some
-- identities + tail = what is shown. Fingerprints and key ids are upper-case hexadecimal.
-- source: generated, imported, or where a stranger's was found.
CREATE TABLE cert (
    fingerprint TEXT NOT NULL PRIMARY KEY,
    account BIGINT REFERENCES account (id) ON DELETE CASCADE,
    source TEXT NOT NULL,
    algorithm BIGINT NOT NULL,
    bits BIGINT NOT NULL,
    whole BYTES NOT NULL,
    head BYTES NOT NULL,
    tail BYTES NOT NULL,
    secret_stored BOOLEAN NOT NULL,
    revoked BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    added_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE INDEX cert_of_account ON cert (account);

-- User ids that name an address of the account; wkd_hash is the z-base-32 name of the local part (WKD).
-- An address is published in at most one certificate.
CREATE TABLE cert_identity (
    fingerprint TEXT NOT NULL REFERENCES cert (fingerprint) ON DELETE CASCADE,
    user_id TEXT NOT NULL,
    address_key TEXT NOT NULL,
    address TEXT NOT NULL,
    domain TEXT NOT NULL,
    wkd_hash TEXT NOT NULL,
    block BYTES NOT NULL,
    revoked BOOLEAN NOT NULL,
    published BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    PRIMARY KEY (fingerprint, user_id)
);
CREATE INDEX cert_by_address ON cert_identity (address_key);
CREATE INDEX cert_by_wkd ON cert_identity (domain, wkd_hash);

-- Primary key and subkeys, for look-up by fingerprint or key id.
CREATE TABLE cert_key (
    fingerprint TEXT NOT NULL REFERENCES cert (fingerprint) ON DELETE CASCADE,
    key_fingerprint TEXT NOT NULL,
    key_id TEXT NOT NULL,
    PRIMARY KEY (fingerprint, key_fingerprint)
);
CREATE INDEX cert_by_key ON cert_key (key_fingerprint);
CREATE INDEX cert_by_key_id ON cert_key (key_id);

-- A certificate that a stranger brought and that waits for its address to answer.
CREATE TABLE cert_upload (
    token_hash BYTES NOT NULL PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    bytes BYTES NOT NULL,
    address_key TEXT,
    purpose TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX cert_upload_expires ON cert_upload (expires_at);
CREATE INDEX cert_upload_of ON cert_upload (fingerprint);

CREATE TABLE cert_tombstone (
    fingerprint TEXT NOT NULL PRIMARY KEY,
    reason TEXT NOT NULL,
    removed_at BIGINT NOT NULL
);

-- Other homes. state: invited, paired, suspended, ended.
CREATE TABLE friend (
    domain TEXT NOT NULL PRIMARY KEY,
    node_fingerprint TEXT NOT NULL,
    node_key BYTES NOT NULL,
    statement TEXT NOT NULL,
    state TEXT NOT NULL,
    introduced_by TEXT,
    since BIGINT NOT NULL,
    ended_at BIGINT
);

-- direction: given, received. Every right that has no row is off.
CREATE TABLE friend_right (
    domain TEXT NOT NULL REFERENCES friend (domain) ON DELETE CASCADE,
    direction TEXT NOT NULL,
    name TEXT NOT NULL,
    limits TEXT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (domain, direction, name)
);

CREATE TABLE friend_activity (
    id BIGINT NOT NULL PRIMARY KEY,
    domain TEXT NOT NULL,
    name TEXT NOT NULL,
    detail TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX friend_activity_of ON friend_activity (domain, at);

-- A login from another issuer is known by (iss, sub) and never by an e-mail address.
CREATE TABLE foreign_login (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    account BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    username TEXT,
    linked_at BIGINT NOT NULL,
    last_used_at BIGINT,
    PRIMARY KEY (issuer, subject)
);

-- What the world's DNS says, compared with what it should. verdict: unknown, right, missing, wrong.
CREATE TABLE dns_state (
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    domain BIGINT NOT NULL REFERENCES domain (id) ON DELETE CASCADE,
    wanted TEXT NOT NULL,
    found TEXT,
    verdict TEXT NOT NULL,
    checked_at BIGINT,
    PRIMARY KEY (name, kind)
);

CREATE TABLE tls_state (
    name TEXT NOT NULL PRIMARY KEY,
    issuer TEXT NOT NULL,
    serial TEXT,
    not_before BIGINT,
    not_after BIGINT,
    renew_at BIGINT,
    failures BIGINT NOT NULL,
    last_error TEXT,
    checked_at BIGINT
);

-- What happened, for the people of the house. Actor and subject are accounts where they are known.
CREATE TABLE audit (
    id BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    event TEXT NOT NULL,
    actor BIGINT,
    subject BIGINT,
    peer TEXT,
    service TEXT,
    detail TEXT NOT NULL,
    count BIGINT NOT NULL
);
CREATE INDEX audit_of_subject ON audit (subject, id);
CREATE INDEX audit_by_event ON audit (event, id);

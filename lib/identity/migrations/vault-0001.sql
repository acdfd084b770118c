-- SPDX-License-Identifier: AGPL-3.0-or-later
-- vault, step 1: secrets. What is called `sealed` is AES-256-GCM under the key file beside the vault.

-- Keys of the house that are made once: pepper, node key.
CREATE TABLE vault_key (
    name TEXT NOT NULL PRIMARY KEY,
    sealed BYTES NOT NULL,
    created_at BIGINT NOT NULL
);

-- Keys that sign tokens, PKCS#8. state: signing, published (not yet or no longer signing), retired.
CREATE TABLE signing_key (
    kid TEXT NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    sealed BYTES NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);

CREATE TABLE credential (
    account BIGINT NOT NULL PRIMARY KEY,
    password_hash TEXT,
    password_changed_at BIGINT,
    scram_salt BYTES NOT NULL,
    scram_iterations BIGINT NOT NULL
);

-- `hash` is HMAC-SHA-256 under the pepper, for PLAIN; the two keys are RFC 5802's, for SCRAM-SHA-256.
CREATE TABLE app_password (
    id BIGINT NOT NULL PRIMARY KEY,
    account BIGINT NOT NULL,
    hash BYTES NOT NULL,
    stored_key BYTES NOT NULL,
    server_key BYTES NOT NULL,
    services TEXT NOT NULL,
    label TEXT NOT NULL,
    networks TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    UNIQUE (account, hash)
);

CREATE TABLE totp (
    id BIGINT NOT NULL PRIMARY KEY,
    account BIGINT NOT NULL,
    label TEXT NOT NULL,
    sealed BYTES NOT NULL,
    last_step BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    confirmed_at BIGINT
);
CREATE INDEX totp_of_account ON totp (account);

CREATE TABLE recovery_code (
    account BIGINT NOT NULL,
    hash BYTES NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (account, hash)
);

CREATE TABLE passkey (
    credential_id BYTES NOT NULL PRIMARY KEY,
    account BIGINT NOT NULL,
    label TEXT NOT NULL,
    sealed BYTES NOT NULL,
    sign_count BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE INDEX passkey_of_account ON passkey (account);

CREATE TABLE openpgp_secret (
    fingerprint TEXT NOT NULL PRIMARY KEY,
    account BIGINT NOT NULL,
    sealed BYTES NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX openpgp_secret_of_account ON openpgp_secret (account);

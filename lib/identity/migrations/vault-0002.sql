-- SPDX-License-Identifier: AGPL-3.0-or-later
-- vault, step 2: links by which somebody who has lost the way in gets a new one. SHA-256 of 256 random bits.

CREATE TABLE one_time_link (
    hash BYTES NOT NULL PRIMARY KEY,
    account BIGINT NOT NULL UNIQUE,
    forget_factors BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

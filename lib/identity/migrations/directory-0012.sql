-- SPDX-License-Identifier: AGPL-3.0-or-later
-- Addresses that were somebody's: mail and logins elsewhere are still theirs, so nobody else gets one without being told.
CREATE TABLE former_address (
    address_key TEXT NOT NULL PRIMARY KEY,
    account BIGINT NOT NULL,
    removed_at BIGINT NOT NULL
);

INSERT INTO former_address (address_key, account, removed_at)
SELECT lower(primary_address), MAX(id), MAX(removed_at) FROM account_tombstone GROUP BY lower(primary_address);

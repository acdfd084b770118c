-- SPDX-License-Identifier: AGPL-3.0-or-later
-- vault, step 4: what SCRAM-SHA-256 knows of an app password, for each name that somebody signs in with: an address in its
-- one form. The salt is not stored: it is a keyed hash of that name. `app_password.stored_key` and `server_key` go on being
-- written under the account's own salt, for a release from before this step, and are what there is of older app passwords.

CREATE TABLE scram_verifier (
    app_password BIGINT NOT NULL,
    name TEXT NOT NULL,
    stored_key BYTES NOT NULL,
    server_key BYTES NOT NULL,
    PRIMARY KEY (app_password, name)
);

-- SPDX-License-Identifier: AGPL-3.0-or-later
-- vault, step 3: whether a passkey may leave its device, as it said when it was made (WebAuthn §6.1.3). NULL: it was made
-- before this was kept, and its next use says so.
ALTER TABLE passkey ADD COLUMN backup_eligible BOOLEAN;

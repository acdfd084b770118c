-- SPDX-License-Identifier: AGPL-3.0-or-later
-- How many requests of one client wait is counted before another is kept.
CREATE INDEX pending_request_of_client ON pending_request (client);

-- SPDX-License-Identifier: AGPL-3.0-or-later
-- directory, step 10: what strangers do again and again is counted in one row for each network they do it from, and has a
-- bound of its own. NULL where a row counts nothing.

ALTER TABLE audit ADD COLUMN network TEXT;

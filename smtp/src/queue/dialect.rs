// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where the engines differ: on PostgreSQL several workers claim at once and must not wait for each other's rows.

use hearth_db::Engine;

/// Claims due recipients: `$1` now, `$2` the end of the lease, `$3` how many.
pub(super) const fn claim(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => {
            "UPDATE recipient SET lease_until = $2
             WHERE (message, position) IN (
                 SELECT message, position FROM recipient
                 WHERE next_attempt_at <= $1 AND lease_until <= $1 AND NOT held
                 ORDER BY next_attempt_at LIMIT $3)
             RETURNING position, message, address, attempts, delay_told, notify, orcpt_kind, orcpt_address"
        }
        Engine::Postgres => {
            "UPDATE recipient SET lease_until = $2
             WHERE (message, position) IN (
                 SELECT message, position FROM recipient
                 WHERE next_attempt_at <= $1 AND lease_until <= $1 AND NOT held
                 ORDER BY next_attempt_at LIMIT $3
                 FOR UPDATE SKIP LOCKED)
             RETURNING position, message, address, attempts, delay_told, notify, orcpt_kind, orcpt_address"
        }
    }
}

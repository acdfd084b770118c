// SPDX-License-Identifier: AGPL-3.0-or-later
//! News between the machines that share one schema of a PostgreSQL server: NOTIFY and LISTEN.
//!
//! The channel is the schema's name. News may be lost (a server without the two, a connection that
//! broke): it shortens a wait, and nothing else may rest on it.

use sqlx::postgres::PgListener;

use crate::error::Result;

/// What a notification may carry (PostgreSQL, NOTIFY: shorter than 8,000 bytes).
pub const NEWS_BYTES_MAX: usize = 7_999;

/// A connection that hears what [`Database::tell`](crate::Database::tell) says, on whichever machine.
pub struct Listener(PgListener);

impl Listener {
    pub(crate) async fn open(pool: &sqlx::PgPool, channel: &str) -> Result<Self> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(channel).await?;
        Ok(Self(listener))
    }

    /// The next news. A connection that broke is made again; what was said meanwhile is not heard.
    pub async fn next(&mut self) -> Result<String> {
        Ok(self.0.recv().await?.payload().to_owned())
    }
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where SQLite is not PostgreSQL: full-text search. SQLite has an FTS5 table in `search.db` beside
//! the mail, PostgreSQL a table of tsvectors in the schema.

use hearth_db::{Engine, Tx};
use hearth_types::{AccountId, MessageId};

use crate::error::Result;

/// In which text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    /// The body.
    Body,
    /// Body, subject and addresses.
    All,
}

/// One message on its way into the index.
pub(crate) struct Words {
    pub message: MessageId,
    /// Subject and addresses.
    pub head: String,
    pub body: String,
}

/// Puts a message into the index, in the place of an older entry.
pub(crate) fn index(tx: &mut Tx<'_>, account: AccountId, words: &Words) -> Result<()> {
    unindex(tx, account, words.message)?;
    match tx.engine() {
        Engine::Sqlite => {
            tx.execute("INSERT INTO words (rowid, head, body) VALUES ($1, $2, $3)", &[&words.message, &words.head, &words.body])?
        }
        Engine::Postgres => tx.execute(
            "INSERT INTO words (account, message, head, body)
             VALUES ($1, $2, to_tsvector('simple', $3), to_tsvector('simple', $4))",
            &[&account, &words.message, &words.head, &words.body],
        )?,
    };
    Ok(())
}

/// Takes a message out of the index.
pub(crate) fn unindex(tx: &mut Tx<'_>, account: AccountId, message: MessageId) -> Result<()> {
    match tx.engine() {
        Engine::Sqlite => tx.execute("DELETE FROM words WHERE rowid = $1", &[&message])?,
        Engine::Postgres => tx.execute("DELETE FROM words WHERE account = $1 AND message = $2", &[&account, &message])?,
    };
    Ok(())
}

/// The messages in which every one of these words (letters and digits only) begins a word.
pub(crate) fn find(tx: &mut Tx<'_>, account: AccountId, scope: Scope, words: &[String]) -> Result<Vec<MessageId>> {
    Ok(match tx.engine() {
        Engine::Sqlite => {
            let terms: Vec<String> = words.iter().map(|word| format!("\"{word}\"*")).collect();
            let terms = terms.join(" AND ");
            let query = if scope == Scope::Body { format!("body : ({terms})") } else { terms };
            tx.query("SELECT rowid FROM words WHERE words MATCH $1", &[&query], |row| row.get(0))?
        }
        Engine::Postgres => {
            let terms: Vec<String> = words.iter().map(|word| format!("{word}:*")).collect();
            let query = terms.join(" & ");
            let sql = match scope {
                Scope::Body => "SELECT message FROM words WHERE account = $1 AND body @@ to_tsquery('simple', $2)",
                Scope::All => "SELECT message FROM words WHERE account = $1 AND (head || body) @@ to_tsquery('simple', $2)",
            };
            tx.query(sql, &[&account, &query], |row| row.get(0))?
        }
    })
}

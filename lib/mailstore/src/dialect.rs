// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where SQLite is not PostgreSQL: full-text search. SQLite has an FTS5 table in `search.db` beside
//! the mail, PostgreSQL a table of tsvectors in the schema.

use hearth_db::{Engine, Tx};
use hearth_types::{AccountId, MessageId};

use crate::error::Result;
use crate::term::Term;

/// In which text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    /// The body.
    Body,
    /// Body, subject, addresses and names of attachments.
    All,
}

/// One message on its way into the index.
pub(crate) struct Words {
    pub message: MessageId,
    /// Subject, addresses and names of attachments.
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

/// The messages that have every one of these terms.
pub(crate) fn find(tx: &mut Tx<'_>, account: AccountId, scope: Scope, terms: &[Term]) -> Result<Vec<MessageId>> {
    let query = query(tx.engine(), scope, terms);
    Ok(match tx.engine() {
        Engine::Sqlite => tx.query("SELECT rowid FROM words WHERE words MATCH $1", &[&query], |row| row.get(0))?,
        Engine::Postgres => {
            let sql = match scope {
                Scope::Body => "SELECT message FROM words WHERE account = $1 AND body @@ to_tsquery('simple', $2)",
                Scope::All => "SELECT message FROM words WHERE account = $1 AND (head || body) @@ to_tsquery('simple', $2)",
            };
            tx.query(sql, &[&account, &query], |row| row.get(0))?
        }
    })
}

/// The same, each with how well it fits: more is better. A word in subject or addresses counts four times as much.
pub(crate) fn rank(tx: &mut Tx<'_>, account: AccountId, scope: Scope, terms: &[Term]) -> Result<Vec<(MessageId, i64)>> {
    let query = query(tx.engine(), scope, terms);
    let read = |row: &hearth_db::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    Ok(match tx.engine() {
        Engine::Sqlite => tx.query(
            "SELECT rowid, CAST(-1000000.0 * bm25(words, 4.0, 1.0) AS INTEGER) FROM words WHERE words MATCH $1",
            &[&query],
            read,
        )?,
        Engine::Postgres => {
            let sql = match scope {
                Scope::Body => {
                    "SELECT message, CAST(1000000.0 * ts_rank(body, to_tsquery('simple', $2)) AS BIGINT) FROM words
                     WHERE account = $1 AND body @@ to_tsquery('simple', $2)"
                }
                Scope::All => {
                    "SELECT message, CAST(1000000.0 * ts_rank(setweight(head, 'A') || body, to_tsquery('simple', $2)) AS BIGINT)
                     FROM words WHERE account = $1 AND (head || body) @@ to_tsquery('simple', $2)"
                }
            };
            tx.query(sql, &[&account, &query], read)?
        }
    })
}

/// Every one of these terms. PostgreSQL counts words to 16,383: of a longer text, a phrase is found in what stands before.
fn query(engine: Engine, scope: Scope, terms: &[Term]) -> String {
    let each = |term: fn(&Term) -> String, and: &str| terms.iter().map(term).collect::<Vec<_>>().join(and);
    match engine {
        Engine::Sqlite => {
            let terms = each(|term| format!("\"{}\"{}", term.words.join(" "), if term.is_phrase { "" } else { "*" }), " AND ");
            if scope == Scope::Body { format!("body : ({terms})") } else { terms }
        }
        // What phraseto_tsquery makes of a phrase.
        Engine::Postgres => each(
            |term| if term.is_phrase { format!("({})", term.words.join(" <-> ")) } else { term.words.join(":* & ") + ":*" },
            " & ",
        ),
    }
}

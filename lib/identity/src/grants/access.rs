// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who may use a client: everyone, or those that are listed, themselves or through a group.

use hearth_db::Tx;
use hearth_types::{AccountId, Address, ClientId, SessionId, Timestamp};

use super::client::name_of;
use crate::Directory;
use crate::directory::{Event, revocation_of_session};
use crate::error::Result;

impl Directory {
    /// Lets an account (a person, or everyone in a group) use a client; from then on only those that are
    /// listed may, and what it had of others is ended.
    pub async fn add_client_access(&self, client: ClientId, account: AccountId) -> Result<()> {
        let now = self.now();
        self.change(move |tx| {
            tx.execute("UPDATE client SET access = 'listed', changed_at = $2 WHERE id = $1", &[&client, &now])?;
            tx.execute(
                "INSERT INTO app_access (client, account, added_at) VALUES ($1, $2, $3) ON CONFLICT (client, account) DO NOTHING",
                &[&client, &account, &now],
            )?;
            end_unadmitted(tx, now)?;
            Ok(((), Some(Event::of("client.allowed", account, name_of(tx, client)?))))
        })
        .await
    }

    /// Takes an account off the list, and ends what the client had of those that it admits no longer; false when it was
    /// not on it. An empty list admits nobody.
    pub async fn remove_client_access(&self, client: ClientId, account: AccountId) -> Result<bool> {
        let now = self.now();
        self.change(move |tx| {
            let removed = tx.execute("DELETE FROM app_access WHERE client = $1 AND account = $2", &[&client, &account])?;
            end_unadmitted(tx, now)?;
            let event = Event::of("client.denied", account, name_of(tx, client)?);
            Ok((removed == 1, Some(event).filter(|_| removed == 1)))
        })
        .await
    }

    /// Lets everyone use a client again.
    pub async fn open_client(&self, client: ClientId) -> Result<()> {
        let now = self.now();
        self.change(move |tx| {
            tx.execute("DELETE FROM app_access WHERE client = $1", &[&client])?;
            tx.execute("UPDATE client SET access = 'everyone', changed_at = $2 WHERE id = $1", &[&client, &now])?;
            Ok(((), Some(Event::about("client.opened", name_of(tx, client)?))))
        })
        .await
    }

    /// Who is listed, by address.
    pub async fn list_client_access(&self, client: ClientId) -> Result<Vec<Address>> {
        self.read(move |tx| {
            Ok(tx.query(
                "SELECT a.primary_address FROM app_access p JOIN account a ON a.id = p.account WHERE p.client = $1
                 ORDER BY a.primary_address",
                &[&client],
                |row| row.get(0),
            )?)
        })
        .await
    }
}

/// Ends what clients have of people that they are not for any more. Called where a list or a group loses somebody, in the
/// same transaction: so nobody has to ask again at each use of a token.
pub(crate) fn end_unadmitted(tx: &mut Tx<'_>, now: Timestamp) -> Result<()> {
    let sessions: Vec<SessionId> = tx.query(
        // Where nobody proved who they are, the client acts for itself: that is nobody's admission.
        "SELECT s.id FROM session s JOIN client c ON c.id = s.client
         WHERE s.ended_at IS NULL AND s.auth_methods <> '' AND c.access <> 'everyone' AND NOT EXISTS
            (SELECT 1 FROM app_access p WHERE p.client = c.id AND (p.account = s.account OR p.account IN
                (SELECT group_account FROM membership WHERE member = s.account)))",
        &[],
        |row| row.get(0),
    )?;
    for session in sessions {
        revocation_of_session(tx, session, now)?;
    }
    // Codes on their way, and tokens that another client was given for one of its own (RFC 8693).
    tx.execute(
        "DELETE FROM authorization_code WHERE used_at IS NULL AND EXISTS
            (SELECT 1 FROM client c WHERE c.id = authorization_code.client AND c.access <> 'everyone') AND NOT EXISTS
            (SELECT 1 FROM app_access p WHERE p.client = authorization_code.client AND (p.account = authorization_code.account
                OR p.account IN (SELECT group_account FROM membership WHERE member = authorization_code.account)))",
        &[],
    )?;
    tx.execute(
        "DELETE FROM access_token WHERE hash IN
            (SELECT t.hash FROM access_token t JOIN session s ON s.id = t.session JOIN client c ON c.id = t.client
             WHERE s.auth_methods <> '' AND c.access <> 'everyone' AND NOT EXISTS
                (SELECT 1 FROM app_access p WHERE p.client = c.id AND (p.account = s.account OR p.account IN
                    (SELECT group_account FROM membership WHERE member = s.account))))",
        &[],
    )?;
    Ok(())
}

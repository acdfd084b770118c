// SPDX-License-Identifier: AGPL-3.0-or-later
//! Other homes, and what each may do here. The tables are in the directory; every right is off by default.

use hearth_db::Tx;
use hearth_types::{Domain, Timestamp};

use crate::Directory;
use crate::certs::TrustedHome;
use crate::certs::house::remove_vouches;
use crate::error::Result;

/// Another home that this one has paired with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Friend {
    /// Its domain.
    pub domain: Domain,
    /// The fingerprint of its node key.
    pub node_fingerprint: String,
    /// `invited`, `paired`, `suspended` or `ended`.
    pub state: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when, if it ended.
    pub ended_at: Option<Timestamp>,
}

/// What hearsay is worth: all that is left of somebody whom a friend's home told of, when its word counts no more.
const HEARSAY: u32 = 40;

/// What a domain itself publishes of its people is worth (`hearth_keyserver::find::Source::confidence`); it stays so.
const PUBLISHED: u32 = 80;

/// What a friend that is asked for its own people is worth; no certification has its part in it.
const ASKED: u32 = 110;

/// People of a domain whose certificates were found are no surer by its home's word, until they are looked for again: those
/// of whom we were surer than so much.
fn forget_how_sure(tx: &mut Tx<'_>, domain: &Domain, above: u32) -> Result<()> {
    tx.execute(
        "UPDATE cert_seen SET confidence = CASE WHEN source = 'friend' THEN $2 ELSE $3 END
          WHERE address_key LIKE $1 AND confidence > CASE WHEN source = 'friend' THEN $2 ELSE $3 END AND confidence > $4",
        &[&format!("%@{domain}"), &HEARSAY, &PUBLISHED, &above],
    )?;
    Ok(())
}

impl Directory {
    /// Makes a home a friend, or one again: its certificate with this house's trust signature is kept with it. What it may
    /// do stays as it was; of a new friend that is nothing.
    pub async fn add_friend(&self, domain: &Domain, fingerprint: &str, bytes: Vec<u8>) -> Result<()> {
        let (domain, fingerprint, now) = (domain.clone(), fingerprint.to_string(), self.now());
        self.write(move |tx| {
            tx.execute(
                "INSERT INTO friend (domain, node_fingerprint, node_key, statement, state, since)
                 VALUES ($1, $2, $3, '', 'paired', $4)
                 ON CONFLICT (domain) DO UPDATE SET
                    node_fingerprint = excluded.node_fingerprint, node_key = excluded.node_key, state = 'paired',
                    since = CASE WHEN friend.state = 'paired' THEN friend.since ELSE excluded.since END, ended_at = NULL",
                &[&domain, &fingerprint, &bytes, &now],
            )?;
            tx.execute(
                "INSERT INTO trusted_home (domain, fingerprint, bytes, since) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (domain) DO UPDATE SET
                    fingerprint = excluded.fingerprint, bytes = excluded.bytes, since = excluded.since",
                &[&domain, &fingerprint, &bytes, &now],
            )?;
            Ok(())
        })
        .await
    }

    /// Keeps what a friend's home says of its own certificate now, as long as what is kept of it is what `home` was read as;
    /// `false` when somebody was quicker. When the home ended it, the friendship rests until the next one was compared, and
    /// what it certified here is not shown any longer.
    pub async fn refresh_friend(&self, home: &TrustedHome, bytes: Vec<u8>, is_revoked: bool) -> Result<bool> {
        let (TrustedHome { domain, fingerprint, bytes: before, .. }, now) = (home.clone(), self.now());
        self.write(move |tx| {
            let kept = tx.execute(
                "UPDATE trusted_home SET bytes = $3 WHERE domain = $1 AND fingerprint = $2 AND bytes = $4",
                &[&domain, &fingerprint, &bytes, &before],
            )?;
            if kept == 0 {
                return Ok(false);
            }
            tx.execute(
                "UPDATE friend SET node_key = $3 WHERE domain = $1 AND node_fingerprint = $2 AND state = 'paired'",
                &[&domain, &fingerprint, &bytes],
            )?;
            if is_revoked {
                tx.execute(
                    "UPDATE friend SET state = 'suspended' WHERE domain = $1 AND node_fingerprint = $2 AND state = 'paired'",
                    &[&domain, &fingerprint],
                )?;
                remove_vouches(tx, &fingerprint, now)?;
                forget_how_sure(tx, &domain, HEARSAY)?;
            }
            Ok(true)
        })
        .await
    }

    /// When the house ended its own certificate (`issuer`) and made no other: what it certified is not shown any longer, and
    /// nobody is surer by the word of homes that were trusted through it. Doing it again changes nothing.
    pub async fn close_house(&self, issuer: &str) -> Result<()> {
        let (issuer, now) = (issuer.to_string(), self.now());
        self.write(move |tx| {
            remove_vouches(tx, &issuer, now)?;
            for domain in tx.query("SELECT domain FROM trusted_home", &[], |row| row.get::<Domain>(0))? {
                // Who is a friend stays one: what it answers when it is asked counts as before.
                forget_how_sure(tx, &domain, ASKED)?;
            }
            Ok(())
        })
        .await
    }

    /// Ends a friendship: its rights go, its word counts no more, and what it certified here is not shown any longer.
    /// `false` when it was none.
    pub async fn end_friend(&self, domain: &Domain) -> Result<bool> {
        let (domain, now) = (domain.clone(), self.now());
        self.write(move |tx| {
            let ended = tx.execute(
                "UPDATE friend SET state = 'ended', ended_at = $2 WHERE domain = $1 AND state <> 'ended'",
                &[&domain, &now],
            )?;
            tx.execute("DELETE FROM friend_right WHERE domain = $1", &[&domain])?;
            let trusted = tx.query("DELETE FROM trusted_home WHERE domain = $1 RETURNING fingerprint", &[&domain], |row| {
                row.get::<String>(0)
            })?;
            for fingerprint in &trusted {
                remove_vouches(tx, fingerprint, now)?;
            }
            forget_how_sure(tx, &domain, HEARSAY)?;
            Ok(ended > 0 || !trusted.is_empty())
        })
        .await
    }

    /// Gives or takes a right; `false` when there is no such friend. `direction`: `given` by this house or `received`.
    pub async fn change_friend_right(&self, domain: &Domain, direction: &str, right: &str, is_on: bool) -> Result<bool> {
        let (domain, direction, right, now) = (domain.clone(), direction.to_string(), right.to_string(), self.now());
        self.write(move |tx| {
            let paired = tx.find("SELECT 1 FROM friend WHERE domain = $1 AND state = 'paired'", &[&domain], |_| Ok(()))?;
            if is_on && paired.is_some() {
                tx.execute(
                    "INSERT INTO friend_right (domain, direction, name, limits, since) VALUES ($1, $2, $3, '', $4)
                     ON CONFLICT DO NOTHING",
                    &[&domain, &direction, &right, &now],
                )?;
            } else {
                tx.execute(
                    "DELETE FROM friend_right WHERE domain = $1 AND direction = $2 AND name = $3",
                    &[&domain, &direction, &right],
                )?;
            }
            Ok(paired.is_some())
        })
        .await
    }

    /// Every friend, by domain.
    pub async fn list_friends(&self) -> Result<Vec<Friend>> {
        self.read(|tx| {
            Ok(tx.query("SELECT domain, node_fingerprint, state, since, ended_at FROM friend ORDER BY domain", &[], |row| {
                Ok(Friend {
                    domain: row.get(0)?,
                    node_fingerprint: row.get(1)?,
                    state: row.get(2)?,
                    since: row.get(3)?,
                    ended_at: row.get(4)?,
                })
            })?)
        })
        .await
    }

    /// May this home use a right that we gave? No row, no right.
    pub async fn friend_may(&self, domain: &Domain, right: &str) -> Result<bool> {
        let (domain, right) = (domain.clone(), right.to_string());
        self.read(move |tx| {
            let found = tx.find(
                "SELECT 1 FROM friend_right r JOIN friend f ON f.domain = r.domain
                 WHERE r.domain = $1 AND r.direction = 'given' AND r.name = $2 AND f.state = 'paired'",
                &[&domain, &right],
                |_| Ok(()),
            )?;
            Ok(found.is_some())
        })
        .await
    }

    /// May this house use a right that another home gave? No row, no right.
    pub async fn friend_lets(&self, domain: &Domain, right: &str) -> Result<bool> {
        let (domain, right) = (domain.clone(), right.to_string());
        self.read(move |tx| {
            let found = tx.find(
                "SELECT 1 FROM friend_right r JOIN friend f ON f.domain = r.domain
                 WHERE r.domain = $1 AND r.direction = 'received' AND r.name = $2 AND f.state = 'paired'",
                &[&domain, &right],
                |_| Ok(()),
            )?;
            Ok(found.is_some())
        })
        .await
    }
}

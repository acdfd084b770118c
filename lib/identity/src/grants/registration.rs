// SPDX-License-Identifier: AGPL-3.0-or-later
//! What becomes of programs that make themselves known (RFC 7591): the household's choice.

use hearth_types::ClientId;

use super::client::name_of;
use crate::Directory;
use crate::directory::{Event, revocation_of_client, setting_change};
use crate::error::{Error, Result};

const SETTING: &str = "oauth.registration";

/// What becomes of a program that registers itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Registration {
    /// It is known, and gets nobody in until somebody who looks after the home says so.
    #[default]
    Approved,
    /// It may be used at once; people are told that it is a stranger.
    Open,
    /// It is refused.
    Off,
}

impl Registration {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Approved, Self::Open, Self::Off];

    /// Its name in the setting and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Open => "open",
            Self::Off => "off",
        }
    }

    /// The one of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

impl Directory {
    /// What the household chose; what cannot be read lets nobody in.
    pub async fn find_registration(&self) -> Result<Registration> {
        let set = self.find_setting(SETTING).await?;
        Ok(set.map_or(Registration::default(), |name| Registration::parse(&name).unwrap_or(Registration::Off)))
    }

    /// Chooses.
    pub async fn change_registration(&self, registration: Registration) -> Result<()> {
        let now = self.now();
        self.change(move |tx| {
            setting_change(tx, SETTING, registration.name(), now)?;
            Ok(((), Some(Event::about("registration.changed", registration.name()))))
        })
        .await
    }

    /// Lets nobody in through a client any more, and ends what was granted to it; it stays registered.
    pub async fn disable_client(&self, id: ClientId) -> Result<()> {
        let now = self.now();
        self.change(move |tx| {
            match tx.execute("UPDATE client SET disabled = TRUE, changed_at = $2 WHERE id = $1", &[&id, &now])? {
                0 => return Err(Error::Missing("such client".into())),
                _ => revocation_of_client(tx, id, now)?,
            }
            Ok(((), Some(Event::about("client.disabled", name_of(tx, id)?))))
        })
        .await
    }

    /// Lets people in through it again, or at all.
    pub async fn enable_client(&self, id: ClientId) -> Result<()> {
        let now = self.now();
        self.change(move |tx| {
            match tx.execute("UPDATE client SET disabled = FALSE, changed_at = $2 WHERE id = $1", &[&id, &now])? {
                0 => Err(Error::Missing("such client".into())),
                _ => Ok(((), Some(Event::about("client.enabled", name_of(tx, id)?)))),
            }
        })
        .await
    }
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! What an endpoint may touch.

use std::sync::{Arc, PoisonError, RwLock};

use hearth_identity::Directory;
use hearth_identity::vault::Vault;
use hearth_mailstore::Store;
use hearth_types::{Clock, Secret, Timestamp, Trouble};
use hearth_web::Csrf;
use tokio::sync::OnceCell;

use crate::gate::Doorkeeper;
use crate::home::Home;
use crate::jws::Keys;

/// Stores, keys, clock, and the two names that are fixed by the configuration.
pub struct Ctx {
    /// Who we are: `https://id.D`, without a path or trailing slash, never taken from a request.
    pub issuer: String,
    /// The home's own domain; what a user name without one stands in.
    pub domain: String,
    /// People, clients, sessions, tokens.
    pub directory: Directory,
    /// Checks passwords and counts failures.
    pub doorkeeper: Doorkeeper,
    /// The machine.
    pub home: Home,
    keys: RwLock<Arc<Keys>>,
    mail: OnceCell<Store>,
    /// Makes and checks the tokens of forms.
    pub csrf: Csrf,
    /// The time.
    pub clock: Clock,
}

impl Ctx {
    /// Brings together what was opened.
    pub async fn new(
        issuer: String,
        domain: String,
        home: Home,
        directory: Directory,
        doorkeeper: Doorkeeper,
        clock: Clock,
    ) -> Result<Arc<Self>, Trouble> {
        doorkeeper.vault().turn_signing_keys().await?;
        let keys = RwLock::new(Arc::new(Keys::read(doorkeeper.vault().signing_keys().await?)?));
        // Under the vault's pepper: a form that is open outlives a restart.
        let csrf = Csrf::new(Secret::new(doorkeeper.vault().keyed_hash("csrf", b"forms")));
        Ok(Arc::new(Self { issuer, domain, home, mail: OnceCell::new(), directory, doorkeeper, keys, csrf, clock }))
    }

    /// What signs tokens now.
    pub fn keys(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Turns the keys when it is time, and signs with what there is then: no restart is needed.
    pub async fn turn_keys(&self) -> Result<(), Trouble> {
        if self.vault().turn_signing_keys().await? {
            let keys = Arc::new(Keys::read(self.vault().signing_keys().await?)?);
            *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        }
        Ok(())
    }

    /// The mail of all accounts, opened when somebody first looks at their rules: most never do.
    pub async fn mail(&self) -> Result<&Store, Trouble> {
        let open = async || match &self.home.mail {
            Some(config) => Ok(Store::open(config.clone()).await?),
            None => Err(Trouble::new("there is no mail here")),
        };
        self.mail.get_or_try_init(open).await
    }

    /// The vault.
    pub fn vault(&self) -> &Vault {
        self.doorkeeper.vault()
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

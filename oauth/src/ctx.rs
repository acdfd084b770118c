// SPDX-License-Identifier: AGPL-3.0-or-later
//! What an endpoint may touch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use hearth_identity::Directory;
use hearth_identity::vault::Vault;
use hearth_mailstore::Store;
use hearth_types::{Clock, Secret, Timestamp, Trouble};
use hearth_web::Csrf;
use tokio::sync::OnceCell;

use crate::client::profile::Profile;
use crate::gate::Doorkeeper;
use crate::home::Home;
use crate::jose::jws::Keys;
use crate::limits::POLICY_FRESH;
use crate::rule::policy::Policy;

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
    /// The household's rules, and when they were read.
    policy: Mutex<Option<(Timestamp, Arc<Policy>)>>,
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
        Ok(Arc::new(Self {
            issuer,
            domain,
            home,
            mail: OnceCell::new(),
            policy: Mutex::default(),
            directory,
            doorkeeper,
            keys,
            csrf,
            clock,
        }))
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

    /// New keys in the place of all, for the day when somebody else may have them: what the old ones signed counts no
    /// more, here or anywhere. Who is signed in stays, and apps get new tokens for their refresh tokens.
    pub async fn replace_keys(&self) -> Result<(), Trouble> {
        self.vault().replace_signing_keys().await?;
        let keys = Arc::new(Keys::read(self.vault().signing_keys().await?)?);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        for client in self.directory.list_clients().await? {
            if Profile::of(&client).signed_access {
                self.directory.remove_access_tokens_of(client.id).await?;
            }
        }
        Ok(())
    }

    /// The household's rules.
    pub async fn policy(&self) -> Result<Arc<Policy>, Trouble> {
        let known = self.known_policy().clone();
        if let Some((_, policy)) = known.filter(|(at, _)| self.now().since(*at) < POLICY_FRESH && *at <= self.now()) {
            return Ok(policy);
        }
        let policy = Arc::new(Policy::read(&self.directory).await?);
        *self.known_policy() = Some((self.now(), policy.clone()));
        Ok(policy)
    }

    /// Other rules, from now on.
    pub async fn change_policy(&self, policy: Policy) -> Result<(), Trouble> {
        policy.write(&self.directory).await?;
        *self.known_policy() = None;
        Ok(())
    }

    fn known_policy(&self) -> MutexGuard<'_, Option<(Timestamp, Arc<Policy>)>> {
        self.policy.lock().unwrap_or_else(PoisonError::into_inner)
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

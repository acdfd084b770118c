// SPDX-License-Identifier: AGPL-3.0-or-later
//! From a password or a token to a login.
//!
//! An app password is found by one keyed hash and is never in the way of the throttle of human
//! passwords, for nobody can guess it. Only what is not an app password comes to argon2, and only after
//! the throttle admitted it. What is refused is told vaguely and written to the audit log precisely.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hearth_identity::directory::{Account, Event, NewSession, SessionKind};
use hearth_identity::grants::scope;
use hearth_identity::login::{Login, Refusal, Service, Services};
use hearth_identity::vault::{Asker, PasswordCheck, StoredAppPassword, Vault, looks_like_app_password, looks_like_recovery_code};
use hearth_identity::{Directory, Error};
use hearth_types::{AccountId, Address, Clock, Secret, SessionId, Timestamp, Trouble};

use crate::request::resource;
use crate::rule::policy::Policy;

use super::limits::BUSY_WAIT;
use super::mark::Marks;
use super::throttle::{Attempt, Deed, Strength, Throttle, area_of, network_of};

/// Octets of a name that somebody signs in with: a longest address.
const USER_BYTES_MAX: usize = 320;
/// In the place of a network, for the browsers that an account is known by.
const KNOWN_BROWSER: &str = "a known browser";

/// Checks passwords and tokens, counts failures, writes sessions. Cheap to clone.
#[derive(Clone)]
pub struct Doorkeeper(Arc<Inner>);

struct Inner {
    vault: Vault,
    directory: Directory,
    clock: Clock,
    issuer: String,
    throttle: Mutex<Throttle>,
}

/// What came of a password on the sign-in page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// It is them.
    Done(Account),
    /// The password is right; a second factor is asked for next.
    SecondFactor(Account),
    /// It is not them, or they have to wait.
    Refused(Refusal),
}

/// What a second factor was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Second {
    /// A code of an authenticator app.
    Code,
    /// A line of the sheet of recovery codes; it is spent.
    Recovery,
}

/// Somebody who claims to be somebody, from somewhere, for something.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    /// The account, when there is one that may sign in.
    pub account: Option<Account>,
    pub service: Service,
    pub peer: IpAddr,
    /// What was typed, in its one form.
    pub name: String,
    key: String,
    network: String,
    /// When the account last signed in from this network.
    known_at: Option<Timestamp>,
    /// The account signed in with this browser before.
    is_known_browser: bool,
}

impl Doorkeeper {
    /// A doorkeeper with an empty memory of failures.
    pub fn new(vault: Vault, directory: Directory, clock: Clock) -> Self {
        Self::with_issuer(vault, directory, clock, String::new())
    }

    /// The same, who tells OAUTHBEARER's clients where tokens come from (RFC 7628 §3.2.2).
    pub fn with_issuer(vault: Vault, directory: Directory, clock: Clock, issuer: String) -> Self {
        Self(Arc::new(Inner { vault, directory, clock, issuer, throttle: Mutex::default() }))
    }

    /// The vault, for the pages that manage it.
    pub fn vault(&self) -> &Vault {
        &self.0.vault
    }

    /// The directory.
    pub fn directory(&self) -> &Directory {
        &self.0.directory
    }

    pub(super) fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// The sign-in page's question: the human password alone counts. Makes no session.
    pub async fn sign_in(&self, user: &str, password: &Secret<String>, peer: IpAddr, marks: &Marks) -> Result<SignIn, Trouble> {
        let claim = self.claim_by_browser(user, peer, marks).await?;
        match self.check_human(&claim, password).await? {
            Ok(account) if self.vault().has_second_factor(account.id).await? => Ok(SignIn::SecondFactor(account)),
            Ok(account) => Ok(SignIn::Done(account)),
            Err(refusal) => Ok(SignIn::Refused(refusal)),
        }
    }

    /// A code of an authenticator app or of the recovery sheet, from somebody whose password was right. Counted
    /// apart from passwords, by account and from everywhere together: a right password must not give back the guesses of the
    /// codes. The lines of the recovery sheet are counted apart, so that guesses at codes keep nobody from using one.
    pub async fn second_factor(
        &self,
        account: &Account,
        code: &str,
        peer: IpAddr,
        marks: &Marks,
    ) -> Result<Result<Second, Refusal>, Trouble> {
        let claim = self.claim_by_browser(&account.primary.to_string(), peer, marks).await?;
        let is_of_the_sheet = looks_like_recovery_code(code);
        let attempt = claim.attempt(if is_of_the_sheet { Strength::Sheet } else { Strength::Code });
        if claim.account.is_none() {
            return Ok(Err(Refusal::Credentials));
        }
        if let Err(wait) = self.throttle().admit(&attempt, self.now()) {
            return Ok(Err(Refusal::Wait(wait)));
        }
        let is_right = if is_of_the_sheet {
            self.vault().use_recovery_code(account.id, code).await?
        } else {
            self.vault().check_totp(account.id, code).await?
        };
        if !is_right {
            self.fail(&claim, "wrong second factor").await?;
            return Ok(Err(Refusal::Credentials));
        }
        self.throttle().succeeded(&attempt, self.now());
        Ok(Ok(if is_of_the_sheet { Second::Recovery } else { Second::Code }))
    }

    /// Somebody is in, all of it proven: where they came from is theirs. Nothing less makes a network known, for what is
    /// counted there is counted apart from strangers.
    pub async fn know_network(&self, account: AccountId, peer: IpAddr) -> Result<(), Trouble> {
        let network = network_of(peer);
        let known_at = self.directory().find_known_network(account, &network).await?;
        Ok(self.directory().know_network(account, &network, known_at).await?)
    }

    /// A password (app password, or the human one of an account without a second factor) for a mail service.
    pub async fn password(
        &self,
        user: &str,
        password: &Secret<String>,
        service: Service,
        peer: IpAddr,
    ) -> Result<Result<Login, Refusal>, Trouble> {
        if service == Service::Web {
            return Ok(Err(Refusal::Forbidden));
        }
        let claim = self.claim(user, service, peer).await?;
        if let Some(account) = &claim.account
            && let Some(app) = self.vault().find_app_password(account.id, password).await?
        {
            return self.enter_by_app_password(&claim, &app).await;
        }
        if looks_like_app_password(password.expose()) {
            return Ok(Err(self.refuse_random(&claim, "unknown app password").await?));
        }
        match self.check_human(&claim, password).await? {
            Ok(account) if self.vault().has_second_factor(account.id).await? || self.wants_two_factors(&account).await? => {
                self.fail(&claim, "human password of an account with a second factor").await?;
                Ok(Err(Refusal::Credentials))
            }
            Ok(account) => self.enter_by_password(&claim, &account).await,
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// Do the household's rules ask them to prove it twice? A mail program cannot.
    async fn wants_two_factors(&self, account: &Account) -> Result<bool, Trouble> {
        Ok(Policy::read(self.directory()).await?.wants_two_factors(self.directory(), account).await?)
    }

    /// An access token for a mail service.
    pub async fn bearer(&self, token: &Secret<String>, service: Service, peer: IpAddr) -> Result<Result<Login, Refusal>, Trouble> {
        let Some(found) = self.directory().find_access_token(token).await? else {
            return Ok(Err(self.refuse_random(&Claim::of_nobody(service, peer), "unknown token").await?));
        };
        // It was given once: an old token is no guess.
        if found.is_over {
            return Ok(Err(Refusal::Expired));
        }
        // RFC 9449: SASL has no place for a proof. RFC 8707: a token for an app is not one for mail.
        let is_for_mail = resource::is_for(&found.audience, &resource::of_mail(self.issuer()));
        if found.confirmation.is_some() || !is_for_mail {
            return Ok(Err(Refusal::Credentials));
        }
        if !scope::admits(&found.scopes, service) {
            return Ok(Err(Refusal::Forbidden));
        }
        let Some(account) = self.directory().find_account(found.account).await? else {
            return Ok(Err(Refusal::Credentials));
        };
        self.directory().touch_session(found.session, found.session_used_at, Some(peer)).await?;
        Ok(Ok(Login { account: account.id, address: account.primary, session: found.session, scopes: found.scopes }))
    }

    /// Makes an app password, for every name that its owner may sign in with; the text is shown once.
    pub async fn add_app_password(
        &self,
        account: &Account,
        label: &str,
        services: Services,
        expires_at: Option<Timestamp>,
    ) -> hearth_identity::Result<(SessionId, Secret<String>)> {
        let open = self.directory().list_open_addresses(account.id).await?.into_iter().map(|entry| entry.address);
        let others = open.filter(|address| address.key() != account.primary.key());
        let names: Vec<Address> = std::iter::once(account.primary.clone()).chain(others).collect();
        self.vault().add_app_password(account.id, &names, label, services, expires_at).await
    }

    /// May this be done from there now? Then it is counted; else how long to wait.
    pub fn admit(&self, deed: Deed, peer: IpAddr) -> Result<(), Duration> {
        self.throttle().admit_deed(deed, &network_of(peer), self.now())
    }

    /// What was admitted does not count after all.
    pub fn give_back(&self, deed: Deed, peer: IpAddr) {
        self.throttle().give_back_deed(deed, &network_of(peer), self.now());
    }

    async fn claim_by_browser(&self, user: &str, peer: IpAddr, marks: &Marks) -> Result<Claim, Trouble> {
        let claim = self.claim(user, Service::Web, peer).await?;
        let is_known_browser = claim.account.as_ref().is_some_and(|account| marks.know(self.vault(), account.id));
        Ok(Claim { is_known_browser, ..claim })
    }

    /// Who is meant, and from where: one read of the directory, known or not.
    pub(super) async fn claim(&self, user: &str, service: Service, peer: IpAddr) -> Result<Claim, Trouble> {
        let network = network_of(peer);
        let address = if user.len() <= USER_BYTES_MAX { user.parse::<Address>().ok() } else { None };
        let found = match &address {
            Some(address) => self.directory().find_account_by_name(address).await?,
            None => None,
        };
        // What is counted is the account, whichever of its addresses is typed.
        let name = match &address {
            Some(address) => address.key(),
            None => user.chars().take(USER_BYTES_MAX).flat_map(char::to_lowercase).collect(),
        };
        let key = found.as_ref().map_or_else(|| name.clone(), |account| account.primary.key());
        let account = found.filter(|account| !account.disabled);
        let known_at = match &account {
            Some(account) => self.directory().find_known_network(account.id, &network).await?,
            None => None,
        };
        Ok(Claim { account, service, peer, name, key, network, known_at, is_known_browser: false })
    }

    /// The human password, within the throttle; costs the same for nobody.
    async fn check_human(&self, claim: &Claim, password: &Secret<String>) -> Result<Result<Account, Refusal>, Trouble> {
        let attempt = claim.attempt(Strength::Guessable);
        let wrong = self.wrong_mark(claim, password);
        {
            let mut throttle = self.throttle();
            if throttle.is_known_wrong(&attempt, wrong) {
                return Ok(Err(Refusal::Credentials));
            }
            if let Err(wait) = throttle.admit(&attempt, self.now()) {
                return Ok(Err(Refusal::Wait(wait)));
            }
        }
        // On the pages nothing is computed for an app password: it is wrong whosever it is, and counted like any other guess.
        let is_app_password = claim.service == Service::Web && looks_like_app_password(password.expose());
        let account = claim.account.as_ref().map(|account| account.id);
        let asker = if claim.is_known() { Asker::Known } else { Asker::Stranger };
        let checked = match is_app_password {
            true => PasswordCheck::Wrong,
            false => self.vault().check_password(account, password, asker).await?,
        };
        match (checked, &claim.account) {
            (PasswordCheck::Right, Some(account)) => {
                self.throttle().succeeded(&attempt, self.now());
                Ok(Ok(account.clone()))
            }
            (PasswordCheck::Busy, _) => {
                self.throttle().undecided(&attempt, self.now());
                Ok(Err(Refusal::Wait(BUSY_WAIT)))
            }
            (PasswordCheck::Wrong | PasswordCheck::Right, _) => {
                self.throttle().remember_wrong(&attempt, wrong);
                let what = if is_app_password { "an app password on the sign-in page" } else { "wrong password" };
                self.fail(claim, what).await?;
                Ok(Err(Refusal::Credentials))
            }
        }
    }

    /// What is remembered of a wrong password: nothing that could be turned back, or outlive a change.
    fn wrong_mark(&self, claim: &Claim, password: &Secret<String>) -> [u8; 8] {
        let data = Secret::new(
            [
                self.vault().passwords_set().to_be_bytes().as_slice(),
                // Wrong while the account was disabled is not wrong when it is let in again.
                &[u8::from(claim.account.is_some())],
                claim.key.as_bytes(),
                b"\0",
                password.expose().as_bytes(),
            ]
            .concat(),
        );
        let hash = self.vault().keyed_hash("wrong password", data.expose());
        hash.first_chunk().copied().unwrap_or_default()
    }

    /// A proof of an app password, by whatever mechanism: is it for this, does it still hold?
    pub(super) async fn enter_by_app_password(
        &self,
        claim: &Claim,
        app: &StoredAppPassword,
    ) -> Result<Result<Login, Refusal>, Trouble> {
        let now = self.now();
        let Some(account) = claim.account.as_ref().filter(|account| account.id == app.account) else {
            return Ok(Err(Refusal::Credentials));
        };
        if app.expires_at.is_some_and(|end| end <= now) {
            self.fail(claim, "expired app password").await?;
            return Ok(Err(Refusal::Credentials));
        }
        if !app.services.admits(claim.service) {
            self.fail(claim, "app password for other services").await?;
            return Ok(Err(Refusal::Forbidden));
        }
        let new = NewSession {
            label: app.label.clone(),
            services: app.services,
            expires_at: app.expires_at,
            ..mail_session(claim, account, SessionKind::AppPassword, now)
        };
        self.enter(claim, account, app.id, new).await
    }

    async fn enter_by_password(&self, claim: &Claim, account: &Account) -> Result<Result<Login, Refusal>, Trouble> {
        let now = self.now();
        let session = self.directory().find_password_session(account.id).await?.unwrap_or_else(|| SessionId::new(now));
        let new = NewSession { services: Services::mail(), ..mail_session(claim, account, SessionKind::Password, now) };
        self.enter(claim, account, session, new).await
    }

    async fn enter(
        &self,
        claim: &Claim,
        account: &Account,
        id: SessionId,
        new: NewSession,
    ) -> Result<Result<Login, Refusal>, Trouble> {
        let Some(session) = self.directory().use_mail_session(id, new).await? else {
            self.fail(claim, "ended session").await?;
            return Ok(Err(Refusal::Credentials));
        };
        self.directory().know_network(account.id, &claim.network, claim.known_at).await?;
        Ok(Ok(Login {
            account: account.id,
            address: account.primary.clone(),
            session: session.id,
            scopes: vec![scope::MAIL.to_string()],
        }))
    }

    /// Writes a failure to the audit log: rows of one peer are merged, and what waits writes none.
    pub(super) async fn fail(&self, claim: &Claim, detail: &str) -> Result<(), Trouble> {
        metrics::counter!("hearth_gate_failures_total", "service" => claim.service.name()).increment(1);
        let event = Event {
            event: "login.failed",
            actor: None,
            subject: claim.account.as_ref().map(|account| account.id),
            peer: Some(claim.peer),
            service: Some(claim.service),
            detail: detail.to_string(),
        };
        Ok(self.directory().count_audit(event).await?)
    }

    /// What nobody can guess was wrong. From a network that floods us with such it is refused without a line in the log.
    pub(super) async fn refuse_random(&self, claim: &Claim, detail: &str) -> Result<Refusal, Trouble> {
        if let Err(wait) = self.admit(Deed::WrongRandom, claim.peer) {
            return Ok(Refusal::Wait(wait));
        }
        self.fail(claim, detail).await?;
        Ok(Refusal::Credentials)
    }

    pub(super) fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.0.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }
}

impl Claim {
    /// Somebody who has shown no name yet.
    fn of_nobody(service: Service, peer: IpAddr) -> Self {
        let (name, key) = (String::new(), String::new());
        Self { account: None, service, peer, name, key, network: network_of(peer), known_at: None, is_known_browser: false }
    }

    fn attempt(&self, strength: Strength) -> Attempt {
        // What one browser of theirs does counts with their others and not with its network: a neighbour's guesses there
        // are not its own.
        let network = if self.is_known_browser { KNOWN_BROWSER.to_string() } else { self.network.clone() };
        Attempt { account: self.key.clone(), network, area: area_of(self.peer), is_known: self.is_known(), strength }
    }

    fn is_known(&self) -> bool {
        self.known_at.is_some() || self.is_known_browser
    }

    /// Is the account that the peer wants to act as the one that it proved to be?
    pub(super) fn is_of(&self, account: AccountId) -> bool {
        self.account.as_ref().is_some_and(|own| own.id == account)
    }
}

fn mail_session(claim: &Claim, account: &Account, kind: SessionKind, now: Timestamp) -> NewSession {
    NewSession {
        account: account.id,
        kind,
        label: String::new(),
        services: Services::default(),
        parent: None,
        client: None,
        secret_hash: None,
        auth_methods: "pwd".into(),
        authenticated_at: now,
        peer: Some(claim.peer),
        user_agent: None,
        expires_at: None,
    }
}

/// A failure of the store is ours; a change that cannot be made is told in its own words.
pub(super) fn in_words(error: Error) -> Result<String, Trouble> {
    match error {
        Error::Store(_) | Error::Io { .. } | Error::Sealed(_) => Err(Trouble::from(error)),
        other => Ok(other.to_string()),
    }
}

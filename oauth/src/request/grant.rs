// SPDX-License-Identifier: AGPL-3.0-or-later
//! The life of an authorization, without a server: `Pending -> Fulfilled -> Exchanged | Cancelled`.
//!
//! A [`Pending`] is a request that was admitted and waits for a person. When they agreed it is
//! [`Fulfilled`], and a code stands for it. The client shows the code with what only it knows, and
//! it is [`Exchanged`] for tokens. Each step consumes the one before, so no step can be skipped or
//! taken twice; that a code itself is spent once is the store's business (one row, one update).

use std::time::Duration;

use hearth_types::{AccountId, SessionId, Timestamp};

use crate::client::redirect;
use crate::error::ErrorCode;
use crate::request::level::Level;
use crate::request::pkce::Challenge;
use crate::request::scope::Scopes;

/// A request that was admitted: its client is known, its redirect URI registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The `client_id`.
    pub client: String,
    /// Where the answer goes, as it was sent.
    pub redirect_uri: String,
    /// What was asked for and may be had.
    pub scopes: Scopes,
    /// To be echoed.
    pub state: Option<String>,
    /// To be put into the ID token.
    pub nonce: Option<String>,
    /// What the verifier must fit; a confidential client may go without.
    pub challenge: Option<Challenge>,
    /// How the answer travels.
    pub mode: Mode,
    /// How sure we are to be of the person (RFC 9470): one of these.
    pub acr: Vec<Level>,
    /// Anything else is an error.
    pub acr_is_essential: bool,
    /// Whom the tokens are for (RFC 8707).
    pub resources: Vec<String>,
    /// RFC 9449 §10: the thumbprint of the key that the code is bound to.
    pub key: Option<String>,
    /// The `sub` that must be signed in.
    pub subject: Option<String>,
    /// The client registered itself: an error is shown before a browser is sent there (RFC 9700 §4.11.2).
    pub is_stranger: bool,
    /// What must, or must not, be shown.
    pub prompt: Prompt,
    /// How long ago the person may have proved who they are.
    pub max_age: Option<Duration>,
    /// Who the client thinks it is.
    pub login_hint: Option<String>,
}

/// `response_mode`: how the answer travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// In the query of the redirect URI.
    #[default]
    Query,
    /// In a form that the browser posts (OAuth 2.0 Form Post Response Mode).
    FormPost,
}

/// `prompt` (OpenID Connect Core §3.1.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    /// Show nothing.
    pub none: bool,
    /// Ask for the password again.
    pub login: bool,
    /// Ask for consent again.
    pub consent: bool,
    /// Let the person choose who they are.
    pub select_account: bool,
}

/// Who sits before the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// Who it is.
    pub account: AccountId,
    /// By which sign-in.
    pub session: SessionId,
    /// When they proved it.
    pub auth_time: Timestamp,
    /// They proved it for this very request.
    pub fresh: bool,
    /// How sure we are of them.
    pub level: Level,
    /// They are whom the client wants, if it wants somebody.
    pub is_wanted: bool,
}

/// What a pending request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The sign-in page.
    SignIn,
    /// The consent page.
    Consent,
    /// Nothing: it can be fulfilled.
    Fulfil,
    /// It cannot go on without a page, and none may be shown.
    Cancel(ErrorCode),
}

impl Pending {
    /// What comes next. `agreed`: the person has agreed to these scopes for this client before.
    pub fn next(&self, visitor: Option<&Visitor>, agreed: bool, now: Timestamp) -> Next {
        let Some(visitor) = visitor else {
            return self.unless_silent(Next::SignIn, ErrorCode::LoginRequired);
        };
        let too_old = self.max_age.is_some_and(|max_age| now.since(visitor.auth_time) > max_age);
        let again = self.prompt.login || self.prompt.select_account;
        let least = self.acr.iter().min();
        // OpenID Connect Core §5.5.1.1: of those that we do not know, no sign-in is one.
        if self.acr_is_essential && least.is_none() {
            return Next::Cancel(ErrorCode::UnmetAuthenticationRequirements);
        }
        let too_low = least.is_some_and(|wanted| visitor.level < *wanted);
        // §3.1.2.1: `acr_values` asks for a voluntary claim. Where nothing may be shown, less is what there is.
        let may_rise = too_low && (self.acr_is_essential || !self.prompt.none);
        if !visitor.fresh && (too_old || again || may_rise || !visitor.is_wanted || self.max_age == Some(Duration::ZERO)) {
            let is_unmet = too_low && self.acr_is_essential;
            let code = if is_unmet { ErrorCode::UnmetAuthenticationRequirements } else { ErrorCode::LoginRequired };
            return self.unless_silent(Next::SignIn, code);
        }
        // Somebody else signed in, or they have no better way in: asking again would be asking for ever.
        if !visitor.is_wanted {
            return Next::Cancel(ErrorCode::LoginRequired);
        }
        if too_low && self.acr_is_essential {
            return Next::Cancel(ErrorCode::UnmetAuthenticationRequirements);
        }
        // RFC 8252 §8.6: what another app of the device could pose as is asked about each time.
        if !agreed || self.prompt.consent || !redirect::is_assured(&self.redirect_uri) {
            return self.unless_silent(Next::Consent, ErrorCode::ConsentRequired);
        }
        Next::Fulfil
    }

    fn unless_silent(&self, next: Next, code: ErrorCode) -> Next {
        if self.prompt.none { Next::Cancel(code) } else { next }
    }

    /// The person agreed.
    pub fn fulfil(self, visitor: &Visitor, now: Timestamp, life: Duration) -> Fulfilled {
        Fulfilled {
            client: self.client,
            redirect_uri: self.redirect_uri,
            scopes: self.scopes,
            nonce: self.nonce,
            challenge: self.challenge,
            account: visitor.account,
            session: visitor.session,
            auth_time: visitor.auth_time,
            expires_at: now.after(life),
        }
    }

    /// It ends here.
    pub fn cancel(self, code: ErrorCode, says: impl Into<String>) -> Cancelled {
        Cancelled {
            redirect_uri: self.redirect_uri,
            state: self.state,
            mode: self.mode,
            is_stranger: self.is_stranger,
            code,
            says: says.into(),
        }
    }

    /// What the browser takes to the client (RFC 6749 §4.1.2, RFC 9207 §2).
    pub fn answer<'a>(state: Option<&'a str>, code: &'a str, issuer: &'a str) -> Vec<(&'static str, &'a str)> {
        let mut params = vec![("code", code)];
        params.extend(state.map(|state| ("state", state)));
        params.push(("iss", issuer));
        params
    }
}

/// A request that ended without a code, to be told to the client by way of the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancelled {
    /// Where the answer goes.
    pub redirect_uri: String,
    /// To be echoed.
    pub state: Option<String>,
    /// How the answer travels.
    pub mode: Mode,
    /// The client registered itself.
    pub is_stranger: bool,
    /// Why.
    pub code: ErrorCode,
    /// Why, in a sentence.
    pub says: String,
}

impl Cancelled {
    /// RFC 6749 §4.1.2.1; RFC 9207 §2: errors bear the issuer too.
    pub fn answer<'a>(&'a self, issuer: &'a str) -> Vec<(&'static str, &'a str)> {
        let mut params = vec![("error", self.code.name()), ("error_description", self.says.as_str())];
        params.extend(self.state.as_deref().map(|state| ("state", state)));
        params.push(("iss", issuer));
        params
    }
}

/// What a code stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fulfilled {
    /// The `client_id` that it is for.
    pub client: String,
    /// Where the code was sent.
    pub redirect_uri: String,
    /// What was agreed to.
    pub scopes: Scopes,
    /// For the ID token.
    pub nonce: Option<String>,
    /// What the verifier must fit.
    pub challenge: Option<Challenge>,
    /// Who agreed.
    pub account: AccountId,
    /// By which sign-in.
    pub session: SessionId,
    /// When they proved who they are.
    pub auth_time: Timestamp,
    /// After this the code is worth nothing.
    pub expires_at: Timestamp,
}

/// Why a code was not exchanged. The client learns `invalid_grant`; these are for tests and the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// The code was given to another client.
    #[error("the code is another client's")]
    Client,
    /// RFC 6749 §4.1.3: `redirect_uri` must be what the authorization request had.
    #[error("redirect_uri is not the one of the authorization request")]
    RedirectUri,
    /// RFC 7636 §4.6.
    #[error("code_verifier does not fit")]
    Verifier,
    /// It came too late.
    #[error("the code has ended")]
    Expired,
}

impl Fulfilled {
    /// The client shows the code. All must fit. OAuth 2.1 §4.1.3 drops `redirect_uri` here, for PKCE does what it did; whoever
    /// sends it is held to it, and without PKCE it has to be there (RFC 6749 §4.1.3: each request of ours named it).
    pub fn exchange(
        self,
        client: &str,
        redirect_uri: Option<&str>,
        verifier: Option<&str>,
        now: Timestamp,
    ) -> Result<Exchanged, ExchangeError> {
        if self.client != client {
            return Err(ExchangeError::Client);
        }
        if !redirect_uri.map_or(self.challenge.is_some(), |uri| uri == self.redirect_uri) {
            return Err(ExchangeError::RedirectUri);
        }
        // RFC 9700 §2.1.1: a verifier without a challenge is somebody's downgrade.
        let fits = match (&self.challenge, verifier) {
            (Some(challenge), Some(verifier)) => challenge.admits(verifier),
            (None, None) => true,
            _ => false,
        };
        if !fits {
            return Err(ExchangeError::Verifier);
        }
        if now >= self.expires_at {
            return Err(ExchangeError::Expired);
        }
        Ok(Exchanged {
            client: self.client,
            account: self.account,
            session: self.session,
            scopes: self.scopes,
            nonce: self.nonce,
            auth_time: self.auth_time,
        })
    }
}

/// What tokens are made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchanged {
    /// The `client_id`.
    pub client: String,
    /// Who agreed.
    pub account: AccountId,
    /// By which sign-in.
    pub session: SessionId,
    /// To what.
    pub scopes: Scopes,
    /// For the ID token.
    pub nonce: Option<String>,
    /// When they proved who they are.
    pub auth_time: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const NOW: Timestamp = Timestamp::from_secs(1_000_000);
    const LIFE: Duration = Duration::from_secs(60);

    fn pending() -> Pending {
        Pending {
            client: "app".into(),
            redirect_uri: "https://app.example/cb".into(),
            scopes: Scopes::parse("openid"),
            state: Some("s t".into()),
            nonce: Some("n".into()),
            challenge: Challenge::from_stored("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            mode: Mode::Query,
            acr: Vec::new(),
            acr_is_essential: false,
            resources: Vec::new(),
            key: None,
            subject: None,
            is_stranger: false,
            prompt: Prompt::default(),
            max_age: None,
            login_hint: None,
        }
    }

    fn visitor(auth_time: Timestamp, fresh: bool) -> Visitor {
        Visitor {
            account: AccountId::from_i64(1),
            session: SessionId::from_i64(2),
            auth_time,
            fresh,
            level: Level::One,
            is_wanted: true,
        }
    }

    #[test]
    fn what_comes_next() {
        let prompt = Prompt::default();
        let hour_ago = NOW.before(Duration::from_secs(3600));
        let secs = Duration::from_secs;
        type Row = (Prompt, Option<Duration>, Option<Visitor>, bool, Next);
        let rows: [Row; 16] = [
            (prompt, None, None, false, Next::SignIn),
            (prompt, None, None, true, Next::SignIn),
            (prompt, None, Some(visitor(hour_ago, false)), false, Next::Consent),
            (prompt, None, Some(visitor(hour_ago, false)), true, Next::Fulfil),
            (prompt, Some(secs(3600)), Some(visitor(hour_ago, false)), true, Next::Fulfil),
            (prompt, Some(secs(3599)), Some(visitor(hour_ago, false)), true, Next::SignIn),
            (prompt, Some(secs(0)), Some(visitor(NOW, false)), true, Next::SignIn),
            (prompt, Some(secs(0)), Some(visitor(NOW, true)), true, Next::Fulfil),
            (Prompt { login: true, ..prompt }, None, Some(visitor(NOW, false)), true, Next::SignIn),
            (Prompt { login: true, ..prompt }, None, Some(visitor(NOW, true)), true, Next::Fulfil),
            (Prompt { select_account: true, ..prompt }, None, Some(visitor(NOW, false)), true, Next::SignIn),
            (Prompt { consent: true, ..prompt }, None, Some(visitor(NOW, false)), true, Next::Consent),
            (Prompt { none: true, ..prompt }, None, None, true, Next::Cancel(ErrorCode::LoginRequired)),
            (
                Prompt { none: true, ..prompt },
                Some(secs(1)),
                Some(visitor(hour_ago, false)),
                true,
                Next::Cancel(ErrorCode::LoginRequired),
            ),
            (Prompt { none: true, ..prompt }, None, Some(visitor(NOW, false)), false, Next::Cancel(ErrorCode::ConsentRequired)),
            (Prompt { none: true, ..prompt }, None, Some(visitor(NOW, false)), true, Next::Fulfil),
        ];
        for (at, (prompt, max_age, visitor, agreed, next)) in rows.into_iter().enumerate() {
            let pending = Pending { prompt, max_age, ..pending() };
            assert_eq!(pending.next(visitor.as_ref(), agreed, NOW), next, "row {at}");
        }
    }

    #[test]
    fn an_app_that_another_could_pose_as_is_asked_about_each_time() {
        for redirect_uri in ["http://127.0.0.1:5000/cb", "com.example.app:/cb"] {
            let pending = Pending { redirect_uri: redirect_uri.into(), ..pending() };
            assert_eq!(pending.next(Some(&visitor(NOW, false)), true, NOW), Next::Consent);
        }
    }

    #[test]
    fn how_sure_we_are_to_be_and_of_whom() {
        let stale = visitor(NOW, false);
        let fresh = visitor(NOW, true);
        let wants = |acr, acr_is_essential| Pending { acr: vec![acr], acr_is_essential, ..pending() };
        assert_eq!(wants(Level::Two, false).next(Some(&stale), true, NOW), Next::SignIn);
        assert_eq!(wants(Level::Two, false).next(Some(&fresh), true, NOW), Next::Fulfil, "it was a wish");
        let unmet = Next::Cancel(ErrorCode::UnmetAuthenticationRequirements);
        assert_eq!(wants(Level::Two, true).next(Some(&fresh), true, NOW), unmet);
        let silent = Pending { prompt: Prompt { none: true, ..Prompt::default() }, ..wants(Level::Two, true) };
        assert_eq!(silent.next(Some(&stale), true, NOW), unmet);
        let surer = Visitor { level: Level::PhishingResistant, ..stale };
        assert_eq!(wants(Level::Two, true).next(Some(&surer), true, NOW), Next::Fulfil);
        let other = |fresh| Visitor { is_wanted: false, ..visitor(NOW, fresh) };
        assert_eq!(pending().next(Some(&other(false)), true, NOW), Next::SignIn);
        assert_eq!(pending().next(Some(&other(true)), true, NOW), Next::Cancel(ErrorCode::LoginRequired));
    }

    #[test]
    fn without_a_challenge_there_is_no_verifier() {
        let code = || Fulfilled { challenge: None, ..fulfilled() };
        let uri = Some("https://app.example/cb");
        assert!(code().exchange("app", uri, None, NOW).is_ok());
        assert_eq!(code().exchange("app", uri, Some(VERIFIER), NOW), Err(ExchangeError::Verifier));
        // RFC 6749 §4.1.3: then the redirect URI alone ties the code to its request.
        assert_eq!(code().exchange("app", None, None, NOW), Err(ExchangeError::RedirectUri));
    }

    fn fulfilled() -> Fulfilled {
        pending().fulfil(&visitor(NOW, false), NOW, LIFE)
    }

    #[test]
    fn a_code_is_exchanged_when_all_fits() {
        let exchanged = fulfilled().exchange("app", Some("https://app.example/cb"), Some(VERIFIER), NOW).unwrap();
        assert_eq!((exchanged.account, exchanged.nonce.as_deref()), (AccountId::from_i64(1), Some("n")));
        assert!(fulfilled().exchange("app", None, Some(VERIFIER), NOW).is_ok());
        let last = NOW.after(LIFE).before(Duration::from_millis(1));
        assert!(fulfilled().exchange("app", None, Some(VERIFIER), last).is_ok());
    }

    #[test]
    fn and_not_when_one_thing_does_not() {
        let uri = Some("https://app.example/cb");
        for (client, redirect_uri, verifier, at, error) in [
            ("other", uri, Some(VERIFIER), NOW, ExchangeError::Client),
            ("app", Some("https://app.example/cb/"), Some(VERIFIER), NOW, ExchangeError::RedirectUri),
            ("app", uri, None, NOW, ExchangeError::Verifier),
            ("app", uri, Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK"), NOW, ExchangeError::Verifier),
            ("app", uri, Some(VERIFIER), NOW.after(LIFE), ExchangeError::Expired),
        ] {
            assert_eq!(fulfilled().exchange(client, redirect_uri, verifier, at), Err(error));
        }
    }

    #[test]
    fn every_answer_bears_the_issuer() {
        let answer = Pending::answer(Some("s t"), "c", "https://id.example");
        let location = redirect::with_params("https://app.example/cb", &answer);
        assert_eq!(location, "https://app.example/cb?code=c&state=s+t&iss=https%3A%2F%2Fid.example");
        let cancelled = pending().cancel(ErrorCode::AccessDenied, "no");
        let location = redirect::with_params(&cancelled.redirect_uri, &cancelled.answer("https://id.example"));
        assert_eq!(
            location,
            "https://app.example/cb?error=access_denied&error_description=no&state=s+t&iss=https%3A%2F%2Fid.example"
        );
    }
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! What an authorization request says, and whether it is admitted. Pure: the client was looked up.
//!
//! Two steps, because of what may be told to whom: until client and redirect URI are known to belong
//! together, an error is a page ([`Where`]); from then on it goes back to the client ([`Cancelled`]).

use std::time::Duration;

use crate::client::profile::Profile;
use crate::client::redirect;
use crate::error::ErrorCode;
use crate::limits::{ECHO_BYTES_MAX, MAX_AGE_MAX};
use crate::registry;
use crate::request::claims_parameter::{self, Wanted};
use crate::request::grant::{Cancelled, Mode, Pending, Prompt};
use crate::request::level::Level;
use crate::request::params::{Params, ParamsError};
use crate::request::pkce::Challenge;
use crate::request::resource;
use crate::request::scope::{Scope, Scopes};

/// Parameters that must not come twice.
const KNOWN: [&str; 19] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "prompt",
    "max_age",
    "login_hint",
    "request",
    "request_uri",
    "registration",
    "id_token_hint",
    "acr_values",
    "claims",
    "dpop_jkt",
];

/// Parameters of ours that travel with a request between our own pages.
pub const FRESH: &str = "hearth_fresh";

/// What a request's client may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its `client_id`.
    pub identifier: String,
    /// Where codes may go.
    pub redirect_uris: Vec<String>,
    /// What it may ask for.
    pub scopes: Scopes,
    /// May it use the code flow?
    pub codes: bool,
    /// What it chose.
    pub profile: Profile,
    /// Who we are: a resource too.
    pub issuer: String,
}

/// Why a request is answered by a page. The browser is sent nowhere: RFC 6749 §4.1.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// No client, or one that we do not know.
    Client,
    /// It registered itself, and nobody has let it in yet.
    Waiting,
    /// What it says of itself at its own address cannot be read, or does not hold.
    Document,
    /// No redirect URI, or one that is not registered.
    RedirectUri,
    /// What was pushed has ended, or was used.
    Ended,
    /// This client pushes its requests.
    NotPushed,
    /// Doubles or too much: it cannot be told what is meant.
    Malformed,
}

impl Where {
    /// What the page says.
    pub const fn says(self) -> &'static str {
        match self {
            Self::Client => "The app that sent you here is not known to this home.",
            Self::Waiting => "The app introduced itself to this home and waits to be let in. Ask whoever looks after the home.",
            Self::Document => "What the app says of itself cannot be read, or does not hold.",
            Self::RedirectUri => "The app asked to send you on to an address that was not registered for it.",
            Self::Ended => "The app's request has ended. Begin again in the app.",
            Self::NotPushed => "The app did not hand its request over as it was registered to.",
            Self::Malformed => "The app sent a request that contradicts itself.",
        }
    }
}

/// The `client_id` of a request.
pub fn client_of(params: &Params) -> Result<&str, Where> {
    match params.check(&["client_id", "redirect_uri"]) {
        Ok(()) => params.find("client_id").ok_or(Where::Client),
        Err(_) => Err(Where::Malformed),
    }
}

/// Where the answer to a request may go.
pub fn redirect_of<'p>(params: &'p Params, client: &Registered) -> Result<&'p str, Where> {
    // RFC 6749 §3.1.2.3 lets a client with one URI leave it out; OpenID Connect Core §3.1.2.1 does not, nor do we.
    params.find("redirect_uri").filter(|uri| redirect::is_registered(&client.redirect_uris, uri)).ok_or(Where::RedirectUri)
}

/// Admits the rest of a request, or says to the client why not.
pub fn admit(params: &Params, client: &Registered, redirect_uri: &str) -> Result<Pending, Cancelled> {
    let state = params.find("state").filter(|state| state.len() <= ECHO_BYTES_MAX).map(str::to_string);
    let mode = if params.find("response_mode") == Some("form_post") { Mode::FormPost } else { Mode::Query };
    read(params, client, redirect_uri, mode, state.clone()).map_err(|(code, says)| Cancelled {
        redirect_uri: redirect_uri.to_string(),
        mode,
        is_stranger: client.profile.registration.is_some(),
        state,
        code,
        says,
    })
}

type Refused = (ErrorCode, String);

fn invalid(says: impl Into<String>) -> Refused {
    (ErrorCode::InvalidRequest, says.into())
}

fn read(params: &Params, client: &Registered, redirect_uri: &str, mode: Mode, state: Option<String>) -> Result<Pending, Refused> {
    params.check(&KNOWN).map_err(|error: ParamsError| invalid(error.to_string()))?;
    refuse_what_we_do_not_take(params)?;
    if params.find("response_type").is_none() {
        return Err(invalid("response_type is missing"));
    }
    if !params.find("response_type").is_some_and(|kind| registry::speaks("response_types_supported", kind)) {
        return Err((ErrorCode::UnsupportedResponseType, "response_type must be code".into()));
    }
    if !client.codes {
        return Err((ErrorCode::UnauthorizedClient, "this client may not use the code flow".into()));
    }
    if params.find("response_mode").is_some_and(|mode| !registry::speaks("response_modes_supported", mode)) {
        return Err(invalid("response_mode must be query or form_post"));
    }
    let wanted = params.find("claims").map_or_else(|| Some(Wanted::default()), claims_parameter::read);
    let wanted = wanted.ok_or_else(|| invalid("claims is not the JSON object of OpenID Connect Core 5.5"))?;
    let resources = resource::read(params, &client.profile, &client.issuer)
        .ok_or_else(|| (ErrorCode::InvalidTarget, "no such resource for this client".to_string()))?;
    Ok(Pending {
        client: client.identifier.clone(),
        redirect_uri: redirect_uri.to_string(),
        scopes: read_scopes(params, client, &wanted)?,
        nonce: echo(params, "nonce")?,
        state: echo(params, "state").map(|_| state)?,
        challenge: read_challenge(params, client)?,
        mode,
        acr: if wanted.acr.is_empty() && !wanted.acr_is_essential { read_acr(params, client) } else { wanted.acr },
        acr_is_essential: wanted.acr_is_essential,
        resources,
        key: params.find("dpop_jkt").map(str::to_string),
        subject: wanted.subject,
        is_stranger: client.profile.registration.is_some(),
        prompt: read_prompt(params.field("prompt"))?,
        max_age: read_max_age(params, client)?,
        login_hint: params.find("login_hint").map(str::to_string),
    })
}

fn refuse_what_we_do_not_take(params: &Params) -> Result<(), Refused> {
    for (name, code) in [
        ("request", ErrorCode::RequestNotSupported),
        ("request_uri", ErrorCode::RequestUriNotSupported),
        ("registration", ErrorCode::RegistrationNotSupported),
    ] {
        if params.find(name).is_some() {
            return Err((code, format!("{name} is not supported")));
        }
    }
    Ok(())
}

/// PKCE for everyone, but for a confidential client that was registered as one that cannot.
fn read_challenge(params: &Params, client: &Registered) -> Result<Option<Challenge>, Refused> {
    let (challenge, method) = (params.find("code_challenge"), params.find("code_challenge_method"));
    if client.profile.pkce_optional && challenge.is_none() && method.is_none() {
        return Ok(None);
    }
    Challenge::parse(challenge, method).map(Some).map_err(|error| invalid(error.to_string()))
}

fn read_scopes(params: &Params, client: &Registered, wanted: &Wanted) -> Result<Scopes, Refused> {
    // RFC 6749 §3.3: what a client may not have is left out, and the token answer says what it got.
    let asked: Scopes = Scopes::parse(params.field("scope")).iter().chain(wanted.scopes.iter().copied()).collect();
    let scopes = asked.and(client.scopes);
    let is_empty = scopes.iter().all(|scope| scope == Scope::OfflineAccess);
    if is_empty { Err((ErrorCode::InvalidScope, "none of these scopes is for this client".into())) } else { Ok(scopes) }
}

fn echo(params: &Params, name: &str) -> Result<Option<String>, Refused> {
    match params.find(name) {
        Some(value) if value.len() > ECHO_BYTES_MAX => Err(invalid(format!("{name} is longer than {ECHO_BYTES_MAX} octets"))),
        value => Ok(value.map(str::to_string)),
    }
}

fn read_prompt(text: &str) -> Result<Prompt, Refused> {
    let mut prompt = Prompt::default();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match word {
            "none" => prompt.none = true,
            "login" => prompt.login = true,
            "consent" => prompt.consent = true,
            "select_account" => prompt.select_account = true,
            // Extensions define more; what we cannot do we cannot be made to do.
            _ => {}
        }
    }
    if prompt.none && text.trim() != "none" {
        return Err(invalid("prompt=none stands alone"));
    }
    Ok(prompt)
}

/// `acr_values`, or what the client registered in its place.
fn read_acr(params: &Params, client: &Registered) -> Vec<Level> {
    match params.find("acr_values") {
        Some(values) => Level::of_names(values.split(' ')),
        None => Level::of_names(client.profile.acr_values.iter().map(String::as_str)),
    }
}

fn read_max_age(params: &Params, client: &Registered) -> Result<Option<Duration>, Refused> {
    match params.find("max_age").map(str::parse::<u64>) {
        None => Ok(client.profile.max_age.map(|age| age.min(MAX_AGE_MAX))),
        Some(Ok(seconds)) => Ok(Some(Duration::from_secs(seconds).min(MAX_AGE_MAX))),
        Some(Err(_)) => Err(invalid("max_age is a number of seconds")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "client_id=app&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&response_type=code&scope=openid+email+groups&state=s&nonce=n\
                         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

    fn client() -> Registered {
        Registered {
            identifier: "app".into(),
            redirect_uris: vec!["https://app.example/cb".into()],
            scopes: Scopes::parse("openid email offline_access"),
            codes: true,
            profile: Profile::default(),
            issuer: "https://id.example".into(),
        }
    }

    fn ask(query: &str) -> Result<Pending, Cancelled> {
        let params = Params::parse(query.as_bytes());
        let client = client();
        let uri = redirect_of(&params, &client).unwrap();
        admit(&params, &client, uri)
    }

    #[test]
    fn a_sound_request() {
        let pending = ask(&format!("{SOUND}&max_age=60&prompt=login+consent&unknown=1&unknown=2&ui_locales=de")).unwrap();
        assert_eq!(pending.scopes.to_string(), "openid email");
        assert_eq!((pending.mode, pending.acr), (Mode::Query, vec![]));
        let pending = ask(&format!("{SOUND}&response_mode=form_post&acr_values=gold+2+phr")).unwrap();
        assert_eq!((pending.mode, pending.acr), (Mode::FormPost, vec![Level::Two, Level::PhishingResistant]));
        let pending = ask(&format!("{SOUND}&max_age=60&prompt=login+consent&unknown=1&unknown=2&ui_locales=de")).unwrap();
        assert_eq!((pending.state.as_deref(), pending.nonce.as_deref()), (Some("s"), Some("n")));
        assert_eq!(pending.max_age, Some(Duration::from_secs(60)));
        assert_eq!(pending.prompt, Prompt { login: true, consent: true, ..Prompt::default() });
    }

    #[test]
    fn what_cannot_be_told_to_the_client() {
        let parse = |query: &str| Params::parse(query.as_bytes());
        assert_eq!(client_of(&parse("redirect_uri=x")), Err(Where::Client));
        assert_eq!(client_of(&parse("client_id=&redirect_uri=x")), Err(Where::Client));
        assert_eq!(client_of(&parse("client_id=a&client_id=a")), Err(Where::Malformed));
        assert_eq!(client_of(&parse("client_id=a&redirect_uri=x&redirect_uri=x")), Err(Where::Malformed));
        for uri in ["", "redirect_uri=https://evil.example/cb", "redirect_uri=https://app.example/cb/"] {
            assert_eq!(redirect_of(&parse(uri), &client()), Err(Where::RedirectUri), "{uri}");
        }
    }

    #[test]
    fn what_is_told_to_the_client() {
        let without = |name: &str| Params::parse(SOUND.as_bytes()).without(name).encode();
        let long = "x".repeat(ECHO_BYTES_MAX + 1);
        for (query, code) in [
            (without("response_type"), ErrorCode::InvalidRequest),
            (format!("{}&response_type=token", without("response_type")), ErrorCode::UnsupportedResponseType),
            (format!("{}&response_type=code+id_token", without("response_type")), ErrorCode::UnsupportedResponseType),
            (without("code_challenge"), ErrorCode::InvalidRequest),
            (without("code_challenge_method"), ErrorCode::InvalidRequest),
            (format!("{}&code_challenge_method=plain", without("code_challenge_method")), ErrorCode::InvalidRequest),
            (format!("{SOUND}&scope=openid"), ErrorCode::InvalidRequest),
            (without("scope"), ErrorCode::InvalidScope),
            (format!("{}&scope=offline_access", without("scope")), ErrorCode::InvalidScope),
            (format!("{}&scope=mail", without("scope")), ErrorCode::InvalidScope),
            (format!("{SOUND}&prompt=none+login"), ErrorCode::InvalidRequest),
            (format!("{SOUND}&max_age=-1"), ErrorCode::InvalidRequest),
            (format!("{SOUND}&response_mode=fragment"), ErrorCode::InvalidRequest),
            (format!("{SOUND}&claims=1"), ErrorCode::InvalidRequest),
            (format!("{SOUND}&acr_values=1&acr_values=2"), ErrorCode::InvalidRequest),
            (format!("{SOUND}&resource=https://evil.example"), ErrorCode::InvalidTarget),
            (format!("{SOUND}&request=eyJ"), ErrorCode::RequestNotSupported),
            (format!("{SOUND}&request_uri=https://127.0.0.1/"), ErrorCode::RequestUriNotSupported),
            (format!("{SOUND}&registration=x"), ErrorCode::RegistrationNotSupported),
            (format!("{}&nonce={long}", without("nonce")), ErrorCode::InvalidRequest),
            (format!("{}&state={long}", without("state")), ErrorCode::InvalidRequest),
        ] {
            assert_eq!(ask(&query).map_err(|cancelled| cancelled.code), Err(code), "{query}");
        }
        let cancelled = ask(&without("response_type")).unwrap_err();
        assert_eq!((cancelled.redirect_uri.as_str(), cancelled.state.as_deref()), ("https://app.example/cb", Some("s")));
    }

    #[test]
    fn pkce_is_optional_where_it_was_registered_so() {
        let query = SOUND.split("&code_challenge").next().unwrap();
        let params = Params::parse(query.as_bytes());
        let lenient = Registered { profile: Profile { pkce_optional: true, ..Profile::default() }, ..client() };
        let uri = redirect_of(&params, &lenient).unwrap();
        assert_eq!(admit(&params, &lenient, uri).unwrap().challenge, None);
        assert!(admit(&params, &client(), uri).is_err());
        let half = Params::parse(format!("{query}&code_challenge=short").as_bytes());
        assert!(admit(&half, &lenient, uri).is_err(), "what is sent is checked");
    }

    #[test]
    fn an_echo_has_its_size() {
        let fits = "x".repeat(ECHO_BYTES_MAX);
        let query = Params::parse(SOUND.as_bytes()).without("state").with("state", &fits).encode();
        assert_eq!(ask(&query).unwrap().state, Some(fits));
    }

    #[test]
    fn a_client_without_codes() {
        let params = Params::parse(SOUND.as_bytes());
        let client = Registered { codes: false, ..client() };
        let uri = redirect_of(&params, &client).unwrap();
        assert_eq!(admit(&params, &client, uri).map_err(|cancelled| cancelled.code), Err(ErrorCode::UnauthorizedClient));
    }
}

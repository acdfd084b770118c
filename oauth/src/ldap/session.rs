// SPDX-License-Identifier: AGPL-3.0-or-later
//! One connection: read, parse, admit, answer.

use std::io;
use std::net::IpAddr;

use hearth_identity::login::{Refusal, Service};
use hearth_net::lines::Lines;
use hearth_net::tls::Tls;
use hearth_types::{AccountId, Secret, SessionId, Trouble};
use hearth_wire::ldap::{
    Credentials, LdapError, Message, Request, ResultCode, Scope, Search, encode_entry, encode_extended, encode_notice,
    encode_result, message_length, normalize_dn, parse_message,
};
use tokio::io::{AsyncRead, AsyncWrite};

use super::tree::Names;
use super::{DEADLINES, ENTRIES_MAX, FAILURES_MAX, select};
use crate::ctx::Ctx;

const BIND: u8 = 0x61;
const SEARCH_DONE: u8 = 0x65;
const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";

/// What a connection is made of: TLS or not.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Io for S {}

/// Who is bound, and by which session.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    account: AccountId,
    session: SessionId,
    address: String,
}

/// What a connection knows.
#[derive(Debug)]
struct State {
    is_tls: bool,
    may_start_tls: bool,
    bound: Option<Bound>,
    failures: u32,
}

/// What follows a message.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Go,
    StartTls,
    End,
}

type Refused = (ResultCode, &'static str);

/// Speaks until the end. `tls`: what StartTLS begins.
pub async fn converse_on(ctx: &Ctx, stream: Box<dyn Io>, peer: IpAddr, is_tls: bool, tls: Option<&Tls>) {
    let mut state = State { is_tls, may_start_tls: tls.is_some(), bound: None, failures: 0 };
    let mut lines = Lines::new(stream, DEADLINES);
    loop {
        match converse(ctx, &mut lines, peer, &mut state).await {
            // What came before TLS must not be taken for what came inside.
            Ok(Next::StartTls) if lines.is_empty() => {}
            Ok(_) => return,
            Err(error) => return tracing::debug!(%peer, %error, "a connection of LDAP broke"),
        }
        let Some(tls) = tls else { return };
        match Box::pin(tls.accept(lines.into_inner())).await {
            Ok((stream, _)) => lines = Lines::new(Box::new(stream), DEADLINES),
            Err(error) => return tracing::debug!(%peer, %error, "TLS handshake failed"),
        }
        (state.is_tls, state.may_start_tls, state.bound) = (true, false, None);
    }
}

async fn converse(ctx: &Ctx, lines: &mut Lines<Box<dyn Io>>, peer: IpAddr, state: &mut State) -> io::Result<Next> {
    loop {
        let next = match read(lines).await? {
            None => Next::End,
            Some(Ok(message)) => answer(ctx, lines, peer, state, message).await?,
            Some(Err(error)) => {
                // RFC 4511 §5.3: where a message ends cannot be told any more.
                lines.write(&encode_notice(ResultCode::ProtocolError, &error.to_string())).await?;
                Next::End
            }
        };
        lines.flush().await?;
        if next != Next::Go {
            return Ok(next);
        }
    }
}

/// The next message; `None` when the client has closed.
async fn read(lines: &mut Lines<Box<dyn Io>>) -> io::Result<Option<Result<Message, LdapError>>> {
    let mut octets = Vec::new();
    loop {
        let wanted = match message_length(&octets) {
            Ok(wanted) => wanted,
            Err(error) => return Ok(Some(Err(error))),
        };
        match wanted {
            Some(wanted) if octets.len() == wanted => return Ok(Some(parse_message(&octets))),
            _ => {}
        }
        let fresh = if octets.is_empty() { lines.fill_idle().await? } else { lines.fill().await? };
        if fresh.is_empty() {
            return Ok(None);
        }
        // Octet by octet until the length is known, then all that belongs to the message.
        let taken = wanted.map_or(1, |wanted| wanted - octets.len()).min(fresh.len());
        octets.extend(fresh.iter().take(taken));
        lines.consume(taken);
    }
}

/// What may be asked now; or which result it has.
fn admit(request: &Request, has_critical_control: bool, state: &State) -> Result<(), Refused> {
    if has_critical_control {
        return Err((ResultCode::UnavailableCriticalExtension, "no control is spoken here"));
    }
    match request {
        Request::Bind { version, .. } if *version != 3 => Err((ResultCode::ProtocolError, "version 3 is spoken here")),
        Request::Bind { credentials: Credentials::Sasl, .. } => Err((ResultCode::AuthMethodNotSupported, "bind with a password")),
        Request::Bind { name, credentials: Credentials::Simple(password), .. } => {
            match (name.is_empty(), password.expose().is_empty()) {
                (true, true) => Ok(()),
                _ if !state.is_tls => Err((ResultCode::ConfidentialityRequired, "use ldaps, or StartTLS first")),
                // RFC 4513 §5.1.2: programs take its success for a right password.
                (false, true) => Err((ResultCode::UnwillingToPerform, "a bind without a password proves nothing")),
                (true, false) => Err((ResultCode::InvalidCredentials, "")),
                (false, false) => Ok(()),
            }
        }
        Request::Search(search) if search.base.is_empty() && search.scope == Scope::Base => Ok(()),
        Request::Search(_) if !state.is_tls => Err((ResultCode::ConfidentialityRequired, "use ldaps, or StartTLS first")),
        Request::Search(_) if state.bound.is_none() => Err((ResultCode::InsufficientAccessRights, "bind first")),
        Request::Extended(name) if name == START_TLS && !state.may_start_tls => {
            Err((ResultCode::ProtocolError, "TLS is there, or cannot be had"))
        }
        Request::Extended(name) if name != START_TLS && name != WHO_AM_I => {
            Err((ResultCode::ProtocolError, "this extension is not spoken here"))
        }
        Request::Other(_) => Err((ResultCode::UnwillingToPerform, "the directory is only read")),
        _ => Ok(()),
    }
}

async fn answer(ctx: &Ctx, lines: &mut Lines<Box<dyn Io>>, peer: IpAddr, state: &mut State, message: Message) -> io::Result<Next> {
    let Message { id, request, has_critical_control } = message;
    let refused = admit(&request, has_critical_control, state).err();
    match (request, refused) {
        (Request::Unbind, _) => return Ok(Next::End),
        (Request::Abandon, _) => {}
        (Request::Bind { .. }, Some((code, says))) => {
            state.bound = None;
            lines.write(&encode_result(id, BIND, code, says)).await?;
        }
        (Request::Bind { name, credentials, .. }, None) => {
            let (code, says) = bind(ctx, peer, state, &name, credentials).await.unwrap_or_else(of_trouble);
            lines.write(&encode_result(id, BIND, code, &says)).await?;
            if state.failures >= FAILURES_MAX {
                return Ok(Next::End);
            }
        }
        (Request::Search(_), Some((code, says))) => lines.write(&encode_result(id, SEARCH_DONE, code, says)).await?,
        (Request::Search(search), None) => {
            let (entries, code, says) = match find(ctx, state, &search).await {
                Ok((entries, code)) => (entries, code, String::new()),
                Err(trouble) => {
                    let (code, says) = of_trouble(trouble);
                    (Vec::new(), code, says)
                }
            };
            for (name, attributes) in &entries {
                lines.write(&encode_entry(id, name, attributes)).await?;
            }
            lines.write(&encode_result(id, SEARCH_DONE, code, &says)).await?;
        }
        (Request::Extended(_), Some((code, says))) => lines.write(&encode_extended(id, code, says, None)).await?,
        (Request::Extended(name), None) if name == START_TLS => {
            lines.write(&encode_extended(id, ResultCode::Success, "", None)).await?;
            return Ok(Next::StartTls);
        }
        (Request::Extended(_), None) => {
            // RFC 4532 §2.2: an authzId of RFC 4513 §5.2.1.8.
            let who = state.bound.as_ref().map(|bound| format!("u:{}", bound.address)).unwrap_or_default();
            lines.write(&encode_extended(id, ResultCode::Success, "", Some(&who))).await?;
        }
        (Request::Other(tag), refused) => {
            let (code, says) = refused.unwrap_or((ResultCode::UnwillingToPerform, ""));
            lines.write(&encode_result(id, tag, code, says)).await?;
        }
    }
    Ok(Next::Go)
}

/// Ours: logged once, told by its id.
fn of_trouble(trouble: Trouble) -> (ResultCode, String) {
    tracing::error!(id = trouble.id(), %trouble, "LDAP could not answer");
    (ResultCode::Other, format!("try later [{}]", trouble.id()))
}

async fn bind(
    ctx: &Ctx,
    peer: IpAddr,
    state: &mut State,
    name: &str,
    credentials: Credentials,
) -> Result<(ResultCode, String), Trouble> {
    // RFC 4513 §4: until it succeeds, nobody.
    state.bound = None;
    let Credentials::Simple(password) = credentials else { return Ok((ResultCode::AuthMethodNotSupported, String::new())) };
    if name.is_empty() && password.expose().is_empty() {
        return Ok((ResultCode::Success, String::new()));
    }
    // A name that is none costs what a wrong password costs.
    let user = Names::of(&ctx.domain).user_of(name).unwrap_or_default();
    match check(ctx, &user, &password, peer).await? {
        Ok(bound) => {
            state.bound = Some(bound);
            Ok((ResultCode::Success, String::new()))
        }
        Err(refusal) => {
            state.failures += 1;
            Ok(match refusal {
                Refusal::Wait(wait) => (ResultCode::Busy, format!("wait {} seconds", wait.as_secs().max(1))),
                _ => (ResultCode::InvalidCredentials, String::new()),
            })
        }
    }
}

async fn check(ctx: &Ctx, user: &str, password: &Secret<String>, peer: IpAddr) -> Result<Result<Bound, Refusal>, Trouble> {
    let login = ctx.doorkeeper.password(user, password, Service::Ldap, peer).await?;
    Ok(login.map(|login| Bound { account: login.account, session: login.session, address: login.address.to_string() }))
}

type Found = Vec<(String, Vec<(&'static str, Vec<String>)>)>;

async fn find(ctx: &Ctx, state: &mut State, search: &Search) -> Result<(Found, ResultCode), Trouble> {
    let names = Names::of(&ctx.domain);
    if search.base.is_empty() && search.scope == Scope::Base {
        let root = names.root();
        let fits = select::fits(&search.filter, &root) == Some(true);
        let found = fits.then(|| (String::new(), select::shown(&root, search)));
        return Ok((found.into_iter().collect(), ResultCode::Success));
    }
    if !still_bound(ctx, state).await? {
        state.bound = None;
        return Ok((Vec::new(), ResultCode::InsufficientAccessRights));
    }
    let Some(base) = normalize_dn(&search.base) else { return Ok((Vec::new(), ResultCode::InvalidDnSyntax)) };
    let entries = names.entries(ctx).await?;
    if !base.is_empty() && !entries.iter().any(|entry| entry.normal == base) {
        return Ok((Vec::new(), ResultCode::NoSuchObject));
    }
    let below = |entry: &&super::tree::Entry| base.is_empty() || select::is_below(entry, &base, search.scope);
    let mut found = entries.iter().filter(below).filter(|entry| select::fits(&search.filter, entry) == Some(true));
    let most = if search.size_max == 0 { ENTRIES_MAX } else { search.size_max.min(ENTRIES_MAX) };
    let shown = found.by_ref().take(most).map(|entry| (entry.name.clone(), select::shown(entry, search))).collect();
    let code = if found.next().is_some() { ResultCode::SizeLimitExceeded } else { ResultCode::Success };
    Ok((shown, code))
}

/// Is who was bound still signed in, and let in?
async fn still_bound(ctx: &Ctx, state: &State) -> Result<bool, Trouble> {
    let Some(bound) = &state.bound else { return Ok(false) };
    let session = ctx.directory.find_session(bound.session).await?;
    let account = ctx.directory.find_account(bound.account).await?;
    Ok(session.is_some_and(|session| session.is_live(ctx.now())) && account.is_some_and(|account| !account.disabled))
}

#[cfg(test)]
mod tests {
    use hearth_wire::ldap::Filter;

    use super::*;

    fn state(is_tls: bool, is_bound: bool) -> State {
        let bound =
            is_bound.then(|| Bound { account: AccountId::from_i64(1), session: SessionId::from_i64(1), address: String::new() });
        State { is_tls, may_start_tls: !is_tls, bound, failures: 0 }
    }

    fn bind(version: i32, name: &str, password: Option<&str>) -> Request {
        let credentials = password.map_or(Credentials::Sasl, |password| Credentials::Simple(Secret::new(password.to_string())));
        Request::Bind { version, name: name.into(), credentials }
    }

    fn search(base: &str, scope: Scope) -> Request {
        Request::Search(Search {
            base: base.into(),
            scope,
            size_max: 0,
            types_only: false,
            filter: Filter::Present("objectClass".into()),
            attributes: vec![],
        })
    }

    #[test]
    fn what_is_admitted() {
        use ResultCode as Code;
        let extended = |name: &str| Request::Extended(name.to_string());
        for (request, is_tls, is_bound, expected) in [
            (bind(3, "alice", Some("secret")), true, false, None),
            (bind(3, "alice", Some("secret")), false, false, Some(Code::ConfidentialityRequired)),
            (bind(3, "alice", Some("")), true, false, Some(Code::UnwillingToPerform)),
            (bind(3, "", Some("secret")), true, false, Some(Code::InvalidCredentials)),
            (bind(3, "", Some("")), false, false, None),
            (bind(2, "alice", Some("secret")), true, false, Some(Code::ProtocolError)),
            (bind(3, "", None), true, false, Some(Code::AuthMethodNotSupported)),
            (search("", Scope::Base), false, false, None),
            (search("", Scope::Subtree), true, false, Some(Code::InsufficientAccessRights)),
            (search("dc=x", Scope::Base), true, false, Some(Code::InsufficientAccessRights)),
            (search("dc=x", Scope::Base), false, true, Some(Code::ConfidentialityRequired)),
            (search("dc=x", Scope::Subtree), true, true, None),
            (extended(START_TLS), false, false, None),
            (extended(START_TLS), true, false, Some(Code::ProtocolError)),
            (extended(WHO_AM_I), true, true, None),
            (extended("1.2.3"), true, true, Some(Code::ProtocolError)),
            (Request::Other(0x67), true, true, Some(Code::UnwillingToPerform)),
            (Request::Unbind, false, false, None),
        ] {
            let refused = admit(&request, false, &state(is_tls, is_bound)).err();
            assert_eq!(refused.map(|(code, _)| code), expected, "{request:?} {is_tls} {is_bound}");
            assert_eq!(
                admit(&request, true, &state(is_tls, is_bound)).err().map(|(code, _)| code),
                Some(Code::UnavailableCriticalExtension)
            );
        }
    }
}

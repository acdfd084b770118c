// SPDX-License-Identifier: AGPL-3.0-or-later
//! Clients, codes, tokens.

use std::time::Duration;

use hearth_types::{Secret, SessionId};

use super::{Home, on_each_engine};
use crate::Error;
use crate::directory::{NewSession, SessionKind};
use crate::grants::{
    Client, Code, CodeRefusal, NewClient, NewCode, NewGrant, NewPending, NewTokens, Poll, RefreshRefusal, hash_token, scope,
};
use crate::limits::{
    CODE_REPLAY_GRACE, PENDING_MAX, PENDING_OF_CLIENT_MAX, REDIRECT_URI_BYTES_MAX, REFRESH_RETRY, SEEN_ONCE_MAX, SESSIONS_MAX,
};
use crate::service::Services;

const LIVES: NewTokens = NewTokens {
    access_lives: Duration::from_secs(600),
    refresh_lives: Some(Duration::from_secs(86_400)),
    audience: String::new(),
    confirmation: None,
    binds_refresh: false,
};

struct Stage {
    home: Home,
    client: Client,
    account: hearth_types::AccountId,
    browser: SessionId,
}

impl Stage {
    async fn set(home: Home) -> Self {
        let account = home.person("alice").await.id;
        let (client, secret) = home.directory.add_client(new_client(false)).await.unwrap();
        assert!(client.secret_matches(&secret.expect("a secret")) && !client.secret_matches(&Secret::new("x".into())));
        let other = home.directory.change_client_secret(client.id).await.unwrap().expect("another secret");
        let client = home.directory.find_client_by_id(client.id).await.unwrap().unwrap();
        assert!(client.secret_matches(&other));
        let new = NewSession {
            account,
            kind: SessionKind::Browser,
            label: String::new(),
            services: Services::default(),
            parent: None,
            client: None,
            secret_hash: Some([1; 32]),
            auth_methods: "pwd".into(),
            authenticated_at: home.clock.now(),
            peer: None,
            user_agent: None,
            expires_at: None,
        };
        let browser = home.directory.add_session(new).await.unwrap().id;
        Self { home, client, account, browser }
    }

    async fn code(&self, scopes: &str) -> Secret<String> {
        self.home.clock.advance(Duration::from_millis(1));
        self.home.directory.add_code(self.new_code(scopes, None)).await.unwrap().unwrap()
    }

    fn new_code(&self, scopes: &str, pushed: Option<[u8; 32]>) -> NewCode {
        let code = Code {
            client: self.client.id,
            account: self.account,
            session: self.browser,
            redirect_uri: "https://app.test/cb".into(),
            scopes: scope::parse(scopes),
            nonce: Some("n".into()),
            code_challenge: Some("c".into()),
            request: "{}".into(),
            authenticated_at: self.home.clock.now(),
            expires_at: self.home.clock.now(),
        };
        NewCode { code, lives: Duration::from_secs(60), pushed }
    }

    async fn redeem(&self, code: &Secret<String>) -> Result<crate::grants::Redeemed, CodeRefusal> {
        self.home.directory.redeem_code(code, self.client.id, "App", |_| Some(LIVES)).await.unwrap()
    }
}

fn new_client(public: bool) -> NewClient {
    NewClient {
        identifier: None,
        name: "App".into(),
        public,
        redirect_uris: vec!["https://app.test/cb".into(), "https://app.test/cb2".into()],
        post_logout_redirect_uris: vec![],
        grant_types: vec![],
        scopes: scope::parse("openid mail offline_access"),
        preset: None,
        trusted: false,
        metadata: "{}".into(),
    }
}

#[test]
fn clients() {
    on_each_engine(|home| async move {
        let directory = &home.directory;
        let (public, secret) = directory.add_client(new_client(true)).await.unwrap();
        assert!(secret.is_none() && public.is_public() && !public.secret_matches(&Secret::new(String::new())));
        assert!(directory.change_client_secret(public.id).await.unwrap().is_none());
        assert_eq!(directory.find_client(&public.identifier).await.unwrap(), Some(public.clone()));
        let taken = NewClient { identifier: Some(public.identifier.clone()), ..new_client(true) };
        assert!(matches!(directory.add_client(taken).await, Err(Error::InUse(_))));
        let spaced = NewClient { redirect_uris: vec!["https://a b/".into()], ..new_client(true) };
        assert!(matches!(directory.add_client(spaced).await, Err(Error::Invalid(_))));
        let alice = home.person("alice").await;
        assert!(directory.may_use_client(alice.id, public.id).await.unwrap());
        directory.remove_client(&public.identifier).await.unwrap();
        assert!(directory.find_client(&public.identifier).await.unwrap().is_none());
        assert!(!directory.may_use_client(alice.id, public.id).await.unwrap());
    });
}

#[test]
fn a_client_is_found_by_its_redirect_uri() {
    on_each_engine(|home| async move {
        let directory = &home.directory;
        let of = |octets: usize| format!("https://a.test/{}", "x".repeat(octets - 15));
        let (most, beyond) = (of(REDIRECT_URI_BYTES_MAX), of(REDIRECT_URI_BYTES_MAX + 1));
        let found = async |uri: &str| directory.find_client_of_redirect_uri(uri).await.unwrap().map(|client| client.id);
        let uris = ["https://app.test/cb", "https://app.test/cb", &most, &beyond].map(str::to_string).to_vec();
        let (first, _) = directory.add_client(NewClient { redirect_uris: uris.clone(), ..new_client(true) }).await.unwrap();
        let b = NewClient { name: "B".into(), redirect_uris: vec!["https://app.test/cb".into()], ..new_client(true) };
        let (second, _) = directory.add_client(b).await.unwrap();
        assert_eq!((found("https://app.test/cb").await, found(&most).await), (Some(first.id), Some(first.id)));
        assert_eq!((found(&beyond).await, found("https://app.test/c_").await, found("").await), (None, None, None));
        // Clients of a release that had no such table: it is filled from what they have.
        directory
            .database()
            .write(hearth_db::Durability::Synced, |tx| {
                tx.execute("DROP TABLE client_redirect_uri", &[])?;
                tx.execute("DROP TABLE former_address", &[])?;
                tx.execute("DELETE FROM schema_version WHERE version >= 11", &[])
            })
            .await
            .unwrap();
        let directory = &crate::Directory::open(&home.source, home.clock.clone()).await.unwrap();
        let found = async |uri: &str| directory.find_client_of_redirect_uri(uri).await.unwrap().map(|client| client.id);
        assert_eq!(
            (found("https://app.test/cb").await, found(&most).await, found(&beyond).await),
            (Some(first.id), Some(first.id), None)
        );
        // Who is not let in is passed over; what is registered no longer is not found.
        directory.disable_client(first.id).await.unwrap();
        assert_eq!((found("https://app.test/cb").await, found(&most).await), (Some(second.id), None));
        directory.enable_client(first.id).await.unwrap();
        let elsewhere = vec!["https://elsewhere.test/".to_string()];
        directory.change_client(first.id, NewClient { redirect_uris: elsewhere, ..new_client(true) }).await.unwrap();
        assert_eq!((found("https://elsewhere.test/").await, found(&most).await), (Some(first.id), None));
        directory.remove_client(&second.identifier).await.unwrap();
        assert_eq!(found("https://app.test/cb").await, None);
    });
}

#[test]
fn everybody_at_once_is_what_each_is_asked_for() {
    on_each_engine(|home| async move {
        let directory = &home.directory;
        let (alice, bob) = (home.person("alice").await.id, home.person("bob").await.id);
        let group = |name: &'static str| home.add(name, crate::directory::Kind::Group, false);
        let (family, empty) = (group("family").await.id, group("empty").await.id);
        directory.add_address(alice, &super::address("a@home.test")).await.unwrap();
        directory.add_masked(alice, &super::domain("home.test"), "shop", false).await.unwrap();
        for member in [bob, alice] {
            directory.add_group_member(family, member, crate::directory::MemberRole::Owner).await.unwrap();
        }
        let everybody = directory.list_everybody().await.unwrap();
        assert_eq!(everybody.accounts, directory.list_accounts().await.unwrap());
        for account in [alice, bob, family, empty] {
            assert_eq!(everybody.addresses_of(account), directory.list_open_addresses(account).await.unwrap());
            assert_eq!(everybody.groups_of(account), directory.list_groups_of(account).await.unwrap());
            assert_eq!(everybody.members_of(account), directory.list_group_members(account).await.unwrap());
        }
        assert_eq!((everybody.addresses_of(alice).len(), everybody.members_of(family).len()), (2, 2), "and no masked one");
    });
}

#[test]
fn a_code_is_exchanged_once() {
    on_each_engine(|home| async move {
        let stage = Stage::set(home).await;
        let code = stage.code("openid mail").await;
        let mismatch = stage.home.directory.redeem_code(&code, stage.client.id, "App", |_| None).await.unwrap();
        assert_eq!(mismatch.err(), Some(CodeRefusal::Mismatch), "which spends nothing");
        let foreign = stage.home.directory.redeem_code(&code, hearth_types::ClientId::from_i64(1), "", |_| Some(LIVES)).await;
        assert_eq!(foreign.unwrap().err(), Some(CodeRefusal::Unknown));
        let given = stage.redeem(&code).await.expect("the first exchange");
        assert_eq!((given.code.nonce.as_deref(), given.tokens.scopes.len()), (Some("n"), 2));
        let live = stage.home.directory.find_access_token(&given.tokens.access).await.unwrap().expect("a token");
        assert!(!live.is_over && live.account == stage.account && live.session == given.session);

        assert_eq!(stage.redeem(&code).await.err(), Some(CodeRefusal::Spent));
        assert!(stage.home.directory.find_access_token(&given.tokens.access).await.unwrap().is_some(), "a lost answer");
        stage.home.clock.advance(CODE_REPLAY_GRACE + Duration::from_millis(1));
        assert_eq!(stage.redeem(&code).await.err(), Some(CodeRefusal::Replayed(stage.account)));
        assert!(stage.home.directory.find_access_token(&given.tokens.access).await.unwrap().is_none(), "a theft");

        let late = stage.code("openid").await;
        stage.home.clock.advance(Duration::from_secs(60));
        assert_eq!(stage.redeem(&late).await.err(), Some(CodeRefusal::Expired));
    });
}

#[test]
fn of_fifty_exchanges_at_once_one_succeeds() {
    on_each_engine(|home| async move {
        let stage = std::sync::Arc::new(Stage::set(home).await);
        let code = stage.code("openid").await;
        let tries: Vec<_> = (0..50)
            .map(|_| {
                let (stage, code) = (stage.clone(), code.clone());
                tokio::spawn(async move { stage.redeem(&code).await.is_ok() })
            })
            .collect();
        let mut won = 0;
        for tried in tries {
            won += usize::from(tried.await.unwrap());
        }
        assert_eq!(won, 1);
    });
}

#[test]
fn a_refresh_token_rotates() {
    on_each_engine(|home| async move {
        let stage = Stage::set(home).await;
        let directory = &stage.home.directory;
        let refresh = async |token: &Secret<String>, scopes: Option<&str>| {
            directory.refresh(token, stage.client.id, scopes.map(scope::parse), LIVES).await.unwrap()
        };
        let code = stage.code("openid mail").await;
        let first = stage.redeem(&code).await.unwrap().tokens;
        let first_refresh = first.refresh.expect("a refresh token");
        assert_eq!(refresh(&first_refresh, Some("openid admin")).await.err(), Some(RefreshRefusal::Scope));
        let second = refresh(&first_refresh, Some("openid")).await.expect("narrowed");
        assert_eq!(second.scopes, ["openid"]);
        // The answer was lost: the same token again, while nothing of it was used.
        let third = refresh(&first_refresh, None).await.expect("a lost answer");
        assert_eq!(third.scopes, ["openid", "mail"]);
        assert!(directory.find_refresh_token(second.refresh.as_ref().unwrap()).await.unwrap().is_some_and(|token| token.is_over));
        assert!(directory.find_access_token(&second.access).await.unwrap().is_none(), "the lost pair is void");
        // The access token was seen, so the answer was not lost: somebody else has the old token.
        directory.find_access_token(&third.access).await.unwrap().expect("a token");
        assert_eq!(refresh(&first_refresh, None).await.err(), Some(RefreshRefusal::Reused(stage.account)));
        assert!(directory.find_access_token(&third.access).await.unwrap().is_none());
        assert_eq!(refresh(&third.refresh.unwrap(), None).await.err(), Some(RefreshRefusal::Unknown), "the family is gone");
        assert_eq!(refresh(&Secret::new("never".into()), None).await.err(), Some(RefreshRefusal::Unknown));
    });
}

#[test]
fn an_answer_that_was_lost_is_nobodys() {
    on_each_engine(|home| async move {
        let stage = Stage::set(home).await;
        let directory = &stage.home.directory;
        let refresh = async |token: &Secret<String>| directory.refresh(token, stage.client.id, None, LIVES).await.unwrap();
        // The thief asks again within the minute; the owner comes with what they got.
        let code = stage.code("openid").await;
        let token = stage.redeem(&code).await.unwrap().tokens.refresh.unwrap();
        let owners = refresh(&token).await.expect("the owner").refresh.unwrap();
        let thiefs = refresh(&token).await.expect("the thief").refresh.unwrap();
        assert_eq!(refresh(&owners).await.err(), Some(RefreshRefusal::Reused(stage.account)));
        assert_eq!(refresh(&thiefs).await.err(), Some(RefreshRefusal::Unknown), "with the grant");
        // Once: a third asker ends it.
        let code = stage.code("openid").await;
        let token = stage.redeem(&code).await.unwrap().tokens.refresh.unwrap();
        refresh(&token).await.expect("the first");
        refresh(&token).await.expect("again");
        assert_eq!(refresh(&token).await.err(), Some(RefreshRefusal::Reused(stage.account)));
        // Each token of a line may be asked for again.
        let code = stage.code("openid").await;
        let token = stage.redeem(&code).await.unwrap().tokens.refresh.unwrap();
        refresh(&token).await.expect("the first");
        let next = refresh(&token).await.expect("again").refresh.unwrap();
        refresh(&next).await.expect("the next");
        refresh(&next).await.expect("again");
    });
}

#[test]
fn a_spent_refresh_token_is_a_theft_after_a_while() {
    on_each_engine(|home| async move {
        let stage = Stage::set(home).await;
        let directory = &stage.home.directory;
        let code = stage.code("openid").await;
        let token = stage.redeem(&code).await.unwrap().tokens.refresh.unwrap();
        directory.refresh(&token, stage.client.id, None, LIVES).await.unwrap().expect("the first");
        stage.home.clock.advance(REFRESH_RETRY + Duration::from_millis(1));
        let again = directory.refresh(&token, stage.client.id, None, LIVES).await.unwrap();
        assert_eq!(again.err(), Some(RefreshRefusal::Reused(stage.account)));

        let code = stage.code("openid").await;
        let token = stage.redeem(&code).await.unwrap().tokens.refresh.unwrap();
        stage.home.clock.advance(Duration::from_secs(86_400));
        let late = directory.refresh(&token, stage.client.id, None, LIVES).await.unwrap();
        assert!(matches!(late.err(), Some(RefreshRefusal::Expired | RefreshRefusal::Unknown)));
    });
}

#[test]
fn what_ends_a_token() {
    on_each_engine(|home| async move {
        let stage = Stage::set(home).await;
        let directory = &stage.home.directory;
        let token = async |scopes: &str| {
            let code = stage.code(scopes).await;
            stage.redeem(&code).await.unwrap().tokens
        };
        let is_live = async |tokens: &crate::grants::Tokens| {
            directory.find_access_token(&tokens.access).await.unwrap().is_some_and(|token| !token.is_over)
        };
        let (plain, offline) = (token("openid").await, token("openid offline_access").await);
        assert!(is_live(&plain).await && is_live(&offline).await);
        directory.end_session(stage.browser).await.unwrap();
        assert!(!is_live(&plain).await, "it ends with the browser session");
        assert!(is_live(&offline).await, "but not offline access");
        stage.home.clock.advance(LIVES.access_lives);
        assert!(!is_live(&offline).await, "time");

        let taken_back = token("openid").await;
        directory.remove_access_token(&taken_back.access).await.unwrap();
        assert!(!is_live(&taken_back).await && taken_back.refresh.is_some());
        let removed = token("openid").await;
        directory.remove_client(&stage.client.identifier).await.unwrap();
        assert!(!is_live(&removed).await, "with its client");
    });
}

#[test]
fn what_strangers_leave_is_bounded() {
    on_each_engine(|home| async move {
        let stage = Stage::set(home).await;
        let directory = &stage.home.directory;
        let client = async |name: &str| {
            let new = NewClient { identifier: Some(name.into()), ..new_client(true) };
            directory.add_client(new).await.unwrap().0.id
        };
        let (other, third) = (client("other").await, client("third").await);
        let lives = Duration::from_secs(60);
        let new = |client, number: usize| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_be_bytes());
            NewPending { kind: "par", client, hash, user_code: None, request: "{}".into(), lives }
        };
        let fill = async |client, numbers: std::ops::Range<usize>| {
            let mut adding = tokio::task::JoinSet::new();
            for number in numbers {
                let (directory, new) = (directory.clone(), new(client, number));
                adding.spawn(async move { directory.add_pending(new).await });
            }
            adding.join_all().await.into_iter().for_each(|added| added.unwrap());
        };
        let is_full = async |client, max| {
            let refused = directory.add_pending(new(client, usize::MAX)).await;
            matches!(refused, Err(Error::TooMany { max: named, .. }) if named == max)
        };
        fill(stage.client.id, 0..PENDING_OF_CLIENT_MAX).await;
        assert!(is_full(stage.client.id, PENDING_OF_CLIENT_MAX).await);
        fill(other, PENDING_OF_CLIENT_MAX..PENDING_MAX).await;
        assert!(is_full(third, PENDING_MAX).await);
        stage.home.clock.advance(lives + Duration::from_millis(1));
        fill(third, 0..1).await;
    });
}

#[test]
fn what_is_seen_once_is_bounded() {
    on_each_engine(|home| async move {
        let directory = &home.directory;
        let lives = Duration::from_secs(60);
        let value = |number: usize| hash_token(&number.to_string());
        let mut seeing = tokio::task::JoinSet::new();
        for number in 0..SEEN_ONCE_MAX {
            let (directory, value) = (directory.clone(), value(number));
            seeing.spawn(async move { directory.see_once("dpop", value, lives).await });
        }
        seeing.join_all().await.into_iter().for_each(|seen| assert!(seen.unwrap()));
        let next = async |kind| directory.see_once(kind, value(SEEN_ONCE_MAX), lives).await;
        assert!(matches!(next("dpop").await, Err(Error::TooMany { .. })), "nobody could say that it was seen");
        assert!(next("assertion").await.unwrap(), "each kind has its own room");
        home.clock.advance(lives + Duration::from_millis(1));
        assert!(next("dpop").await.unwrap());
    });
}

#[test]
fn pending_requests_and_consent() {
    on_each_engine(|home| async move {
        let stage = Stage::set(home).await;
        let directory = &stage.home.directory;
        let new = NewPending {
            kind: "par",
            client: stage.client.id,
            hash: [5; 32],
            user_code: None,
            request: "{\"a\":1}".into(),
            lives: Duration::from_secs(60),
        };
        directory.add_pending(new.clone()).await.unwrap();
        let found = directory.find_pending("par", [5; 32]).await.unwrap().expect("it waits");
        assert_eq!((found.client, found.request.as_str()), (stage.client.id, "{\"a\":1}"));
        let code = async || directory.add_code(stage.new_code("openid", Some([5; 32]))).await.unwrap();
        assert!(code().await.is_some());
        assert!(code().await.is_none(), "once");
        directory.add_pending(NewPending { kind: "device", ..new.clone() }).await.unwrap();
        assert!(code().await.is_none(), "it was not pushed");
        directory.add_pending(NewPending { hash: [6; 32], ..new }).await.unwrap();
        stage.home.clock.advance(Duration::from_secs(60));
        assert!(directory.add_code(stage.new_code("openid", Some([6; 32]))).await.unwrap().is_none(), "too late");

        assert!(directory.see_once("jti", [1; 32], Duration::from_secs(60)).await.unwrap());
        assert!(!directory.see_once("jti", [1; 32], Duration::from_secs(60)).await.unwrap());
        assert!(directory.see_once("other", [1; 32], Duration::from_secs(60)).await.unwrap());

        directory.add_consent(stage.account, stage.client.id, &scope::parse("openid")).await.unwrap();
        directory.add_consent(stage.account, stage.client.id, &scope::parse("openid mail")).await.unwrap();
        let consent = directory.find_consent(stage.account, stage.client.id).await.unwrap();
        assert_eq!(consent, Some(scope::parse("openid mail")));
        assert!(directory.disconnect_app(stage.account, stage.client.id).await.unwrap());
        assert_eq!(directory.find_consent(stage.account, stage.client.id).await.unwrap(), None);
    });
}

#[test]
fn the_browser_makes_no_room_for_what_it_lets_in() {
    on_each_engine(|home| async move {
        let stage = Stage::set(home).await;
        for number in 0..SESSIONS_MAX + 3 {
            let code = stage.code("openid").await;
            assert!(stage.redeem(&code).await.is_ok(), "{number}");
        }
        let browser = stage.home.directory.find_session(stage.browser).await.unwrap().unwrap();
        assert_eq!(browser.ended_at, None);
    });
}

#[test]
fn a_token_is_for_whom_it_was_asked_for() {
    on_each_engine(|home| async move {
        let stage = Stage::set(home).await;
        let directory = &stage.home.directory;
        let bound = NewTokens {
            audience: "https://a.test https://b.test".into(),
            confirmation: Some("key".into()),
            binds_refresh: true,
            ..LIVES
        };
        let (code, first) = (stage.code("openid").await, bound.clone());
        let given = directory.redeem_code(&code, stage.client.id, "App", |_| Some(first)).await.unwrap().unwrap();
        let live = directory.find_access_token(&given.tokens.access).await.unwrap().unwrap();
        assert_eq!((live.audience.as_str(), live.confirmation.as_deref()), ("https://a.test https://b.test", Some("key")));
        let token = given.tokens.refresh.unwrap();
        let refresh = async |lives: NewTokens| directory.refresh(&token, stage.client.id, None, lives).await.unwrap();
        assert_eq!(refresh(LIVES).await.err(), Some(RefreshRefusal::Confirmation));
        let other = NewTokens { confirmation: Some("other".into()), ..LIVES };
        assert_eq!(refresh(other).await.err(), Some(RefreshRefusal::Confirmation));
        let wider = NewTokens { audience: "https://c.test".into(), ..bound.clone() };
        assert_eq!(refresh(wider).await.err(), Some(RefreshRefusal::Target));
        let narrow = NewTokens { audience: "https://b.test".into(), ..bound.clone() };
        let tokens = refresh(narrow).await.expect("what failed has spent nothing");
        let live = directory.find_access_token(&tokens.access).await.unwrap().unwrap();
        assert_eq!(live.audience, "https://b.test");
        let signed = Secret::new("a signed text".to_string());
        directory.replace_access_token(&tokens.access, &signed).await.unwrap();
        assert!(directory.find_access_token(&tokens.access).await.unwrap().is_none());
        assert_eq!(directory.find_access_token(&signed).await.unwrap().unwrap().audience, "https://b.test");
    });
}

#[test]
fn a_device_asks_and_somebody_answers() {
    on_each_engine(|home| async move {
        let stage = Stage::set(home).await;
        let (directory, client) = (&stage.home.directory, stage.client.id);
        let every = Duration::from_secs(5);
        let add = async |hash: u8, code: &str| {
            let new = NewPending {
                kind: "device",
                client,
                hash: [hash; 32],
                user_code: Some(code.into()),
                request: "{}".into(),
                lives: Duration::from_secs(600),
            };
            directory.add_pending(new).await.unwrap();
        };
        let poll = async |hash: u8| directory.poll_device([hash; 32], client, every).await.unwrap();
        add(1, "AAAA").await;
        assert_eq!(poll(9).await, Poll::Unknown);
        let foreign = directory.poll_device([1; 32], hearth_types::ClientId::from_i64(1), every).await.unwrap();
        assert_eq!(foreign, Poll::Unknown);
        assert_eq!(poll(1).await, Poll::Waiting);
        stage.home.clock.advance(Duration::from_millis(4999));
        assert_eq!(poll(1).await, Poll::SlowDown);
        stage.home.clock.advance(Duration::from_millis(9999));
        assert_eq!(poll(1).await, Poll::SlowDown, "it has to wait five seconds more each time");
        stage.home.clock.advance(Duration::from_secs(10));
        assert_eq!(poll(1).await, Poll::Waiting);
        assert!(directory.find_device("BBBB").await.unwrap().is_none());
        assert_eq!(directory.find_device("AAAA").await.unwrap().map(|found| found.client), Some(client));
        assert!(directory.answer_device("AAAA", true, stage.account, stage.browser).await.unwrap());
        assert!(!directory.answer_device("AAAA", false, stage.account, stage.browser).await.unwrap(), "once");
        stage.home.clock.advance(every);
        assert!(matches!(poll(1).await, Poll::Allowed(found) if found.account == Some(stage.account)));
        assert_eq!(poll(1).await, Poll::Unknown, "once");
        add(2, "CCCC").await;
        assert!(directory.answer_device("CCCC", false, stage.account, stage.browser).await.unwrap());
        assert_eq!((poll(2).await, poll(2).await), (Poll::Denied, Poll::Unknown));
        add(3, "DDDD").await;
        stage.home.clock.advance(Duration::from_secs(600));
        assert_eq!(poll(3).await, Poll::Expired);
        assert!(!directory.answer_device("DDDD", true, stage.account, stage.browser).await.unwrap());
    });
}

#[test]
fn who_is_told_of_a_sign_out() {
    on_each_engine(|home| async move {
        let stage = Stage::set(home).await;
        let directory = &stage.home.directory;
        let seq = directory.newest_logout().await.unwrap();
        let code = stage.code("openid").await;
        stage.redeem(&code).await.unwrap();
        let code = stage.code("openid offline_access").await;
        stage.redeem(&code).await.unwrap();
        assert_eq!(directory.list_logouts_since(seq).await.unwrap(), (seq, vec![]));
        assert_eq!(directory.list_clients_of_session(stage.browser).await.unwrap(), [stage.client.id]);
        directory.end_session(stage.browser).await.unwrap();
        let (next, notices) = directory.list_logouts_since(seq).await.unwrap();
        let notice = crate::grants::LogoutNotice { client: stage.client.id, account: stage.account, session: stage.browser };
        assert_eq!(notices, [notice], "once, whatever it was granted");
        assert_eq!(directory.list_logouts_since(next).await.unwrap(), (next, vec![]));
    });
}

#[test]
fn a_client_that_was_disabled_is_told_of_what_that_ended_and_of_nothing_after() {
    on_each_engine(|home| async move {
        let stage = Stage::set(home).await;
        let directory = &stage.home.directory;
        let code = stage.code("openid").await;
        stage.redeem(&code).await.unwrap();
        let seq = directory.newest_logout().await.unwrap();
        directory.disable_client(stage.client.id).await.unwrap();
        let (next, notices) = directory.list_logouts_since(seq).await.unwrap();
        assert_eq!(notices.len(), 1);
        directory.end_session(stage.browser).await.unwrap();
        assert_eq!(directory.list_logouts_since(next).await.unwrap().1, []);
    });
}

#[test]
fn a_client_is_for_everyone_or_for_those_that_are_listed() {
    on_each_engine(|home| async move {
        let stage = Stage::set(home).await;
        let directory = &stage.home.directory;
        let bob = stage.home.person("bob").await.id;
        let family = stage.home.add("family", crate::directory::Kind::Group, false).await.id;
        directory.add_group_member(family, bob, crate::directory::MemberRole::Member).await.unwrap();
        let may = async |account| directory.may_use_client(account, stage.client.id).await.unwrap();
        assert!(may(stage.account).await && may(bob).await);
        let code = stage.code("openid offline_access").await;
        let hers = stage.redeem(&code).await.unwrap();
        let grant = |account, auth_methods: &str| NewGrant {
            client: stage.client.id,
            account,
            parent: None,
            label: String::new(),
            scopes: scope::parse("openid"),
            auth_methods: auth_methods.into(),
            authenticated_at: stage.home.clock.now(),
        };
        let his = directory.add_grant(grant(bob, "pwd"), LIVES, false).await.unwrap();
        let service = stage.home.add("backup", crate::directory::Kind::Service, false).await.id;
        let its = directory.add_grant(grant(service, ""), LIVES, false).await.unwrap();
        let is_live = async |session| directory.find_session(session).await.unwrap().unwrap().ended_at.is_none();
        directory.add_client_access(stage.client.id, family).await.unwrap();
        assert!(!may(stage.account).await && may(bob).await);
        assert!(!is_live(hers.session).await, "what it had of her ends");
        assert!(is_live(his.session).await && is_live(its.session).await, "his does not, nor what the client does for itself");
        directory.add_group_member(family, stage.account, crate::directory::MemberRole::Member).await.unwrap();
        directory.remove_group_member(family, stage.account).await.unwrap();
        assert!(is_live(his.session).await);
        assert_eq!(directory.list_client_access(stage.client.id).await.unwrap().len(), 1);
        assert!(directory.remove_client_access(stage.client.id, family).await.unwrap());
        assert!(!may(bob).await, "an empty list admits nobody");
        assert!(!is_live(his.session).await && is_live(its.session).await);
        directory.open_client(stage.client.id).await.unwrap();
        assert!(may(stage.account).await);
    });
}

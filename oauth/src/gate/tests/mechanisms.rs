// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every mechanism, right and wrong.

use std::time::Duration;

use hearth_identity::directory::{NewSession, SessionKind};
use hearth_identity::grants::{Code, NewClient, NewCode, NewTokens, Tokens, scope};
use hearth_identity::login::{ChannelBinding, Mechanism, Refusal, Revocations, Service, Services, Step};
use hearth_types::Secret;

use super::{Home, PASSWORD, PEER, add, binding, login, on_each_engine, peer, refused};

/// An access token of alice's, by way of a code.
pub(super) async fn token(home: &Home, scopes: &str) -> Tokens {
    let new = NewClient {
        identifier: None,
        name: "App".into(),
        public: true,
        redirect_uris: vec!["https://app.test/".into()],
        post_logout_redirect_uris: vec![],
        grant_types: vec![],
        scopes: scope::parse("openid mail"),
        preset: None,
        trusted: false,
        metadata: "{}".into(),
    };
    home.clock.advance(Duration::from_millis(1));
    let (client, _) = home.directory.add_client(new).await.unwrap();
    let now = home.clock.now();
    let browser = NewSession {
        account: home.alice.id,
        kind: SessionKind::Browser,
        label: String::new(),
        services: Services::default(),
        parent: None,
        client: None,
        secret_hash: None,
        auth_methods: "pwd".into(),
        authenticated_at: now,
        peer: None,
        user_agent: None,
        expires_at: None,
    };
    let session = home.directory.add_session(browser).await.unwrap().id;
    let code = Code {
        client: client.id,
        account: home.alice.id,
        session,
        redirect_uri: "https://app.test/".into(),
        scopes: scope::parse(scopes),
        nonce: None,
        code_challenge: None,
        request: "{}".into(),
        authenticated_at: now,
        expires_at: now,
    };
    let code = home.directory.add_code(NewCode { code, lives: Duration::from_secs(60), pushed: None }).await.unwrap().unwrap();
    home.clock.advance(Duration::from_millis(1));
    let lives = NewTokens { access_lives: Duration::from_secs(600), ..NewTokens::default() };
    home.directory.redeem_code(&code, client.id, "App", |_| Some(lives)).await.unwrap().unwrap().tokens
}

#[test]
fn plain_with_an_app_password() {
    on_each_engine(|home| async move {
        let (id, password) = home.app_password(&[Service::Imap, Service::Smtp]).await;
        let entered = login(home.plain("Alice@home.test", password.expose(), Service::Imap, PEER).await);
        assert_eq!((entered.account, entered.session), (home.alice.id, id));
        assert_eq!(
            (entered.address.to_string().as_str(), entered.scopes.as_slice()),
            ("alice@home.test", &["mail".to_string()][..])
        );
        let unspaced = password.expose().replace('-', "");
        login(home.plain("alice@home.test", &unspaced, Service::Smtp, PEER).await);
        let listed = home.gate.list_app_passwords(home.alice.id).await.unwrap();
        assert_eq!(listed[0].last_used_at, Some(home.clock.now()), "a device with its last use");

        refused(home.plain("alice@home.test", password.expose(), Service::Pop3, PEER).await, Refusal::Forbidden);
        add(&home.directory, "bob").await;
        refused(home.plain("bob@home.test", password.expose(), Service::Imap, PEER).await, Refusal::Credentials);
        refused(home.plain("nobody@home.test", password.expose(), Service::Imap, PEER).await, Refusal::Credentials);
        refused(home.plain("not an address", password.expose(), Service::Imap, PEER).await, Refusal::Credentials);
        refused(home.plain("alice@home.test", "zzzzz-zzzzz-zzzzz-zzzzz-zzzzz7", Service::Imap, PEER).await, Refusal::Credentials);

        home.directory.disable_account(home.alice.id).await.unwrap();
        refused(home.plain("alice@home.test", password.expose(), Service::Imap, PEER).await, Refusal::Credentials);
    });
}

#[test]
fn plain_with_the_human_password() {
    on_each_engine(|home| async move {
        let first = login(home.plain("alice@home.test", PASSWORD, Service::Imap, PEER).await);
        let second = login(home.plain("alice@home.test", PASSWORD, Service::Smtp, PEER).await);
        assert_eq!(first.session, second.session, "one device: mail by password");
        refused(home.plain("alice@home.test", "incorrect horse", Service::Imap, PEER).await, Refusal::Credentials);
        refused(home.plain("nobody@home.test", PASSWORD, Service::Imap, PEER).await, Refusal::Credentials);
        refused(home.plain("alice@home.test", PASSWORD, Service::Web, PEER).await, Refusal::Forbidden);

        home.gate.set_password(home.alice.id, Some(&Secret::new("another purple horse".into()))).await.unwrap();
        refused(home.plain("alice@home.test", PASSWORD, Service::Imap, PEER).await, Refusal::Credentials);
        let third = login(home.plain("alice@home.test", "another purple horse", Service::Imap, PEER).await);
        assert_ne!(first.session, third.session, "the old device ended with the old password");
        let rows = home.directory.list_audit(Some(home.alice.id), 10).await.unwrap();
        let failed = rows.iter().find(|row| row.event == "login.failed").expect("a row");
        assert_eq!((failed.count, failed.peer.as_deref(), failed.service.as_deref()), (2, Some(PEER), Some("imap")));
    });
}

#[test]
fn an_authorization_identity_is_another_name_of_the_same() {
    on_each_engine(|home| async move {
        home.directory.add_address(home.alice.id, &"a@home.test".parse().unwrap()).await.unwrap();
        add(&home.directory, "bob").await;
        let try_as = async |authzid: &str| {
            let mut exchange = home.begin(Mechanism::Plain, Service::Imap, ChannelBinding::none());
            exchange.start(Some(format!("{authzid}\0alice@home.test\0{PASSWORD}").as_bytes())).await.unwrap()
        };
        login(try_as("alice@home.test").await);
        login(try_as("A@home.test").await);
        refused(try_as("bob@home.test").await, Refusal::Credentials);
        refused(try_as("nobody").await, Refusal::Credentials);
    });
}

#[test]
fn login_by_prompts() {
    on_each_engine(|home| async move {
        let mut exchange = home.begin(Mechanism::Login, Service::Smtp, ChannelBinding::none());
        assert_eq!(exchange.start(None).await.unwrap(), Step::Challenge(b"Username:".to_vec()));
        assert_eq!(exchange.step(b"alice@home.test").await.unwrap(), Step::Challenge(b"Password:".to_vec()));
        login(exchange.step(PASSWORD.as_bytes()).await.unwrap());
        refused(exchange.step(b"again").await.unwrap(), Refusal::Malformed);
    });
}

#[test]
fn scram_with_and_without_binding() {
    use Mechanism::{ScramSha256, ScramSha256Plus};
    on_each_engine(|home| async move {
        let (_, other) = home.app_password(&[Service::Smtp]).await;
        let (id, password) = home.app_password(&[Service::Imap]).await;
        let (user, password) = ("alice@home.test", password.expose().as_str());
        let none = ChannelBinding::none;
        let entered = login(home.scram(ScramSha256, none(), "n,,", b"", user, password).await);
        assert_eq!(entered.session, id, "of two app passwords the one that was used");
        login(home.scram(ScramSha256Plus, binding(), "p=tls-exporter,,", &[7; 32], user, password).await);
        login(home.scram(ScramSha256Plus, binding(), "p=tls-server-end-point,,", &[9; 32], user, password).await);
        login(home.scram(ScramSha256, none(), "n,a=alice@home.test,", b"", user, password).await);

        let wrong = [
            home.scram(ScramSha256Plus, binding(), "p=tls-exporter,,", &[8; 32], user, password).await,
            home.scram(ScramSha256, binding(), "y,,", b"", user, password).await,
            home.scram(ScramSha256Plus, binding(), "n,,", b"", user, password).await,
            home.scram(ScramSha256, none(), "n,,", b"", user, "zzzzz-zzzzz-zzzzz-zzzzz-zzzzz7").await,
            home.scram(ScramSha256, none(), "n,,", b"", user, PASSWORD).await,
            home.scram(ScramSha256, none(), "n,,", b"", "nobody@home.test", password).await,
            home.scram(ScramSha256, none(), "n,a=nobody@home.test,", b"", user, password).await,
        ];
        for step in wrong {
            refused(step, Refusal::Credentials);
        }
        refused(home.scram(ScramSha256, none(), "n,,", b"", user, other.expose()).await, Refusal::Forbidden);
        refused(home.scram(ScramSha256, none(), "q,,", b"", user, password).await, Refusal::Malformed);
        home.gate.revoke_app_password(id).await.unwrap();
        refused(home.scram(ScramSha256, none(), "n,,", b"", user, password).await, Refusal::Credentials);
    });
}

#[test]
fn an_access_token() {
    on_each_engine(|home| async move {
        let tokens = token(&home, "openid mail").await;
        let access = tokens.access.expose().clone();
        let bearer = async |message: String| {
            let mut exchange = home.begin(Mechanism::OAuthBearer, Service::Imap, ChannelBinding::none());
            match exchange.start(Some(message.as_bytes())).await.unwrap() {
                Step::Challenge(json) => {
                    let told = String::from_utf8(json).unwrap();
                    (told, exchange.step(b"\x01").await.unwrap())
                }
                step => (String::new(), step),
            }
        };
        for header in ["n,,", "n,a=alice@home.test,", "y,a=ALICE@home.test,"] {
            let (_, step) = bearer(format!("{header}\x01host=mail.home.test\x01auth=Bearer {access}\x01\x01")).await;
            let entered = login(step);
            assert_eq!((entered.account, entered.session), (home.alice.id, tokens.session));
            assert_eq!(entered.scopes, ["openid", "mail"]);
        }
        let mut exchange = home.begin(Mechanism::XOAuth2, Service::Smtp, ChannelBinding::none());
        let message = format!("user=alice@home.test\x01auth=Bearer {access}\x01\x01");
        login(exchange.start(Some(message.as_bytes())).await.unwrap());

        let metadata = r#""openid-configuration":"https://id.home.test/.well-known/openid-configuration""#;
        let (told, step) = bearer("n,,\x01auth=Bearer unknown\x01\x01".into()).await;
        assert!(told.contains("invalid_token") && told.contains(metadata), "{told}");
        refused(step, Refusal::Credentials);
        let (told, step) = bearer(format!("n,a=bob@home.test,\x01auth=Bearer {access}\x01\x01")).await;
        assert!(told.contains("invalid_token"));
        refused(step, Refusal::Credentials);
        let (told, step) = bearer("n,,\x01auth=\x01\x01".into()).await;
        assert!(told.contains(metadata), "who has no token is told where there are some");
        refused(step, Refusal::Credentials);
        refused(bearer("n,,".into()).await.1, Refusal::Malformed);

        let narrow = token(&home, "openid").await;
        let (told, step) = bearer(format!("n,,\x01auth=Bearer {}\x01\x01", narrow.access.expose())).await;
        assert!(told.contains("insufficient_scope"));
        refused(step, Refusal::Forbidden);
        assert_eq!(home.gate.bearer(&narrow.access, Service::Jmap, peer(PEER)).await.unwrap(), Err(Refusal::Forbidden));

        home.clock.advance(Duration::from_secs(600));
        assert_eq!(home.gate.bearer(&tokens.access, Service::Jmap, peer(PEER)).await.unwrap(), Err(Refusal::Expired));
        let fresh = token(&home, "mail").await;
        assert!(home.gate.bearer(&fresh.access, Service::Jmap, peer(PEER)).await.unwrap().is_ok());
        home.directory.end_session(fresh.session).await.unwrap();
        assert_eq!(home.gate.bearer(&fresh.access, Service::Jmap, peer(PEER)).await.unwrap(), Err(Refusal::Credentials));
    });
}

#[test]
fn a_revoked_device_is_cut_and_stays_out() {
    on_each_engine(|home| async move {
        let (id, password) = home.app_password(&Service::MAIL).await;
        let entered = home.gate.password("alice@home.test", &password, Service::Imap, peer(PEER)).await.unwrap().expect("in");
        let revocations = Revocations::start(home.directory.clone());
        let mut watch = revocations.watch(&entered);
        assert!(home.gate.revoke_app_password(id).await.unwrap());
        tokio::time::timeout(Duration::from_secs(1), watch.ended()).await.expect("within a second");
        let again = home.gate.password("alice@home.test", &password, Service::Imap, peer(PEER)).await.unwrap();
        assert_eq!(again, Err(Refusal::Credentials));
        assert!(!home.gate.revoke_app_password(id).await.unwrap(), "once");

        // Ended on the account page: the vault still knows it, and it stays out all the same.
        let (id, password) = home.app_password(&Service::MAIL).await;
        home.gate.password("alice@home.test", &password, Service::Imap, peer(PEER)).await.unwrap().expect("in");
        home.directory.end_session(id).await.unwrap();
        let again = home.gate.password("alice@home.test", &password, Service::Imap, peer(PEER)).await.unwrap();
        assert_eq!(again, Err(Refusal::Credentials));
    });
}

#[test]
fn an_app_password_that_ends() {
    on_each_engine(|home| async move {
        let ends = home.clock.now().after(Duration::from_secs(60));
        let added = home.gate.add_app_password(home.alice.id, "guest", Services::mail(), Some(ends)).await;
        let (_, password) = added.unwrap();
        login(home.plain("alice@home.test", password.expose(), Service::Imap, PEER).await);
        home.clock.advance(Duration::from_secs(60));
        refused(home.plain("alice@home.test", password.expose(), Service::Imap, PEER).await, Refusal::Credentials);
        refused(
            home.scram(Mechanism::ScramSha256, ChannelBinding::none(), "n,,", b"", "alice@home.test", password.expose()).await,
            Refusal::Credentials,
        );
    });
}

#[test]
fn what_scram_says_before_the_proof_is_of_the_name_alone() {
    on_each_engine(|home| async move {
        let (alice, domain) = (home.alice.id, "home.test");
        let masked = home.directory.add_masked(alice, &domain.parse().unwrap(), "shop", true).await.unwrap().address.to_string();
        home.directory.add_address(alice, &"a@home.test".parse().unwrap()).await.unwrap();
        let say = async |user: &str| {
            let mut exchange = home.begin(Mechanism::ScramSha256, Service::Imap, ChannelBinding::none());
            match exchange.start(Some(format!("n,,n={user},r=fyko+d2lbbFgONRv9qkxdawL").as_bytes())).await.unwrap() {
                Step::Challenge(said) => String::from_utf8(said).unwrap().split_once(",s=").unwrap().1.to_string(),
                other => panic!("{other:?}"),
            }
        };
        let names = ["alice@home.test", "a@home.test", masked.as_str(), "nobody@home.test"];
        let mut before = Vec::new();
        for name in names {
            before.push(say(name).await);
        }
        let (_, password) = home.app_password(&Service::MAIL).await;
        for (name, salt) in names.iter().zip(&before) {
            let local = name.split('@').next().unwrap();
            for spelled in [format!("\"{local}\"@{domain}"), format!("{}@HOME.test.", local.to_uppercase()), (*name).to_string()] {
                assert_eq!(&say(&spelled).await, salt, "{spelled}: before and after there was an app password");
            }
        }
        let salts: std::collections::BTreeSet<_> = before.iter().map(|said| said.split(',').next().unwrap()).collect();
        assert_eq!(salts.len(), names.len(), "no two names have anything in common");
        assert!(before.iter().all(|said| said.ends_with(",i=4096")));
        // By each address that others may know somebody signs in, and by one that is for one correspondent nobody.
        let none = ChannelBinding::none;
        let scram = async |user: &str| home.scram(Mechanism::ScramSha256, none(), "n,,", b"", user, password.expose()).await;
        login(scram("alice@home.test").await);
        login(scram("a@home.test").await);
        refused(scram(&masked).await, Refusal::Credentials);
        refused(home.plain(&masked, password.expose(), Service::Imap, PEER).await, Refusal::Credentials);
        refused(home.plain(&masked, PASSWORD, Service::Imap, PEER).await, Refusal::Credentials);
        // A device goes on by the name that it was set up with.
        home.directory.change_primary_address(alice, &"a@home.test".parse().unwrap()).await.unwrap();
        login(scram("alice@home.test").await);
    });
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! Another process learns that a session ended.

use std::future::Future;
use std::time::Duration;

use hearth_types::{Address, SessionId};

use super::on_each_engine;
use crate::directory::{NewSession, SessionKind};
use crate::limits::REVOCATION_POLL;
use crate::login::{Login, Revocations};
use crate::service::Services;

/// Waits for what must come; as long as a busy machine may need.
async fn comes<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what).await.expect("it comes")
}

#[test]
fn it_is_looked_twice_a_second() {
    assert!(REVOCATION_POLL * 2 < Duration::from_secs(1));
}

#[test]
fn a_watch_ends_with_its_session() {
    on_each_engine(|home| async move {
        let alice = home.person("alice").await;
        let login = |session: SessionId| -> Login {
            let address: Address = "alice@home.test".parse().unwrap();
            Login { account: alice.id, address, session, scopes: vec![] }
        };
        let mut sessions = Vec::new();
        for _ in 0..4 {
            home.clock.advance(Duration::from_millis(1));
            let new = NewSession {
                account: alice.id,
                kind: SessionKind::Client,
                label: String::new(),
                services: Services::default(),
                parent: None,
                client: None,
                secret_hash: None,
                auth_methods: String::new(),
                authenticated_at: home.clock.now(),
                peer: None,
                user_agent: None,
                expires_at: None,
            };
            sessions.push(home.directory.add_session(new).await.unwrap().id);
        }
        let revocations = Revocations::start(home.directory.clone());
        let mut watch = revocations.watch(&login(sessions[1]));
        let mut twin = revocations.watch(&login(sessions[1]));
        let other = revocations.watch(&login(sessions[2]));
        // Ended between the login and the watch.
        home.directory.end_session(sessions[0]).await.unwrap();
        let mut early = revocations.watch(&login(sessions[0]));
        comes(early.ended()).await;
        assert!(early.has_ended() && !watch.has_ended());

        home.directory.end_session(sessions[1]).await.unwrap();
        comes(watch.ended()).await;
        comes(twin.ended()).await;
        assert!(!other.has_ended());

        // A session that nobody knows, and an account that is disabled.
        let mut unknown = revocations.watch(&login(SessionId::from_i64(1)));
        let mut disabled = revocations.watch(&login(sessions[3]));
        home.directory.disable_account(alice.id).await.unwrap();
        comes(unknown.ended()).await;
        comes(disabled.ended()).await;
        // After everything was let go it can be watched anew.
        drop((watch, twin, early, unknown, disabled, other));
        comes(async {
            while !revocations.is_idle() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        let mut again = revocations.watch(&login(sessions[1]));
        comes(again.ended()).await;
    });
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! Another process learns that a session ended.

use std::time::{Duration, Instant};

use hearth_types::{Address, SessionId};

use super::on_each_engine;
use crate::directory::{NewSession, SessionKind};
use crate::login::{Login, Revocations};
use crate::service::Services;

#[test]
fn a_watch_ends_within_a_second() {
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
        // Ended between the login and the watch.
        home.directory.end_session(sessions[0]).await.unwrap();
        let mut early = revocations.watch(&login(sessions[0]));
        tokio::time::timeout(Duration::from_secs(2), early.ended()).await.expect("it is looked up");
        assert!(early.has_ended());

        let mut watch = revocations.watch(&login(sessions[1]));
        let mut twin = revocations.watch(&login(sessions[1]));
        let other = revocations.watch(&login(sessions[2]));
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(!watch.has_ended());
        let begun = Instant::now();
        home.directory.end_session(sessions[1]).await.unwrap();
        tokio::time::timeout(Duration::from_secs(2), async {
            watch.ended().await;
            twin.ended().await;
        })
        .await
        .expect("both are told");
        assert!(begun.elapsed() < Duration::from_secs(1), "took {:?}", begun.elapsed());
        assert!(!other.has_ended());

        // A session that nobody knows, and an account that is disabled.
        let mut unknown = revocations.watch(&login(SessionId::from_i64(1)));
        let mut disabled = revocations.watch(&login(sessions[3]));
        home.directory.disable_account(alice.id).await.unwrap();
        tokio::time::timeout(Duration::from_secs(2), async {
            unknown.ended().await;
            disabled.ended().await;
        })
        .await
        .expect("both are told");
        // After everything was let go it can be watched anew.
        drop((watch, twin, early, unknown, disabled, other));
        tokio::time::sleep(Duration::from_millis(900)).await;
        let mut again = revocations.watch(&login(sessions[1]));
        tokio::time::timeout(Duration::from_secs(2), again.ended()).await.expect("it is still over");
    });
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! Letters about the safety of an account, the strength of a new password, and what a phone takes instead of typing.

mod support;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hearth_web::axum::http::StatusCode;
use support::{House, PASSWORD, on_both_engines};

/// Subject and text of every letter that waits, to whom it goes first; they are taken away.
async fn letters(house: &House) -> Vec<(String, String, String)> {
    let mut read = Vec::new();
    for letter in house.directory.list_letters(100).await.unwrap() {
        let raw = String::from_utf8(letter.raw).unwrap();
        let (head, body) = raw.split_once("\r\n\r\n").unwrap();
        let subject = head.split("Subject: ").nth(1).unwrap().split("\r\n").next().unwrap().to_string();
        let body: String = body.split_whitespace().collect();
        read.push((letter.recipient.to_string(), subject, String::from_utf8(STANDARD.decode(body).unwrap()).unwrap()));
        house.directory.remove_letter(letter.id).await.unwrap();
    }
    read
}

#[tokio::test]
async fn a_new_device_is_told_of_once() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let told = letters(&house).await;
        assert_eq!(told.len(), 1, "{told:?}");
        let (to, subject, text) = &told[0];
        assert_eq!((to.as_str(), subject.as_str()), ("alice@home.example", "Your account was signed in on a new device"));
        assert!(text.contains("Firefox on Linux, 192.0.2.7") && text.contains("https://id.home.example/account"), "{text}");
        browser.jar.remove("__Host-hearth");
        browser.sign_in("alice").await;
        assert_eq!(letters(&house).await, vec![], "this one is known");
        browser.jar.remove("__Host-hearth");
        browser.sign_in("bob").await;
        assert_eq!(letters(&house).await[0].0, "bob@home.example", "but not with bob");
        browser.jar.remove("__Host-hearth");
        browser.sign_in("alice").await;
        assert_eq!(letters(&house).await, vec![], "both are remembered");
        browser.jar.insert("__Host-hearth-known".into(), "0".repeat(5000));
        browser.jar.remove("__Host-hearth");
        browser.sign_in("alice").await;
        assert_eq!(letters(&house).await.len(), 1, "what we did not make counts for nothing");
        let page = house.browser().get("/sign-in").await;
        let mut guesser = house.browser();
        guesser.get("/sign-in").await;
        guesser.fill_sign_in(&page, "alice", "wrong").await;
        assert_eq!(letters(&house).await, vec![], "a guesser cannot fill a mailbox");
    })
    .await;
}

#[tokio::test]
async fn what_changes_the_ways_in_is_told() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        letters(&house).await;
        let form = browser.get("/account/app-passwords/new").await.field("form");
        browser.post("/account/app-passwords/new", &[("form", &form), ("label", "Phone")]).await;
        let told = letters(&house).await;
        assert!(told[0].1 == "An app password was made for your account" && told[0].2.contains("What: Phone"), "{told:?}");
        let form = browser.get("/account/recovery").await.field("form");
        browser.post("/account/recovery", &[("form", &form)]).await;
        assert_eq!(letters(&house).await[0].1, "New recovery codes were made for your account");
        let form = browser.get("/account/password").await.field("form");
        let new = "four words that differ";
        browser.post("/account/password", &[("form", &form), ("current", PASSWORD), ("new", new), ("again", new)]).await;
        assert_eq!(letters(&house).await[0].1, "Your password was changed");
        // The letters speak as she wants.
        house.directory.change_account_language(house.alice.id, "fr").await.unwrap();
        let form = browser.get("/account/recovery").await.field("form");
        browser.post("/account/recovery", &[("form", &form)]).await;
        let told = letters(&house).await;
        assert!(told[0].1.starts_with("=?utf-8?B?") && told[0].2.contains("Quand :"), "{told:?}");
    })
    .await;
}

#[tokio::test]
async fn away_forwarding_and_filters() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        letters(&house).await;
        let (account, store) = (house.alice.id, house.ctx.mail().await.unwrap().clone());
        let active = async || {
            let found = store.read(account, hearth_mailstore::script::active).await.unwrap();
            found.map(|(script, text)| (script.name, String::from_utf8(text).unwrap()))
        };
        let form = browser.get("/account/mail").await.field("form");
        let mut save = async |fields: &[(&str, &str)]| {
            let fields = [&[("form", form.as_str())][..], fields].concat();
            browser.post("/account/mail", &fields).await
        };
        let away = [("do", "absence"), ("on", "yes"), ("message", "I am \"away\"."), ("until", "2027-01-02")];
        let reply = save(&away).await;
        assert!(reply.status == StatusCode::OK && reply.body.contains("I am &#34;away&#34;."), "{}", reply.body);
        let (name, text) = active().await.unwrap();
        assert!(name == "hearth" && text.contains("vacation :days 7 \"I am \\\"away\\\".\""), "{text}");
        let reply = save(&[("do", "forward"), ("on", "yes"), ("to", "me@elsewhere.example"), ("keep", "yes")]).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        assert!(active().await.unwrap().1.contains("redirect :copy \"me@elsewhere.example\";"));
        let told = letters(&house).await;
        assert!(
            told.len() == 1 && told[0].1 == "Your mail is sent on to another address" && told[0].2.contains("me@elsewhere.example"),
            "{told:?}"
        );
        for (to, says) in [("alice@home.example", "circle"), ("nonsense", "not an address")] {
            let reply = save(&[("do", "forward"), ("on", "yes"), ("to", to)]).await;
            assert!(reply.status == StatusCode::BAD_REQUEST && reply.body.contains(says), "{to}: {}", reply.body);
        }
        let reply = save(&[("do", "add-filter"), ("place", "subject"), ("text", "<b>offer"), ("mailbox", "News")]).await;
        assert!(reply.status == StatusCode::OK && reply.body.contains("&#60;b&#62;offer"), "{}", reply.body);
        assert_eq!(
            save(&[("do", "add-filter"), ("place", "nowhere"), ("text", "x"), ("mailbox", "y")]).await.status,
            StatusCode::BAD_REQUEST
        );
        assert_eq!(save(&[("do", "remove-filter"), ("id", "0"), ("filter", "another")]).await.status, StatusCode::BAD_REQUEST);
        let filter = "Subject has: “<b>offer” → News";
        assert_eq!(save(&[("do", "remove-filter"), ("id", "0"), ("filter", filter)]).await.status, StatusCode::OK);
        assert_eq!(save(&[("do", "forward")]).await.status, StatusCode::OK);
        assert_eq!(save(&[("do", "absence"), ("message", "x")]).await.status, StatusCode::OK);
        assert_eq!(active().await, None, "nothing is wanted, nothing runs");
        // A script of a mail program is told of, and kept.
        let put = store.write(account, hearth_mailstore::Durability::Synced, |tx| {
            hearth_mailstore::script::put(tx, "mine", b"keep;")?;
            hearth_mailstore::script::activate(tx, Some("mine"))
        });
        put.await.unwrap();
        assert!(browser.get("/account/mail").await.body.contains("The script “mine”"));
        let fields = [("form", form.as_str()), ("do", "absence"), ("on", "yes"), ("message", "x")];
        browser.post("/account/mail", &fields).await;
        assert_eq!(active().await.unwrap().0, "hearth");
        let all = store.read(account, hearth_mailstore::script::scripts).await.unwrap();
        assert_eq!(all.len(), 2);
        house.clock.advance(std::time::Duration::from_secs(601));
        assert_eq!(browser.get("/account/mail").await.location().as_deref(), Some("/sign-in?to=mail"));
    })
    .await;
}

#[tokio::test]
async fn a_password_that_is_tried_first_is_not_taken() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let page = browser.get("/account/password").await;
        for weak in ["password1", "aliceexample", "qwertyuiop", "Passw0rd!"] {
            let fields = [("form", page.field("form")), ("current", PASSWORD.into()), ("new", weak.into()), ("again", weak.into())];
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let reply = browser.post("/account/password", &fields).await;
            assert!(reply.status == StatusCode::BAD_REQUEST && reply.body.contains("tried first"), "{weak}: {}", reply.body);
        }
        let link = house.vault.add_link(house.alice.id, false, std::time::Duration::from_secs(60)).await.unwrap();
        let path = format!("/welcome/{}", link.expose());
        let mut new = house.browser();
        let form = new.get(&path).await.field("form");
        let reply = new.post(&path, &[("form", &form), ("new", "password1"), ("again", "password1")]).await;
        assert!(reply.status == StatusCode::BAD_REQUEST && reply.body.contains("tried first"), "{}", reply.body);
        assert!(house.vault.find_link(link.expose()).await.unwrap().is_some(), "the link is not spent");
    })
    .await;
}

#[tokio::test]
async fn a_profile_for_a_phone() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let form = browser.get("/account/app-passwords/new").await.field("form");
        let shown = browser.post("/account/app-passwords/new", &[("form", &form), ("label", "Phone")]).await;
        assert!(shown.body.contains("src=\"data:image/svg+xml;base64,") && shown.body.contains("port 993, TLS"), "{}", shown.body);
        let (form, password) = (shown.field("form"), shown.field("password"));
        let profile = browser.post("/account/app-passwords/profile", &[("form", &form), ("password", &password)]).await;
        assert_eq!(profile.headers["content-type"], "application/x-apple-aspen-config");
        assert!(profile.body.contains(&format!("<string>{password}</string>")) && profile.headers["cache-control"] == "no-store");
        // It is no place to try passwords, or to have a page of ours say what another wants.
        for (form, password) in [(form.as_str(), "guess"), ("", password.as_str())] {
            let reply = browser.post("/account/app-passwords/profile", &[("form", form), ("password", password)]).await;
            assert!(reply.status != StatusCode::OK && !reply.body.contains("plist"), "{}", reply.body);
        }
        let form = browser.get("/account/app-passwords/new").await.field("form");
        let shown =
            browser.post("/account/app-passwords/new", &[("form", &form), ("label", "Printer"), ("for", "send-only")]).await;
        assert!(!shown.body.contains("data:image") && shown.body.contains("port 465, TLS"), "{}", shown.body);
    })
    .await;
}

#[tokio::test]
async fn told_at_an_address_elsewhere_too() {
    on_both_engines(async |house| {
        let mut alice = house.browser();
        alice.sign_in("alice").await;
        letters(&house).await;
        let form = alice.get("/account/contact").await.field("form");
        let ask = async |browser: &mut support::Browser, address: &str| {
            browser.post("/account/contact", &[("form", &form), ("do", "ask"), ("address", address)]).await
        };
        for address in ["nonsense", "alice@home.example"] {
            assert_eq!(ask(&mut alice, address).await.status, StatusCode::BAD_REQUEST, "{address}");
        }
        assert_eq!(ask(&mut alice, "alice@elsewhere.example").await.status, StatusCode::OK);
        assert_eq!(ask(&mut alice, "victim@elsewhere.example").await.status, StatusCode::BAD_REQUEST, "one letter at a time");
        let told = letters(&house).await;
        let [(to, subject, text)] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((to.as_str(), subject.as_str()), ("alice@elsewhere.example", "Is this your address?"));
        let link = text.lines().find(|line| line.starts_with("https://")).unwrap();
        let path = link.strip_prefix("https://id.home.example").unwrap().to_string();
        // Its link is of use to alice alone, and looking at it decides nothing.
        let mut bob = house.browser();
        bob.sign_in("bob").await;
        letters(&house).await;
        assert_eq!(bob.get(&path).await.status, StatusCode::NOT_FOUND);
        assert_eq!(alice.get(&format!("{}x", &path[..path.len() - 1])).await.status, StatusCode::NOT_FOUND);
        let page = alice.get(&path).await;
        assert!(page.body.contains("Is alice@elsewhere.example yours?"), "{}", page.body);
        assert_eq!(house.directory.find_contact(house.alice.id).await.unwrap(), None);
        assert_eq!(alice.post(&path, &[("form", &page.field("form"))]).await.status, StatusCode::SEE_OTHER);
        assert!(alice.get("/account").await.body.contains("alice@elsewhere.example"));
        letters(&house).await;
        let form = alice.get("/account/recovery").await.field("form");
        alice.post("/account/recovery", &[("form", &form)]).await;
        let mut told: Vec<String> = letters(&house).await.into_iter().map(|(to, ..)| to).collect();
        told.sort();
        assert_eq!(told, ["alice@elsewhere.example", "alice@home.example"]);
        // Whoever takes it away cannot do so in silence.
        let form = alice.get("/account/contact").await.field("form");
        alice.post("/account/contact", &[("form", &form), ("do", "forget")]).await;
        assert!(letters(&house).await.iter().any(|(to, ..)| to == "alice@elsewhere.example"));
        assert_eq!(house.directory.find_contact(house.alice.id).await.unwrap(), None);
        house.clock.advance(std::time::Duration::from_secs(24 * 3600));
        let mut later = house.browser();
        later.sign_in("alice").await;
        assert_eq!(later.get(&path).await.status, StatusCode::NOT_FOUND, "a day");
    })
    .await;
}

#[tokio::test]
async fn why_a_mail_is_where_it_is() {
    use hearth_mailstore::{Content, Durability, message};
    on_both_engines(async |house| {
        let store = house.ctx.mail().await.unwrap().clone();
        let alice = house.alice.id;
        for (role, subject, why) in [
            (hearth_mailstore::Role::Inbox, "Lunch <b>", "X-Hearth-Reason: It comes from one.example, as it says.\r\n"),
            (hearth_mailstore::Role::Junk, "You won", "X-Hearth-Reason: It reads like junk: lottery.\r\n"),
            (hearth_mailstore::Role::Inbox, "A note", ""),
        ] {
            let raw = format!("{why}From: Bob <bob@one.example>\r\nSubject: {subject}\r\n\r\nHello\r\n").into_bytes();
            let prepared = store.prepare(alice, Content::Bytes(raw)).await.unwrap();
            let put = store.write(alice, Durability::Synced, move |tx| {
                let mailbox = hearth_mailstore::mailbox::find_by_role(tx, role)?.expect("it is there from the start");
                let now = tx.now();
                message::append(tx, prepared, &[mailbox.id], &hearth_mailstore::FlagSet::default(), now).map(drop)
            });
            put.await.unwrap();
        }
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let page = browser.get("/account/why").await;
        for said in [
            "Lunch &#60;b&#62;",
            "Bob &#60;bob@one.example&#62;",
            "It comes from one.example, as it says.",
            "It reads like junk: lottery",
            "a program put it here",
        ] {
            assert!(page.body.contains(said), "{said}: {}", page.body);
        }
        browser.speaks = "fr";
        let page = browser.get("/account/why").await;
        for said in [
            "Il vient bien de one.example, comme il le dit.",
            "ressemble à un indésirable : lottery",
            "un logiciel l&#39;a mis ici",
        ] {
            assert!(page.body.contains(said), "{said}: {}", page.body);
        }
        browser.speaks = "";
        let mut bob = house.browser();
        bob.sign_in("bob").await;
        assert!(!bob.get("/account/why").await.body.contains("Lunch"));
        house.clock.advance(std::time::Duration::from_secs(601));
        assert_eq!(browser.get("/account/why").await.location().as_deref(), Some("/sign-in?to=why"));
    })
    .await;
}

#[tokio::test]
async fn letters_come_in_the_language_of_who_reads_them() {
    on_both_engines(async |house| {
        let carol = house.admin().await;
        let (mut alice, mut admin) = (house.browser(), house.browser());
        alice.speaks = "fr-CH, en;q=0.5";
        alice.sign_in("alice").await;
        admin.sign_in(carol).await;
        let language = async || house.directory.find_account(house.alice.id).await.unwrap().unwrap().language;
        assert_eq!(language().await.as_deref(), Some("fr"), "as she signed in first");
        letters(&house).await;
        let link = async |admin: &mut support::Browser| {
            let path = format!("/admin/people/{}", house.alice.id);
            let form = admin.get(&path).await.field("form");
            admin.post(&path, &[("form", &form), ("do", "link")]).await;
            letters(&house).await.remove(0).2
        };
        let text = link(&mut admin).await;
        assert!(text.contains("Un lien pour choisir un nouveau mot de passe"), "the admin's browser is English: {text}");
        // Another browser changes nothing; she does.
        let mut other = house.browser();
        other.speaks = "en";
        other.sign_in("alice").await;
        assert_eq!(language().await.as_deref(), Some("fr"));
        let page = alice.get("/account/profile").await;
        assert!(page.body.contains("<option value=\"fr\" lang=\"fr\" selected>"), "{}", page.body);
        let form = page.field("form");
        let reply = alice.post("/account/profile", &[("form", &form), ("name", " Alix "), ("language", "en")]).await;
        assert_eq!(reply.location().as_deref(), Some("/account?done=profile-changed"));
        assert!(alice.get("/account").await.body.contains("<strong>Alix</strong>"));
        letters(&house).await;
        let text = link(&mut admin).await;
        assert!(text.contains("A link to choose a new password"), "{text}");
        for (name, language) in [("x".repeat(201), "fr"), ("a\u{7}b".to_string(), "fr")] {
            let reply = alice.post("/account/profile", &[("form", &form), ("name", &name), ("language", language)]).await;
            assert!(
                reply.status == StatusCode::BAD_REQUEST && reply.body.contains("value=\"fr\" lang=\"fr\" selected"),
                "{}",
                reply.body
            );
        }
        alice.post("/account/profile", &[("form", &form), ("name", "Alix"), ("language", "tlh")]).await;
        assert_eq!(language().await.as_deref(), Some("en"), "what we do not speak is not taken");
    })
    .await;
}

#[tokio::test]
async fn mail_stays_here_until_the_address_that_it_goes_to_is_proven() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let store = house.ctx.mail().await.unwrap().clone();
        let copies = async || {
            let (_, text) = store.read(house.alice.id, hearth_mailstore::script::active).await.unwrap().unwrap();
            String::from_utf8(text).unwrap().contains("redirect :copy")
        };
        let forward = async |browser: &mut support::Browser, to: &str| {
            let form = browser.get("/account/mail").await.field("form");
            browser.post("/account/mail", &[("form", &form), ("do", "forward"), ("on", "yes"), ("to", to)]).await
        };
        letters(&house).await;
        let reply = forward(&mut browser, "me@elsewere.example").await;
        assert!(reply.status == StatusCode::OK && reply.body.contains("A letter went to me@elsewere.example"), "{}", reply.body);
        assert!(copies().await && reply.body.contains("Nobody has opened the letter"), "a slip of a letter loses nothing");
        letters(&house).await;
        assert_eq!(forward(&mut browser, "me@elsewhere.example").await.status, StatusCode::BAD_REQUEST, "not letter upon letter");
        house.clock.advance(std::time::Duration::from_secs(301));
        assert_eq!(forward(&mut browser, "me@elsewhere.example").await.status, StatusCode::OK);
        let told = letters(&house).await;
        let (.., text) = told.iter().find(|(to, ..)| to == "me@elsewhere.example").unwrap();
        assert!(text.contains("to stay there no longer") && text.contains("alice@home.example"), "{text}");
        let path = text.lines().find_map(|line| line.strip_prefix(support::ISSUER)).unwrap().to_string();
        let mut bob = house.browser();
        bob.sign_in("bob").await;
        assert_eq!(bob.get(&path).await.status, StatusCode::NOT_FOUND, "it is alice's");
        let contact = path.replace("/mail/forward/", "/contact/");
        assert_eq!(browser.get(&contact).await.status, StatusCode::NOT_FOUND, "and proves nothing else");
        let page = browser.get(&path).await;
        assert!(copies().await && page.body.contains("Is me@elsewhere.example yours?"), "looking decides nothing");
        let form = page.field("form");
        let reply = browser.post(&path, &[("form", &form)]).await;
        assert_eq!(reply.location().as_deref(), Some("/account/mail?done=forward-proven"));
        assert!(!copies().await);
        assert_eq!(browser.post(&path, &[("form", &form)]).await.status, StatusCode::NOT_FOUND, "once");
        // The same again is proven; another is not.
        assert!(forward(&mut browser, "me@elsewhere.example").await.body.contains("That is how it is from now on"));
        assert!(!copies().await);
        house.clock.advance(std::time::Duration::from_secs(301));
        house.directory.change_contact(house.alice.id, &"safe@elsewhere.example".parse().unwrap()).await.unwrap();
        browser.sign_in("alice").await;
        let reply = forward(&mut browser, "safe@elsewhere.example").await;
        assert!(reply.status == StatusCode::OK && !copies().await, "an address elsewhere was proven before");
        let reply = forward(&mut browser, "third@elsewhere.example").await;
        assert!(reply.status == StatusCode::OK && copies().await);
    })
    .await;
}

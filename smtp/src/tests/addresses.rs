// SPDX-License-Identifier: AGPL-3.0-or-later
//! A domain that is one person's as a whole, and one whose strays somebody takes: `hearth alias add '*@DOMAIN' PERSON`.

use hearth_mailstore::Role;
use hearth_types::Domain;

use super::house::House;

const MESSAGE: &str = "From: Carol <carol@else.example>\r\nSubject: Hello\r\n\r\nhi\r\n";

#[tokio::test]
async fn every_name_of_a_persons_domain_is_theirs() {
    let house = House::new().await;
    let directory = &house.server.directory;
    let own = Domain::parse("bob.example").expect("a domain");
    directory.add_domain(&own).await.expect("a domain");
    directory.change_catch_all(&own, Some(house.bob.id)).await.expect("changed");
    let named = "alice@bob.example".parse().expect("an address");
    directory.add_alias(&named, &["alice@home.example".parse().expect("an address")]).await.expect("an alias");

    let to = ["shop-7@bob.example", "news+x@bob.example", "alice@bob.example"];
    for recipient in to {
        let reply = house.talk().send("carol@else.example", &[recipient], MESSAGE).await;
        assert!(reply.starts_with("250 "), "{recipient}: {reply}");
    }
    let bobs = house.mails(house.bob.id, Role::Inbox).await;
    let says = |mail: &str, to: &str| mail.contains(&format!("Delivered-To: {to}\r\n"));
    assert!(bobs.len() == 2 && says(&bobs[0], to[0]) && says(&bobs[1], to[1]), "to which name it came stays: {bobs:?}");
    assert_eq!(house.mails(house.alice.id, Role::Inbox).await.len(), 1, "a name that is somebody's comes first");

    // The home's other domain has none.
    let mut pipe = house.talk();
    pipe.reply().await;
    pipe.say("EHLO client.example").await;
    pipe.say("MAIL FROM:<carol@else.example>").await;
    assert!(pipe.say("RCPT TO:<shop-7@home.example>").await.starts_with("550 5.1.1 "));
    directory.change_catch_all(&own, None).await.expect("changed");
    assert!(pipe.say("RCPT TO:<shop-7@bob.example>").await.starts_with("550 5.1.1 "));
}

#[tokio::test]
async fn a_catch_all_takes_what_is_nobodys() {
    let house = House::new().await;
    house.server.directory.change_catch_all(&house.domain, Some(house.alice.id)).await.expect("changed");
    let to = ["bobb@home.example", "bob@home.example", "postmaster@home.example"];
    let reply = house.talk().send("carol@else.example", &to, MESSAGE).await;
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(house.mails(house.bob.id, Role::Inbox).await.len(), 1);
    let alices = house.mails(house.alice.id, Role::Inbox).await;
    assert!(alices.iter().any(|mail| mail.contains("bobb@home.example")), "{alices:?}");
}

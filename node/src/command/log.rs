// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth log`: what happened here, the newest first.

use std::collections::HashMap;

use hearth_identity::directory::{AuditEntry, sentence};
use hearth_types::AccountId;
use serde_json::{Value, json};

use super::queue::moment;
use crate::cli::LogArgs;
use crate::out::Out;
use crate::place::{Place, account};

/// Runs it.
pub async fn run(place: &Place, args: LogArgs, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let names = directory.list_audit_names().await?;
    let who = match &args.account {
        Some(text) => Some(match had(&names, text) {
            Some(id) => id,
            None => account(&directory, text).await?.id,
        }),
        None => None,
    };
    let rows: Vec<Value> = directory.list_audit(who, args.limit).await?.iter().map(|entry| describe(&names, entry)).collect();
    let heads = ["when", "what", "whom", "detail", "by", "from"];
    out.table(&rows, &heads, "Nothing happened yet.");
    Ok(())
}

/// Who has this address, or had it before the account was removed.
fn had(names: &HashMap<AccountId, String>, text: &str) -> Option<AccountId> {
    names.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(id, _)| *id)
}

fn describe(names: &HashMap<AccountId, String>, entry: &AuditEntry) -> Value {
    let name = |id: AccountId| names.get(&id).cloned().unwrap_or_else(|| id.to_string());
    let what = sentence(&entry.event).unwrap_or(&entry.event);
    let by = match (entry.actor, entry.service.as_deref()) {
        (Some(actor), _) => Some(name(actor)),
        (None, Some("command")) => Some("the hearth command".to_owned()),
        (None, _) => None,
    };
    json!({
        "at": entry.at.secs(),
        "when": moment(entry.at),
        "event": entry.event,
        "what": if entry.count > 1 { format!("{what} (\u{d7}{})", entry.count) } else { what.to_owned() },
        "whom": entry.subject.map(name),
        "by": by,
        "from": entry.peer,
        "through": entry.service,
        "detail": entry.detail,
        "count": entry.count,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use hearth_identity::directory::{Event, Kind, NewAccount};
    use hearth_types::{Address, Domain};

    use super::*;
    use crate::cli::Cli;

    /// What is done by commands stands in the log, whatever they are, and that it was by them.
    #[tokio::test]
    async fn no_command_that_changes_the_house_goes_unwritten() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("hearth.toml"), "[home]\ndomain = \"home.example\"\n").unwrap();
        let directory = Place::load(Some(dir.path())).unwrap().directory().await.unwrap();
        directory.add_domain(&Domain::parse("home.example").unwrap()).await.unwrap();
        for name in ["carol", "alice"] {
            let address = Address::parse(&format!("{name}@home.example")).unwrap();
            let new = NewAccount { address, kind: Kind::Person, name: String::new(), admin: name == "carol" };
            directory.add_account(new).await.unwrap();
        }
        let out = Out::new(true);
        let root = dir.path().to_str().unwrap().to_owned();
        let mut before = directory.list_audit(None, 100).await.unwrap().len();
        for (line, event, detail) in [
            ("account add dora@home.example --admin", "account.added", "dora@home.example, admin"),
            ("account disable alice@home.example", "account.disabled", ""),
            ("account enable alice@home.example", "account.enabled", ""),
            ("address add alice@home.example al@home.example", "address.added", "al@home.example"),
            ("address remove al@home.example", "address.removed", "al@home.example"),
            ("alias add us@home.example alice@home.example", "alias.added", "us@home.example: alice@home.example"),
            ("alias remove us@home.example", "alias.removed", "us@home.example"),
            ("alias add *@home.example alice@home.example", "domain.catch-all", "*@home.example"),
            ("list add club@home.example", "list.added", "club@home.example"),
            ("list remove club@home.example", "list.removed", "club@home.example"),
            (
                "client add Photos --client-id photos --redirect-uri https://photos.example/cb --trusted",
                "client.added",
                "Photos (photos, trusted)",
            ),
            ("client allow photos alice@home.example", "client.allowed", "Photos"),
            ("client deny photos alice@home.example", "client.denied", "Photos"),
            ("client open photos", "client.opened", "Photos"),
            ("client disable photos", "client.disabled", "Photos"),
            ("client enable photos", "client.enabled", "Photos"),
            ("client registration off", "registration.changed", "off"),
            ("client remove photos", "client.removed", "Photos"),
        ] {
            let words = ["hearth", "--dir", &root].into_iter().chain(line.split(' '));
            crate::command::run(Cli::try_parse_from(words).unwrap(), &out).await.unwrap();
            let rows = directory.list_audit(None, 100).await.unwrap();
            assert_eq!(rows.len(), before + 1, "{line}");
            let row = rows.first().unwrap();
            assert_eq!(
                (row.event.as_str(), row.detail.as_str(), row.service.as_deref()),
                (event, detail, Some("command")),
                "{line}"
            );
            assert!(sentence(event).is_some());
            before += 1;
        }
    }

    #[test]
    fn a_row_names_who_and_says_what() {
        let (alice, gone) = (AccountId::from_i64(1), AccountId::from_i64(2));
        let names = HashMap::from([(alice, "alice@home.example".to_owned()), (gone, "bob@home.example".to_owned())]);
        assert_eq!(had(&names, "Bob@home.example"), Some(gone));
        let event = Event { event: "login.failed", subject: Some(gone), ..Event::default() };
        let entry = AuditEntry {
            id: hearth_types::id::Id::from_i64(1),
            at: hearth_types::Timestamp::from_secs(1_700_000_000),
            event: event.event.to_owned(),
            actor: Some(alice),
            subject: event.subject,
            peer: Some("192.0.2.1".into()),
            service: Some("imap".into()),
            detail: event.detail,
            count: 3,
        };
        let row = describe(&names, &entry);
        assert_eq!(row["what"], "Somebody could not sign in (\u{d7}3)");
        assert_eq!((&row["whom"], &row["by"]), (&json!("bob@home.example"), &json!("alice@home.example")));
        assert_eq!(row["when"], "2023-11-14 22:13 UTC");
    }
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a person is told of their own wishes: that they cannot be carried out, at most once a day, in their own language.

use std::time::Duration;

use hearth_mailstore::{Content, Delivery, Durability, FlagSet, Recipient, Role, Target, memory};
use hearth_types::id::Id;
use hearth_types::{AccountId, Address, Timestamp};
use hearth_wire::message::encode_words;

use crate::ctx::Server;
use crate::trace::date;

/// RFC 5228 §2.10.6 wants the owner told; once a day is enough.
const TOLD_EVERY: Duration = Duration::from_secs(24 * 3600);

/// What somebody may be told, in English; [`FRENCH`] has the same in French.
pub(super) struct Notice {
    /// What is remembered when it was told.
    told: &'static str,
    subject: &'static str,
    /// Before the error, and behind it.
    says: [&'static str; 2],
}

pub(super) const RULES_FAIL: Notice = Notice {
    told: "sieve-error-told",
    subject: "Your mail rules have an error",
    says: [
        "The rules (the Sieve script) that sort your mail have an error:",
        "No mail is lost: until it is put right, what the rules cannot sort stays in your inbox.",
    ],
};

pub(super) const NOT_SEALED: Notice = Notice {
    told: "not-sealed-told",
    subject: "Your mail is not encrypted on the disk",
    says: [
        "Your new mail should be encrypted to your own key before it is stored, and that failed:",
        "No mail is lost: until it is put right (hearth key seal), new mail is stored as it comes.",
    ],
};

/// What the owner of a script hears that would change more of a large mail than its header.
pub(super) const PARTS_STAY: &str = "A mail is too large for its parts to be changed by a script; it was kept as it came.";
/// Why a mail was not sealed.
pub(super) const CERTIFICATE_GONE: &str = "the certificate is gone";

const YOURS: &str = "Your mail server";
const ONCE_A_DAY: &str = "You are told of this at most once a day.";

/// What a script's interpreter says of a line stays as it is: it names what stands there.
const FRENCH: [(&str, &str); 11] = [
    (YOURS, "Votre serveur de courrier"),
    (ONCE_A_DAY, "Vous en êtes averti au plus une fois par jour."),
    (RULES_FAIL.subject, "Vos règles de courrier ont une erreur"),
    (RULES_FAIL.says[0], "Les règles (le script Sieve) qui trient votre courrier ont une erreur :"),
    (
        RULES_FAIL.says[1],
        "Aucun message n'est perdu : tant qu'elle n'est pas corrigée, ce que les règles ne savent pas trier reste dans votre boîte \
         de réception.",
    ),
    (NOT_SEALED.subject, "Votre courrier n'est pas chiffré sur le disque"),
    (
        NOT_SEALED.says[0],
        "Vos nouveaux messages devraient être chiffrés avec votre clé avant d'être enregistrés, et cela a échoué :",
    ),
    (
        NOT_SEALED.says[1],
        "Aucun message n'est perdu : tant que ce n'est pas corrigé (hearth key seal), ils sont enregistrés tels qu'ils arrivent.",
    ),
    (PARTS_STAY, "Un message est trop grand pour qu'un script en change les parties ; il a été gardé tel quel."),
    (CERTIFICATE_GONE, "le certificat n'existe plus"),
    (
        "the certificate has no key for encryption that is good now",
        "le certificat n'a pas de clé de chiffrement valable en ce moment",
    ),
];

/// A language of ours by its tag (RFC 5646); English, when the person chose none.
fn in_language<'a>(tag: Option<&str>, english: &'a str) -> &'a str {
    let primary = tag.and_then(|tag| tag.split(['-', '_']).next()).unwrap_or_default();
    match primary.eq_ignore_ascii_case("fr") {
        true => FRENCH.iter().find(|(known, _)| *known == english).map_or(english, |(_, french)| french),
        false => english,
    }
}

/// Puts a mail into the person's INBOX, unless one was put there today.
pub(super) async fn tell_owner(server: &Server, account: AccountId, address: &Address, notice: &Notice, error: &str) {
    let told = notice.told;
    let now = server.clock.now();
    let first = server.store.write(account, Durability::Committed, move |tx| {
        let known = memory::is_remembered(tx, told)?;
        if !known {
            memory::remember(tx, told, now.after(TOLD_EVERY))?;
        }
        Ok::<_, hearth_mailstore::Error>(!known)
    });
    match first.await {
        Ok(true) => {}
        Ok(false) => return,
        Err(error) => {
            tracing::warn!(%account, %error, "a person could not be told of a failure");
            return;
        }
    }
    let language = match server.directory.find_account(account).await {
        Ok(owner) => owner.and_then(|owner| owner.language),
        Err(error) => {
            tracing::warn!(%account, %error, "the language of a person is not known");
            None
        }
    };
    let id = Id::new(now).to_string();
    let letter = Letter { language: language.as_deref(), notice, error, address, host: &server.hostname, id: &id };
    let recipient = Recipient { account, prefix: Vec::new(), targets: vec![Target::Role(Role::Inbox)], flags: FlagSet::EMPTY };
    let content = Content::Bytes(letter.write(now).into_bytes());
    let delivery = Delivery { id, content, received_at: now, recipients: vec![recipient] };
    if let Err(error) = server.store.deliver(delivery).await {
        tracing::warn!(%account, %error, "a person could not be told of a failure");
    }
}

/// Facts in, a message out.
struct Letter<'a> {
    language: Option<&'a str>,
    notice: &'a Notice,
    error: &'a str,
    address: &'a Address,
    host: &'a str,
    id: &'a str,
}

impl Letter<'_> {
    fn write(&self, now: Timestamp) -> String {
        let t = |english| in_language(self.language, english);
        let Notice { subject, says: [before, behind], .. } = self.notice;
        let is_french = t(ONCE_A_DAY) != ONCE_A_DAY;
        format!(
            "From: {yours} <postmaster@{domain}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nDate: {date}\r\n\
             Message-ID: <{id}@{host}>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nContent-Language: {language}\r\n\r\n\
             {before}\r\n\r\n    {error}\r\n\r\n{behind}\r\n{once}\r\n",
            yours = t(YOURS),
            domain = self.address.domain(),
            to = self.address,
            subject = encode_words(t(subject)).replace("?= =?", "?=\r\n =?"),
            date = date(now),
            id = self.id,
            host = self.host,
            language = if is_french { "fr" } else { "en" },
            before = t(before),
            error = t(self.error),
            behind = t(behind),
            once = t(ONCE_A_DAY),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(language: Option<&str>, notice: &Notice, error: &str) -> String {
        let address = "anna@home.example".parse().expect("an address");
        Letter { language, notice, error, address: &address, host: "mail.home.example", id: "1" }
            .write(Timestamp::from_secs(1_795_366_800))
    }

    #[test]
    fn everybody_is_told_in_their_own_language() {
        let english = letter(None, &RULES_FAIL, "line 3: not a command");
        assert_eq!(letter(Some("de"), &RULES_FAIL, "line 3: not a command"), english);
        assert!(english.contains("\r\nSubject: Your mail rules have an error\r\n") && english.contains("Language: en\r\n"));
        for tag in ["fr", "fr-CA", "FR"] {
            let french = letter(Some(tag), &NOT_SEALED, CERTIFICATE_GONE);
            assert!(french.contains("\r\nSubject: =?utf-8?B?") && french.contains("Content-Language: fr\r\n"));
            assert!(french.contains("    le certificat n'existe plus\r\n") && french.contains("au plus une fois par jour"));
            assert!(!french.contains(NOT_SEALED.says[0]) && !french.contains(NOT_SEALED.says[1]), "{french}");
        }
        let french = letter(Some("fr"), &RULES_FAIL, "line 3: not a command");
        assert!(french.contains("Subject: =?utf-8?B?") && french.contains("    line 3: not a command\r\n"), "{french}");
        for line in letter(Some("fr"), &RULES_FAIL, PARTS_STAY).split("\r\n") {
            assert!(line.len() <= 998 && !line.contains("mail is"), "{line}");
        }
    }

    /// Each sentence of the other files stands in the table by what it says there.
    #[test]
    fn reasons_of_elsewhere_are_in_the_table() {
        let reason = hearth_filter::at_rest::NotSealed::NoKey.to_string();
        assert_ne!(in_language(Some("fr"), &reason), reason);
    }
}

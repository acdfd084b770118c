// SPDX-License-Identifier: AGPL-3.0-or-later
//! Letters to a person about the safety of their account: something was added, taken away or used.
//!
//! They lie down in the directory like every letter of the house, and the mail server takes them from there. A letter
//! that cannot be written holds up nothing: what it tells of stands in the audit log too.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hearth_identity::directory::Account;
use hearth_identity::grants::new_token;
use hearth_types::{Timestamp, Trouble};
use hearth_web::{Lang, lang};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::ctx::Ctx;
use crate::visit::Visit;
use crate::when;
use crate::words::in_language;

/// What somebody is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A passkey was added.
    PasskeyAdded,
    /// A passkey was removed.
    PasskeyRemoved,
    /// A device signed in with a passkey whose counter went back.
    PasskeyCopied,
    /// An authenticator app was added.
    AuthenticatorAdded,
    /// An authenticator app was removed.
    AuthenticatorRemoved,
    /// The password is another.
    PasswordChanged,
    /// A recovery code was used.
    RecoveryUsed,
    /// There is a new sheet of recovery codes.
    RecoveryMade,
    /// A one-time link was used.
    LinkUsed,
    /// An app password was made.
    AppPasswordAdded,
    /// Somebody signed in on a browser that was never seen before.
    NewDevice,
    /// Mail is sent on to another address.
    Forwarded,
    /// An OpenPGP key was made or brought, and is shown.
    KeyAdded,
    /// The secret half of an OpenPGP key was taken out.
    KeyTaken,
    /// An OpenPGP key was ended or removed.
    KeyEnded,
}

impl Notice {
    /// Each of them.
    pub const ALL: [Self; 15] = [
        Self::PasskeyAdded,
        Self::PasskeyRemoved,
        Self::PasskeyCopied,
        Self::AuthenticatorAdded,
        Self::AuthenticatorRemoved,
        Self::PasswordChanged,
        Self::RecoveryUsed,
        Self::RecoveryMade,
        Self::LinkUsed,
        Self::AppPasswordAdded,
        Self::NewDevice,
        Self::Forwarded,
        Self::KeyAdded,
        Self::KeyTaken,
        Self::KeyEnded,
    ];

    /// Its sentence.
    pub const fn says(self) -> &'static str {
        match self {
            Self::PasskeyAdded => "A passkey was added to your account",
            Self::PasskeyRemoved => "A passkey was removed from your account",
            Self::PasskeyCopied => "A passkey of yours may have been copied",
            Self::AuthenticatorAdded => "An authenticator app was added to your account",
            Self::AuthenticatorRemoved => "An authenticator app was removed from your account",
            Self::PasswordChanged => "Your password was changed",
            Self::RecoveryUsed => "A recovery code of yours was used",
            Self::RecoveryMade => "New recovery codes were made for your account",
            Self::LinkUsed => "A one-time link chose a new password for you",
            Self::AppPasswordAdded => "An app password was made for your account",
            Self::NewDevice => "Your account was signed in on a new device",
            Self::Forwarded => "Your mail is sent on to another address",
            Self::KeyAdded => "An OpenPGP key is shown for your address",
            Self::KeyTaken => "The secret half of your OpenPGP key was taken out",
            Self::KeyEnded => "An OpenPGP key of yours was ended",
        }
    }
}

/// Writes to somebody. `what`: its name, such as the label of a passkey; no secret.
pub async fn tell(ctx: &Ctx, visit: &Visit, account: &Account, notice: Notice, what: &str) {
    let lang = account.language.as_deref().and_then(|tag| Lang::find([tag])).unwrap_or_else(lang);
    let id = new_token();
    let letter = Letter {
        lang,
        notice,
        what,
        to: &account.primary.to_string(),
        from: &visit.peer.ip.to_string(),
        device: &visit.device(),
        domain: &ctx.domain,
        issuer: &ctx.issuer,
        id: id.expose(),
    };
    if let Err(error) = ctx.directory.add_letter(&account.primary, letter.write(ctx.now())).await {
        let trouble = Trouble::from(error);
        tracing::warn!(id = trouble.id(), %trouble, "somebody could not be told of a change to their account");
    }
}

/// A letter: facts in, a message out.
struct Letter<'a> {
    lang: Lang,
    notice: Notice,
    what: &'a str,
    to: &'a str,
    from: &'a str,
    device: &'a str,
    domain: &'a str,
    issuer: &'a str,
    id: &'a str,
}

impl Letter<'_> {
    fn write(&self, now: Timestamp) -> Vec<u8> {
        let t = |english| in_language(self.lang, english);
        let date = OffsetDateTime::from_unix_timestamp(now.secs()).ok().and_then(|date| date.format(&Rfc2822).ok());
        let mut lines = vec![format!("{}.", t(self.notice.says())), String::new()];
        let what: String = self.what.chars().filter(|c| !c.is_control()).take(200).collect();
        if !what.is_empty() {
            lines.push(format!("{} {what}", t("What:")));
        }
        lines.push(format!("{} {}", t("When:"), when::exactly(now)));
        lines.push(format!("{} {}, {}", t("From:"), self.device, self.from));
        lines.push(String::new());
        lines.push(t("If that was you, there is nothing to do.").to_string());
        lines.push(
            t("If it was not: change your password, sign out everywhere, and tell whoever looks after the home.").to_string(),
        );
        lines.push(format!("{}/account", self.issuer));
        format!(
            "From: <postmaster@{domain}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nDate: {date}\r\nMessage-ID: <{id}@{domain}>\r\n\
             Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: base64\r\nContent-Language: {lang}\r\n\r\n{body}",
            domain = self.domain,
            to = self.to,
            subject = encoded(t(self.notice.says())),
            date = date.unwrap_or_default(),
            id = self.id,
            lang = self.lang.tag(),
            body = wrapped(&STANDARD.encode(lines.join("\r\n") + "\r\n")),
        )
        .into_bytes()
    }
}

/// RFC 2045 §6.8: lines of 76 letters.
fn wrapped(letters: &str) -> String {
    letters.as_bytes().chunks(76).map(|line| format!("{}\r\n", String::from_utf8_lossy(line))).collect()
}

/// RFC 2047 §2: words of at most 75 letters, cut between characters.
fn encoded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_string();
    }
    let mut words = vec![String::new()];
    for c in text.chars() {
        if words.last().is_some_and(|word| word.len() + c.len_utf8() > 42) {
            words.push(String::new());
        }
        words.last_mut().expect("there is one").push(c);
    }
    words.iter().map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word))).collect::<Vec<_>>().join("\r\n ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(lang: Lang, what: &str) -> String {
        let letter = Letter {
            lang,
            notice: Notice::NewDevice,
            what,
            to: "alice@home.example",
            from: "192.0.2.7",
            device: "Firefox",
            domain: "home.example",
            issuer: "https://id.home.example",
            id: "x",
        };
        String::from_utf8(letter.write(Timestamp::from_secs(1_800_000_000))).unwrap()
    }

    fn body(letter: &str) -> String {
        let letters: String = letter.split("\r\n\r\n").nth(1).unwrap().split_whitespace().collect();
        String::from_utf8(STANDARD.decode(letters).unwrap()).unwrap()
    }

    #[test]
    fn a_letter_says_what_when_and_from_where() {
        let sent = letter(Lang::En, "a\r\nBcc: <evil@example.com>");
        assert!(
            sent.contains("\r\nSubject: Your account was signed in on a new device\r\n")
                && sent.contains("\r\nAuto-Submitted: auto-generated\r\n")
        );
        assert!(sent.is_ascii() && sent.lines().all(|line| line.len() <= 78) && !sent.contains("Bcc"), "{sent}");
        let body = body(&sent);
        assert!(
            body.contains("2027-01-15 08:00 UTC")
                && body.contains("Firefox, 192.0.2.7")
                && body.contains("https://id.home.example/account"),
            "{body}"
        );
        assert!(!body.contains("\r\nBcc"), "{body}");
    }

    #[test]
    fn in_french_with_its_letters() {
        let sent = letter(Lang::Fr, "Clé");
        assert!(sent.is_ascii() && sent.contains("Content-Language: fr\r\n"), "{sent}");
        assert!(body(&sent).contains("appareil") && body(&sent).contains("Clé"), "{}", body(&sent));
        let subject = encoded("é".repeat(100).as_str());
        assert!(subject.split("\r\n ").all(|word| word.len() <= 75 && word.starts_with("=?utf-8?B?") && word.ends_with("?=")));
        let decoded: String = subject
            .split("\r\n ")
            .map(|word| word.trim_start_matches("=?utf-8?B?").trim_end_matches("?="))
            .map(|word| String::from_utf8(STANDARD.decode(word).unwrap()).unwrap())
            .collect();
        assert_eq!(decoded, "é".repeat(100));
    }
}

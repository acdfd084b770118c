// SPDX-License-Identifier: AGPL-3.0-or-later
//! Letters to a person about the safety of their account: something was added, taken away or used.
//!
//! They lie down in the directory like every letter of the house, and the mail server takes them from there. A letter
//! that cannot be written holds up nothing: what it tells of stands in the audit log too.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hearth_identity::directory::Account;
use hearth_identity::grants::new_token;
use hearth_identity::{Directory, Error};
use hearth_types::{Address, Timestamp, Trouble};
use hearth_web::{Lang, lang};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::ctx::Ctx;
use crate::page::visit::Visit;
use crate::page::words::{in_language, n};
use crate::page::{user_agent, when};

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
    /// An app password was ended.
    AppPasswordRemoved,
    /// Somebody who looks after the home made a one-time link.
    LinkMade,
    /// A device without a keyboard was let in.
    DeviceAdmitted,
    /// They may look after the home.
    AdminGained,
    /// What concerns their safety is told at an address elsewhere.
    ContactChanged,
    /// And no longer.
    ContactRemoved,
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
    /// Two used the same token of an app: it was signed out.
    TokenStolen,
    /// They allowed an app for the first time.
    AppConnected,
    /// Every app password was ended.
    AppPasswordsEnded,
    /// They may not sign in any more.
    AccountDisabled,
    /// They may sign in again.
    AccountEnabled,
    /// Somebody who looks after the home signed all of their devices out.
    SignedOut,
    /// One more address leads to them.
    AddressAdded,
    /// One leads to them no longer.
    AddressRemoved,
}

impl Notice {
    /// Each of them.
    pub const ALL: [Self; 29] = [
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
        Self::AppPasswordRemoved,
        Self::LinkMade,
        Self::DeviceAdmitted,
        Self::AdminGained,
        Self::ContactChanged,
        Self::ContactRemoved,
        Self::NewDevice,
        Self::Forwarded,
        Self::KeyAdded,
        Self::KeyTaken,
        Self::KeyEnded,
        Self::TokenStolen,
        Self::AppConnected,
        Self::AppPasswordsEnded,
        Self::AccountDisabled,
        Self::AccountEnabled,
        Self::SignedOut,
        Self::AddressAdded,
        Self::AddressRemoved,
    ];

    /// The one that tells of what somebody else changed of an account, by the event of the audit log.
    pub fn of_event(event: &str) -> Option<Self> {
        Some(match event {
            "account.disabled" => Self::AccountDisabled,
            "account.enabled" => Self::AccountEnabled,
            "address.added" => Self::AddressAdded,
            "address.removed" => Self::AddressRemoved,
            _ => return None,
        })
    }

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
            Self::AppPasswordRemoved => "An app password of yours was ended",
            Self::LinkMade => "A link to choose a new password for your account was made",
            Self::DeviceAdmitted => "You let a device in",
            Self::AdminGained => "You may look after the home now",
            Self::ContactChanged => "You are told of such things at another address too",
            Self::ContactRemoved => "You are told of such things at no other address any more",
            Self::NewDevice => "Your account was signed in on a new device",
            Self::Forwarded => "Your mail is sent on to another address",
            Self::KeyAdded => "An OpenPGP key is shown for your address",
            Self::KeyTaken => "The secret half of your OpenPGP key was taken out",
            Self::KeyEnded => "An OpenPGP key of yours was ended",
            Self::TokenStolen => "An app of yours was signed out: somebody else may have had its key",
            Self::AppConnected => "You let a new app in",
            Self::AppPasswordsEnded => "All your app passwords were ended",
            Self::AccountDisabled => "Your account was disabled",
            Self::AccountEnabled => "Your account may be used again",
            Self::SignedOut => "All your devices were signed out by whoever looks after the home",
            Self::AddressAdded => "An address was added to your account",
            Self::AddressRemoved => "An address was removed from your account",
        }
    }
}

/// Writes to somebody. `what`: its name, such as the label of a passkey; no secret.
pub async fn tell(ctx: &Ctx, visit: &Visit, account: &Account, notice: Notice, what: &str) {
    put(&ctx.directory, &ctx.issuer, ctx.now(), account, notice, what, By::Themselves(visit.user_agent(), visit.peer.ip)).await;
}

/// The same of what somebody who looks after the home did to their account.
pub async fn tell_of_admin(ctx: &Ctx, account: &Account, notice: Notice, what: &str, admin: &Account) {
    let name = if admin.name.is_empty() { admin.primary.to_string() } else { format!("{}, {}", admin.name, admin.primary) };
    put(&ctx.directory, &ctx.issuer, ctx.now(), account, notice, what, By::Admin(&name)).await;
}

/// The same of what a program did that came without a browser.
pub async fn tell_of_program(ctx: &Ctx, peer: &IpAddr, account: &Account, notice: Notice, what: &str) {
    put(&ctx.directory, &ctx.issuer, ctx.now(), account, notice, what, By::Program(*peer)).await;
}

/// The same of what was done by a command on the machine itself.
pub async fn tell_of_command(directory: &Directory, issuer: &str, now: Timestamp, account: &Account, notice: Notice, what: &str) {
    put(directory, issuer, now, account, notice, what, By::Command).await;
}

async fn put(directory: &Directory, issuer: &str, now: Timestamp, account: &Account, notice: Notice, what: &str, by: By<'_>) {
    let lang = account.language.as_deref().and_then(|tag| Lang::find([tag])).unwrap_or_else(lang);
    // To the mailbox, and to where they read when that is not theirs any more.
    let outside = match directory.find_contact(account.id).await {
        Ok(contact) => contact,
        Err(error) => return not_told(error),
    };
    // Who is disabled receives no mail here.
    let is_out = notice == Notice::AccountDisabled || account.disabled && notice != Notice::AccountEnabled;
    let inside = Some(account.primary.clone()).filter(|_| !is_out);
    for to in inside.into_iter().chain(outside) {
        let id = new_token();
        let letter = Letter {
            lang,
            notice,
            what,
            to: &to.to_string(),
            by,
            domain: &account.primary.domain().to_string(),
            issuer,
            id: id.expose(),
        };
        if let Err(error) = directory.add_letter(&to, letter.write(now)).await {
            not_told(error);
        }
    }
}

fn not_told(error: Error) {
    let trouble = Trouble::from(error);
    tracing::warn!(id = trouble.id(), %trouble, "somebody could not be told of a change to their account");
}

/// Who did it: they are told where it came from, and what to do when that is wrong.
#[derive(Clone, Copy)]
enum By<'a> {
    /// Whoever is signed in as them, with this browser from this address.
    Themselves(&'a str, IpAddr),
    /// A program of theirs, from this address.
    Program(IpAddr),
    /// Somebody who looks after the home.
    Admin(&'a str),
    /// A command on the machine itself.
    Command,
}

/// A letter: facts in, a message out.
struct Letter<'a> {
    lang: Lang,
    notice: Notice,
    what: &'a str,
    to: &'a str,
    by: By<'a>,
    domain: &'a str,
    issuer: &'a str,
    id: &'a str,
}

/// A new password helps nobody against who looks after the home.
const ASK_THEM: &str = n("Whoever looks after the home did this. If you do not know why, ask them.");

/// What helps against somebody who has what is theirs.
const IF_NOT: &str = n("If it was not: change your password, sign out everywhere, and tell whoever looks after the home.");

impl Letter<'_> {
    fn write(&self, now: Timestamp) -> Vec<u8> {
        let t = |english| in_language(self.lang, english);
        let mut lines = vec![format!("{}.", t(self.notice.says())), String::new()];
        let what: String = self.what.chars().filter(|c| !c.is_control()).take(200).collect();
        if !what.is_empty() {
            lines.push(format!("{} {what}", t("What:")));
        }
        lines.push(format!("{} {}", t("When:"), when::exactly(now)));
        let (from, advice) = match self.by {
            By::Themselves(browser, ip) => (format!("{} {}, {ip}", t("From:"), user_agent::name_in(self.lang, browser)), IF_NOT),
            By::Program(ip) => (format!("{} {ip}", t("From:")), IF_NOT),
            By::Admin(name) => (format!("{} {name}", t("By:")), ASK_THEM),
            By::Command => (format!("{} {}", t("By:"), t("the hearth command")), ASK_THEM),
        };
        lines.push(from);
        lines.push(String::new());
        if matches!(self.by, By::Themselves(..) | By::Program(_)) {
            lines.push(t("If that was you, there is nothing to do.").to_string());
        }
        lines.push(t(advice).to_string());
        lines.push(format!("{}/account", self.issuer));
        let subject = t(self.notice.says());
        message(self.lang, self.domain, self.to, subject, self.id, now, &lines)
    }
}

/// Asks whoever reads at an address to open a link; `why` is a text of the table, in English.
pub async fn ask_for_proof(ctx: &Ctx, account: &Account, to: &Address, why: &'static str, link: &str) -> Result<(), Trouble> {
    let lang = account.language.as_deref().and_then(|tag| Lang::find([tag])).unwrap_or_else(lang);
    let t = |english| in_language(lang, english);
    let lines = [
        t(why).to_string(),
        account.primary.to_string(),
        String::new(),
        t("If that is you, open this link in the browser that you are signed in with:").to_string(),
        link.to_string(),
        String::new(),
        t("If it is not, there is nothing to do.").to_string(),
    ];
    let domain = account.primary.domain().to_string();
    let id = new_token();
    let letter = message(lang, &domain, &to.to_string(), t("Is this your address?"), id.expose(), ctx.now(), &lines);
    Ok(ctx.directory.add_letter(to, letter).await?)
}

/// A whole message (RFC 5322), of lines.
fn message(lang: Lang, domain: &str, to: &str, subject: &str, id: &str, now: Timestamp, lines: &[String]) -> Vec<u8> {
    let date = OffsetDateTime::from_unix_timestamp(now.secs()).ok().and_then(|date| date.format(&Rfc2822).ok());
    format!(
        "From: <postmaster@{domain}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nDate: {date}\r\nMessage-ID: <{id}@{domain}>\r\n\
         Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: base64\r\nContent-Language: {lang}\r\n\r\n{body}",
        subject = encoded(subject),
        date = date.unwrap_or_default(),
        lang = lang.tag(),
        body = wrapped(&STANDARD.encode(lines.join("\r\n") + "\r\n")),
    )
    .into_bytes()
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

    fn letter_of(lang: Lang, what: &str) -> Letter<'_> {
        Letter {
            lang,
            notice: Notice::NewDevice,
            what,
            to: "alice@home.example",
            by: By::Themselves("Firefox/128.0", IpAddr::from([192, 0, 2, 7])),
            domain: "home.example",
            issuer: "https://id.home.example",
            id: "x",
        }
    }

    fn letter(lang: Lang, what: &str) -> String {
        String::from_utf8(letter_of(lang, what).write(Timestamp::from_secs(1_800_000_000))).unwrap()
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
    fn what_an_admin_did_is_said_to_be_theirs() {
        for (by, says) in
            [(By::Admin("Carol, carol@home.example"), "By: Carol, carol@home.example"), (By::Command, "By: the hearth command")]
        {
            let letter = Letter { by, ..letter_of(Lang::En, "") };
            let body = body(&String::from_utf8(letter.write(Timestamp::from_secs(1_800_000_000))).unwrap());
            assert!(body.contains(says) && body.contains("ask them") && !body.contains("change your password"), "{body}");
        }
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

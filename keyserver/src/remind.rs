// SPDX-License-Identifier: AGPL-3.0-or-later
//! Letters to people whose certificate ends soon, in both of our languages; and the key of the submission address, which
//! is looked after on the same round.

use std::time::SystemTime;

use hearth_identity::Directory;
use hearth_identity::certs::{Source, Token};
use hearth_types::{Address, Domain, Timestamp};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::cert::{self, Clean, Profile};
use crate::wks::{LOCAL_PART, ROLE};

/// So many days before the end.
pub const DAYS_BEFORE: [u32; 3] = [60, 30, 7];

/// What a letter is about.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The home's domain.
    pub domain: &'a Domain,
    /// Whose certificate it is.
    pub to: &'a Address,
    /// Of the certificate.
    pub fingerprint: &'a str,
    /// When it ends.
    pub ends: Timestamp,
    /// Is its secret key here, so that one step is enough?
    pub here: bool,
    /// Where that is done.
    pub page: &'a str,
}

/// The whole letter (RFC 5322).
pub fn letter(facts: &Facts<'_>, now: Timestamp) -> Vec<u8> {
    let Facts { domain, to, fingerprint, ends, here, page } = facts;
    let date = |at: Timestamp| OffsetDateTime::from_unix_timestamp(at.secs()).ok();
    let day = date(*ends).map(|end| end.date().to_string()).unwrap_or_default();
    let (en, fr) = if *here {
        (
            "One step is enough, \"Three more years\" on your account page:",
            "Un seul geste suffit, « Trois ans de plus » sur la page de votre compte :",
        )
    } else {
        (
            "Its secret key is in your mail program: set a later end there, export the public key, and bring it on your account page:",
            "Sa clé secrète est dans votre logiciel de courrier : fixez-y une fin plus lointaine, exportez la clé publique et \
             apportez-la sur la page de votre compte :",
        )
    };
    let (en, fr) = (format!("{en}\n\n    {page}\n"), format!("{fr}\n\n    {page}\n"));
    let text = format!(
        "Your OpenPGP key {fingerprint} ends on {day}. After that nobody can encrypt mail to you with it.\n{en}\n\
         Votre clé OpenPGP {fingerprint} prend fin le {day}. Après, personne ne pourra plus chiffrer de courrier pour vous avec elle.\n{fr}"
    );
    let head = format!(
        "From: <postmaster@{domain}>\nTo: <{to}>\nSubject: =?utf-8?Q?Your_key_ends_on_{day}_/_Votre_cl=C3=A9_prend_fin?=\nDate: {}\n\
         Message-ID: <{}@{domain}>\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\nContent-Language: en, fr\n\n",
        date(now).and_then(|date| date.format(&Rfc2822).ok()).unwrap_or_default(),
        Token::fresh().as_str(),
    );
    (head + &text).replace('\n', "\r\n").into_bytes()
}

/// Makes the key of the submission address, which opens the mails of the Web Key Service and nothing else, and shows its
/// public half in every domain of the house.
pub async fn ensure_submission(directory: &Directory, now: SystemTime) -> anyhow::Result<()> {
    let domains: Vec<Domain> = directory.list_domains().await?.into_iter().map(|entry| entry.name).collect();
    let addresses: Result<Vec<Address>, _> = domains.iter().map(|domain| Address::new(LOCAL_PART, domain.clone())).collect();
    let addresses = addresses?;
    let mut shown = 0;
    for address in &addresses {
        shown += usize::from(!directory.find_shown_certs_by_address(address).await?.is_empty());
    }
    if shown == addresses.len() {
        return Ok(());
    }
    // A new domain gets a new key for all of them: nothing lasting hangs on it.
    let made = cert::generate("", &addresses, Profile::Compatible, now)?;
    directory.replace_service_cert(ROLE, made.clean.fingerprint(), made.secret.expose().clone()).await?;
    let clean: &Clean = &made.clean;
    directory.store_cert(clean.to_certificate(None, Source::House, false, |_| true)).await?;
    directory.publish_cert(clean.fingerprint(), addresses).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_says_which_when_and_what_to_do() {
        let (domain, to) = (Domain::parse("home.example").unwrap(), Address::parse("alice@home.example").unwrap());
        let fingerprint = "AB".repeat(20);
        let ends = Timestamp::from_secs(1_798_000_000);
        let facts = Facts {
            domain: &domain,
            to: &to,
            fingerprint: &fingerprint,
            ends,
            here: true,
            page: "https://id.home.example/account/key",
        };
        let write = |facts: &Facts<'_>| String::from_utf8(letter(facts, Timestamp::from_secs(1_795_305_600))).unwrap();
        let text = write(&facts);
        assert!(text.contains("ends on 2026-12-23") && text.contains("prend fin le 2026-12-23"), "{text}");
        assert!(
            text.contains("Three more years")
                && text.contains("https://id.home.example/account/key")
                && text.contains(&fingerprint)
        );
        assert!(!text.replace("\r\n", "").contains('\n'));
        assert!(write(&Facts { here: false, ..facts }).contains("bring it on your account page"));
    }
}

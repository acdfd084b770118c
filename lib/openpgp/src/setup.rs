// SPDX-License-Identifier: AGPL-3.0-or-later
//! The Autocrypt Setup Message (Autocrypt Level 1 §4.4): a mail to oneself with the secret key under a code of 36 digits,
//! which another mail program of the same person opens.

use std::io::Write as _;

use hearth_types::{Address, Secret, Timestamp};
use sequoia_openpgp::armor::Kind;
use sequoia_openpgp::serialize::stream::{Armorer, Encryptor, LiteralWriter, Message};
use sequoia_openpgp::types::SymmetricAlgorithm;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::Refusal;
use crate::clean::armor_with;

/// Groups of four digits in a code, with dashes between them.
pub const CODE_GROUPS: usize = 9;
const EDGE: &str = "=_autocrypt-setup";

/// A fresh code (Level 1 §4.4.1), out of octets of chance.
pub fn code<E>(mut chance: impl FnMut() -> Result<[u8; 2], E>) -> Result<Secret<String>, E> {
    let mut groups = Vec::new();
    while groups.len() < CODE_GROUPS {
        // 60,000 is the last multiple of 10,000 below 65,536: no group is likelier than another.
        let number = u16::from_be_bytes(chance()?);
        if number < 60_000 {
            groups.push(format!("{:04}", number % 10_000));
        }
    }
    Ok(Secret::new(groups.join("-")))
}

/// The whole mail, for the person who has the code.
pub fn message(
    secret: &Secret<Vec<u8>>,
    code: &Secret<String>,
    person: &Address,
    now: Timestamp,
) -> Result<Secret<Vec<u8>>, Refusal> {
    // Level 1 §4.4.1: the payload is the key in armour, whose header says what the person prefers.
    let key = armor_with(secret.expose(), Kind::SecretKey, &[("Autocrypt-Prefer-Encrypt", "mutual")])?;
    let begin: String = code.expose().chars().take(2).collect();
    let mut sealed = Vec::new();
    let writer = Armorer::new(Message::new(&mut sealed))
        .kind(Kind::Message)
        .add_header("Passphrase-Format", "numeric9x4")
        .add_header("Passphrase-Begin", &begin)
        .build()
        .map_err(Refusal::library)?;
    let writer = Encryptor::with_passwords(writer, Some(code.expose().as_str()))
        .symmetric_algo(SymmetricAlgorithm::AES128)
        .build()
        .map_err(Refusal::library)?;
    let mut writer = LiteralWriter::new(writer).build().map_err(Refusal::library)?;
    writer.write_all(&key).map_err(Refusal::library)?;
    writer.finalize().map_err(Refusal::library)?;
    let sealed = String::from_utf8(sealed).map_err(Refusal::library)?;
    let date = OffsetDateTime::from_unix_timestamp(now.secs()).ok().and_then(|date| date.format(&Rfc2822).ok());
    let mail = format!(
        "From: <{person}>\nTo: <{person}>\nSubject: Autocrypt Setup Message\nDate: {date}\nAutocrypt-Setup-Message: v1\n\
         MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"{EDGE}\"\n\n\
         --{EDGE}\nContent-Type: text/plain; charset=utf-8\n\n\
         This mail takes your OpenPGP key to another mail program of yours. Open it there and type the code that was shown\n\
         when it was made. Then delete it.\n\n\
         --{EDGE}\nContent-Type: application/autocrypt-setup\n\
         Content-Disposition: attachment; filename=\"autocrypt-setup-message.html\"\n\n\
         <html><body>\n<p>This is the Autocrypt setup file used to transfer keys between clients.</p>\n<pre>\n{sealed}</pre></body></html>\n\
         --{EDGE}--\n",
        date = date.unwrap_or_default(),
    );
    Ok(Secret::new(mail.replace('\n', "\r\n").into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flood::person;

    #[test]
    fn a_code_is_nine_groups_of_four_and_none_is_likelier() {
        let mut chance = [[0xff, 0xff], [0xea, 0x60], [0, 7]].into_iter().cycle();
        let code = code(|| Ok::<_, ()>(chance.next().unwrap())).unwrap();
        assert_eq!(code.expose(), &["0007"; CODE_GROUPS].join("-"));
    }

    #[test]
    fn the_mail_has_what_others_look_for_and_no_key_in_the_open() {
        let alice = person("Alice", "alice@home.example");
        let code = Secret::new(["1742"; CODE_GROUPS].join("-"));
        let address = Address::parse("alice@home.example").unwrap();
        let mail = message(&alice.secret, &code, &address, Timestamp::from_secs(1_795_305_600)).unwrap();
        let text = std::str::from_utf8(mail.expose()).unwrap();
        for part in [
            "Autocrypt-Setup-Message: v1\r\n",
            "Content-Type: application/autocrypt-setup\r\n",
            "Passphrase-Format: numeric9x4\r\n",
            "Passphrase-Begin: 17\r\n",
            "-----BEGIN PGP MESSAGE-----\r\n",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(!text.contains("PRIVATE KEY") && !text.contains("1742-1742"));
        assert!(!text.replace("\r\n", "").contains('\n'), "lines end in CRLF");
    }
}

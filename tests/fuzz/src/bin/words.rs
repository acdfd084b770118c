// SPDX-License-Identifier: AGPL-3.0-or-later
//! `words DIR`: what the fuzzer begins with. Dictionaries, read from the registries of what we speak, go to `DIR/words`; first
//! inputs to `DIR/seeds`.

// The instrumented rooms call into it.
extern crate libfuzzer_sys as _;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use hearth_fuzz::seeds;
use hearth_spec::Row;

/// Which targets learn which words.
const WORDS: &[(&[&str], &[Row])] = &[
    (&["smtp_command", "smtp_reply", "sasl"], hearth_smtp::registry::ROWS),
    (&["imap_command", "imap_literal", "imap_search", "sasl"], hearth_imap::registry::ROWS),
    (&["pop3"], hearth_imap::pop3::registry::ROWS),
    (&["managesieve"], hearth_imap::managesieve::registry::ROWS),
    (&["oauth_request", "oauth_token", "oauth_redirect"], hearth_oauth::registry::ROWS),
    (&["ldap"], hearth_oauth::ldap::registry::ROWS),
    (&["scim"], hearth_oauth::scim::registry::ROWS),
    (&["key_query"], hearth_keyserver::registry::ROWS),
    (&["jmap_request"], hearth_jmap::registry::ROWS),
];

/// What stands in no registry because no capability line shows it.
const MORE: &[(&str, &[&str])] = &[
    ("smtp_command", &["FROM:<", "TO:<", "BODY=8BITMIME", "RET=HDRS", "ENVID=", "NOTIFY=", "ORCPT=rfc822;", "+40", "LAST"]),
    ("smtp_data", &["\r\n.\r\n", "\r\n..", "\n.\n", "\r.\r", "\r\n.\r", "\n.\r\n"]),
    (
        "imap_search",
        &[
            "ALL",
            "ANSWERED",
            "BCC",
            "BEFORE",
            "BODY",
            "CC",
            "FROM",
            "HEADER",
            "KEYWORD",
            "LARGER",
            "NOT",
            "ON",
            "OR",
            "SEEN",
            "SENTBEFORE",
            "SENTON",
            "SENTSINCE",
            "SINCE",
            "SMALLER",
            "SUBJECT",
            "TEXT",
            "TO",
            "UID",
            "UNKEYWORD",
            "YOUNGER",
            "OLDER",
            "MODSEQ",
            "SAVEDBEFORE",
            "EMAILID",
            "FUZZY",
            "RETURN (",
            "MIN",
            "MAX",
            "COUNT",
            "SAVE",
            "PARTIAL",
            "$",
            "1:*",
            "CHARSET UTF-8",
            "1-Feb-2020",
            "{3+}\r\n",
        ],
    ),
    ("imap_mailbox", &["&-", "&AOk-", "&2D3eAA-", "INBOX", "/", "%", "*"]),
    (
        "mime",
        &[
            "Content-Type: ",
            "multipart/mixed; boundary=",
            "message/rfc822",
            "text/plain; charset=",
            "--x\r\n",
            "--x--",
            "\r\n\r\n",
            "Content-Transfer-Encoding: ",
            "base64",
            "quoted-printable",
            "=?utf-8?Q?",
            "?=",
            "filename*0*=",
            "From: ",
            "Date: ",
            "References: ",
            "List-Unsubscribe: ",
        ],
    ),
    ("wks_mail", &["Content-Type: application/vnd.gnupg.wks", "type: confirmation-response", "nonce: ", "sender: ", "address: "]),
    (
        "oauth_token",
        &["\"jti\":", "\"htm\":", "\"htu\":", "\"iat\":", "\"exp\":", "\"aud\":", "\"iss\":", "\"sub\":", "\"crit\":", "\"jwk\":"],
    ),
    ("scim", &[" eq ", " ne ", " co ", " sw ", " ew ", " gt ", " ge ", " lt ", " le ", " pr", " and ", " or ", "not (", "[", "].", "true", "null", "\\u"]),
    ("ldap", &["\x02\x01\x01", "\x04\x03uid", "1.3.6.1.4.1.1466.20037", "dc=", "\\2c", "ou=people"]),
    ("webauthn", &["authData", "attStmt", "fmt", "none", "\"challenge\":", "\"origin\":"]),
    (
        "jmap_request",
        &["\"using\":", "\"methodCalls\":", "\"createdIds\":", "\"resultOf\":", "\"path\":", "/list/*/id", "~1", "#ids"],
    ),
    ("address", &["\"", "\\", "@", "xn--", "[IPv6:", "[192.0.2.1]"]),
];

fn main() -> io::Result<()> {
    let to = std::env::args().nth(1).ok_or_else(|| io::Error::other("words DIR"))?;
    let to = Path::new(&to);
    fs::create_dir_all(to.join("words"))?;
    for (target, _) in hearth_fuzz::TARGETS {
        fs::write(to.join("words").join(target), dictionary(target))?;
        fs::create_dir_all(to.join("seeds").join(target))?;
    }
    for (target, name, octets) in seeds::all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../transcripts"))? {
        fs::write(to.join("seeds").join(target).join(name), octets)?;
    }
    Ok(())
}

/// In libFuzzer's form: one quoted word a line.
fn dictionary(target: &str) -> String {
    let mut words: BTreeSet<&str> = BTreeSet::new();
    for (_, rows) in WORDS.iter().filter(|(targets, _)| targets.contains(&target)) {
        words.extend(rows.iter().flat_map(|row| row.name.split([' ', '=']).chain([row.name])));
    }
    if ["sieve", "managesieve"].contains(&target) {
        words.extend(hearth_filter::sieve::CAPABILITIES);
    }
    words.extend(MORE.iter().filter(|(of, _)| *of == target).flat_map(|(_, more)| *more));
    let quote = |word: &str| -> String {
        let octets = word.bytes().map(|octet| match octet {
            b'"' | b'\\' => format!("\\{}", char::from(octet)),
            b' '..=b'~' => char::from(octet).to_string(),
            _ => format!("\\x{octet:02X}"),
        });
        format!("\"{}\"\n", octets.collect::<String>())
    };
    words.into_iter().filter(|word| (1..=64).contains(&word.len())).map(quote).collect()
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the targets begin with: what clients say in the transcripts, what our own encoders make, an example of each thing.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use hearth_keyserver::cert::{Profile, armor, generate};
use hearth_types::Address;

/// An input: of which target, by what name, which octets.
pub type Seed = (&'static str, String, Vec<u8>);

/// All of them. `transcripts` is the folder of that name.
pub fn all(transcripts: &Path) -> io::Result<Vec<Seed>> {
    let mut seeds = said(transcripts)?;
    seeds.extend(made()?);
    for (target, examples) in EXAMPLES {
        let named = |(number, text): (usize, &&str)| (*target, format!("example-{number}"), text.as_bytes().to_vec());
        seeds.extend(examples.iter().enumerate().map(named));
    }
    Ok(seeds)
}

/// What clients say: line by line, and as one stream behind a head that cuts it nowhere.
fn said(folder: &Path) -> io::Result<Vec<Seed>> {
    let mut seeds = Vec::new();
    for (protocol, lines, stream) in [
        ("smtp", "smtp_command", "smtp_data"),
        ("imap", "imap_command", "imap_literal"),
        ("pop3", "pop3", "pop3"),
        ("managesieve", "managesieve", "managesieve"),
    ] {
        for entry in fs::read_dir(folder.join(protocol))? {
            let path = entry?.path();
            let (Ok(text), Some(stem)) = (fs::read_to_string(&path), path.file_stem().and_then(|stem| stem.to_str())) else {
                continue;
            };
            let mut whole = vec![0];
            for (number, line) in text.lines().filter_map(|line| line.strip_prefix("C: ")).enumerate() {
                let (name, line) = (format!("{stem}-{number}"), format!("{line}\r\n"));
                whole.extend_from_slice(line.as_bytes());
                if let Some((_, keys)) = line.split_once("SEARCH ") {
                    seeds.push(("imap_search", name.clone(), keys.trim_end().as_bytes().to_vec()));
                }
                seeds.push((lines, name, line.into_bytes()));
            }
            seeds.push(("mime", format!("{protocol}-{stem}"), whole.clone()));
            seeds.push((stream, stem.to_string(), whole));
        }
    }
    Ok(seeds)
}

fn made() -> io::Result<Vec<Seed>> {
    let now = UNIX_EPOCH + Duration::from_secs(1_795_305_600);
    let address = Address::parse("alice@home.example").map_err(io::Error::other)?;
    let mut seeds = Vec::new();
    for (name, profile) in [("v4", Profile::Compatible), ("v6", Profile::Modern)] {
        let made = generate("Alice", std::slice::from_ref(&address), profile, now).map_err(io::Error::other)?;
        let whole = made.clean.whole();
        let armored = armor(&whole, sequoia_openpgp::armor::Kind::PublicKey).map_err(io::Error::other)?;
        seeds.push(("openpgp", format!("{name}-secret"), made.secret.expose().clone()));
        seeds.push(("openpgp", format!("{name}-armored"), armored));
        seeds.push(("openpgp", format!("{name}-revoked"), [whole.clone(), made.revocation.expose().clone()].concat()));
        seeds.push(("openpgp", name.to_string(), whole));
    }
    for (name, octets) in LDAP {
        seeds.push(("ldap", (*name).to_string(), octets.to_vec()));
    }
    Ok(seeds)
}

/// Messages that are no text (RFC 4511 §4): a bind, a search with a filter of each kind and a control, StartTLS.
const LDAP: &[(&str, &[u8])] = &[
    ("bind", b"\x30\x1b\x02\x01\x01\x60\x16\x02\x01\x03\x04\x09uid=a,d=x\x80\x06secret"),
    (
        "search",
        b"\x30\x5d\x02\x01\x02\x63\x44\x04\x04dc=x\x0a\x01\x02\x0a\x01\x00\x02\x01\x0a\x02\x01\x00\x01\x01\x00\
          \xa0\x26\xa3\x08\x04\x03uid\x04\x01a\xa2\x06\x87\x04mail\xa4\x12\x04\x02cn\x30\x0c\x80\x02ab\x81\x02cd\x82\x02ef\
          \x30\x05\x04\x03uid\xa0\x12\x30\x10\x04\x0b1.2.840.113\x01\x01\xff",
    ),
    ("starttls", b"\x30\x1d\x02\x01\x03\x77\x18\x80\x161.3.6.1.4.1.1466.20037"),
];

const EXAMPLES: &[(&str, &[&str])] = &[
    ("address", &["a@b.example", "\"a \\\" b\"@b.example", "é@xn--bcher-kva.example", "a+2Bb"]),
    ("smtp_reply", &["250-mail.example\n250-SIZE 1000\n250 SMTPUTF8", "550 5.1.1 no such user", "421-4.7.0 a\n421 4.7.0 b"]),
    (
        "smtp_report",
        &[
            "Content-Type: multipart/report; report-type=feedback-report; boundary=x\r\n\r\n--x\r\nContent-Type: \
             message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\nUser-Agent: a\r\n\r\n--x--\r\n",
            "Content-Type: application/tlsrpt+json\r\n\r\n{\"organization-name\":\"a\",\"policies\":[]}",
            "Content-Type: application/xml\r\n\r\n<feedback><report_metadata><org_name>a</org_name></report_metadata></feedback>",
        ],
    ),
    (
        "sieve",
        &[
            "require [\"fileinto\", \"variables\", \"regex\"]; if header :regex \"subject\" \"a(.*)b\" { set \"x\" \"${1}\"; fileinto \"${x}\"; }\n",
            "require [\"vacation\", \"envelope\", \"date\", \"relational\"]; if envelope \"from\" \"a@b.c\" { vacation :days 3 \"away\"; }\n%%\nFrom: a\r\n\r\nb",
            "require [\"editheader\", \"mime\", \"foreverypart\", \"extracttext\", \"variables\"]; foreverypart { extracttext \"x\"; } addheader \"X-A\" \"${x}\"; keep;\n",
            "require [\"include\", \"imap4flags\", \"enotify\"]; include \"other\"; addflag \"\\\\Seen\"; notify \"mailto:a@b.c\"; keep;\n",
        ],
    ),
    (
        "mime",
        &[
            "\0Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: =?utf-8?Q?=C3=A9?=\r\n\r\na\r\n--x--\r\n",
            "\0From: a, group: b@c, \"d\" <e@f>;\r\nContent-Disposition: attachment; filename*0*=utf-8''%C3; filename*1=a\r\n\r\n",
        ],
    ),
    ("imap_mailbox", &["&AOk-", "Entw&APw-rfe/2026", "&2D3eAA-\nINBOX"]),
    (
        "sasl",
        &[
            "n,a=x,\u{1}auth=Bearer t\u{1}\u{1}",
            "\0user\0password",
            "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
            "user=a\u{1}auth=Bearer t\u{1}\u{1}",
        ],
    ),
    (
        "oauth_redirect",
        &[
            "https://app.example/cb?a=1\nhttps://app.example/cb?a=1",
            "http://127.0.0.1/cb\nhttp://127.0.0.1:5/cb",
            "com.example.app:/cb",
        ],
    ),
    (
        "oauth_request",
        &["client_id=app&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&response_type=code&scope=openid+email&state=s&nonce=n&\
           code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256&prompt=login&max_age=60&\
           claims=%7B%22id_token%22%3A%7B%22acr%22%3A%7B%22essential%22%3Atrue%7D%7D%7D&resource=https%3A%2F%2Fapi.example"],
    ),
    (
        "oauth_token",
        &[
            "{\"htm\":\"POST\",\"htu\":\"https://id.home.example\",\"iat\":1795305600,\"jti\":\"1\",\"ath\":\"PEaenWxYddN6Q_NT1PiOYfz4EsZu7jRXRlpAsNpBU-A\"}",
            "{\"alg\":\"ES256\"}\n{\"iss\":\"app\",\"sub\":\"app\",\"aud\":\"https://id.home.example\",\"exp\":1795305660,\"jti\":\"1\"}",
            "{\"alg\":\"ES256\",\"typ\":\"oauth-authz-req+jwt\"}\n{\"client_id\":\"app\",\"scope\":\"openid\",\"max_age\":60,\"resource\":[\"https://a.example\"]}",
        ],
    ),
    ("ldap", &["uid=Alice , OU=people,dc=home,dc=example", "CN=James \\\"Jim\\\" Smith\\, III,DC=net", "cn=Lu\\C4\\8Di\\C4\\87"]),
    (
        "scim",
        &[
            "userName eq \"a\" and not (emails[type eq \"work\" or primary eq true].value co \"@\")",
            "urn:ietf:params:scim:schemas:core:2.0:User:name.familyName sw \"\\u00e9\\ud83d\\ude00\" or a gt -1.5e3",
            "members[value eq \"2\"].display",
            "userName, name.formatted,meta.$ref",
        ],
    ),
    ("webauthn", &["{\"type\":\"webauthn.create\",\"challenge\":\"YWJj\",\"origin\":\"https://id.home.example\"}"]),
    (
        "jmap_request",
        &[
            "{\"using\":[\"urn:ietf:params:jmap:core\",\"urn:ietf:params:jmap:mail\"],\"methodCalls\":[[\"Email/query\",{\"ids\":[\"a\"]},\"0\"],\
           [\"Email/get\",{\"#ids\":{\"resultOf\":\"0\",\"name\":\"Email/query\",\"path\":\"/ids/*\"}},\"1\"]],\"createdIds\":{\"a\":\"b\"}}",
        ],
    ),
    (
        "key_query",
        &[
            "0x0123456789ABCDEF0123456789ABCDEF01234567\nkeytext=-----BEGIN+PGP%20",
            "multipart/form-data; boundary=x\n--x\r\nContent-Disposition: form-data; name=\"keytext\"\r\n\r\na\r\n--x--\r\n",
            "Alice <alice@home.example>",
        ],
    ),
    (
        "wks_mail",
        &[
            "From: a@home.example\r\nContent-Type: multipart/encrypted; boundary=x\r\n\r\n--x\r\nContent-Type: application/octet-stream\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nwV4D\r\n-----END PGP MESSAGE-----\r\n--x--\r\n",
            "type: confirmation-response\nsender: a@b.example\naddress: c@b.example\nnonce: 1234567890123456\n",
        ],
    ),
];

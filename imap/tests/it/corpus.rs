// SPDX-License-Identifier: AGPL-3.0-or-later
//! Broken and odd mails, made here or brought from elsewhere (`tests/corpus`), fetched by every item: without an error,
//! and without a lie.
//!
//! What we send is read by imap-codec, a parser that is not ours and has been told to forgive nothing.

use imap_codec::ResponseCodec;
use imap_codec::decode::Decoder;
use imap_codec::imap_types::fetch::MessageDataItem;
use imap_codec::imap_types::response::{Data, Response, Status};

use crate::harness::{Client, Home};

const TAG: &str = "zq9x7";

/// Name and octets.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |name: &str, raw: &[u8]| all.push((name.to_string(), raw.to_vec()));
    add("one octet", b"x");
    add("an empty line", b"\r\n");
    add("a body alone", b"\r\nbody");
    add("a header alone", b"Subject: x");
    add("no colon", b"Subject\r\nTo a@b\r\n\r\nx\r\n");
    add("a continuation first", b" x\r\n\ty\r\nSubject: z\r\n\r\nx\r\n");
    add("LF", b"Subject: x\nTo: a@b\n\nbody\nbody\n");
    add("CR", b"Subject: x\rTo: a@b\r\rbody\r");
    add("NUL", b"Subject: a\0b\r\nX-\0: y\r\n\r\nbo\0dy\r\n");
    add("control characters", b"Subject: \x01\x02\x1b[31m\x7f\r\nFrom: \"\x07\" <a@\x08b>\r\n\r\n\x03\r\n");
    add("raw UTF-8", "Subject: Grüße\r\nFrom: Jürgen <jürgen@bücher.example>\r\n\r\nGrüße\r\n".as_bytes());
    add(
        "neither UTF-8 nor ASCII",
        b"Subject: Gr\xfc\xdfe \xff\xfe\r\nFrom: \xe9 <\xe9@x>\r\nContent-Type: text/\xe9; a=\xe9\r\n\r\n\xfc\r\n",
    );
    add(
        "broken encoded words",
        b"Subject: =?utf-8?Q?=?= =?x?B?!!?= =?utf-8?B?w7=?=\r\nFrom: =?utf-8?q?a=00=0d=0ab?= <a@b>\r\n\r\n",
    );
    add("quotes and backslashes", b"Subject: \"a\\b\"\r\nFrom: \"a\\\"b\\\\\" <\"x y\\\"\"@z>\r\nMessage-ID: <\"\\\"@x>\r\n\r\n");
    add("addresses", b"From: a, , <>, @, <@x>, group: a@b, c@d;, :;, \"x\r\nTo: undisclosed-recipients:;\r\nCc: (c) a@b (d), <@r1,@r2:a@b>\r\nReply-To:\r\n\r\n");
    add("a group without end", b"To: friends: a@b, c\r\nBcc: ;:;:;\r\n\r\n");
    add("dates", b"Date: yesterday\r\nDate: Thu, 99 Foo 0000 99:99:99 +9999\r\n\r\n");
    add(
        "many of one",
        [b"Subject: x\r\nFrom: a@b\r\nContent-Type: text/plain\r\n".repeat(50), b"\r\nx".to_vec()].concat().as_slice(),
    );
    add("types", b"Content-Type: /; =; a; b=; =c; \"d\"=e; f=\"g\r\n\r\nx\r\n");
    add("a type alone", b"Content-Type: text\r\nContent-Transfer-Encoding: ; x\r\nContent-Disposition: ;filename\r\n\r\nx\r\n");
    add("an unknown encoding", b"Content-Type: image/png\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nbegin\r\n");
    add("broken base64", b"Content-Transfer-Encoding: base64\r\n\r\nAAA=AA!!\r\n=\r\n");
    add("broken quoted-printable", b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=\r\n=ZZ =4\r\n=");
    add("RFC 2231", b"Content-Type: text/plain; a*0*=utf-8''%; a*1=b; a*7=c; b*=x'y; c*0=; charset*=''%ff\r\nContent-Disposition: attachment; filename*0*=utf-8''%e2%82; filename*1*=%ac\r\n\r\nx\r\n");
    add("all the fields", b"Content-Type: text/plain\r\nContent-ID: x y <\r\nContent-Description: \"\r\nContent-MD5: \xff\r\nContent-Language: en, , \"x\r\nContent-Location: \r\n\r\nx\r\n");
    add("no boundary", b"Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\na\r\n--x--\r\n");
    add("an empty boundary", b"Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\na\r\n----\r\n");
    add("no part", b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x--\r\n");
    add("no first boundary", b"Content-Type: multipart/mixed; boundary=x\r\n\r\njust text\r\n");
    add(
        "no last boundary",
        b"Content-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\n\r\na\r\n--x\r\nContent-Type: text/html\r\n\r\nb",
    );
    add("boundaries in boundaries", b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; boundary=ab\r\n\r\n--ab\r\n\r\nx\r\n--a--\r\n--ab--\r\n");
    add("digest", b"Content-Type: multipart/digest; boundary=x\r\n\r\n--x\r\n\r\nSubject: inner\r\n\r\nb\r\n--x--\r\n");
    add("a message in it", b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\nz\r\n--y--\r\n");
    add("an empty message in it", b"Content-Type: message/rfc822\r\n\r\n");
    add(
        "an encoded message in it",
        b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogeA0KDQp4DQo=\r\n",
    );
    add("message/partial", b"Content-Type: message/partial; id=x; number=1\r\n\r\nSubject: x\r\n\r\n");
    let long = [b"Subject: ".to_vec(), b"x".repeat(200_000), b"\r\n\r\nx\r\n".to_vec()].concat();
    add("a long line", &long);
    let many: String = (0..2000).map(|number| format!("X-Field-{number}: {number}\r\n")).collect();
    add("many fields", format!("{many}\r\nx\r\n").as_bytes());
    let parts: String =
        (0..1500).map(|number| format!("--x\r\nContent-Type: text/plain; name=\"{number}\"\r\n\r\n{number}\r\n")).collect();
    add("many parts", format!("Content-Type: multipart/mixed; boundary=x\r\n\r\n{parts}--x--\r\n").as_bytes());
    let recipients = vec!["a@b.example"; 3000].join(",\r\n ");
    add("many recipients", format!("To: {recipients}\r\n\r\nx\r\n").as_bytes());
    for kind in ["multipart/mixed; boundary=x", "message/rfc822"] {
        let deep = match kind.starts_with('m') && kind.contains("boundary") {
            true => {
                (0..120).map(|at| format!("Content-Type: multipart/mixed; boundary=b{at}\r\n\r\n--b{at}\r\n")).collect::<String>()
            }
            false => "Content-Type: message/rfc822\r\n\r\n".repeat(120),
        };
        add(&format!("deep {kind}"), deep.as_bytes());
    }
    all.extend(brought());
    // The same mails, cut: every field may end anywhere.
    let whole = all.clone();
    for (name, raw) in whole.iter().filter(|(_, raw)| (40..600).contains(&raw.len())) {
        for cut in [raw.len() / 3, raw.len() / 2, raw.len() - 1] {
            all.push((format!("{name}, cut at {cut}"), raw[..cut].to_vec()));
        }
    }
    all
}

/// Those of others, with the line ends that they have there and with those of mail.
fn brought() -> Vec<(String, Vec<u8>)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/cpython-email");
    let files = std::fs::read_dir(folder).expect("the corpus").map(|file| file.expect("a file").path());
    let mut mails = Vec::new();
    for file in files.filter(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("msg_"))) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let raw = std::fs::read(&file).expect("a mail");
        let with_crlf = raw.iter().flat_map(|&octet| if octet == b'\n' { vec![b'\r', b'\n'] } else { vec![octet] }).collect();
        mails.extend([(format!("{name} with CRLF"), with_crlf), (name, raw)]);
    }
    assert!(mails.len() > 80, "{}", mails.len());
    mails
}

/// All that is said to a command, as it is.
async fn said(client: &mut Client, command: &str) -> Vec<u8> {
    client.send(format!("{TAG} {command}\r\n").as_bytes()).await;
    let mut all = Vec::new();
    let end = format!("\r\n{TAG} ");
    loop {
        all.extend(client.some().await);
        let at = all.windows(end.len()).position(|octets| octets == end.as_bytes());
        if at.is_some_and(|at| all[at + 2..].ends_with(b"\r\n")) {
            return all;
        }
    }
}

/// The items of the FETCH responses in it, by the other parser; the tagged one is OK.
fn items(all: &[u8], name: &str) -> Vec<MessageDataItem<'static>> {
    let mut rest = all;
    let mut items = Vec::new();
    while !rest.is_empty() {
        let decoded = ResponseCodec::default().decode(rest);
        let (after, response) = decoded.unwrap_or_else(|error| panic!("{name}: {error:?}\n{}", String::from_utf8_lossy(rest)));
        match response {
            Response::Data(Data::Fetch { items: some, .. }) => {
                items.extend(some.into_iter().map(|item| imap_codec::imap_types::ToStatic::to_static(&item)));
            }
            Response::Status(Status::Tagged(tagged)) => {
                assert!(format!("{:?}", tagged.body.kind).contains("Ok"), "{name}: {tagged:?}");
            }
            _ => {}
        }
        rest = after;
    }
    items
}

fn octets(items: &[MessageDataItem<'_>], section: &str) -> Option<Vec<u8>> {
    items.iter().find_map(|item| match item {
        MessageDataItem::BodyExt { section: of, data, .. }
            if format!("{of:?}").contains(section) || (section.is_empty() && of.is_none()) =>
        {
            Some(data.0.as_ref().map(|data| data.as_ref().to_vec()).unwrap_or_default())
        }
        _ => None,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_item_of_every_odd_mail() {
    let home = Home::new().await;
    let corpus = corpus();
    for (_, raw) in &corpus {
        home.add_mail("INBOX", raw.clone()).await;
    }
    let mut client = home.connect(true);
    client.sign_in().await;
    client.command("s", "SELECT INBOX").await;
    // MODSEQ switches CONDSTORE on, which the other parser does not know.
    let mut other = home.connect(true);
    other.sign_in().await;
    other.command("s", "EXAMINE INBOX").await;
    for (number, (name, raw)) in (1..).zip(&corpus) {
        let asked = "UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT]";
        let all = said(&mut client, &format!("FETCH {number} ({asked})")).await;
        if name.starts_with("deep") {
            // The other parser nests 8 deep.
            continue;
        }
        let answered = items(&all, name);
        // RFC 9051 §4.3.1: there is no NUL in a literal; another octet stands for it.
        let raw: Vec<u8> = raw.iter().map(|&octet| if octet == 0 { 0x80 } else { octet }).collect();
        assert_eq!(octets(&answered, ""), Some(raw.clone()), "{name}");
        let halves = [octets(&answered, "Header"), octets(&answered, "Text")].map(|half| half.expect("a half"));
        assert_eq!(halves.concat(), raw, "{name}");
        let size = answered.iter().find_map(|item| match item {
            MessageDataItem::Rfc822Size(size) => usize::try_from(*size).ok(),
            _ => None,
        });
        assert_eq!(size, Some(raw.len()), "{name}");
        let parts = "BODY.PEEK[1] BODY.PEEK[1.MIME] BODY.PEEK[1.1.HEADER] BODY.PEEK[2.TEXT] BODY.PEEK[9.9] \
                     BODY.PEEK[HEADER.FIELDS (SUBJECT FROM)] BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT)] BODY.PEEK[]<3.5>";
        items(&said(&mut client, &format!("FETCH {number} ({parts})")).await, name);
        let old = items(&said(&mut client, &format!("FETCH {number} (RFC822 RFC822.HEADER RFC822.TEXT)")).await, name);
        assert_eq!(old.len(), 4, "{name}: and FLAGS, for they are seen now");
        // What the other parser does not know; it ends well, or with what cannot be decoded.
        for more in ["MODSEQ EMAILID THREADID SAVEDATE PREVIEW", "BINARY.SIZE[1]", "BINARY.PEEK[1]", "BINARY.PEEK[]<2.9>"] {
            let all = said(&mut other, &format!("FETCH {number} ({more})")).await;
            let text = String::from_utf8_lossy(&all).into_owned();
            let end = text.rsplit("\r\n").nth(1).unwrap_or_default().to_string();
            assert!(end.contains(" OK ") || end.contains(" NO [UNKNOWN-CTE]"), "{name}: {more}: {end}");
        }
    }
    // SEARCH, SORT and THREAD over all of them.
    for command in
        ["SEARCH TEXT x", "SEARCH HEADER Subject \"\"", "SORT (SUBJECT FROM DATE) UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL"]
    {
        let lines = client.command("q", command).await;
        assert!(lines.last().is_some_and(|line| line.starts_with("q OK")), "{command}: {lines:?}");
    }
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! What follows COMPRESS (RFC 4978), with a compressor that is not the server's own stream.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use hearth_imap::limits::COMPRESSED_SESSIONS_MAX;

use crate::harness::{Client, Home};

/// The client's side of a compressed connection.
struct Deflating {
    client: Client,
    deflate: Compress,
    inflate: Decompress,
}

impl Deflating {
    async fn begin(home: &Home) -> Self {
        let mut client = home.connect(true);
        client.sign_in().await;
        assert_eq!(client.command("c", "COMPRESS DEFLATE").await, ["c OK DEFLATE begins"]);
        Self { client, deflate: Compress::new(Compression::best(), false), inflate: Decompress::new(false) }
    }

    async fn send(&mut self, text: &str) {
        let mut out = Vec::with_capacity(text.len() + 1024);
        self.deflate.compress_vec(text.as_bytes(), &mut out, FlushCompress::Sync).expect("compresses");
        self.client.send(&out).await;
    }

    /// Everything up to a line that begins so.
    async fn read_to(&mut self, start: &str) -> String {
        let mut text = Vec::new();
        loop {
            if let Some(last) = String::from_utf8_lossy(&text).lines().last()
                && last.starts_with(start)
                && text.ends_with(b"\r\n")
            {
                return String::from_utf8(text).expect("UTF-8");
            }
            let some = self.client.some().await;
            let mut rest = some.as_slice();
            while !rest.is_empty() {
                let before = self.inflate.total_in();
                text.reserve(64 * 1024);
                self.inflate.decompress_vec(rest, &mut text, FlushDecompress::Sync).expect("inflates");
                let taken = usize::try_from(self.inflate.total_in() - before).expect("fits");
                rest = &rest[taken..];
            }
        }
    }
}

#[tokio::test]
async fn a_compressed_conversation() {
    let home = Home::new().await;
    let mut session = Deflating::begin(&home).await;
    session.send("a CAPABILITY\r\n").await;
    let answer = session.read_to("a ").await;
    assert!(answer.ends_with("a OK done\r\n") && !answer.contains("COMPRESS="), "{answer}");
    session.send("b COMPRESS DEFLATE\r\n").await;
    assert!(session.read_to("b ").await.starts_with("b NO [COMPRESSIONACTIVE] "));
    session.send("c UNAUTHENTICATE\r\n").await;
    assert!(session.read_to("c ").await.starts_with("c NO [CANNOT] "));
    let mail = format!("Subject: long\r\n\r\n{}", "all work and no play\r\n".repeat(10_000));
    session.send(&format!("d APPEND INBOX {{{}+}}\r\n{mail}\r\n", mail.len())).await;
    assert!(session.read_to("d ").await.contains("d OK [APPENDUID "));
    session.send("e SELECT INBOX\r\nf FETCH 1 BODY.PEEK[]\r\n").await;
    assert!(session.read_to("f ").await.contains(&mail));
    // What happens by itself is seen at once.
    session.send("g IDLE\r\n").await;
    session.read_to("+ ").await;
    home.add_mail("INBOX", b"Subject: x\r\n\r\nx\r\n".to_vec()).await;
    session.read_to("* 2 EXISTS").await;
    session.send("DONE\r\nh LOGOUT\r\n").await;
    assert!(session.read_to("h ").await.contains("* BYE"));
}

#[tokio::test]
async fn compressors_are_counted() {
    let home = Home::new().await;
    let others = u32::try_from(COMPRESSED_SESSIONS_MAX - 1).expect("fits");
    let _others = home.shared.compressors.acquire_many(others).await.expect("they are there");
    let one = Deflating::begin(&home).await;
    let mut third = home.connect(true);
    third.sign_in().await;
    assert_eq!(third.command("a", "COMPRESS DEFLATE").await, ["a NO [LIMIT] too many sessions compress; go on without"]);
    drop(one);
    for _ in 0..100 {
        if third.command("b", "COMPRESS DEFLATE").await[0].starts_with("b OK") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("what one gave back, another can have");
}

/// What comes in one packet with COMPRESS was not compressed.
#[tokio::test]
async fn nothing_may_follow_compress() {
    let home = Home::new().await;
    let mut client = home.connect(true);
    client.sign_in().await;
    client.send(b"a COMPRESS DEFLATE\r\nb NOOP\r\n").await;
    let line = client.line().await.expect("an answer");
    assert!(line.starts_with("* BYE"), "{line}");
}

/// Octets that are no DEFLATE end the connection.
#[tokio::test]
async fn noise_ends_the_connection() {
    let home = Home::new().await;
    let mut session = Deflating::begin(&home).await;
    session.client.send(b"\xff\xff\xff\xffa NOOP\r\n").await;
    while session.client.read_some().await > 0 {}
}

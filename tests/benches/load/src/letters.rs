// SPDX-License-Identifier: AGPL-3.0-or-later
//! Deterministic message and key material.
use std::fmt::Write;

#[derive(Clone)]
pub struct Rng(pub u64);
impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
    /// Small numbers are much more likely than large ones (word frequencies).
    pub fn skewed(&mut self, n: usize) -> usize {
        let u = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        (((n as f64 + 1.0).powf(u) - 1.0) as usize).min(n - 1)
    }
}

pub struct Letters {
    words: Vec<String>,
    bodies: Vec<String>,
}
const SYL: [&str; 40] = [
    "ba", "re", "mi", "to", "lu", "san", "ver", "den", "kor", "pi", "na", "the", "ing", "al", "est", "or", "com", "pro", "tra",
    "ne", "li", "ro", "ta", "di", "con", "en", "ma", "ti", "sta", "ver", "letters", "mo", "fa", "que", "sol", "ter", "ex", "per",
    "ran", "bi",
];
impl Letters {
    /// A pool of 32 bodies of about `size` bytes (every 4th is multipart/alternative, every 8th has a base64 attachment).
    pub fn new(size: usize) -> Letters {
        let mut r = Rng(42);
        let words: Vec<String> = (0..4000)
            .map(|_| {
                let n = 1 + r.below(4);
                (0..n).map(|_| SYL[r.below(SYL.len())]).collect()
            })
            .collect();
        let mut g = Letters { words, bodies: vec![] };
        let bodies = (0..32usize).map(|i| g.body(&mut r, i, size)).collect();
        g.bodies = bodies;
        g
    }
    fn text(&self, r: &mut Rng, size: usize) -> String {
        let mut s = String::with_capacity(size + 80);
        let mut col = 0;
        while s.len() < size {
            let w = &self.words[r.skewed(self.words.len())];
            if col + w.len() > 70 {
                s.push_str("\r\n");
                col = 0;
            } else if col > 0 {
                s.push(' ');
                col += 1;
            }
            s.push_str(w);
            col += w.len();
        }
        s.push_str("\r\n");
        s
    }
    fn body(&self, r: &mut Rng, i: usize, size: usize) -> String {
        if i % 8 == 7 && size > 2000 {
            let t = self.text(r, size / 8);
            let mut b = String::new();
            while b.len() < size * 7 / 8 {
                for _ in 0..19 {
                    let v = r.next();
                    for k in 0..4 {
                        b.push(
                            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[((v >> (6 * k)) & 63) as usize]
                                as char,
                        );
                    }
                }
                b.push_str("\r\n");
            }
            format!(
                "Content-Type: multipart/mixed; boundary=\"b{i}\"\r\n\r\n--b{i}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n@REF@{t}\r\n--b{i}\r\nContent-Type: application/pdf; name=\"a.pdf\"\r\nContent-Disposition: attachment; filename=\"a.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{b}\r\n--b{i}--\r\n"
            )
        } else if i % 4 == 3 {
            let t = self.text(r, size / 2);
            let h = self.text(r, size / 2);
            format!(
                "Content-Type: multipart/alternative; boundary=\"b{i}\"\r\n\r\n--b{i}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n@REF@{t}\r\n--b{i}\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body><p>\r\n{h}</p></body></html>\r\n--b{i}--\r\n"
            )
        } else {
            format!("Content-Type: text/plain; charset=utf-8\r\n\r\n@REF@{}", self.text(r, size))
        }
    }
    /// A whole message with CRLF line ends. Message number `i` has the word needle{i%100} in its body and
    /// topic{i%50} in its subject; two of three belong to a thread of up to 4.
    pub fn message(&self, run: &str, i: usize, to: &str) -> Vec<u8> {
        self.message_from(run, i, to, None)
    }
    /// Like `message`, with another address in From (servers check it on submission).
    pub fn message_from(&self, run: &str, i: usize, to: &str, sender: Option<&str>) -> Vec<u8> {
        let mut r = Rng(i as u64 * 7919 + 1);
        let mut s = String::with_capacity(1024 + self.bodies[i % self.bodies.len()].len());
        let from = r.below(300);
        let _ = write!(
            s,
            "Received: from client.example (client.example [192.0.2.{}])\r\n\tby relay.example (Relay) with ESMTPS id {run}{i};\r\n\tThu, {:02} Oct 2026 {:02}:{:02}:{:02} +0000\r\n",
            i % 250,
            1 + i / 86400 % 28,
            i / 3600 % 24,
            i / 60 % 60,
            i % 60
        );
        let _ = write!(
            s,
            "From: {} {} <{}>\r\nTo: <{to}>\r\nSubject: {}topic{}",
            self.words[from],
            self.words[from + 7],
            sender.map(|s| s.to_string()).unwrap_or_else(|| format!("sender{from}@example.org")),
            if i % 3 == 0 { "" } else { "Re: " },
            i % 50
        );
        for _ in 0..2 + r.below(5) {
            let _ = write!(s, " {}", self.words[r.skewed(2000)]);
        }
        let _ = write!(
            s,
            "\r\nDate: Thu, {:02} Oct 2026 {:02}:{:02}:{:02} +0000\r\nMessage-ID: <{run}.{i}@example.org>\r\nX-Load-Id: {run}-{i}\r\n",
            1 + i / 86400 % 28,
            i / 3600 % 24,
            i / 60 % 60,
            i % 60
        );
        if i % 3 != 0 {
            let root = i - i % 3;
            let _ = write!(s, "In-Reply-To: <{run}.{root}@example.org>\r\nReferences: <{run}.{root}@example.org>\r\n");
        }
        s.push_str("MIME-Version: 1.0\r\n");
        s.push_str(&self.bodies[i % self.bodies.len()].replacen("@REF@", &format!("Ref needle{}.\r\n", i % 100), 1));
        s.into_bytes()
    }
}

pub fn run_id() -> String {
    let t = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("r{:x}{:x}", t.as_millis(), std::process::id())
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! SMTP client workloads and a sink server.
use crate::config::{Args, Endpoint, Server};
use crate::imap::Imap;
use crate::letters::{Letters, run_id};
use crate::net::{Conn, R, connector, es};
use crate::stats::{Out, phase};
use base64::Engine;
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_rustls::TlsConnector;

pub struct Smtp {
    pub c: Conn,
    pub caps: Vec<String>,
}
impl Smtp {
    pub async fn reply(c: &mut Conn) -> R<(u16, Vec<String>)> {
        let mut v = vec![];
        loop {
            let l = c.line().await?;
            let s = String::from_utf8_lossy(&l).into_owned();
            let code: u16 = s.get(..3).and_then(|x| x.parse().ok()).ok_or_else(|| format!("bad smtp reply {s}"))?;
            let more = s.as_bytes().get(3) == Some(&b'-');
            v.push(s.get(4..).unwrap_or("").to_string());
            if !more {
                return Ok((code, v));
            }
        }
    }
    async fn expect(c: &mut Conn, class: u16) -> R<Vec<String>> {
        let (code, t) = Self::reply(c).await?;
        if code / 100 == class { Ok(t) } else { Err(format!("{code} {}", t.join(" / "))) }
    }
    pub async fn open(e: &Endpoint, tls: &str, tc: &TlsConnector) -> R<Smtp> {
        let mut c = Conn::connect(&e.addr).await?;
        if tls == "implicit" {
            c.start_tls(tc, &e.host).await?;
        }
        Self::expect(&mut c, 2).await?;
        c.write(b"EHLO client.example.org\r\n").await?;
        let mut caps = Self::expect(&mut c, 2).await?;
        if tls == "starttls" {
            c.write(b"STARTTLS\r\n").await?;
            Self::expect(&mut c, 2).await?;
            c.start_tls(tc, &e.host).await?;
            c.write(b"EHLO client.example.org\r\n").await?;
            caps = Self::expect(&mut c, 2).await?;
        }
        Ok(Smtp { c, caps })
    }
    pub async fn auth_plain(&mut self, user: &str, pw: &str) -> R<()> {
        let b = base64::engine::general_purpose::STANDARD.encode(format!("\0{user}\0{pw}"));
        self.c.write(format!("AUTH PLAIN {b}\r\n").as_bytes()).await?;
        Self::expect(&mut self.c, 2).await?;
        Ok(())
    }
    /// One transaction.
    pub async fn send(&mut self, from: &str, to: &[String], msg: &[u8], pipelining: bool) -> R<()> {
        let mut data = Vec::with_capacity(msg.len() + 64);
        for (n, l) in msg.split_inclusive(|&b| b == b'\n').enumerate() {
            if l[0] == b'.' && n > 0 {
                data.push(b'.');
            }
            data.extend_from_slice(l);
        }
        data.extend_from_slice(b".\r\n");
        if pipelining && self.caps.iter().any(|c| c.eq_ignore_ascii_case("PIPELINING")) {
            let mut b = format!("MAIL FROM:<{from}>\r\n");
            for t in to {
                b.push_str(&format!("RCPT TO:<{t}>\r\n"));
            }
            b.push_str("DATA\r\n");
            self.c.write(b.as_bytes()).await?;
            Self::expect(&mut self.c, 2).await.map_err(|e| format!("MAIL: {e}"))?;
            let mut bad = None;
            for _ in to {
                if let Err(e) = Self::expect(&mut self.c, 2).await {
                    bad = Some(e);
                }
            }
            let d = Self::reply(&mut self.c).await?;
            if d.0 != 354 {
                return Err(format!("DATA: {} {:?} rcpt {:?}", d.0, d.1, bad));
            }
            if let Some(b) = bad {
                return Err(format!("RCPT: {b}"));
            }
        } else {
            self.c.write(format!("MAIL FROM:<{from}>\r\n").as_bytes()).await?;
            Self::expect(&mut self.c, 2).await.map_err(|e| format!("MAIL: {e}"))?;
            for t in to {
                self.c.write(format!("RCPT TO:<{t}>\r\n").as_bytes()).await?;
                Self::expect(&mut self.c, 2).await.map_err(|e| format!("RCPT: {e}"))?;
            }
            self.c.write(b"DATA\r\n").await?;
            Self::expect(&mut self.c, 3).await.map_err(|e| format!("DATA: {e}"))?;
        }
        self.c.write(&data).await?;
        Self::expect(&mut self.c, 2).await.map_err(|e| format!("end of data: {e}"))?;
        Ok(())
    }
    pub async fn quit(&mut self) {
        if self.c.write(b"QUIT\r\n").await.is_ok() {
            let _ = Self::reply(&mut self.c).await;
        }
        self.c.close().await;
    }
}

struct Sess {
    smtp: Option<Smtp>,
    used: usize,
    id: usize,
}

/// Shared body of smtp-in and submit.
pub async fn deliver(srv: &Server, args: &Args, submit: bool) -> R<()> {
    let e = Arc::new(if submit { srv.submission.clone() } else { srv.smtp.clone() }.ok_or("server has no such endpoint")?);
    let n = args.num("sessions", 10);
    let m = args.num("messages", 1000);
    let per = args.num("per-conn", if submit { 1 } else { 10 });
    let users = args.num("users", 10).min(srv.users.count);
    let size = args.num("size", 4096);
    let pipelining = !args.flag("no-pipelining");
    let tls = args.str("tls", &e.tls);
    let max = args.real("secs", 60.0);
    let verify = !args.flag("no-verify");
    let run = run_id();
    let letters = Arc::new(Letters::new(size));
    let tc = connector(args.flag("resume"));
    let accepted: Arc<Mutex<Vec<usize>>> = Arc::default();
    let sink = if submit { Some(Sink::start(&srv.sink.addr).await?) } else { None };
    let mut boxes = vec![];
    if verify && !submit {
        for u in 0..users {
            let mut i = Imap::open_login(srv, u, &tc).await?;
            let st = i.status("INBOX").await?;
            boxes.push((i, st.0, st.1));
        }
    }
    let mut out = Out::new(srv, if submit { "submit" } else { "smtp-in" }, args);
    let sess = (0..n).map(|id| Sess { smtp: None, used: 0, id }).collect();
    let us = srv.users.clone();
    let sink_dom = srv.sink.domain.clone();
    let (acc, run2, tls2, e2) = (accepted.clone(), run.clone(), tls.clone(), e.clone());
    out.start();
    let t0 = Instant::now();
    let (sess, p) = phase(sess, m, max, move |s: &mut Sess, i| {
        let (letters, e, tc, us, acc, run, tls, sink_dom) =
            (letters.clone(), e2.clone(), tc.clone(), us.clone(), acc.clone(), run2.clone(), tls2.clone(), sink_dom.clone());
        Box::pin(async move {
            let to = if submit { format!("r{}@{}", i % 20, sink_dom) } else { us.address(i % users) };
            let from = if submit { us.address(s.id) } else { format!("sender{}@example.org", i % 300) };
            let msg = letters.message_from(&run, i, &to, submit.then_some(from.as_str()));
            let r: R<()> = async {
                if s.smtp.is_none() {
                    let mut c = Smtp::open(&e, &tls, &tc).await?;
                    if submit {
                        c.auth_plain(&us.login(s.id), us.mail_password(s.id)).await?;
                    }
                    s.smtp = Some(c);
                    s.used = 0;
                }
                s.smtp.as_mut().unwrap().send(&from, &[to], &msg, pipelining).await
            }
            .await;
            match r {
                Ok(()) => {
                    acc.lock().unwrap().push(i);
                    s.used += 1;
                    if s.used >= per {
                        if let Some(mut c) = s.smtp.take() {
                            c.quit().await;
                        }
                    }
                    Ok(())
                }
                Err(e) => {
                    if let Some(mut c) = s.smtp.take() {
                        c.c.abort();
                    }
                    Err(e)
                }
            }
        })
    })
    .await;
    for mut s in sess {
        if let Some(mut c) = s.smtp.take() {
            c.quit().await;
        }
    }
    let acc = accepted.lock().unwrap().clone();
    let mut extra = json!({"size": size, "per_conn": per, "tls": tls, "users": users});
    let wait = Duration::from_secs(args.num("deliver-secs", 90) as u64);
    if let Some(sink) = &sink {
        while sink.lock().unwrap().len() < acc.len() && t0.elapsed().as_secs_f64() < p.secs + wait.as_secs_f64() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let secs = t0.elapsed().as_secs_f64();
        let got = sink.lock().unwrap();
        let (lost, dup) = check(&acc, &run, &got);
        extra["delivered_rate"] = json!(crate::stats::r3(got.len() as f64 / secs));
        extra["lost"] = json!(lost);
        extra["duplicates"] = json!(dup);
    } else if verify {
        // Wait until every mailbox has what was accepted for it.
        let mut want: HashMap<usize, u32> = HashMap::new();
        for i in &acc {
            *want.entry(i % users).or_default() += 1;
        }
        for (u, (i, have, _)) in boxes.iter_mut().enumerate() {
            let w = *have + want.get(&u).copied().unwrap_or(0);
            while i.status("INBOX").await?.0 < w && t0.elapsed().as_secs_f64() < p.secs + wait.as_secs_f64() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        let secs = t0.elapsed().as_secs_f64();
        extra["delivered_rate"] = json!(crate::stats::r3(acc.len() as f64 / secs));
        out.phase("deliver", n, &p, extra.clone());
        let mut got: HashMap<String, u32> = HashMap::new();
        for (i, _, uidnext) in boxes.iter_mut() {
            i.select("INBOX").await?;
            for id in i.load_ids(*uidnext).await? {
                *got.entry(id).or_default() += 1;
            }
            i.logout().await;
        }
        let (lost, dup) = check(&acc, &run, &got);
        println!("{:<12} verified: accepted {} lost {lost} duplicated {dup}", srv.name, acc.len());
        if lost + dup > 0 {
            out.record("verify-failed", 1, json!({"lost": lost, "duplicates": dup}));
        }
        return Ok(());
    }
    out.phase(if submit { "submit" } else { "accept" }, n, &p, extra);
    let _ = e;
    Ok(())
}
fn check(acc: &[usize], run: &str, got: &HashMap<String, u32>) -> (usize, usize) {
    let lost = acc.iter().filter(|i| !got.contains_key(&format!("{run}-{i}"))).count();
    let dup = got.iter().filter(|(k, n)| k.starts_with(run) && **n > 1).count();
    (lost, dup)
}

/// Accepts every message; counts by X-Load-Id.
pub struct Sink;
impl Sink {
    pub async fn start(addr: &str) -> R<Arc<Mutex<HashMap<String, u32>>>> {
        let l = tokio::net::TcpListener::bind(addr).await.map_err(|e| format!("sink {addr}: {e}"))?;
        let got: Arc<Mutex<HashMap<String, u32>>> = Arc::default();
        let g = got.clone();
        tokio::spawn(async move {
            while let Ok((s, _)) = l.accept().await {
                let g = g.clone();
                s.set_nodelay(true).ok();
                tokio::spawn(async move {
                    let _ = sink_conn(s, g).await;
                });
            }
        });
        Ok(got)
    }
}
async fn sink_conn(s: tokio::net::TcpStream, got: Arc<Mutex<HashMap<String, u32>>>) -> R<()> {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let (r, mut w) = s.into_split();
    let mut r = BufReader::with_capacity(65536, r);
    w.write_all(b"220 sink ESMTP\r\n").await.map_err(es)?;
    let mut l = Vec::new();
    let mut reply = Vec::new();
    loop {
        l.clear();
        if r.read_until(b'\n', &mut l).await.map_err(es)? == 0 {
            return Ok(());
        }
        let up = String::from_utf8_lossy(&l).trim().to_ascii_uppercase();
        if up.starts_with("EHLO") || up.starts_with("HELO") {
            reply.extend_from_slice(b"250-sink\r\n250-PIPELINING\r\n250-SIZE 100000000\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n");
        } else if up.starts_with("DATA") {
            reply.extend_from_slice(b"354 go\r\n");
            w.write_all(&reply).await.map_err(es)?;
            reply.clear();
            let mut id = String::new();
            loop {
                l.clear();
                if r.read_until(b'\n', &mut l).await.map_err(es)? == 0 {
                    return Ok(());
                }
                if l == b".\r\n" {
                    break;
                }
                if id.is_empty() && l.len() > 11 && l[..11].eq_ignore_ascii_case(b"X-Load-Id: ") {
                    id = String::from_utf8_lossy(&l[11..]).trim().to_string();
                }
            }
            *got.lock().unwrap().entry(id).or_default() += 1;
            reply.extend_from_slice(b"250 taken\r\n");
        } else if up.starts_with("QUIT") {
            reply.extend_from_slice(b"221 bye\r\n");
            w.write_all(&reply).await.map_err(es)?;
            return Ok(());
        } else {
            reply.extend_from_slice(b"250 ok\r\n");
        }
        if r.buffer().is_empty() {
            w.write_all(&reply).await.map_err(es)?;
            reply.clear();
        }
    }
}

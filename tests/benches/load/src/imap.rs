// SPDX-License-Identifier: AGPL-3.0-or-later
//! IMAP client workloads.
use crate::config::{Args, Endpoint, Server, Users};
use crate::letters::{Letters, Rng, run_id};
use crate::net::{Conn, R, connector, es};
use crate::smtp::Smtp;
use crate::stats::{Out, Phase, phase};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_rustls::TlsConnector;

pub struct Imap {
    pub c: Conn,
    tag: u32,
    pub literal_plus: bool,
    pub caps: String,
    pub exists: u32,
    pub uidnext: u32,
    pub uids: Vec<u32>,
    pub n: usize,
    pub turn: usize,
}
impl Imap {
    pub async fn open(e: &Endpoint, tc: &TlsConnector) -> R<Imap> {
        let mut c = Conn::connect(&e.addr).await?;
        if e.tls == "implicit" {
            c.start_tls(tc, &e.host).await?;
        }
        let l = c.line().await?;
        if !l.starts_with(b"* OK") {
            return Err(format!("greeting: {}", String::from_utf8_lossy(&l)));
        }
        let mut i =
            Imap { c, tag: 0, literal_plus: false, caps: String::new(), exists: 0, uidnext: 0, uids: vec![], n: 0, turn: 0 };
        if e.tls == "starttls" {
            i.cmd("STARTTLS").await?;
            i.c.start_tls(tc, &e.host).await?;
        }
        Ok(i)
    }
    pub async fn login(&mut self, user: &str, pw: &str) -> R<()> {
        self.cmd(&format!("LOGIN \"{user}\" \"{pw}\"")).await.map(|_| ())
    }
    pub async fn open_login(s: &Server, n: usize, tc: &TlsConnector) -> R<Imap> {
        let e = s.imap.clone().ok_or("server has no [imap]")?;
        let mut i = Imap::open(&e, tc).await?;
        i.n = n;
        i.login(&s.users.login(n), s.users.mail_password(n)).await?;
        let v = i.cmd("CAPABILITY").await?;
        i.caps = v
            .iter()
            .map(|l| String::from_utf8_lossy(l).to_ascii_uppercase())
            .find(|l| l.starts_with("* CAPABILITY"))
            .unwrap_or_default();
        i.literal_plus = i.caps.split(' ').any(|c| c == "LITERAL+");
        Ok(i)
    }
    /// One response with its literals (literal octets are inlined after the line).
    pub async fn response(&mut self) -> R<Vec<u8>> {
        let mut v = self.c.line().await?;
        loop {
            let lit = if v.last() == Some(&b'}') {
                v.iter().rposition(|&b| b == b'{').and_then(|p| {
                    std::str::from_utf8(&v[p + 1..v.len() - 1]).ok().and_then(|s| s.trim_end_matches('+').parse::<usize>().ok())
                })
            } else {
                None
            };
            match lit {
                None => return Ok(v),
                Some(n) => {
                    let d = self.c.take(n).await?;
                    v.extend_from_slice(b"\r\n");
                    v.extend_from_slice(&d);
                    let l = self.c.line().await?;
                    v.extend_from_slice(&l);
                }
            }
        }
    }
    fn note(&mut self, r: &[u8]) {
        if r.ends_with(b" EXISTS") {
            if let Some(n) = std::str::from_utf8(&r[2..r.len() - 7]).ok().and_then(|s| s.parse().ok()) {
                self.exists = n;
            }
        } else if let Some(p) = find(r, b"[UIDNEXT ") {
            self.uidnext = num(&r[p + 9..]);
        }
    }
    async fn finish(&mut self, tag: &str, keep: bool) -> R<Vec<Vec<u8>>> {
        let mut out = vec![];
        loop {
            let r = self.response().await?;
            if r.len() > tag.len() && r.starts_with(tag.as_bytes()) && r[tag.len()] == b' ' {
                let st = &r[tag.len() + 1..];
                if st.len() >= 2 && st[..2].eq_ignore_ascii_case(b"OK") {
                    return Ok(out);
                }
                return Err(String::from_utf8_lossy(&r).into_owned());
            }
            self.note(&r);
            if keep {
                out.push(r);
            } else {
                out.push(vec![]);
            }
        }
    }
    fn newtag(&mut self) -> String {
        self.tag += 1;
        format!("a{}", self.tag)
    }
    pub async fn cmd(&mut self, s: &str) -> R<Vec<Vec<u8>>> {
        let t = self.newtag();
        self.c.write(format!("{t} {s}\r\n").as_bytes()).await?;
        self.finish(&t, true).await.map_err(|e| format!("{}: {e}", s.split(' ').take(2).collect::<Vec<_>>().join(" ")))
    }
    /// Like cmd, but only counts the untagged responses.
    pub async fn count(&mut self, s: &str) -> R<usize> {
        let t = self.newtag();
        self.c.write(format!("{t} {s}\r\n").as_bytes()).await?;
        Ok(self.finish(&t, false).await?.len())
    }
    pub async fn select(&mut self, m: &str) -> R<()> {
        self.exists = 0;
        self.cmd(&format!("SELECT \"{m}\"")).await.map(|_| ())
    }
    /// (messages, uidnext)
    pub async fn status(&mut self, m: &str) -> R<(u32, u32)> {
        let v = self.cmd(&format!("STATUS \"{m}\" (MESSAGES UIDNEXT)")).await?;
        for r in v {
            if let (Some(a), Some(b)) = (find(&r, b"MESSAGES "), find(&r, b"UIDNEXT ")) {
                return Ok((num(&r[a + 9..]), num(&r[b + 8..])));
            }
        }
        Err("no STATUS answer".into())
    }
    pub async fn search(&mut self, q: &str) -> R<Vec<u32>> {
        let v = self.cmd(&format!("UID SEARCH {q}")).await?;
        let mut out = vec![];
        for r in v {
            if r.starts_with(b"* SEARCH") {
                out.extend(String::from_utf8_lossy(&r[8..]).split_whitespace().filter_map(|x| x.parse::<u32>().ok()));
            }
        }
        Ok(out)
    }
    pub async fn load_ids(&mut self, uid_from: u32) -> R<Vec<String>> {
        if self.exists == 0 {
            return Ok(vec![]);
        }
        let v = self.cmd(&format!("UID FETCH {uid_from}:* (BODY.PEEK[HEADER.FIELDS (X-LOAD-ID)])")).await?;
        let mut out = vec![];
        for r in v {
            let s = String::from_utf8_lossy(&r);
            if let Some(i) = s.to_ascii_lowercase().find("x-load-id: ") {
                out.push(s[i + 11..].split_whitespace().next().unwrap_or("").to_string());
            }
        }
        Ok(out)
    }
    pub async fn append(&mut self, mb: &str, msg: &[u8]) -> R<()> {
        let t = self.newtag();
        if self.literal_plus {
            let mut b = format!("{t} APPEND \"{mb}\" {{{}+}}\r\n", msg.len()).into_bytes();
            b.extend_from_slice(msg);
            b.extend_from_slice(b"\r\n");
            self.c.write(&b).await?;
        } else {
            self.c.write(format!("{t} APPEND \"{mb}\" {{{}}}\r\n", msg.len()).as_bytes()).await?;
            loop {
                let r = self.response().await?;
                if r.starts_with(b"+") {
                    break;
                }
                if r.starts_with(t.as_bytes()) {
                    return Err(String::from_utf8_lossy(&r).into_owned());
                }
            }
            self.c.write(msg).await?;
            self.c.write(b"\r\n").await?;
        }
        self.finish(&t, false).await.map(|_| ())
    }
    pub async fn idle_start(&mut self) -> R<String> {
        let t = self.newtag();
        self.c.write(format!("{t} IDLE\r\n").as_bytes()).await?;
        loop {
            let r = self.response().await?;
            if r.starts_with(b"+") {
                return Ok(t);
            }
            if r.starts_with(t.as_bytes()) {
                return Err(String::from_utf8_lossy(&r).into_owned());
            }
            self.note(&r);
        }
    }
    pub async fn logout(&mut self) {
        let _ = tokio::time::timeout(Duration::from_secs(2), self.cmd("LOGOUT")).await;
        self.c.close().await;
    }
    /// Makes `mb` hold at least `n` messages; returns how many were added.
    pub async fn fill(&mut self, mb: &str, n: usize, letters: &Letters, to: &str) -> R<usize> {
        let _ = self.cmd(&format!("CREATE \"{mb}\"")).await;
        let have = self.status(mb).await?.0 as usize;
        let run = "fill";
        let mut i = have;
        while i < n {
            if self.literal_plus {
                let mut b = vec![];
                let mut tags = vec![];
                for k in i..n.min(i + 16) {
                    let m = letters.message(run, k, to);
                    let t = self.newtag();
                    b.extend_from_slice(format!("{t} APPEND \"{mb}\" {{{}+}}\r\n", m.len()).as_bytes());
                    b.extend_from_slice(&m);
                    b.extend_from_slice(b"\r\n");
                    tags.push(t);
                }
                i += tags.len();
                self.c.write(&b).await?;
                for t in tags {
                    self.finish(&t, false).await?;
                }
            } else {
                let m = letters.message(run, i, to);
                self.append(mb, &m).await?;
                i += 1;
            }
        }
        Ok(n.saturating_sub(have))
    }
}
fn find(h: &[u8], n: &[u8]) -> Option<usize> {
    h.windows(n.len()).position(|w| w == n)
}
fn num(b: &[u8]) -> u32 {
    b.iter().take_while(|c| c.is_ascii_digit()).fold(0u32, |a, c| a.wrapping_mul(10).wrapping_add((c - b'0') as u32))
}

pub async fn fill(srv: &Server, args: &Args) -> R<()> {
    let mb = args.str("mailbox", "Bench");
    let n = args.num("fill", 500);
    let users = args.num("users", 10).min(srv.users.count);
    let letters = Letters::new(args.num("size", 4096));
    let tc = connector(true);
    let mut out = Out::new(srv, "imap", args);
    out.start();
    let t = Instant::now();
    let mut added = 0;
    for u in 0..users {
        let mut i = Imap::open_login(srv, u, &tc).await?;
        added += i.fill(&mb, n, &letters, &srv.users.address(u)).await?;
        i.logout().await;
    }
    let s = t.elapsed().as_secs_f64();
    if added > 0 {
        out.record(
            "fill-append-pipelined",
            added,
            json!({"n": added, "errors": 0, "secs": s, "rate": added as f64 / s, "p50_ms": 0, "p99_ms": 0, "sessions": 1}),
        );
    }
    Ok(())
}

/// `--ops a,b,c` picks phases; without it all run.
pub async fn run(srv: &Server, args: &Args) -> R<()> {
    let n = args.num("sessions", 4);
    let users = args.num("users", n).min(srv.users.count);
    let mb = args.str("mailbox", "Bench");
    let secs = args.real("secs", 10.0);
    let tc = connector(args.flag("resume"));
    let only = args.list("ops");
    let want = |op: &str| only.as_ref().map(|o| o.iter().any(|x| x == op)).unwrap_or(true);
    let max = args.num("max", 1_000_000);
    let size = args.num("size", 4096);
    let letters = Arc::new(Letters::new(size));
    let us: Users = srv.users.clone();
    let mut out = Out::new(srv, "imap", args);

    if want("login-select") {
        out.start();
        let ids: Vec<usize> = (0..n).collect();
        let (srv2, tc2, mb2) = (srv.clone(), tc.clone(), mb.clone());
        let (_, p) = phase(ids, max.min(2000), secs, move |u, _| {
            let (srv, tc, mb) = (srv2.clone(), tc2.clone(), mb2.clone());
            Box::pin(async move {
                let mut i = Imap::open(srv.imap.as_ref().unwrap(), &tc).await?;
                i.login(&srv.users.login(*u), srv.users.mail_password(*u)).await?;
                i.select(&mb).await?;
                i.logout().await;
                Ok(())
            })
        })
        .await;
        out.phase("login-select", n, &p, json!({"tls": srv.imap.as_ref().unwrap().tls}));
    }
    let mut ss = vec![];
    for k in 0..n {
        let mut i = Imap::open_login(srv, k % users, &tc).await?;
        i.select(&mb).await?;
        i.uids = i.search("ALL").await?;
        ss.push(i);
    }
    let count = ss[0].uids.len();
    if count == 0 {
        return Err(format!("{mb} is empty; run imap-fill first"));
    }
    let mut ss = Some(ss);
    macro_rules! op {
        ($name:expr, $max:expr, $extra:expr, |$s:ident, $i:ident| $body:expr) => {
            if want($name) {
                out.start();
                let (back, p): (Vec<Imap>, Phase) =
                    phase(ss.take().unwrap(), max.min($max), secs, move |$s: &mut Imap, $i: usize| {
                        let fut = $body;
                        Box::pin(fut)
                    })
                    .await;
                ss = Some(back);
                out.phase($name, n, &p, $extra);
            }
        };
    }
    let x = json!({"mailbox": count});
    op!("list", 5000, x.clone(), |s, _i| async move { s.count("LIST \"\" \"*\"").await.map(|_| ()) });
    op!("status", 5000, x.clone(), |s, _i| async move {
        s.count("STATUS INBOX (MESSAGES UNSEEN UIDNEXT UIDVALIDITY)").await.map(|_| ())
    });
    let m2 = mb.clone();
    op!("select", 2000, x.clone(), |s, _i| {
        let m = m2.clone();
        async move { s.select(&m).await }
    });
    op!("fetch-flags-all", 500, x.clone(), |s, _i| async move {
        let k = s.count("FETCH 1:* (UID FLAGS)").await?;
        if k < s.uids.len() { Err(format!("only {k}")) } else { Ok(()) }
    });
    op!("fetch-envelope-all", 300, x.clone(), |s, _i| async move {
        let k = s.count("FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)").await?;
        if k < s.uids.len() { Err(format!("only {k}")) } else { Ok(()) }
    });
    op!("fetch-headers-all", 300, x.clone(), |s, _i| async move {
        let k = s.count("FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE MESSAGE-ID REFERENCES)])").await?;
        if k < s.uids.len() { Err(format!("only {k}")) } else { Ok(()) }
    });
    op!("fetch-bodystructure-all", 300, x.clone(), |s, _i| async move {
        let k = s.count("FETCH 1:* (UID BODYSTRUCTURE)").await?;
        if k < s.uids.len() { Err(format!("only {k}")) } else { Ok(()) }
    });
    op!("fetch-body", 20000, x.clone(), |s, i| async move {
        let u = s.uids[Rng(i as u64).below(s.uids.len())];
        let k = s.count(&format!("UID FETCH {u} (BODY.PEEK[])")).await?;
        if k < 1 { Err("no answer".to_string()) } else { Ok(()) }
    });
    op!("fetch-body-all", 100, x.clone(), |s, _i| async move {
        let k = s.count("FETCH 1:* (UID BODY.PEEK[])").await?;
        if k < s.uids.len() { Err(format!("only {k}")) } else { Ok(()) }
    });
    op!("store-1", 5000, x.clone(), |s, i| async move {
        let u = s.uids[Rng(i as u64).below(s.uids.len())];
        s.count(&format!("UID STORE {u} {}FLAGS (\\Seen)", if i % 2 == 0 { "+" } else { "-" })).await.map(|_| ())
    });
    op!("store-all", 40, x.clone(), |s, i| async move {
        s.count(&format!("STORE 1:* {}FLAGS.SILENT (\\Flagged)", if i / 4 % 2 == 0 { "+" } else { "-" })).await.map(|_| ())
    });
    op!("search-flag", 2000, x.clone(), |s, _i| async move { s.search("UNSEEN").await.map(|_| ()) });
    op!("search-subject", 500, x.clone(), |s, i| async move {
        let v = s.search(&format!("SUBJECT topic{}", i % 50)).await?;
        if v.is_empty() { Err("nothing found".to_string()) } else { Ok(()) }
    });
    op!("search-body", 300, x.clone(), |s, i| async move {
        let v = s.search(&format!("BODY needle{}", i % 100)).await?;
        if v.is_empty() { Err("nothing found".to_string()) } else { Ok(()) }
    });
    op!("search-text", 300, x.clone(), |s, i| async move {
        let v = s.search(&format!("TEXT needle{}", i % 100)).await?;
        if v.is_empty() { Err("nothing found".to_string()) } else { Ok(()) }
    });
    op!("search-header", 500, x.clone(), |s, i| async move {
        let v = s.search(&format!("HEADER X-Load-Id fill-{}", Rng(i as u64).below(s.uids.len()))).await?;
        if v.is_empty() { Err("nothing found".to_string()) } else { Ok(()) }
    });
    for (name, cmd) in [
        ("sort-date", "SORT (REVERSE DATE) UTF-8 ALL"),
        ("sort-subject", "SORT (SUBJECT) UTF-8 ALL"),
        ("thread", "THREAD REFERENCES UTF-8 ALL"),
    ] {
        op!(name, 300, x.clone(), |s, _i| async move {
            let k = s.cmd(cmd).await?.iter().map(Vec::len).sum::<usize>();
            if k < s.uids.len() { Err(format!("only {k} octets")) } else { Ok(()) }
        });
    }
    if want("move-1000") {
        let per = 1000.min(count);
        for s in ss.as_mut().unwrap() {
            for m in ["M1", "M2"] {
                let _ = s.cmd(&format!("DELETE \"{m}\"")).await;
                s.cmd(&format!("CREATE \"{m}\"")).await?;
            }
            s.count(&format!("COPY 1:{per} M1")).await?;
        }
        op!("move-1000", 40, json!({"mails": per}), |s, _i| async move {
            let (from, to) = if s.turn % 2 == 0 { ("M1", "M2") } else { ("M2", "M1") };
            s.turn += 1;
            s.select(from).await?;
            s.count(&format!("MOVE 1:* {to}")).await.map(|_| ())
        });
        for s in ss.as_mut().unwrap() {
            s.select(&mb).await?;
        }
    }
    let run = run_id();
    let g = letters.clone();
    if want("append") || want("copy") || want("move") || want("expunge") {
        for s in ss.as_mut().unwrap() {
            for m in ["W1", "W2"] {
                let _ = s.cmd(&format!("CREATE \"{m}\"")).await;
            }
        }
    }
    let us2 = us.clone();
    op!("append", 3000, json!({"size": size}), |s, i| {
        let (g, r, us) = (g.clone(), run.clone(), us2.clone());
        async move { s.append("W1", &g.message(&r, i, &us.address(s.n))).await }
    });
    op!("copy", 2000, x.clone(), |s, i| async move {
        let u = s.uids[Rng(i as u64).below(s.uids.len())];
        s.count(&format!("UID COPY {u} W1")).await.map(|_| ())
    });
    if want("copy-100") {
        op!("copy-100", 60, x.clone(), |s, _i| async move {
            s.count(&format!("COPY 1:{} W1", 100.min(s.uids.len()))).await.map(|_| ())
        });
    }
    if want("move") || want("expunge") {
        let per = args.num("move-per-session", 100);
        for s in ss.as_mut().unwrap() {
            if s.n < users {
                s.fill("W2", per * n.div_ceil(users) * 2, &letters, &us.address(s.n)).await?;
            }
        }
        for (k, s) in ss.as_mut().unwrap().iter_mut().enumerate() {
            s.select("W2").await?;
            let all = s.search("ALL").await?;
            // sessions that share a user take disjoint messages
            s.uids = all.into_iter().skip(k / users).step_by(n.div_ceil(users)).collect();
        }
        op!("move", n * per, json!({}), |s, _i| async move {
            match s.uids.pop() {
                None => Err("out of messages".to_string()),
                Some(u) => s.count(&format!("UID MOVE {u} W1")).await.map(|_| ()),
            }
        });
        op!("expunge", n * per * 9 / 10, json!({"note": "STORE +Deleted, then UID EXPUNGE/EXPUNGE"}), |s, _i| async move {
            match s.uids.pop() {
                None => Err("out of messages".to_string()),
                Some(u) => {
                    s.count(&format!("UID STORE {u} +FLAGS.SILENT (\\Deleted)")).await?;
                    let c = if s.caps.contains("UIDPLUS") { format!("UID EXPUNGE {u}") } else { "EXPUNGE".into() };
                    s.count(&c).await.map(|_| ())
                }
            }
        });
    }
    if only.is_none() || want("cleanup") {
        for s in ss.as_mut().unwrap() {
            let _ = s.select(&mb).await;
            for m in ["W1", "W2"] {
                let _ = s.cmd(&format!("DELETE \"{m}\"")).await;
            }
        }
    }
    for mut s in ss.unwrap() {
        s.logout().await;
    }
    Ok(())
}

/// Push latency: one SMTP message at a time to a user whose INBOX is in IDLE.
pub async fn idle_push(srv: &Server, args: &Args) -> R<()> {
    let m = args.num("messages", 50);
    let via_append = args.str("via", "smtp") == "append";
    let tc = connector(true);
    let letters = Letters::new(args.num("size", 4096));
    let run = run_id();
    let mut out = Out::new(srv, "imap", args);
    let mut idle = Imap::open_login(srv, 0, &tc).await?;
    let mut other = if via_append { Some(Imap::open_login(srv, 0, &tc).await?) } else { None };
    let mut smtp = match (&srv.smtp, via_append) {
        (_, true) => None,
        (Some(e), _) => Some(Smtp::open(e, &e.tls, &tc).await?),
        (None, _) => return Err("no [smtp]".into()),
    };
    idle.select("INBOX").await?;
    let tag = idle.idle_start().await?;
    let to = srv.users.address(0);
    let (mut after, mut total) = (vec![], vec![]);
    let mut errors = 0;
    let mut first = String::new();
    out.start();
    let t00 = Instant::now();
    for i in 0..m {
        let msg = letters.message(&run, i, &to);
        let t0 = Instant::now();
        let want = idle.exists + 1;
        let wait = async {
            loop {
                let r = idle.response().await?;
                if r.ends_with(b" EXISTS") {
                    idle.note(&r);
                    if idle.exists >= want {
                        return Ok::<Instant, String>(Instant::now());
                    }
                }
            }
        };
        let to2 = [to.clone()];
        let send = async {
            match (&mut smtp, &mut other) {
                (Some(s), _) => s.send("sender@example.org", &to2, &msg, true).await?,
                (_, Some(o)) => o.append("INBOX", &msg).await?,
                _ => {}
            }
            Ok::<Instant, String>(Instant::now())
        };
        match tokio::join!(tokio::time::timeout(Duration::from_secs(30), wait), send) {
            (Ok(Ok(w)), Ok(s)) => {
                after.push(w.saturating_duration_since(s).as_micros() as u64);
                total.push((w - t0).as_micros() as u64);
            }
            (w, s) => {
                errors += 1;
                first = format!("{:?} {:?}", w.map_err(es), s.err());
                if errors > 3 {
                    break;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let secs = t00.elapsed().as_secs_f64();
    after.sort_unstable();
    total.sort_unstable();
    let v = if via_append { "append" } else { "smtp" };
    out.phase(&format!("idle-push-after-{v}-ok"), 1, &Phase { lat_us: after, errors, first_error: first, secs }, json!({}));
    out.phase(&format!("idle-push-total-{v}"), 1, &Phase { lat_us: total, errors, first_error: String::new(), secs }, json!({}));
    idle.c.write(b"DONE\r\n").await?;
    let _ = idle.finish(&tag, false).await;
    idle.logout().await;
    if let Some(mut s) = smtp {
        s.quit().await;
    }
    Ok(())
}

async fn idle_one(srv: &Server, n: usize, tc: &TlsConnector) -> R<(Imap, String)> {
    let mut i = Imap::open_login(srv, n, tc).await?;
    i.select("INBOX").await?;
    let t = i.idle_start().await?;
    Ok((i, t))
}

/// Memory at rest and with idle connections.
pub async fn idle_mem(srv: &Server, args: &Args) -> R<()> {
    let steps: Vec<usize> =
        args.list("conns").map(|v| v.iter().filter_map(|x| x.parse().ok()).collect()).unwrap_or(vec![0, 100, 1000]);
    let tc = connector(true);
    let out = Out::new(srv, "idle", args);
    let mut conns: Vec<(Imap, String)> = vec![];
    let users = args.num("users", srv.users.count).min(srv.users.count);
    for st in steps {
        let t = Instant::now();
        let mut failed = String::new();
        let (have, at_once) = (conns.len(), 16);
        let mut tasks = vec![];
        for k in 0..at_once {
            let (srv, tc) = (srv.clone(), tc.clone());
            tasks.push(tokio::spawn(async move {
                let mut mine: Vec<(Imap, String)> = vec![];
                for n in (have + k..st).step_by(at_once) {
                    match idle_one(&srv, n % users, &tc).await {
                        Ok(one) => mine.push(one),
                        Err(e) => return (mine, e),
                    }
                }
                (mine, String::new())
            }));
        }
        for task in tasks {
            let (mine, e) = task.await.map_err(es)?;
            conns.extend(mine);
            if !e.is_empty() {
                failed = e;
            }
        }
        let secs = t.elapsed().as_secs_f64();
        tokio::time::sleep(Duration::from_millis(if st == 0 { 200 } else { 2000 })).await;
        let (p, r, k) = crate::stats::pss_kb(srv);
        out.record(
            &format!("mem-{st}"),
            1,
            json!({"conns": conns.len(), "pss_mib": crate::stats::r3(p as f64 / 1024.0), "rss_sum_mib": crate::stats::r3(r as f64 / 1024.0), "processes": k, "open_secs": crate::stats::r3(secs), "failed": failed}),
        );
        if !failed.is_empty() {
            break;
        }
    }
    for (mut i, _) in conns {
        i.c.abort();
    }
    Ok(())
}

/// Runs proc.stop, proc.start and measures until the first IMAP greeting.
pub async fn cold_start(srv: &Server, args: &Args) -> R<()> {
    let e = srv.imap.clone().ok_or("no [imap]")?;
    let tc = connector(true);
    let mut out = Out::new(srv, "start", args);
    for _ in 0..args.num("repeat", 3) {
        sh(&srv.proc.stop)?;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        if Imap::open(&e, &tc).await.is_ok() {
            return Err("server still answers after proc.stop".into());
        }
        out.start();
        let t = Instant::now();
        let mut child = std::process::Command::new("/bin/sh")
            .arg("-c")
            .arg(&srv.proc.start)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .map_err(es)?;
        let mut ok = false;
        while t.elapsed().as_secs() < 60 {
            if Imap::open(&e, &tc).await.is_ok() {
                ok = true;
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let g = t.elapsed().as_secs_f64();
        let mut l = 0.0;
        if ok {
            let mut i = Imap::open_login(srv, 0, &tc).await?;
            l = t.elapsed().as_secs_f64();
            i.logout().await;
        }
        let _ = child.try_wait();
        out.record("cold-start", 1, json!({"greeting_ms": (g * 1000.0).round(), "first_login_ms": (l * 1000.0).round(), "ok": ok}));
        tokio::time::sleep(Duration::from_millis(1000)).await;
    }
    Ok(())
}
fn sh(c: &str) -> R<()> {
    std::process::Command::new("/bin/sh")
        .arg("-c")
        .arg(c)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .map(|_| ())
        .map_err(es)
}

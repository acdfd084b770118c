// SPDX-License-Identifier: AGPL-3.0-or-later
//! A load generator for mail servers, OpenID providers and key directories: `load WORKLOAD SERVER.toml [--key value]...`
mod config;
mod imap;
mod keys;
mod letters;
mod net;
mod oidc;
mod passkey;
mod smtp;
mod stats;

const USAGE: &str = "load WORKLOAD SERVER.toml [--key value]...
  smtp-in submit imap-fill imap idle-push idle cold-start oidc live-sessions keys   (need SERVER.toml)
  sink ADDR | dns ADDR (a resolver for a closed network) | genkeys --dir D --keys N
  common: --out FILE.jsonl --label L --sessions N --secs S --max N --ops a,b --sources N (connect from N loopback addresses)";

fn main() {
    let mut pos = vec![];
    let mut args = config::Args::default();
    let mut it = std::env::args().skip(1).peekable();
    while let Some(a) = it.next() {
        if let Some(k) = a.strip_prefix("--") {
            let v = if it.peek().is_some_and(|x| !x.starts_with("--")) { it.next().unwrap() } else { String::new() };
            args.0.insert(k.into(), v);
        } else {
            pos.push(a);
        }
    }
    let Some(cmd) = pos.first().cloned() else {
        eprintln!("{USAGE}");
        std::process::exit(2);
    };
    net::spread(args.num("sources", 1));
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(args.num("threads", 2)).enable_all().build().unwrap();
    let r = rt.block_on(async {
        match cmd.as_str() {
            "genkeys" => return keys::genkeys(&args),
            "dns" => return dns(pos.get(1).ok_or("dns ADDR")?).await,
            "sink" => {
                let got = smtp::Sink::start(pos.get(1).ok_or("sink ADDR")?).await?;
                tokio::time::sleep(std::time::Duration::from_secs(args.num("secs", 600) as u64)).await;
                println!("{} messages", got.lock().unwrap().values().sum::<u32>());
                return Ok(());
            }
            _ => {}
        }
        let srv = config::load(pos.get(1).ok_or(USAGE)?)?;
        if let Some(l) = args.0.get("wait-load") {
            let l: f64 = l.parse().unwrap_or(1.0);
            let t = std::time::Instant::now();
            while stats::load1() > l && t.elapsed().as_secs() < args.num("wait-secs", 300) as u64 {
                tokio::time::sleep(std::time::Duration::from_secs(2)).await;
            }
        }
        match cmd.as_str() {
            "smtp-in" => smtp::deliver(&srv, &args, false).await,
            "submit" => smtp::deliver(&srv, &args, true).await,
            "imap-fill" => imap::fill(&srv, &args).await,
            "imap" => imap::run(&srv, &args).await,
            "idle-push" => imap::idle_push(&srv, &args).await,
            "idle" => imap::idle_mem(&srv, &args).await,
            "cold-start" => imap::cold_start(&srv, &args).await,
            "oidc" => oidc::run(&srv, &args).await,
            "live-sessions" => oidc::live_sessions(&srv, &args).await,
            "keys" => keys::run(&srv, &args).await,
            _ => Err(USAGE.into()),
        }
    });
    if let Err(e) = r {
        eprintln!("load {cmd}: {e}");
        std::process::exit(1);
    }
}

/// A resolver for a closed network, so that no server waits for one it cannot reach: every name has the
/// address 127.0.0.1 and the MX "10 itself"; nothing else exists (no TXT, PTR, TLSA, AAAA).
async fn dns(addr: &str) -> Result<(), String> {
    let s = tokio::net::UdpSocket::bind(addr).await.map_err(|e| e.to_string())?;
    let mut b = [0u8; 1500];
    loop {
        let Ok((n, from)) = s.recv_from(&mut b).await else { continue };
        if n < 17 {
            continue;
        }
        let mut end = 12;
        while end < n && b[end] != 0 {
            end += 1 + b[end] as usize;
        }
        let end = (end + 5).min(n);
        let qtype = u16::from_be_bytes([b[end - 4], b[end - 3]]);
        let name = String::from_utf8_lossy(&b[12..end - 4]).to_ascii_lowercase();
        let data: &[u8] = match qtype {
            1 => &[127, 0, 0, 1],
            15 => &[0, 10, 0xC0, 12],
            _ => &[],
        };
        // Policy and reverse names do not exist; the TXT, AAAA and other records of names that do are empty.
        let gone = name.contains("_dmarc") || name.contains("_domainkey") || name.contains("arpa") || name.contains('_');
        let mut o = b[..end].to_vec();
        o[2] = 0x84 | (b[2] & 1);
        o[3] = if gone { 0x83 } else { 0x80 };
        let answer = !gone && !data.is_empty();
        o[4..12].copy_from_slice(&[0, 1, 0, answer as u8, 0, 0, 0, 0]);
        if answer {
            o.extend_from_slice(&[0xC0, 12, 0, qtype as u8, 0, 1, 0, 0, 0x0E, 0x10, 0, data.len() as u8]);
            o.extend_from_slice(data);
        }
        let _ = s.send_to(&o, from).await;
    }
}

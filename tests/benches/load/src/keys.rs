// SPDX-License-Identifier: AGPL-3.0-or-later
//! Key directory workloads and an OpenPGP test-key maker (v4, Ed25519 with an X25519 subkey, one user id).
use crate::config::{Args, Server};
use crate::letters::Rng;
use crate::net::{Http, R, connector, es};
use crate::stats::{Out, phase};
use base64::Engine;
use ring::digest;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::json;
use std::sync::Arc;

fn sha1(b: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, b).as_ref().to_vec()
}
pub fn zbase32(b: &[u8]) -> String {
    let a = b"ybndrfg8ejkmcpqxot1uwisza345h769";
    let mut o = String::new();
    let bits = b.len() * 8;
    let mut i = 0;
    while i < bits {
        let mut v = 0;
        for k in 0..5 {
            let p = i + k;
            let bit = if p < bits { b[p / 8] >> (7 - p % 8) & 1 } else { 0 };
            v = v << 1 | bit;
        }
        o.push(a[v as usize] as char);
        i += 5;
    }
    o
}
fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut o = vec![0xC0 | tag];
    let n = body.len();
    if n < 192 {
        o.push(n as u8);
    } else {
        o.push(((n - 192) >> 8) as u8 + 192);
        o.push((n - 192) as u8);
    }
    o.extend_from_slice(body);
    o
}
fn mpi(b: &[u8]) -> Vec<u8> {
    let b = &b[b.iter().position(|&x| x != 0).unwrap_or(b.len() - 1)..];
    let bits = b.len() * 8 - b[0].leading_zeros() as usize;
    let mut o = vec![(bits >> 8) as u8, bits as u8];
    o.extend_from_slice(b);
    o
}
pub struct Key {
    pub addr: String,
    pub fpr: String,
    pub bin: Vec<u8>,
}
pub fn make_key(seed: u64, addr: &str) -> Key {
    let mut r = Rng(seed);
    let mut s = [0u8; 32];
    for c in s.chunks_mut(8) {
        c.copy_from_slice(&r.next().to_le_bytes());
    }
    let kp = Ed25519KeyPair::from_seed_unchecked(&s).unwrap();
    let created: u32 = 1_790_000_000;
    let mut pk = vec![4];
    pk.extend_from_slice(&created.to_be_bytes());
    pk.push(22);
    pk.extend_from_slice(&[9, 0x2B, 0x06, 0x01, 0x04, 0x01, 0xDA, 0x47, 0x0F, 0x01]);
    let mut q = vec![0x40];
    q.extend_from_slice(kp.public_key().as_ref());
    pk.extend(mpi(&q));
    let mut fp_in = vec![0x99, (pk.len() >> 8) as u8, pk.len() as u8];
    fp_in.extend_from_slice(&pk);
    let fpr = sha1(&fp_in);
    let uid = format!("Load Test <{addr}>");
    let mut about = vec![0xB4];
    about.extend_from_slice(&(uid.len() as u32).to_be_bytes());
    about.extend_from_slice(uid.as_bytes());
    // Curve25519 as GnuPG 2.1 and later know it: the subkey's point is any 32 octets.
    let mut sub = vec![4];
    sub.extend_from_slice(&created.to_be_bytes());
    sub.push(18);
    sub.extend_from_slice(&[10, 0x2B, 0x06, 0x01, 0x04, 0x01, 0x97, 0x55, 0x01, 0x05, 0x01]);
    let mut point = vec![0x40];
    (0..4).for_each(|_| point.extend_from_slice(&r.next().to_le_bytes()));
    sub.extend(mpi(&point));
    sub.extend_from_slice(&[3, 1, 8, 7]);
    let mut sub_about = vec![0x99, (sub.len() >> 8) as u8, sub.len() as u8];
    sub_about.extend_from_slice(&sub);
    let mut bin = packet(6, &pk);
    bin.extend(packet(13, uid.as_bytes()));
    bin.extend(signature(&kp, &fp_in, &about, &fpr, 0x13, 0x03, created)); // certify, sign
    bin.extend(packet(14, &sub));
    bin.extend(signature(&kp, &fp_in, &sub_about, &fpr, 0x18, 0x0C, created)); // encrypt
    Key { addr: addr.into(), fpr: fpr.iter().map(|b| format!("{b:02X}")).collect(), bin }
}
/// A signature packet over the primary key and what it is about.
fn signature(kp: &Ed25519KeyPair, primary: &[u8], about: &[u8], fpr: &[u8], kind: u8, flags: u8, created: u32) -> Vec<u8> {
    let mut hashed: Vec<u8> = vec![5, 2];
    hashed.extend_from_slice(&created.to_be_bytes());
    hashed.extend_from_slice(&[2, 27, flags, 22, 33, 4]); // key flags; issuer fingerprint
    hashed.extend_from_slice(fpr);
    let mut sig = vec![4, kind, 22, 8];
    sig.extend_from_slice(&(hashed.len() as u16).to_be_bytes());
    sig.extend_from_slice(&hashed);
    let mut tbs = primary.to_vec();
    tbs.extend_from_slice(about);
    tbs.extend_from_slice(&sig);
    tbs.extend_from_slice(&[4, 0xFF]);
    tbs.extend_from_slice(&(sig.len() as u32).to_be_bytes());
    let d = digest::digest(&digest::SHA256, &tbs);
    let sg = kp.sign(d.as_ref());
    let mut sp = sig;
    sp.extend_from_slice(&[0, 10, 9, 16]);
    sp.extend_from_slice(&fpr[12..]);
    sp.extend_from_slice(&d.as_ref()[..2]);
    sp.extend(mpi(&sg.as_ref()[..32]));
    sp.extend(mpi(&sg.as_ref()[32..]));
    packet(2, &sp)
}
pub fn armor(bin: &[u8]) -> String {
    let b = base64::engine::general_purpose::STANDARD.encode(bin);
    let mut crc: u32 = 0xB704CE;
    for &x in bin {
        crc ^= (x as u32) << 16;
        for _ in 0..8 {
            crc <<= 1;
            if crc & 0x1000000 != 0 {
                crc ^= 0x1864CFB;
            }
        }
    }
    let c = base64::engine::general_purpose::STANDARD.encode(&(crc & 0xFFFFFF).to_be_bytes()[1..]);
    let mut o = String::from("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n");
    for l in b.as_bytes().chunks(64) {
        o.push_str(std::str::from_utf8(l).unwrap());
        o.push('\n');
    }
    o.push_str(&format!("={c}\n-----END PGP PUBLIC KEY BLOCK-----\n"));
    o
}
/// DIR/hu/<hash> (binary keys), DIR/asc/<fpr>.asc, DIR/index.tsv: address, local part, hash, fingerprint.
pub fn genkeys(args: &Args) -> R<()> {
    let dir = args.str("dir", "keys");
    let n = args.num("keys", 1000);
    let dom = args.str("domain", "bench.test");
    std::fs::create_dir_all(format!("{dir}/hu")).map_err(es)?;
    std::fs::create_dir_all(format!("{dir}/asc")).map_err(es)?;
    let mut idx = String::new();
    for i in 0..n {
        let lp = format!("k{i}");
        let k = make_key(i as u64 + 1, &format!("{lp}@{dom}"));
        let h = zbase32(&sha1(lp.as_bytes()));
        std::fs::write(format!("{dir}/hu/{h}"), &k.bin).map_err(es)?;
        std::fs::write(format!("{dir}/asc/{}.asc", k.fpr), armor(&k.bin)).map_err(es)?;
        idx.push_str(&format!("{}\t{lp}\t{h}\t{}\n", k.addr, k.fpr));
    }
    std::fs::write(format!("{dir}/index.tsv"), idx).map_err(es)
}
pub fn form(s: &str) -> String {
    let mut o = String::new();
    for b in s.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            o.push(b as char);
        } else {
            o.push_str(&format!("%{b:02X}"));
        }
    }
    o
}

struct K {
    h: Http,
    used: usize,
}
pub async fn run(srv: &Server, args: &Args) -> R<()> {
    let k = srv.keys.clone().ok_or("server has no [keys]")?;
    let n = args.num("sessions", 8);
    let secs = args.real("secs", 10.0);
    let max = args.num("max", 1_000_000);
    let only = args.list("ops");
    let want = |op: &str| only.as_ref().map(|o| o.iter().any(|x| x == op)).unwrap_or(true);
    let mut out = Out::new(srv, "keys", args);
    let idx: Arc<Vec<Vec<String>>> = Arc::new(match &k.dir {
        Some(d) => std::fs::read_to_string(format!("{d}/index.tsv"))
            .map_err(es)?
            .lines()
            .map(|l| l.split('\t').map(|s| s.to_string()).collect())
            .collect(),
        None => vec![],
    });
    let mk = || (0..n).map(|_| K { h: Http::new(connector(true)), used: 0 }).collect::<Vec<_>>();
    for (op, url) in [("wkd-get", &k.wkd), ("hkp-get", &k.hkp)] {
        if let (Some(u), true) = (url, want(op)) {
            if idx.is_empty() {
                return Err("no keys; run genkeys".into());
            }
            let (u, idx) = (u.clone(), idx.clone());
            out.start();
            let per = args.num("per-conn", usize::MAX);
            let (_, p) = phase(mk(), max, secs, move |s: &mut K, i| {
                let (u, idx) = (u.clone(), idx.clone());
                Box::pin(async move {
                    let e = &idx[Rng(i as u64).below(idx.len())];
                    let u = u
                        .replace("{addr}", &form(&e[0]))
                        .replace("{local}", &e[1])
                        .replace("{hash}", &e[2])
                        .replace("{fpr}", &e[3]);
                    let r = s.h.req("GET", &u, &[], b"").await?.ok()?;
                    s.used += 1;
                    if s.used % per == 0 {
                        s.h.drop_conn();
                    }
                    if r.body.len() < 100 { Err("short answer".to_string()) } else { Ok(()) }
                })
            })
            .await;
            out.phase(op, n, &p, json!({"per_conn": args.num("per-conn", usize::MAX)}));
        }
    }
    // Fresh keys, made before the clock starts.
    let cnt = args.num("upload-count", 1000).min(max);
    let base = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as u64;
    let need = (k.vks_upload.is_some() && want("vks-upload")) || (k.hkp_add.is_some() && want("hkp-add"));
    let fresh: Arc<Vec<String>> = Arc::new(if need {
        (0..2 * cnt).map(|i| armor(&make_key(base + i as u64, &format!("n{base}x{i}@bench.test")).bin)).collect()
    } else {
        vec![]
    });
    for (op, url, off) in [("vks-upload", &k.vks_upload, 0), ("hkp-add", &k.hkp_add, cnt)] {
        if let (Some(u), true) = (url, want(op)) {
            let (u, fresh) = (u.clone(), fresh.clone());
            let vks = op == "vks-upload";
            out.start();
            let (_, p) = phase(mk(), cnt, secs, move |s: &mut K, i| {
                let (u, fresh) = (u.clone(), fresh.clone());
                Box::pin(async move {
                    let a = &fresh[off + i];
                    if vks {
                        s.h.req("POST", &u, &[("Content-Type", "application/json")], json!({"keytext": a}).to_string().as_bytes())
                            .await?
                            .ok()?;
                    } else {
                        s.h.req(
                            "POST",
                            &u,
                            &[("Content-Type", "application/x-www-form-urlencoded")],
                            format!("keytext={}", form(a)).as_bytes(),
                        )
                        .await?
                        .ok()?;
                    }
                    Ok(())
                })
            })
            .await;
            out.phase(op, n, &p, json!({}));
        }
    }
    Ok(())
}

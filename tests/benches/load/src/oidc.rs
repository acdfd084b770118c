// SPDX-License-Identifier: AGPL-3.0-or-later
//! OAuth 2 / OpenID Connect workloads.
use crate::config::{Args, Oidc, Server};
use crate::keys::form;
pub use crate::keys::form as form_field;
use crate::net::{Http, R, Resp, connector, split_url};
use crate::passkey::Device;
use crate::stats::{Out, phase};
use base64::Engine;
use ring::rand::SecureRandom;
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Default, Clone)]
struct Jar(Vec<(String, String, String)>); // name, value, path
impl Jar {
    fn take(&mut self, r: &Resp, req_path: &str) {
        for (k, v) in &r.headers {
            if k != "set-cookie" {
                continue;
            }
            let mut it = v.split(';');
            let Some((n, val)) = it.next().and_then(|x| x.split_once('=')) else { continue };
            let mut path = req_path.rsplit_once('/').map(|x| if x.0.is_empty() { "/" } else { x.0 }).unwrap_or("/").to_string();
            let mut gone = val.is_empty();
            for a in it {
                let (k, v) = a.trim().split_once('=').unwrap_or((a.trim(), ""));
                if k.eq_ignore_ascii_case("path") {
                    path = v.to_string();
                }
                if (k.eq_ignore_ascii_case("expires") && v.contains("1970")) || (k.eq_ignore_ascii_case("max-age") && v == "0") {
                    gone = true;
                }
            }
            self.0.retain(|c| !(c.0 == n.trim() && c.2 == path));
            if !gone {
                self.0.push((n.trim().into(), val.into(), path));
            }
        }
    }
    fn header(&self, path: &str) -> String {
        self.0.iter().filter(|c| path.starts_with(&c.2)).map(|c| format!("{}={}", c.0, c.1)).collect::<Vec<_>>().join("; ")
    }
}
/// What HTML writes for the characters that it needs for itself.
fn unescape(text: &str) -> String {
    [
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&lt;", "<"),
        ("&#60;", "<"),
        ("&gt;", ">"),
        ("&#62;", ">"),
        ("&#38;", "&"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_string(), |text, (written, meant)| text.replace(written, meant))
}
pub fn attr(tag: &str, name: &str) -> Option<String> {
    let l = tag.to_ascii_lowercase();
    let mut from = 0;
    while let Some(i) = l[from..].find(name) {
        let i = from + i;
        let before = l.as_bytes()[i.saturating_sub(1)];
        let rest = tag[i + name.len()..].trim_start();
        if before.is_ascii_whitespace() {
            if let Some(r) = rest.strip_prefix('=') {
                let r = r.trim_start();
                let v = match r.chars().next() {
                    Some(q @ ('"' | '\'')) => r[1..].split(q).next().unwrap_or(""),
                    _ => r.split(|c: char| c.is_whitespace() || c == '>').next().unwrap_or(""),
                };
                return Some(unescape(v));
            }
        }
        from = i + name.len();
    }
    None
}
/// First form of a page, filled in: (method, action, body)
pub fn fill_form(html: &str, login: &str, pw: &str) -> Option<(String, String, String)> {
    let low = html.to_ascii_lowercase();
    let a = low.find("<form")?;
    let z = low[a..].find("</form>").map(|i| a + i).unwrap_or(html.len());
    let f = &html[a..z];
    let head = &f[..f.find('>')? + 1];
    let mut fields: Vec<(String, String)> = vec![];
    let mut submit = None;
    for t in f[head.len()..]
        .split('<')
        .filter(|t| t.to_ascii_lowercase().starts_with("input") || t.to_ascii_lowercase().starts_with("button"))
    {
        let t = &t[..t.find('>').unwrap_or(t.len())];
        let t = &format!("{t} ");
        let Some(name) = attr(t, "name") else { continue };
        let ty = attr(t, "type").unwrap_or_default().to_ascii_lowercase();
        let val = attr(t, "value").unwrap_or_default();
        if t.to_ascii_lowercase().starts_with("button") || ty == "submit" {
            submit.get_or_insert((name, val));
        } else if ty == "password" {
            fields.push((name, pw.into()));
        } else if ty == "checkbox" || ty == "radio" {
            fields.push((name, if val.is_empty() { "on".into() } else { val }));
        } else if ty != "hidden" && val.is_empty() {
            fields.push((name, login.into()));
        } else {
            fields.push((name, val));
        }
    }
    fields.extend(submit);
    let body = fields.iter().map(|(k, v)| format!("{}={}", form(k), form(v))).collect::<Vec<_>>().join("&");
    Some((attr(head, "method").unwrap_or("get".into()).to_ascii_uppercase(), attr(head, "action").unwrap_or_default(), body))
}
fn absolute(base: &str, u: &str) -> String {
    if u.contains("://") {
        return u.into();
    }
    let (tls, auth, _, path) = split_url(base).unwrap();
    let p = path.split('?').next().unwrap();
    let path = if u.is_empty() {
        path.clone()
    } else if u.starts_with('/') {
        u.into()
    } else if u.starts_with('?') {
        format!("{p}{u}")
    } else {
        format!("{}/{u}", p.rsplit_once('/').map(|x| x.0).unwrap_or(""))
    };
    format!("{}://{auth}{path}", if tls { "https" } else { "http" })
}
fn origin(url: &str) -> R<String> {
    let (tls, auth, ..) = split_url(url)?;
    Ok(format!("{}://{auth}", if tls { "https" } else { "http" }))
}
fn query(u: &str, k: &str) -> Option<String> {
    let q = u.split_once('?')?.1;
    q.split('#').next().unwrap().split('&').find_map(|p| p.split_once('=').filter(|(n, _)| *n == k).map(|(_, v)| unform(v)))
}
fn unform(s: &str) -> String {
    let b = s.as_bytes();
    let mut o = vec![];
    let mut i = 0;
    while i < b.len() {
        if b[i] == b'%' && i + 2 < b.len() {
            o.push(u8::from_str_radix(&s[i + 1..i + 3], 16).unwrap_or(b'?'));
            i += 3;
        } else {
            o.push(if b[i] == b'+' { b' ' } else { b[i] });
            i += 1;
        }
    }
    String::from_utf8_lossy(&o).into_owned()
}
fn rnd(n: usize) -> String {
    let mut b = vec![0u8; n];
    ring::rand::SystemRandom::new().fill(&mut b).unwrap();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(b)
}

pub struct Sess {
    h: Http,
    jar: Jar,
    user: usize,
    refresh: String,
    access: String,
    device: Option<Device>,
}
impl Sess {
    fn new(user: usize) -> Sess {
        Sess {
            h: Http::new(connector(true)),
            jar: Jar::default(),
            user,
            refresh: String::new(),
            access: String::new(),
            device: None,
        }
    }
}
struct Cx {
    o: Oidc,
    srv: Server,
}
impl Cx {
    async fn token(&self, h: &mut Http, grant: &str, extra: &[(&str, &str)]) -> R<Value> {
        let mut b = format!("grant_type={}", form(grant));
        for (k, v) in extra {
            if !v.is_empty() {
                b.push_str(&format!("&{k}={}", form(v)));
            }
        }
        self.post_client(h, &self.o.token, b).await
    }
    async fn post_client(&self, h: &mut Http, url: &str, mut b: String) -> R<Value> {
        let auth = format!(
            "Basic {}",
            base64::engine::general_purpose::STANDARD.encode(format!(
                "{}:{}",
                form(&self.o.client_id),
                form(&self.o.client_secret)
            ))
        );
        let mut hd = vec![("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")];
        match self.o.client_auth.as_str() {
            "basic" => hd.push(("Authorization", auth.as_str())),
            "post" => b.push_str(&format!("&client_id={}&client_secret={}", form(&self.o.client_id), form(&self.o.client_secret))),
            _ => b.push_str(&format!("&client_id={}", form(&self.o.client_id))),
        }
        h.req("POST", url, &hd, b.as_bytes()).await?.ok()?.json()
    }
    async fn web(&self, s: &mut Sess, method: &str, url: &str, ctype: &str, body: &[u8]) -> R<Resp> {
        let (_, _, _, path) = split_url(url)?;
        let c = s.jar.header(&path);
        let mut hd = vec![("Accept", "text/html,application/json")];
        if !c.is_empty() {
            hd.push(("Cookie", c.as_str()));
        }
        if !body.is_empty() {
            hd.push(("Content-Type", ctype));
        }
        let r = s.h.req(method, url, &hd, body).await?;
        s.jar.take(&r, path.split('?').next().unwrap());
        Ok(r)
    }
    /// Authorization request up to the code, then the token request.
    async fn code_flow(&self, s: &mut Sess, fresh: bool) -> R<Value> {
        let o = &self.o;
        if fresh {
            s.jar = Jar::default();
        }
        let ver = rnd(32);
        let ch =
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, ver.as_bytes()));
        let state = rnd(8);
        let (login, pw) = (self.srv.users.login(s.user), self.srv.users.password.clone());
        let code = {
            let az = o.authorize.clone().ok_or("no authorize url")?;
            let mut url = format!(
                "{az}?response_type=code&client_id={}&redirect_uri={}&scope={}&state={state}&nonce={}&code_challenge={ch}&code_challenge_method=S256{}",
                form(&o.client_id),
                form(&o.redirect_uri),
                form(&o.scope),
                rnd(8),
                if fresh && o.scope.contains("offline") { "&prompt=consent" } else { "" }
            );
            let (mut method, mut body) = ("GET".to_string(), String::new());
            let mut code = None;
            for _ in 0..14 {
                let r = self.web(s, &method, &url, "application/x-www-form-urlencoded", body.as_bytes()).await?;
                if (300..400).contains(&r.status) {
                    let l = absolute(&url, r.header("location").ok_or("redirect without location")?);
                    if l.starts_with(&o.redirect_uri) {
                        if query(&l, "state").as_deref() != Some(&state) {
                            return Err(format!("state differs: {l}"));
                        }
                        code = Some(query(&l, "code").ok_or_else(|| format!("no code: {l}"))?);
                        break;
                    }
                    (method, url, body) = ("GET".into(), l, String::new());
                } else if r.status == 200 {
                    let html = String::from_utf8_lossy(&r.body).into_owned();
                    if let Some(device) = s.device.as_ref().filter(|_| html.contains("data-passkey=\"ask\"")) {
                        let (action, filled) = device.fill(&html, "ask", &origin(&url)?)?;
                        (method, url, body) = ("POST".into(), absolute(&url, &action), filled);
                        continue;
                    }
                    let (m, a, b) = fill_form(&html, &login, &pw)
                        .ok_or_else(|| format!("no form at {url}: {}", &html[..html.len().min(200)]))?;
                    url = absolute(&url, &a);
                    if m == "GET" {
                        url = format!("{url}?{b}");
                        body = String::new();
                    } else {
                        body = b;
                    }
                    method = m;
                } else {
                    return Err(format!(
                        "http {} at {url}: {}",
                        r.status,
                        String::from_utf8_lossy(&r.body[..r.body.len().min(200)])
                    ));
                }
            }
            code.ok_or("no code after 14 steps")?
        };
        let mut h = Http::new(s.h.tls.clone());
        std::mem::swap(&mut h, &mut s.h);
        let t = self
            .token(&mut h, "authorization_code", &[("code", &code), ("redirect_uri", &o.redirect_uri), ("code_verifier", &ver)])
            .await;
        std::mem::swap(&mut h, &mut s.h);
        let t = t?;
        if t["access_token"].as_str().is_none() {
            return Err(format!("no access_token: {t}"));
        }
        Ok(t)
    }
}

impl Cx {
    /// Signs in by password and gives the person a passkey, if an earlier run did not.
    async fn add_passkey(&self, s: &mut Sess, page: &str) -> R<()> {
        let (login, pw) = (self.srv.users.login(s.user), self.srv.users.password.clone());
        s.device = Some(Device::of(s.user)?);
        if self.code_flow(s, true).await.is_ok() {
            return Ok(());
        }
        s.jar = Jar::default();
        let device = s.device.take().ok_or("no device")?;
        let (mut method, mut url, mut body, mut made) = ("GET".to_string(), page.to_string(), String::new(), false);
        for _ in 0..8 {
            let r = self.web(s, &method, &url, "application/x-www-form-urlencoded", body.as_bytes()).await?;
            let html = String::from_utf8_lossy(&r.body).into_owned();
            if made && r.status < 400 {
                s.device = Some(device);
                return Ok(());
            } else if (300..400).contains(&r.status) {
                (method, url, body) = ("GET".into(), absolute(&url, r.header("location").ok_or("no location")?), String::new());
            } else if html.contains("data-passkey=\"make\"") {
                let (action, filled) = device.fill(&html, "make", &origin(&url)?)?;
                (method, url, body, made) = ("POST".into(), absolute(&url, &action), filled, true);
            } else {
                let (m, a, b) = fill_form(&html, &login, &pw).ok_or_else(|| format!("http {} at {url}", r.status))?;
                (method, url, body) = (m, absolute(&url, &a), b);
            }
        }
        Err("no passkey after 8 steps".into())
    }
}

pub async fn run(srv: &Server, args: &Args) -> R<()> {
    let o = srv.oidc.clone().ok_or("server has no [oidc]")?;
    let n = args.num("sessions", 4);
    let secs = args.real("secs", 8.0);
    let max = args.num("max", 1_000_000);
    let only = args.list("ops");
    let want = |op: &str| only.as_ref().map(|x| x.iter().any(|y| y == op)).unwrap_or(true);
    let mut out = Out::new(srv, "oidc", args);
    let cx = Arc::new(Cx { o: o.clone(), srv: srv.clone() });
    let mut ss: Option<Vec<Sess>> = Some((0..n).map(|k| Sess::new(k % srv.users.count)).collect());
    macro_rules! op {
        ($name:expr, $have:expr, |$cx:ident, $s:ident| $body:expr) => {
            if want($name) && $have {
                out.start();
                let cx2 = cx.clone();
                let (back, p) = phase(ss.take().unwrap(), max, secs, move |$s: &mut Sess, _i| {
                    let $cx = cx2.clone();
                    let fut = $body;
                    Box::pin(fut)
                })
                .await;
                ss = Some(back);
                out.phase($name, n, &p, json!({}));
            }
        };
    }
    let get = |url: Option<String>| url.unwrap_or_default();
    let (disc, jwks, ui, intro) =
        (get(o.discovery.clone()), get(o.jwks.clone()), get(o.userinfo.clone()), get(o.introspect.clone()));
    let d = disc.clone();
    op!("discovery", !disc.is_empty(), |_cx, s| {
        let d = d.clone();
        async move { s.h.req("GET", &d, &[], b"").await?.ok().map(|_| ()) }
    });
    let d = jwks.clone();
    op!("jwks", !jwks.is_empty(), |_cx, s| {
        let d = d.clone();
        async move { s.h.req("GET", &d, &[], b"").await?.ok().map(|_| ()) }
    });
    let cc = o.cc_scope != "-";
    op!("client-credentials", cc, |cx, s| async move {
        let t = cx.token(&mut s.h, "client_credentials", &[("scope", &cx.o.cc_scope), ("resource", &cx.o.resource)]).await?;
        s.access = t["access_token"].as_str().ok_or("no access_token")?.into();
        Ok(())
    });
    let code = !o.redirect_uri.is_empty();
    op!("code-pkce-login", code, |cx, s| async move {
        let t = cx.code_flow(s, true).await?;
        s.access = t["access_token"].as_str().unwrap_or("").into();
        s.refresh = t["refresh_token"].as_str().unwrap_or("").into();
        s.user = (s.user + 1) % (cx.srv.users.count / 2);
        Ok(())
    });
    if let (Some(page), true) = (&o.passkeys, want("code-pkce-passkey")) {
        // People of their own: from now on their password alone is not enough.
        for (k, s) in ss.as_mut().unwrap().iter_mut().enumerate() {
            s.user = srv.users.count - 1 - k;
            s.jar = Jar::default();
            if let Err(e) = cx.add_passkey(s, page).await {
                eprintln!("no passkey: {e}");
            }
        }
        op!("code-pkce-passkey", ss.as_ref().unwrap().iter().all(|s| s.device.is_some()), |cx, s| async move {
            cx.code_flow(s, true).await.map(|_| ())
        });
        for (k, s) in ss.as_mut().unwrap().iter_mut().enumerate() {
            s.device = None;
            s.user = k;
        }
    }
    if code && ["code-pkce-sso", "refresh", "userinfo", "introspect"].iter().any(|x| want(x)) {
        for s in ss.as_mut().unwrap() {
            let t = cx.code_flow(s, true).await?;
            s.access = t["access_token"].as_str().unwrap_or("").into();
            s.refresh = t["refresh_token"].as_str().unwrap_or("").into();
        }
    }
    op!("code-pkce-sso", code, |cx, s| async move {
        let t = cx.code_flow(s, false).await?;
        s.access = t["access_token"].as_str().unwrap_or("").into();
        if let Some(r) = t["refresh_token"].as_str() {
            s.refresh = r.into();
        }
        Ok(())
    });
    // Some stores forget old tokens (an LRU map): log in again, so that the next phases hold live ones.
    if code && want("code-pkce-sso") {
        for s in ss.as_mut().unwrap() {
            let t = cx.code_flow(s, true).await?;
            s.access = t["access_token"].as_str().unwrap_or("").into();
            s.refresh = t["refresh_token"].as_str().unwrap_or("").into();
        }
    }
    let have = ss.as_ref().unwrap().iter().all(|s| !s.refresh.is_empty());
    if code && !have && want("refresh") {
        eprintln!("no refresh token was issued; refresh left out");
    }
    op!("refresh", code && have, |cx, s| async move {
        let r = s.refresh.clone();
        let t = cx.token(&mut s.h, "refresh_token", &[("refresh_token", &r)]).await?;
        s.access = t["access_token"].as_str().ok_or("no access_token")?.into();
        if let Some(r) = t["refresh_token"].as_str() {
            s.refresh = r.into();
        }
        Ok(())
    });
    let d = ui.clone();
    op!("userinfo", !ui.is_empty() && code, |_cx, s| {
        let d = d.clone();
        async move {
            let a = format!("Bearer {}", s.access);
            let v = s.h.req("GET", &d, &[("Authorization", &a)], b"").await?.ok()?.json()?;
            if v["sub"].is_null() { Err(format!("no sub: {v}")) } else { Ok(()) }
        }
    });
    let d = intro.clone();
    op!("introspect", !intro.is_empty(), |cx, s| {
        let d = d.clone();
        async move {
            let b = format!("token={}", form(&s.access));
            let v = cx.post_client(&mut s.h, &d, b).await?;
            if v["active"] != true { Err(format!("not active: {v}")) } else { Ok(()) }
        }
    });
    drop(ss);
    Ok(())
}

/// Memory with so many people signed in: each has a cookie, a refresh token and an access token of its own.
pub async fn live_sessions(srv: &Server, args: &Args) -> R<()> {
    let o = srv.oidc.clone().ok_or("server has no [oidc]")?;
    let cx = Arc::new(Cx { o, srv: srv.clone() });
    let total = args.num("sessions", 1000);
    let out = Out::new(srv, "oidc", args);
    let weigh = |n: usize| {
        let (pss, ..) = crate::stats::pss_kb(srv);
        out.record(&format!("live-sessions-{n}"), 1, json!({"pss_mib": crate::stats::r3(pss as f64 / 1024.0)}));
    };
    weigh(0);
    let mut tasks = vec![];
    for k in 0..8 {
        let cx = cx.clone();
        tasks.push(tokio::spawn(async move {
            for user in (k..total).step_by(8) {
                let mut s = Sess::new(user % (cx.srv.users.count / 2));
                cx.code_flow(&mut s, true).await?;
                s.h.drop_conn();
            }
            Ok::<(), String>(())
        }));
    }
    for task in tasks {
        task.await.map_err(|e| e.to_string())??;
    }
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    weigh(total);
    Ok(())
}

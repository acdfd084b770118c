// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which name and path leads where. Pure: a table of rows in the tests is the specification.

/// A process behind the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// Sign-in, account pages, OpenID Connect.
    Oauth,
    /// Mail over HTTP.
    Jmap,
    /// OpenPGP certificates.
    Keyserver,
}

impl Upstream {
    /// Its name, which its socket in `DIR/run` bears.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Oauth => "oauth",
            Self::Jmap => "jmap",
            Self::Keyserver => "keyserver",
        }
    }
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// To a process.
    Process(Upstream),
    /// To an app of the household, by whoever may use it.
    App,
    /// The page that says what lives here; with the domain.
    Home(String),
    /// The MTA-STS policy of a domain.
    MtaSts(String),
    /// The settings of a domain for mail programs.
    Autoconfig(String),
    /// To the home page of a domain.
    ToHome(String),
    /// The name is ours, the path is nothing.
    NotFound,
    /// The name is not ours.
    NotOurs,
}

/// The names that we answer to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Domains of people's addresses, the home's own first.
    pub domains: Vec<String>,
    /// The name that the machine greets with.
    pub hostname: String,
    /// The household's apps behind this door.
    pub apps: Vec<String>,
}

/// Decides where a request for `host` (lower case, no port) and `path` goes.
pub fn decide(names: &Names, host: &str, path: &str) -> Route {
    if let Some(domain) = names.domains.iter().find(|domain| *domain == host) {
        return at_domain(domain, path);
    }
    let below = host.split_once('.').and_then(|(label, rest)| {
        let domain = names.domains.iter().find(|domain| *domain == rest)?;
        Some((label, domain.clone()))
    });
    match below {
        Some(("id", _)) => Route::Process(Upstream::Oauth),
        Some(("mail", domain)) => at_mail(domain, path),
        // draft-koch-openpgp-webkey-service §3.1: the advanced method; HKP and VKS have a name of their own.
        Some(("openpgpkey", _)) if path.starts_with("/.well-known/openpgpkey/") => Route::Process(Upstream::Keyserver),
        Some(("openpgpkey", _)) => Route::NotFound,
        Some(("keys", _)) => Route::Process(Upstream::Keyserver),
        // RFC 8461 §3.3: this path at this name, by HTTPS.
        Some(("mta-sts", domain)) if path == "/.well-known/mta-sts.txt" => Route::MtaSts(domain),
        Some(("mta-sts", _)) => Route::NotFound,
        Some(("autoconfig", domain)) if path == "/mail/config-v1.1.xml" => Route::Autoconfig(domain),
        Some(("autoconfig", _)) => Route::NotFound,
        _ if host == names.hostname => at_mail(names.domains.first().cloned().unwrap_or_default(), path),
        _ if names.apps.iter().any(|app| app == host) => Route::App,
        _ => Route::NotOurs,
    }
}

fn at_domain(domain: &str, path: &str) -> Route {
    match path {
        "/" => Route::Home(domain.to_owned()),
        "/.well-known/jmap" => Route::Process(Upstream::Jmap),
        "/.well-known/webfinger"
        | "/.well-known/openid-configuration"
        | "/.well-known/oauth-authorization-server"
        | "/.well-known/change-password" => Route::Process(Upstream::Oauth),
        "/.well-known/autoconfig/mail/config-v1.1.xml" => Route::Autoconfig(domain.to_owned()),
        // The direct method of WKD.
        _ if path.starts_with("/.well-known/openpgpkey/") => Route::Process(Upstream::Keyserver),
        _ => Route::NotFound,
    }
}

fn at_mail(domain: String, path: &str) -> Route {
    match path {
        "/" => Route::ToHome(domain),
        // RFC 9728 §3.1: at the resource itself; whoever gives the tokens tells of it.
        "/.well-known/oauth-protected-resource" => Route::Process(Upstream::Oauth),
        _ => Route::Process(Upstream::Jmap),
    }
}

/// The name in a `Host` field or an authority: lower case, without port, final dot or user.
pub fn host_name(authority: &str) -> Option<String> {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            Some(_) => return None,
            None => authority,
        },
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'_');
    (!host.is_empty() && host.bytes().all(plain)).then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names {
            domains: vec!["example.org".into(), "second.example".into()],
            hostname: "mx.example.net".into(),
            apps: vec!["films.example.org".into(), "photos.example.com".into(), "id.example.org".into()],
        }
    }

    #[test]
    fn every_name_and_path_leads_where_the_design_says() {
        use Upstream::{Jmap, Keyserver, Oauth};
        let rows = [
            ("example.org", "/", Route::Home("example.org".into())),
            ("example.org", "/.well-known/webfinger", Route::Process(Oauth)),
            ("example.org", "/.well-known/oauth-authorization-server", Route::Process(Oauth)),
            // RFC 9728 §3: a resource tells of itself, and the domain is none; mail.D and id.D are.
            ("example.org", "/.well-known/oauth-protected-resource", Route::NotFound),
            ("mail.example.org", "/.well-known/oauth-protected-resource", Route::Process(Oauth)),
            ("id.example.org", "/.well-known/oauth-protected-resource", Route::Process(Oauth)),
            ("example.org", "/.well-known/jmap", Route::Process(Jmap)),
            ("example.org", "/.well-known/openpgpkey/hu/abc", Route::Process(Keyserver)),
            ("example.org", "/.well-known/openpgpkey/policy", Route::Process(Keyserver)),
            ("example.org", "/.well-known/autoconfig/mail/config-v1.1.xml", Route::Autoconfig("example.org".into())),
            ("example.org", "/.well-known/acme-challenge/x", Route::NotFound),
            ("example.org", "/jmap/api", Route::NotFound),
            ("id.example.org", "/", Route::Process(Oauth)),
            ("id.example.org", "/.well-known/openid-configuration", Route::Process(Oauth)),
            ("mail.example.org", "/", Route::ToHome("example.org".into())),
            ("mail.example.org", "/jmap/api", Route::Process(Jmap)),
            ("mail.example.org", "/.well-known/jmap", Route::Process(Jmap)),
            ("mx.example.net", "/jmap/api", Route::Process(Jmap)),
            ("openpgpkey.example.org", "/.well-known/openpgpkey/example.org/hu/abc", Route::Process(Keyserver)),
            ("openpgpkey.example.org", "/", Route::NotFound),
            ("keys.second.example", "/pks/lookup", Route::Process(Keyserver)),
            ("keys.example.org", "/vks/v1/by-email/a%40example.org", Route::Process(Keyserver)),
            ("mta-sts.second.example", "/.well-known/mta-sts.txt", Route::MtaSts("second.example".into())),
            ("mta-sts.example.org", "/", Route::NotFound),
            ("autoconfig.example.org", "/mail/config-v1.1.xml", Route::Autoconfig("example.org".into())),
            ("films.example.org", "/", Route::App),
            ("photos.example.com", "/.hearth/callback", Route::App),
            ("example.com", "/", Route::NotOurs),
            ("evil.id.example.org", "/", Route::NotOurs),
            ("other.example.org", "/", Route::NotOurs),
            ("127.0.0.1", "/", Route::NotOurs),
            ("", "/", Route::NotOurs),
        ];
        for (host, path, expected) in rows {
            assert_eq!(decide(&names(), host, path), expected, "{host} {path}");
        }
    }

    #[test]
    fn a_host_field_is_read_or_refused() {
        assert_eq!(host_name("ID.Example.ORG:10443").as_deref(), Some("id.example.org"));
        assert_eq!(host_name("example.org.").as_deref(), Some("example.org"));
        assert_eq!(host_name("[::1]:443").as_deref(), Some("::1"));
        for wrong in ["", ":443", "user@example.org", "example.org:x", "a b", "exa\u{e4}mple.org", "[::1"] {
            assert_eq!(host_name(wrong), None, "{wrong}");
        }
    }
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! Whom a token is for (RFC 8707): `resource`, and the resources of this home. Pure.

use url::Url;

use crate::client::profile::Profile;
use crate::limits::RESOURCES_MAX;
use crate::request::params::Params;

/// The home's mail: IMAP, SMTP, POP3, ManageSieve and JMAP.
pub fn of_mail(issuer: &str) -> String {
    issuer.replacen("://id.", "://mail.", 1)
}

/// The resources that a request names; `None` when one is not a resource, or none that this client can have.
/// §2: an absolute URI without a fragment.
pub fn read(params: &Params, profile: &Profile, issuer: &str) -> Option<Vec<String>> {
    let mut named: Vec<String> = Vec::new();
    for resource in params.all("resource").filter(|resource| !resource.is_empty()) {
        let sound = Url::parse(resource).is_ok() && !resource.contains(['#', ' ']);
        let is_known = resource == issuer || resource == of_mail(issuer) || profile.resources.iter().any(|own| own == resource);
        if !sound || !is_known {
            return None;
        }
        if !named.iter().any(|known| known == resource) {
            named.push(resource.to_string());
        }
    }
    (named.len() <= RESOURCES_MAX).then_some(named)
}

/// Is a token of this audience for `resource`? One without an audience is for whoever takes it.
pub fn is_for(audience: &str, resource: &str) -> bool {
    audience.is_empty() || audience.split(' ').any(|one| one == resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://id.home.example:10443";

    #[test]
    fn only_what_is_known() {
        let profile = Profile { resources: vec!["https://api.example/v1".into()], ..Profile::default() };
        let read = |query: &str| read(&Params::parse(query.as_bytes()), &profile, ISSUER);
        assert_eq!(read(""), Some(vec![]));
        assert_eq!(
            read("resource=https://api.example/v1&resource=https://api.example/v1"),
            Some(vec!["https://api.example/v1".into()])
        );
        assert_eq!(read("resource=https://mail.home.example:10443").map(|all| all.len()), Some(1));
        for bad in ["https://api.example/v1/", "https://evil.example", "https://api.example/v1#x", "nonsense", "/v1"] {
            assert_eq!(read(&format!("resource={}", bad.replace('#', "%23"))), None, "{bad}");
        }
    }

    #[test]
    fn whom_it_is_for() {
        assert!(is_for("", "a") && is_for("b a", "a"));
        assert!(!is_for("ab", "a"));
    }
}

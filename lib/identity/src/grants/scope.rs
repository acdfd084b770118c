// SPDX-License-Identifier: AGPL-3.0-or-later
//! The words of a scope (RFC 6749 §3.3).

use crate::service::Service;

/// Admits SMTP, IMAP, POP3, ManageSieve and JMAP.
pub const MAIL: &str = "mail";

/// Does any of these words admit a service? A token with only `openid` does not open mail.
pub fn admits(scopes: &[String], service: Service) -> bool {
    Service::MAIL.contains(&service) && scopes.iter().any(|word| word == MAIL || word == service.name())
}

/// The words of a scope, each once, in their order.
pub fn parse(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !words.iter().any(|known| known == word) {
            words.push(word.to_string());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_mail_scope_opens_mail() {
        for (scopes, service, admitted) in [
            ("openid", Service::Imap, false),
            ("openid mail", Service::Imap, true),
            ("openid mail", Service::Web, false),
            ("imap", Service::Imap, true),
            ("imap", Service::Smtp, false),
            ("web", Service::Web, false),
            ("mail ldap", Service::Ldap, false),
            ("", Service::Jmap, false),
            ("Mail", Service::Jmap, false),
        ] {
            assert_eq!(admits(&parse(scopes), service), admitted, "{scopes} {service}");
        }
        assert_eq!(parse(" a  b a"), ["a", "b"]);
    }
}

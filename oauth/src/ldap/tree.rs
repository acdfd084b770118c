// SPDX-License-Identifier: AGPL-3.0-or-later
//! The entries: the domain, `ou=people` with everybody who may sign in, `ou=groups`. Names are those of the claims of OpenID.

use hearth_identity::directory::Kind;
use hearth_types::Trouble;
use hearth_wire::ldap::{Rdn, encode_value, normalize_dn, parse_dn};

use crate::ctx::Ctx;
use crate::request::claims::{name_of, user_name};

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub name: String,
    /// What names are compared by.
    pub normal: String,
    pub attributes: Vec<(&'static str, Vec<String>)>,
}

/// The names of a home.
#[derive(Clone, Debug)]
pub(super) struct Names {
    domain: String,
    base: String,
}

impl Entry {
    fn new(name: String, classes: &[&str], attributes: Vec<(&'static str, Vec<String>)>) -> Self {
        let classes = classes.iter().map(ToString::to_string).collect();
        let attributes =
            std::iter::once(("objectClass", classes)).chain(attributes).filter(|(_, values): &(_, Vec<_>)| !values.is_empty());
        Self { normal: normalize_dn(&name).unwrap_or_default(), attributes: attributes.collect(), name }
    }
}

impl Names {
    /// `home.example` is `dc=home,dc=example` (RFC 4519 §2.4).
    pub(super) fn of(domain: &str) -> Self {
        let base = domain.split('.').map(|label| format!("dc={label}")).collect::<Vec<_>>().join(",");
        Self { domain: domain.to_string(), base }
    }

    fn person(&self, name: &str) -> String {
        format!("uid={},ou=people,{}", encode_value(name), self.base)
    }

    fn group(&self, name: &str) -> String {
        format!("cn={},ou=groups,{}", encode_value(name), self.base)
    }

    /// Whom a bind means: a name of ours (people and services alike), `alice`, or an address; printers and file servers
    /// send any of them.
    pub(super) fn user_of(&self, name: &str) -> Option<String> {
        if !name.contains('=') {
            return Some(self.whole(name.trim()));
        }
        let steps = parse_dn(name).ok()?;
        let (first, rest) = steps.split_first()?;
        let rest = rest.iter().map(|Rdn { attribute, value }| format!("{attribute}={}", encode_value(&value.to_lowercase())));
        let rest = rest.collect::<Vec<_>>().join(",");
        let below = ["ou=people,", "ou=services,", ""].into_iter().any(|ou| rest == format!("{ou}{}", self.base));
        (below && ["uid", "cn", "mail"].contains(&first.attribute.as_str())).then(|| self.whole(&first.value))
    }

    fn whole(&self, name: &str) -> String {
        if name.contains('@') { name.to_string() } else { format!("{name}@{}", self.domain) }
    }

    /// The entry that is named by nothing (RFC 4512 §5.1).
    pub(super) fn root(&self) -> Entry {
        let one = |value: &str| vec![value.to_string()];
        let attributes = vec![
            ("namingContexts", one(&self.base)),
            ("supportedLDAPVersion", one("3")),
            ("supportedExtension", ["1.3.6.1.4.1.1466.20037", "1.3.6.1.4.1.4203.1.11.3"].map(str::to_string).to_vec()),
            ("vendorName", one("Hearth")),
        ];
        Entry::new(String::new(), &["top"], attributes)
    }

    /// Everything.
    pub(super) async fn entries(&self, ctx: &Ctx) -> Result<Vec<Entry>, Trouble> {
        let one = |value: &str| vec![value.to_string()];
        let label = self.domain.split('.').next().unwrap_or_default();
        let unit =
            |name: &str| Entry::new(format!("ou={name},{}", self.base), &["top", "organizationalUnit"], vec![("ou", one(name))]);
        let mut all =
            vec![Entry::new(self.base.clone(), &["top", "domain"], vec![("dc", one(label))]), unit("people"), unit("groups")];
        let everybody = ctx.directory.list_everybody().await?;
        for account in everybody.accounts.iter().filter(|account| !account.disabled) {
            let name = user_name(account, &self.domain);
            match account.kind {
                Kind::Person => {
                    let shown = if account.name.is_empty() { &name } else { &account.name };
                    let (addresses, groups) = (everybody.addresses_of(account.id), everybody.groups_of(account.id));
                    let attributes = vec![
                        ("uid", one(&name)),
                        ("cn", one(shown)),
                        // RFC 4519 §3.12 wants one of a person; we know no surnames.
                        ("sn", one(shown.rsplit(' ').next().unwrap_or(shown))),
                        ("displayName", one(shown)),
                        ("mail", addresses.iter().map(|entry| entry.address.to_string()).collect()),
                        ("memberOf", groups.iter().map(|(_, group)| self.group(&name_of(group, &self.domain))).collect()),
                    ];
                    all.push(Entry::new(
                        self.person(&name),
                        &["top", "person", "organizationalPerson", "inetOrgPerson"],
                        attributes,
                    ));
                }
                Kind::Group => {
                    let members = everybody.members_of(account.id);
                    let attributes = vec![
                        ("cn", one(&name)),
                        ("mail", one(&account.primary.to_string())),
                        ("member", members.iter().map(|member| self.person(&name_of(&member.address, &self.domain))).collect()),
                    ];
                    all.push(Entry::new(self.group(&name), &["top", "groupOfNames"], attributes));
                }
                Kind::Service | Kind::Guest => {}
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_a_bind_means() {
        let names = Names::of("home.example");
        for (name, expected) in [
            ("uid=alice,ou=people,dc=home,dc=example", Some("alice@home.example")),
            ("CN=alice, OU=People, DC=Home, DC=Example", Some("alice@home.example")),
            ("uid=nas,ou=services,dc=home,dc=example", Some("nas@home.example")),
            ("mail=bob@other.example,ou=people,dc=home,dc=example", Some("bob@other.example")),
            ("alice", Some("alice@home.example")),
            ("alice@home.example", Some("alice@home.example")),
            ("uid=alice,ou=people,dc=evil,dc=example", None),
            ("ou=alice,ou=people,dc=home,dc=example", None),
            ("uid=alice,ou=people", None),
            ("uid=", None),
        ] {
            assert_eq!(names.user_of(name).as_deref(), expected, "{name}");
        }
    }
}

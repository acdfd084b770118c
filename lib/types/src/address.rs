// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mail addresses and domains, checked once and normal from then on.

use std::fmt;
use std::str::FromStr;

/// RFC 5321 §4.5.3.1.1: octets of a local part.
pub const LOCAL_PART_BYTES_MAX: usize = 64;
/// The local part to which other servers report, in each domain of a home.
pub const REPORTS: &str = "reports";
/// RFC 1035 §2.3.4: octets of a domain name as written.
const DOMAIN_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// A domain name in its one form: lower case, A-labels (RFC 5890), no trailing dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(String);

/// Why a text is not an address or a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no `@`, or nothing before it.
    #[error("not an address: want local-part@domain")]
    Shape,
    /// The local part has over 64 octets, or a character that no atom or quoted string may hold.
    #[error("the part before the @ is too long or has a character that is not allowed")]
    LocalPart,
    /// Not a domain name.
    #[error("not a domain name")]
    Domain,
}

impl Domain {
    /// Reads a domain in either A-label or U-label form.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let ascii = idna::domain_to_ascii_cow(text.as_bytes(), idna::AsciiDenyList::URL)
            .map_err(|_| AddressError::Domain)?
            .to_ascii_lowercase();
        let label_is_sound = |label: &str| {
            (1..=LABEL_BYTES_MAX).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if ascii.len() > DOMAIN_BYTES_MAX || !ascii.split('.').all(label_is_sound) {
            return Err(AddressError::Domain);
        }
        Ok(Self(ascii))
    }

    /// The name in A-labels, lower case, without a trailing dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This name below a label, such as `mail.` + self.
    pub fn below(&self, label: &str) -> String {
        format!("{label}.{}", self.0)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Domain {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

/// A mail address. The local part keeps its spelling; [`Address::key`] is what tables compare.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    local: String,
    domain: Domain,
}

impl Address {
    /// Reads `local@domain`; the local part may be a quoted string (RFC 5321 §4.1.2) and may be UTF-8
    /// (RFC 6531 §3.3), and is held without its quotes.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::Shape)?;
        let local = match local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(quoted) => unquote(quoted)?,
            None if is_dot_atom(local) => local.to_string(),
            None => return Err(AddressError::LocalPart),
        };
        Self::new(local, Domain::parse(domain)?)
    }

    /// From an unquoted local part and a domain.
    pub fn new(local: impl Into<String>, domain: Domain) -> Result<Self, AddressError> {
        let local = local.into();
        if local.is_empty() {
            return Err(AddressError::Shape);
        }
        if local.len() > LOCAL_PART_BYTES_MAX || local.chars().any(char::is_control) {
            return Err(AddressError::LocalPart);
        }
        Ok(Self { local, domain })
    }

    /// The local part as it was written, without quotes.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// What two spellings of one mailbox of this home have in common: the local part in lower case.
    /// Only for addresses of our own domains; another host's local part is its own business (RFC 5321 §2.4).
    pub fn key(&self) -> String {
        format!("{}@{}", self.local.to_lowercase(), self.domain)
    }

    /// The same address without its subaddress (RFC 5233): `anna+shop@d` is `anna@d`.
    pub fn without_subaddress(&self) -> Self {
        match self.local.split_once('+') {
            Some((base, _)) if !base.is_empty() => Self { local: base.to_string(), domain: self.domain.clone() },
            _ => self.clone(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_atom(&self.local) {
            write!(f, "{}@{}", self.local, self.domain)
        } else {
            write!(f, "\"{}\"@{}", self.local.replace('\\', "\\\\").replace('"', "\\\""), self.domain)
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

/// RFC 5322 §3.2.3 dot-atom, with the UTF-8 of RFC 6532 §3.2.
fn is_dot_atom(text: &str) -> bool {
    let is_atext = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && !c.is_control());
    !text.is_empty() && text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn unquote(quoted: &str) -> Result<String, AddressError> {
    let mut local = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => local.push(chars.next().ok_or(AddressError::LocalPart)?),
            '"' => return Err(AddressError::LocalPart),
            c => local.push(c),
        }
    }
    Ok(local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read_again() {
        for (text, written) in [
            ("alice@home.localhost", "alice@home.localhost"),
            ("Alice+shop@Home.Localhost.", "Alice+shop@home.localhost"),
            ("\"a b\"@x.org", "\"a b\"@x.org"),
            ("\"alice\"@x.org", "alice@x.org"),
            ("\"a\\\"b\"@x.org", "\"a\\\"b\"@x.org"),
            ("jürgen@bücher.example", "jürgen@xn--bcher-kva.example"),
        ] {
            let address = Address::parse(text).expect(text);
            assert_eq!(address.to_string(), written);
            assert_eq!(Address::parse(written), Ok(address));
        }
    }

    #[test]
    fn what_is_not_an_address() {
        for (text, error) in [
            ("alice", AddressError::Shape),
            ("@x.org", AddressError::LocalPart),
            ("\"\"@x.org", AddressError::Shape),
            ("a..b@x.org", AddressError::LocalPart),
            ("a b@x.org", AddressError::LocalPart),
            ("a\r\nb@x.org", AddressError::LocalPart),
            ("\"a\nb\"@x.org", AddressError::LocalPart),
            ("a@", AddressError::Domain),
            ("a@-x.org", AddressError::Domain),
            ("a@x..org", AddressError::Domain),
            ("a@x org", AddressError::Domain),
        ] {
            assert_eq!(Address::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_local_part_has_64_octets_at_most() {
        let fits = "a".repeat(LOCAL_PART_BYTES_MAX);
        assert!(Address::parse(&format!("{fits}@x.org")).is_ok());
        assert_eq!(Address::parse(&format!("{fits}a@x.org")), Err(AddressError::LocalPart));
    }

    #[test]
    fn one_mailbox_has_one_key() {
        let address = Address::parse("Anna+Shop@X.org").expect("an address");
        assert_eq!(address.key(), "anna+shop@x.org");
        assert_eq!(address.without_subaddress().key(), "anna@x.org");
    }
}

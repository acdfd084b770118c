// SPDX-License-Identifier: AGPL-3.0-or-later
//! Messages (RFC 4511 §4): requests in, results out.

use hearth_types::Secret;

use super::ber::{self, ENUMERATED, INTEGER, OCTETS, Reader, SEQUENCE, SET, Writer};
use super::filter::Filter;
use super::{ATTRIBUTES_MAX, CONTROLS_MAX, LdapError, MESSAGE_BYTES_MAX, Result};

/// How somebody says who they are.
#[derive(Debug)]
pub enum Credentials {
    /// A password.
    Simple(Secret<String>),
    /// A mechanism of SASL.
    Sasl,
}

/// How far below its base a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The base alone.
    Base,
    /// What is right below it.
    One,
    /// It, and all below it.
    Subtree,
}

/// A search (§4.5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// Where it begins.
    pub base: String,
    /// How far it goes.
    pub scope: Scope,
    /// Entries that the client takes; 0 for as many as there are.
    pub size_max: usize,
    /// Names of attributes alone.
    pub types_only: bool,
    /// Which entries.
    pub filter: Filter,
    /// Which attributes; none for all.
    pub attributes: Vec<String>,
}

/// What is asked.
#[derive(Debug)]
pub enum Request {
    /// Who somebody is.
    Bind {
        /// 3.
        version: i32,
        /// A name, or what stands for one.
        name: String,
        /// The proof.
        credentials: Credentials,
    },
    /// The end.
    Unbind,
    /// A search.
    Search(Search),
    /// Something by its number, such as StartTLS.
    Extended(String),
    /// Forget what was asked; it has no answer.
    Abandon,
    /// What changes or compares, by the tag of its answer.
    Other(u8),
}

/// A message of a client.
#[derive(Debug)]
pub struct Message {
    /// Its number, which its answers carry.
    pub id: i32,
    /// What it asks.
    pub request: Request,
    /// It has a control that must be understood (§4.1.11); we understand none.
    pub has_critical_control: bool,
}

/// How something came out (§4.1.9, appendix A).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum ResultCode {
    /// 0
    Success = 0,
    /// 2
    ProtocolError = 2,
    /// 4: there is more.
    SizeLimitExceeded = 4,
    /// 7
    AuthMethodNotSupported = 7,
    /// 12
    UnavailableCriticalExtension = 12,
    /// 13: not before TLS.
    ConfidentialityRequired = 13,
    /// 32
    NoSuchObject = 32,
    /// 34
    InvalidDnSyntax = 34,
    /// 48
    InappropriateAuthentication = 48,
    /// 49
    InvalidCredentials = 49,
    /// 50
    InsufficientAccessRights = 50,
    /// 51: wait.
    Busy = 51,
    /// 53
    UnwillingToPerform = 53,
    /// 80: our fault.
    Other = 80,
}

/// Octets of the first message of `octets`; `None` when it cannot be told yet.
pub fn message_length(octets: &[u8]) -> Result<Option<usize>> {
    if octets.first().is_some_and(|tag| *tag != SEQUENCE) {
        return Err(LdapError::Syntax);
    }
    match ber::header(octets)? {
        Some((head, length)) if head + length > MESSAGE_BYTES_MAX => Err(LdapError::TooMuch),
        Some((head, length)) => Ok(Some(head + length)),
        None => Ok(None),
    }
}

/// LDAPMessage of §4.1.1.
pub fn parse_message(octets: &[u8]) -> Result<Message> {
    let mut outer = Reader::new(octets);
    let mut reader = Reader::new(outer.expect(SEQUENCE)?);
    let id = reader.number(INTEGER)?;
    let (tag, content) = reader.element()?;
    let has_critical_control = !reader.is_empty() && controls(reader.expect(0xa0)?)?;
    if id <= 0 || !reader.is_empty() || !outer.is_empty() {
        return Err(LdapError::Syntax);
    }
    Ok(Message { id, request: request(tag, content)?, has_critical_control })
}

/// Is one of them critical?
fn controls(content: &[u8]) -> Result<bool> {
    let mut reader = Reader::new(content);
    let (mut count, mut is_critical) = (0, false);
    while !reader.is_empty() {
        count += 1;
        if count > CONTROLS_MAX {
            return Err(LdapError::TooMuch);
        }
        let mut control = Reader::new(reader.expect(SEQUENCE)?);
        control.expect(OCTETS)?;
        is_critical |= control.peek() == Some(ber::BOOLEAN) && control.boolean()?;
    }
    Ok(is_critical)
}

fn request(tag: u8, content: &[u8]) -> Result<Request> {
    let mut reader = Reader::new(content);
    match tag {
        0x60 => {
            let (version, name) = (reader.number(INTEGER)?, reader.text(OCTETS)?);
            let credentials = match reader.element()? {
                (0x80, password) => Credentials::Simple(Secret::new(String::from_utf8_lossy(password).into_owned())),
                (0xa3, _) => Credentials::Sasl,
                _ => return Err(LdapError::Syntax),
            };
            Ok(Request::Bind { version, name, credentials })
        }
        0x42 => Ok(Request::Unbind),
        0x63 => search(&mut reader).map(Request::Search),
        0x77 => Ok(Request::Extended(reader.text(0x80)?)),
        0x50 => Ok(Request::Abandon),
        // Modify, add, delete, rename, compare: the answer's tag is the next one, and constructed.
        0x66 | 0x68 | 0x6c | 0x6e => Ok(Request::Other(tag + 1)),
        0x4a => Ok(Request::Other(0x6b)),
        _ => Err(LdapError::Syntax),
    }
}

fn search(reader: &mut Reader<'_>) -> Result<Search> {
    let base = reader.text(OCTETS)?;
    let scope = match reader.number(ENUMERATED)? {
        0 => Scope::Base,
        1 => Scope::One,
        2 => Scope::Subtree,
        _ => return Err(LdapError::Syntax),
    };
    // How aliases are followed: there are none.
    reader.number(ENUMERATED)?;
    let size_max = usize::try_from(reader.number(INTEGER)?).map_err(|_| LdapError::Syntax)?;
    // How long it may take: it takes no time worth a bound.
    reader.number(INTEGER)?;
    let types_only = reader.boolean()?;
    let filter = Filter::read(reader)?;
    let mut listed = Reader::new(reader.expect(SEQUENCE)?);
    let mut attributes = Vec::new();
    while !listed.is_empty() {
        if attributes.len() == ATTRIBUTES_MAX {
            return Err(LdapError::TooMuch);
        }
        attributes.push(listed.text(OCTETS)?);
    }
    Ok(Search { base, scope, size_max, types_only, filter, attributes })
}

fn message(id: i32, tag: u8, content: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.within(SEQUENCE, |writer| {
        writer.number(INTEGER, id);
        writer.within(tag, content);
    });
    writer.into_octets()
}

fn result(writer: &mut Writer, code: ResultCode, says: &str) {
    writer.number(ENUMERATED, code as i32);
    writer.octets(OCTETS, b"");
    writer.octets(OCTETS, says.as_bytes());
}

/// The result of a bind (`0x61`), a search (`0x65`), or of what [`Request::Other`] names.
pub fn encode_result(id: i32, tag: u8, code: ResultCode, says: &str) -> Vec<u8> {
    message(id, tag, |writer| result(writer, code, says))
}

/// The result of an extended request (§4.12), with a value.
pub fn encode_extended(id: i32, code: ResultCode, says: &str, value: Option<&str>) -> Vec<u8> {
    message(id, 0x78, |writer| {
        result(writer, code, says);
        if let Some(value) = value {
            writer.octets(0x8b, value.as_bytes());
        }
    })
}

/// Notice of Disconnection (§4.4.1).
pub fn encode_notice(code: ResultCode, says: &str) -> Vec<u8> {
    message(0, 0x78, |writer| {
        result(writer, code, says);
        writer.octets(0x8a, b"1.3.6.1.4.1.1466.20036");
    })
}

/// SearchResultEntry (§4.5.2).
pub fn encode_entry(id: i32, name: &str, attributes: &[(&str, Vec<String>)]) -> Vec<u8> {
    message(id, 0x64, |writer| {
        writer.octets(OCTETS, name.as_bytes());
        writer.within(SEQUENCE, |writer| {
            for (name, values) in attributes {
                writer.within(SEQUENCE, |writer| {
                    writer.octets(OCTETS, name.as_bytes());
                    writer.within(SET, |writer| values.iter().for_each(|value| writer.octets(OCTETS, value.as_bytes())));
                });
            }
        });
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::FILTER_DEPTH_MAX;
    use super::*;

    /// What a client would send.
    fn ask(tag: u8, content: impl FnOnce(&mut Writer)) -> Vec<u8> {
        message(7, tag, content)
    }

    fn search_for(filter: &[u8], attributes: usize) -> Vec<u8> {
        ask(0x63, |writer| {
            writer.octets(OCTETS, b"dc=x");
            writer.number(ENUMERATED, 2);
            writer.number(ENUMERATED, 0);
            writer.number(INTEGER, 10);
            writer.number(INTEGER, 0);
            writer.octets(ber::BOOLEAN, &[0]);
            let mut inner = Reader::new(filter);
            let (tag, content) = inner.element().unwrap();
            writer.octets(tag, content);
            writer.within(SEQUENCE, |writer| (0..attributes).for_each(|_| writer.octets(OCTETS, b"uid")));
        })
    }

    fn filter(tag: u8, content: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.within(tag, content);
        writer.into_octets()
    }

    #[test]
    fn a_bind_of_openldap() {
        // ldapwhoami -x -D uid=a,dc=x -w secret
        let octets = b"\x30\x1b\x02\x01\x01\x60\x16\x02\x01\x03\x04\x09uid=a,d=x\x80\x06secret";
        assert_eq!(message_length(octets), Ok(Some(octets.len())));
        assert_eq!(message_length(&octets[..1]), Ok(None));
        let Message { id, request: Request::Bind { version, name, credentials: Credentials::Simple(password) }, .. } =
            parse_message(octets).unwrap()
        else {
            panic!("a bind");
        };
        assert_eq!((id, version, name.as_str(), password.expose().as_str()), (1, 3, "uid=a,d=x", "secret"));
    }

    #[test]
    fn a_search() {
        let equal = filter(0xa3, |writer| {
            writer.octets(OCTETS, b"uid");
            writer.octets(OCTETS, b"alice");
        });
        let Request::Search(search) = parse_message(&search_for(&equal, 1)).unwrap().request else { panic!("a search") };
        assert_eq!((search.base.as_str(), search.scope, search.size_max), ("dc=x", Scope::Subtree, 10));
        assert_eq!((search.filter, search.attributes), (Filter::Equal("uid".into(), "alice".into()), vec!["uid".to_string()]));
        let parts = filter(0xa4, |writer| {
            writer.octets(OCTETS, b"mail");
            writer.within(SEQUENCE, |writer| {
                writer.octets(0x80, b"a");
                writer.octets(0x81, b"b");
                writer.octets(0x82, b"c");
            });
        });
        let Request::Search(search) = parse_message(&search_for(&parts, 0)).unwrap().request else { panic!("a search") };
        let expected = Filter::Substrings("mail".into(), Some("a".into()), vec!["b".into()], Some("c".into()));
        assert_eq!(search.filter, expected);
        assert!(parse_message(&search_for(&equal, ATTRIBUTES_MAX)).is_ok());
        assert_eq!(parse_message(&search_for(&equal, ATTRIBUTES_MAX + 1)).unwrap_err(), LdapError::TooMuch);
    }

    #[test]
    fn filters_have_their_depth_and_number() {
        let deep = |depth: usize| {
            (0..depth).fold(filter(0x87, |_| ()), |inner, _| {
                let mut reader = Reader::new(&inner);
                let (tag, content) = reader.element().unwrap();
                filter(0xa2, |writer| writer.octets(tag, content))
            })
        };
        assert!(parse_message(&search_for(&deep(FILTER_DEPTH_MAX), 0)).is_ok());
        assert_eq!(parse_message(&search_for(&deep(FILTER_DEPTH_MAX + 1), 0)).unwrap_err(), LdapError::TooMuch);
        let wide = |terms: usize| filter(0xa1, |writer| (1..terms).for_each(|_| writer.octets(0x87, b"uid")));
        assert!(parse_message(&search_for(&wide(super::super::FILTER_TERMS_MAX), 0)).is_ok());
        assert_eq!(parse_message(&search_for(&wide(super::super::FILTER_TERMS_MAX + 1), 0)).unwrap_err(), LdapError::TooMuch);
    }

    #[test]
    fn controls_that_must_be_understood() {
        let with = |critical: &[u8], count: usize| {
            let mut writer = Writer::default();
            writer.within(SEQUENCE, |writer| {
                writer.number(INTEGER, 1);
                writer.octets(0x42, b"");
                writer.within(0xa0, |writer| {
                    for _ in 0..count {
                        writer.within(SEQUENCE, |writer| {
                            writer.octets(OCTETS, b"1.2.3");
                            if !critical.is_empty() {
                                writer.octets(ber::BOOLEAN, critical);
                            }
                        });
                    }
                });
            });
            parse_message(&writer.into_octets()).map(|message| message.has_critical_control)
        };
        assert_eq!((with(&[], 1), with(&[0], 1), with(&[0xff], 1)), (Ok(false), Ok(false), Ok(true)));
        assert_eq!((with(&[], CONTROLS_MAX), with(&[], CONTROLS_MAX + 1)), (Ok(false), Err(LdapError::TooMuch)));
    }

    #[test]
    fn a_message_has_its_size() {
        let head = |length: usize| [&[0x30, 0x84][..], &u32::try_from(length).unwrap().to_be_bytes()].concat();
        assert_eq!(message_length(&head(MESSAGE_BYTES_MAX - 6)), Ok(Some(MESSAGE_BYTES_MAX)));
        assert_eq!(message_length(&head(MESSAGE_BYTES_MAX - 5)), Err(LdapError::TooMuch));
        assert_eq!(message_length(b"GET / HTTP/1.1"), Err(LdapError::Syntax));
    }

    #[test]
    fn results() {
        assert_eq!(encode_result(1, 0x61, ResultCode::Success, ""), b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00");
        let entry = encode_entry(2, "dc=x", &[("uid", vec!["a".into(), "b".into()])]);
        assert_eq!(entry, b"\x30\x1c\x02\x01\x02\x64\x17\x04\x04dc=x\x30\x0f\x30\x0d\x04\x03uid\x31\x06\x04\x01a\x04\x01b");
    }

    proptest! {
        #[test]
        fn any_octets_are_read_to_their_end(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (message_length(&octets), parse_message(&octets));
            let mut framed = Writer::default();
            framed.within(SEQUENCE, |writer| {
                writer.number(INTEGER, 1);
                writer.octets(0x63, &octets);
            });
            let _ = parse_message(&framed.into_octets());
        }
    }
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which properties of an Email and its parts a client asks for (RFC 8621 §4.2). Pure.

use super::header::{HeaderProperty, parse_header_property};
use crate::error::MethodError;
use crate::method::args::Args;

/// RFC 8621 §4.1: those that are not a header field.
const PLAIN: &[&str] = &[
    "id",
    "blobId",
    "threadId",
    "mailboxIds",
    "keywords",
    "size",
    "receivedAt",
    "messageId",
    "inReplyTo",
    "references",
    "sender",
    "from",
    "to",
    "cc",
    "bcc",
    "replyTo",
    "subject",
    "sentAt",
    "hasAttachment",
    "preview",
    "bodyValues",
    "textBody",
    "htmlBody",
    "attachments",
    "bodyStructure",
    "headers",
];

/// RFC 8621 §4.2: what a client that names none gets: all but the last two.
const DEFAULT_COUNT: usize = 24;

/// RFC 8621 §4.9: what Email/parse gives one that names none.
const PARSE_DEFAULT: &[&str] = &[
    "messageId",
    "inReplyTo",
    "references",
    "sender",
    "from",
    "to",
    "cc",
    "bcc",
    "replyTo",
    "subject",
    "sentAt",
    "hasAttachment",
    "preview",
    "bodyValues",
    "textBody",
    "htmlBody",
    "attachments",
];

/// RFC 8621 §4.1.4: of a part, the first ten by default.
const PART: &[&str] =
    &["partId", "blobId", "size", "name", "type", "charset", "disposition", "cid", "language", "location", "headers", "subParts"];
const PART_DEFAULT_COUNT: usize = 10;

/// One property that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Property {
    /// One of the fixed names.
    Plain(&'static str),
    /// `header:..`
    Header(HeaderProperty),
}

/// What to show of each message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Of the Email.
    pub email: Vec<Property>,
    /// Of each EmailBodyPart.
    pub part: Vec<Property>,
    /// Which texts go into `bodyValues`.
    pub values: Values,
}

/// RFC 8621 §4.2: which texts are fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Values {
    /// Those of `textBody`.
    pub text: bool,
    /// Those of `htmlBody`.
    pub html: bool,
    /// All of `text/*`.
    pub all: bool,
    /// At most so many octets of each; 0 for no bound of the client's.
    pub bytes_max: u64,
}

impl Values {
    /// Is any text wanted?
    pub const fn any(self) -> bool {
        self.text || self.html || self.all
    }
}

impl Wanted {
    /// Takes the arguments that Email/get has beyond the standard ones; `properties` were taken before.
    pub fn take(args: &mut Args, properties: Option<Vec<String>>) -> Result<Self, MethodError> {
        let email = match properties {
            Some(mut names) => {
                // RFC 8620 §5.1: id comes even when it is not asked for.
                if !names.iter().any(|name| name == "id") {
                    names.push("id".to_string());
                }
                parse_all(&names, PLAIN)?
            }
            None => PLAIN.iter().take(DEFAULT_COUNT).map(|&name| Property::Plain(name)).collect(),
        };
        Self::with(args, email)
    }

    /// The same for Email/parse.
    pub fn take_for_parse(args: &mut Args) -> Result<Self, MethodError> {
        let email = match args.take::<Vec<String>>("properties")? {
            Some(names) => parse_all(&names, PLAIN)?,
            None => PARSE_DEFAULT.iter().map(|&name| Property::Plain(name)).collect(),
        };
        Self::with(args, email)
    }

    fn with(args: &mut Args, email: Vec<Property>) -> Result<Self, MethodError> {
        let part = match args.take::<Vec<String>>("bodyProperties")? {
            Some(names) => parse_all(&names, PART)?,
            None => PART.iter().take(PART_DEFAULT_COUNT).map(|&name| Property::Plain(name)).collect(),
        };
        let values = Values {
            text: args.take("fetchTextBodyValues")?.unwrap_or(false),
            html: args.take("fetchHTMLBodyValues")?.unwrap_or(false),
            all: args.take("fetchAllBodyValues")?.unwrap_or(false),
            bytes_max: args.take("maxBodyValueBytes")?.unwrap_or(0),
        };
        Ok(Self { email, part, values })
    }

    /// Does the Email show this property?
    pub fn shows(&self, name: &str) -> bool {
        self.email.iter().any(|property| matches!(property, Property::Plain(plain) if *plain == name))
    }

    /// Is a header field of the message itself asked for?
    pub fn shows_header(&self) -> bool {
        self.email.iter().any(|property| matches!(property, Property::Header(_) | Property::Plain("headers")))
    }

    /// Can all of it be told from the summary, without the body?
    pub fn needs_body(&self) -> bool {
        let shows_parts = ["textBody", "htmlBody", "attachments", "bodyStructure"].iter().any(|name| self.shows(name));
        let part_reads = self.part.iter().any(|p| matches!(p, Property::Header(_) | Property::Plain("headers" | "size")));
        self.shows_header() || (shows_parts && part_reads) || (self.shows("bodyValues") && self.values.any())
    }
}

fn parse_all(names: &[String], known: &[&'static str]) -> Result<Vec<Property>, MethodError> {
    names
        .iter()
        .map(|name| match known.iter().find(|known| *known == name) {
            Some(plain) => Ok(Property::Plain(plain)),
            None => parse_header_property(name)
                .map(Property::Header)
                .ok_or_else(|| MethodError::InvalidArguments(format!("{name} is not a property that can be asked for"))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn take(value: serde_json::Value) -> Result<Wanted, MethodError> {
        let mut args = Args::new(value.as_object().expect("an object").clone());
        let properties = args.take("properties")?;
        let wanted = Wanted::take(&mut args, properties)?;
        args.finish().map(|()| wanted)
    }

    #[test]
    fn defaults_are_those_of_the_rfc() {
        let wanted = take(json!({})).expect("the defaults");
        assert!(wanted.shows("id") && wanted.shows("attachments") && !wanted.shows("bodyStructure") && !wanted.shows("headers"));
        assert!(wanted.part.contains(&Property::Plain("location")) && !wanted.part.contains(&Property::Plain("headers")));
    }

    #[test]
    fn a_list_of_mails_does_not_open_bodies() {
        let list = json!({"properties": ["threadId", "from", "subject", "receivedAt", "keywords", "preview", "hasAttachment"]});
        let wanted = take(list).expect("properties");
        assert!(!wanted.needs_body() && wanted.shows("id"));
        assert!(
            !take(json!({"properties": ["attachments", "bodyValues"], "bodyProperties": ["partId", "type", "name"]}))
                .expect("properties")
                .needs_body()
        );
        for needs in [
            json!({"properties": ["header:List-Post:asURLs"]}),
            json!({"properties": ["headers"]}),
            json!({"properties": ["attachments"]}),
            json!({"properties": ["bodyStructure"], "bodyProperties": ["header:X"]}),
            json!({"properties": ["bodyValues"], "fetchTextBodyValues": true}),
        ] {
            assert!(take(needs.clone()).expect("properties").needs_body(), "{needs}");
        }
    }

    #[test]
    fn unknown_ones_are_refused() {
        for wrong in [
            json!({"properties": ["colour"]}),
            json!({"properties": ["header:From:asText"]}),
            json!({"bodyProperties": ["subject"]}),
            json!({"maxBodyValueBytes": -1}),
            json!({"fetchTextBodyValues": "yes"}),
        ] {
            assert_eq!(take(wrong.clone()).expect_err("wrong").name(), "invalidArguments", "{wrong}");
        }
    }
}

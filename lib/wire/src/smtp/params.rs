// SPDX-License-Identifier: AGPL-3.0-or-later
//! What follows a path in MAIL and RCPT: `KEYWORD` or `KEYWORD=value` (RFC 5321 §4.1.2).

use super::command::CommandError;

/// RFC 3461 §4.4: characters of an ENVID before its encoding.
const ENVID_BYTES_MAX: usize = 100;
/// RFC 3461 §4.2: an ORCPT value.
const ORCPT_BYTES_MAX: usize = 500;

/// The parameters of MAIL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailParams {
    /// RFC 1870: the size that the client declares, in octets.
    pub size_bytes: Option<u64>,
    /// RFC 6152, RFC 3030: what the body may hold.
    pub body: Option<Body>,
    /// RFC 6531: addresses and header fields may hold UTF-8.
    pub smtputf8: bool,
    /// RFC 3461 §4.3: how much of the message a report returns.
    pub ret: Option<Return>,
    /// RFC 3461 §4.4: the sender's own name for this transaction, decoded.
    pub envid: Option<String>,
    /// RFC 8689 §2: no server on the way may take it without TLS.
    pub require_tls: bool,
    /// RFC 4954 §5: who submitted it, decoded; read and not trusted.
    pub auth: Option<String>,
}

/// The parameters of RCPT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RcptParams {
    /// RFC 3461 §4.1: when the sender wants to hear about this recipient; `None` leaves it to us.
    pub notify: Option<Notify>,
    /// RFC 3461 §4.2: the recipient that the sender first wrote.
    pub orcpt: Option<OriginalRecipient>,
}

/// RFC 6152 §3, RFC 3030 §3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Lines of 7-bit octets.
    SevenBit,
    /// Lines of 8-bit octets.
    EightBitMime,
    /// Octets without line structure.
    BinaryMime,
}

/// RFC 3461 §4.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// The whole message.
    Full,
    /// Its header.
    Headers,
}

/// RFC 3461 §4.1. All false is NEVER.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// When it has arrived.
    pub success: bool,
    /// When it cannot arrive.
    pub failure: bool,
    /// When it takes long.
    pub delay: bool,
}

/// An ORCPT value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalRecipient {
    /// `rfc822` or `utf-8` mostly.
    pub kind: String,
    /// The address, decoded.
    pub address: String,
}

type Result<T> = std::result::Result<T, CommandError>;

impl MailParams {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut params = Self::default();
        let mut seen = Vec::new();
        for (keyword, value) in words(text, &mut seen) {
            match (keyword.to_ascii_uppercase().as_str(), value) {
                ("SIZE", Some(value)) => params.size_bytes = Some(size(value)?),
                ("BODY", Some(value)) => params.body = Some(body(value)?),
                ("SMTPUTF8", None) => params.smtputf8 = true,
                ("REQUIRETLS", None) => params.require_tls = true,
                ("RET", Some(value)) if value.eq_ignore_ascii_case("FULL") => params.ret = Some(Return::Full),
                ("RET", Some(value)) if value.eq_ignore_ascii_case("HDRS") => params.ret = Some(Return::Headers),
                ("ENVID", Some(value)) => params.envid = Some(bounded(value, ENVID_BYTES_MAX)?),
                ("AUTH", Some(value)) => params.auth = Some(bounded(value, ORCPT_BYTES_MAX)?),
                (known, _) if ["SIZE", "BODY", "SMTPUTF8", "REQUIRETLS", "RET", "ENVID", "AUTH"].contains(&known) => {
                    return Err(CommandError::Syntax("a parameter's value is not well formed"));
                }
                _ => return Err(CommandError::UnknownParameter),
            }
        }
        no_doubles(&seen)?;
        Ok(params)
    }
}

impl RcptParams {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut params = Self::default();
        let mut seen = Vec::new();
        for (keyword, value) in words(text, &mut seen) {
            match (keyword.to_ascii_uppercase().as_str(), value) {
                ("NOTIFY", Some(value)) => params.notify = Some(Notify::parse(value)?),
                ("ORCPT", Some(value)) => params.orcpt = Some(original_recipient(value)?),
                ("NOTIFY" | "ORCPT", None) => return Err(CommandError::Syntax("a parameter lacks its value")),
                _ => return Err(CommandError::UnknownParameter),
            }
        }
        no_doubles(&seen)?;
        Ok(params)
    }
}

impl Notify {
    /// What we assume when the sender did not say (RFC 3461 §4.1): failure, and delay as is usual.
    pub const USUAL: Self = Self { success: false, failure: true, delay: true };

    fn parse(value: &str) -> Result<Self> {
        let mut notify = Self::default();
        if value.eq_ignore_ascii_case("NEVER") {
            return Ok(notify);
        }
        for word in value.split(',') {
            match word.to_ascii_uppercase().as_str() {
                "SUCCESS" => notify.success = true,
                "FAILURE" => notify.failure = true,
                "DELAY" => notify.delay = true,
                _ => return Err(CommandError::Syntax("NOTIFY is NEVER, or of SUCCESS, FAILURE, DELAY")),
            }
        }
        Ok(notify)
    }

    /// As it is written behind `NOTIFY=`.
    pub fn encode(self) -> String {
        let words: Vec<&str> = [(self.success, "SUCCESS"), (self.failure, "FAILURE"), (self.delay, "DELAY")]
            .into_iter()
            .filter_map(|(wanted, word)| wanted.then_some(word))
            .collect();
        if words.is_empty() { "NEVER".to_string() } else { words.join(",") }
    }
}

fn words<'t>(text: &'t str, seen: &mut Vec<String>) -> Vec<(&'t str, Option<&'t str>)> {
    let words: Vec<_> = text
        .split(' ')
        .filter(|word| !word.is_empty())
        .map(|word| match word.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (word, None),
        })
        .collect();
    seen.extend(words.iter().map(|(keyword, _)| keyword.to_ascii_uppercase()));
    words
}

fn no_doubles(seen: &[String]) -> Result<()> {
    let doubled = seen.iter().enumerate().any(|(at, keyword)| seen.iter().skip(at + 1).any(|other| other == keyword));
    if doubled { Err(CommandError::Syntax("a parameter is given twice")) } else { Ok(()) }
}

/// RFC 1870 §4: up to 20 digits.
fn size(value: &str) -> Result<u64> {
    let digits = value.len() <= 20 && !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    if !digits {
        return Err(CommandError::Syntax("SIZE is a number"));
    }
    // Twenty digits may pass 64 bits; that is too big all the same.
    Ok(value.parse().unwrap_or(u64::MAX))
}

fn body(value: &str) -> Result<Body> {
    match value.to_ascii_uppercase().as_str() {
        "7BIT" => Ok(Body::SevenBit),
        "8BITMIME" => Ok(Body::EightBitMime),
        "BINARYMIME" => Ok(Body::BinaryMime),
        _ => Err(CommandError::Syntax("BODY is 7BIT or 8BITMIME")),
    }
}

fn bounded(value: &str, bytes_max: usize) -> Result<String> {
    match decode_xtext(value) {
        Some(text) if text.len() <= bytes_max => Ok(text),
        _ => Err(CommandError::Syntax("a parameter is not xtext")),
    }
}

fn original_recipient(value: &str) -> Result<OriginalRecipient> {
    let malformed = CommandError::Syntax("ORCPT is type;address");
    let (kind, address) = value.split_once(';').ok_or(malformed)?;
    let kind_is_atom = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let address = decode_xtext(address).filter(|address| !address.is_empty() && address.len() <= ORCPT_BYTES_MAX);
    match address {
        Some(address) if kind_is_atom => Ok(OriginalRecipient { kind: kind.to_ascii_lowercase(), address }),
        _ => Err(malformed),
    }
}

/// RFC 3461 §4: `+3D` stands for `=`. What decodes to a control character is refused: it would end
/// up in a report's header.
pub fn decode_xtext(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(hex(rest.next()?)? << 4 | hex(rest.next()?)?),
            b'=' | 0..=b' ' | 127 => return None,
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control))
}

/// The way back.
pub fn encode_xtext(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'+' | b'=' | 0..=b' ' | 127.. => out.push_str(&format!("+{byte:02X}")),
            byte => out.push(char::from(byte)),
        }
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_parameters() {
        let params =
            MailParams::parse(" SIZE=1000 body=8BITMIME SMTPUTF8 requiretls RET=HDRS ENVID=a+2Bb AUTH=<>").expect("parameters");
        assert_eq!(params.size_bytes, Some(1000));
        assert_eq!(params.body, Some(Body::EightBitMime));
        assert!(params.smtputf8 && params.require_tls);
        assert_eq!((params.ret, params.envid.as_deref()), (Some(Return::Headers), Some("a+b")));
        assert_eq!(params.auth.as_deref(), Some("<>"));
        for (text, unknown) in [
            ("SIZE=", false),
            ("SIZE=x", false),
            ("SIZE", false),
            ("SIZE=1 size=2", false),
            ("BODY=9", false),
            ("REQUIRETLS=1", false),
            ("FOO=1", true),
            ("HOLDFOR=5", true),
        ] {
            let error = MailParams::parse(text).expect_err(text);
            assert_eq!(error == CommandError::UnknownParameter, unknown, "{text}");
        }
        assert_eq!(MailParams::parse("SIZE=99999999999999999999").map(|p| p.size_bytes), Ok(Some(u64::MAX)));
    }

    #[test]
    fn rcpt_parameters() {
        let params = RcptParams::parse("NOTIFY=SUCCESS,delay ORCPT=rfc822;a+40x.org").expect("parameters");
        assert_eq!(params.notify, Some(Notify { success: true, failure: false, delay: true }));
        assert_eq!(params.orcpt, Some(OriginalRecipient { kind: "rfc822".into(), address: "a@x.org".into() }));
        for text in ["NOTIFY=", "NOTIFY=NEVER,FAILURE", "ORCPT=a@x.org", "ORCPT=rfc822;a+0Ab", "NOTIFY"] {
            assert!(RcptParams::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn xtext_is_read_as_written() {
        for text in ["", "a", "a=b+c d", "ü", "~!"] {
            assert_eq!(decode_xtext(&encode_xtext(text)).as_deref(), Some(text));
        }
        for text in ["+", "+4", "+4x", "a b", "a=b", "+0D+0A"] {
            assert_eq!(decode_xtext(text), None, "{text}");
        }
    }

    #[test]
    fn an_envid_is_bounded() {
        assert!(MailParams::parse(&format!("ENVID={}", "a".repeat(ENVID_BYTES_MAX))).is_ok());
        assert!(MailParams::parse(&format!("ENVID={}", "a".repeat(ENVID_BYTES_MAX + 1))).is_err());
    }

    #[test]
    fn notify_is_read_as_written() {
        for bits in 0..8 {
            let notify = Notify { success: bits & 1 > 0, failure: bits & 2 > 0, delay: bits & 4 > 0 };
            assert_eq!(Notify::parse(&notify.encode()), Ok(notify));
        }
    }

    #[test]
    fn an_original_recipient_is_bounded_on_both_sides() {
        let of = |length: usize| RcptParams::parse(&format!("ORCPT=rfc822;{}", "a".repeat(length)));
        assert!(of(ORCPT_BYTES_MAX).is_ok() && of(ORCPT_BYTES_MAX + 1).is_err());
    }
}

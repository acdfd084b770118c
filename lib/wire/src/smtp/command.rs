// SPDX-License-Identifier: AGPL-3.0-or-later
//! One line into a command (RFC 5321 §4.1.1).

use super::params::{MailParams, RcptParams};
use super::path::Path;

/// Octets of a command line with its CRLF. RFC 5321 §4.5.3.1.4 wants 512, and the extensions that we
/// speak add 26 (SIZE), 17 (BODY), 10 (SMTPUTF8), 500 (AUTH), 108 (RET, ENVID) and 529 (NOTIFY, ORCPT).
pub const COMMAND_LINE_BYTES_MAX: usize = 2048;
/// A name in HELO or EHLO: a domain is at most 255 octets (RFC 5321 §4.5.3.1.2).
const CLIENT_NAME_BYTES_MAX: usize = 255;

/// A command, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// RFC 5321 §4.1.1.1, with the client's name for itself.
    Ehlo(String),
    /// RFC 5321 §4.1.1.1, the older form.
    Helo(String),
    /// RFC 2033 §4.1: LMTP's EHLO.
    Lhlo(String),
    /// RFC 5321 §4.1.1.2.
    Mail(Path, MailParams),
    /// RFC 5321 §4.1.1.3.
    Rcpt(Path, RcptParams),
    /// RFC 5321 §4.1.1.4.
    Data,
    /// RFC 3030 §2: so many octets follow at once.
    Bdat {
        /// Octets that follow.
        size_bytes: u64,
        /// The message ends with them.
        last: bool,
    },
    /// RFC 5321 §4.1.1.5.
    Rset,
    /// RFC 5321 §4.1.1.9.
    Noop,
    /// RFC 5321 §4.1.1.10.
    Quit,
    /// RFC 5321 §4.1.1.6.
    Vrfy,
    /// RFC 5321 §4.1.1.7.
    Expn,
    /// RFC 5321 §4.1.1.8.
    Help,
    /// RFC 3207 §4.
    StartTls,
    /// RFC 4954 §4.
    Auth {
        /// The SASL mechanism, in upper case.
        mechanism: String,
        /// The initial response, still in base64; `=` stands for an empty one.
        initial: Option<String>,
    },
}

impl Command {
    /// Its name on the wire, as the registry spells it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ehlo(_) => "EHLO",
            Self::Helo(_) => "HELO",
            Self::Lhlo(_) => "LHLO",
            Self::Mail(..) => "MAIL",
            Self::Rcpt(..) => "RCPT",
            Self::Data => "DATA",
            Self::Bdat { .. } => "BDAT",
            Self::Rset => "RSET",
            Self::Noop => "NOOP",
            Self::Quit => "QUIT",
            Self::Vrfy => "VRFY",
            Self::Expn => "EXPN",
            Self::Help => "HELP",
            Self::StartTls => "STARTTLS",
            Self::Auth { .. } => "AUTH",
        }
    }
}

/// Why a line is not a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such command.
    #[error("command not recognized")]
    Unknown,
    /// The command is known, and what follows it is not what it wants.
    #[error("{0}")]
    Syntax(&'static str),
    /// MAIL or RCPT with a parameter that we do not know (RFC 5321 §4.1.1.11).
    #[error("parameter not recognized")]
    UnknownParameter,
    /// The bytes are not text.
    #[error("a command is text without control characters")]
    NotText,
}

/// Reads a line, which comes without its CRLF.
pub fn parse_command(line: &[u8]) -> Result<Command, CommandError> {
    let line = std::str::from_utf8(line).map_err(|_| CommandError::NotText)?;
    if line.chars().any(char::is_control) {
        return Err(CommandError::NotText);
    }
    let line = line.trim_end_matches(' ');
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    match verb.to_ascii_uppercase().as_str() {
        "EHLO" => client_name(rest).map(Command::Ehlo),
        "HELO" => client_name(rest).map(Command::Helo),
        "LHLO" => client_name(rest).map(Command::Lhlo),
        "MAIL" => mail(rest),
        "RCPT" => rcpt(rest),
        "DATA" => alone(rest, Command::Data),
        "BDAT" => bdat(rest),
        "RSET" => alone(rest, Command::Rset),
        "NOOP" => Ok(Command::Noop),
        "QUIT" => alone(rest, Command::Quit),
        "VRFY" if !rest.trim().is_empty() => Ok(Command::Vrfy),
        "EXPN" if !rest.trim().is_empty() => Ok(Command::Expn),
        "VRFY" | "EXPN" => Err(CommandError::Syntax("a name is missing")),
        "HELP" => Ok(Command::Help),
        "STARTTLS" => alone(rest, Command::StartTls),
        "AUTH" => auth(rest),
        _ => Err(CommandError::Unknown),
    }
}

fn alone(rest: &str, command: Command) -> Result<Command, CommandError> {
    if rest.trim().is_empty() { Ok(command) } else { Err(CommandError::Syntax("this command takes no argument")) }
}

/// RFC 5321 §4.1.4 forbids to refuse mail for what the name says, so any printable word will do.
fn client_name(rest: &str) -> Result<String, CommandError> {
    let name = rest.trim();
    let sound = !name.is_empty() && name.len() <= CLIENT_NAME_BYTES_MAX && name.bytes().all(|b| b.is_ascii_graphic());
    if sound { Ok(name.to_string()) } else { Err(CommandError::Syntax("give the name of your host")) }
}

fn mail(rest: &str) -> Result<Command, CommandError> {
    let (path, params) = path_after(rest, "FROM:").ok_or(CommandError::Syntax("want MAIL FROM:<address>"))?;
    if path == Path::Postmaster {
        return Err(CommandError::Syntax("want MAIL FROM:<address>"));
    }
    Ok(Command::Mail(path, MailParams::parse(params)?))
}

fn rcpt(rest: &str) -> Result<Command, CommandError> {
    let (path, params) = path_after(rest, "TO:").ok_or(CommandError::Syntax("want RCPT TO:<address>"))?;
    if path == Path::Null {
        return Err(CommandError::Syntax("want RCPT TO:<address>"));
    }
    Ok(Command::Rcpt(path, RcptParams::parse(params)?))
}

/// (quirk: many clients write a space behind the colon, which RFC 5321 §3.3 forbids and nobody minds)
fn path_after<'t>(rest: &'t str, word: &str) -> Option<(Path, &'t str)> {
    let found = rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    let (path, params) = Path::parse(rest.get(word.len()..).filter(|_| found)?.trim_start_matches(' '))?;
    (params.is_empty() || params.starts_with(' ')).then_some((path, params))
}

fn bdat(rest: &str) -> Result<Command, CommandError> {
    let malformed = CommandError::Syntax("want BDAT size [LAST]");
    let mut words = rest.split(' ').filter(|word| !word.is_empty());
    let size = words.next().filter(|word| word.len() <= 20 && word.bytes().all(|b| b.is_ascii_digit())).ok_or(malformed)?;
    let size_bytes = size.parse().map_err(|_| malformed)?;
    match (words.next(), words.next()) {
        (None, _) => Ok(Command::Bdat { size_bytes, last: false }),
        (Some(word), None) if word.eq_ignore_ascii_case("LAST") => Ok(Command::Bdat { size_bytes, last: true }),
        _ => Err(malformed),
    }
}

fn auth(rest: &str) -> Result<Command, CommandError> {
    let mut words = rest.split(' ').filter(|word| !word.is_empty());
    match (words.next(), words.next(), words.next()) {
        (Some(mechanism), initial, None) => {
            Ok(Command::Auth { mechanism: mechanism.to_ascii_uppercase(), initial: initial.map(str::to_string) })
        }
        _ => Err(CommandError::Syntax("want AUTH mechanism [initial-response]")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_command() {
        let address = |text: &str| Path::Mailbox(text.parse().expect("an address"));
        for (line, command) in [
            ("EHLO client.example", Command::Ehlo("client.example".into())),
            ("ehlo [192.0.2.1]", Command::Ehlo("[192.0.2.1]".into())),
            ("HELO x", Command::Helo("x".into())),
            ("MAIL FROM:<>", Command::Mail(Path::Null, MailParams::default())),
            ("mail from: <a@x.org>", Command::Mail(address("a@x.org"), MailParams::default())),
            (
                "MAIL FROM:<a@x.org> SIZE=7",
                Command::Mail(address("a@x.org"), MailParams { size_bytes: Some(7), ..MailParams::default() }),
            ),
            ("RCPT TO:<postmaster>", Command::Rcpt(Path::Postmaster, RcptParams::default())),
            ("DATA ", Command::Data),
            ("BDAT 86 LAST", Command::Bdat { size_bytes: 86, last: true }),
            ("BDAT 0", Command::Bdat { size_bytes: 0, last: false }),
            ("NOOP anything", Command::Noop),
            ("QUIT", Command::Quit),
            ("VRFY a", Command::Vrfy),
            ("HELP", Command::Help),
            ("STARTTLS", Command::StartTls),
            ("AUTH plain =", Command::Auth { mechanism: "PLAIN".into(), initial: Some("=".into()) }),
        ] {
            assert_eq!(parse_command(line.as_bytes()), Ok(command), "{line}");
        }
    }

    #[test]
    fn what_is_not() {
        use CommandError::{NotText, Syntax, Unknown, UnknownParameter};
        for (line, error) in [
            (&b""[..], Unknown),
            (b"FOO", Unknown),
            (b"ETRN x", Unknown),
            (b"EHLO", Syntax("give the name of your host")),
            (b"EHLO a b", Syntax("give the name of your host")),
            (b"MAIL FROM:a@x.org", Syntax("want MAIL FROM:<address>")),
            (b"MAIL TO:<a@x.org>", Syntax("want MAIL FROM:<address>")),
            (b"MAIL FROM:<a@x.org>SIZE=1", Syntax("want MAIL FROM:<address>")),
            (b"MAIL FROM:<postmaster>", Syntax("want MAIL FROM:<address>")),
            (b"RCPT TO:<>", Syntax("want RCPT TO:<address>")),
            (b"RCPT TO:<a@x.org> FOO=1", UnknownParameter),
            (b"DATA x", Syntax("this command takes no argument")),
            (b"STARTTLS x", Syntax("this command takes no argument")),
            (b"BDAT", Syntax("want BDAT size [LAST]")),
            (b"BDAT -1", Syntax("want BDAT size [LAST]")),
            (b"BDAT 99999999999999999999", Syntax("want BDAT size [LAST]")),
            (b"AUTH", Syntax("want AUTH mechanism [initial-response]")),
            (b"NOOP\0", NotText),
            (b"NOOP a\rMAIL FROM:<>", NotText),
            (b"NOOP \xff", NotText),
        ] {
            assert_eq!(parse_command(line), Err(error), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_clients_name_is_bounded_on_both_sides() {
        let named = |length: usize| parse_command(format!("EHLO {}", "x".repeat(length)).as_bytes());
        assert!(named(CLIENT_NAME_BYTES_MAX).is_ok() && named(CLIENT_NAME_BYTES_MAX + 1).is_err());
    }
}

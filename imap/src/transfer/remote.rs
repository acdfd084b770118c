// SPDX-License-Identifier: AGPL-3.0-or-later
//! Another IMAP server: folders by role, flags, dates; what was taken is known by its UID, so that it is not even asked
//! for again.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hearth_mailstore::mailbox::role_of;
use hearth_mailstore::{Flag, FlagSet, Role};
use hearth_net::lines::{Deadlines, Line, Lines};
use hearth_net::tls::{ClientStream, Connector};
use hearth_types::Secret;
use hearth_wire::imap::response::encode_string;
use hearth_wire::imap::{Charset, decode_utf7, parse_internal_date};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::values::{Value, announced, find, parse};
use super::{Folder, Importer, Letter, Stop};

/// Octets of one line of theirs.
const LINE_BYTES_MAX: usize = 1024 * 1024;
/// Octets of letters that are asked for at once.
const ASKED_BYTES: u64 = 4 * 1024 * 1024;
/// Letters that are asked for at once.
const ASKED_LETTERS: usize = 50;
const DEADLINES: Deadlines =
    Deadlines { idle: Duration::from_secs(300), progress: Duration::from_secs(120), write: Duration::from_secs(60) };
const CONNECT: Duration = Duration::from_secs(30);

/// Where, and who we are there.
#[derive(Clone, Debug)]
pub struct Place {
    /// The name in the certificate.
    pub host: String,
    /// 993.
    pub port: u16,
    /// Where the host is, if DNS is not to be asked.
    pub address: Option<IpAddr>,
    /// Name.
    pub user: String,
    /// How it is proved.
    pub proof: Proof,
}

/// How a login is proved.
#[derive(Clone, Debug)]
pub enum Proof {
    /// By a password.
    Password(Secret<String>),
    /// By an access token (XOAUTH2, which the large providers have).
    Token(Secret<String>),
}

struct Remote {
    lines: Lines<ClientStream<TcpStream>>,
    host: String,
    tag: u32,
}

/// A folder of theirs.
struct Theirs {
    /// As they write it, for EXAMINE.
    name: Vec<u8>,
    folder: Folder,
    /// What is in all the others, too.
    is_all: bool,
}

/// A letter of theirs, without its octets.
struct Announced {
    uid: u64,
    size_bytes: u64,
    flags: FlagSet,
    date: String,
}

/// Imports everything.
pub async fn import(importer: &mut Importer<'_>, place: &Place, connector: &Connector) -> Result<(), Stop> {
    let mut remote = Remote::connect(place, connector).await?;
    remote.sign_in(place).await?;
    let mut folders = remote.folders().await?;
    // Last, for by then it is known what was elsewhere.
    folders.sort_by_key(|theirs| theirs.is_all);
    for theirs in folders {
        remote.take_folder(importer, place, &theirs).await?;
    }
    // They may be gone already.
    let _ = remote.command("LOGOUT").await;
    Ok(())
}

impl Remote {
    async fn connect(place: &Place, connector: &Connector) -> Result<Self, Stop> {
        let failed = |error| Stop::Source(format!("{}:{}", place.host, place.port), error);
        let connecting = async {
            match place.address {
                Some(address) => TcpStream::connect((address, place.port)).await,
                None => TcpStream::connect((place.host.as_str(), place.port)).await,
            }
        };
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "it does not answer");
        let stream = timeout(CONNECT, connecting).await.map_err(late).and_then(|connected| connected).map_err(failed)?;
        let (stream, _) = connector.verified(&place.host, stream).await.map_err(failed)?;
        let mut remote = Self { lines: Lines::new(stream, DEADLINES), host: place.host.clone(), tag: 0 };
        let greeting = remote.response().await?;
        if greeting.starts_with(b"* OK") { Ok(remote) } else { Err(remote.refused(&greeting)) }
    }

    async fn sign_in(&mut self, place: &Place) -> Result<(), Stop> {
        match &place.proof {
            Proof::Password(password) => {
                let mut command = b"LOGIN ".to_vec();
                encode_string(&mut command, place.user.as_bytes(), Charset::Utf8);
                command.push(b' ');
                encode_string(&mut command, password.expose().as_bytes(), Charset::Utf8);
                self.command_of(&command).await?;
            }
            Proof::Token(token) => {
                let said = format!("user={}\x01auth=Bearer {}\x01\x01", place.user, token.expose());
                self.command(&format!("AUTHENTICATE XOAUTH2 {}", BASE64.encode(said))).await?;
            }
        }
        Ok(())
    }

    fn refused(&self, said: &[u8]) -> Stop {
        Stop::Remote(format!("{} says: {}", self.host, String::from_utf8_lossy(said.trim_ascii())))
    }

    fn broken(&self, error: io::Error) -> Stop {
        Stop::Source(self.host.clone(), error)
    }

    /// One response with its literals.
    async fn response(&mut self) -> Result<Vec<u8>, Stop> {
        let mut whole = Vec::new();
        loop {
            let line = match self.lines.read_line(LINE_BYTES_MAX).await.map_err(|error| self.broken(error))? {
                Line::Line(line, _) => line,
                Line::TooLong => return Err(Stop::Remote(format!("{} sends lines without an end", self.host))),
                Line::Closed => return Err(self.broken(io::ErrorKind::UnexpectedEof.into())),
            };
            let literal = announced(&line);
            whole.extend_from_slice(line.trim_ascii_end());
            whole.extend_from_slice(b"\r\n");
            let Some(length) = literal else { return Ok(whole) };
            // We never ask for more than this at once.
            let length = usize::try_from(length).ok().filter(|length| *length <= 64 * 1024 * 1024 * 2);
            let length = length.ok_or_else(|| Stop::Remote(format!("{} sends more than was asked for", self.host)))?;
            let mut octets = Vec::new();
            if !self.lines.read_exact(length, &mut octets).await.map_err(|error| self.broken(error))? {
                return Err(self.broken(io::ErrorKind::UnexpectedEof.into()));
            }
            whole.append(&mut octets);
        }
    }

    async fn command(&mut self, command: &str) -> Result<Vec<Vec<Value>>, Stop> {
        self.command_of(command.as_bytes()).await
    }

    /// A command, and the untagged responses to it.
    async fn command_of(&mut self, command: &[u8]) -> Result<Vec<Vec<Value>>, Stop> {
        self.tag += 1;
        let tag = format!("h{}", self.tag);
        let line = [tag.as_bytes(), b" ", command, b"\r\n"].concat();
        self.lines.write(&line).await.map_err(|error| self.broken(error))?;
        self.lines.flush().await.map_err(|error| self.broken(error))?;
        let mut untagged = Vec::new();
        loop {
            let response = self.response().await?;
            if let Some(rest) = response.strip_prefix(b"* ") {
                // What we cannot read we did not ask for.
                untagged.extend(parse(rest));
            } else if response.starts_with(b"+") {
                // An error of XOAUTH2 waits for an empty answer.
                self.lines.write(b"\r\n").await.map_err(|error| self.broken(error))?;
                self.lines.flush().await.map_err(|error| self.broken(error))?;
            } else if let Some(rest) = response.strip_prefix(tag.as_bytes()) {
                let rest = rest.trim_ascii();
                return if rest.starts_with(b"OK") { Ok(untagged) } else { Err(self.refused(rest)) };
            }
        }
    }

    async fn folders(&mut self) -> Result<Vec<Theirs>, Stop> {
        let listed = self.command("LIST \"\" \"*\"").await?;
        Ok(listed.iter().filter_map(|values| their_folder(values)).collect())
    }

    async fn take_folder(&mut self, importer: &mut Importer<'_>, place: &Place, theirs: &Theirs) -> Result<(), Stop> {
        let mut command = b"EXAMINE ".to_vec();
        encode_string(&mut command, &theirs.name, Charset::Utf8);
        let told = match self.command_of(&command).await {
            Ok(told) => told,
            Err(Stop::Remote(why)) => {
                importer.refuse(&theirs.folder.path, why);
                return Ok(());
            }
            Err(stop) => return Err(stop),
        };
        let code = |name: &str| told.iter().find_map(|values| number_of_code(values, name));
        let exists = told
            .iter()
            .find(|values| values.get(1).is_some_and(|word| word.is("EXISTS")))
            .and_then(|values| values.first()?.number());
        if exists == Some(0) {
            return Ok(());
        }
        let validity = code("UIDVALIDITY").unwrap_or(0);
        let fetched = self.command("UID FETCH 1:* (UID RFC822.SIZE FLAGS INTERNALDATE)").await?;
        let letters: Vec<Announced> = fetched.iter().filter_map(|values| announced_letter(values)).collect();
        importer.begin(Some(letters.len()));
        let key =
            |uid: u64| format!("imap {} {} {} {validity} {uid}", place.host, place.user, String::from_utf8_lossy(&theirs.name));
        let unknown = importer.unknown(letters.iter().map(|letter| key(letter.uid)).collect()).await?;
        let mut wanted: Vec<Announced> = Vec::new();
        let mut bytes = 0;
        for (letter, _) in letters.into_iter().zip(unknown).filter(|(_, unknown)| *unknown) {
            if letter.size_bytes > importer.letter_bytes_max() {
                importer.refuse(key(letter.uid), "it is larger than a message may be here");
                continue;
            }
            bytes += letter.size_bytes;
            wanted.push(letter);
            if wanted.len() >= ASKED_LETTERS || bytes >= ASKED_BYTES {
                self.take_letters(importer, place, theirs, std::mem::take(&mut wanted), &key).await?;
                bytes = 0;
            }
        }
        self.take_letters(importer, place, theirs, wanted, &key).await?;
        importer.flush().await
    }

    async fn take_letters(
        &mut self,
        importer: &mut Importer<'_>,
        place: &Place,
        theirs: &Theirs,
        wanted: Vec<Announced>,
        key: &(dyn Fn(u64) -> String + Sync),
    ) -> Result<(), Stop> {
        if wanted.is_empty() {
            return Ok(());
        }
        let uids: Vec<String> = wanted.iter().map(|letter| letter.uid.to_string()).collect();
        let fetched = self.command(&format!("UID FETCH {} (UID BODY.PEEK[])", uids.join(","))).await?;
        for values in fetched {
            let Some(items) = fetch_items(&values) else { continue };
            let Some(uid) = find(items, "UID").and_then(Value::number) else { continue };
            let (Some(body), Some(letter)) = (find(items, "BODY[]"), wanted.iter().find(|letter| letter.uid == uid)) else {
                continue;
            };
            let content = body.octets().to_vec();
            let message_id = message_id(&content).map(|id| format!("imap {} {} id {id}", place.host, place.user));
            importer
                .offer(Letter {
                    key: key(uid),
                    // Copies in folders are wanted; those of \All are not.
                    other_key: message_id.clone().filter(|_| theirs.is_all),
                    folder: theirs.folder.clone(),
                    flags: letter.flags.clone(),
                    received_at: parse_internal_date(&letter.date),
                    content,
                    also_known_as: message_id,
                })
                .await?;
        }
        Ok(())
    }
}

/// `FETCH` and what is in its parentheses.
fn fetch_items(values: &[Value]) -> Option<&[Value]> {
    values.get(1).filter(|word| word.is("FETCH"))?;
    Some(values.get(2)?.list())
}

fn announced_letter(values: &[Value]) -> Option<Announced> {
    let items = fetch_items(values)?;
    let flags = find(items, "FLAGS").map(Value::list).unwrap_or_default();
    let flags: FlagSet = flags.iter().filter_map(|flag| Flag::from_imap(&flag.text())).collect();
    Some(Announced {
        uid: find(items, "UID")?.number()?,
        size_bytes: find(items, "RFC822.SIZE").and_then(Value::number).unwrap_or(0),
        flags: if flags.is_too_large() { flags.iter().filter(|flag| !matches!(flag, Flag::Keyword(_))).collect() } else { flags },
        date: find(items, "INTERNALDATE").map(Value::text).unwrap_or_default().trim().to_string(),
    })
}

/// `LIST (attributes) "separator" name`
fn their_folder(values: &[Value]) -> Option<Theirs> {
    let [word, attributes, separator, name] = values else { return None };
    let has = |attribute: &str| attributes.list().iter().any(|one| one.is(attribute));
    if !word.is("LIST") || has("\\Noselect") || has("\\NonExistent") {
        return None;
    }
    let raw = name.text();
    let decoded = decode_utf7(&raw).unwrap_or_else(|| raw.clone());
    let separator = if separator.is("NIL") { String::new() } else { separator.text() };
    let path = if separator.is_empty() || separator == "/" {
        decoded.clone()
    } else {
        decoded.split(&separator).map(|level| level.replace('/', "-")).collect::<Vec<_>>().join("/")
    };
    let roles = [Role::Sent, Role::Drafts, Role::Trash, Role::Junk, Role::Archive];
    let by_use = roles.into_iter().find(|role| role.as_imap().is_some_and(&has));
    let is_all = has("\\All");
    let role = by_use.or_else(|| role_of(&path)).or(is_all.then_some(Role::Archive));
    Some(Theirs { name: name.octets().to_vec(), folder: Folder { path, role }, is_all })
}

/// `OK [UIDVALIDITY 7] ..`
fn number_of_code(values: &[Value], name: &str) -> Option<u64> {
    let code = values.get(1).filter(|_| values.first().is_some_and(|word| word.is("OK")))?.text();
    code.strip_prefix('[')?.strip_suffix(']')?.strip_prefix(name)?.trim().parse().ok()
}

fn message_id(content: &[u8]) -> Option<String> {
    let end = content.windows(4).position(|four| four == b"\r\n\r\n").map_or(content.len(), |at| at + 2);
    let found = hearth_wire::message::Headers::new(content.get(..end)?).find(|field| field.is("message-id"))?;
    Some(found.text().trim().to_string()).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_theirs() {
        let of =
            |line: &str| their_folder(&parse(line.as_bytes()).expect(line)).map(|theirs| (theirs.folder.path, theirs.folder.role));
        let path = |path: &str, role| Some((path.to_string(), role));
        assert_eq!(of("LIST (\\HasNoChildren) \"/\" INBOX"), path("INBOX", Some(Role::Inbox)));
        assert_eq!(of("LIST (\\Sent) \"/\" \"[Gmail]/Gesendet\""), path("[Gmail]/Gesendet", Some(Role::Sent)));
        assert_eq!(of("LIST () \".\" \"INBOX.Lists.a/b\""), path("INBOX/Lists/a-b", None));
        assert_eq!(of("LIST () NIL \"Gr&APw-n\""), path("Grün", None));
        assert_eq!(of("LIST (\\All) \"/\" \"[Gmail]/All Mail\""), path("[Gmail]/All Mail", Some(Role::Archive)));
        assert_eq!(of("LIST (\\Noselect) \"/\" \"[Gmail]\""), None);
    }

    #[test]
    fn letters_of_theirs() {
        let line = "7 FETCH (UID 9 RFC822.SIZE 12 FLAGS (\\Seen \\Recent $x) INTERNALDATE \" 1-Jan-2026 00:00:00 +0100\")";
        let letter = announced_letter(&parse(line.as_bytes()).expect("a FETCH")).expect("a letter");
        assert_eq!((letter.uid, letter.size_bytes), (9, 12));
        assert_eq!(letter.flags, [Flag::Seen, Flag::Keyword("$x".into())].into_iter().collect());
        assert!(parse_internal_date(&letter.date).is_some());
        assert_eq!(number_of_code(&parse(b"OK [UIDVALIDITY 7] x").expect("OK"), "UIDVALIDITY"), Some(7));
        assert_eq!(message_id(b"A: b\r\nMessage-ID: <1@x>\r\n\r\n").as_deref(), Some("<1@x>"));
    }
}

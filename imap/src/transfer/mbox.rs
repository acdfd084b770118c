// SPDX-License-Identifier: AGPL-3.0-or-later
//! mbox (RFC 4155), with quoting as mboxrd has it: read from files of any program, and of Google's Takeout.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use hearth_mailstore::{Flag, FlagSet, Role, import};
use hearth_types::Timestamp;
use hearth_wire::imap::{encode_date_time, parse_internal_date};
use tokio::sync::mpsc;

use super::{Folder, Importer, Letter, Stop, to_lf};

/// Letters that wait between the reading thread and the store.
const AHEAD: usize = 8;
/// Header lines in which mail programs keep flags in an mbox; they are read and left out.
const FLAG_FIELDS: [&str; 5] = ["status", "x-status", "x-keywords", "x-mozilla-status", "x-mozilla-status2"];

/// Imports a file, into `folder` unless its letters say otherwise.
pub async fn import(importer: &mut Importer<'_>, path: &Path, folder: &Folder) -> Result<(), Stop> {
    let (sender, mut letters) = mpsc::channel(AHEAD);
    let (file, folder, bytes_max) = (path.to_path_buf(), folder.clone(), importer.letter_bytes_max());
    let reading = tokio::task::spawn_blocking(move || {
        read(BufReader::new(File::open(&file)?), bytes_max, |raw, time| {
            // The other side has failed when it does not listen.
            sender.blocking_send(letter(raw, time, &folder)).is_ok()
        })
    });
    importer.begin(None);
    while let Some(letter) = letters.recv().await {
        importer.offer(letter).await?;
    }
    importer.flush().await?;
    match reading.await {
        Ok(read) => read.map_err(|error| Stop::Source(path.display().to_string(), error)),
        Err(error) => Err(Stop::Source(path.display().to_string(), io::Error::other(error))),
    }
}

/// Every letter of a file, and the time in its From line, until `each` says false. Of one that is larger than
/// `bytes_max` there comes one octet more than that.
fn read(mut file: impl BufRead, bytes_max: u64, mut each: impl FnMut(Vec<u8>, Option<Timestamp>) -> bool) -> io::Result<()> {
    let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let mut letter: Option<(Vec<u8>, Option<Timestamp>)> = None;
    let (mut line, mut empty_before) = (Vec::new(), true);
    while file.read_until(b'\n', &mut line)? > 0 {
        if empty_before && line.starts_with(b"From ") {
            if let Some((raw, time)) = letter.take()
                && !each(without_last_line(raw), time)
            {
                return Ok(());
            }
            letter = Some((Vec::new(), time_of(&line)));
        } else if let Some((raw, _)) = &mut letter {
            let room = (bytes_max + 1).saturating_sub(raw.len());
            let text = unquoted(&line);
            raw.extend_from_slice(text.get(..room.min(text.len())).unwrap_or_default());
        } else if !line.trim_ascii().is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "this is no mbox: it does not begin with From"));
        }
        empty_before = line.trim_ascii_end().is_empty();
        line.clear();
    }
    if let Some((raw, time)) = letter {
        each(without_last_line(raw), time);
    }
    Ok(())
}

/// The empty line before the next From is not the letter's.
fn without_last_line(mut raw: Vec<u8>) -> Vec<u8> {
    for end in [&b"\r\n\r\n"[..], b"\n\n"] {
        if raw.ends_with(end) {
            raw.truncate(raw.len() - end.len() / 2);
            break;
        }
    }
    raw
}

/// `>From ` has one more `>` than it had.
fn unquoted(line: &[u8]) -> &[u8] {
    let quotes = line.iter().take_while(|octet| **octet == b'>').count();
    if quotes > 0 && line.get(quotes..).is_some_and(|rest| rest.starts_with(b"From ")) {
        line.get(1..).unwrap_or_default()
    } else {
        line
    }
}

/// `From a@b Thu Jan  1 12:34:56 2026`, perhaps with a zone.
fn time_of(line: &[u8]) -> Option<Timestamp> {
    let line = String::from_utf8_lossy(line);
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| word.len() == 8 && word.as_bytes().get(2) == Some(&b':'))?;
    let (month, day, time) = (words.get(at.checked_sub(2)?)?, words.get(at - 1)?, words.get(at)?);
    let is_year = |word: &&&str| word.len() == 4 && word.bytes().all(|octet| octet.is_ascii_digit());
    let is_zone = |word: &&&str| word.len() == 5 && word.starts_with(['+', '-']);
    let rest = words.get(at + 1..)?;
    let (year, zone) = (rest.iter().find(is_year)?, rest.iter().find(is_zone).copied().unwrap_or("+0000"));
    parse_internal_date(&format!("{day:0>2}-{month}-{year} {time} {zone}"))
}

/// A letter with the flags that its header tells, and without the lines that tell them.
fn letter(raw: Vec<u8>, received_at: Option<Timestamp>, folder: &Folder) -> Letter {
    let key = format!("mbox {} {}", folder.path, import::digest(&raw));
    let (mut kept, mut flags, mut labels) = (Vec::with_capacity(raw.len()), FlagSet::EMPTY, None);
    let mut rest = raw.as_slice();
    let mut dropping = false;
    while !rest.is_empty() {
        let end = rest.iter().position(|octet| *octet == b'\n').map_or(rest.len(), |at| at + 1);
        let (line, after) = rest.split_at(end);
        if line.trim_ascii_end().is_empty() {
            break;
        }
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let (name, value) = field(line);
            dropping = FLAG_FIELDS.contains(&name.as_str());
            note_flags(&mut flags, &name, &value);
            if name == "x-gmail-labels" {
                labels = Some(value);
            }
        }
        if !dropping {
            kept.extend_from_slice(line);
        }
        rest = after;
    }
    kept.extend_from_slice(rest);
    let folder = match labels {
        Some(labels) => by_labels(&labels, &mut flags),
        None => folder.clone(),
    };
    Letter { key, other_key: None, also_known_as: None, folder, flags, received_at, content: kept }
}

fn field(line: &[u8]) -> (String, String) {
    let line = String::from_utf8_lossy(line);
    let (name, value) = line.split_once(':').unwrap_or((&line, ""));
    (name.trim().to_lowercase(), value.trim().to_string())
}

fn note_flags(flags: &mut FlagSet, name: &str, value: &str) {
    match name {
        "status" | "x-status" => {
            for (letter, flag) in LETTERS {
                if value.contains(letter) {
                    flags.insert(flag);
                }
            }
        }
        "x-keywords" => value.split_whitespace().filter_map(Flag::from_imap).for_each(|flag| flags.insert(flag)),
        "x-mozilla-status" => {
            let bits = u32::from_str_radix(value, 16).unwrap_or(0);
            for (bit, flag) in [(1, Flag::Seen), (2, Flag::Answered), (4, Flag::Flagged), (8, Flag::Deleted)] {
                if bits & bit != 0 {
                    flags.insert(flag);
                }
            }
        }
        _ => {}
    }
}

/// Of Status and X-Status.
const LETTERS: [(char, Flag); 5] =
    [('R', Flag::Seen), ('A', Flag::Answered), ('F', Flag::Flagged), ('D', Flag::Deleted), ('T', Flag::Draft)];

/// (quirk: Google Takeout, 2026-01) All mail is in one file; what Gmail shows as folders are labels.
fn by_labels(labels: &str, flags: &mut FlagSet) -> Folder {
    let labels: Vec<&str> = labels.split(',').map(|label| label.trim().trim_matches('"')).collect();
    let has = |name: &str| labels.iter().any(|label| label.eq_ignore_ascii_case(name));
    if !has("Unread") {
        flags.insert(Flag::Seen);
    }
    if has("Starred") {
        flags.insert(Flag::Flagged);
    }
    const OURS: [(&str, Role, &str); 5] = [
        ("Trash", Role::Trash, "Trash"),
        ("Spam", Role::Junk, "Junk"),
        ("Drafts", Role::Drafts, "Drafts"),
        ("Sent", Role::Sent, "Sent"),
        ("Inbox", Role::Inbox, "INBOX"),
    ];
    let (role, path) =
        OURS.iter().find(|(label, ..)| has(label)).map_or((Role::Archive, "Archive"), |(_, role, path)| (*role, *path));
    Folder { path: path.to_string(), role: Some(role) }
}

/// Writes a letter with its flags.
pub fn write(out: &mut impl Write, raw: &[u8], flags: &FlagSet, received_at: Timestamp) -> io::Result<()> {
    let raw = to_lf(raw);
    writeln!(out, "From MAILER-DAEMON {}", asctime(received_at))?;
    let header_end = raw.windows(2).position(|two| two == b"\n\n").map_or(raw.len(), |at| at + 1);
    let (header, body) = raw.split_at(header_end);
    write_quoted(out, header)?;
    if !header.is_empty() && !header.ends_with(b"\n") {
        out.write_all(b"\n")?;
    }
    let of = |wanted: &str| -> String {
        LETTERS
            .iter()
            .filter(|(letter, flag)| wanted.contains(*letter) && flags.contains(flag))
            .map(|(letter, _)| *letter)
            .collect()
    };
    writeln!(out, "Status: {}O", of("R"))?;
    writeln!(out, "X-Status: {}", of("AFDT"))?;
    if !flags.keywords().is_empty() {
        writeln!(out, "X-Keywords: {}", flags.keywords().join(" "))?;
    }
    write_quoted(out, body)?;
    out.write_all(if body.is_empty() || body.ends_with(b"\n") { b"\n" } else { b"\n\n" })
}

fn write_quoted(out: &mut impl Write, text: &[u8]) -> io::Result<()> {
    for line in text.split_inclusive(|octet| *octet == b'\n') {
        let quotes = line.iter().take_while(|octet| **octet == b'>').count();
        if line.get(quotes..).is_some_and(|rest| rest.starts_with(b"From ")) {
            out.write_all(b">")?;
        }
        out.write_all(line)?;
    }
    Ok(())
}

/// `Thu Jan  1 12:34:56 2026`, in UTC.
fn asctime(time: Timestamp) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let mut quoted = Vec::new();
    encode_date_time(&mut quoted, time);
    // "17-Jul-1996 02:44:25 +0000"
    let text = String::from_utf8_lossy(&quoted).replace('"', "");
    let (date, clock) = text.trim_start().split_once(' ').unwrap_or((&text, ""));
    let date: Vec<&str> = date.split('-').map(str::trim).collect();
    let weekday = usize::try_from(time.secs().div_euclid(86_400).rem_euclid(7)).unwrap_or(0);
    let word = |at: usize| date.get(at).copied().unwrap_or_default();
    let day = word(0).trim_start_matches('0');
    let clock = clock.split(' ').next().unwrap_or_default();
    format!("{} {} {day:>2} {clock} {}", DAYS.get(weekday).unwrap_or(&"Thu"), word(1), word(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(file: &str) -> Vec<(String, Option<i64>)> {
        let mut all = Vec::new();
        let read = read(file.as_bytes(), 1000, |raw, time| {
            all.push((String::from_utf8(raw).expect("UTF-8"), time.map(Timestamp::secs)));
            true
        });
        read.expect("an mbox");
        all
    }

    #[test]
    fn letters_of_a_file() {
        let file = "From a@b Thu Jan  1 00:00:10 2026\nSubject: x\n\n>From me\n>>From you\nFrom here on\n\nFrom - Fri Jan 02 00:00:00 2026 +0100\nSubject: y\n\nz\n";
        let [(one, at), (other, then)] = &all(file)[..] else { panic!("two letters") };
        assert_eq!((one.as_str(), *at), ("Subject: x\n\nFrom me\n>From you\nFrom here on\n", Some(1_767_225_610)));
        assert_eq!((other.as_str(), *then), ("Subject: y\n\nz\n", Some(1_767_308_400)));
        assert!(all("").is_empty());
        assert!(read(&b"Subject: x\n"[..], 10, |_, _| true).is_err());
        let mut sizes = Vec::new();
        read(&b"From x\n0123456789ABCDEF\n"[..], 10, |raw, _| {
            sizes.push(raw.len());
            true
        })
        .expect("an mbox");
        assert_eq!(sizes, [11]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let flags: FlagSet = [Flag::Seen, Flag::Flagged, Flag::Keyword("$work".into())].into_iter().collect();
        let time = Timestamp::from_secs(1_767_323_045);
        for raw in [
            "Subject: x\r\n\r\nFrom a\r\n>From b\r\n\r\nc\r\n",
            "Subject: x\r\n\r\n",
            "Subject: x\r\n",
            "Subject: x\r\n\r\n\r\n\r\n",
        ] {
            let mut file = Vec::new();
            for _ in 0..2 {
                write(&mut file, raw.as_bytes(), &flags, time).expect("memory");
            }
            let mut back = Vec::new();
            read(file.as_slice(), 1000, |raw, time| {
                back.push(letter(raw, time, &Folder::named("x")));
                true
            })
            .expect("an mbox");
            assert_eq!(back.len(), 2, "{raw:?}");
            for letter in back {
                assert_eq!(String::from_utf8_lossy(&super::super::to_crlf(&letter.content)), raw);
                assert_eq!((letter.flags, letter.received_at), (flags.clone(), Some(time)));
            }
        }
    }

    #[test]
    fn flags_of_others() {
        let of = |header: &str| letter(format!("{header}\n\nx\n").into_bytes(), None, &Folder::named("a"));
        let read = of("X-Mozilla-Status: 0005\nSubject: x");
        assert!(read.flags.contains(&Flag::Seen) && read.flags.contains(&Flag::Flagged) && !read.flags.contains(&Flag::Answered));
        assert_eq!(read.content, b"Subject: x\n\nx\n");
        let sent = of("X-Gmail-Labels: Sent,Unread,\"My label\"");
        assert_eq!((sent.folder.role, sent.flags.contains(&Flag::Seen)), (Some(Role::Sent), false));
        assert_eq!(of("X-Gmail-Labels: Starred").folder.role, Some(Role::Archive));
    }
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! Maildir: folders beside or below each other, as mutt and mbsync lay them out, or `.Name.Below` as Maildir++ does.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use hearth_mailstore::{Flag, FlagSet};
use hearth_types::Timestamp;

use super::{Folder, Importer, Letter, Stop};

/// How deep folders lie.
const DEPTH_MAX: usize = 12;
/// The letters behind `:2,`.
pub const LETTERS: [(char, Flag); 5] =
    [('D', Flag::Draft), ('F', Flag::Flagged), ('R', Flag::Answered), ('S', Flag::Seen), ('T', Flag::Deleted)];
/// `$forwarded`, which Maildir has a letter for.
const FORWARDED: &str = "$forwarded";

/// Is this a folder of a Maildir?
pub fn is_maildir(path: &Path) -> bool {
    path.join("cur").is_dir()
}

/// Imports a Maildir with all that is below it.
pub async fn import(importer: &mut Importer<'_>, root: &Path) -> Result<(), Stop> {
    for (folder, path) in folders(root).map_err(|error| Stop::Source(root.display().to_string(), error))? {
        let failed = |error| Stop::Source(path.display().to_string(), error);
        let files = files(&path).map_err(failed)?;
        importer.begin(Some(files.len()));
        for file in files {
            match letter(&folder, &file) {
                Ok(letter) => importer.offer(letter).await?,
                // Moved by its own program a moment ago, or not ours to read.
                Err(error) => importer.refuse(file.display().to_string(), error),
            }
        }
        importer.flush().await?;
    }
    Ok(())
}

/// The folders of a Maildir, by their paths.
fn folders(root: &Path) -> io::Result<Vec<(Folder, PathBuf)>> {
    let mut all = Vec::new();
    if is_maildir(root) {
        all.push((Folder::named("INBOX"), root.to_path_buf()));
    }
    let mut next = vec![(String::new(), root.to_path_buf(), 0)];
    while let Some((above, folder, depth)) = next.pop() {
        if depth > DEPTH_MAX {
            continue;
        }
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !entry.file_type()?.is_dir() || ["cur", "new", "tmp"].contains(&name.as_str()) {
                continue;
            }
            // Maildir++: `.Lists.rust`
            let name = name.strip_prefix('.').map_or(name.clone(), |name| name.replace('.', "/"));
            let path = if above.is_empty() { name } else { format!("{above}/{name}") };
            if is_maildir(&entry.path()) {
                all.push((Folder::named(&path), entry.path()));
            }
            next.push((path, entry.path(), depth + 1));
        }
    }
    all.sort_by(|one, other| one.0.path.cmp(&other.0.path));
    Ok(all)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for below in ["cur", "new"] {
        let Ok(entries) = fs::read_dir(folder.join(below)) else { continue };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_file() && !entry.file_name().to_string_lossy().starts_with('.') {
                files.push(entry.path());
            }
        }
    }
    // Names begin with the time.
    files.sort_by_key(|path| path.file_name().map(ToOwned::to_owned));
    Ok(files)
}

fn letter(folder: &Folder, file: &Path) -> io::Result<Letter> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (unique, letters) = name.rsplit_once(":2,").unwrap_or((&name, ""));
    let mut flags: FlagSet = LETTERS.iter().filter(|(letter, _)| letters.contains(*letter)).map(|(_, flag)| flag.clone()).collect();
    if letters.contains('P') {
        flags.insert(Flag::Keyword(FORWARDED.to_string()));
    }
    let modified = fs::metadata(file)?.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let received_at = modified.and_then(|since| i64::try_from(since.as_secs()).ok()).map(Timestamp::from_secs);
    Ok(Letter {
        key: format!("maildir {} {unique}", folder.path),
        other_key: None,
        also_known_as: None,
        folder: folder.clone(),
        flags,
        received_at,
        content: fs::read(file)?,
    })
}

/// The letters of flags, behind `:2,`; in the order of the alphabet.
pub fn letters(flags: &FlagSet) -> String {
    let mut letters: Vec<char> = LETTERS.iter().filter(|(_, flag)| flags.contains(flag)).map(|(letter, _)| *letter).collect();
    if flags.contains(&Flag::Keyword(FORWARDED.to_string())) {
        letters.push('P');
    }
    letters.sort_unstable();
    letters.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_both_kinds() {
        let dir = tempfile::tempdir().expect("a folder");
        for path in ["cur", "new", ".Sent/cur", ".Lists.rust/cur", "Work/cur", "Work/2026/cur", "empty"] {
            fs::create_dir_all(dir.path().join(path)).expect("a folder");
        }
        let found: Vec<String> = folders(dir.path()).expect("readable").into_iter().map(|(folder, _)| folder.path).collect();
        assert_eq!(found, ["INBOX", "Lists/rust", "Sent", "Work", "Work/2026"]);
    }

    #[test]
    fn flags_there_and_back() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("1.2.x:2,FPS");
        fs::write(&file, "Subject: x\n\n").expect("written");
        let letter = letter(&Folder::named("a"), &file).expect("read");
        assert_eq!(letters(&letter.flags), "FPS");
        assert_eq!(letter.key, "maildir a 1.2.x");
        assert!(letter.received_at.is_some());
    }
}

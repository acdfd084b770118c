// SPDX-License-Identifier: AGPL-3.0-or-later
//! Files that are whole or not there.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::Context;

/// Writes a file beside, syncs it, and puts it in place.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    let beside = path.with_extension("new");
    let write = || {
        let _ = fs::remove_file(&beside);
        let mut file = File::options().create_new(true).write(true).mode(mode).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().with_context(|| format!("cannot write {}; check the disk and the owner of its folder", path.display()))
}

/// Makes a folder (and those above it) for the owner alone.
pub fn folder(path: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make {}; check the owner of the folder above it", path.display()))
}

/// Syncs a folder, so that the names in it survive a power cut.
pub fn sync_folder(path: &Path) -> anyhow::Result<()> {
    File::open(path).and_then(|folder| folder.sync_all()).with_context(|| format!("cannot sync {}", path.display()))
}

/// Reads a small text file.
pub fn read_text(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path)
        .with_context(|| format!("cannot read {}; put it back from a copy of yours, or run as its owner", path.display()))
}

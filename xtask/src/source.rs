// SPDX-License-Identifier: AGPL-3.0-or-later
//! The tree as the checks see it: Rust files and manifests, each with its room.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The Rust files and manifests of the workspace.
pub struct Tree {
    /// The folder of the workspace.
    pub root: PathBuf,
    /// Every `.rs` file.
    pub files: Vec<File>,
}

/// One Rust file.
pub struct File {
    /// Its path from the root, with `/`.
    pub path: String,
    /// The room that it is in: `smtp`, `lib/wire`, ...
    pub room: String,
    /// Its text.
    pub text: String,
}

impl File {
    /// The lines before the tests at the foot of the file, with their numbers.
    pub fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test_file = self.path.contains("/tests/") || self.path.contains("/benches/");
        let product = self.text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
        product.take(if is_test_file { 0 } else { usize::MAX }).enumerate().map(|(at, line)| (at + 1, line))
    }
}

impl Tree {
    /// Reads the workspace that this program was built from.
    pub fn read() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?.to_path_buf();
        let mut files = Vec::new();
        walk(&root, &root, &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { root, files })
    }
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<File>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && !["target", "node_modules", "hearth-demo"].contains(&name.as_str()) {
                walk(root, &path, files)?;
            }
        } else if name.ends_with(".rs") {
            let relative = path.strip_prefix(root)?.to_string_lossy().into_owned();
            let text = fs::read_to_string(&path)?;
            files.push(File { room: room_of(&relative), path: relative, text });
        }
    }
    Ok(())
}

fn room_of(path: &str) -> String {
    let mut parts = path.split('/');
    match (parts.next().unwrap_or_default(), parts.next().unwrap_or_default()) {
        ("lib", second) => format!("lib/{second}"),
        (first, _) => first.to_string(),
    }
}

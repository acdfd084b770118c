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
    /// A module of tests: in a `tests` or `benches` folder, or declared behind `#[cfg(test)]`.
    pub is_test: bool,
}

impl File {
    /// The lines before the tests at the foot of the file, with their numbers.
    pub fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let product = self.text.lines().take_while(|line| *line != "mod tests {");
        product.take(if self.is_test { 0 } else { usize::MAX }).enumerate().map(|(at, line)| (at + 1, line))
    }
}

impl Tree {
    /// Reads the workspace that this program was built from.
    pub fn read() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?.to_path_buf();
        let mut files = Vec::new();
        walk(&root, &root, &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        mark_tests(&mut files);
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
            let is_test = relative.split('/').any(|part| ["tests", "benches", "tests.rs"].contains(&part));
            files.push(File { room: room_of(&relative), path: relative, text, is_test });
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

/// `#[cfg(test)]` (or a test of other rooms too) above `mod name;` makes a test of the file that it names, and of those in its folder.
fn mark_tests(files: &mut [File]) {
    let mut declared = Vec::new();
    for file in files.iter() {
        let lines: Vec<&str> = file.text.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]" || pair[0].starts_with("#[cfg(any(test,")) {
            let name = pair[1].trim_start_matches("pub ").trim_start_matches("pub(crate) ");
            if let Some(name) = name.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
                declared.push(format!("{}/{name}", module_folder(&file.path)));
            }
        }
    }
    for file in files {
        file.is_test |=
            declared.iter().any(|module| file.path == format!("{module}.rs") || file.path.starts_with(&format!("{module}/")));
    }
}

/// Where the modules lie that a file declares.
fn module_folder(path: &str) -> &str {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let is_root = ["lib.rs", "main.rs", "mod.rs"].iter().any(|root| path.ends_with(&format!("/{root}")));
    if is_root { folder } else { path.trim_end_matches(".rs") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_declared_for_tests_is_a_test() {
        let file = |path: &str, text: &str| File { path: path.into(), room: room_of(path), text: text.into(), is_test: false };
        let mut files =
            [file("smtp/src/lib.rs", "#[cfg(test)]\nmod double;"), file("smtp/src/double.rs", ""), file("smtp/src/other.rs", "")];
        mark_tests(&mut files);
        assert_eq!(files.map(|file| file.is_test), [false, true, false]);
    }
}

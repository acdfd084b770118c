// SPDX-License-Identifier: AGPL-3.0-or-later
//! What can be wrong with a configuration, each in one line that ends with what to do.

use std::io;
use std::path::{Path, PathBuf};

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The directory is not there.
    #[error("{} does not exist; make it with: hearth init --dir {} --domain YOUR.DOMAIN", .dir.display(), .dir.display())]
    NoDirectory {
        /// The directory that was asked for.
        dir: PathBuf,
    },
    /// The directory is there, `hearth.toml` is not.
    #[error("{} has no hearth.toml; set it up with: hearth init --dir {} --domain YOUR.DOMAIN", .dir.display(), .dir.display())]
    NotInitialised {
        /// The directory that was asked for.
        dir: PathBuf,
    },
    /// `hearth init` was interrupted.
    #[error("{} is half initialised; remove it and run init again", .dir.display())]
    HalfInitialised {
        /// The directory that was asked for.
        dir: PathBuf,
    },
    /// The file or directory cannot be read.
    #[error("cannot read {}: {reason}; run as the user who owns it, or change its owner", .path.display())]
    Unreadable {
        /// What could not be read.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The text is not TOML, or has a key that we do not know.
    #[error("{} line {line}: {message}; correct that line", .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A variable names no setting, or its value does not fit.
    #[error("environment variable {name}: {message}; correct it or unset it")]
    Variable {
        /// The variable.
        name: String,
        /// What is wrong with it.
        message: String,
    },
    /// A value is readable and makes no sense.
    #[error("{key} in hearth.toml: {message}")]
    Value {
        /// `section.key`.
        key: &'static str,
        /// What is wrong and what to do.
        message: String,
    },
}

impl ConfigError {
    pub(super) fn open(dir: &Path, path: &Path, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound if !dir.exists() => Self::NoDirectory { dir: dir.to_path_buf() },
            io::ErrorKind::NotFound => Self::NotInitialised { dir: dir.to_path_buf() },
            _ => Self::Unreadable { path: path.to_path_buf(), reason: error.to_string() },
        }
    }

    pub(super) fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let start = error.span().map_or(0, |span| span.start);
        let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
        Self::Syntax { path: path.to_path_buf(), line, message: one_line(error.message()) }
    }
}

/// A message without line breaks.
pub(super) fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every error says whose fault it is.

use std::fmt;

use crate::id;

/// Why a command did not succeed: the peer's doing, with the protocol's own reply `R`, or ours.
#[derive(Debug)]
pub enum Fault<R> {
    /// The peer asked for something that it may not have, or in words that we do not know.
    Peer(R),
    /// Something here failed. It is logged once; the peer sees the id.
    Ours(Trouble),
}

impl<R> From<Trouble> for Fault<R> {
    fn from(trouble: Trouble) -> Self {
        Self::Ours(trouble)
    }
}

/// A failure of ours, with an id that stands both in the log and in what the peer is told.
///
/// The cause is for the log; [`Trouble::id`] alone is for the peer.
pub struct Trouble {
    id: String,
    cause: Box<dyn std::error::Error + Send + Sync>,
}

impl Trouble {
    /// Wraps a cause and gives it an id of four letters.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { id: id::short_tag(), cause: cause.into() }
    }

    /// Four letters that a person can read out, such as `7Q2K`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The cause, for the log.
    pub fn cause(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self.cause.as_ref()
    }
}

impl fmt::Debug for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.id, self.cause)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.id, self.cause)?;
        let mut source = self.cause.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Trouble {
    fn from(cause: E) -> Self {
        Self::new(cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_names_its_cause_and_its_id() {
        let trouble = Trouble::from(std::io::Error::other("disk on fire"));
        assert_eq!(trouble.id().len(), 4);
        assert_eq!(trouble.to_string(), format!("[{}] disk on fire", trouble.id()));
    }
}

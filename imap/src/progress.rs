// SPDX-License-Identifier: AGPL-3.0-or-later
//! INPROGRESS (RFC 9585): a sign of life while a command takes long.

use std::time::Duration;

use hearth_wire::imap::response::{Code, Reply};
use tokio::time::Instant;

use crate::ctx::Ctx;
use crate::fault::Failure;

/// How far a command is.
pub struct Progress {
    tag: String,
    of: u64,
    every: Duration,
    told_at: Instant,
}

impl Progress {
    /// A command that begins, with so much to do.
    pub fn new(ctx: &Ctx, tag: &str, of: usize) -> Self {
        Self { tag: tag.to_string(), of: of as u64, every: ctx.shared.progress_every, told_at: Instant::now() }
    }

    /// What there is to say at `now`; nothing when something was said a moment ago.
    fn due(&mut self, done: usize, now: Instant) -> Option<Reply> {
        if now.duration_since(self.told_at) < self.every {
            return None;
        }
        self.told_at = now;
        Some(Reply::ok("still at it").with(Code::InProgress(self.tag.clone(), done as u64, self.of)))
    }

    /// Says how far it is, now and then.
    pub async fn tell(&mut self, ctx: &mut Ctx, done: usize) -> Result<(), Failure> {
        let Some(reply) = self.due(done, Instant::now()) else { return Ok(()) };
        ctx.write_untagged(&reply).await?;
        ctx.lines.flush().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_and_then() {
        let start = Instant::now();
        let mut progress = Progress { tag: "a 1".into(), of: 9, every: Duration::from_secs(10), told_at: start };
        assert_eq!(progress.due(1, start + Duration::from_secs(9)), None);
        let mut out = Vec::new();
        progress.due(2, start + Duration::from_secs(10)).expect("it is time").encode(&mut out, None);
        assert_eq!(out, b"* OK [INPROGRESS (\"a 1\" 2 9)] still at it\r\n");
        assert_eq!(progress.due(3, start + Duration::from_secs(19)), None);
        assert!(progress.due(4, start + Duration::from_secs(20)).is_some());
    }
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! One request to stop, seen by everybody who holds a clone.

use std::sync::Arc;

use tokio::sync::watch;

/// The request to stop: made once, by a signal or a test, and never taken back.
#[derive(Clone, Debug)]
pub struct Stop {
    sender: Arc<watch::Sender<bool>>,
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

impl Stop {
    /// A request that nobody has made yet.
    pub fn new() -> Self {
        Self { sender: Arc::new(watch::Sender::new(false)) }
    }

    /// Asks everybody to stop.
    pub fn request(&self) {
        self.sender.send_replace(true);
    }

    /// Whether somebody asked.
    pub fn is_requested(&self) -> bool {
        *self.sender.borrow()
    }

    /// Waits until somebody asks; returns at once when it has happened.
    pub async fn requested(&self) {
        let mut receiver = self.sender.subscribe();
        // We hold the sender, so the channel cannot be closed and the error cannot happen.
        let _ = receiver.wait_for(|requested| *requested).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_clone_hears_the_request_made_before_it_listened() {
        let stop = Stop::new();
        let other = stop.clone();
        assert!(!other.is_requested());
        stop.request();
        other.requested().await;
        assert!(other.is_requested());
    }
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! RFC 1939 §4: one POP3 session at a time has an account's maildrop.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use hearth_types::AccountId;

/// The accounts whose maildrop somebody has.
#[derive(Clone, Debug, Default)]
pub struct Maildrops(Arc<Mutex<HashSet<AccountId>>>);

/// A maildrop that is had, until this goes away.
#[derive(Debug)]
pub struct Locked {
    maildrops: Maildrops,
    account: AccountId,
}

impl Maildrops {
    /// Takes it, unless another session has it.
    pub fn lock(&self, account: AccountId) -> Option<Locked> {
        let is_free = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(account);
        is_free.then(|| Locked { maildrops: self.clone(), account })
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.maildrops.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let maildrops = Maildrops::default();
        let (alice, bob) = (AccountId::from_i64(1), AccountId::from_i64(2));
        let held = maildrops.lock(alice);
        assert!(held.is_some() && maildrops.lock(alice).is_none() && maildrops.lock(bob).is_some());
        drop(held);
        assert!(maildrops.lock(alice).is_some());
    }
}

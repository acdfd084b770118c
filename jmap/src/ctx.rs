// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a method may touch, and the two kinds of methods.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use hearth_boot::Config;
use hearth_identity::Directory;
use hearth_identity::login::Login;
use hearth_mailstore::{Durability, MailTx, Store};
use hearth_types::{AccountId, Address, Clock};
use serde_json::Value;

use crate::error::MethodError;
use crate::limits::RESPONSE_BYTES_MAX;
use crate::method::args::Args;
use crate::method::set::{Done, SetArgs};
use crate::request::Arguments;

/// What the process holds for all requests.
pub struct House {
    /// The mail.
    pub store: Store,
    /// The people, for what is known of their keys and their correspondents'.
    pub directory: Directory,
    /// Time.
    pub clock: Clock,
    /// Where clients find us.
    pub urls: Urls,
    /// RFC 8620 §2 maxSizeUpload: the largest mail.
    pub size_upload_bytes_max: u64,
    /// RFC 8621 §1.3.1 maxSizeAttachmentsPerEmail.
    pub attachments_bytes_max: u64,
    /// Where uploads wait until they are kept.
    pub uploads: PathBuf,
}

/// The URLs of the Session object; from the configuration, never from a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urls {
    /// `https://mail.D[:port]/jmap`
    pub base: String,
}

impl Urls {
    /// From the configuration.
    pub fn new(config: &Config) -> Self {
        Self { base: config.https_url(&format!("mail.{}", config.domain()), "/jmap") }
    }

    /// Where this resource is described (RFC 9728 §3).
    pub fn resource_metadata(&self) -> String {
        format!("{}/.well-known/oauth-protected-resource", self.base.trim_end_matches("/jmap"))
    }
}

/// Whose request it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account, the only one that a login sees.
    pub account: AccountId,
    /// Its primary address.
    pub address: Address,
}

impl From<&Login> for Caller {
    fn from(login: &Login) -> Self {
        Self { account: login.account, address: login.address.clone() }
    }
}

/// RFC 8620 §3.3: creation ids and what became of them.
pub type CreatedIds = HashMap<String, String>;

/// What carries out a method.
#[derive(Clone, Copy)]
pub enum Run {
    /// It looks only. Calls of this kind that follow each other see one snapshot.
    Read(ReadFn),
    /// It looks only, and what it found is filled in from elsewhere when the snapshot is closed: no transaction is open
    /// while it waits. What refers back to it within the same snapshot sees it unfilled.
    ReadAndFill(ReadFn, for<'r> fn(&'r House, Arguments, &'r mut Room) -> FillFuture<'r>),
    /// It changes something, in transactions of its own.
    Change(fn(Changing, Args) -> ChangeFuture),
}

/// What looks, within a snapshot.
pub type ReadFn = fn(&mut Reading<'_, '_>, Args) -> Result<Arguments, MethodError>;

/// What fills in, while it runs.
pub type FillFuture<'r> = Pin<Box<dyn Future<Output = Result<Arguments, MethodError>> + Send + 'r>>;

/// What a change is, while it runs.
pub type ChangeFuture = Pin<Box<dyn Future<Output = Result<Outcome, MethodError>> + Send>>;

/// What a reading method has at hand.
pub struct Reading<'r, 't> {
    /// The snapshot.
    pub tx: &'r mut MailTx<'t>,
    /// Whose request it is.
    pub caller: &'r Caller,
    /// Ids made so far.
    pub created: &'r CreatedIds,
    /// What the response may still grow by.
    pub room: &'r mut Room,
}

/// Octets that the objects of one response may still take, whichever of its calls shows them.
#[derive(Clone, Copy, Debug)]
pub struct Room(usize);

/// Of a response that has nothing in it.
impl Default for Room {
    fn default() -> Self {
        Self(RESPONSE_BYTES_MAX)
    }
}

impl Room {
    /// Takes what an object needs; an error when there is not as much left.
    pub fn take(&mut self, object: &Value) -> Result<(), MethodError> {
        self.0 = self.0.checked_sub(weight(object)).ok_or(MethodError::RequestTooLarge)?;
        Ok(())
    }
}

/// About how many octets a value will be in JSON.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(weight).sum::<usize>() + 2,
        Value::Object(object) => object.iter().map(|(name, value)| name.len() + 4 + weight(value)).sum::<usize>() + 2,
        _ => 8,
    }
}

/// What a changing method has at hand.
#[derive(Clone)]
pub struct Changing {
    /// Stores and clock.
    pub house: Arc<House>,
    /// Whose request it is.
    pub caller: Caller,
    /// Ids made so far.
    pub created: Arc<CreatedIds>,
}

impl Changing {
    /// Carries out a `/set` in one transaction, and answers with the states before and after it (RFC 8620 §5.3).
    pub async fn set_at_once<F>(self, set: SetArgs, apply: F) -> Result<Outcome, MethodError>
    where
        F: FnOnce(&mut MailTx<'_>, SetArgs, CreatedIds) -> Result<Done, MethodError> + Send + 'static,
    {
        let own = self.caller.account;
        let ids = CreatedIds::clone(&self.created);
        let work = move |tx: &mut MailTx<'_>| {
            let old_state = tx.modseq()?;
            set.check_state(old_state)?;
            let done = apply(tx, set, ids)?;
            Ok(done.to_wire(own, old_state, tx.modseq()?))
        };
        self.house.store.write(own, Durability::Synced, work).await
    }
}

/// What a changing method did.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// The arguments of the response.
    pub arguments: Arguments,
    /// Creation ids and the ids that they became.
    pub created: Vec<(String, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_has_room_for_so_much() {
        let half = Value::from("x".repeat(RESPONSE_BYTES_MAX / 2 - 2));
        let mut room = Room::default();
        room.take(&half).expect("fits");
        room.take(&half).expect("fits");
        assert!(matches!(room.take(&Value::from("")), Err(MethodError::RequestTooLarge)));
    }
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the sender of a mail that was taken hears in reports, as far as they asked for them (RFC 3461).
//!
//! (deviates: of a success nobody hears who did not prove to be the author, RFC 3461 §4.1: a forger would have us write to
//! others; the header alone is given back.)

use std::collections::BTreeMap;

use hearth_types::{Address, Fault};
use hearth_wire::smtp::replies::ACCEPTED_250_2_6_0;
use hearth_wire::smtp::{Notify, RcptParams, Reply};

use super::not_queued;
use crate::ctx::Ctx;
use crate::local::Arrival;
use crate::queue::bounce::{self, Action, Failure, Report, Returned};
use crate::state::Transaction;

/// What was asked for with MAIL and RCPT.
#[derive(Debug)]
pub(super) struct Asked {
    envid: Option<String>,
    params: BTreeMap<Address, RcptParams>,
}

/// What came of each address that was written to.
#[derive(Debug, Default)]
pub(super) struct Became {
    /// They will not have it.
    pub failed: Vec<(Address, Reply)>,
    /// They have it: a mailbox, a list, a server of the house.
    pub arrived: Vec<Address>,
    /// It went on to another home.
    pub relayed: Vec<Address>,
}

impl Became {
    pub(super) fn add(&mut self, other: Self) {
        self.failed.extend(other.failed);
        self.arrived.extend(other.arrived);
        self.relayed.extend(other.relayed);
    }
}

impl Asked {
    pub(super) fn of(transaction: &Transaction) -> Self {
        let params = transaction.recipients.iter().map(|one| (one.address.clone(), one.params.clone()));
        Self { envid: transaction.params.envid.clone(), params: params.collect() }
    }

    /// RFC 3461 §4.1: without NOTIFY, failures.
    fn wants(&self, address: &Address, what: fn(&Notify) -> bool) -> bool {
        let notify = self.params.get(address).and_then(|params| params.notify);
        what(&notify.unwrap_or(Notify { success: false, failure: true, delay: false }))
    }
}

/// Some got it, so the sender heard 250: who did not is told of in a report, and who did, where that was asked for.
pub(super) async fn tell(ctx: &Ctx, arrival: &Arrival, asked: &Asked, became: Became) -> Result<(), Fault<Reply>> {
    let Some(sender) = arrival.sender.as_ref() else { return Ok(()) };
    let failed = became.failed.into_iter().filter(|(address, _)| asked.wants(address, |notify| notify.failure)).collect();
    let well = |addresses: Vec<Address>| -> Vec<(Address, Reply)> {
        let wanted = addresses.into_iter().filter(|address| arrival.proven && asked.wants(address, |notify| notify.success));
        wanted.map(|address| (address, ACCEPTED_250_2_6_0)).collect()
    };
    for (action, recipients) in
        [(Action::Failed, failed), (Action::Delivered, well(became.arrived)), (Action::Relayed, well(became.relayed))]
    {
        if recipients.is_empty() {
            continue;
        }
        let orcpt = |address: &Address| asked.params.get(address).and_then(|params| params.orcpt.clone());
        let recipients =
            recipients.into_iter().map(|(recipient, reply)| Failure { orcpt: orcpt(&recipient), recipient, reply, host: None });
        let report = Report {
            hostname: &ctx.server.hostname,
            id: &arrival.id,
            sender,
            envid: asked.envid.as_deref(),
            arrived_at: arrival.received_at,
            now: ctx.server.clock.now(),
            action,
            recipients: recipients.collect(),
            returned: Returned::Header(arrival.trace.as_bytes()),
        };
        match ctx.server.queue.enqueue(bounce::signed(&ctx.server, &report).await).await {
            Ok(_) => {}
            // The mail is there: that nobody says so is better than a second one.
            Err(error) if action != Action::Failed => {
                tracing::warn!(mail = %arrival.id, %error, "that a mail was delivered could not be reported");
            }
            Err(error) => return Err(not_queued(error)),
        }
    }
    Ok(())
}

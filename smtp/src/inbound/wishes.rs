// SPDX-License-Identifier: AGPL-3.0-or-later
//! Recipients that have a word on who writes to them: masked addresses, and lists.

use hearth_identity::directory::Masked;
use hearth_types::{Address, Domain, Trouble};
use hearth_wire::smtp::Reply;
use hearth_wire::smtp::replies::NOBODY_HERE_450_4_2_1;

use super::check::Findings;
use crate::ctx::Server;
use crate::lists::{self, Post};
use crate::local::Arrival;
use crate::queue::NewMail;
use crate::state::{Goal, Transaction};
use crate::submission;

/// What they say.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// Who does not take the mail, and what the sender hears.
    pub refused: Vec<(Address, Reply)>,
    /// Copies of lists, to be queued.
    pub copies: Vec<NewMail>,
    /// Lists that took it.
    pub posted: Vec<Address>,
}

/// Asks them; the recipients that were asked and have their answer leave the transaction.
pub(super) async fn ask(
    server: &Server,
    findings: &Findings,
    transaction: &mut Transaction,
    arrival: &Arrival,
) -> Result<Wishes, Trouble> {
    let suspect = arrival.judgement != hearth_filter::Judgement::Welcome;
    let mut wishes = Wishes::default();
    let mut rest = Vec::with_capacity(transaction.recipients.len());
    let addresses: Vec<Address> = transaction.recipients.iter().map(|recipient| recipient.address.clone()).collect();
    let masked = server.directory.list_masked_among(&addresses).await?;
    for recipient in std::mem::take(&mut transaction.recipients) {
        match &recipient.goal {
            Goal::List { list, members } => {
                let post = Post {
                    list,
                    members,
                    at: &recipient.address,
                    sender: arrival.sender.as_ref(),
                    findings: Some(findings),
                    suspect,
                    trace: &arrival.trace,
                    delivered_to: &arrival.delivered_to,
                    message: &arrival.message,
                    require_tls: arrival.require_tls,
                };
                match lists::take(server, &post).await? {
                    Ok(copies) => {
                        wishes.copies.extend(copies);
                        wishes.posted.push(recipient.address);
                    }
                    Err(reply) => wishes.refused.push((recipient.address, reply)),
                }
            }
            Goal::House => rest.push(recipient),
            Goal::Vacant => wishes.refused.push((recipient.address, NOBODY_HERE_450_4_2_1)),
            Goal::Here { .. } | Goal::Elsewhere => {
                match ask_masked(server, findings, suspect, &masked, &recipient.address, arrival).await? {
                    Some(reply) => wishes.refused.push((recipient.address, reply)),
                    None => rest.push(recipient),
                }
            }
        }
    }
    transaction.recipients = rest;
    Ok(wishes)
}

/// The refusal of a masked address; the first mail that is welcome and proven locks it.
async fn ask_masked(
    server: &Server,
    findings: &Findings,
    suspect: bool,
    masked: &[Masked],
    address: &Address,
    arrival: &Arrival,
) -> Result<Option<Reply>, Trouble> {
    let key = address.without_subaddress().key();
    let Some(masked) = masked.iter().find(|masked| masked.locks && masked.address.key() == key) else { return Ok(None) };
    let author = submission::authors(arrival.message.start()).ok().and_then(|authors| authors.into_iter().next());
    let proven = author.as_ref().filter(|author| !suspect && lists::is_proven(author, arrival.sender.as_ref(), Some(findings)));
    if masked.locked_to.is_some() {
        // The lock was one's who proved to be it: so has each that comes after.
        return Ok(locked_out(masked, proven.map(Address::domain)));
    }
    match proven {
        Some(author) => {
            // Two may come at once; the lock is the one's whose write was first.
            let now = server.directory.lock_masked(address, author.domain()).await?;
            Ok(now.and_then(|masked| locked_out(&masked, Some(author.domain()))))
        }
        None => Ok(None),
    }
}

fn locked_out(masked: &Masked, domain: Option<&Domain>) -> Option<Reply> {
    let takes = domain.is_some_and(|domain| masked.takes_from(domain));
    (!takes).then(|| Reply::named(550, 7, 1, "this address was made for another sender alone"))
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! RCPT (RFC 5321 §4.1.1.3): may this recipient have the mail that comes?

use hearth_identity::directory::Resolution;
use hearth_mailstore::quota;
use hearth_types::{Address, Domain, Fault, Trouble};
use hearth_wire::smtp::replies::{
    COME_AGAIN_451_4_7_1, MAILBOX_FULL_452_4_2_2, NEEDS_SMTPUTF8_553_5_6_7, NO_SUCH_USER_550_5_1_1, NOBODY_HERE_450_4_2_1,
    RECIPIENT_OK_250_2_1_5, RELAY_DENIED_550_5_7_1, REPORTS_ALONE_550_5_7_1, TOO_FAST_451_4_7_1, TOO_MANY_RECIPIENTS_452_4_5_3,
    UNKNOWN_PARAMETER_555_5_5_4,
};
use hearth_wire::smtp::{Path, RcptParams, Reply};

use crate::ctx::{Ctx, Outcome};
use crate::inbound::pace::Of;
use crate::limits::{MAILBOXES_MAX, RECIPIENTS_MAX};
use crate::state::{Accepted, Goal, Kind, State, Transaction};

pub(crate) async fn run(ctx: &Ctx, state: &mut State, path: &Path, params: &RcptParams) -> Outcome {
    let kind = state.kind;
    let Some(transaction) = state.transaction.as_mut() else {
        return Err(Fault::Peer(hearth_wire::smtp::replies::BAD_SEQUENCE_503_5_5_1));
    };
    let refuse = |reply| Err(Fault::Peer(reply));
    if kind == Kind::Lmtp && (params.notify.is_some() || params.orcpt.is_some()) {
        return refuse(UNKNOWN_PARAMETER_555_5_5_4);
    }
    if transaction.recipients.len() >= RECIPIENTS_MAX {
        return refuse(TOO_MANY_RECIPIENTS_452_4_5_3);
    }
    if !path.is_ascii() && !transaction.params.smtputf8 {
        return refuse(NEEDS_SMTPUTF8_553_5_6_7);
    }
    let address = match path {
        Path::Mailbox(address) => address.clone(),
        Path::Postmaster => postmaster(ctx).await?,
        Path::Literal { .. } | Path::Null => return refuse(RELAY_DENIED_550_5_7_1),
    };
    if let Some(sender) = ctx.server.rewritten(&address).await? {
        // Reports alone: else whoever holds such an address could write to its owner through us.
        if transaction.sender.is_some() {
            return refuse(REPORTS_ALONE_550_5_7_1);
        }
        transaction.recipients.push(Accepted {
            address,
            goal: Goal::Here { accounts: Vec::new(), forwards: vec![sender] },
            params: params.clone(),
        });
        return Ok(RECIPIENT_OK_250_2_1_5);
    }
    if kind == Kind::Mx && !ctx.is_trusted() {
        check_pace(ctx, transaction, &address).map_err(Fault::Peer)?;
    }
    let resolution = ctx.server.directory.resolve(&address).await.map_err(Trouble::from)?;
    let goal = goal(kind, resolution).map_err(Fault::Peer)?;
    // A report finds its place without a mailbox; whether the mail is one is known when it is here.
    let takes_reports = ctx.server.directory.takes_reports(&address).await.map_err(Trouble::from)?;
    check_mailboxes(ctx, transaction, &goal, takes_reports).await?;
    // A client that names somebody twice gets one copy delivered.
    if transaction.recipients.iter().all(|known| known.address != address) {
        transaction.recipients.push(Accepted { address, goal, params: params.clone() });
    }
    Ok(RECIPIENT_OK_250_2_1_5)
}

/// Not too much for one person, and with greylisting nobody's first attempt.
fn check_pace(ctx: &Ctx, transaction: &Transaction, address: &Address) -> Result<(), Reply> {
    let (server, now) = (&ctx.server, ctx.server.clock.now());
    if !ctx.takes(Of::Recipient(address)) {
        return Err(TOO_FAST_451_4_7_1);
    }
    if server.policy.greylisting && !server.pace.was_here(ctx.ip(), transaction.sender.as_ref(), address, now) {
        return Err(COME_AGAIN_451_4_7_1);
    }
    Ok(())
}

/// RFC 5321 §4.5.1: `postmaster` alone is the postmaster of the domain that the home is named after.
async fn postmaster(ctx: &Ctx) -> Result<Address, Fault<Reply>> {
    let domains = ctx.server.directory.list_domains().await.map_err(Trouble::from)?;
    let domain: Option<Domain> = domains.into_iter().map(|entry| entry.name).next();
    match domain.map(|domain| Address::new("postmaster", domain)) {
        Some(Ok(address)) => Ok(address),
        _ => Err(Fault::Peer(NOBODY_HERE_450_4_2_1)),
    }
}

fn goal(kind: Kind, resolution: Resolution) -> Result<Goal, Reply> {
    match resolution {
        Resolution::Account(account) => Ok(Goal::Here { accounts: vec![account], forwards: Vec::new() }),
        Resolution::Members { accounts, forwards } => Ok(Goal::Here { accounts, forwards }),
        Resolution::List(list, members) => Ok(Goal::List { list, members }),
        Resolution::House => Ok(Goal::House),
        Resolution::Vacant => Ok(Goal::Vacant),
        Resolution::Disabled => Err(Reply::named(550, 2, 1, "this mailbox takes no mail")),
        Resolution::TooMany => Err(Reply::named(550, 4, 6, "this address stands for too many, or for itself")),
        Resolution::NoSuchUser => Err(NO_SUCH_USER_550_5_1_1),
        Resolution::NotOurDomain if kind == Kind::Submission => Ok(Goal::Elsewhere),
        Resolution::NotOurDomain => Err(RELAY_DENIED_550_5_7_1),
    }
}

/// RFC 5321 §4.5.4.2, RFC 1870 §6.2: a full mailbox is said here already, so that the sender need not send the body.
async fn check_mailboxes(ctx: &Ctx, transaction: &Transaction, goal: &Goal, takes_reports: bool) -> Result<(), Fault<Reply>> {
    let taken: usize = transaction.recipients.iter().map(|known| known.goal.mailboxes()).sum();
    if taken + goal.mailboxes() > MAILBOXES_MAX {
        return Err(Fault::Peer(TOO_MANY_RECIPIENTS_452_4_5_3));
    }
    // Of a list, one full mailbox does not keep the others from their mail.
    if let Goal::Here { accounts, .. } = goal
        && let [account] = accounts.as_slice()
        && !takes_reports
    {
        let quota = ctx.server.store.read(*account, quota::find).await.map_err(Trouble::from)?;
        let coming = transaction.params.size_bytes.unwrap_or(1);
        if !quota.admits(1, coming) {
            return Err(Fault::Peer(MAILBOX_FULL_452_4_2_2));
        }
    }
    Ok(())
}

impl Goal {
    fn mailboxes(&self) -> usize {
        match self {
            Self::Here { accounts, forwards } => accounts.len() + forwards.len(),
            // A list has its own bound, by what its copies weigh.
            Self::List { .. } | Self::Elsewhere => 1,
            Self::House | Self::Vacant => 0,
        }
    }
}

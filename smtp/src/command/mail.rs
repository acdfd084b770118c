// SPDX-License-Identifier: AGPL-3.0-or-later
//! MAIL (RFC 5321 §4.1.1.2): a transaction begins.

use hearth_types::{Address, Fault};
use hearth_wire::smtp::replies::{
    BAD_SENDER_553_5_1_7, NEEDS_SMTPUTF8_553_5_6_7, NEEDS_TLS_530_5_7_10, NOT_YOUR_ADDRESS_553_5_7_1, SENDER_OK_250_2_1_0,
    TOO_BIG_552_5_3_4, TOO_FAST_451_4_7_1, UNKNOWN_PARAMETER_555_5_5_4,
};
use hearth_wire::smtp::{MailParams, Path};
use metrics::counter;

use crate::ctx::{Ctx, Outcome};
use crate::inbound::pace::Of;
use crate::state::{Kind, State, Transaction};

pub(crate) async fn run(ctx: &Ctx, state: &mut State, path: &Path, params: &MailParams) -> Outcome {
    check_params(ctx, state, path, params)?;
    let sender = match path {
        Path::Null => None,
        Path::Mailbox(address) => Some(address.clone()),
        // A report to an address literal reaches nobody that we could find again.
        Path::Postmaster | Path::Literal { .. } => return Err(Fault::Peer(BAD_SENDER_553_5_1_7)),
    };
    if state.kind == Kind::Mx && !ctx.is_trusted() && !is_slow_enough(ctx, sender.as_ref()) {
        counter!("smtp_too_fast_total").increment(1);
        return Err(Fault::Peer(TOO_FAST_451_4_7_1));
    }
    if let Some(login) = &state.login {
        // RFC 6409 §6.1. The null sender is for reports, and people do not send these.
        let own = match &sender {
            Some(sender) => ctx.server.directory.may_send_as(login.account, sender).await.map_err(hearth_types::Trouble::from)?,
            None => false,
        };
        if !own {
            return Err(Fault::Peer(NOT_YOUR_ADDRESS_553_5_7_1));
        }
    }
    state.transaction = Some(Transaction { sender, params: params.clone(), recipients: Vec::new(), chunks: None });
    Ok(SENDER_OK_250_2_1_0)
}

fn is_slow_enough(ctx: &Ctx, sender: Option<&Address>) -> bool {
    let take = |of| ctx.takes(of);
    take(Of::Connection(ctx.peer.remote))
        && take(Of::Address(ctx.ip()))
        && take(Of::Network(ctx.ip()))
        && sender.is_none_or(|sender| take(Of::Sender(sender)))
}

fn check_params(ctx: &Ctx, state: &State, path: &Path, params: &MailParams) -> Result<(), Fault<hearth_wire::smtp::Reply>> {
    let refuse = |reply| Err(Fault::Peer(reply));
    if params.size_bytes.is_some_and(|size| size > ctx.server.size_bytes_max) {
        // RFC 1870 §6.1: before a single octet came.
        return refuse(TOO_BIG_552_5_3_4);
    }
    if params.require_tls && !state.secured {
        return refuse(NEEDS_TLS_530_5_7_10);
    }
    if !path.is_ascii() && !params.smtputf8 {
        return refuse(NEEDS_SMTPUTF8_553_5_6_7);
    }
    if state.kind == Kind::Lmtp && (params.ret.is_some() || params.envid.is_some()) {
        // Not advertised there, so not understood.
        return refuse(UNKNOWN_PARAMETER_555_5_5_4);
    }
    Ok(())
}

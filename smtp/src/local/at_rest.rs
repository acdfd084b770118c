// SPDX-License-Identifier: AGPL-3.0-or-later
//! Copies for people who want their mail sealed on the disk are sealed, after all that reads them has read them.

use std::sync::Arc;

use hearth_filter::at_rest::{self, NotSealed};
use hearth_types::id::Id;
use hearth_types::{AccountId, Trouble};
use metrics::counter;

use super::{Arrival, Plan, notice};
use crate::ctx::Server;
use crate::message::{Message, Spool};

/// Seals what is planned for those who want it. A copy that cannot be sealed is kept as it is, and its owner is
/// told; an `Err` means that it is not known who wants it, and nothing may be stored.
pub(super) async fn seal(server: &Server, arrival: &Arrival, plans: &mut [Plan]) -> Result<(), Trouble> {
    let filed = plans.iter().filter(|plan| !plan.copies.is_empty()).map(|plan| plan.account).collect();
    let wanted = server.directory.list_sealing(filed).await?;
    for plan in plans.iter_mut().filter(|plan| !plan.copies.is_empty() && wanted.contains(&plan.account)) {
        let Some(sealing) = server.directory.find_sealing(plan.account).await? else { continue };
        let Some(cert) = sealing.whole.map(Arc::new) else {
            not_sealed(server, plan, notice::CERTIFICATE_GONE).await;
            continue;
        };
        for number in 0..plan.copies.len() {
            let Some(copy) = plan.copies.get_mut(number) else { continue };
            let mail = match &copy.edited {
                Some(edited) => edited.clone(),
                None => arrival.message.with_fields(plan.prefix.as_bytes()),
            };
            match seal_one(server, &cert, mail).await? {
                Ok(sealed) => {
                    counter!("smtp_sealed_total").increment(1);
                    copy.edited = Some(sealed);
                }
                Err(NotSealed::Already) => {}
                Err(error) => not_sealed(server, plan, &error.to_string()).await,
            }
        }
    }
    Ok(())
}

async fn seal_one(server: &Server, cert: &Arc<Vec<u8>>, mail: Message) -> Result<Result<Message, NotSealed>, Trouble> {
    let (cert, now, dir) = (Arc::clone(cert), server.clock.now(), server.queue.dir().to_path_buf());
    let edge = format!("=_{}", Id::new(now));
    let sealed = tokio::task::spawn_blocking(move || {
        let mut sealed = Spool::new(&dir);
        let mut rest = mail.rest()?;
        match at_rest::seal_to(&mut sealed, mail.start(), &mut rest, &cert, now.into(), &edge) {
            Ok(()) => Ok(Ok(sealed.finish()?)),
            Err(error) => Ok::<_, std::io::Error>(Err(error)),
        }
    });
    Ok(sealed.await??)
}

/// A refused mail as it may be kept: sealed for who wants that, else as it is. `None`: it cannot be sealed, and nobody
/// expects it, so that it is not kept at all.
pub(super) async fn kept(server: &Server, account: AccountId, mail: Message) -> Result<Option<Message>, Trouble> {
    let Some(sealing) = server.directory.find_sealing(account).await? else { return Ok(Some(mail)) };
    let Some(cert) = sealing.whole.map(Arc::new) else { return Ok(None) };
    match seal_one(server, &cert, mail.clone()).await? {
        Ok(sealed) => {
            counter!("smtp_sealed_total").increment(1);
            Ok(Some(sealed))
        }
        Err(NotSealed::Already) => Ok(Some(mail)),
        Err(_) => Ok(None),
    }
}

async fn not_sealed(server: &Server, plan: &Plan, why: &str) {
    counter!("smtp_not_sealed_total").increment(1);
    let account: AccountId = plan.account;
    tracing::warn!(%account, why, "a mail could not be sealed; it is kept as it came");
    notice::tell_owner(server, account, &plan.address, &notice::NOT_SEALED, why).await;
}

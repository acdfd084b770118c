// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth key tend`: the daily round. The house certifies what its people published, signs the head of its log, writes to
//! those whose certificate ends soon, and looks what its friends' homes say of their own certificates now. `hearth up` runs it; running it again does nothing twice.

use hearth_identity::Directory;
use hearth_keyserver::remind::{self, DAYS_BEFORE};
use hearth_types::{Clock, Domain};
use serde_json::json;

use super::house;
use crate::command::friend;
use crate::gate::OpenGate;
use crate::out::Out;
use crate::place::Place;

pub(super) async fn run(place: &Place, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let gate = OpenGate::open(&place.config).await?;
    let done = async {
        let house = house::open(&directory, gate.gate()).await?;
        remind::ensure_submission(&directory, super::now()).await?;
        let certified = house::certify(&directory, &house).await?;
        let signed = house::sign_head(&directory, &house).await?;
        anyhow::Ok((house.fingerprint, certified, signed))
    };
    let done = done.await;
    gate.close().await;
    let (fingerprint, certified, signed) = done?;
    let reminded = remind_all(place, &directory).await?;
    let (friends, says) = friend::refresh(place, &directory, &fingerprint).await?;
    for warning in &says {
        tracing::warn!("{warning}");
    }
    let mut lines = format!(
        "{fingerprint} is the certificate of this house. Certified: {certified}. Reminded: {reminded}. Friends' homes that changed: {friends}.{}",
        if signed { " The head of the log is signed." } else { "" }
    );
    for warning in &says {
        lines.push('\n');
        lines.push_str(warning);
    }
    let report = json!({
        "fingerprint": fingerprint,
        "certified": certified,
        "reminded": reminded,
        "signed": signed,
        "friends_changed": friends,
        "says": says,
    });
    out.result(&report, lines);
    Ok(())
}

/// Letters to those whose published certificate ends within so many days; one for each number of days.
async fn remind_all(place: &Place, directory: &Directory) -> anyhow::Result<usize> {
    let now = Clock::system().now();
    let domain = Domain::parse(place.config.domain())?;
    let page = format!("{}/account/key", place.config.issuer());
    let mut written = 0;
    for cert in directory.list_certs(None).await? {
        let Some(end) = cert.expires_at.filter(|_| !cert.revoked && cert.addresses.iter().any(|named| named.published)) else {
            continue;
        };
        let left = end.since(now).as_secs().div_ceil(24 * 3600);
        let Some(days) = DAYS_BEFORE.iter().copied().filter(|days| left <= u64::from(*days)).min() else { continue };
        let Some(account) = directory.find_account(cert.account).await? else { continue };
        if end <= now || account.disabled {
            continue;
        }
        let facts = remind::Facts {
            domain: &domain,
            to: &account.primary,
            fingerprint: &cert.fingerprint,
            ends: end,
            here: cert.secret_stored,
            page: &page,
        };
        let raw = remind::letter(&facts, now);
        if directory.remind_of_cert(&cert.fingerprint, end, days, &account.primary, raw).await? {
            written += 1;
        }
    }
    Ok(written)
}

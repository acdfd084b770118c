// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth key tend`: the daily round. The house certifies what its people published, signs the head of its log, writes to
//! those whose certificate ends soon, and looks what its friends' homes say of their own certificates now. `hearth up` runs
//! it; running it again does nothing twice.

use hearth_identity::Directory;
use hearth_identity::login::Gate;
use hearth_keyserver::remind::{self, DAYS_BEFORE};
use hearth_types::{Clock, Domain};
use serde_json::json;

use super::house;
use crate::command::friend;
use crate::gate::OpenGate;
use crate::out::Out;
use crate::place::Place;

/// What the house did by its own certificate.
#[derive(Default)]
struct Said {
    /// Nothing when the house ended it and wants no other.
    fingerprint: Option<String>,
    certified: usize,
    signed: bool,
}

pub(super) async fn run(place: &Place, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let gate = OpenGate::open(&place.config).await?;
    let said = async {
        let turn = house::take_turn(&place.config).await?;
        anyhow::Ok((say(&directory, gate.gate()).await?, turn))
    };
    let said = said.await;
    gate.close().await;
    let (said, _turn) = said?;
    let reminded = remind_all(place, &directory).await?;
    let (friends, says) = match &said.fingerprint {
        Some(fingerprint) => friend::refresh(place, &directory, fingerprint).await?,
        None => (0, vec!["This house ended its certificate. A new one: hearth key generate --house".to_owned()]),
    };
    for warning in &says {
        tracing::warn!("{warning}");
    }
    let mut lines = said.fingerprint.as_ref().map_or_else(String::new, |fingerprint| {
        format!("{fingerprint} is the certificate of this house. Certified: {}. ", said.certified)
    });
    lines.push_str(&format!("Reminded: {reminded}. Friends' homes that changed: {friends}."));
    if said.signed {
        lines.push_str(" The head of the log is signed.");
    }
    for warning in &says {
        lines.push('\n');
        lines.push_str(warning);
    }
    let report = json!({
        "fingerprint": said.fingerprint,
        "certified": said.certified,
        "reminded": reminded,
        "signed": said.signed,
        "friends_changed": friends,
        "says": says,
    });
    out.result(&report, lines);
    Ok(())
}

async fn say(directory: &Directory, gate: &Gate) -> anyhow::Result<Said> {
    let house = house::open(directory, gate).await?;
    remind::ensure_submission(directory, super::now()).await?;
    let Some(house) = house else { return Ok(Said::default()) };
    let certified = house::certify(directory, &house, Clock::system().now()).await?;
    let signed = house::sign_head(directory, &house).await?;
    Ok(Said { fingerprint: Some(house.fingerprint), certified, signed })
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

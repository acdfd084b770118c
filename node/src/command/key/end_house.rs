// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth key revoke --house`: ends the certificate of the house itself, and lets another one take its place;
//! `hearth key generate --house`: makes one where none took it.

use anyhow::{anyhow, bail};
use hearth_identity::Directory;
use hearth_identity::certs::Source;
use hearth_identity::directory::Event;
use hearth_identity::login::Gate;
use hearth_keyserver::find::AUTHORITY;
use hearth_openpgp::Clean;
use hearth_openpgp::authority::CLOSED;
use hearth_types::Clock;
use serde_json::json;

use super::house::{self, House};
use super::{ReasonChoice, now, revoke};
use crate::gate::OpenGate;
use crate::out::Out;
use crate::place::Place;

pub(super) async fn run(place: &Place, reason: ReasonChoice, message: &str, no_successor: bool, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let closes = no_successor || reason == ReasonChoice::Retired;
    let gate = OpenGate::open(&place.config).await?;
    let ended = async {
        let _turn = house::take_turn(&place.config).await?;
        end(&directory, gate.gate(), reason, message, closes).await
    };
    let ended = ended.await;
    gate.close().await;
    let (fingerprint, next) = ended?;
    let then = match &next {
        Some((house, certified)) => format!(
            "{} takes its place, and certifies {certified} of what the people of this house published. Friends' homes compare it \
             before they believe it: hearth key show openpgp-ca@{}",
            house.fingerprint,
            place.config.domain()
        ),
        None => "No other takes its place: nothing is certified any more. A new one: hearth key generate --house".to_owned(),
    };
    let lines = format!("{fingerprint}, the certificate of this house, is revoked. Whoever looks for it learns so.\n{then}");
    let value = json!({
        "fingerprint": fingerprint,
        "revoked": true,
        "successor": next.as_ref().map(|(house, _)| &house.fingerprint),
        "certified": next.as_ref().map_or(0, |(_, certified)| *certified),
    });
    out.result(&value, lines);
    Ok(())
}

/// What was ended; what took its place, and how many user ids that certifies.
async fn end(
    directory: &Directory,
    gate: &Gate,
    reason: ReasonChoice,
    message: &str,
    closes: bool,
) -> anyhow::Result<(String, Option<(House, usize)>)> {
    let Some(fingerprint) = directory.find_setting(AUTHORITY).await? else {
        bail!("this house has no certificate of its own yet; the daily round makes one: hearth key tend")
    };
    let kept = directory.find_kept(&fingerprint).await?.ok_or_else(|| anyhow!("{fingerprint} is gone"))?;
    let clean = Clean::from_stored(&kept.whole, now())?;
    if clean.is_revoked() {
        if house::is_closed(directory).await? {
            directory.close_house(&fingerprint).await?;
        }
        bail!("{fingerprint}, the certificate of this house, is revoked already; a new one: hearth key generate --house");
    }
    let revoked = clean.revoke(revoke::sign(gate, &fingerprint, reason, message, None).await?, now())?;
    if !revoked.is_revoked() {
        bail!("the revocation does not fit {fingerprint}; nothing was changed");
    }
    // Before the end itself: should the power go in between, the daily round makes no other that nobody wants.
    directory.change_setting(CLOSED, if closes { "yes" } else { "no" }).await?;
    directory.store_cert(revoked.to_certificate(None, Source::House, false, |_| true)).await?;
    if closes {
        directory.close_house(&fingerprint).await?;
    } else {
        directory.remove_vouches_by(&fingerprint).await?;
    }
    note(directory, "key.house-revoked", &fingerprint).await?;
    let Some(next) = house::open(directory, gate).await? else { return Ok((fingerprint, None)) };
    let certified = house::certify(directory, &next, Clock::system().now()).await?;
    house::sign_head(directory, &next).await?;
    Ok((fingerprint, Some((next, certified))))
}

/// Where the house ended its certificate and made no other.
pub(super) async fn begin_again(place: &Place, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let gate = OpenGate::open(&place.config).await?;
    let made = async {
        let _turn = house::take_turn(&place.config).await?;
        make_again(&directory, gate.gate()).await
    };
    let made = made.await;
    gate.close().await;
    let fingerprint = made?.fingerprint;
    let lines = format!("{fingerprint} is the certificate of this house now");
    out.result(&json!({ "fingerprint": fingerprint }), lines);
    Ok(())
}

async fn make_again(directory: &Directory, gate: &Gate) -> anyhow::Result<House> {
    if let Some(fingerprint) = directory.find_setting(AUTHORITY).await?
        && let Some(kept) = directory.find_kept(&fingerprint).await?
        && !Clean::from_stored(&kept.whole, now())?.is_revoked()
    {
        bail!("{fingerprint} is the certificate of this house; end it first: hearth key revoke --house --reason superseded");
    }
    directory.change_setting(CLOSED, "no").await?;
    let Some(made) = house::open(directory, gate).await? else { bail!("another hand closed it again") };
    house::certify(directory, &made, Clock::system().now()).await?;
    house::sign_head(directory, &made).await?;
    note(directory, "key.house-generated", &made.fingerprint).await?;
    Ok(made)
}

async fn note(directory: &Directory, event: &'static str, fingerprint: &str) -> anyhow::Result<()> {
    let event = Event { event, actor: None, subject: None, peer: None, service: None, detail: fingerprint.to_owned() };
    Ok(directory.add_audit(event).await?)
}

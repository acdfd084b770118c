// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth key generate`

use hearth_identity::certs::Source;
use hearth_keyserver::cert::secret::Keepsake;
use hearth_keyserver::cert::{self, Profile};
use serde_json::json;

use super::{ProfileChoice, addresses_of, for_store, house, note, now};
use crate::gate::{OpenGate, refused};
use crate::out::Out;
use crate::place::{Place, account};

pub(super) async fn run(place: &Place, who: &str, profile: ProfileChoice, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let account = account(&directory, who).await?;
    let mut addresses = addresses_of(&directory, account.id).await?;
    // The primary address carries the name.
    addresses.sort_by_key(|address| address.key() != account.primary.key());
    let profile = match profile {
        ProfileChoice::Compatible => Profile::Compatible,
        ProfileChoice::Modern => Profile::Modern,
    };
    let generated = cert::generate(&account.name, &addresses, profile, now())?;
    let fingerprint = generated.clean.fingerprint().to_owned();

    // The secret key first: what is shown must be usable.
    let keepsake = Keepsake { revocation: Some(generated.revocation), secret: Some(generated.secret) };
    let gate = OpenGate::open(&place.config).await?;
    let sealed = gate.gate().store_secret_key(account.id, &fingerprint, &keepsake.to_bytes()).await.map_err(refused);
    let published = async {
        sealed?;
        directory.store_cert(for_store(&generated.clean, account.id, Source::Generated, true, &addresses)).await?;
        directory.publish_cert(&fingerprint, addresses).await?;
        house::follow_up(&directory, gate.gate()).await;
        anyhow::Ok(())
    };
    let published = published.await;
    gate.close().await;
    published?;
    note(&directory, "key.generated", account.id, &fingerprint).await?;

    let value = json!({ "fingerprint": fingerprint, "address": account.primary.to_string() });
    let lines = format!(
        "{fingerprint}\nPublished for {primary}; others find it with: gpg --locate-keys {primary}\n\
         For your mail program: hearth key export {primary} --secret --armor",
        primary = account.primary
    );
    out.result(&value, lines);
    Ok(())
}

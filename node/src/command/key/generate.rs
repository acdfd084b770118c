// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth key generate`, and the certificate that a new account gets where the house wants it (`hearth key at-birth`).

use hearth_identity::Directory;
use hearth_identity::certs::Source;
use hearth_identity::directory::{Account, Kind};
use hearth_identity::login::Gate;
use hearth_openpgp::generate::AT_BIRTH;
use hearth_openpgp::secret::Keepsake;
use hearth_openpgp::{self as cert, Profile};
use serde_json::json;

use super::{BirthChoice, ProfileChoice, house, note, now};
use crate::gate::{OpenGate, refused};
use crate::out::Out;
use crate::place::{Place, account};

pub(super) async fn run(place: &Place, who: &str, profile: ProfileChoice, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let account = account(&directory, who).await?;
    let gate = OpenGate::open(&place.config).await?;
    let made = make(place, &directory, gate.gate(), &account, profile.into()).await;
    gate.close().await;
    let fingerprint = made?;
    let value = json!({ "fingerprint": fingerprint, "address": account.primary.to_string() });
    let lines = format!(
        "{fingerprint}\nPublished for {primary}; others find it with: gpg --locate-keys {primary}\n\
         For your mail program: hearth key export {primary} --secret --armor",
        primary = account.primary
    );
    out.result(&value, lines);
    Ok(())
}

/// Makes a certificate, seals its secret half and shows it for the account's addresses; its fingerprint.
async fn make(place: &Place, directory: &Directory, gate: &Gate, account: &Account, profile: Profile) -> anyhow::Result<String> {
    let open = directory.list_open_addresses(account.id).await?;
    let mut addresses: Vec<_> = open.into_iter().map(|entry| entry.address).collect();
    // The primary address carries the name.
    addresses.sort_by_key(|address| address.key() != account.primary.key());
    let generated = cert::generate(&account.name, &addresses, profile, now())?;
    let fingerprint = generated.clean.fingerprint().to_owned();
    // The secret key first: what is shown must be usable.
    let keepsake = Keepsake { revocation: Some(generated.revocation), secret: Some(generated.secret) };
    gate.store_secret_key(account.id, &fingerprint, &keepsake.to_bytes()).await.map_err(refused)?;
    directory.store_cert(generated.clean.for_store(account.id, Source::Generated, true, &addresses)).await?;
    directory.publish_cert(&fingerprint, addresses).await?;
    house::follow_up(place, directory, gate).await;
    note(directory, "key.generated", account.id, &fingerprint).await?;
    Ok(fingerprint)
}

/// For somebody who just came: what the house wants them to have. The account is there all the same when this fails.
pub async fn at_birth(place: &Place, directory: &Directory, account: &Account) -> anyhow::Result<Option<String>> {
    let wanted = directory.find_setting(AT_BIRTH).await?.as_deref().and_then(Profile::parse);
    let Some(profile) = wanted.filter(|_| account.kind == Kind::Person) else { return Ok(None) };
    let gate = OpenGate::open(&place.config).await?;
    let made = make(place, directory, gate.gate(), account, profile).await;
    gate.close().await;
    made.map(Some)
}

/// `hearth key at-birth`: shows the setting, or changes it.
pub(super) async fn birth(place: &Place, choice: Option<BirthChoice>, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    if let Some(choice) = choice {
        directory.change_setting(AT_BIRTH, choice.name()).await?;
    }
    let kept = directory.find_setting(AT_BIRTH).await?;
    let profile = kept.as_deref().and_then(Profile::parse);
    let says = match profile {
        Some(profile) => format!("A new person gets a certificate ({}), published for their addresses", profile.as_str()),
        None => "A new person gets no certificate; they make one on their account page".to_string(),
    };
    out.result(&json!({ "at_birth": profile.map(Profile::as_str) }), says);
    Ok(())
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth key show`: what two people compare, on paper or by telephone.

use hearth_openpgp::{Clean, show};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde_json::json;

use super::{find, house, now};
use crate::out::Out;
use crate::place::Place;

pub(super) async fn run(place: &Place, key: &str, qr: bool, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let (fingerprint, whole) = match house::find(&directory, key).await? {
        Some(ours) => (ours.fingerprint, ours.whole),
        None => find(&directory, key).await.map(|held| (held.fingerprint, held.whole))?,
    };
    let clean = Clean::from_stored(&whole, now())?;
    let (compare, uri) = (show::in_groups(&fingerprint), show::uri(&fingerprint));
    let addresses: Vec<String> = clean.named_user_ids().iter().map(|named| named.address.to_string()).collect();
    let state = if clean.is_revoked() { "\nREVOKED: do not use it" } else { "" };
    let mut lines = format!("{compare}\n{uri}\n{}{state}", addresses.join(", "));
    if qr {
        lines = format!("{}\n{lines}", picture(&uri)?);
    }
    let value = json!({
        "fingerprint": fingerprint,
        "compare": compare,
        "uri": uri,
        "addresses": addresses,
        "revoked": clean.is_revoked(),
    });
    out.result(&value, lines);
    Ok(())
}

/// Dark on light whatever the terminal's colours are: two rows of the picture on each line.
fn picture(text: &str) -> anyhow::Result<String> {
    let code = QrCode::new(text.as_bytes())?;
    let plain = code.render::<Dense1x2>().dark_color(Dense1x2::Dark).light_color(Dense1x2::Light).build();
    Ok(plain.lines().map(|line| format!("\u{1b}[97;40m{line}\u{1b}[0m\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_holds_the_longest_fingerprint() {
        let picture = picture(&format!("OPENPGP4FPR:{}", "0123456789ABCDEF".repeat(4))).unwrap();
        assert!(picture.lines().count() > 15 && picture.lines().all(|line| line.starts_with("\u{1b}[97;40m")));
    }
}

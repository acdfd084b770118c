// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth app-password`: passwords for mail programs.

use anyhow::{anyhow, bail};
use hearth_identity::login::AppPassword;
use hearth_identity::{Service, Services};
use hearth_types::SessionId;
use serde_json::{Value, json};

use crate::cli::AppPasswordCommand;
use crate::gate::{OpenGate, refused};
use crate::out::Out;
use crate::place::{Place, account};

/// Runs it.
pub async fn run(place: &Place, command: AppPasswordCommand, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    match command {
        AppPasswordCommand::Add { account: who, label, services } => {
            let services = parse_services(&services)?;
            let account = account(&directory, &who).await?;
            let gate = OpenGate::open(&place.config).await?;
            let added = gate.gate().add_app_password(account.id, &label, services, None).await.map_err(refused);
            gate.close().await;
            let (id, password) = added?;
            let value = json!({ "id": id.to_string(), "label": label, "password": password.expose() });
            let lines = format!(
                "{}\nIt is shown once. It opens {} for {}; take it back with: hearth app-password revoke {id}",
                password.expose(),
                services,
                account.primary
            );
            out.result(&value, lines);
        }
        AppPasswordCommand::List { account: who } => {
            let account = account(&directory, &who).await?;
            let gate = OpenGate::open(&place.config).await?;
            let listed = gate.gate().list_app_passwords(account.id).await.map_err(refused);
            gate.close().await;
            let rows: Vec<Value> = listed?.iter().map(describe).collect();
            out.table(&rows, &["label", "for", "id"], "There are none. Make one: hearth app-password add ACCOUNT --label DEVICE");
        }
        AppPasswordCommand::Revoke { id } => {
            let parsed: SessionId =
                id.parse().map_err(|_| anyhow!("{id:?} is not an id; see: hearth app-password list ACCOUNT"))?;
            let gate = OpenGate::open(&place.config).await?;
            let revoked = gate.gate().revoke_app_password(parsed).await.map_err(refused);
            gate.close().await;
            if !revoked? {
                bail!("there is no app password {id}; see: hearth app-password list ACCOUNT");
            }
            out.result(&json!({ "id": id }), format!("{id} opens nothing any more."));
        }
    }
    Ok(())
}

/// An app password as JSON and in tables.
pub(super) fn describe(password: &AppPassword) -> Value {
    json!({
        "id": password.id.to_string(),
        "label": password.label,
        "for": password.services.to_string(),
        "created_at": password.created_at.secs(),
        "expires_at": password.expires_at.map(hearth_types::Timestamp::secs),
        "last_used_at": password.last_used_at.map(hearth_types::Timestamp::secs),
    })
}

fn parse_services(names: &[String]) -> anyhow::Result<Services> {
    if names.is_empty() {
        return Ok(Services::mail());
    }
    let services: Services = names.join(",").parse()?;
    if services.admits(Service::Web) {
        bail!("an app password does not open the account pages; use the person's own password there");
    }
    Ok(services)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_by_name() {
        assert_eq!(parse_services(&[]).unwrap(), Services::mail());
        assert_eq!(parse_services(&["imap".into(), "smtp".into()]).unwrap().to_string(), "smtp imap");
        assert!(parse_services(&["ftp".into()]).is_err());
        assert!(parse_services(&["web".into()]).is_err());
    }
}

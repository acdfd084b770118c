// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth account`: people, groups and services that have an account.

use std::time::Duration;

use anyhow::{Context, bail};
use hearth_boot::Config;
use hearth_identity::Directory;
use hearth_identity::directory::{Account, Kind, NewAccount};
use hearth_mailstore::{Durability, acl};
use hearth_types::{AccountId, Secret};
use serde_json::{Value, json};

use super::{app_password, key};
use crate::cli::{AccountAddArgs, AccountCommand, KindChoice};
use crate::gate::{OpenGate, refused, tell};
use crate::out::Out;
use crate::place::{Place, account, parse_address};
use crate::prompt;

/// Runs it.
pub async fn run(place: &Place, command: AccountCommand, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    match command {
        AccountCommand::Add(args) => add(place, &directory, args, out).await,
        AccountCommand::List => {
            let rows: Vec<Value> = directory.list_accounts().await?.iter().map(describe).collect();
            out.table(
                &rows,
                &["address", "kind", "name", "admin", "disabled", "id"],
                "There is nobody yet. Add somebody: hearth account add NAME@DOMAIN",
            );
            Ok(())
        }
        AccountCommand::Show { account: who } => show(place, &directory, &who, out).await,
        AccountCommand::Disable { account: who } => {
            let account = account(&directory, &who).await?;
            directory.disable_account(account.id).await?;
            tell(&place.config, account.id, "account.disabled", "").await;
            done(out, &account, "may not sign in any more and receives no mail; its mail is kept")
        }
        AccountCommand::Enable { account: who } => {
            let account = account(&directory, &who).await?;
            directory.enable_account(account.id).await?;
            tell(&place.config, account.id, "account.enabled", "").await;
            done(out, &account, "may sign in again")
        }
        AccountCommand::Remove { account: who, yes } => remove(place, &directory, &who, yes, out).await,
        AccountCommand::Link { account: who, forget_factors, hours } => {
            link(place, &directory, &who, forget_factors, hours, out).await
        }
        AccountCommand::SetPassword { account: who, password_stdin } => {
            let account = account(&directory, &who).await?;
            let password = prompt::password(&who, password_stdin)?;
            set_password(&place.config, account.id, password).await?;
            done(out, &account, "has a new password; what was signed in with the old one is signed out")
        }
    }
}

async fn add(place: &Place, directory: &Directory, args: AccountAddArgs, out: &Out) -> anyhow::Result<()> {
    let address = parse_address(&args.address)?;
    let kind = kind(args.kind);
    // Asked before anything is written. Groups and guests do not sign in with a password here.
    let signs_in = matches!(kind, Kind::Person | Kind::Service);
    let password = match args.password_stdin || (signs_in && prompt::somebody_is_there()) {
        true => Some(prompt::password(&args.address, args.password_stdin)?),
        false => None,
    };
    let without = password.is_none() && signs_in;
    if args.again {
        directory.forget_former_address(&address).await?;
    }
    let account = directory.add_account(NewAccount { address: address.clone(), kind, name: args.name, admin: args.admin }).await?;
    if let Some(password) = password
        && let Err(error) = set_password(&place.config, account.id, password).await
    {
        // Half an account helps nobody: take it back, so that the command can be repeated.
        directory.remove_account(account.id).await.context("the account was made without a password; remove it")?;
        directory.forget_former_address(&address).await?;
        return Err(error);
    }
    let key = match key::at_birth(place, directory, &account).await {
        Ok(key) => key,
        Err(error) => {
            tracing::warn!(%error, "the account has no OpenPGP certificate yet; make it with: hearth key generate");
            None
        }
    };
    let mut lines = format!("{} is here.\n", account.primary);
    if let Some(fingerprint) = &key {
        lines.push_str(&format!("Its OpenPGP certificate is {fingerprint}.\n"));
    }
    if without {
        lines.push_str(&format!("It has no password yet: hearth account set-password {}\n", account.primary));
    }
    lines.push_str(&format!("For a mail program: hearth app-password add {} --label DEVICE", account.primary));
    out.result(&json!({ "id": account.id.to_string(), "address": account.primary.to_string() }), lines);
    Ok(())
}

async fn link(place: &Place, directory: &Directory, who: &str, forget_factors: bool, hours: u64, out: &Out) -> anyhow::Result<()> {
    let account = account(directory, who).await?;
    let lives = Duration::from_secs(hours.saturating_mul(3600));
    let gate = OpenGate::open(&place.config).await?;
    let made = gate.gate().add_link(account.id, forget_factors, lives).await.map_err(refused);
    gate.close().await;
    let link = format!("{}/welcome/{}", place.config.issuer(), made?.expose());
    let forgets = if forget_factors { " Their second factors are forgotten when it is used." } else { "" };
    out.result(
        &json!({ "address": account.primary.to_string(), "link": link, "hours": hours }),
        format!(
            "{link}\nGive it to {} alone: whoever opens it within {hours} hours chooses the password.{forgets}",
            account.primary
        ),
    );
    Ok(())
}

/// Sets a password through the gate.
pub(super) async fn set_password(config: &Config, account: AccountId, password: Secret<String>) -> anyhow::Result<()> {
    let gate = OpenGate::open(config).await?;
    let set = gate.gate().set_password(account, Some(&password)).await.map_err(refused);
    gate.close().await;
    set
}

async fn show(place: &Place, directory: &Directory, who: &str, out: &Out) -> anyhow::Result<()> {
    let account = account(directory, who).await?;
    let addresses: Vec<String> =
        directory.list_addresses(account.id).await?.iter().map(|entry| entry.address.to_string()).collect();
    let groups: Vec<String> = directory.list_groups_of(account.id).await?.iter().map(|(_, address)| address.to_string()).collect();
    let gate = OpenGate::open(&place.config).await?;
    let passwords = gate.gate().list_app_passwords(account.id).await.map_err(refused);
    gate.close().await;
    let passwords: Vec<Value> = passwords?.iter().map(app_password::describe).collect();
    let mut value = describe(&account);
    value["addresses"] = json!(addresses);
    value["groups"] = json!(groups);
    value["app_passwords"] = Value::from(passwords.clone());
    let mut lines = format!(
        "{}\n  name         {}\n  kind         {}\n  may change this home  {}\n  disabled     {}\n  addresses    {}\n  groups       {}\n",
        account.primary,
        if account.name.is_empty() { "-" } else { &account.name },
        account.kind.name(),
        yes_or_no(account.admin),
        yes_or_no(account.disabled),
        addresses.join(" "),
        if groups.is_empty() { "-".to_owned() } else { groups.join(" ") },
    );
    lines.push_str(&format!("  app passwords  {}\n", passwords.len()));
    for password in &passwords {
        lines.push_str(&format!(
            "    {}  {}\n",
            password["label"].as_str().unwrap_or_default(),
            password["for"].as_str().unwrap_or_default()
        ));
    }
    out.result(&value, lines);
    Ok(())
}

async fn remove(place: &Place, directory: &Directory, who: &str, yes: bool, out: &Out) -> anyhow::Result<()> {
    let account = account(directory, who).await?;
    if !yes {
        bail!("this removes {} with all its mail, passwords and keys for good; say --yes to do it", account.primary);
    }
    // Out of reach first, then the secrets, then the mail, and the account last: what is interrupted can be repeated.
    directory.disable_account(account.id).await?;
    let gate = OpenGate::open(&place.config).await?;
    let forgotten = gate.gate().forget(account.id).await.map_err(refused);
    gate.close().await;
    forgotten?;
    remove_mail(&place.config, directory, account.id).await?;
    directory.remove_account(account.id).await?;
    done(out, &account, "is gone, with its mail, passwords and keys")
}

/// Its mail, and what others had given it of theirs.
async fn remove_mail(config: &Config, directory: &Directory, account: AccountId) -> anyhow::Result<()> {
    let store = crate::place::mail(config).await?;
    for owner in directory.list_owners_sharing_with(account).await? {
        store.write(owner, Durability::Synced, move |tx| acl::forget_grantee(tx, account)).await?;
    }
    store.remove_account(account).await?;
    store.close().await?;
    Ok(())
}

/// An account as JSON and in tables.
fn describe(account: &Account) -> Value {
    json!({
        "id": account.id.to_string(),
        "address": account.primary.to_string(),
        "kind": account.kind.name(),
        "name": account.name,
        "admin": account.admin,
        "disabled": account.disabled,
        "created_at": account.created_at.secs(),
    })
}

fn done(out: &Out, account: &Account, what: &str) -> anyhow::Result<()> {
    out.result(
        &json!({ "id": account.id.to_string(), "address": account.primary.to_string() }),
        format!("{} {what}.", account.primary),
    );
    Ok(())
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

fn kind(choice: KindChoice) -> Kind {
    match choice {
        KindChoice::Person => Kind::Person,
        KindChoice::Group => Kind::Group,
        KindChoice::Service => Kind::Service,
        KindChoice::Guest => Kind::Guest,
    }
}

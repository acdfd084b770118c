// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/admin/people/...`: one person: addresses, groups, ways in, what happened.

use hearth_identity::directory::{Account, Kind};
use hearth_mailstore::{Durability, acl};
use hearth_types::{AccountId, Trouble};
use hearth_web::axum::response::Response;

use super::page::{Field, Form, Row, Said, Section, show};
use super::{Outcome, Single, address_of, log, no_address, note, outcome, people, refused};
use crate::ctx::Ctx;
use crate::limits::INVITATION_LIFE;
use crate::notice::{Notice, tell_of_admin};
use crate::page::done::Done;
use crate::page::visit::Visit;
use crate::page::when;
use crate::request::params::Params;
use crate::{t, t1, t2};

pub(super) const ROUTE: &str = "/admin/people/{id}";
/// Rows of the log that are shown of one person.
const LOG_ROWS: u32 = 20;

/// What an account is, in a word.
pub(super) const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Person => "person",
        Kind::Group => "group",
        Kind::Service => "service",
        Kind::Guest => "guest",
    }
}

/// The page.
pub(super) struct Person;

impl Single for Person {
    type One = Account;
    const LIST: &'static str = people::PATH;
    const GONE: Done = Done::PersonRemoved;

    async fn find(ctx: &Ctx, id: &str) -> Result<Option<Account>, Trouble> {
        let Ok(id) = id.parse::<AccountId>() else { return Ok(None) };
        let account = ctx.directory.find_account(id).await?;
        Ok(account.filter(|account| account.kind != Kind::Group))
    }

    async fn change(ctx: &Ctx, visit: &Visit, admin: &Account, account: &Account, form: &Params) -> Result<Option<Said>, Trouble> {
        if form.field("do") == "remove" && admin.id != account.id {
            return remove(ctx, visit, account).await;
        }
        change(ctx, visit, admin, account, form).await.map(Some)
    }

    async fn page(ctx: &Ctx, visit: &Visit, account: &Account, said: Option<Said>) -> Result<Response, Trouble> {
        page(ctx, visit, account, said).await
    }
}

async fn change(ctx: &Ctx, visit: &Visit, admin: &Account, account: &Account, form: &Params) -> Outcome {
    let what = form.field("do");
    let is_own = admin.id == account.id;
    let directory = visit.directory(ctx);
    let said = match what {
        // Whoever locks themselves out has nobody to ask.
        "remove" => return Ok(Said::bad(t("You cannot remove your own account."))),
        "withdraw" => {
            if !ctx.vault().remove_link(account.id).await? {
                return Ok(Said::bad(t("That is gone already")));
            }
            note(ctx, visit, admin, "link.withdrawn", Some(account.id), "").await?;
            Said::good(t("The link leads nowhere any more."))
        }
        "disable" if is_own => return Ok(Said::bad(t("You cannot disable your own account."))),
        "disable" => {
            let done = t1("{} may not sign in any more and receives no mail; what is there is kept.", &account.primary);
            outcome(directory.disable_account(account.id).await, done)?
        }
        "enable" => {
            let done = t1("{} may sign in again.", &account.primary);
            outcome(directory.enable_account(account.id).await, done)?
        }
        "link" => {
            let forgets = form.field("forget") == "yes";
            let link = people::link(ctx, account.id, forgets, INVITATION_LIFE).await?;
            let says = t("Give them this link, and nobody else: whoever opens it within seven days chooses the password.");
            let detail = if forgets { "second factors forgotten with its use" } else { "" };
            note(ctx, visit, admin, "link.made", Some(account.id), detail).await?;
            Said::good(says).with_code(link)
        }
        "sign-out" => {
            let done = t1("Every device and app of {} is signed out; app passwords still work.", &account.primary);
            directory.end_password_sessions(account.id, None).await?;
            note(ctx, visit, admin, "signed-out-everywhere", Some(account.id), "").await?;
            Said::good(done)
        }
        "admin" | "no-admin" => {
            let done = if what == "admin" {
                t1("{} looks after the home too.", &account.primary)
            } else {
                t1("{} looks after the home no longer.", &account.primary)
            };
            outcome(directory.change_account_admin(account.id, what == "admin").await, done)?
        }
        "rename" => {
            let changed = directory.change_account_name(account.id, form.field("name").trim()).await;
            outcome(changed, t("The name is changed."))?
        }
        "add-address" | "remove-address" => {
            let Some(address) = address_of(form, if what == "add-address" { "address" } else { "id" }) else { return no_address() };
            let (changed, done) = if what == "add-address" {
                let done = t2("{} leads to {} now.", &address, &account.primary);
                (directory.add_address(account.id, &address).await, done)
            } else if !directory.list_addresses(account.id).await?.iter().any(|entry| entry.address == address) {
                return no_address();
            } else {
                (directory.remove_address(&address).await, t1("{} is gone.", &address))
            };
            outcome(changed, done)?
        }
        _ => return Ok(Said::bad(t("Nothing was changed."))),
    };
    if said.is_good {
        let told = match what {
            "link" => Some(Notice::LinkMade),
            "admin" => Some(Notice::AdminGained),
            "disable" => Some(Notice::AccountDisabled),
            "enable" => Some(Notice::AccountEnabled),
            "sign-out" => Some(Notice::SignedOut),
            "add-address" => Some(Notice::AddressAdded),
            "remove-address" => Some(Notice::AddressRemoved),
            _ => None,
        };
        if let Some(notice) = told {
            let address = form.field(if what == "add-address" { "address" } else { "id" });
            tell_of_admin(ctx, account, notice, if what.ends_with("-address") { address } else { "" }, admin).await;
        }
    }
    Ok(said)
}

/// Out of reach first, then the secrets, then the mail, and the account last: what is interrupted can be repeated.
async fn remove(ctx: &Ctx, visit: &Visit, account: &Account) -> Result<Option<Said>, Trouble> {
    let directory = visit.directory(ctx);
    if let Err(error) = directory.disable_account(account.id).await {
        return refused(error).map(Some);
    }
    ctx.vault().forget(account.id).await?;
    let store = ctx.mail().await?;
    let gone = account.id;
    for owner in ctx.directory.list_owners_sharing_with(gone).await? {
        store.write(owner, Durability::Synced, move |tx| acl::forget_grantee(tx, gone)).await?;
    }
    store.remove_account(gone).await?;
    directory.remove_account(gone).await?;
    Ok(None)
}

async fn page(ctx: &Ctx, visit: &Visit, account: &Account, said: Option<Said>) -> Result<Response, Trouble> {
    let sections =
        vec![facts(ctx, account).await?, addresses(ctx, account).await?, ways_in(ctx, account).await?, log(ctx, account).await?];
    let heading = if account.name.is_empty() { account.primary.to_string() } else { account.name.clone() };
    Ok(show(ctx, visit, heading, people::PATH, sections, said))
}

async fn facts(ctx: &Ctx, account: &Account) -> Result<Section, Trouble> {
    let groups: Vec<String> =
        ctx.directory.list_groups_of(account.id).await?.into_iter().map(|(_, group)| group.to_string()).collect();
    let mut forms = Vec::new();
    if account.disabled {
        forms.push(Form::of("enable", t("Let them in again"), Vec::new()));
    } else {
        forms.push(Form::of("disable", t("Disable the account"), Vec::new()).costing(t(
            "They are signed out everywhere, cannot sign in, and receive no mail. What is there is kept, and you can let them in again.",
        )));
    }
    if account.kind == Kind::Person {
        forms.push(match account.admin {
            true => Form::of("no-admin", t("Looks after the home no longer"), Vec::new()),
            false => Form::of("admin", t("Let them look after the home too"), Vec::new()),
        });
    }
    forms.push(Form::of("remove", t("Remove the account"), Vec::new()).costing(t(
        "All of their mail, passwords and keys go with it, for good. Only a backup has them then. To keep them out, disable the account.",
    )));
    forms.push(Form::of("rename", t("Change the name"), vec![Field::text("name", t("Name, as they write it"), "")]));
    let row = |title: &str, says: String| Row { title: title.to_string(), says, ..Row::default() };
    let state = match (account.disabled, account.admin) {
        (true, _) => t("disabled"),
        (false, true) => t("looks after the home"),
        (false, false) => t("may sign in"),
    };
    let says = if groups.is_empty() { t("In no group").to_string() } else { groups.join(", ") };
    Ok(Section {
        title: account.primary.to_string(),
        rows: vec![row(t("Groups"), says), Row { is_bad: account.disabled, ..row(t("State"), state.to_string()) }],
        forms,
        ..Section::default()
    })
}

async fn addresses(ctx: &Ctx, account: &Account) -> Result<Section, Trouble> {
    let rows = ctx.directory.list_addresses(account.id).await?.into_iter().map(|entry| {
        let is_primary = entry.address.key() == account.primary.key();
        let text = entry.address.to_string();
        Row {
            says: if is_primary { t("the one they are known by").to_string() } else { String::new() },
            forms: if is_primary { Vec::new() } else { vec![Form::small("remove-address", t("Remove"), &text, &text)] },
            title: text,
            ..Row::default()
        }
    });
    Ok(Section {
        title: t("Addresses").to_string(),
        rows: rows.collect(),
        forms: vec![Form::of(
            "add-address",
            t("Add the address"),
            vec![Field::text("address", t("Address"), t("name@domain, in a domain of this home"))],
        )],
        ..Section::default()
    })
}

async fn ways_in(ctx: &Ctx, account: &Account) -> Result<Section, Trouble> {
    let vault = ctx.vault();
    let counted = |title: &str, count: usize| Row { title: title.to_string(), says: count.to_string(), ..Row::default() };
    let rows = vec![
        counted(t("Passkeys"), vault.list_passkeys(account.id).await?.len()),
        counted(t("Authenticator apps"), vault.list_totp(account.id).await?.len()),
        counted(t("Recovery codes"), vault.count_recovery_codes(account.id).await?),
        counted(t("App passwords"), vault.list_app_passwords(account.id).await?.len()),
        counted(t("Devices and apps that are signed in"), ctx.directory.list_sessions(account.id).await?.len()),
    ];
    let mut rows = rows;
    let mut forms = Vec::new();
    if let Some(link) = vault.find_link_of(account.id).await? {
        let says = t1("not used yet; counts until {}", when::day(link.expires_at));
        rows.push(Row { title: t("A link for a new password").to_string(), says, ..Row::default() });
        forms.push(
            Form::of("withdraw", t("Withdraw the link"), Vec::new()).costing(t("Whoever has it cannot come in by it any more.")),
        );
    }
    let forget = Field::tick("forget", t("They lost every second factor: forget them with the use of the link"));
    forms.push(Form::of("link", t("Make a link for a new password"), vec![forget]));
    forms.push(Form::of("sign-out", t("Sign out everywhere"), Vec::new()));
    Ok(Section {
        title: t("Ways in").to_string(),
        text: t("You cannot see or choose their password. A link lets them choose a new one.").to_string(),
        rows,
        forms,
        ..Section::default()
    })
}

async fn log(ctx: &Ctx, account: &Account) -> Result<Section, Trouble> {
    let rows = log::rows(ctx, account.id, LOG_ROWS).await?;
    Ok(Section { title: t("What happened").to_string(), rows, ..Section::default() })
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/admin/rules`: what the household asks of those who sign in, and for how long that lasts.

use hearth_identity::directory::{Account, Kind};
use hearth_types::{AccountId, Trouble};
use hearth_web::axum::response::Response;

use super::page::{Field, Form, Row, Said, Section, show};
use super::{Listing, Outcome, note};
use crate::ctx::Ctx;
use crate::page::visit::Visit;
use crate::request::params::Params;
use crate::rule::policy::Policy;
use crate::{t, t1, t2};

pub(super) const PATH: &str = "/admin/rules";

/// What can be chosen.
const SESSION_DAYS: [u64; 4] = [1, 7, 30, 90];
const REFRESH_DAYS: [u64; 4] = [7, 30, 90, 180];
const ACCESS_MINUTES: [u64; 4] = [5, 15, 30, 60];
const GUESSES_LOG10: [u32; 3] = [8, 10, 12];
/// In the place of a group: those who look after the home.
const ADMINS: &str = "admins";

/// The page.
pub(super) struct Rules;

impl Listing for Rules {
    const PATH: &'static str = PATH;

    async fn change(ctx: &Ctx, visit: &Visit, admin: &Account, form: &Params) -> Outcome {
        if form.field("do") == "keys" {
            ctx.replace_keys().await?;
            note(ctx, visit, admin, "keys.replaced", None, "").await?;
            return Ok(Said::good(t("There are new keys, and nothing that the old ones signed counts any more.")));
        }
        let now = Policy::clone(&*ctx.policy().await?);
        let number = |name: &str| form.field(name).parse::<u64>().unwrap_or_default();
        let (changed, what) = match form.field("do") {
            "times" => {
                let (session, refresh, access) = (number("session"), number("refresh"), number("access"));
                let what = format!("browsers {session} days, apps {refresh} days, access tokens {access} minutes");
                (now.lasting(session, refresh, access), what)
            }
            "strength" => {
                let guesses = u32::try_from(number("guesses")).unwrap_or_default();
                (now.withstanding(guesses), format!("passwords withstand 10^{guesses} guesses"))
            }
            asks @ ("twice" | "once") if form.field("id") == ADMINS => {
                (now.asking_admins_twice(asks == "twice"), format!("{asks}: those who look after the home"))
            }
            asks @ ("twice" | "once") => {
                let group = match form.field("id").parse::<AccountId>() {
                    Ok(id) => ctx.directory.find_account(id).await?.filter(|account| account.kind == Kind::Group),
                    Err(_) => None,
                };
                let Some(group) = group else { return Ok(Said::bad(t("That group is gone."))) };
                (now.asking_twice(group.id, asks == "twice"), format!("{asks}: {}", group.primary))
            }
            _ => return Ok(Said::bad(t("Nothing was changed."))),
        };
        // Whoever makes the rule keeps it first: nobody locks the home's only key away.
        if changed.wants_two_factors(&ctx.directory, admin).await? && !ctx.vault().has_second_factor(admin.id).await? {
            return Ok(Said::bad(t(
                "That would be a rule for you too. Add a passkey or an authenticator app to your own account first.",
            )));
        }
        ctx.change_policy(changed).await?;
        note(ctx, visit, admin, "rules.changed", None, &what).await?;
        Ok(Said::good(t("That is how it is from now on.")))
    }

    async fn page(ctx: &Ctx, visit: &Visit, said: Option<Said>) -> Result<Response, Trouble> {
        let policy = ctx.policy().await?;
        let sections = vec![twice(ctx, &policy).await?, times(&policy), strength(&policy), keys()];
        Ok(show(ctx, visit, t("Rules"), PATH, sections, said))
    }
}

async fn twice(ctx: &Ctx, policy: &Policy) -> Result<Section, Trouble> {
    let row = |title: String, id: String, asks: bool| Row {
        says: if asks { t("two things") } else { t("a password is enough") }.to_string(),
        forms: vec![match asks {
            true => Form::small("once", t("Let a password be enough"), id, &title),
            false => Form::small("twice", t("Ask for two things"), id, &title),
        }],
        title,
        ..Row::default()
    };
    let mut rows = vec![row(t("Those who look after the home").to_string(), ADMINS.to_string(), policy.asks_admins_twice())];
    for group in ctx.directory.list_accounts().await?.into_iter().filter(|account| account.kind == Kind::Group) {
        rows.push(row(group.primary.to_string(), group.id.to_string(), policy.asks_twice(group.id)));
    }
    Ok(Section {
        title: t("Who signs in with two things").to_string(),
        text: t("A password, and a passkey or the codes of an app. Whoever has no second thing yet adds it when they next sign in; mail programs then want app passwords.").to_string(),
        rows,
        ..Section::default()
    })
}

fn times(policy: &Policy) -> Section {
    let days = |all: [u64; 4]| all.map(|days| (days.to_string(), t1("{} days", days))).to_vec();
    let minutes = ACCESS_MINUTES.map(|minutes| (minutes.to_string(), t1("{} minutes", minutes))).to_vec();
    let (session, refresh) = (policy.session_life().as_secs() / 86_400, policy.refresh_life().as_secs() / 86_400);
    let access = policy.access_life().as_secs() / 60;
    let fields = vec![
        Field::choice("session", t("A browser stays signed in for"), days(SESSION_DAYS), &session.to_string()),
        Field::choice("refresh", t("An app that is not used stays signed in for"), days(REFRESH_DAYS), &refresh.to_string()),
        Field::choice("access", t("What an app shows to others counts for"), minutes, &access.to_string()),
    ];
    Section {
        title: t("How long").to_string(),
        text: t2("Now: browsers {} days, apps {} days. It counts for whoever signs in from now on.", session, refresh),
        forms: vec![Form::of("times", t("Save the times"), fields)],
        ..Section::default()
    }
}

fn strength(policy: &Policy) -> Section {
    let names = [t("A hundred million guesses"), t("Ten thousand million guesses"), t("A million million guesses")];
    let all = GUESSES_LOG10.iter().zip(names).map(|(guesses, name)| (guesses.to_string(), name.to_string())).collect();
    let fields = vec![Field::choice("guesses", t("A new password withstands"), all, &policy.guesses_log10().to_string())];
    Section {
        title: t("Passwords").to_string(),
        text: t("What leaked elsewhere is never taken, nor what is made of the person's own name.").to_string(),
        forms: vec![Form::of("strength", t("Save the rule"), fields)],
        ..Section::default()
    }
}

fn keys() -> Section {
    Section {
        title: t("Signing keys").to_string(),
        text: t("They turn by themselves. Replace them only when somebody else may have them, such as after a stolen backup: apps may ask people to sign in again.").to_string(),
        forms: vec![
            Form::of("keys", t("Replace the signing keys now"), Vec::new())
                .costing(t("Nothing that the old keys signed counts any more, and they do not come back.")),
        ],
        ..Section::default()
    }
}

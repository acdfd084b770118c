// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/admin/aliases`: addresses that lead to other addresses, here or elsewhere.

use hearth_identity::directory::Account;
use hearth_types::{Address, Trouble};
use hearth_web::axum::response::Response;

use super::page::{Field, Form, Row, Said, Section, show};
use super::{Listing, Outcome, address_of, no_address, outcome};
use crate::ctx::Ctx;
use crate::page::visit::Visit;
use crate::request::params::Params;
use crate::{t, t1, t2};

pub(super) const PATH: &str = "/admin/aliases";

/// The page.
pub(super) struct Aliases;

impl Listing for Aliases {
    const PATH: &'static str = PATH;

    async fn change(ctx: &Ctx, visit: &Visit, _: &Account, form: &Params) -> Outcome {
        let adds = form.field("do") == "add";
        let Some(address) = address_of(form, if adds { "address" } else { "id" }) else { return no_address() };
        if adds {
            let typed = form.field("targets").split([',', ' ', ';']).map(str::trim).filter(|text| !text.is_empty());
            let Ok(targets) = typed.map(Address::parse).collect::<Result<Vec<_>, _>>() else { return no_address() };
            let names: Vec<String> = targets.iter().map(ToString::to_string).collect();
            let done = t2("{} leads to {} now.", &address, names.join(", "));
            outcome(visit.directory(ctx).add_alias(&address, &targets).await, done)
        } else {
            outcome(visit.directory(ctx).remove_alias(&address).await, t1("{} is gone.", &address))
        }
    }

    async fn page(ctx: &Ctx, visit: &Visit, said: Option<Said>) -> Result<Response, Trouble> {
        let rows = ctx.directory.list_aliases().await?.into_iter().map(|alias| {
            let address = alias.address.to_string();
            let targets: Vec<String> = alias.targets.iter().map(ToString::to_string).collect();
            Row {
                forms: vec![Form::small("remove", t("Remove"), &address, &address)],
                says: targets.join(", "),
                title: address,
                ..Row::default()
            }
        });
        let all = Section {
            title: t("Aliases").to_string(),
            rows: rows.collect(),
            text: t("Addresses that lead to other addresses. A further address of one person stands on their own page.")
                .to_string(),
            ..Section::default()
        };
        let fields = vec![
            Field::text("address", t("Address"), t("name@domain, in a domain of this home")),
            Field::text("targets", t("Leads to"), t("One address or several, with a comma between")),
        ];
        let new = Section {
            title: t("Make an alias").to_string(),
            forms: vec![Form::of("add", t("Make the alias"), fields)],
            ..Section::default()
        };
        Ok(show(ctx, visit, t("Aliases"), PATH, vec![all, new], said))
    }
}

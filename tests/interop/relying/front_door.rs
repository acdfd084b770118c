// SPDX-License-Identifier: AGPL-3.0-or-later
//! An app that knows no OpenID, behind the home's own front door.

use anyhow::Result;
use hearth_tests::{Machine, free_port};

use crate::proxies::{client_of_the_family, nginx, only_the_family_gets_in};
use crate::{DOMAIN, home, is_possible};

#[test]
fn the_front_door_asks_before_the_app() -> Result<()> {
    if !is_possible(&["nginx"]) {
        return Ok(());
    }
    let (home, host, app) = (home()?, format!("recipes.{DOMAIN}"), free_port()?);
    let url = home.url("recipes", "");
    client_of_the_family(&home, "forward-auth", &url, &["--upstream", &format!("http://127.0.0.1:{app}")])?;
    let machine = Machine::new(&home, &[&host])?;
    let app = nginx(&machine, &home, app, &host, None)?;
    only_the_family_gets_in(&machine, &home, &url).map_err(|error| error.context(app.log()))
}

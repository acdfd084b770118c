// SPDX-License-Identifier: AGPL-3.0-or-later
//! Libraries that apps are made with: npm's oauth4webapi, PyPI's Authlib.

use anyhow::{Context as _, Result, ensure};
use hearth_tests::{Machine, free_port, run};
use serde_json::{Value, json};

use crate::{add_client, browse, home, is_possible, node, python, sign_in, text};

#[test]
fn oauth4webapi_with_par_and_dpop() -> Result<()> {
    if !is_possible(&[]) {
        return Ok(());
    }
    let home = home()?;
    let client = add_client(&home, &["Wall tablet", "--public", "--redirect-uri", "http://127.0.0.1/callback"])?;
    let machine = Machine::new(&home, &[])?;
    let mut app = node(&machine, "oauth4webapi.mjs")?;
    app.env("ISSUER", home.url("id", "")).env("CLIENT_ID", text(&client, "/client_id"));
    let ran = run(app.env("PERSON", &home.alice.address).env("PASSWORD", &home.alice.password))?;
    let came: Value = serde_json::from_slice(&ran.stdout).with_context(|| ran.text.clone())?;
    let expected = json!({
        "type": "dpop", "email": home.alice.address, "same": true, "stolen": 401, "refused": "invalid_grant", "ended": 401, "rotated": true,
    });
    ensure!(came == expected, "{came}");
    Ok(())
}

#[test]
fn authlib_signs_in() -> Result<()> {
    if !is_possible(&[]) {
        return Ok(());
    }
    let (home, port) = (home()?, free_port()?);
    let app = format!("http://127.0.0.1:{port}");
    let callback = format!("{app}/callback");
    let scopes = ["openid", "email", "profile", "groups", "offline_access"].into_iter().flat_map(|scope| ["--scope", scope]);
    let words = ["Recipes", "--redirect-uri", &callback, "--id-token-alg", "ES256"];
    let client = add_client(&home, &words.into_iter().chain(scopes).collect::<Vec<_>>())?;
    let machine = Machine::new(&home, &[])?;
    let mut server = python(&machine, "app.py");
    server.env("ISSUER", home.url("id", "")).env("PORT", port.to_string());
    server.env("CLIENT_ID", text(&client, "/client_id")).env("CLIENT_SECRET", text(&client, "/client_secret"));
    let server = machine.serve(&mut server, ([127, 0, 0, 1], port).into())?;
    let steps = json!([["go", format!("{app}/in")], sign_in(&home.bob), ["allow"], ["wait", format!("^{app}/$")], ["read"]]);
    let seen = browse(&machine, &steps).map_err(|error| error.context(server.log()))?;
    let came: Value = serde_json::from_str(text(&seen[0], "/text")).with_context(|| format!("{seen:?}"))?;
    ensure!(came["renewed"] == true && came["claims"]["groups"] == json!([]), "{came}");
    ensure!(text(&came, "/claims/sub") == text(&came, "/person/sub") && !text(&came, "/person/sub").is_empty(), "{came}");
    ensure!(text(&came, "/person/preferred_username") == "bob" && text(&came, "/person/email") == home.bob.address, "{came}");
    Ok(())
}

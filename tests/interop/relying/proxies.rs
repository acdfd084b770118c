// SPDX-License-Identifier: AGPL-3.0-or-later
//! Apps that know no OpenID, behind Debian's nginx and Caddy, with the lines that their presets print.

use anyhow::{Result, ensure};
use hearth_tests::{Home, Machine, Running, free_port, run, stranger};
use serde_json::{Map, Value, json};

use crate::{DOMAIN, add_client, browse, home, is_possible, sign_in, text};

/// The proxy's own port, on the home's address.
const PORT: u16 = 20_443;

fn certificate(machine: &Machine, host: &str) -> Result<()> {
    let mut openssl = stranger("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    openssl.args([
        "-subj",
        &format!("/CN={host}"),
        "-addext",
        &format!("subjectAltName=DNS:{host}"),
        "-keyout",
        "app.key",
        "-out",
        "app.pem",
    ]);
    run(openssl.current_dir(machine.path(""))).map(|_| ())
}

/// nginx: with `paste` before an app; and the app itself, that says whom it was told of.
pub fn nginx(machine: &Machine, home: &Home, app: u16, host: &str, paste: Option<&str>) -> Result<Running> {
    let here = machine.at("");
    let before = paste.map_or_else(String::new, |paste| {
        format!(
            "server {{\nlisten {}:{PORT} ssl;\nserver_name {host};\nssl_certificate app.pem;\nssl_certificate_key app.key;\n{}\n}}\n",
            home.address,
            paste.replace("127.0.0.1:8080", &format!("127.0.0.1:{app}"))
        )
    });
    let temp: String =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|kind| format!("{kind}_temp_path {here}/{kind};\n")).concat();
    let settings = format!(
        "pid {here}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{temp}{before}\
         server {{\nlisten 127.0.0.1:{app};\ndefault_type text/plain;\nunderscores_in_headers on;\n\
         location / {{ return 200 \"$request_uri: $http_remote_user of $http_remote_groups, <$http_remote_email> \
         '$http_remote_name', $http_cookie.\"; }}\n}}\n}}\n"
    );
    let settings = machine.write("nginx.conf", &settings)?;
    let mut nginx = machine.command("nginx");
    nginx.args(["-g", "daemon off;", "-e", "stderr", "-p", &here, "-c"]).arg(settings);
    machine.serve(&mut nginx, ([127, 0, 0, 1], app).into())
}

fn caddy(machine: &Machine, home: &Home, app: u16, host: &str, paste: &str) -> Result<Running> {
    let settings = format!(
        "{{\nadmin off\nauto_https off\n}}\nhttps://{host}:{PORT} {{\nbind {}\ntls {cert} {key}\n{}\n}}\n",
        home.address,
        paste.replace("127.0.0.1:8080", &format!("127.0.0.1:{app}")),
        cert = machine.at("app.pem"),
        key = machine.at("app.key"),
    );
    let settings = machine.write("Caddyfile", &settings)?;
    let mut caddy = machine.command("caddy");
    caddy.args(["run", "--adapter", "caddyfile", "--config"]).arg(settings).env("XDG_DATA_HOME", machine.path("data"));
    machine.serve(&mut caddy, (home.address, PORT).into())
}

/// alice is in the family, for whom the app is; bob is not.
pub fn client_of_the_family(home: &Home, preset: &str, url: &str, more: &[&str]) -> Result<Value> {
    let family = format!("family@{DOMAIN}");
    home.hearth(&["group", "add", &family, &home.alice.address])?;
    let client = add_client(home, &[&["--preset", preset, "--url", url], more].concat())?;
    home.hearth(&["client", "allow", text(&client, "/client_id"), &family])?;
    Ok(client)
}

pub fn only_the_family_gets_in(machine: &Machine, home: &Home, url: &str) -> Result<()> {
    let page = format!("{url}/album?of=summer&n=%2F");
    let names = ["Remote-User", "Remote-Groups", "Remote-Email", "Remote-Name"];
    let forged: Map<String, Value> = names
        .iter()
        .flat_map(|name| [(*name).to_string(), name.to_lowercase().replace('-', "_")])
        .map(|name| (name, json!("admin")))
        .collect();
    let seen = browse(
        machine,
        &json!([
            ["cookie", url, "a", "1"],
            ["go", page],
            sign_in(&home.alice),
            ["see", "alice of family"],
            ["cookie", url, "z", "2"],
            ["go", page],
            ["read"],
            ["send", forged],
            ["go", page],
            ["read"],
            ["send", {}],
            ["go", format!("{url}/.hearth/out")],
            ["read"],
            ["forget"],
            ["go", page],
            sign_in(&home.bob),
            ["wait", "/.hearth/callback"],
            ["read"],
        ]),
    )?;
    // The name is empty: nobody gave alice one. Her token is not the app's to have; its own cookies are.
    let told = format!("/album?of=summer&n=%2F: alice of family, <{}> '', a=1; z=2.", home.alice.address);
    ensure!(text(&seen[0], "/text") == told, "{seen:?}");
    ensure!(text(&seen[1], "/text") == told, "what a browser says of itself passed: {seen:?}");
    ensure!(text(&seen[2], "/text").contains("You are signed out of this app"), "{seen:?}");
    ensure!(seen[3]["status"] == 403 && text(&seen[3], "/text").contains("for others of the home"), "{seen:?}");
    Ok(())
}

#[test]
fn nginx_asks_before_the_app() -> Result<()> {
    if !is_possible(&["nginx", "openssl"]) {
        return Ok(());
    }
    let (home, host, app) = (home()?, format!("photos.{DOMAIN}"), free_port()?);
    let url = format!("https://{host}:{PORT}");
    let client = client_of_the_family(&home, "forward-auth-nginx", &url, &[])?;
    let machine = Machine::new(&home, &[&host])?;
    certificate(&machine, &host)?;
    let nginx = nginx(&machine, &home, app, &host, Some(text(&client, "/paste")))?;
    only_the_family_gets_in(&machine, &home, &url).map_err(|error| error.context(nginx.log()))
}

#[test]
fn caddy_asks_before_the_app() -> Result<()> {
    if !is_possible(&["nginx", "caddy", "openssl"]) {
        return Ok(());
    }
    let (home, host, app) = (home()?, format!("films.{DOMAIN}"), free_port()?);
    let url = format!("https://{host}:{PORT}");
    let client = client_of_the_family(&home, "forward-auth-caddy", &url, &[])?;
    let machine = Machine::new(&home, &[&host])?;
    certificate(&machine, &host)?;
    let _app = nginx(&machine, &home, app, &host, None)?;
    let caddy = caddy(&machine, &home, app, &host, text(&client, "/paste"))?;
    only_the_family_gets_in(&machine, &home, &url).map_err(|error| error.context(caddy.log()))
}

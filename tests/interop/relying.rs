// SPDX-License-Identifier: AGPL-3.0-or-later
//! Relying parties and resource servers that nobody here wrote, as a household would set them up: they find the home by
//! its name, trust its authority, and people sign in with a browser.

#[path = "relying/devices.rs"]
mod devices;
#[path = "relying/directories.rs"]
mod directories;
#[path = "relying/documents.rs"]
mod documents;
#[path = "relying/front_door.rs"]
mod front_door;
#[path = "relying/libraries.rs"]
mod libraries;
#[path = "relying/openidconnect.rs"]
mod openidconnect;
#[path = "relying/proxies.rs"]
mod proxies;
#[path = "relying/servers.rs"]
mod servers;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use hearth_tests::{Home, HomeBuilder, Machine, run};
use serde_json::{Value, json};

const DOMAIN: &str = "apps-home.test";

fn home() -> Result<Home> {
    HomeBuilder::default().domain(DOMAIN).start()
}

/// Where `tests/run` puts the packages of a lock file.
fn packages(suite: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/interop").join(suite)
}

fn source(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop").join(file)
}

/// Can these programs, the browser and the packages be used? Where every stranger must be there, they must.
fn is_possible(programs: &[&str]) -> bool {
    let all: Vec<&str> = programs.iter().chain(&["node", "chromium"]).copied().collect();
    let installed = packages("login").join("node_modules/openid-client").is_dir() && packages("python/bin/python").is_file();
    assert!(
        installed || std::env::var("HEARTH_TEST_STRANGERS").as_deref() != Ok("all"),
        "packages of tests/interop are not installed"
    );
    Machine::is_possible(&all) && installed
}

/// Is a file of a package there that has no program?
fn has(file: &str) -> bool {
    let there = Path::new(file).is_file();
    assert!(there || std::env::var("HEARTH_TEST_STRANGERS").as_deref() != Ok("all"), "not installed: {file}");
    there
}

/// A script finds packages beside itself.
fn script(name: &str) -> Result<PathBuf> {
    let folder = packages("login");
    let (fresh, place) = (folder.join(format!("{}.{name}", std::process::id())), folder.join(name));
    std::fs::copy(source("login").join(name), &fresh)?;
    std::fs::rename(&fresh, &place)?;
    Ok(place)
}

fn node(machine: &Machine, name: &str) -> Result<Command> {
    let mut node = machine.command("node");
    node.arg(script(name)?).env("NODE_EXTRA_CA_CERTS", machine.path("bundle"));
    Ok(node)
}

/// Python with the packages of `relying/requirements.txt`.
fn python(machine: &Machine, name: &str) -> Command {
    let mut python = machine.command(&packages("python/bin/python").display().to_string());
    python.arg(source("relying").join(name)).env("REQUESTS_CA_BUNDLE", machine.path("bundle"));
    python
}

/// What a browser saw on its way.
fn browse(machine: &Machine, steps: &Value) -> Result<Vec<Value>> {
    let ran = run(node(machine, "visit.mjs")?.env("STEPS", steps.to_string()))?;
    serde_json::from_slice(&ran.stdout).with_context(|| ran.text.clone())
}

fn sign_in(person: &hearth_tests::Person) -> Value {
    json!(["signIn", person.address, person.password])
}

fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// `hearth client add`: the id and the secret.
fn add_client(home: &Home, words: &[&str]) -> Result<Value> {
    let all: Vec<&str> = ["client", "add"].iter().chain(words).chain(&["--json"]).copied().collect();
    Ok(serde_json::from_str(&home.hearth(&all)?)?)
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! Programs that ask who lives here: OpenLDAP's ldapsearch, and scim2-tester, which checks RFC 7643 and RFC 7644.

use std::process::Output;

use anyhow::{Context as _, Result, ensure};
use hearth_tests::{Home, HomeBuilder, Machine, run};
use serde_json::Value;

use crate::{DOMAIN, add_client, home, is_possible, python, text};

const BASE: &str = "dc=apps-home,dc=test";
/// invalidCredentials
const INVALID_CREDENTIALS: i32 = 49;
/// insufficientAccessRights
const INSUFFICIENT_ACCESS: i32 = 50;
/// confidentialityRequired
const CONFIDENTIALITY_REQUIRED: i32 = 13;

/// OpenLDAP's programs exit with the result of the protocol.
fn ldap(machine: &Machine, program: &str, at: &str, who: &[&str], words: &[&str]) -> Result<Output> {
    let mut command = machine.command(program);
    command.env("LDAPTLS_CACERT", machine.path("bundle")).args(["-x", "-o", "ldif-wrap=no", "-H", at]);
    if program == "ldapsearch" {
        command.arg("-LLL");
    }
    command.args(who).args(words);
    Ok(command.output()?)
}

fn app_password(home: &Home, account: &str, services: &str) -> Result<String> {
    let added = home.hearth(&["app-password", "add", account, "--label", services, "--for", services, "--json"])?;
    let added: Value = serde_json::from_str(&added)?;
    Ok(text(&added, "/password").to_string())
}

#[test]
fn ldapsearch_finds_people_and_their_groups() -> Result<()> {
    if !is_possible(&["ldapsearch", "ldapwhoami"]) {
        return Ok(());
    }
    let home = HomeBuilder::default().domain(DOMAIN).env("HEARTH_LDAP__ENABLED", "true").start()?;
    home.hearth(&["group", "add", &format!("family@{DOMAIN}"), &home.alice.address])?;
    let nas = format!("nas@{DOMAIN}");
    home.hearth(&["account", "add", &nas, "--kind", "service", "--json"])?;
    let password = app_password(&home, &nas, "ldap")?;
    let machine = Machine::new(&home, &[])?;
    let (ldaps, plain) = (format!("ldaps://mail.{DOMAIN}:{}", home.port(636)), format!("ldap://mail.{DOMAIN}:{}", home.port(389)));
    let service = ["-D", &format!("uid=nas,ou=services,{BASE}"), "-w", &password];

    // As a file server does it: the service finds the person, and the person's own password is checked.
    let filter = format!("(&(objectClass=inetOrgPerson)(memberOf=cn=family,ou=groups,{BASE})(mail=al*@{DOMAIN}))");
    for (at, more) in [(&ldaps, None), (&plain, Some("-ZZ"))] {
        let who: Vec<&str> = service.iter().copied().chain(more).collect();
        let found = ldap(&machine, "ldapsearch", at, &who, &["-b", BASE, &filter, "uid", "mail"])?;
        let found_text = String::from_utf8_lossy(&found.stdout).into_owned();
        let expected = format!("dn: uid=alice,ou=people,{BASE}\nuid: alice\nmail: {}\n\n", home.alice.address);
        ensure!(found_text == expected, "{at}: {found:?}");
    }
    let alice = format!("uid=alice,ou=people,{BASE}");
    let who = ldap(&machine, "ldapwhoami", &ldaps, &["-D", &alice, "-w", &home.alice.password], &[])?;
    ensure!(who.status.success() && who.stdout == format!("u:{}\n", home.alice.address).as_bytes(), "{who:?}");

    let mail_alone = app_password(&home, &home.alice.address, "imap")?;
    let refused: [(&str, &[&str], i32); 5] = [
        (&ldaps, &["-D", &alice, "-w", "nonsense"], INVALID_CREDENTIALS),
        (&ldaps, &["-D", &alice, "-w", &mail_alone], INVALID_CREDENTIALS),
        (&ldaps, &["-D", "uid=nobody,ou=people,dc=apps-home,dc=test", "-w", "nonsense"], INVALID_CREDENTIALS),
        (&ldaps, &[], INSUFFICIENT_ACCESS),
        (&plain, &service, CONFIDENTIALITY_REQUIRED),
    ];
    for (at, who, code) in refused {
        let found = ldap(&machine, "ldapsearch", at, who, &["-b", BASE, "uid"])?;
        ensure!(found.status.code() == Some(code) && found.stdout.is_empty(), "{who:?}: {found:?}");
    }
    let checks: Value = serde_json::from_str(&home.hearth(&["doctor", "--json"])?)?;
    let ports = checks.as_array().and_then(|all| all.iter().find(|one| one["check"] == "ports")).context("a check of the ports")?;
    ensure!(ports["ok"] == true, "{ports}");
    let status: Value = serde_json::from_str(&home.hearth(&["status", "--json"])?)?;
    let listed = |service: &str| status["ports"].as_array().is_some_and(|all| all.iter().any(|row| row["service"] == service));
    ensure!(listed("ldap") && listed("ldaps"), "{status}");
    // The root entry is for everybody, and says where to begin.
    let root = ldap(&machine, "ldapsearch", &plain, &[], &["-b", "", "-s", "base", "namingContexts"])?;
    ensure!(String::from_utf8_lossy(&root.stdout).contains(&format!("namingContexts: {BASE}")), "{root:?}");
    // Who is disabled is not there, and does not get in.
    home.hearth(&["account", "disable", &home.alice.address])?;
    let found = ldap(&machine, "ldapsearch", &ldaps, &service, &["-b", BASE, "(uid=alice)"])?;
    ensure!(found.status.success() && found.stdout.is_empty(), "{found:?}");
    let who = ldap(&machine, "ldapwhoami", &ldaps, &["-D", &alice, "-w", &home.alice.password], &[])?;
    ensure!(who.status.code() == Some(INVALID_CREDENTIALS), "{who:?}");
    Ok(())
}

#[tokio::test]
async fn scim2_tester_finds_no_error() -> Result<()> {
    if !is_possible(&[]) {
        return Ok(());
    }
    let home = home()?;
    let robot = format!("robot@{DOMAIN}");
    home.hearth(&["account", "add", &robot, "--kind", "service", "--admin", "--json"])?;
    let client = add_client(&home, &["Staff list", "--service-account", &robot, "--scope", "scim"])?;
    let fields = [("grant_type", "client_credentials"), ("scope", "scim")];
    let asked = home.http()?.post(home.url("id", "/token")).form(&fields);
    let answer: Value =
        asked.basic_auth(text(&client, "/client_id"), Some(text(&client, "/client_secret"))).send().await?.json().await?;
    let machine = Machine::new(&home, &[])?;
    let mut tester = python(&machine, "scim.py");
    tester.env("BASE", home.url("id", "/scim/v2")).env("TOKEN", text(&answer, "/access_token"));
    let ran = run(&mut tester).with_context(|| answer.to_string())?;
    let found: Value = serde_json::from_slice(&ran.stdout).with_context(|| ran.text.clone())?;
    let count = |status: &str| found[status].as_array().map_or(0, Vec::len);
    ensure!(count("ERROR") == 0 && count("CRITICAL") == 0, "{:#}", found);
    ensure!(count("SUCCESS") >= 30, "{:#}", found);
    Ok(())
}

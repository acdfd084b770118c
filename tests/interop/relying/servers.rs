// SPDX-License-Identifier: AGPL-3.0-or-later
//! Servers that take our word for who somebody is: Apache with mod_auth_openidc, Roundcube, Dovecot.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Result, ensure};
use hearth_tests::{Home, Machine, Running, free_port, run, stranger};
use serde_json::json;

use crate::{DOMAIN, add_client, browse, has, home, is_possible, sign_in, text};

const APACHE_MODULE: &str = "/usr/lib/apache2/modules/mod_auth_openidc.so";
const ROUNDCUBE_TABLES: &str = "/usr/share/roundcube/SQL/sqlite.initial.sql";

fn loopback(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn apache(machine: &Machine, home: &Home, port: u16, client_id: &str, client_secret: &str) -> Result<Running> {
    run(stranger("mkdir").args(["-p", "www/private", "run"]).current_dir(machine.path("")))?;
    run(stranger("chmod").args(["777", "run"]).current_dir(machine.path("")))?;
    machine
        .write("www/private/index.shtml", "hello <!--#echo var=\"REMOTE_USER\" --> of <!--#echo var=\"OIDC_CLAIM_groups\" -->")?;
    let modules = "/usr/lib/apache2/modules";
    let load = |name: &str| format!("LoadModule {name}_module {modules}/mod_{name}.so\n");
    let loaded: String =
        ["mpm_prefork", "authn_core", "authz_core", "authz_user", "dir", "mime", "include", "auth_openidc"].map(load).concat();
    let here = machine.at("");
    let settings = format!(
        "ServerRoot {here}\nServerName 127.0.0.1\nListen 127.0.0.1:{port}\nPidFile run/pid\nMutex file:run default\n\
         ErrorLog /dev/stderr\nLogLevel warn auth_openidc:info\nUser www-data\nGroup www-data\nStartServers 2\n{loaded}\
         TypesConfig /etc/mime.types\nAddType text/html .shtml\nDocumentRoot {here}/www\nDirectoryIndex index.shtml\n\
         OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration\nOIDCClientID {client_id}\n\
         OIDCClientSecret {client_secret}\nOIDCRedirectURI http://127.0.0.1:{port}/private/cb\n\
         OIDCCryptoPassphrase 0123456789abcdef0123456789abcdef\nOIDCPKCEMethod S256\nOIDCScope \"openid email groups\"\n\
         OIDCRemoteUserClaim email\n\
         <Location /private>\nAuthType openid-connect\nRequire valid-user\nOptions +Includes\nSetOutputFilter INCLUDES\n</Location>\n",
        issuer = home.url("id", ""),
    );
    let settings = machine.write("httpd.conf", &settings)?;
    machine.serve(machine.command("apache2").args(["-D", "FOREGROUND", "-f"]).arg(settings), loopback(port))
}

/// Debian's mod_auth_openidc: the code flow with PKCE and userinfo, and a receiver of back-channel logout.
#[test]
fn apache_lets_in_and_hears_of_the_end() -> Result<()> {
    if !is_possible(&["apache2"]) || !has(APACHE_MODULE) {
        return Ok(());
    }
    let (home, port) = (home()?, free_port()?);
    home.hearth(&["group", "add", &format!("family@{DOMAIN}"), &home.alice.address])?;
    let app = format!("http://127.0.0.1:{port}/private");
    let client = add_client(
        &home,
        &[
            "Holiday photos",
            "--redirect-uri",
            &format!("{app}/cb"),
            "--backchannel-logout-uri",
            &format!("{app}/cb?logout=backchannel"),
            "--scope",
            "openid",
            "--scope",
            "email",
            "--scope",
            "groups",
        ],
    )?;
    let machine = Machine::new(&home, &[])?;
    let apache = apache(&machine, &home, port, text(&client, "/client_id"), text(&client, "/client_secret"))?;
    let id = home.url("id", "");
    let seen = browse(
        &machine,
        &json!([
            ["go", format!("{app}/")],
            sign_in(&home.alice),
            ["allow"],
            ["see", "hello"],
            ["read"],
            ["go", format!("{id}/account")],
            ["click", "header button"],
            ["see", "You are signed out"],
            // It was told: its own session is over, and it asks again.
            ["until", format!("{app}/"), format!("^{id}/(sign-in|authorize)")],
            ["read"],
        ]),
    )
    .map_err(|error| error.context(apache.log()))?;
    ensure!(text(&seen[0], "/text") == format!("hello {} of family", home.alice.address), "{seen:?}");
    ensure!(text(&seen[0], "/url") == format!("{app}/"), "{seen:?}");
    Ok(())
}

fn dovecot(machine: &Machine, home: &Home, port: u16, client_id: &str, client_secret: &str) -> Result<Running> {
    run(stranger("mkdir").args(["-p", "run", "mail"]).current_dir(machine.path("")))?;
    run(stranger("chmod").args(["777", "mail"]).current_dir(machine.path("")))?;
    let introspect = home.url("id", "/introspect").replace("https://", &format!("https://{client_id}:{client_secret}@"));
    machine.write(
        "oauth2.conf",
        &format!(
            "introspection_url = {introspect}\nintrospection_mode = post\nusername_attribute = username\n\
             active_attribute = active\nactive_value = true\nscope = mail\ntls_ca_cert_file = {}\n",
            machine.at("bundle")
        ),
    )?;
    let here = machine.at("");
    let settings = format!(
        "base_dir = {here}/run\nstate_dir = {here}/run\nlog_path = /dev/stderr\nprotocols = imap\nlisten = 127.0.0.1\nssl = no\n\
         disable_plaintext_auth = no\nauth_failure_delay = 0\nauth_mechanisms = xoauth2 oauthbearer\nfirst_valid_uid = 1\nmail_uid = 8\nmail_gid = 8\n\
         mail_home = {here}/mail/%Lu\nmail_location = maildir:~\n\
         passdb {{\n driver = oauth2\n mechanisms = xoauth2 oauthbearer\n args = {here}/oauth2.conf\n}}\n\
         userdb {{\n driver = static\n args = uid=8 gid=8 home={here}/mail/%Lu\n}}\n\
         service imap-login {{\n inet_listener imap {{\n  port = {port}\n }}\n inet_listener imaps {{\n  port = 0\n }}\n}}\n\
         service anvil {{\n unix_listener anvil-auth-penalty {{\n  mode = 0\n }}\n}}\n"
    );
    let settings = machine.write("dovecot.conf", &settings)?;
    machine.serve(machine.command("dovecot").args(["-F", "-c"]).arg(settings), loopback(port))
}

/// Dovecot opens its mailboxes to our tokens: it asks at /introspect, as a client of the house.
#[tokio::test]
async fn dovecot_asks_what_a_token_is() -> Result<()> {
    if !is_possible(&["dovecot", "curl"]) {
        return Ok(());
    }
    let (home, port) = (home()?, free_port()?);
    let asks = add_client(&home, &["Mail archive", "--redirect-uri", "https://archive.example/none", "--trusted"])?;
    let machine = Machine::new(&home, &[])?;
    let dovecot = dovecot(&machine, &home, port, text(&asks, "/client_id"), text(&asks, "/client_secret"))?;
    let token = home.access_token(&home.alice).await?;
    let without = home.tokens(&home.alice, "openid email").await?;
    let without = text(&without, "/access_token");
    let login = |user: &str, token: &str| {
        let mut curl: Command = stranger("curl");
        curl.args(["--silent", "--show-error", "--max-time", "20", &format!("imap://127.0.0.1:{port}/")]);
        run(curl.args(["--oauth2-bearer", token, "--user", &format!("{user}:")]))
    };
    let opened = login(&home.alice.address, &token).map_err(|error| error.context(dovecot.log()))?;
    ensure!(opened.text.contains("INBOX"), "{}", opened.text);
    ensure!(login(&home.alice.address, without).is_err(), "a token without the scope");
    ensure!(login(&home.alice.address, "nonsense").is_err(), "any token");
    ensure!(login(&home.bob.address, &token).is_err(), "another's mailbox");
    Ok(())
}

fn roundcube(machine: &Machine, home: &Home, port: u16, paste: &str) -> Result<Running> {
    run(stranger("mkdir").args(["config", "tmp", "logs"]).current_dir(machine.path("")))?;
    for file in ["defaults.inc.php", "mimetypes.php"] {
        run(stranger("ln").args(["-s", &format!("/etc/roundcube/{file}")]).arg(machine.path("config")))?;
    }
    let tables = std::fs::read_to_string(ROUNDCUBE_TABLES)?;
    rusqlite::Connection::open(machine.path("db.sqlite"))?.execute_batch(&tables)?;
    let (here, mail) = (machine.at(""), format!("mail.{DOMAIN}"));
    machine.write(
        "config/config.inc.php",
        &format!(
            "<?php\n$config['db_dsnw'] = 'sqlite:///{here}/db.sqlite?mode=0646';\n$config['temp_dir'] = '{here}/tmp/';\n\
             $config['log_dir'] = '{here}/logs/';\n$config['log_driver'] = 'stdout';\n$config['des_key'] = '012345678901234567890123';\n\
             $config['imap_host'] = 'ssl://{mail}:{imaps}';\n$config['smtp_host'] = 'tls://{mail}:{submission}';\n\
             $config['plugins'] = [];\n$config['skin'] = 'elastic';\n{paste}\n",
            imaps = home.port(993),
            submission = home.port(587),
        ),
    )?;
    let mut php = machine.command("php");
    php.args(["-S", &format!("127.0.0.1:{port}"), "-t", "/var/lib/roundcube/public_html"]).current_dir("/var/lib/roundcube");
    php.env("ROUNDCUBE_CONFIG_DIR", machine.path("config")).env("RCUBE_CONFIG_PATH", machine.at("config/"));
    machine.serve(&mut php, loopback(port))
}

/// Debian's Roundcube, with the lines that its preset prints: signs in by OpenID, reads mail by XOAUTH2.
#[test]
fn roundcube_signs_in_and_reads_mail() -> Result<()> {
    if !is_possible(&["php", "curl"]) || !has(ROUNDCUBE_TABLES) {
        return Ok(());
    }
    let (home, port) = (home()?, free_port()?);
    let app = format!("http://127.0.0.1:{port}");
    let client = add_client(&home, &["--preset", "roundcube", "--url", &app])?;
    let machine = Machine::new(&home, &[])?;
    send(&machine, &home)?;
    let server = roundcube(&machine, &home, port, text(&client, "/paste"))?;
    let seen = browse(
        &machine,
        &json!([
            ["go", format!("{app}/?_task=login")],
            ["click", "#rcmloginoauth"],
            sign_in(&home.alice),
            ["allow"],
            ["wait", "_task=mail"],
            ["see", "Supper at seven"],
            ["read"],
        ]),
    )
    .map_err(|error| error.context(server.log()))?;
    ensure!(text(&seen[0], "/text").contains("Inbox"), "{seen:?}");
    Ok(())
}

/// A letter from bob to alice, by his mail program.
fn send(machine: &Machine, home: &Home) -> Result<()> {
    let letter = machine.write(
        "letter",
        &format!("From: {}\r\nTo: {}\r\nSubject: Supper at seven\r\n\r\nBring bread.\r\n", home.bob.address, home.alice.address),
    )?;
    let mut curl = machine.command("curl");
    curl.args([
        "--silent",
        "--show-error",
        "--max-time",
        "20",
        "--user",
        &format!("{}:{}", home.bob.address, home.bob.app_password),
    ]);
    curl.args(["--mail-from", &home.bob.address, "--mail-rcpt", &home.alice.address, "--upload-file"]).arg(letter);
    run(curl.arg(format!("smtps://mail.{DOMAIN}:{}", home.port(465)))).map(|_| ())
}

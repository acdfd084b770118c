// SPDX-License-Identifier: AGPL-3.0-or-later
//! Programs without a browser: Debian's oidc-agent, which keeps tokens for the command line.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use hearth_tests::{Home, Machine, Visitor, between, run, stranger};
use serde_json::Value;

use crate::{add_client, home, is_possible, text};

/// How long oidc-gen may take to show its code, and to learn that it was typed.
const WITHIN: Duration = Duration::from_secs(30);

/// oidc-agent puts itself in the background.
struct Agent<'m> {
    machine: &'m Machine,
    socket: String,
    pid: String,
}

impl<'m> Agent<'m> {
    fn start(machine: &'m Machine) -> Result<Self> {
        run(stranger("mkdir").args(["-m", "700", "config"]).current_dir(machine.path("")))?;
        let mut agent = Self { machine, socket: String::new(), pid: String::new() };
        let started = run(agent.command("oidc-agent").args(["--json", "--no-autoload"]))?;
        let started: Value = serde_json::from_slice(&started.stdout).with_context(|| started.text.clone())?;
        (agent.socket, agent.pid) = (text(&started, "/socket").to_string(), text(&started, "/dpid").to_string());
        Ok(agent)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.machine.command(program);
        command.env("OIDC_CONFIG_DIR", self.machine.path("config")).env("TMPDIR", self.machine.path(""));
        command.env("OIDC_SOCK", &self.socket);
        command
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(&self.pid).status();
    }
}

/// Types the code that a device shows.
async fn let_in(home: &Home, code: &str) -> Result<()> {
    let mut visitor = Visitor::sign_in(home, &home.alice).await?;
    let page = visitor.get("/device").await?;
    let confirm = visitor.post("/device", &[("form", form(&page)?), ("user_code", code)]).await?;
    ensure!(confirm.contains("Command line"), "{confirm}");
    let fields = [("form", form(&confirm)?), ("user_code", code), ("decision", "allow")];
    ensure!(visitor.post("/device/decide", &fields).await?.contains("The device is in"));
    Ok(())
}

/// The mark of the page's own form, not of the one that signs out.
fn form(page: &str) -> Result<&str> {
    between(between(page, "<main", "</main>")?, "name=\"form\" value=\"", "\"")
}

/// oidc-gen asks for a code by the device grant, somebody types it on our page, and oidc-token hands out tokens that open mail.
#[tokio::test]
async fn oidc_agent_keeps_tokens_for_mail() -> Result<()> {
    if !is_possible(&["oidc-agent", "oidc-gen", "oidc-token", "curl"]) {
        return Ok(());
    }
    let home = home()?;
    let client =
        add_client(&home, &["Command line", "--device", "--scope", "openid", "--scope", "offline_access", "--scope", "mail"])?;
    let machine = Machine::new(&home, &[])?;
    let agent = Agent::start(&machine)?;
    let said = std::fs::File::create(machine.path("said"))?;
    let mut generate = agent.command("oidc-gen");
    generate.args(["home", "--manual", "--flow=device", "--prompt=none", "--confirm-default", "--pw-cmd=echo secret"]);
    generate.args(["--scope=openid offline_access mail", "--redirect-uri=http://localhost:4242"]);
    generate.arg(format!("--issuer={}", home.url("id", ""))).arg(format!("--client-id={}", text(&client, "/client_id")));
    generate.arg(format!("--client-secret={}", text(&client, "/client_secret"))).stdout(said.try_clone()?).stderr(said);
    let mut generate = generate.spawn()?;
    let begun = Instant::now();
    let read = || std::fs::read_to_string(machine.path("said")).unwrap_or_default();
    while !read().contains("enter the code: ") {
        if begun.elapsed() > WITHIN || generate.try_wait()?.is_some() {
            bail!("no code: {}", read());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let_in(&home, between(&read(), "enter the code: ", "\n")?).await?;
    ensure!(generate.wait()?.success(), "{}", read());

    let token = run(agent.command("oidc-token").arg("home"))?;
    let token = String::from_utf8(token.stdout)?;
    let mut curl = machine.command("curl");
    curl.args(["--silent", "--show-error", "--max-time", "20", &format!("imaps://mail.{}:{}/", home.domain, home.port(993))]);
    curl.args([
        "--login-options",
        "AUTH=OAUTHBEARER",
        "--oauth2-bearer",
        token.trim(),
        "--user",
        &format!("{}:", home.alice.address),
    ]);
    ensure!(run(&mut curl)?.text.contains("INBOX"));
    Ok(())
}

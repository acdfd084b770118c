// SPDX-License-Identifier: AGPL-3.0-or-later
//! A home for one test: `hearth init`, two people, `hearth up`; gone when it is dropped.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::Dns;
use crate::postgres::Database;

/// How long a node may take until it says that it is ready: debug builds on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A sender from outside, who may send from any loopback address.
const STRANGERS_ZONE: &str =
    "@ 60 IN MX 10 mx.stranger.example.\n@ 60 IN TXT \"v=spf1 ip4:127.0.0.0/8 -all\"\n@ 60 IN A 127.0.0.9\nmx 60 IN A 127.0.0.9\n";

/// Somebody who lives there.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their address, which is also what they sign in with.
    pub address: String,
    /// The password for the sign-in page.
    pub password: String,
    /// An app password for every protocol.
    pub app_password: String,
}

/// A running node.
pub struct Home {
    /// Its data directory.
    pub dir: PathBuf,
    /// Its domain.
    pub domain: String,
    /// The address that it listens on.
    pub address: IpAddr,
    /// What is added to each standard port.
    pub offset: u16,
    /// alice
    pub alice: Person,
    /// bob
    pub bob: Person,
    up: Option<Child>,
    _dns: Option<Dns>,
    database: Option<Database>,
    temp: TempDir,
}

/// How a home differs from the plain one.
#[derive(Clone, Debug)]
pub struct HomeBuilder {
    domain: String,
    address: IpAddr,
    offset: u16,
    dns: Option<SocketAddr>,
    below: Option<PathBuf>,
    init: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Default for HomeBuilder {
    fn default() -> Self {
        Self {
            domain: "home.localhost".into(),
            address: own_loopback_address(),
            offset: 10_000,
            dns: None,
            below: None,
            init: Vec::new(),
            environment: Vec::new(),
        }
    }
}

/// 127.0.0.0/8 has an address for every test: 22 bits of the process id, and two for its homes.
pub fn own_loopback_address() -> IpAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let nth = NEXT.fetch_add(1, Ordering::SeqCst);
    assert!(nth < 4, "a test starts four homes at most");
    Ipv4Addr::from_bits(127 << 24 | (std::process::id() & 0x3f_ffff) << 2 | nth).into()
}

impl HomeBuilder {
    /// Another domain than `home.localhost`.
    #[must_use]
    pub fn domain(mut self, domain: &str) -> Self {
        self.domain = domain.into();
        self
    }

    /// A certain address.
    #[must_use]
    pub fn address(mut self, address: IpAddr) -> Self {
        self.address = address;
        self
    }

    /// Another port offset than 10000.
    #[must_use]
    pub fn offset(mut self, offset: u16) -> Self {
        self.offset = offset;
        self
    }

    /// A name server of the test; without it there is one that knows a `stranger.example` alone.
    #[must_use]
    pub fn dns(mut self, server: SocketAddr) -> Self {
        self.dns = Some(server);
        self
    }

    /// A folder of the test, to keep the data directory in.
    #[must_use]
    pub fn below(mut self, folder: &Path) -> Self {
        self.below = Some(folder.to_path_buf());
        self
    }

    /// One more word for `hearth init`.
    #[must_use]
    pub fn init(mut self, word: impl Into<String>) -> Self {
        self.init.push(word.into());
        self
    }

    /// A variable in the environment of the node.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// `hearth init`, `hearth account add` twice, `hearth up`.
    pub fn start(self) -> Result<Home> {
        let mut home = self.prepare()?;
        home.up()?;
        Ok(home)
    }

    /// The same without `hearth up`.
    pub fn prepare(self) -> Result<Home> {
        let temp = tempfile::Builder::new().prefix("hearth-").tempdir()?;
        let dir = self.below.as_deref().unwrap_or(temp.path()).join("home");
        let nobody = Person { address: String::new(), password: String::new(), app_password: String::new() };
        let own_dns = match self.dns {
            Some(_) => None,
            None => Some(Dns::start(&[("stranger.example", STRANGERS_ZONE.into())])?),
        };
        let dns = self.dns.or(own_dns.as_ref().map(|dns| dns.address)).context("a name server")?.to_string();
        let mut home = Home {
            dir,
            domain: self.domain,
            address: self.address,
            offset: self.offset,
            alice: nobody.clone(),
            bob: nobody,
            up: None,
            _dns: own_dns,
            database: None,
            temp,
        };
        let database = Database::if_asked_for()?;
        let postgres = database.as_ref().map(Database::url);
        home.database = database;
        let (address, offset) = (home.address.to_string(), home.offset.to_string());
        let mut init = vec!["init", "--domain", &home.domain, "--address", &address, "--port-offset", &offset, "--dns", &dns];
        init.extend(self.init.iter().map(String::as_str));
        init.extend(postgres.iter().flat_map(|url| ["--postgres", url]));
        home.hearth(&init)?;
        home.write_environment(&self.environment)?;
        home.alice = home.add_person("alice", "correct horse battery staple")?;
        home.bob = home.add_person("bob", "tromboned marmalade sunrise")?;
        Ok(home)
    }
}

impl Home {
    /// A home with alice and bob on an address of its own, running.
    pub fn start() -> Result<Self> {
        HomeBuilder::default().start()
    }

    /// A statement in the directory, for what no command does yet. Octets are written `x'0aff'`.
    pub fn directory_sql(&self, statement: &str) -> Result<()> {
        match &self.database {
            Some(database) => database.sql_in("directory", &statement.replace("x'", r"'\x")),
            None => {
                let directory = rusqlite::Connection::open(self.dir.join("identity.db"))?;
                directory.execute(statement, [])?;
                Ok(())
            }
        }
    }

    fn write_environment(&self, variables: &[(String, String)]) -> Result<()> {
        let lines: String = variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        Ok(std::fs::write(self.beside("env"), lines)?)
    }

    /// A file of the test's, outside of the data directory.
    fn beside(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    /// Sets a variable in the environment of the node, from its next start on.
    pub fn set_env(&self, name: &str, value: &str) -> Result<()> {
        let mut variables = self.environment();
        variables.retain(|(known, _)| known != name);
        variables.push((name.into(), value.into()));
        self.write_environment(&variables)
    }

    fn environment(&self) -> Vec<(String, String)> {
        let lines = std::fs::read_to_string(self.beside("env")).unwrap_or_default();
        lines.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect()
    }

    /// `hearth account add` and `hearth app-password add`.
    pub fn add_person(&self, name: &str, password: &str) -> Result<Person> {
        let address = format!("{name}@{}", self.domain);
        self.hearth_with_input(&["account", "add", &address, "--password-stdin", "--json"], password)?;
        let added: Value = serde_json::from_str(&self.hearth(&["app-password", "add", &address, "--label", "tests", "--json"])?)?;
        let app_password = added["password"].as_str().context("app-password add gives a password")?.to_string();
        Ok(Person { address, password: password.into(), app_password })
    }

    /// Starts it and waits until it says `hearth: ready`.
    pub fn up(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        let log = std::fs::File::options().create(true).append(true).open(self.beside("log"))?;
        let mut child = hearth_command()?
            .args(["up", "--dir"])
            .arg(&self.dir)
            .envs(self.environment())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let stdout = child.stdout.take().context("piped")?;
        self.up = Some(child);
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if line.contains("hearth: ready") {
                    let _ = sender.send(());
                }
            }
        });
        match receiver.recv_timeout(READY_WITHIN) {
            Ok(()) => Ok(begun.elapsed()),
            Err(_) => bail!("the node was not ready after {:?}; its log:\n{}", begun.elapsed(), self.log()),
        }
    }

    /// Stops it gently, as the system would.
    pub fn down(&mut self) -> Result<()> {
        let Some(mut child) = self.up.take() else { return Ok(()) };
        Command::new("kill").args(["-TERM", &child.id().to_string()]).status()?;
        child.wait()?;
        Ok(())
    }

    /// Process id of `hearth up`.
    pub fn pid(&self) -> Option<u32> {
        self.up.as_ref().map(Child::id)
    }

    /// Runs the `hearth` command on this home; what it printed.
    pub fn hearth(&self, args: &[&str]) -> Result<String> {
        self.hearth_with_input(args, "")
    }

    /// The same with something on its standard input.
    pub fn hearth_with_input(&self, args: &[&str], input: &str) -> Result<String> {
        let (status, stdout, stderr) = self.hearth_status(args, input)?;
        ensure!(status == 0, "hearth {args:?} exits with {status}: {stdout}{stderr}");
        Ok(stdout)
    }

    /// Exit status, standard output and standard error of a `hearth` command.
    pub fn hearth_status(&self, args: &[&str], input: &str) -> Result<(i32, String, String)> {
        let mut child = hearth_command()?
            .args(args)
            .arg("--dir")
            .arg(&self.dir)
            .envs(self.environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().context("piped")?;
        // A command that reads nothing may be gone before it is written to.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output()?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok((output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr)))
    }

    /// What the node has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.beside("log")).unwrap_or_default()
    }

    /// The port that stands for a standard one.
    pub fn port(&self, standard: u16) -> u16 {
        standard + self.offset
    }

    /// Where a standard port is.
    pub fn at(&self, standard: u16) -> SocketAddr {
        (self.address, self.port(standard)).into()
    }

    /// The certificate authority of this home, as PEM.
    pub fn ca(&self) -> PathBuf {
        self.dir.join("tls/ca.pem")
    }

    /// `https://NAME.DOMAIN:PORT/PATH`
    pub fn url(&self, name: &str, path: &str) -> String {
        let dot = if name.is_empty() { "" } else { "." };
        format!("https://{name}{dot}{}:{}{path}", self.domain, self.port(443))
    }

    /// An HTTP client that trusts this home and finds its names, and follows no redirects.
    pub fn http(&self) -> Result<reqwest::Client> {
        let ca = reqwest::Certificate::from_pem(&std::fs::read(self.ca())?)?;
        let mut client = reqwest::Client::builder()
            .tls_certs_only([ca])
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(20));
        for name in ["", "mail.", "id.", "openpgpkey.", "keys.", "mta-sts.", "autoconfig."] {
            client = client.resolve(&format!("{name}{}", self.domain), self.at(443));
        }
        Ok(client.build()?)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.down().is_err() || std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(60).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            let _ = writeln!(std::io::stderr(), "--- the node's log ends with\n{}", tail.join("\n"));
        }
    }
}

/// The `hearth` program, without words yet.
pub fn hearth_command() -> Result<Command> {
    Ok(Command::new(binary("hearth")?))
}

/// A program of the workspace, beside this test's own.
fn binary(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test.parent().and_then(Path::parent).context("target/PROFILE/deps/test")?;
    let path = folder.join(name);
    ensure!(path.exists(), "{} is not built: cargo build --workspace", path.display());
    Ok(path)
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! What bad input gets: wrong configuration, killed processes, garbage, a full disk.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hearth_tests::{Home, HomeBuilder, Imap, hearth_command, missing, run, stranger};

/// One line that says what and what to do, and exit status 1.
fn refuses_to_start(home: &Home, says: &str) -> Result<()> {
    let (status, _, stderr) = home.hearth_status(&["up"], "")?;
    ensure!(status == 1, "exits with {status}: {stderr}");
    ensure!(stderr.trim_end().lines().count() == 1, "one line: {stderr}");
    ensure!(stderr.contains(says), "{says:?} is not in {stderr}");
    Ok(())
}

#[test]
fn a_wrong_configuration_is_named() -> Result<()> {
    let home = HomeBuilder::default().prepare()?;
    let file = home.dir.join("hearth.toml");
    let sound = fs::read_to_string(&file)?;
    for (wrong, says) in
        [("nonsense = 1\n", "nonsense"), ("[listen]\naddresses = 3\n", "hearth.toml line"), ("= =", "hearth.toml line")]
    {
        fs::write(&file, format!("{wrong}{sound}"))?;
        refuses_to_start(&home, says)?;
    }
    fs::write(&file, &sound)?;
    home.set_env("HEARTH_LISTEN__PORT_OFFSET", "many")?;
    refuses_to_start(&home, "HEARTH_LISTEN__PORT_OFFSET")
}

#[test]
fn a_port_in_use_is_named() -> Result<()> {
    let home = HomeBuilder::default().prepare()?;
    let _taken = TcpListener::bind(home.at(993))?;
    refuses_to_start(&home, &home.port(993).to_string())
}

#[test]
fn a_directory_that_is_not_ours_is_left_alone() -> Result<()> {
    let temp = tempfile::tempdir()?;
    fs::write(temp.path().join("photo.jpg"), "x")?;
    let done = hearth_command()?.args(["init", "--domain", "x.test", "--dir"]).arg(temp.path()).output()?;
    let stderr = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.code() == Some(1) && stderr.trim_end().lines().count() == 1, "{:?}: {stderr}", done.status);
    ensure!(fs::read_dir(temp.path())?.count() == 1, "something was written");
    Ok(())
}

#[test]
fn a_half_initialised_directory_is_named() -> Result<()> {
    let home = HomeBuilder::default().prepare()?;
    fs::create_dir_all(home.dir.join(".init"))?;
    refuses_to_start(&home, "half initialised")
}

#[test]
fn an_unreadable_directory_is_named() -> Result<()> {
    let home = HomeBuilder::default().prepare()?;
    fs::remove_file(home.dir.join("hearth.toml"))?;
    fs::create_dir(home.dir.join("hearth.toml"))?;
    refuses_to_start(&home, "hearth.toml")?;
    fs::set_permissions(&home.dir, fs::Permissions::from_mode(0o700))?;
    Ok(())
}

#[test]
fn a_newer_database_is_named() -> Result<()> {
    let home = HomeBuilder::default().prepare()?;
    let identity = home.dir.join("identity.db");
    let sql = "INSERT INTO schema_version (version, name, breaking, applied_at) VALUES (9999, 'later', 1, 0)";
    rusqlite::Connection::open(identity)?.execute(sql, [])?;
    refuses_to_start(&home, "newer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_child_is_back_within_a_second() -> Result<()> {
    let home = Home::start()?;
    let mut imap = Imap::sign_in(&home, &home.alice.address, &home.alice.app_password).await?;
    for name in ["smtp", "jmap", "keyserver", "oauth", "router"] {
        let pid = fs::read_to_string(home.dir.join(format!("run/{name}.pid"))).with_context(|| name.to_string())?;
        ensure!(std::process::Command::new("kill").args(["-KILL", pid.trim()]).status()?.success());
    }
    let killed = Instant::now();
    while TcpStream::connect(home.at(25)).and_then(|mut smtp| smtp.read(&mut [0; 4])).unwrap_or(0) == 0 {
        // A debug build on a busy machine; the bound of one second is measured with the release build.
        ensure!(killed.elapsed() < Duration::from_secs(10), "smtp did not come back");
        std::thread::sleep(Duration::from_millis(20));
    }
    imap.ok("NOOP").await.context("imap was not killed and goes on")?;
    Ok(())
}

#[test]
fn garbage_silence_and_endless_lines_are_ended() -> Result<()> {
    let home = Home::start()?;
    for port in [25, 143, 587] {
        let mut garbage = TcpStream::connect(home.at(port))?;
        garbage.set_read_timeout(Some(Duration::from_secs(30)))?;
        garbage.set_write_timeout(Some(Duration::from_secs(30)))?;
        let line = [b'A'; 65_536];
        let mut sent = 0_usize;
        // A gigabyte without a line end, or as much of it as the server listens to.
        while sent < 1 << 30 && garbage.write_all(&line).is_ok() {
            sent += line.len();
        }
        ensure!(sent < 64 << 20, "port {port} listened to {sent} bytes");
        let mut answer = Vec::new();
        // What the server said before it closed may be cut off by the reset that follows.
        let _ = garbage.read_to_end(&mut answer);
    }
    for port in [25, 143, 587, 465, 993, 443, 80] {
        let mut garbage = TcpStream::connect(home.at(port))?;
        garbage.set_read_timeout(Some(Duration::from_secs(90)))?;
        garbage.write_all(b"\x00\xff\x16\x03 GET / nonsense\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n")?;
        // The server may have closed it by now.
        let _ = garbage.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = garbage.read_to_end(&mut answer);
        ensure!(answer.len() < 65_536, "port {port} answered {} bytes", answer.len());
    }
    ensure!(home.hearth(&["status"]).is_ok());
    Ok(())
}

/// A file system of its own, small enough to be filled.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let options = format!("size={size},mode=0700");
        run(stranger("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()))?;
        Ok(Self(folder))
    }

    /// Leaves less than a block free.
    fn fill(&self) -> Result<()> {
        let mut filler = fs::File::create(self.0.path().join("filler"))?;
        for size in [1 << 20, 4096, 1] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
        Ok(())
    }

    fn make_room(&self) -> Result<()> {
        Ok(fs::remove_file(self.0.path().join("filler"))?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = stranger("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_recovers() -> Result<()> {
    if missing(&["swaks", "mount"]) {
        return Ok(());
    }
    let disk = SmallDisk::mount("48m")?;
    let home = HomeBuilder::default().below(disk.0.path()).start()?;
    let send = || {
        let mut swaks = stranger("swaks");
        swaks.args(["--server", &home.address.to_string(), "--port", &home.port(25).to_string(), "--to", &home.alice.address]);
        swaks.args(["--from", "stranger@stranger.example", "--body", &"x".repeat(60_000)]);
        swaks
    };
    let mut imap = Imap::sign_in(&home, &home.alice.address, &home.alice.app_password).await?;
    let append = format!("APPEND INBOX {{{}+}}\r\nSubject: x\r\n\r\n{}", 60_000 + 14, "x".repeat(60_000));
    run(&mut send())?;
    imap.ok("SELECT INBOX").await?;

    disk.fill()?;
    let refused = send().output()?;
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    ensure!(said.contains(" 452 4.3.1 "), "{said}");
    let (_, refused) = imap.command(&append).await?;
    ensure!(refused.starts_with("NO [OVERQUOTA]") || refused.starts_with("NO [SERVERBUG]"), "{refused}");
    let (_, status) = (imap.ok("NOOP").await?, imap.ok("STATUS INBOX (MESSAGES)").await?);
    ensure!(status.iter().any(|line| line.contains("MESSAGES 1")), "nothing half written: {status:?}");

    disk.make_room()?;
    run(&mut send())?;
    imap.ok(&append).await?;
    let status = imap.ok("STATUS INBOX (MESSAGES)").await?;
    ensure!(status.iter().any(|line| line.contains("MESSAGES 3")), "{status:?}");
    Ok(())
}

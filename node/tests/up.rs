// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth up` with processes that do nothing but start and stop: what the supervisor owes them and the person.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PROCESSES: [&str; 6] = ["oauth", "smtp", "imap", "jmap", "keyserver", "router"];

/// A folder with `hearth` and six children beside it, and a home.
struct Stage {
    _temp: tempfile::TempDir,
    programs: PathBuf,
    home: PathBuf,
}

impl Stage {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let programs = temp.path().join("bin");
        fs::create_dir(&programs).unwrap();
        let hearth = Path::new(env!("CARGO_BIN_EXE_hearth"));
        // cargo builds the example beside the program under test.
        let child = hearth.with_file_name("examples").join("child");
        fs::copy(hearth, programs.join("hearth")).unwrap();
        for name in PROCESSES {
            fs::copy(&child, programs.join(format!("hearth-{name}"))).unwrap();
        }
        let home = temp.path().join("home");
        let stage = Self { _temp: temp, programs, home };
        let made = stage.run(&["init", "--domain", "home.localhost", "--address", "127.0.0.1", "--port-offset", "30000"]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        stage
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join("hearth"));
        command.args(words).arg("--dir").arg(&self.home).stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn pid(&self, name: &str) -> Option<u32> {
        fs::read_to_string(self.home.join(format!("run/{name}.pid"))).ok()?.trim().parse().ok()
    }

    fn pids(&self) -> Vec<Option<u32>> {
        PROCESSES.iter().map(|name| self.pid(name)).collect()
    }

    fn up(&self) -> Up {
        let mut child = self.command(&["up"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if line != "hearth: ready\n" {
            let mut stderr = String::new();
            child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
            panic!("{line}{stderr}");
        }
        Up(child)
    }
}

/// A running `hearth up`; killed with its children when the test ends.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

fn lives(pid: u32) -> bool {
    // A zombie whose parent has not looked yet is dead.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
    begun.elapsed()
}

#[test]
fn a_killed_child_comes_back_and_the_others_stay() {
    let stage = Stage::new();
    let _up = stage.up();
    let before = stage.pids();
    assert!(before.iter().all(Option::is_some));
    signal(before[2].unwrap(), "-KILL");
    wait_until("imap comes back", || stage.pid("imap").is_some_and(|pid| Some(pid) != before[2] && lives(pid)));
    let after = stage.pids();
    for index in [0, 1, 3, 4, 5] {
        assert_eq!(before[index], after[index], "{}", PROCESSES[index]);
    }
}

#[test]
fn sigterm_stops_everything_gently() {
    let stage = Stage::new();
    let mut up = stage.up();
    let pids = stage.pids();
    signal(up.0.id(), "-TERM");
    let status = up.0.wait().unwrap();
    assert!(status.success(), "{status}");
    assert!(pids.iter().flatten().all(|pid| !lives(*pid)));
    assert_eq!(stage.pids(), vec![None; PROCESSES.len()], "the files of process numbers are gone");
}

#[test]
fn children_end_with_a_killed_supervisor_and_the_next_start_works() {
    let stage = Stage::new();
    let mut up = stage.up();
    let pids = stage.pids();
    up.0.kill().unwrap();
    up.0.wait().unwrap();
    wait_until("the children end", || pids.iter().flatten().all(|pid| !lives(*pid)));
    stage.up();
}

#[test]
fn a_second_start_is_told_who_runs() {
    let stage = Stage::new();
    let up = stage.up();
    let second = stage.run(&["up"]);
    let says = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(says.contains(&format!("already running (process {})", up.0.id())), "{says}");
    assert!(stage.run(&["status", "--json"]).status.success());
}

#[test]
fn a_child_that_cannot_start_leaves_one_line() {
    let stage = Stage::new();
    fs::write(stage.home.join("fail"), "hearth-smtp port 25 on 127.0.0.1 is in use by another program; stop that program").unwrap();
    let up = stage.run(&["up"]);
    let says = String::from_utf8(up.stderr).unwrap();
    assert_eq!(up.status.code(), Some(1), "{says}");
    assert_eq!(says, "hearth: port 25 on 127.0.0.1 is in use by another program; stop that program\n");
    assert!(up.stdout.is_empty());
    assert_eq!(stage.pids(), vec![None; PROCESSES.len()]);
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let stage = Stage::new();
    fs::remove_file(stage.programs.join("hearth-jmap")).unwrap();
    let up = stage.run(&["up"]);
    let says = String::from_utf8(up.stderr).unwrap();
    assert_eq!(up.status.code(), Some(1), "{says}");
    assert!(says.contains("hearth-jmap is not in ") && says.lines().count() == 1, "{says}");
}

#[test]
fn what_is_wrong_with_a_directory_is_one_line_and_nothing_changes() {
    let stage = Stage::new();
    let refused = |words: &[&str], says: &str| {
        let ran = stage.run(words);
        let stderr = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(1), "{words:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains(says), "{says:?} is not in {stderr}");
    };
    let toml = stage.home.join("hearth.toml");
    let sound = fs::read_to_string(&toml).unwrap();
    refused(&["init", "--domain", "x.org"], "already set up");
    refused(&["status"], "not running; start it with: hearth up");
    refused(&["account", "show", "nobody@home.localhost"], "there is no account");
    fs::write(&toml, format!("{sound}\n[colours]\n")).unwrap();
    refused(&["up"], "unknown field `colours`");
    fs::write(&toml, &sound).unwrap();
    fs::create_dir(stage.home.join(".init")).unwrap();
    for words in [&["up"][..], &["status"], &["init", "--domain", "x.org"]] {
        refused(words, "half initialised; remove it and run init again");
    }
    fs::remove_dir(stage.home.join(".init")).unwrap();
    assert_eq!(fs::read_to_string(&toml).unwrap(), sound);
    assert_eq!(stage.run(&["account", "nonsense"]).status.code(), Some(2));
}

#[test]
fn the_certificate_authority_that_is_not_there_yet_writes_nothing() {
    let stage = Stage::new();
    let other = stage.programs.join("other");
    let ran = Command::new(stage.programs.join("hearth"))
        .args(["init", "--domain", "x.org", "--ca", "acme", "--dir"])
        .arg(&other)
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("ACME"));
    assert!(!other.exists());
}

#[test]
fn doctor_says_what_and_what_to_do() {
    let stage = Stage::new();
    let looked = stage.run(&["doctor", "--json"]);
    assert!(looked.status.success());
    let findings: serde_json::Value = serde_json::from_slice(&looked.stdout).unwrap();
    let find = |check: &str| findings.as_array().unwrap().iter().find(|finding| finding["check"] == check).unwrap().clone();
    assert_eq!(find("databases")["ok"], true, "{findings}");
    assert_eq!(find("permissions")["ok"], true, "{findings}");
    assert_eq!(find("processes")["ok"], false);
    assert!(find("processes")["do"].as_str().unwrap().starts_with("hearth up --dir "));
    fs::write(stage.home.join("hearth.toml"), "nonsense").unwrap();
    let looked = stage.run(&["doctor", "--json"]);
    let findings: serde_json::Value = serde_json::from_slice(&looked.stdout).unwrap();
    assert_eq!(findings[0]["check"], "configuration");
    assert_eq!(findings[0]["ok"], false);
}

#[test]
fn accounts_without_secrets_need_no_gate() {
    let stage = Stage::new();
    let json = |words: &[&str]| -> serde_json::Value {
        let ran = stage.run(words);
        assert!(ran.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
        serde_json::from_slice(&ran.stdout).unwrap()
    };
    let added = json(&["account", "add", "alice@home.localhost", "--name", "Alice", "--json"]);
    assert_eq!(added["address"], "alice@home.localhost");
    assert_eq!(added["id"].as_str().unwrap().len(), 13);
    json(&["address", "add", "alice@home.localhost", "a@home.localhost", "--json"]);
    assert_eq!(json(&["address", "list", "alice@home.localhost", "--json"]).as_array().unwrap().len(), 2);
    json(&["alias", "add", "all@home.localhost", "alice@home.localhost", "--json"]);
    assert_eq!(json(&["alias", "list", "--json"])[0]["targets"][0], "alice@home.localhost");
    json(&["group", "add", "family@home.localhost", "alice@home.localhost", "--json"]);
    assert_eq!(json(&["group", "list", "family@home.localhost", "--json"])[0]["address"], "alice@home.localhost");
    let client = json(&["client", "add", "app", "--redirect-uri", "https://app.example.org/cb", "--json"]);
    assert!(client["client_id"].is_string() && client["client_secret"].is_string());
    let public = json(&["client", "add", "phone", "--public", "--redirect-uri", "org.example.app:/cb", "--json"]);
    assert!(public["client_secret"].is_null());
    assert_eq!(json(&["client", "list", "--json"]).as_array().unwrap().len(), 2);
    json(&["account", "disable", "alice@home.localhost", "--json"]);
    assert_eq!(
        json(&["account", "list", "--json"])
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["address"] == "alice@home.localhost")
            .unwrap()["disabled"],
        true
    );
    let records = json(&["domain", "records", "--json"]);
    assert!(records.as_array().unwrap().iter().any(|record| record["name"] == "ed25519._domainkey.home.localhost."));
    json(&["domain", "add", "second.localhost", "--json"]);
    assert!(stage.home.join("dkim/second.localhost/rsa.key").exists());
    assert_eq!(json(&["domain", "list", "--json"]).as_array().unwrap().len(), 2);
}

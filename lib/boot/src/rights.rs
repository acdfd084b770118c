// SPDX-License-Identifier: AGPL-3.0-or-later
//! Giving up what a server does not need: the superuser, new privileges, files elsewhere, system calls for other trades.
//!
//! All of it happens on the main thread before any other thread exists: on Linux these are properties of threads
//! and are inherited. What the kernel does not have is noted once at debug and is no error; what it has and refuses is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, path_beneath_rules,
};
use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, configure_capability_in_ambient_set, set_capabilities, set_keep_capabilities, set_no_new_privs,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

/// A line of `/etc/passwd` with the groups of `/etc/group`.
#[derive(Debug, PartialEq, Eq)]
struct User {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
}

/// Becomes `user` when the process is the superuser and a user is named. The one right that stays is binding to
/// ports below 1024; it passes to children, so a supervisor may call this too.
pub fn become_user(user: &str) -> anyhow::Result<()> {
    if user.is_empty() || !geteuid().is_root() {
        return Ok(());
    }
    let passwd = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
    let group = fs::read_to_string("/etc/group").unwrap_or_default();
    let found = find_user(user, &passwd, &group).ok_or_else(|| {
        anyhow!("process.user in hearth.toml: there is no user {user:?}; make it with: adduser --system --group {user}")
    })?;
    if found.uid == 0 {
        bail!("process.user in hearth.toml: {user:?} is the superuser; name another");
    }
    let doing = || format!("cannot become the user {user:?}");
    let groups: Vec<Gid> = found.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    let (uid, gid) = (Uid::from_raw(found.uid), Gid::from_raw(found.gid));
    set_keep_capabilities(true).with_context(doing)?;
    set_thread_groups(&groups).with_context(doing)?;
    set_thread_res_gid(gid, gid, gid).with_context(doing)?;
    set_thread_res_uid(uid, uid, uid).with_context(doing)?;
    let ports = CapabilitySet::NET_BIND_SERVICE;
    set_capabilities(None, CapabilitySets { effective: ports, permitted: ports, inheritable: ports }).with_context(doing)?;
    configure_capability_in_ambient_set(ports, true).with_context(doing)?;
    Ok(())
}

/// Files that this process makes from now on can be read by its user alone: databases hold mail and secrets.
pub fn keep_files_private() {
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}

fn find_user(name: &str, passwd: &str, group: &str) -> Option<User> {
    let line = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields.first() == Some(&name))?;
    let uid = line.get(2)?.parse().ok()?;
    let gid = line.get(3)?.parse().ok()?;
    let mut groups = vec![gid];
    for line in group.lines() {
        let fields: Vec<_> = line.split(':').collect();
        let (Some(number), Some(members)) = (fields.get(2).and_then(|gid| gid.parse().ok()), fields.get(3)) else { continue };
        if members.split(',').any(|member| member == name) && !groups.contains(&number) {
            groups.push(number);
        }
    }
    Some(User { uid, gid, groups })
}

/// What a server gives up for good: new privileges, writing outside `dir`, running programs, touching the kernel.
pub fn restrict(dir: &Path) -> anyhow::Result<()> {
    set_no_new_privs(true).context("cannot give up new privileges")?;
    match files(dir) {
        Ok(RulesetStatus::NotEnforced) => tracing::debug!("this kernel has no Landlock; files are guarded by their owners alone"),
        Ok(status) => tracing::debug!(?status, "Landlock"),
        Err(error) => tracing::warn!(%error, "Landlock refused; files are guarded by their owners alone"),
    }
    match calls() {
        Ok(()) => tracing::debug!("seccomp"),
        Err(error) => tracing::debug!(%error, "this kernel has no seccomp filter; going on without"),
    }
    Ok(())
}

/// Reading anywhere that the owner of the process may, writing in `dir` and the places for temporary files.
fn files(dir: &Path) -> Result<RulesetStatus, landlock::RulesetError> {
    let abi = ABI::V5;
    let everything = AccessFs::from_all(abi);
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(everything)?
        .create()?
        .add_rules(path_beneath_rules(["/"], AccessFs::from_read(abi)))?
        .add_rules(path_beneath_rules([dir, Path::new("/dev"), Path::new("/tmp"), Path::new("/var/tmp")], everything))?
        .restrict_self()?;
    Ok(status.ruleset)
}

/// System calls that no server of ours makes and that an intruder would like.
const REFUSED: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
];

fn calls() -> anyhow::Result<()> {
    let rules: BTreeMap<i64, Vec<_>> = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let arch = std::env::consts::ARCH.try_into()?;
    let eperm = u32::try_from(libc::EPERM)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(eperm), arch)?;
    let program: BpfProgram = filter.try_into()?;
    seccompiler::apply_filter(&program)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nhearth:x:112:118::/var/lib/hearth:/usr/sbin/nologin\n";
    const GROUP: &str = "root:x:0:\nhearth:x:118:\nssl-cert:x:114:postgres,hearth\nshort\n";

    #[test]
    fn a_user_has_the_groups_that_name_it() {
        assert_eq!(find_user("hearth", PASSWD, GROUP), Some(User { uid: 112, gid: 118, groups: vec![118, 114] }));
        assert_eq!(find_user("heart", PASSWD, GROUP), None);
    }

    #[test]
    fn a_restricted_thread_reads_and_writes_in_its_directory_and_runs_no_program() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_path_buf();
        // On a thread of its own: the restrictions end with it.
        let (wrote, ran) = std::thread::spawn(move || {
            restrict(&path).unwrap();
            let wrote = fs::write(path.join("a"), b"1").and_then(|()| fs::read(path.join("a")));
            (wrote, std::process::Command::new("/bin/true").status())
        })
        .join()
        .unwrap();
        assert_eq!(wrote.unwrap(), b"1");
        let filtered = fs::read_to_string("/proc/self/status").unwrap().contains("Seccomp:");
        assert_eq!(ran.is_err(), filtered, "a kernel with seccomp refuses execve");
    }
}

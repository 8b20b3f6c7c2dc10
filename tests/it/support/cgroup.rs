//! The cgroups that the program makes, and whether it can.

use std::fs;
use std::path::{Path, PathBuf};

use super::http::PATIENCE;
use super::process::until;

/// The folder of the cgroup that this process, and so the program, is in; and where its file system
/// is mounted.
pub(crate) fn own() -> Option<(PathBuf, PathBuf)> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"))?;
    let point = PathBuf::from(mount.split(' ').nth(1)?);
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some((point.join(path), point))
}

/// Whether one can be made that can be killed; says so if not.
pub(crate) fn can_be_made() -> bool {
    let trial = own().map(|(own, _)| own.join(format!("trial.{}", std::process::id())));
    let can = trial.is_some_and(|trial| {
        // Another test may try at the same time.
        let made = fs::create_dir(&trial);
        let can = trial.join("cgroup.kill").exists();
        made.is_ok_and(|()| fs::remove_dir(&trial).is_ok()) || can
    });
    if !can {
        eprintln!("SKIPPED: no cgroup can be made here");
    }
    can
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// The folder of a proxy's cgroups.
pub(crate) fn of(pid: u32) -> Option<PathBuf> {
    let own = below(&own()?.0).into_iter();
    let name = format!("hyper-mcp-proxy.{pid}.");
    own.into_iter().find(|path| path.to_string_lossy().contains(&name))
}

/// The cgroups of a proxy's children.
pub(crate) fn children(pid: u32) -> Vec<PathBuf> {
    of(pid).map(|folder| below(&folder)).unwrap_or_default()
}

/// Removes what a proxy that was killed has left, as the next one would.
pub(crate) fn sweep(pid: u32) {
    let Some(folder) = of(pid) else { return };
    let is_gone = || {
        // A proxy of another test may do the same.
        let _ = fs::write(folder.join("cgroup.kill"), "1");
        below(&folder).iter().for_each(|child| {
            let _ = fs::remove_dir(child);
        });
        let _ = fs::remove_dir(&folder);
        !folder.exists()
    };
    until("the end of a killed proxy's cgroups", PATIENCE, is_gone);
}

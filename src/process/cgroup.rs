//! A cgroup for each child, where the system lets this process make some: what the child starts
//! stays in it, whatever it does to hide, and one write kills all of it.
//!
//! They are in a folder of this process, below its own cgroup, which it locks: the folder of a
//! process that is gone is known by that. No controller is used, so none has to be enabled.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

use crate::os::sys::OwnedFd;
use crate::process::census::Process;

/// What the folders of all proxies begin with.
const NAME: &str = "hyper-mcp-proxy.";
/// Names that are tried: a proxy in another process namespace may have the same number.
const NAMES: usize = 8;
/// Most folders that are looked at in one, and how deep: a child may be another proxy.
const FOLDERS: usize = 4096;
const DEPTH: usize = 8;
/// Most processes of a cgroup that are looked at.
const MEMBERS: usize = 4096;
/// Interval and number of the attempts to remove what a proxy that is gone has left.
const BURIAL: Duration = Duration::from_millis(2);
const BURIALS: usize = 25;

/// The cgroups of this process's children.
#[derive(Debug)]
pub(crate) struct Cgroups {
    folder: Rc<Path>,
    /// Holds the lock.
    _lock: File,
}

impl Cgroups {
    /// Makes the folder, and removes those of others that are gone; an error says why there can be
    /// none.
    pub(crate) fn new() -> io::Result<Self> {
        let own = own().ok_or_else(|| io::Error::other("there is no cgroup2 file system"))?;
        sweep(&own);
        for n in 0..NAMES {
            let name = format!("{NAME}{}.{n}", std::process::id());
            let folder = own.join(name);
            match fs::create_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made?,
            }
            // Another that starts now may have taken it for one that was left, and removed it.
            let Some(_lock) = locked(&folder) else { continue };
            if !folder.join("cgroup.kill").exists() {
                fs::remove_dir(&folder)?;
                return Err(io::Error::other("cgroup.kill needs Linux 5.14"));
            }
            return Ok(Self { folder: folder.into(), _lock });
        }
        Err(io::Error::other("all names are taken"))
    }

    /// Makes a cgroup for the child with this mark.
    pub(crate) fn child(&self, mark: u64) -> Option<Cgroup> {
        let made = fs::create_dir(path(&self.folder, mark)).inspect_err(|error| log::debug!(
            target: "proxy",
            "no cgroup for the next child, whose processes are found by a walk of its tree: {error}"
        ));
        made.ok().map(|()| Cgroup { all: Rc::clone(&self.folder), mark })
    }

    /// Removes the folder, at the end of the program.
    pub(crate) fn remove(&self) {
        remove(&self.folder, DEPTH);
    }
}

/// One child's cgroup. It is removed when the child's tree is forgotten.
#[derive(Debug)]
pub(crate) struct Cgroup {
    /// The folder of all.
    all: Rc<Path>,
    mark: u64,
}

impl Cgroup {
    fn folder(&self) -> PathBuf {
        path(&self.all, self.mark)
    }

    /// For the start of the child in it.
    pub(crate) fn open(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(rustix::fs::open(self.folder(), flags, Mode::empty())?)
    }

    /// The running processes in it.
    pub(crate) fn members(&self) -> Vec<Process> {
        let list = fs::read_to_string(self.folder().join("cgroup.procs")).unwrap_or_default();
        let pids = list.lines().filter_map(|pid| pid.parse().ok()).take(MEMBERS);
        pids.filter_map(Process::find).collect()
    }

    /// Kills all processes in it, whoever owns them.
    pub(crate) fn kill(&self) {
        kill(&self.folder());
    }

    /// Removes it, if there is no process in it.
    pub(crate) fn remove(&self) -> bool {
        remove(&self.folder(), DEPTH)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        self.remove();
    }
}

fn path(all: &Path, mark: u64) -> PathBuf {
    all.join(mark.to_string())
}

fn kill(folder: &Path) {
    // It may be gone.
    let _ = fs::write(folder.join("cgroup.kill"), "1");
}

/// Removes a cgroup and those below it, if there is no process in them: whether it is gone.
fn remove(folder: &Path, depth: usize) -> bool {
    match fs::remove_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy && depth > 0 => {
            for below in folders(folder) {
                remove(&below, depth - 1);
            }
            fs::remove_dir(folder).is_ok()
        }
        done => done.is_ok() || !folder.exists(),
    }
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(of).into_iter().flatten().flatten() {
        if folders.len() < FOLDERS && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            folders.push(entry.path());
        }
    }
    folders
}

/// The lock of a folder that is there, if nobody has it.
fn locked(folder: &Path) -> Option<File> {
    let lock = File::open(folder).ok()?;
    lock.try_lock().ok()?;
    folder.exists().then_some(lock)
}

/// Ends what proxies that are gone have left below this cgroup: their daemons and folders.
fn sweep(own: &Path) {
    for folder in folders(own) {
        let name = folder.file_name().and_then(|name| name.to_str());
        if !name.is_some_and(|name| name.starts_with(NAME)) {
            continue;
        }
        let Some(_lock) = locked(&folder) else { continue };
        if remove(&folder, DEPTH) {
            continue;
        }
        log::info!(
            target: "proxy",
            "an earlier proxy left processes behind, which are ended: {}",
            folder.display()
        );
        kill(&folder);
        for _ in 0..BURIALS {
            std::thread::sleep(BURIAL);
            if remove(&folder, DEPTH) {
                break;
            }
        }
    }
}

/// The folder of the cgroup that this process is in.
fn own() -> Option<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|mount| place(mount, own))
}

/// Where a cgroup is, if this is a mount of the file system that has it.
fn place(mount: &str, cgroup: &str) -> Option<PathBuf> {
    let (mount, kind) = mount.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(3);
    let (root, point) = (fields.next()?, fields.next()?);
    let below = cgroup.strip_prefix(root.trim_end_matches('/'))?;
    let is_below = below.is_empty() || below.starts_with('/');
    // Such a cgroup is outside of the namespace of this process.
    let is_inside = !below.contains("/..");
    let is_there = kind.starts_with("cgroup2 ") && is_below && is_inside;
    is_there.then(|| PathBuf::from(format!("{point}{below}")))
}

//! Files that nobody but their user may read: created so, and refused otherwise.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::process::geteuid;

const MODE: u32 = 0o600;
/// Permissions of others than the owner.
const OTHERS: u32 = 0o077;

/// Creates a file, which must not exist, with its permissions.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let file = options()?.create_new(true).mode(MODE).open(path)?;
    // The mask of the process may have taken permissions of the owner.
    file.set_permissions(Permissions::from_mode(MODE))?;
    Ok(file)
}

/// Opens a file for reading and writing, which must be no symbolic link. A pipe or a device does
/// not make it wait.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    options()?.open(path)
}

fn options() -> io::Result<OpenOptions> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let mut options = File::options();
    options.read(true).write(true).custom_flags(flags);
    Ok(options)
}

/// Whether the error of [`open`] says that it is a symbolic link.
pub(crate) fn is_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

/// Why others may know what is in the file, or change it; none if they can't.
pub(crate) fn weakness(found: &Metadata) -> Option<String> {
    let (user, mode) = (geteuid().as_raw(), found.mode() & 0o7777);
    if found.uid() != user {
        return Some(format!(
            "it belongs to the user {} and this program runs as {user}; change its owner, or name \
             another file",
            found.uid()
        ));
    }
    if mode & OTHERS != 0 {
        return Some(format!(
            "others have permissions for it (mode {mode:03o}); what it holds may be known to them, \
             so remove it, or take the permissions away with chmod 600"
        ));
    }
    if found.nlink() > 1 {
        return Some("it has several names (hard links); name a file that has one".into());
    }
    None
}

/// Whether the path still names this file.
pub(crate) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let (own, found) = (file.metadata()?, std::fs::symlink_metadata(path));
    Ok(found.is_ok_and(|found| (found.dev(), found.ino()) == (own.dev(), own.ino())))
}

/// Puts the names in the folder of this path on stable storage.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

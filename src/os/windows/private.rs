//! Files that nobody but their user may read, on Windows: the folder decides that, whose access
//! list a new file inherits.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

/// Creates a file, which must not exist.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create_new(true).open(path)
}

/// Opens a file for reading and writing.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).open(path)
}

/// Links are followed.
pub(crate) fn is_link(_: &io::Error) -> bool {
    false
}

/// Unknown here.
pub(crate) fn weakness(_: &Metadata) -> Option<String> {
    None
}

/// A file that is open and locked is not replaced by another process.
pub(crate) fn is_at(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

/// Names are on stable storage with their files.
pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

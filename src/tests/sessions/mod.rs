//! The file of sessions.

mod file;
mod format;
mod twin;

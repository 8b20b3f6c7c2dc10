//! Child processes: how they are started, their three pipes, and the end of all that they have
//! started. What concerns a process of a server belongs here.

#[cfg(target_os = "linux")]
pub(crate) mod census;
pub(crate) mod child;
#[cfg_attr(windows, path = "../os/windows/group.rs")]
pub(crate) mod group;
pub(crate) mod line_reader;
pub(crate) mod rest;
pub(crate) mod spawn;
pub(crate) mod stderr;
pub(crate) mod stdin;
#[cfg_attr(not(target_os = "linux"), path = "elsewhere/tree.rs")]
pub(crate) mod tree;

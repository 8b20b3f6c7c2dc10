//! Child processes: their start, their three pipes, and the end of all processes that they started.
//! Code about a server's processes belongs here.

#[cfg(target_os = "linux")]
pub(crate) mod census;
#[cfg(target_os = "linux")]
pub(crate) mod cgroup;
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

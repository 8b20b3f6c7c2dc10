//! What the program is told: its arguments, the file of `--config`, and the commands that both
//! name. What can be wrong in them is found here, before anything listens.

pub(crate) mod args;
pub(crate) mod config_file;
pub(crate) mod exit;
pub(crate) mod launch;

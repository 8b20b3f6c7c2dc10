//! The operator's input: the arguments, the file of `--config`, and the commands that both name.
//! Mistakes in it are found here, before the program listens.

pub(crate) mod args;
mod arguments;
pub(crate) mod config_file;
pub(crate) mod exit;
pub(crate) mod flags;
mod help;
pub(crate) mod launch;
pub(crate) mod probe;

//! How the program ends before it serves.

/// Why it can't be done, or needn't.
#[derive(Debug)]
pub(crate) enum Exit {
    /// This was asked for, to standard output.
    Print(String),
    /// This is wrong.
    Fail { code: u8, reason: String },
}

impl Exit {
    pub(crate) fn usage(reason: impl Into<String>) -> Self {
        Self::Fail { code: 2, reason: reason.into() }
    }
}

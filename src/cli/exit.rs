//! How the program ends before it serves.

/// Why the program does not serve.
#[derive(Debug)]
pub(crate) enum Exit {
    /// The requested text, for standard output.
    Print(String),
    /// An error.
    Fail { code: u8, reason: String },
}

impl Exit {
    pub(crate) fn usage(reason: impl Into<String>) -> Self {
        Self::Fail { code: 2, reason: reason.into() }
    }
}

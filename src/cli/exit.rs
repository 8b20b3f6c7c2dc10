//! How the program ends before it serves.

/// Why the program does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
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

    /// The same with another text.
    pub(crate) fn map(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Print(text) => Self::Print(change(text)),
            Self::Fail { code, reason } => Self::Fail { code, reason: change(reason) },
        }
    }

    /// Its text.
    pub(crate) fn reason(&self) -> &str {
        let (Self::Print(text) | Self::Fail { reason: text, .. }) = self;
        text
    }
}

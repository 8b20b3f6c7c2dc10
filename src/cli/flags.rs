//! The flags: the one table that the command line, the environment, the help, the manual page and
//! the shell completions are read from.

/// A flag.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    /// Its name, without the dashes.
    pub(crate) long: &'static str,
    pub(crate) short: Option<char>,
    /// The name of its value; none for a switch.
    pub(crate) value: Option<&'static str>,
    /// Whether it may be given several times, and what separates its values in the environment.
    pub(crate) list: Option<char>,
    /// What it is about, in a line.
    pub(crate) help: &'static str,
    /// The value without it.
    pub(crate) default: Option<&'static str>,
}

/// Flags of one subject.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) flags: &'static [Flag],
}

/// A flag with a value.
const fn flag(long: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag { long, short: None, value: Some(value), list: None, help, default: None }
}

/// A flag without a value.
const fn switch(long: &'static str, help: &'static str) -> Flag {
    Flag { value: None, ..flag(long, "", help) }
}

impl Flag {
    const fn short(self, short: char) -> Self {
        Self { short: Some(short), ..self }
    }

    const fn default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    /// It may be repeated.
    const fn list(self, separator: char) -> Self {
        Self { list: Some(separator), ..self }
    }

    /// Whether `--long` or `-s` names it.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        match name.strip_prefix("--") {
            Some(long) => long == self.long,
            None => self.short.is_some_and(|short| {
                let mut letters = name.chars().skip(1);
                letters.next() == Some(short) && letters.next().is_none()
            }),
        }
    }

    /// The variable that has the same meaning; none for a flag that only asks for a text.
    pub(crate) fn variable(&self) -> Option<String> {
        let is_question = matches!(self.long, "help" | "version" | "probe");
        let name = || self.long.to_ascii_uppercase().replace('-', "_");
        (!is_question).then(|| format!("{PREFIX}{}", name()))
    }
}

/// How the names of the program's variables begin.
pub(crate) const PREFIX: &str = "HYPER_MCP_";

pub(crate) const GROUPS: [Group; 7] = [
    Group {
        name: "Listening",
        flags: &[
            flag("host", "host", "Address or name to listen on").short('H').default("127.0.0.1"),
            flag("port", "port", "Port to listen on; 0 picks a free one")
                .short('p')
                .default("8080"),
            flag("unix", "socket", "Unix socket to listen on instead"),
            flag("endpoint", "path", "Path of the MCP endpoint").short('e').default("/mcp"),
            flag("sse-endpoint", "path", "Path of HTTP+SSE (2024-11-05), or off").default("/sse"),
        ],
    },
    Group {
        name: "Server",
        flags: &[
            flag("config", "file", "JSON file of several servers, at /NAME/mcp"),
            switch("check", "Check --config and all flags, then exit"),
            flag("cwd", "dir", "Directory that the server starts in"),
            flag("env", "name=value", "Variable for the server; repeatable").list('\n'),
            switch("clear-env", "Give the server only the variables of --env"),
            flag("eras", "eras", "Revisions: auto, sessions, modern, both").default("auto"),
            flag("prewarm", "n", "Servers to start ahead of clients").default("0"),
            switch("demo", "Serve the built-in demonstration server"),
        ],
    },
    Group {
        name: "Sessions",
        flags: &[
            flag("session-keep-alive", "secs", "Time unused before sleep; 0 is never")
                .default("300"),
            flag("session-restart", "when", "Restart servers: on-demand or never")
                .default("on-demand"),
            flag("session-expiry", "secs", "Time asleep before the end; 0 is never")
                .default("86400"),
            flag("sleep", "secs", "Time without calls before sleep; 0 is never").default("0"),
            switch("share", "Sessions of like clients share a server"),
            flag("sessions", "file", "File that keeps sessions over a restart"),
            flag("header-env", "header=name", "Header to pass as a variable; repeatable").list(','),
            flag("affinity", "header", "Header that names a client; repeatable").list(','),
            flag("node", "name", "Name of this node, in session ids"),
        ],
    },
    Group {
        name: "Limits",
        flags: &[
            flag("max-sessions", "n", "Most sessions at once, a process each").default("64"),
            flag("max-message", "bytes", "Longest message; units K, M, G").default("16M"),
            flag("max-memory", "bytes", "Memory limit of all messages").default("64M to 256M"),
            flag("request-timeout", "secs", "Time limit of a call; 0 is none").default("0"),
            flag("drain-timeout", "secs", "Time for calls after SIGTERM").default("10"),
        ],
    },
    Group {
        name: "Access",
        flags: &[
            flag("allow-host", "host", "Host to accept, * is any; repeatable").list(','),
            flag("allow-origin", "origin", "Web origin to accept; repeatable").list(','),
        ],
    },
    Group {
        name: "Observability",
        flags: &[
            flag("health", "path", "Path of the health check, or off").default("/healthz"),
            flag("metrics", "path", "Path of Prometheus metrics"),
            flag("metrics-listen", "address", "Address and port of metrics and health"),
            flag("probe", "url", "Request a page of a proxy, then exit"),
            switch("no-trace-context", "Don't pass traceparent headers on"),
            flag("log-format", "format", "text or json").default("text"),
            switch("access-log", "Log each request"),
            flag("access-user", "header", "Header that names the user in that log"),
            flag("record", "file", "New file to record this run in"),
            switch("record-contents", "Record what messages say as well"),
            flag("record-limit", "bytes", "Longest recording").default("64M"),
        ],
    },
    Group {
        name: "Other",
        flags: &[
            switch("version", "Print the version").short('V'),
            switch("help", "Print this help").short('h'),
        ],
    },
];

/// All of them, in the help's order.
pub(crate) fn flags() -> impl Iterator<Item = &'static Flag> {
    GROUPS.iter().flat_map(|group| group.flags)
}

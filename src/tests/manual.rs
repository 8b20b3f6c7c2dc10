//! The manual page, made from the flags' table and the reasons in docs/cli.md, and held equal
//! to the file that is shipped. `WRITE_CONTRIB=1 cargo test manual` writes it anew.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use mcp_bridge::Config;

use crate::cli::flags::{PREFIX, flags};

const START: &str = r#".\" Made from the flags' table: see src/tests/manual.rs.
.TH HYPER\-MCP\-PROXY 1 "" "hyper\-mcp\-proxy VERSION" "User Commands"
.SH NAME
hyper\-mcp\-proxy \- put an MCP server that speaks stdio on the network
.SH SYNOPSIS
.SY hyper\-mcp\-proxy
.RI [ option \~.\|.\|.]
.RB [ \-\- ]
.I command
.RI [ argument \~.\|.\|.]
.YS
.SY hyper\-mcp\-proxy
.RI [ option \~.\|.\|.]
.B \-\-config
.I file
.YS
.SY hyper\-mcp\-proxy
.RI [ option \~.\|.\|.]
.B \-\-demo
.YS
.SH DESCRIPTION
MCP clients speak Streamable HTTP to this proxy; it speaks stdio to an MCP server that it starts as
a child process, one for each session.
.PP
Everything after
.B \-\-
is the server's command; it also begins at the first word that is not an option.
It is looked up on
.B PATH
once, at startup.
The log goes to standard error; its first line shows the address of each endpoint.
.PP
There is no authentication.
Whoever reaches the address can use the server, so the default is loopback, and what is put on a
network belongs behind a reverse proxy with TLS and authentication.
.SH OPTIONS
A value may follow after a space or an
.BR = .
"#;

const SIGNALS: &str = r#".SH SIGNALS
.TP
.BR SIGTERM ,\~ SIGINT
New sessions are refused, calls in flight may finish for the time of
.BR \-\-drain\-timeout ,
then every server process is ended.
A second signal ends everything at once.
.TP
.B SIGHUP
With
.BR \-\-config ,
the file is read again.
Awake sessions of a server that is not in it any more go on until they end or fall asleep, its
sleeping sessions end, and new ones are refused with 404.
Without it, the same as
.BR SIGTERM ;
no effect if it was ignored at startup
.RB ( nohup (1)),
or if a service manager has started the program.
"#;

const END: &str = r#".SH ENVIRONMENT
.TP
.BR HYPER_MCP_PORT ,\~ HYPER_MCP_HOST ,\~.\|.\|.
Each option but \fB\-\-help\fR and \fB\-\-version\fR is a variable too.
An option on the command line outranks its variable, and a variable outranks the default.
A switch is on if its variable is 1, true, yes or on.
The values of an option that may be repeated are separated by commas, those of
.B HYPER_MCP_ENV
by line ends.
An empty variable is not used.
.TP
.B RUST_LOG
What is logged, by level and target, such as
.B info,child=off
for silence about what the servers write to their standard error.
The default is
.BR info .
.SH EXAMPLES
.TP
.B hyper\-mcp\-proxy \-\-demo
A server to try clients with, at
.BR http://127.0.0.1:8080/mcp .
.TP
.B hyper\-mcp\-proxy \-\-port 9000 \-\- npx \-y @modelcontextprotocol/server\-everything
A real one.
.TP
.B curl http://127.0.0.1:8080/healthz
Whether sessions are taken.
"#;

/// Where the flags are explained.
const PAGE: &str = "docs/cli.md";

/// Fails unless the file holds this text, or writes it if that is asked for.
#[track_caller]
pub(super) fn is_shipped(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib").join(path);
    if std::env::var_os("WRITE_CONTRIB").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
    }
    let shipped = fs::read_to_string(&file).unwrap();
    assert!(
        shipped == text,
        "contrib/{path} is not what the flags say: WRITE_CONTRIB=1 cargo test"
    );
}

/// The row about a flag in docs/cli.md: its default, and what it is and why so.
fn row(page_text: &str, flag: &str) -> (String, String) {
    let named =
        |row: &&str| row.starts_with("| `") && row.split('|').nth(1).unwrap().contains(flag);
    let row =
        page_text.lines().find(named).unwrap_or_else(|| panic!("{PAGE} has no row for {flag}"));
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    (cells[2].to_owned(), cells[3].to_owned())
}

/// The table of exit statuses.
fn statuses(page_text: &str) -> String {
    let rows = page_text.lines().skip_while(|line| !line.starts_with("| exit status |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|')).map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        format!(".TP\n.B {}\n{}", cells[1], roff(cells[2]))
    });
    let rows: String = rows.collect();
    assert!(rows.contains("\n.B 127\n"), "{rows}");
    format!(".SH EXIT STATUS\n{rows}")
}

/// Text without Markdown's links: a file by its name, a section by its name and its file's.
fn unlinked(text: &str) -> String {
    let Some((before, rest)) = text.split_once('[') else { return text.to_owned() };
    let (name, rest) = rest.split_once("](").expect("a link has a target");
    let (target, rest) = rest.split_once(')').expect("a target ends");
    let page = match target.split_once('#') {
        Some(("", _)) => String::from(PAGE),
        Some((page, _)) => format!("docs/{page}"),
        None => format!("docs/{target}"),
    };
    let link = if name.ends_with(".md") { page } else { format!("\"{name}\" in {page}") };
    format!("{before}{link}{}", unlinked(rest))
}

/// Text of the page as roff: code in bold, one sentence a line.
fn roff(text: &str) -> String {
    let mut roff = String::new();
    for (number, piece) in unlinked(text).split('`').enumerate() {
        let piece = piece.replace('\\', r"\e");
        match number % 2 {
            0 => roff += &piece.replace(". ", ".\n"),
            _ => write!(roff, r"\fB{}\fR", piece.replace('-', r"\-")).unwrap(),
        }
    }
    let lines = roff.lines().map(|line| match line.starts_with(['.', '\'']) {
        true => format!("\\&{line}\n"),
        false => format!("{line}\n"),
    });
    lines.collect()
}

#[test]
fn the_manual_page_is_that_of_the_flags() {
    let page_text = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page_text = fs::read_to_string(page_text).unwrap();
    let start = START.replace("VERSION", env!("CARGO_PKG_VERSION"));
    let mut page = start;
    for flag in flags() {
        let bold = |name: &str| format!(r"\fB{}\fR", name.replace('-', r"\-"));
        let short = flag.short.map(|short| bold(&format!("-{short}")) + ", ").unwrap_or_default();
        let value = flag.value.map(|name| format!(r" \fI{name}\fR")).unwrap_or_default();
        let long = format!("--{}", flag.long);
        let (default, text) = row(&page_text, &long);
        writeln!(page, ".TP\n{short}{}{value}", bold(&long)).unwrap();
        page += &roff(&text);
        if default != "–" {
            page += &roff(&format!("The default is {default}."));
        }
    }
    page += SIGNALS;
    page += &statuses(&page_text);
    page += END;
    assert!(!page.contains("]("), "Markdown in the page");
    is_shipped("man/hyper-mcp-proxy.1", &page);
}

/// The rows about flags: the names and the default of each.
fn rows(page_text: &str) -> Vec<(String, String)> {
    let section = page_text.split("\n## Flags\n").nth(1).expect("the section is there");
    let section = section.split("\n## ").next().unwrap_or(section);
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let mut cells = row.split('|').skip(1).map(str::trim);
        (cells.next().unwrap().replace('`', ""), cells.next().unwrap().replace('`', ""))
    })
    .collect()
}

#[test]
fn the_page_has_every_flag_with_its_default() {
    let page_text = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let mut told = rows(&fs::read_to_string(page_text).unwrap());
    let named = flags().map(|flag| {
        let short = flag.short.map(|short| format!("-{short}, ")).unwrap_or_default();
        (format!("{short}--{}", flag.long), flag.default.unwrap_or("–").to_owned())
    });
    let mut named: Vec<_> = named.collect();
    named.sort();
    told.sort();
    assert_eq!(told, named);
}

#[test]
fn the_defaults_in_the_table_are_those_of_the_engine() {
    let config = Config::default();
    for (flag, value) in [
        ("endpoint", config.endpoint),
        ("eras", config.eras.to_string()),
        ("session-keep-alive", config.idle.map_or(0, |idle| idle.as_secs()).to_string()),
        ("max-sessions", config.sessions.to_string()),
        ("max-message", format!("{}M", config.message >> 20)),
        ("request-timeout", config.request.map_or(0, |wait| wait.as_secs()).to_string()),
        ("drain-timeout", config.drain.as_secs().to_string()),
        ("prewarm", config.prewarm.to_string()),
        ("health", config.health.unwrap_or_default()),
    ] {
        let known = flags().find(|known| known.long == flag).unwrap();
        assert_eq!(known.default, Some(&*value), "{flag}");
    }
    assert!(flags().all(|flag| flag.variable().is_none_or(|name| name.starts_with(PREFIX))));
}

//! The text of `--help`.

use crate::cli::flags::{Flag, GROUPS, PREFIX};

/// Columns of a flag with its value. The rest of 80 is for what it is about.
const LEFT: usize = 31;

const START: &str = "\
MCP clients speak Streamable HTTP to this proxy; it speaks stdio to an MCP
server that it starts as a child process, one for each session.

Usage: hyper-mcp-proxy [OPTIONS] [--] COMMAND [ARGUMENT...]
       hyper-mcp-proxy [OPTIONS] --config FILE
       hyper-mcp-proxy [OPTIONS] --demo
";

const ENVIRONMENT: &str = "
Environment:
  HYPER_MCP_...  Any option, such as HYPER_MCP_PORT for --port; an option wins
  RUST_LOG       What is logged, such as info,child=off [info]
";

const END: &str = "\
Examples:
  hyper-mcp-proxy --demo
  hyper-mcp-proxy -- npx -y @modelcontextprotocol/server-everything
  hyper-mcp-proxy --port 9000 -- uvx mcp-server-time
  hyper-mcp-proxy --config servers.json --check
";

/// What `--help` prints.
pub(crate) fn text() -> String {
    let mut text = String::from(START);
    for group in &GROUPS {
        text += &format!("\n{}:\n", group.name);
        for flag in group.flags {
            text += &line(flag);
        }
    }
    debug_assert!(ENVIRONMENT.contains(PREFIX));
    text + ENVIRONMENT + "\n" + END
}

fn line(flag: &Flag) -> String {
    let short = flag.short.map_or_else(|| String::from("   "), |short| format!("-{short},"));
    let value = flag.value.map(|value| format!(" {}", value.to_ascii_uppercase()));
    let left = format!("  {short} --{}{}", flag.long, value.unwrap_or_default());
    let default = flag.default.map(|default| format!(" [{default}]")).unwrap_or_default();
    format!("{left:LEFT$}  {}{default}\n", flag.help)
}

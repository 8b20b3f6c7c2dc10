//! What the command line says, and what it must not.

use std::ffi::OsString;
use std::time::Duration;

use crate::cli::args::{Options, parse};
use crate::cli::exit::Exit;
use crate::cli::flags::{Flag, GROUPS, flags};
use crate::logging::Format;
use crate::os::sockets::Place;
use crate::record::settings::text;

fn options(args: &[&str]) -> Result<Options, Exit> {
    parse(args.iter().map(OsString::from).collect(), std::iter::empty())
}

/// The options with these variables.
fn with_variables(args: &[&str], variables: &[(&str, &str)]) -> Result<Options, Exit> {
    let variables: Vec<_> =
        variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    parse(args.iter().map(OsString::from).collect(), variables.into_iter())
}

#[track_caller]
fn good(args: &[&str]) -> Options {
    options(args).unwrap_or_else(|exit| panic!("{args:?}: {exit:?}"))
}

/// The exit code and the reason.
#[track_caller]
fn bad(args: &[&str]) -> (u8, String) {
    match options(args) {
        Err(Exit::Fail { code, reason }) => {
            assert!(!reason.contains('\n'), "{args:?}: {reason}");
            (code, reason)
        }
        other => panic!("{args:?}: {other:?}"),
    }
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let options = good(&["--", "cat"]);
    assert_eq!(options.place, Place::Tcp { host: "127.0.0.1".into(), port: 8080 });
    assert!(!options.is_placed && good(&["--port", "8080", "--", "cat"]).is_placed);
    assert_eq!(good(&["--unix=/x/y", "--", "cat"]).place, Place::Unix("/x/y".into()));
    assert_eq!(options.log_format, Format::Text);
    let config = options.config;
    assert_eq!((config.endpoint.as_str(), config.health.as_deref()), ("/mcp", Some("/healthz")));
    assert_eq!((config.sessions, config.message), (64, 16 << 20));
    assert_eq!(config.idle, Some(Duration::from_secs(300)));
    assert_eq!(config.request, None);
    assert_eq!(config.drain, Duration::from_secs(10));
    assert!(config.allow_hosts.is_empty() && config.allow_origins.is_empty());
}

#[test]
fn a_value_may_follow_in_three_ways() {
    for port in
        [&["--port", "1234"][..], &["--port=1234"], &["-p", "1234"], &["-p1234"], &["-p=1234"]]
    {
        let place = good(&[port, &["--", "cat"]].concat()).place;
        assert!(matches!(place, Place::Tcp { port: 1234, .. }), "{port:?}: {place:?}");
    }
    // What a value holds is its own affair.
    let options = good(&["--env=A=b=c", "--env", "D=", "--allow-origin=http://x", "--", "cat"]);
    assert_eq!(
        options.servers.servers[0].launch.env,
        [("A".into(), "b=c".into()), ("D".into(), "".into())]
    );
    assert_eq!(options.config.allow_origins, ["http://x"]);
    let place = good(&["--host", "--", "--", "cat"]).place;
    assert!(matches!(&place, Place::Tcp { host, .. } if host == "--"), "{place:?}");
}

#[test]
fn the_command_is_left_alone() {
    for start in [&["--"][..], &[], &["-p1"], &["-p", "1", "--"]] {
        let command = ["cat", "-p", "2", "--help", "--", "--env=x"];
        let launch = good(&[start, &command].concat()).servers.servers.remove(0).launch;
        assert_eq!(launch.name, "cat");
        assert_eq!(launch.args, command[1..].iter().map(OsString::from).collect::<Vec<_>>());
        assert!(launch.program.is_absolute(), "{:?}", launch.program);
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt;
        let raw = OsString::from_vec(vec![b'a', 0xff]);
        let args = vec!["--".into(), "cat".into(), raw.clone()];
        let parse = |args| parse(args, std::iter::empty());
        assert_eq!(parse(args).unwrap().servers.servers[0].launch.args, std::slice::from_ref(&raw));
        assert!(matches!(parse(vec![raw, "cat".into()]), Err(Exit::Fail { code: 127, .. })));
    }
}

#[test]
fn values_mean_what_they_say() {
    let config = |args: &[&str]| good(&[args, &["--", "cat"]].concat()).config;
    assert_eq!(config(&["--session-keep-alive", "0"]).idle, None);
    assert_eq!(config(&["--session-keep-alive", "1.5"]).idle, Some(Duration::from_millis(1500)));
    assert_eq!(config(&["--request-timeout", "7"]).request, Some(Duration::from_secs(7)));
    assert_eq!(config(&["--request-timeout", "0"]).request, None);
    assert_eq!(config(&["--drain-timeout", "0"]).drain, Duration::ZERO);
    for (text, size) in [("1", 1), ("2k", 2048), ("3M", 3 << 20), ("1GiB", 1 << 30)] {
        assert_eq!(config(&["--max-message", text]).message, size);
    }
    assert_eq!(config(&["--node", "mcp-0.x_y"]).node.as_deref(), Some("mcp-0.x_y"));
    assert_eq!(config(&["--health", "off"]).health, None);
    assert_eq!(config(&["--health", ""]).health, None);
    assert_eq!(config(&["--health", "/up"]).health.as_deref(), Some("/up"));
    assert_eq!(good(&["--log-format", "json", "--", "cat"]).log_format, Format::Json);
    assert!(good(&["--clear-env", "--", "cat"]).servers.servers[0].launch.clear_env);
}

#[test]
fn the_path_of_the_oldest_clients_makes_way_unless_it_is_asked_for() {
    let sse = |args: &[&str]| {
        let options = good(&[args, &["--", "cat"]].concat());
        assert_eq!(options.servers.servers[0].sse, options.config.sse_endpoint);
        options.config.sse_endpoint
    };
    assert_eq!(sse(&[]).as_deref(), Some("/sse"));
    assert_eq!(sse(&["--sse-endpoint=/old"]).as_deref(), Some("/old"));
    for off in [
        &["--sse-endpoint", "off"][..],
        &["--sse-endpoint", ""],
        &["--endpoint", "/sse"],
        &["--metrics", "/sse"],
        &["--health", "/sse"],
    ] {
        assert_eq!(sse(off), None, "{off:?}");
    }
    let own = "--sse-endpoint needs a path of its own";
    for taken in ["/mcp", "/healthz"] {
        let taken = format!("--sse-endpoint={taken}");
        assert_eq!(bad(&[&taken, "--", "cat"]), (2, own.into()));
    }
    let query = "--sse-endpoint takes a path such as /sse, not \"/sse?x\"";
    assert_eq!(bad(&["--sse-endpoint=/sse?x", "--", "cat"]), (2, query.into()));
}

#[test]
fn what_is_wrong_is_said() {
    for (args, word) in [
        (&["--port", "x", "--", "cat"][..], "--port"),
        (&["--port", "65536", "--", "cat"], "--port"),
        (&["--port"], "--port"),
        (&["--port=1", "--port=2", "--", "cat"], "--port"),
        (&["--nonsense", "--", "cat"], "--nonsense"),
        (&["-x", "--", "cat"], "-x"),
        (&["--unix", "/x", "--port", "1", "--", "cat"], "--unix"),
        (&["--node", "", "--", "cat"], "--node"),
        (&["--node", "a b", "--", "cat"], "--node"),
        (&["--node", "n234567890123456789012345678901x", "--", "cat"], "--node"),
        (&["--endpoint", "mcp", "--", "cat"], "--endpoint"),
        (&["--endpoint", "/a b", "--", "cat"], "--endpoint"),
        (&["--endpoint", "/a?b", "--", "cat"], "--endpoint"),
        (&["--health", "up", "--", "cat"], "--health"),
        (&["--health", "/mcp", "--", "cat"], "--health"),
        (&["--max-sessions", "0", "--", "cat"], "--max-sessions"),
        (&["--max-message", "0", "--", "cat"], "--max-message"),
        (&["--max-message", "5X", "--", "cat"], "5X"),
        (&["--max-message", "99999999999G", "--", "cat"], "99999999999G"),
        (&["--session-keep-alive", "-1", "--", "cat"], "-1"),
        (&["--session-keep-alive", "NaN", "--", "cat"], "NaN"),
        (&["--drain-timeout", "1e99", "--", "cat"], "1e99"),
        (&["--env", "A", "--", "cat"], "--env"),
        (&["--env", "=b", "--", "cat"], "--env"),
        (&["--cwd", "/no/such/folder", "--", "cat"], "/no/such/folder"),
        (&["--log-format", "xml", "--", "cat"], "xml"),
        (&["--demo", "--", "cat"], "--demo"),
        (&["--config", "/no/such/file"], "/no/such/file"),
        (&["--config", "/dev/null"], "not a regular file"),
        (&["--config", "/no/such/file", "--", "cat"], "--config"),
        (&["--config", "/no/such/file", "--demo"], "--config"),
        (&[], "command"),
        (&["--"], "command"),
        (&["--clear-env=1", "--", "cat"], "--clear-env"),
    ] {
        let (code, reason) = bad(args);
        assert_eq!(code, 2, "{args:?}: {reason}");
        assert!(reason.contains(word), "{args:?}: {reason}");
    }
    assert_eq!(bad(&["--", "no-such-command-anywhere"]).0, 127);
    assert_eq!(bad(&["--", "/no/such/file"]).0, 127);
    assert_eq!(bad(&["--", "/"]).0, 126);
}

#[test]
fn help_and_version_go_to_standard_output() {
    for flag in ["--help", "-h", "--version", "-V"] {
        assert!(matches!(options(&[flag]), Err(Exit::Print(_))), "{flag}");
    }
}

#[test]
fn what_the_parser_refuses_begins_with_the_flag() {
    for (args, said) in [
        (&["--port", "it's: x"][..], "--port takes a number from 0 to 65535, not \"it's: x\""),
        (&["--eras=old", "cat"], "--eras takes auto, sessions, modern or both, not \"old\""),
        (&["--port"], "--port needs a value"),
        (&["--prot", "1", "--", "cat"], "there is no option --prot"),
        (&["--prot=1", "--", "cat"], "there is no option --prot"),
        (&["--share=yes", "--", "cat"], "--share takes no value"),
    ] {
        let Err(Exit::Fail { code: 2, reason }) = options(args) else { panic!("{args:?}") };
        assert_eq!(reason, format!("{said} (see --help)"));
    }
}

#[test]
fn the_help_fits_on_a_terminal_and_has_every_flag_once() {
    let Err(Exit::Print(help)) = options(&["--help"]) else { panic!("no help") };
    for line in help.lines() {
        assert!(line.len() <= 80 && line.is_ascii(), "{line}");
    }
    for flag in flags() {
        let mut lines = help.lines().filter(|line| line.starts_with("  "));
        let named = |line: &&str| line.split(' ').any(|word| word == format!("--{}", flag.long));
        assert!(lines.any(|line| named(&line)), "--{}", flag.long);
        assert_eq!(flags().filter(|other| other.long == flag.long).count(), 1);
    }
    for group in &GROUPS {
        assert!(help.contains(&format!("\n{}:\n", group.name)), "{}", group.name);
    }
    assert!(help.contains("\n  RUST_LOG ") && help.contains("\nExamples:\n"));
}

/// A value that the flag takes and that is not its default.
fn sample(flag: &Flag) -> String {
    let sample = match flag.value {
        None => "1",
        Some("host" | "name" | "header") => "sample",
        Some("when") => "never",
        Some("port" | "n" | "secs") => "7",
        Some("bytes") => "1G",
        Some("socket") => "/x/y",
        Some("address") => "127.0.0.1:7",
        Some("url") => "sample",
        Some("dir") => env!("CARGO_MANIFEST_DIR"),
        Some("path") => "/sample",
        Some("file") => concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/servers.json"),
        Some("name=value" | "header=name") => "A=B",
        Some("origin") => "https://sample",
        Some("eras") => "both",
        Some("format") => "json",
        Some(other) => panic!("no sample for the value {other:?} of --{}", flag.long),
    };
    sample.to_owned()
}

/// What comes of the arguments and variables, as a text.
fn outcome(args: &[&str], variables: &[(&str, &str)], flag: &Flag) -> String {
    // These name the server themselves.
    let names_server = ["config", "demo"].contains(&flag.long);
    let command: &[&str] = if names_server { &[] } else { &["--", "cat"] };
    format!("{:?}", with_variables(&[args, command].concat(), variables))
}

#[test]
fn every_flag_is_a_variable_too() {
    for flag in flags() {
        let (long, sample) = (format!("--{}", flag.long), sample(flag));
        let by_flag = match flag.value {
            Some(_) => outcome(&[&long, &sample], &[], flag),
            None => outcome(&[&long], &[], flag),
        };
        let neither = outcome(&[], &[], flag);
        assert_ne!(by_flag, neither, "{long} changes nothing");
        let Some(variable) = flag.variable() else { continue };
        assert_eq!(outcome(&[], &[(&variable, &sample)], flag), by_flag, "{variable}");
        assert_eq!(outcome(&[], &[(&variable, "")], flag), neither, "{variable} is empty");
        if flag.value.is_none() {
            assert_eq!(outcome(&[], &[(&variable, "off")], flag), neither, "{variable} is off");
            continue;
        }
        let both = outcome(&[&long, &sample], &[(&variable, "?/ \u{1}")], flag);
        assert_eq!(both, by_flag, "{long} outranks {variable}");
        if let Some(separator) = flag.list {
            let (two, other) = (format!("{sample}{separator}{sample}2"), format!("{sample}2"));
            let by_flags = outcome(&[&long, &sample, &long, &other], &[], flag);
            assert_eq!(outcome(&[], &[(&variable, &two)], flag), by_flags, "{variable}");
        }
    }
}

#[test]
fn an_error_names_the_variable_that_it_comes_from() {
    let reason = |args: &[&str], variables: &[(&str, &str)]| match with_variables(args, variables) {
        Err(Exit::Fail { code: 2, reason }) => reason,
        other => panic!("{other:?}"),
    };
    let port = reason(&["--", "cat"], &[("HYPER_MCP_PORT", "tcp://10.0.0.1:80")]);
    assert!(port.contains("--port") && port.contains("HYPER_MCP_PORT"), "{port}");
    let both = [("HYPER_MCP_PORT", "1"), ("HYPER_MCP_UNIX", "/x")];
    let rivals = reason(&["--", "cat"], &both);
    assert!(rivals.contains("HYPER_MCP_PORT, HYPER_MCP_UNIX"), "{rivals}");
    assert!(reason(&["--", "cat"], &[("HYPER_MCP_CLEAR_ENV", "x")]).contains("1 or 0"));
    // What the command line excludes is not used.
    let place = with_variables(&["--port", "1", "--", "cat"], &both[1..]).unwrap().place;
    assert!(matches!(place, Place::Tcp { port: 1, .. }), "{place:?}");
    let used = with_variables(&["--", "cat"], &[("HYPER_MCP_CONFIG", "/no/such")]).unwrap();
    assert_eq!(used.servers.servers.len(), 1);
    let strange = with_variables(&["--", "cat"], &[("HYPER_MCP_PROT", "1")]).unwrap().strange;
    assert_eq!(strange, ["HYPER_MCP_PROT"]);
}

#[test]
fn a_check_says_what_is_right_or_fails_with_one() {
    let Err(Exit::Print(text)) = options(&["--check", "--", "cat"]) else { panic!("it goes on") };
    assert!(text.starts_with("/mcp starts /"), "{text}");
    assert_eq!(bad(&["--check", "--", "no-such-command-anywhere"]).0, 1);
    assert_eq!(bad(&["--check", "--port", "x", "--", "cat"]).0, 1);
}

#[test]
fn the_table_has_the_flags_that_are_parsed_and_no_others() {
    let source = include_str!("../cli/args/given.rs");
    let fields = source.split("struct Given {").nth(1).unwrap().split("\n}").next().unwrap();
    let (mut parsed, mut short) = (std::collections::BTreeSet::new(), None);
    for line in fields.lines().map(str::trim) {
        if line.starts_with("#[argh") {
            short = line.split("short = '").nth(1).and_then(|rest| rest.chars().next());
        } else if let Some(field) = line.strip_prefix("pub(super) ") {
            let (name, kind) = field.trim_end_matches(',').split_once(": ").unwrap();
            let (takes_value, is_list) = (kind != "bool", kind.starts_with("Vec"));
            parsed.insert((name.replace('_', "-"), short.take(), takes_value, is_list));
        }
    }
    // `--help`, `--version` and `--probe` are answered before the rest is parsed.
    let listed = flags().filter(|flag| flag.variable().is_some());
    let listed = listed
        .map(|flag| (flag.long.to_owned(), flag.short, flag.value.is_some(), flag.list.is_some()));
    assert_eq!(parsed, listed.collect());
}

/// A recording is played under the settings that it has.
#[test]
fn what_a_flag_changes_for_the_engine_is_recorded() {
    let config = |args: &[&str]| good(&[args, &["--", "cat"]].concat()).config;
    let usual = config(&[]);
    let mut changed = 0;
    for flag in flags().filter(|flag| !["config", "demo", "check"].contains(&flag.long)) {
        let (long, sample) = (format!("--{}", flag.long), sample(flag));
        let args = [&*long, &sample];
        let given = &args[..if flag.value.is_some() { 2 } else { 1 }];
        // It is not recorded with it.
        if flag.variable().is_none() || flag.long == "sessions" {
            continue;
        }
        let Ok(Options { config, .. }) = options(&[given, &["--", "cat"]].concat()) else {
            continue;
        };
        if format!("{config:?}") != format!("{usual:?}") {
            changed += 1;
            assert_ne!(text(&config), text(&usual), "{long} is not recorded");
        }
    }
    assert!(changed > 15, "only {changed} flags change something");
}

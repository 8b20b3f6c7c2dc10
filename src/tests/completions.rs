//! The shells' completions, made from the flags' table and held equal to the files that are
//! shipped. `WRITE_CONTRIB=1 cargo test completions` writes them anew.

use std::fmt::Write;

use super::manual::is_shipped;
use crate::cli::flags::flags;

/// What a value may be, by the name that the definition gives it.
enum Values {
    Any,
    Words(&'static str),
    Folders,
    Files,
}

fn values(name: &str) -> Values {
    match name {
        "format" => Values::Words("text json"),
        "eras" => Values::Words("auto sessions modern both"),
        "dir" => Values::Folders,
        "file" | "socket" => Values::Files,
        _ => Values::Any,
    }
}

const BASH_START: &str = r#"# bash completion for hyper-mcp-proxy, made from the flags' table.

_hyper_mcp_proxy() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} i
  COMPREPLY=()
  # Where the server's command begins: after --, or at the first word that is no option.
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      --)
        ((i++))
        break
        ;;
      VALUED)
        # bash splits --name=value at its sign.
        if [ "${COMP_WORDS[i + 1]}" = = ]; then ((i++)); fi
        ((i++))
        ;;
      -*) ;;
      *) break ;;
    esac
  done
  if ((i < COMP_CWORD)) || { ((i == COMP_CWORD)) && [ "$prev" = -- ]; }; then
    if declare -F _command_offset >/dev/null; then
      _command_offset "$i"
    elif ((i == COMP_CWORD)); then
      mapfile -t COMPREPLY < <(compgen -c -- "$cur")
    else
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
    return
  fi
  case $prev in
"#;

const BASH_END: &str = r#"  esac
  case $cur in
    -*) mapfile -t COMPREPLY < <(compgen -W "FLAGS" -- "$cur") ;;
    *) mapfile -t COMPREPLY < <(compgen -c -- "$cur") ;;
  esac
}

complete -F _hyper_mcp_proxy hyper-mcp-proxy
"#;

#[test]
fn the_completion_for_bash_is_that_of_the_flags() {
    let (mut all, mut valued, mut any, mut cases) = (vec![], vec![], vec![], String::new());
    for flag in flags() {
        let short = flag.short.map(|short| format!("-{short}"));
        let names: Vec<String> = short.into_iter().chain([format!("--{}", flag.long)]).collect();
        let pattern = names.join(" | ");
        let compgen = match flag.value.map(values) {
            None => None,
            Some(Values::Any) => {
                any.extend(names.clone());
                Some(None)
            }
            Some(Values::Words(words)) => Some(Some(format!(r#"-W "{words}""#))),
            Some(Values::Folders) => Some(Some(String::from("-d"))),
            Some(Values::Files) => Some(Some(String::from("-f"))),
        };
        if let Some(compgen) = compgen {
            valued.extend(names.clone());
            if let Some(compgen) = compgen {
                let line = format!(r#"mapfile -t COMPREPLY < <(compgen {compgen} -- "$cur")"#);
                write!(cases, "    {pattern})\n      {line}\n      return\n      ;;\n").unwrap();
            }
        }
        all.extend(names);
    }
    writeln!(cases, "    {}) return ;;", any.join(" | ")).unwrap();
    let start = BASH_START.replace("VALUED", &valued.join(" | "));
    let end = BASH_END.replace("FLAGS", &all.join(" "));
    is_shipped("completions/hyper-mcp-proxy.bash", &(start + &cases + &end));
}

const ZSH: &str = r#"#compdef hyper-mcp-proxy
# zsh completion for hyper-mcp-proxy, made from the flags' table.

local state line
_arguments -S \
FLAGS
  '(-):command:_command_names -e' \
  '*::argument:->command'

if [[ $state = command ]]; then
  if [[ $words[1] = -- ]]; then
    shift words
    (( CURRENT-- ))
  fi
  _normal
fi
"#;

#[test]
fn the_completion_for_zsh_is_that_of_the_flags() {
    let mut lines = String::new();
    for flag in flags() {
        let quoted = |text: &str| {
            text.replace('\'', r"'\''").replace('[', r"\[").replace(']', r"\]").replace(':', r"\:")
        };
        let repeatable = flag.list.is_some();
        let help = quoted(flag.help);
        let value = flag.value.map(|name| {
            let action = match values(name) {
                Values::Any => String::from(" "),
                Values::Words(words) => format!("({words})"),
                Values::Folders => String::from("_files -/"),
                Values::Files => String::from("_files"),
            };
            format!(":{}:{action}", quoted(name))
        });
        let equals = if value.is_some() { "=" } else { "" };
        let value = value.unwrap_or_default();
        let long = format!("--{}", flag.long);
        match flag.short {
            Some(short) => writeln!(
                lines,
                "  '(-{short} {long})'{{-{short}{plus},{long}{equals}}}'[{help}]{value}' \\",
                plus = if equals.is_empty() { "" } else { "+" },
            ),
            None if repeatable => writeln!(lines, "  '*{long}{equals}[{help}]{value}' \\"),
            None => writeln!(lines, "  '{long}{equals}[{help}]{value}' \\"),
        }
        .unwrap();
    }
    let text = ZSH.replace("FLAGS\n", &lines);
    is_shipped("completions/_hyper-mcp-proxy", &text);
}

#[test]
fn the_completion_for_fish_is_that_of_the_flags() {
    let mut lines = String::new();
    let mut valued = Vec::new();
    for flag in flags() {
        let short = flag.short.map(|short| format!(" -s {short}")).unwrap_or_default();
        let long = flag.long;
        let takes = match flag.value.map(values) {
            None => String::new(),
            Some(Values::Any) => String::from(" -x"),
            Some(Values::Words(words)) => format!(" -xa '{words}'"),
            Some(Values::Folders) => String::from(" -xa '(__fish_complete_directories)'"),
            Some(Values::Files) => String::from(" -rF"),
        };
        if !takes.is_empty() {
            valued.extend(flag.short.map(|short| format!("-{short}")));
            valued.push(format!("--{long}"));
        }
        let help = flag.help.replace('\\', r"\\").replace('\'', r"\'");
        let line = format!("complete -c hyper-mcp-proxy{short} -l {long}{takes} -d '{help}'");
        writeln!(lines, "{line}").unwrap();
    }
    let valued = valued.join(" ");
    let text = format!(
        "# fish completion for hyper-mcp-proxy, made from the flags' table.\n\n\
         complete -c hyper-mcp-proxy -f\n{lines}\
         complete -c hyper-mcp-proxy -a '(__fish_complete_subcommand {valued})'\n"
    );
    is_shipped("completions/hyper-mcp-proxy.fish", &text);
}

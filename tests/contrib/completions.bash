# The completion for bash, asked as bash asks it. Without the bash-completion package, so that
# what the server's command completes is left out.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/../../contrib/completions/hyper-mcp-proxy.bash"

# The words that come for a line; the line's last word is the one being typed.
completed() {
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
  _hyper_mcp_proxy
  printf '%s\n' "${COMPREPLY[@]:-}" | sort -u | tr '\n' ' '
}

expect() {
  local wanted=$1 came
  shift
  came=$(completed hyper-mcp-proxy "$@")
  if [ "$came" != "$wanted " ]; then
    printf 'FAILED: bash completes %s to %s, not %s\n' "$*" "$came" "$wanted" >&2
    exit 1
  fi
}

complete -p hyper-mcp-proxy >/dev/null
expect '--port' --po
expect '--max-memory --max-message --max-sessions' --max
expect 'json text' --host ::1 --log-format ''
expect '--demo' --port = 80 --dem
expect '/usr' --cwd /us
expect '' --host ''
expect 'mktemp' mktem
expect 'mktemp' --port 1 mktem
expect 'mktemp' --clear-env -- mktem
expect '' -- cat --po

# The completion for zsh, in a terminal of its own: a line is typed, Tab is pressed, and what
# stands there then must be the wanted line.
zmodload zsh/zpty
scratch=$(mktemp -d)
trap 'rm -rf $scratch' EXIT
shipped=${0:A:h}/../../contrib/completions

zpty shell zsh -f -i
zpty -w shell "PROMPT= RPROMPT=; unsetopt PROMPT_SP; fpath=($shipped \$fpath)"
zpty -w shell "autoload -U compinit; compinit -u -d $scratch/dump; setopt NO_AUTO_MENU NO_LIST_BEEP"
# What would run, is shown instead.
zpty -w shell 'hyper-mcp-proxy() { print -r -- "<< $* >>" }; stty -echo; print READY'
zpty -r shell out '*READY*READY*'

expect() {
  local typed=$1 wanted=$2 out=
  zpty -w -n shell "hyper-mcp-proxy $typed"$'\t'
  sleep 1
  zpty -w -n shell $'\n'
  zpty -r -m shell out '*<< * >>*' || { print -u2 "FAILED: zsh is silent about $typed"; exit 1 }
  out=${${out##*'<< '}%%' >>'*}
  if [[ $out != $wanted ]]; then
    print -u2 -r -- "FAILED: zsh completes $typed to $out, not $wanted"
    exit 1
  fi
}

expect '--po' '--port'
expect '--clear' '--clear-env'
expect '--log-format js' '--log-format json'
expect '--port 1 mktem' '--port 1 mktemp'
expect '-- cat --show-e' '-- cat --show-ends'
expect '--clear-env cat --show-e' '--clear-env cat --show-ends'
zpty -d shell

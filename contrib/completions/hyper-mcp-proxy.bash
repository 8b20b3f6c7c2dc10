# bash completion for hyper-mcp-proxy, made from the flags' table.

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
      -H | --host | -p | --port | --unix | -e | --endpoint | --sse-endpoint | --config | --cwd | --env | --eras | --prewarm | --session-keep-alive | --session-restart | --session-expiry | --sleep | --sessions | --header-env | --affinity | --node | --max-sessions | --max-message | --max-memory | --request-timeout | --drain-timeout | --allow-host | --allow-origin | --health | --metrics | --metrics-listen | --probe | --log-format | --access-user | --record | --record-limit)
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
    --unix)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return
      ;;
    --config)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return
      ;;
    --cwd)
      mapfile -t COMPREPLY < <(compgen -d -- "$cur")
      return
      ;;
    --eras)
      mapfile -t COMPREPLY < <(compgen -W "auto sessions modern both" -- "$cur")
      return
      ;;
    --sessions)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return
      ;;
    --log-format)
      mapfile -t COMPREPLY < <(compgen -W "text json" -- "$cur")
      return
      ;;
    --record)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return
      ;;
    -H | --host | -p | --port | -e | --endpoint | --sse-endpoint | --env | --prewarm | --session-keep-alive | --session-restart | --session-expiry | --sleep | --header-env | --affinity | --node | --max-sessions | --max-message | --max-memory | --request-timeout | --drain-timeout | --allow-host | --allow-origin | --health | --metrics | --metrics-listen | --probe | --access-user | --record-limit) return ;;
  esac
  case $cur in
    -*) mapfile -t COMPREPLY < <(compgen -W "-H --host -p --port --unix -e --endpoint --sse-endpoint --config --check --cwd --env --clear-env --eras --prewarm --demo --session-keep-alive --session-restart --session-expiry --sleep --share --sessions --header-env --affinity --node --max-sessions --max-message --max-memory --request-timeout --drain-timeout --allow-host --allow-origin --health --metrics --metrics-listen --probe --no-trace-context --log-format --access-log --access-user --record --record-contents --record-limit -V --version -h --help" -- "$cur") ;;
    *) mapfile -t COMPREPLY < <(compgen -c -- "$cur") ;;
  esac
}

complete -F _hyper_mcp_proxy hyper-mcp-proxy

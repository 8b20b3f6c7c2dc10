# The completion for fish, asked as fish asks it.
source (dirname (status filename))/../../contrib/completions/hyper-mcp-proxy.fish

function expect
    set came (complete -C "hyper-mcp-proxy $argv[1]" | string split -f1 \t | sort -u)
    if test "$came" != "$argv[2]"
        echo "FAILED: fish completes $argv[1] to $came, not $argv[2]" >&2
        exit 1
    end
end

expect --po --port
expect --max '--max-memory --max-message --max-sessions'
expect '--host ::1 --log-format ' 'json text'
expect '--cwd /us' /usr/
expect '--port 1 mktem' mktemp
expect '-- cat --show-e' --show-ends
expect '--clear-env cat --show-e' --show-ends

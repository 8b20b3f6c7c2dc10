"""What bench/peers asks of each bridge: a row's name and the function that gives its cell.

A function gets a way to start the peer, `start(kind=None, server=())`, and gives what was seen in a
few words. `None` says that the question does not arise.
"""

import base64
import contextlib
import os
import pathlib
import re
import signal
import socket
import time

from processes import alive, below, connects, listeners, wait
from speak import *

ROWS = {"Protocol": [], "Processes and limits": [], "Operation": []}
SESSION_ERA_VERSIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
# What a client that answers questions declares, and its answers.
CAPABILITIES = {"roots": {}, "sampling": {}, "elicitation": {}}
ANSWERS = {
    "roots/list": {"roots": [{"uri": "file:///probed", "name": "probed"}]},
    "sampling/createMessage": {"role": "assistant", "model": "m", "stopReason": "endTurn",
                               "content": {"type": "text", "text": "probed"}},
    "elicitation/create": {"action": "accept", "content": {"name": "probed"}},
}
SECRET = "a-secret-in-a-message"


def row(section, name):
    def add(probe):
        ROWS[section].append((name, probe))
        return probe
    return add


def yes(is_so):
    return "yes" if is_so else "no"


def failure(do):
    """What goes wrong, in a few words; None if nothing does."""
    try:
        do()
    except Refused as error:
        return str(error.status)
    except (OSError, http.client.HTTPException):
        return "no answer"
    return None


def variant(start, kind, works):
    """Whether something works as the peer is started by default, or else with its flags for it."""
    kinds = [None] + [kind] * (kind in start.peer.kinds)
    for one in kinds:
        with start(one) as peer:
            with contextlib.suppress(Refused, OSError, http.client.HTTPException):
                if works(peer):
                    return f"with `{start.peer.kinds[kind]}`" if one else "yes"
    return "no"


# Protocol


@row("Protocol", "Streamable HTTP: a session, its tools, a call")
def plain(start):
    with start() as peer:
        client = peer.client().open()
        return yes(len(client.ask("tools/list")["result"]["tools"]) == 11 and client.call("pid").isdigit())


@row("Protocol", "Session-era revisions that are agreed on when asked for")
def revisions(start):
    with start() as peer:
        agreed = [version for version in SESSION_ERA_VERSIONS
                  if not failure(lambda: peer.client(version=version).open())
                  and peer.client(version=version).open().told["protocolVersion"] == version]
    return "all four" if agreed == SESSION_ERA_VERSIONS else ", ".join(agreed) or "none"


@row("Protocol", "HTTP+SSE of 2024-11-05")
def oldest(start):
    def works(peer):
        reply = Client(peer.port, "/sse").send(None, {"Accept": "text/event-stream"}, "GET")
        if reply.status != 200:
            return False
        lines = iter(lambda: reply.reply.readline().decode().strip(), None)
        path = next(line.removeprefix("data:").strip() for line in lines if line.startswith("data:"))
        path = re.sub(r"^https?://[^/]*", "", path)
        posting = Client(peer.port, path, version="2024-11-05")
        posting.send(posting.initialize()).link.close()
        return any('"serverInfo"' in line for line in lines if line.startswith("data:"))
    return variant(start, "sse", works)


@row("Protocol", "WebSocket")
def websocket(start):
    def works(peer):
        with socket.create_connection(("127.0.0.1", peer.port), PATIENCE) as link:
            key = base64.b64encode(os.urandom(16)).decode()
            path = "/message" if peer.kind else "/mcp"
            link.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{peer.port}\r\nUpgrade: websocket\r\n"
                         f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                         "Sec-WebSocket-Version: 13\r\n\r\n".encode())
            if b" 101 " not in link.recv(4096).split(b"\r\n")[0]:
                return False
            sent = json.dumps(peer.client().initialize()).encode()
            # One text frame, masked by zeros.
            link.sendall(b"\x81" + bytes([0x80 | 126]) + len(sent).to_bytes(2) + bytes(4) + sent)
            link.settimeout(5)
            return b'"serverInfo"' in link.recv(65536)
    return variant(start, "websocket", works)


@row("Protocol", "A client of 2026-07-28 before a session-era server")
def modern_client(start):
    def works(peer):
        message, headers = modern("tools/list")
        return "tools" in peer.client().post(message, headers)[-1][0].get("result", {})
    return variant(start, "modern client", works)


@row("Protocol", "A session-era client before a server of 2026-07-28")
def modern_server(start):
    def works(peer):
        return "tools" in peer.client().open().ask("tools/list").get("result", {})
    with_server = lambda kind: start(kind, server=["--modern"])
    with_server.peer = start.peer
    return variant(with_server, "modern server", works)


@row("Protocol", "The client's own `initialize` reaches the server")
def own_initialize(start):
    with start() as peer:
        peer.client(capabilities=CAPABILITIES).open()
        wait("initialize", lambda: peer.heard("initialize"), PATIENCE)
        said = peer.heard("initialize")[0]["params"]
        own = said["clientInfo"]["name"] == "peers-probe" and said["capabilities"] == CAPABILITIES
        return "yes" if own else "no, the bridge's own does"


def round_trips(start, own_stream):
    with start() as peer:
        client = peer.client(capabilities=CAPABILITIES).open()
        client.answers = ANSWERS
        if not own_stream:
            with contextlib.suppress(Refused):
                client.listen()
                time.sleep(0.5)
        worked = []
        for method in ANSWERS:
            with contextlib.suppress(Refused, OSError, http.client.HTTPException):
                if "probed" in client.call("ask", method=method):
                    worked.append(method.split("/")[0])
        return worked


@row("Protocol", "Sampling, elicitation and roots reach the client, and its answers the server")
def questions(start):
    worked = round_trips(start, True)
    if len(worked) == 3:
        return "yes"
    worked = worked or round_trips(start, False)
    return "on the GET stream" if len(worked) == 3 else f"only {', '.join(worked)}" if worked else "no"


@row("Protocol", "Progress of two calls at once, each on its call's stream with its client's token")
def progress(start):
    with start() as peer:
        client = peer.client().open()

        def one(token):
            params = {"name": "progress", "arguments": {"count": 3, "pause": 0.3},
                      "_meta": {"progressToken": token}}
            came = client.post(client.request("tools/call", params))
            return [said["params"]["progressToken"] for said, _ in came
                    if said.get("method") == "notifications/progress"]

        calls = {token: client.later(one, token) for token in ("token-a", "token-b")}
        came = {token: call.result(PATIENCE) for token, call in calls.items()}
    if all(tokens == [token] * 3 for token, tokens in came.items()):
        return "yes"
    seen = [token for tokens in came.values() for token in tokens]
    if not seen:
        return "no"
    return "on another call's stream" if set(seen) <= set(came) else "with another token"


@row("Protocol", "Cancellation reaches the server under the call's id")
def cancelled(start):
    with start() as peer:
        client = peer.client().open()
        # None that a bridge would count up to by itself.
        number = 4711
        params = {"name": "slow", "arguments": {"seconds": 4}}
        call = client.later(client.post, client.request("tools/call", params, number))
        slow = lambda: [said for said in peer.heard("tools/call") if said["params"]["name"] == "slow"]
        wait("the call", slow, PATIENCE)
        client.post({"jsonrpc": "2.0", "method": "notifications/cancelled",
                     "params": {"requestId": number, "reason": "probe"}})
        until = time.monotonic() + 3
        while not (found := peer.heard("notifications/cancelled")) and time.monotonic() < until:
            time.sleep(0.1)
        call.cancel()
        if not found:
            return "no"
        right = found[0]["params"].get("requestId") == slow()[0]["id"]
        return "yes" if right else "under another id"


@row("Protocol", "A method that no revision has, passes")
def custom(start):
    with start() as peer:
        return yes(peer.client().open().ask("x/custom", {"a": 1}).get("result", {}).get("custom"))


@row("Protocol", "Members and numbers of a result that no revision has, pass unchanged")
def members(start):
    with start() as peer:
        client = peer.client().open()
        text = client.post(client.request("tools/call", {"name": "exact"}))[-1][1]
    if '"x-member"' not in text:
        return "no"
    return "yes" if re.search(r'"x-member":\s*12345678901234567890\b', text) else "members yes, integers above 2⁵³ no"


@row("Protocol", "Code and data of the server's error pass")
def errors(start):
    with start() as peer:
        error = peer.client().open().ask("tools/call", {"name": "fail"}).get("error", {})
    return yes(error.get("code") == -32042 and error.get("data") == {"why": "x"})


@row("Protocol", "A notification outside of calls comes on the GET stream")
def outside(start):
    with start() as peer:
        client = peer.client().open()
        try:
            came = client.listen()
        except Refused as error:
            return f"no ({error.status})"
        time.sleep(0.5)
        client.call("announce")
        until = time.monotonic() + 5
        while time.monotonic() < until:
            if any(said.get("method") == "notifications/tools/list_changed" for said in came):
                return "yes"
            time.sleep(0.1)
    return "no"


@row("Protocol", "A call whose stream broke goes on with `Last-Event-ID`")
def resumed(start):
    with start() as peer:
        client = peer.client().open()
        params = {"name": "progress", "arguments": {"count": 4, "pause": 0.5}, "_meta": {"progressToken": "t"}}
        reply, number = client.send(client.request("tools/call", params)), None
        while not number and (line := reply.reply.readline().decode()):
            number = line.removeprefix("id:").strip() if line.startswith("id:") else None
        reply.reply.close()
        reply.link.close()
        if not number:
            return "no"
        time.sleep(0.5)
        headers = {"Accept": "text/event-stream", "Last-Event-ID": number}
        again = client.send(None, headers, "GET", timeout=8)
        with contextlib.suppress(OSError):
            for _, said, _ in again.messages():
                if "result" in said:
                    return "yes"
    return "no"


@row("Protocol", "A batch of requests (2025-03-26)")
def batch(start):
    with start() as peer:
        client = peer.client(version="2025-03-26").open()
        both = [client.request("ping"), client.request("tools/list")]
        reply = client.send(both)
        came = {said.get("id") for _, said, _ in reply.messages()} if reply.status == 200 else set()
    return yes({one["id"] for one in both} <= came)


@row("Protocol", "A client that accepts `application/json` alone")
def accepts(start):
    with start() as peer:
        client = peer.client().open()
        reply = client.send(client.request("ping"), {"Accept": "application/json"})
        reply.link.close()
    return "served" if reply.status == 200 else str(reply.status)


# Processes and limits


def pids(peer, count):
    clients = [peer.client().open() for _ in range(count)]
    return clients, [int(client.call("pid")) for client in clients]


@row("Processes and limits", "A process for each session")
def processes(start):
    with start() as peer:
        return "yes" if len(set(pids(peer, 3)[1])) == 3 else "no, one for all"


@row("Processes and limits", "DELETE ends the session's process")
def deleted(start):
    with start() as peer:
        clients, found = pids(peer, 2)
        if found[0] == found[1]:
            return None
        clients[0].send(None, verb="DELETE").link.close()
        with contextlib.suppress(RuntimeError):
            wait("the end", lambda: not alive(found[0]), 12)
            return yes(alive(found[1]))
    return "no"


def ends_stubborn(start, end, seconds):
    """Whether a server that ignores the end of its input and SIGTERM ends when the bridge does."""
    with start(server=["--stubborn"]) as peer:
        found = int(peer.client().open().call("pid"))
        end(peer)
        with contextlib.suppress(RuntimeError):
            wait("the end", lambda: not alive(found), seconds)
            return "yes"
        os.kill(found, signal.SIGKILL)
    return "no"


@row("Processes and limits", "SIGTERM ends a server that ignores the end of its input and SIGTERM")
def stubborn(start):
    return ends_stubborn(start, lambda peer: peer.end(), 15)


@row("Processes and limits", "SIGTERM ends what the server has started")
def grandchildren(start):
    with start() as peer:
        client = peer.client().open()
        found = {apart: int(client.call("spawn", apart=apart)) for apart in (False, True)}
        peer.end()
        with contextlib.suppress(RuntimeError):
            wait("the end", lambda: not any(map(alive, found.values())), 6)
        left = [apart for apart, pid in found.items() if alive(pid)]
        for apart in left:
            os.kill(found[apart], signal.SIGKILL)
    return {0: "yes", 2: "no"}.get(len(left), "its process group" if left == [True] else "another group alone")


@row("Processes and limits", "SIGKILL of the bridge ends a server that ignores the end of its input")
def killed(start):
    return ends_stubborn(start, lambda peer: peer.kill(), 5)


@row("Processes and limits", "A call in flight when the server dies is answered with an error")
def in_flight(start):
    with start() as peer:
        client = peer.client().open()
        try:
            said = client.ask("tools/call", {"name": "crash", "arguments": {}})
        except Refused as error:
            return f"{error.status}"
        except OSError:
            return "no"
    return yes("error" in said or said["result"].get("isError"))


@row("Processes and limits", "After the server died")
def after_death(start):
    with start() as peer:
        client = peer.client().open()
        failure(lambda: client.call("crash"))
        time.sleep(1.5)
        status = failure(lambda: client.call("pid"))
        if not status:
            return "the session goes on with a new process"
        if peer.process.poll() is not None:
            return "the bridge ends too"
        if failure(lambda: peer.client().open().call("pid")):
            return "all sessions fail, new ones too"
        return "404, a new session works" if status == "404" else "the session's calls fail, a new one works"


@row("Processes and limits", "Sessions survive a restart of the bridge")
def restarted(start):
    for kind in [None] + ["restart"] * ("restart" in start.peer.kinds):
        with start(kind) as peer:
            client = peer.client().open()
            peer.end()
        with start(kind) as peer:
            client.port = peer.port
            if not failure(lambda: client.call("pid")):
                return f"with `{start.peer.kinds['restart'].split()[0]}`" if kind else "yes"
    return "no"


@row("Processes and limits", "SIGTERM while a call runs")
def drained(start):
    with start() as peer:
        client = peer.client().open()
        call = client.later(client.ask, "tools/call", {"name": "slow", "arguments": {"seconds": 1.5}})
        slow = lambda: [said for said in peer.heard("tools/call") if said["params"]["name"] == "slow"]
        wait("the call", slow, PATIENCE)
        peer.end(wait_for_it=False)
        try:
            said = call.result(PATIENCE)
        except Refused as error:
            return f"it is answered with {error.status}" if error.status != 200 else "no answer"
        except Exception:
            return "no answer"
    return "it is finished and answered" if "result" in said else "it is answered with an error"


@row("Processes and limits", "Of requests of 50 kB, 1, 5, 12 and 20 MB, the largest that is taken")
def sizes(start):
    taken = "none"
    with start() as peer:
        client = peer.client().open()
        for name, size in (("50 kB", 50_000), ("1 MB", 10**6), ("5 MB", 5 * 10**6), ("12 MB", 12 * 10**6),
                           ("20 MB", 20 * 10**6)):
            # What is refused early breaks the connection.
            if failure(lambda: client.call("pid", filler="x" * size)):
                break
            taken = name
    return taken


@row("Processes and limits", "An answer of 5 MB passes")
def large(start):
    with start() as peer:
        return yes(not failure(lambda: peer.client().open().call("large", size=5 * 10**6)))


@row("Processes and limits", "Lines of a server's standard output that are no MCP do no harm")
def chatter(start):
    return harmless(start, "chatter")


@row("Processes and limits", "200 kB on a server's standard error, not all of it UTF-8, do no harm")
def complaint(start):
    return harmless(start, "complaint")


def harmless(start, tool):
    with start() as peer:
        client = peer.client().open()
        return yes(not failure(lambda: client.call(tool)) and not failure(lambda: client.call("pid")))


# Operation


@row("Operation", "Address by default")
def address(start):
    with start() as peer:
        found = listeners(peer.port)
    return "loopback" if found <= {"127.0.0.1", "::1"} else "all interfaces"


@row("Operation", "A foreign `Host` is refused on loopback")
def foreign_host(start):
    return foreign(start, {"Host": "evil.example"})


@row("Operation", "A foreign `Origin` is refused")
def foreign_origin(start):
    return foreign(start, {"Origin": "http://evil.example"})


def foreign(start, headers):
    with start() as peer:
        client = peer.client()
        reply = client.send(client.initialize(), headers)
        reply.link.close()
    return f"yes ({reply.status})" if reply.status >= 400 else "no"


@row("Operation", "A page for health checks")
def health(start):
    with start() as peer:
        for path in ("/healthz", "/health", "/ping", "/status", "/"):
            reply = Client(peer.port, path).send(None, verb="GET")
            reply.link.close()
            if reply.status == 200:
                return f"`{path}`"
    return "no"


@row("Operation", "What messages say stays out of the log")
def silent(start):
    with start() as peer:
        failure(lambda: peer.client().open().call("pid", filler=SECRET))
        time.sleep(0.5)
        peer.end()
        return yes(SECRET not in peer.log.read_text(errors="replace"))

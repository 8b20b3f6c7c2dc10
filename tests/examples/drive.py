#!/usr/bin/env python3
"""Drives a program that embeds the engine with real requests: drive.py PROGRAM PORT-ARGUMENTS…

A session at each path, a client that leaves, one that reads slowly, HTTP/2 by prior knowledge if
curl can and --http2 is given, and the end by SIGTERM with open sessions.
"""
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time

http2 = "--http2" in sys.argv
command = [word for word in sys.argv[1:] if word != "--http2"]
program = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
while True:
    line = program.stderr.readline()
    if not line:
        sys.exit("the program ended before it listened")
    if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
        port = int(found[1])
        break

BOTH = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


def message(method, params, number=None):
    request = {"jsonrpc": "2.0", "method": method, "params": params}
    return json.dumps(request if number is None else {**request, "id": number})


def post(path, text, session=None, extra=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    fields = {**BOTH, **({"Mcp-Session-Id": session} if session else {}), **(extra or {})}
    connection.request("POST", path, text, fields)
    answer = connection.getresponse()
    return answer.status, answer.getheader("Mcp-Session-Id"), answer.read().decode("utf-8")


def result(text):
    """The result of a JSON answer, or of the last event of a stream."""
    lines = [line[6:] for line in text.splitlines() if line.startswith("data: {")]
    return json.loads(lines[-1] if lines else text)["result"]


INITIALIZE = message(
    "initialize",
    {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "drive", "version": "1"},
    },
    1,
)


def opened(path):
    status, session, text = post(path, INITIALIZE)
    assert status == 200 and session, (path, status, text)
    assert post(path, message("notifications/initialized", {}), session)[0] == 202
    return session


def count(session, number):
    call = message("tools/call", {"name": "count", "arguments": {}}, number)
    status, _, text = post("/mcp", call, session)
    assert status == 200, text
    return result(text)["content"][0]["text"]


first, second = opened("/mcp"), opened("/mcp")
counts = [count(first, 2), count(first, 3), count(second, 2)]
assert counts == ["1", "2", "1"], f"sessions share state: {counts}"

echo = opened("/echo")
said = "x" * 3_000_000
call = message("tools/call", {"name": "echo", "arguments": {"text": said}}, 2)
status, _, text = post("/echo", call, echo)
assert status == 200 and said in text

# Bytes that are no text in a field that nobody reads; a host that is not this one.
assert post("/echo", message("ping", {}, 3), echo, {"X-Name": "J\xf6rg"})[0] == 200
assert post("/mcp", INITIALIZE, None, {"Host": "example.com"})[0] == 403
assert post("/nowhere", INITIALIZE)[0] == 404
assert post("/mcp", "x" * (17 << 20))[0] == 413

# A client that leaves within its body, and one that leaves before its answer.
for text in [call[:1000], call]:
    leaver = socket.create_connection(("127.0.0.1", port))
    head = f"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += f"Mcp-Session-Id: {echo}\r\nContent-Length: {len(call)}\r\n\r\n"
    leaver.sendall((head + text).encode())
    leaver.close()
for _ in range(100):
    status = post("/echo", message("ping", {}, 4), echo)[0]
    if status != 503:  # The child has not read the long call yet.
        break
    time.sleep(0.1)
assert status == 200, status

# A client that reads slowly gets all of it, from a child that has nothing else to do.
head = head.replace(echo, opened("/echo"))
slow = socket.create_connection(("127.0.0.1", port))
slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
slow.sendall((head.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n") + call).encode())
time.sleep(1)
got = b""
while piece := slow.recv(65536):
    got += piece
    time.sleep(0.002)
assert got.count(b"x") >= len(said), len(got)  # In chunks, or whole.

# A stream that is open at the end.
stream = socket.create_connection(("127.0.0.1", port))
stream.sendall(
    f"GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
    f"Mcp-Session-Id: {first}\r\n\r\n".encode()
)
assert stream.recv(12) == b"HTTP/1.1 200"

if http2:
    curl = ["curl", "-sS", "-m", "20", "--http2-prior-knowledge", f"http://127.0.0.1:{port}/mcp"]
    curl += [word for pair in BOTH.items() for word in ("-H", ": ".join(pair))]
    out = subprocess.run(curl + ["-w", " %{http_version}", "-d", INITIALIZE], capture_output=True)
    out = out.stdout.decode()
    assert '"protocolVersion":"2025-11-25"' in out and out.endswith(" 2"), out

connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
connection.request("DELETE", "/mcp", headers={"Mcp-Session-Id": second})
assert connection.getresponse().status == 200
assert post("/mcp", message("ping", {}, 9), second)[0] == 404

program.send_signal(signal.SIGTERM)
begun = time.monotonic()
status = program.wait(15)
assert status == 0, status
print(f"all steps passed, ended {time.monotonic() - begun:.2f} s after SIGTERM")

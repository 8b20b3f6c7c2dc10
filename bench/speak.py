"""A small MCP client over HTTP for bench/peers: it shows what came, and judges nothing."""

import concurrent.futures
import contextlib
import http.client
import json
import threading
import time

ACCEPT = "application/json, text/event-stream"
SESSION_ERA = "2025-11-25"
META = "io.modelcontextprotocol/"
# Seconds until an answer has to be there.
PATIENCE = 15
together = concurrent.futures.ThreadPoolExecutor(16)


class Refused(Exception):
    """The answer was no message: its status and what it said."""

    def __init__(self, status, said=""):
        super().__init__(f"{status} {said[:200]}")
        self.status = status


class Reply:
    """A response that is read as it comes: its messages, with the ids of their events."""

    def __init__(self, link, reply):
        self.link, self.reply, self.status, self.headers = link, reply, reply.status, reply.headers

    def messages(self, patience=PATIENCE):
        """Each message, with the id of its event, until the response ends."""
        until = time.monotonic() + patience
        with contextlib.closing(self.link):
            if "text/event-stream" not in (self.headers["Content-Type"] or ""):
                said = self.reply.read().decode(errors="replace")
                with contextlib.suppress(ValueError):
                    found = json.loads(said)
                    for message in found if isinstance(found, list) else [found]:
                        yield None, message, said
                return
            number, data = None, []
            while line := self.reply.readline().decode():
                if time.monotonic() > until:
                    raise TimeoutError("no response in time")
                name, _, value = line.rstrip("\r\n").partition(":")
                value = value.removeprefix(" ")
                if name == "id":
                    number = value
                elif name == "data":
                    data.append(value)
                elif not line.strip():
                    if any(data):
                        with contextlib.suppress(ValueError):
                            yield number, json.loads("\n".join(data)), "\n".join(data)
                    data = []


class Client:
    """A session of the session era."""

    def __init__(self, port, path="/mcp", capabilities=None, version=SESSION_ERA, session=None):
        self.port, self.path, self.version, self.session = port, path, version, session
        self.capabilities, self.ids = capabilities or {}, iter(range(1, 1_000_000))
        self.answers = {}

    def open(self):
        reply = self.send(self.initialize())
        for _, message, _ in reply.messages():
            if "result" in message:
                self.session = reply.headers["Mcp-Session-Id"]
                self.told = message["result"]
                self.version = message["result"]["protocolVersion"]
                self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
                return self
        raise Refused(reply.status)

    def initialize(self):
        return {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": self.version, "capabilities": self.capabilities,
            "clientInfo": {"name": "peers-probe", "version": "7.7"}}}

    def request(self, method, params=None, number=None):
        number = next(self.ids) if number is None else number
        return {"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}

    def send(self, message, headers=None, verb="POST", timeout=PATIENCE):
        """The response as soon as its head is there."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        fields = {"Accept": ACCEPT}
        if message is not None:
            fields["Content-Type"] = "application/json"
        if self.session:
            fields |= {"Mcp-Session-Id": self.session, "MCP-Protocol-Version": self.version}
        body = None if message is None else json.dumps(message)
        link.request(verb, self.path, body, fields | (headers or {}))
        return Reply(link, link.getresponse())

    def post(self, message, headers=None):
        """All messages up to the response; what the server asks is answered."""
        reply, came = self.send(message, headers), []
        for _, said, text in reply.messages():
            came.append((said, text))
            self.meet(said)
            if said.get("id") == message.get("id") and "method" not in said:
                reply.link.close()
                return came
        if "id" in message and "method" in message:
            raise Refused(reply.status, str(came))
        return came

    def meet(self, said):
        """Answers a question of the server, if it is one."""
        if isinstance(said, dict) and "id" in said and said.get("method") in self.answers:
            result = self.answers[said["method"]]
            together.submit(self.post, {"jsonrpc": "2.0", "id": said["id"], "result": result})

    def ask(self, method, params=None, **options):
        """The response to a request, a result or an error."""
        return self.post(self.request(method, params), **options)[-1][0]

    def call(self, name, **given):
        """What a tool says, as text."""
        said = self.ask("tools/call", {"name": name, "arguments": given})
        if "result" not in said:
            raise Refused(200, json.dumps(said))
        content = said["result"].get("content") or [{}]
        if said["result"].get("isError") or "text" not in content[0]:
            raise Refused(200, json.dumps(said))
        return content[0]["text"]

    def later(self, *words, **options):
        return together.submit(*words, **options)

    def listen(self):
        """The GET stream: a list that fills."""
        came, reply = [], self.send(None, {"Accept": "text/event-stream"}, "GET", timeout=60)
        if reply.status != 200:
            raise Refused(reply.status)

        def read():
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError, AttributeError):
                for _, said, _ in reply.messages(patience=3600):
                    came.append(said)
                    self.meet(said)

        threading.Thread(target=read, daemon=True).start()
        return came


def modern(method, params=None, number=1):
    """A request of 2026-07-28 with its header fields."""
    meta = {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": {},
            META + "clientInfo": {"name": "peers-probe", "version": "7.7"}}
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method}
    if params and "name" in params:
        headers["Mcp-Name"] = params["name"]
    message = {"jsonrpc": "2.0", "id": number, "method": method, "params": {**(params or {}), "_meta": meta}}
    return message, headers

"""One face for the Python SDK's clients, 1.x and 2.x: results come as plain data
with the names of the wire, so that each check is written once."""

import importlib.metadata
from contextlib import asynccontextmanager

MAJOR = int(importlib.metadata.version("mcp").split(".")[0])
TIMEOUT = 30.0
HTTP_TIMEOUT = 30.0
MODE = "legacy"
# Whether to use HTTP+SSE of 2024-11-05.
OLDEST = False

if MAJOR >= 2:
    import httpx2 as httpx
    import mcp_types as types
    from mcp import Client, MCPError
    from mcp.client.sse import sse_client
    from mcp.client.streamable_http import streamable_http_client
else:
    from datetime import timedelta

    import httpx
    from mcp import ClientSession, McpError as MCPError, types
    from mcp.client.sse import sse_client
    from mcp.client.streamable_http import streamable_http_client


def plain(model):
    """The model as on the wire; nothing for nothing."""
    return model and model.model_dump(by_alias=True, mode="json", exclude_none=True)


class Face:
    """An open session: `api` has the SDK's calls, `seen` what the server sent."""

    def __init__(self):
        self.api = None
        self.session_id = None
        self.seen = []

    async def text(self, name, arguments=None, **more):
        result = await self.call(name, arguments, **more)
        return "\n".join(block.get("text", "") for block in result["content"])

    async def call(self, name, arguments=None, **more):
        return plain(await self.api.call_tool(name, arguments or {}, **more))

    async def on_message(self, message):
        # 1.x wraps notifications in a root model, 2.x doesn't.
        message = getattr(message, "root", message)
        if hasattr(message, "method"):
            self.seen.append(plain(message))

    def received(self, method):
        return [one.get("params") for one in self.seen if one["method"] == method]

    async def on_response(self, response):
        self.session_id = response.headers.get("mcp-session-id") or self.session_id

    def on_session(self, session_id):
        self.session_id = session_id


@asynccontextmanager
async def opened(url, answers=None):
    """A session with the capabilities that `answers` has callbacks for."""
    face = Face()
    callbacks = {f"{name}_callback": _typed(name, answer) for name, answer in (answers or {}).items()}
    async with httpx.AsyncClient(timeout=HTTP_TIMEOUT, event_hooks={"response": [face.on_response]}) as http:
        # By default the 2.x client gives up on an event of more than 1 MiB, though not on
        # a JSON body: a long answer that comes late is one event.
        unlimited = {"max_sse_event_size": None} if MAJOR >= 2 else {}
        if OLDEST:
            transport = sse_client(url, timeout=HTTP_TIMEOUT, on_session_created=face.on_session)
        else:
            transport = streamable_http_client(url, http_client=http, **unlimited)
        identity = types.Implementation(name="interop", version="1.2.3")
        if MAJOR >= 2:
            client = Client(
                transport,
                mode=MODE,
                client_info=identity,
                message_handler=face.on_message,
                read_timeout_seconds=TIMEOUT,
                **callbacks,
            )
            async with client as face.api:
                face.server = plain(client.server_info)
                face.version = client.protocol_version
                face.instructions = client.instructions
                face.capabilities = plain(client.server_capabilities)
                yield face
            return
        async with transport as (read, write, *_):
            session = ClientSession(
                read,
                write,
                client_info=identity,
                message_handler=face.on_message,
                read_timeout_seconds=timedelta(seconds=TIMEOUT),
                **callbacks,
            )
            async with session as face.api:
                said = await session.initialize()
                face.server = plain(said.serverInfo)
                face.version = said.protocolVersion
                face.instructions = said.instructions
                face.capabilities = plain(said.capabilities)
                yield face


def _typed(name, answer):
    """A callback of the SDK around a function from plain params to plain result."""
    result = {
        "sampling": types.CreateMessageResult,
        "elicitation": types.ElicitResult,
        "list_roots": types.ListRootsResult,
    }[name]

    async def callback(context, params=None):
        return result.model_validate(answer(plain(params) if params is not None else {}))

    return callback


async def set_level(face, level):
    await face.api.set_logging_level(level)


async def read(face, uri):
    return plain(await face.api.read_resource(_uri(uri)))["contents"][0]


async def subscribe(face, uri):
    await face.api.subscribe_resource(_uri(uri))


async def unsubscribe(face, uri):
    await face.api.unsubscribe_resource(_uri(uri))


def _uri(uri):
    if MAJOR >= 2:
        return uri
    from pydantic import AnyUrl

    return AnyUrl(uri)


async def pages(face, method, key):
    """All pages of a listing."""
    found, cursor = [], None
    for _ in range(10):
        page = plain(await getattr(face.api, method)(**({"cursor": cursor} if cursor else {})))
        found += page[key]
        cursor = page.get("nextCursor")
        if cursor is None:
            return found
    raise AssertionError(f"{method} has no end")


async def complete(face, prompt, name, value):
    ref = types.PromptReference(type="ref/prompt", name=prompt)
    return plain(await face.api.complete(ref, {"name": name, "value": value}))["completion"]


async def delete(url, session_id):
    async with httpx.AsyncClient(timeout=TIMEOUT) as http:
        return (await http.delete(url, headers={"mcp-session-id": session_id})).status_code


async def post_ping(url, session_id):
    headers = {
        "mcp-session-id": session_id,
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
    }
    async with httpx.AsyncClient(timeout=TIMEOUT) as http:
        body = '{"jsonrpc":"2.0","id":1,"method":"ping"}'
        return (await http.post(url, content=body, headers=headers)).status_code

"""fastmcp's client with the face of `client.py`, as far as `told.py` needs it."""

from contextlib import asynccontextmanager

from fastmcp import Client

TIMEOUT = 30.0
MODE = "auto"


class Face:
    session_id = None
    version = None

    def __init__(self, api):
        self.api = api

    async def text(self, name, arguments):
        result = await self.api.call_tool(name, arguments)
        return "\n".join(block.text for block in result.content)


@asynccontextmanager
async def opened(url, _):
    async with Client(url, timeout=TIMEOUT) as api:
        yield Face(api)

"""A Python client that is told what to call, beside other clients:

    python told.py URL ROOT

It negotiates the era as the SDK does by default and has one root. The first line that it prints
says what it came to; then each line read is a call (`id`, `name`, `arguments`), made at once, and
each line printed its answer (`id`, and `text` or `error`). It leaves when its input ends.
"""

import json
import sys

import anyio

import client
from client import opened


def say(message):
    print(json.dumps(message), flush=True)


async def answer(face, call):
    try:
        say({"id": call["id"], "text": await face.text(call["name"], call["arguments"])})
    except Exception as error:
        say({"id": call["id"], "error": str(error)})


async def main(url, root):
    async with opened(url, {"list_roots": lambda _: {"roots": [{"uri": root}]}}) as face:
        say({"session": face.session_id, "version": face.version})
        async with anyio.create_task_group() as calls:
            async for line in anyio.wrap_file(sys.stdin):
                calls.start_soon(answer, face, json.loads(line))


if __name__ == "__main__":
    client.MODE = "auto"
    anyio.run(main, *sys.argv[1:3])

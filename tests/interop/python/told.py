"""A Python client that is told what to call, beside other clients:

    python told.py URL ROOT MODE SECONDS

It has one root. MODE is how a 2.x client negotiates the era, SECONDS how long a call may take.
Where there is fastmcp, its client is the one that is told. The first line that it prints says what it came to; then each line read is a call (`id`, `name`, `arguments`), made at once, and
each line printed its answer (`id`, and `text` or `error`). It leaves when its input ends.
"""

import importlib.util
import json
import sys

import anyio

if importlib.util.find_spec("fastmcp"):
    import fast as client
else:
    import client


def say(message):
    print(json.dumps(message), flush=True)


async def answer(face, call):
    try:
        say({"id": call["id"], "text": await face.text(call["name"], call["arguments"])})
    except Exception as error:
        say({"id": call["id"], "error": str(error) or type(error).__name__})


async def main(url, root):
    async with client.opened(url, {"list_roots": lambda _: {"roots": [{"uri": root}]}}) as face:
        say({"session": face.session_id, "version": face.version})
        async with anyio.create_task_group() as calls:
            async for line in anyio.wrap_file(sys.stdin):
                calls.start_soon(answer, face, json.loads(line))


if __name__ == "__main__":
    client.MODE, client.TIMEOUT = sys.argv[3], float(sys.argv[4])
    anyio.run(main, *sys.argv[1:3])

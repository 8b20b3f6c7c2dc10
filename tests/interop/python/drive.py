"""The Python SDK's client against one server behind the proxy:

    python drive.py URL full|oldest|stateless|everything|filesystem|memory FOLDER [MODE]

MODE is how a 2.x client negotiates the era: legacy (the default), auto or a version.

Prints one JSON object a check; ends with 0 whatever they say, as the caller counts.
"""

import asyncio
import json
import os
import sys
import traceback

import anyio

import client
from client import MAJOR, MCPError, complete, delete, opened, pages, post_ping, read, set_level, subscribe, unsubscribe

CHECK_SECONDS = 20
WATCHED = "test://watched-resource"


async def check(what, body):
    try:
        with anyio.fail_after(CHECK_SECONDS):
            await body()
        print(json.dumps({"check": what, "ok": True}), flush=True)
    except BaseException as error:  # an exception group too
        print(json.dumps({"check": what, "ok": False, "error": "".join(told(error))[:2000]}), flush=True)
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise


def told(error):
    """Where and what, of each error in a group."""
    if isinstance(error, BaseExceptionGroup):
        return [line for inner in error.exceptions for line in told(inner)]
    frames = traceback.format_tb(error.__traceback__)
    return frames[1:2] + frames[-1:] + traceback.format_exception_only(error)


def equal(left, right):
    assert left == right, f"{left!r} is not {right!r}"


def contains(whole, part):
    assert part in whole, f"{part!r} is not in {whole!r}"


async def until(condition, seconds=5):
    for _ in range(seconds * 50):
        if await condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"it did not happen within {seconds} s")


def sampled(params):
    heard = params["messages"][0]["content"]["text"]
    return {"role": "assistant", "model": "none", "content": {"type": "text", "text": f"heard: {heard}"}}


def roots(*uris):
    return lambda _: {"roots": [{"uri": uri} for uri in uris]}


async def full(url, _):
    elicited = {"action": "accept", "content": {"username": "u", "email": "e@example.com", "name": "Ann"}}
    answers = {"sampling": sampled, "elicitation": lambda _: elicited, "list_roots": roots("file:///one")}
    async with opened(url, answers) as face:
        await introduced(face)
        await calls(face)
        await reports(face)
        await content(face)
        await questions(face)
        await cancelling(face)
    await sessions(url)


async def introduced(face):
    async def who():
        equal(face.server, {"name": "full", "version": "1.0.0"})
        equal(face.version, "2025-11-25")
        contains(face.instructions, "every feature once")
        equal(sorted(face.capabilities), ["completions", "logging", "prompts", "resources", "tools"])
        assert len(face.session_id) >= 22, face.session_id

    async def seen():
        told = json.loads(await face.text("client"))
        equal(told["clientInfo"], {"name": "interop", "version": "1.2.3"})
        equal(sorted(told["capabilities"]), ["elicitation", "roots", "sampling"])

    await check("initialize: name, version, instructions, capabilities, session", who)
    await check("the child sees the client", seen)


async def calls(face, crowd=30, size=4 * 1024 * 1024):
    async def listed():
        tools = await pages(face, "list_tools", "tools")
        equal(tools[0]["name"], "test_simple_text")
        schema = next(tool for tool in tools if tool["name"] == "json_schema_2020_12_tool")["inputSchema"]
        equal(schema["$defs"]["address"]["$anchor"], "addressDef")

    async def called():
        text = 'Grüße, 世界 \U0001f30d "quoted" \\ \n\r\t\x00\u2028 end'
        equal(await face.text("echo", {"text": text}), text)
        equal((await face.call("add", {"a": 1.5, "b": 2}))["structuredContent"], {"sum": 3.5})
        equal((await face.call("test_error_handling"))["isError"], True)
        equal([one["type"] for one in (await face.call("test_multiple_content_types"))["content"]],
              ["text", "image", "resource"])

    async def unknown():
        try:
            await face.call("no_such_tool")
        except Exception as error:
            contains(str(error), "no such tool")
        else:
            raise AssertionError("no error")

    async def many():
        texts = [f"text {i}" for i in range(crowd)]
        equal(await asyncio.gather(*(face.text("echo", {"text": text}) for text in texts)), texts)

    async def big():
        said = await face.text("echo", {"text": "y" * size})
        assert said == "y" * size, f"{len(said)} bytes came back"

    await check("tools/list keeps names, order and schemas", listed)
    await check("tools/call: text, structured content, error, several blocks", called)
    await check("a tool that is not there", unknown)
    await check("many calls at once, each its own answer", many)
    await check(f"{size // 1024} KiB each way", big)


async def reports(face):
    async def counted(n, wait):
        seen = []

        async def on_progress(progress, total, message):
            seen.append((progress, total, message))

        equal(await face.text("count_to", {"n": n, "wait_ms": wait}, progress_callback=on_progress), f"counted to {n}")
        equal(seen, [(i, n, f"step {i}") for i in range(1, n + 1)])

    async def overlapping():
        await asyncio.gather(counted(9, 15), counted(6, 20))

    async def logged():
        def lines():
            return [one["data"] for one in face.received("notifications/message")]

        three = ["Tool execution started", "Tool processing data", "Tool execution completed"]
        await set_level(face, "info")
        await face.call("test_tool_with_logging")
        equal(lines(), three)
        await set_level(face, "error")
        await face.call("test_tool_with_logging")
        equal(lines(), three)

    await check("progress of two calls at once stays apart", overlapping)
    await check("log messages at the level that was set", logged)


async def content(face):
    async def resources():
        equal([one["uri"] for one in await pages(face, "list_resources", "resources")][-1], "test://page-two")
        equal((await read(face, "test://static-text"))["text"], "This is the content of the static text resource.")
        equal(json.loads((await read(face, "test://template/7/data"))["text"])["id"], "7")

    async def watched():
        async def updated():
            return len(face.received("notifications/resources/updated")) == 1

        await subscribe(face, WATCHED)
        await face.call("touch")
        await until(updated)
        equal((await read(face, WATCHED))["text"], "version 1")
        await unsubscribe(face, WATCHED)
        await face.call("touch")
        await asyncio.sleep(0.2)
        assert await updated(), "it was told again after unsubscribing"

    async def prompts():
        got = await face.api.get_prompt("test_prompt_with_arguments", {"arg1": "a", "arg2": "b"})
        equal(got.messages[0].content.text, "Prompt with arguments: arg1='a', arg2='b'")
        equal((await complete(face, "test_prompt_with_arguments", "arg1", "par"))["values"], ["paris", "park", "party"])

    await check("resources: pages, text, template", resources)
    await check("subscribe, change, updated, unsubscribe, silence", watched)
    await check("prompts and completion", prompts)


async def questions(face):
    async def asked():
        equal(await face.text("test_sampling", {"prompt": "say"}), "LLM response: heard: say")
        contains(await face.text("test_elicitation", {"message": "who?"}), "action=accept")
        equal(await face.text("test_input_required_result_list_roots"), "roots: file:///one")
        said = await face.text("test_input_required_result_multiple_inputs")
        equal(said, "Ann: heard: Generate a greeting (file:///one)")

    await check("sampling, elicitation, roots, three at once", asked)


async def cancelling(face):
    async def cancelled():
        before = int(await face.text("cancellations"))
        with anyio.move_on_after(0.3):
            await face.call("sleep", {"ms": 60_000})

        async def told():
            return int(await face.text("cancellations")) == before + 1

        await until(told)

    if MAJOR >= 2:  # the 1.x client tells nobody that it gave up
        await check("a cancelled call is cancelled at the child", cancelled)


async def sessions(url):
    async def ended():
        async with opened(url) as face:
            equal(await post_ping(url, face.session_id), 200)
            session = face.session_id
        equal(await post_ping(url, session), 404)

    async def elsewhere():
        async with opened(url) as face:
            assert 200 <= await delete(url, face.session_id) < 300
            try:
                await face.call("pid")
            except MCPError as error:
                # google-adk opens a new session at these words alone.
                equal(str(error), "Session terminated")
                if MAJOR >= 2:  # the 1.x client has a code and words of its own
                    equal(error.code, -32600)
            else:
                raise AssertionError("no error")
        async with opened(url) as again:
            equal(await again.text("echo", {"text": "back"}), "back")

    await check("leaving deletes the session", ended)
    await check("a session ended elsewhere: told so, then initialised again", elsewhere)


async def oldest(url, _):
    """The same client over HTTP+SSE: its session ends with its stream."""
    client.OLDEST = True
    elicited = {"action": "accept", "content": {"username": "u", "email": "e@example.com", "name": "Ann"}}
    answers = {"sampling": sampled, "elicitation": lambda _: elicited, "list_roots": roots("file:///one")}

    async def ended():
        async with opened(url) as face:
            pid = await face.text("pid")
            assert os.path.exists(f"/proc/{pid}"), pid

        async def gone():
            return not os.path.exists(f"/proc/{pid}")

        await until(gone)

    async with opened(url, answers) as face:
        await introduced(face)
        # The 2.x client takes no event of more than 1 MiB, and here its user can't change that.
        await calls(face, size=512 * 1024)
        await reports(face)
        await content(face)
        await questions(face)
        await cancelling(face)
    await check("leaving ends the process", ended)


async def stateless(url, _):
    """A client of 2026-07-28: no session, answers in rounds, changes by listening."""
    elicited = {"action": "accept", "content": {"username": "u", "email": "e@example.com", "name": "Ann"}}
    answers = {"sampling": sampled, "elicitation": lambda _: elicited, "list_roots": roots("file:///one")}
    async with opened(url, answers) as face:

        async def who():
            equal(face.version, "2026-07-28")
            if client.MODE == "auto":  # a pinned client doesn't ask who is there
                equal(face.server, {"name": "full", "version": "1.0.0"})
            equal(face.session_id, None)

        async def listened():
            async with face.api.listen(resource_subscriptions=[WATCHED]) as events:
                await face.call("touch")
                with anyio.fail_after(5):
                    async for event in events:
                        equal(str(event.uri), WATCHED)
                        break

        await check("server/discover: name, version, no session", who)
        await calls(face, crowd=10)
        await questions(face)
        await check("listen, change, updated", listened)
    # One that can't be asked: its process goes on.
    async with opened(url) as face:
        await cancelling(face)


async def everything(url, _):
    elicited = {"action": "accept", "content": {"name": "Ann", "integer": 7}}
    answers = {"sampling": sampled, "elicitation": lambda _: elicited, "list_roots": roots("file:///of/the/test")}
    async with opened(url, answers) as face:

        async def tools():
            contains([tool["name"] for tool in await pages(face, "list_tools", "tools")], "get-roots-list")
            equal(await face.text("echo", {"message": "hé"}), "Echo: hé")
            contains(await face.text("get-sum", {"a": 2, "b": 40}), "42")
            contains((await read(face, "demo://resource/dynamic/text/3"))["text"], "Resource 3")

        async def asks():
            contains(await face.text("trigger-sampling-request", {"prompt": "hello"}), "context: hello")
            contains(await face.text("trigger-elicitation-request"), "- Name: Ann")
            contains(await face.text("get-roots-list"), "file:///of/the/test")

        async def progress():
            seen = []

            async def on_progress(progress, total, _):
                seen.append((progress, total))

            arguments = {"duration": 0.5, "steps": 4}
            await face.call("trigger-long-running-operation", arguments, progress_callback=on_progress)
            equal(seen, [(1, 4), (2, 4), (3, 4), (4, 4)])

        await check("tools and resources", tools)
        await check("sampling, elicitation, roots", asks)
        await check("a long operation reports each step", progress)


async def filesystem(url, folder):
    async with opened(url) as face:

        async def files():
            equal(await face.text("read_text_file", {"path": os.path.join(folder, "hello.txt")}), "hello, file\n")
            path = os.path.join(folder, "python.txt")
            await face.call("write_file", {"path": path, "content": "Zeile\n" * 1000})
            with open(path, encoding="utf-8") as written:
                equal(written.read(), "Zeile\n" * 1000)
            equal((await face.call("read_text_file", {"path": "/etc/passwd"}))["isError"], True)

        await check("reads, writes, refuses what is outside", files)


async def memory(url, _):
    entity = {"name": "bridge", "entityType": "thing", "observations": ["carries messages"]}

    async def graph():
        async with opened(url) as face:
            await face.call("create_entities", {"entities": [entity]})
        async with opened(url) as face:
            found = json.loads(await face.text("search_nodes", {"query": "carries"}))
            equal(found["entities"], [entity])

    await check("a graph kept for the next session", graph)


if __name__ == "__main__":
    target, server, where = sys.argv[1:4]
    client.MODE = sys.argv[4] if len(sys.argv) > 4 else client.MODE
    suites = {"full": full, "oldest": oldest, "stateless": stateless, "everything": everything, "filesystem": filesystem, "memory": memory}
    anyio.run(suites[server], target, where)

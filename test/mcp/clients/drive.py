# Drives a session as a user of the Python libraries "mcp" and "fastmcp" does: lists, calls, streams, cancels, subscribes.
# Arguments: library, mode ("legacy" or a revision), URL. The token is in TVM_TEST_TOKEN. Prints one JSON object.
import asyncio
import json
import os
import sys

library, mode, url = sys.argv[1:4]
headers = {"Authorization": f"Bearer {os.environ['TVM_TEST_TOKEN']}"}
watched = f"file:///tmp/watched-{library}-{mode}"
patience = 120


class Changes:
    def __init__(self):
        self.uris = []
        self.any = asyncio.Event()

    async def __call__(self, message):
        params = getattr(message, "params", None)
        if getattr(message, "method", "") == "notifications/resources/updated":
            self.uris.append(str(params.uri))
            self.any.set()


def open_mcp(changes):
    from mcp import Client
    from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

    transport = streamable_http_client(url, http_client=create_mcp_http_client(headers=headers))
    return Client(transport, mode=mode, message_handler=changes, read_timeout_seconds=patience)


def open_fastmcp(changes):
    from fastmcp import Client
    from fastmcp.client.transports import StreamableHttpTransport

    return Client(StreamableHttpTransport(url, headers=headers), mode=mode, message_handler=changes, timeout=patience)


async def run(client, command, on_progress=None):
    progress = {"progress_handler" if library == "fastmcp" else "progress_callback": on_progress} if on_progress else {}
    result = await client.call_tool("run_command", {"command": command}, **progress)
    return "\n".join(getattr(part, "text", "") for part in result.content)


async def write(client, content):
    await client.call_tool("write_file", {"path": watched.removeprefix("file://"), "content": content})


async def cancels(client):
    call = asyncio.create_task(run(client, "echo begun > /tmp/begun; exec sleep 54321"))
    while "begun" not in await run(client, "cat /tmp/begun 2>/dev/null || true"):
        await asyncio.sleep(0.5)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    for _ in range(60):
        if "gone" in await run(client, "pgrep -x sleep -a | grep 5432[1] || echo gone; rm -f /tmp/begun"):
            return True
        await asyncio.sleep(0.5)
    return False


async def subscribes(client, changes):
    await write(client, "one")
    session = getattr(client, "session", client)
    if mode == "legacy":
        await session.subscribe_resource(watched)
        await write(client, "two")
        await asyncio.wait_for(changes.any.wait(), patience)
        return watched in changes.uris
    from mcp import Client

    assert isinstance(client, Client)
    async with client.listen(resource_subscriptions=[watched]) as subscription:
        await write(client, "two")
        async for event in subscription:
            return watched in str(event)
    return False


async def main():
    changes = Changes()
    steps = []

    async def note(*progress):
        steps.append(str(progress[-1]))

    async with (open_mcp if library == "mcp" else open_fastmcp)(changes) as client:
        tools = await client.list_tools()
        names = [tool.name for tool in (tools.tools if library == "mcp" else tools)]
        result = {
            "list": "run_command" in names,
            "call": await run(client, "echo $((6 * 7))"),
            "stream": await run(client, "for i in 1 2 3; do echo line $i; sleep 1; done", note),
            "steps": len(steps),
            "cancel": await cancels(client),
        }
        # FastMCP has no listen of its own in the modern era.
        if mode == "legacy" or library == "mcp":
            result["subscribe"] = await subscribes(client, changes)
    print(json.dumps(result))


asyncio.run(main())

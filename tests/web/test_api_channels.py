"""What is pushed is what /asyncapi.json says: every message of every channel, and every way to close."""

from __future__ import annotations

import ast
import asyncio
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
import pytest

from tests.conftest import ROOT
from tests.servers import Server, Stream, served
from tests.web.described import Described, asyncapi, openapi
from tests.web.inside import QUICK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_LINT = ROOT / "tests" / "js" / "asyncapi-lint.mjs"
_INFORMATION = 2
_SSE = re.compile(r"(?:id: ?(?P<id>.*)\n)?(?:event: ?(?P<event>.*)\n)?data: ?(?P<data>.*)\n\n")


class Told(NamedTuple):
    """What a connection was told: the messages' names, and the close code of a WebSocket."""

    messages: set[str]
    code: int | None = None


def _check(described: Described, channel: str, name: str, payload: Any, fields: dict[str, str]) -> str:
    """Hold a message against the one of that name that the channel has; gives the name."""
    messages = described.document["channels"][channel]["messages"]
    assert name in messages, f"{channel} has no message {name!r}"
    message = described.resolve(messages[name])
    described.check(payload, message["payload"])
    described.check(fields, message.get("headers", {"type": "object", "maxProperties": 0}))
    return name


def _sse_name(described: Described, channel: str, event: str | None) -> str:
    """Which of a channel's messages has this ``event``."""
    named = {
        described.resolve(message)["headers"]["properties"].get("event", {}).get("const"): name
        for name, message in described.document["channels"][channel]["messages"].items()
    }
    return str(named[event])


async def _listen_socket(server: Server, described: Described, path: str, *, change: Any = None) -> Told:
    """Everything that a WebSocket says; after its first message something is done to it or its streams."""
    channel = "socket" if path.startswith("/v1/ws") else "plainSocket"
    told: set[str] = set()
    async with server.session.ws_connect(server.url + path) as socket:
        async for message in socket:
            payload = json.loads(message.data)
            told.add(_check(described, channel, payload["type"] if channel == "socket" else "line", payload, {}))
            if change is not None:
                await change(socket)
                change = None
        code = socket.close_code
    assert str(code) in described.document["channels"][channel]["x-close-codes"], f"{channel} closes with {code}"
    return Told(told, code)


async def _blocks(response: aiohttp.ClientResponse) -> AsyncIterator[str]:
    text = ""
    async for chunk in response.content.iter_any():
        text += chunk.decode()
        *blocks, text = text.split("\n\n")
        for block in blocks:
            if "data:" in block:
                yield block + "\n\n"


async def _listen_events(server: Server, described: Described, path: str, *, change: Any = None) -> Told:
    """Everything that an event stream says; after its first event something is done to its stream."""
    channel = "plainEvents" if "/sse" in path else "durableEvents"
    told: set[str] = set()
    async with server.session.get(server.url + path) as response:
        async for block in _blocks(response):
            match = _SSE.fullmatch(block)
            assert match, f"no event: {block!r}"
            fields = {name: match[name] for name in ("id", "event") if match[name] is not None}
            name = _sse_name(described, channel, match["event"])
            told.add(_check(described, channel, name, json.loads(match["data"]), fields))
            if change is not None:
                await change(response)
                change = None
    return Told(told)


def _write_streams(directory: Path) -> None:
    with Stream(directory, "closed") as closed, Stream(directory, "open") as stream:
        closed.line(1)
        closed.write(b"not json\n")
        closed.final()
        stream.line(1)


async def _replace(directory: Path) -> None:
    new = directory / "new"
    new.write_bytes(b'{"another":"first line"}\n')
    new.rename(directory / "open.jsonl")


@pytest.mark.slow
async def test_every_message_and_close_code_is_described(server: Server) -> None:
    """Streams that end, that are replaced or deleted: each message is of its schema, and each is there to be had."""
    described = asyncapi()
    told: dict[str, Told] = {}

    async def replace(_connection: object) -> None:
        await _replace(server.directory)

    async def delete(_connection: object) -> None:
        (server.directory / "open.jsonl").unlink()

    for channel, path in {
        "plainSocket": "/v1/stream/{}/ws",
        "socket": "/v1/ws?stream={}",
        "plainEvents": "/v1/stream/{}/sse",
        "durableEvents": "/v1/stream/{}?live=sse&offset=-1",
    }.items():
        listen = _listen_socket if "ws" in path else _listen_events
        _write_streams(server.directory)
        ended = await listen(server, described, path.format("closed"))
        replaced = await listen(server, described, path.format("open"), change=replace)
        deleted = await listen(server, described, path.format("open"), change=delete)
        (server.directory / "closed.jsonl").unlink()
        codes = {"plainSocket": (1000, 4410, 4404), "socket": (1000, 4410, 4410)}.get(channel, (None, None, None))
        assert (ended.code, replaced.code, deleted.code) == codes
        told[channel] = Told(ended.messages | replaced.messages | deleted.messages)

    for channel, said in told.items():
        rare = {"heartbeat", "error"} if channel == "socket" else set()
        assert said.messages | rare == described.document["channels"][channel]["messages"].keys(), channel


@pytest.mark.parametrize(("inbound", "size", "code"), [("close", 1, 1008), ("discard", 2000, 1009)])
async def test_what_a_client_did_wrong_is_described(tmp_path: Path, inbound: str, size: int, code: int) -> None:
    """Data where none is taken, and too much of it, close both sockets; the multiplexed one says why before."""
    described = asyncapi()
    _write_streams(tmp_path)

    async def send(socket: aiohttp.ClientWebSocketResponse) -> None:
        await socket.send_str("x" * size)

    async with served(tmp_path, inbound=inbound) as server:
        plain = await _listen_socket(server, described, "/v1/stream/open/ws", change=send)
        many = await _listen_socket(server, described, "/v1/ws?stream=open", change=send)
    assert (plain.code, many.code) == (code, code)
    assert "error" in many.messages


async def test_heartbeats_are_described(tmp_path: Path) -> None:
    """When nothing else comes, a heartbeat does, and it is of its schema."""
    described = asyncapi()
    _write_streams(tmp_path)
    async with (
        served(tmp_path, timing=QUICK) as server,
        server.session.ws_connect(f"{server.url}/v1/ws?stream=open") as socket,
    ):
        while True:
            payload = await socket.receive_json(timeout=60)
            if _check(described, "socket", payload["type"], payload, {}) == "heartbeat":
                break


@pytest.mark.slow
async def test_the_description_is_valid(node_modules: Path) -> None:
    """The official parser has no error and no warning; of a description with mistakes it does say so."""
    assert node_modules.is_dir()
    document, mistaken = asyncapi().document, asyncapi().document
    mistaken["components"]["messages"]["end"]["examples"][0]["payload"]["next"] = 7
    mistaken["channels"]["socket"]["messages"]["open"]["$ref"] = "#/components/messages/nothing"
    process = await asyncio.create_subprocess_exec(
        "node", str(_LINT), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(json.dumps([document, mistaken]).encode())
    assert process.returncode == 0
    found, found_mistakes = json.loads(output)
    # That there is a later AsyncAPI than 3.0 is a piece of information.
    assert [one for one in found if one["severity"] < _INFORMATION] == []
    assert any(one["severity"] == 0 for one in found_mistakes)


def test_channels_are_the_live_routes() -> None:
    """A route that upgrades or answers with an event stream is a channel, and takes the same parameters."""
    http, pushed = openapi(), asyncapi().document
    live = {
        path
        for (method, path), operation in http.operations().items()
        if method == "GET"
        and ("101" in operation["responses"] or "text/event-stream" in operation["responses"]["200"].get("content", {}))
    }
    assert {channel["address"] for channel in pushed["channels"].values()} == live
    for operation in pushed["operations"].values():
        name = operation["channel"]["$ref"].rpartition("/")[2]
        channel = pushed["channels"][name]
        bindings = {**channel.get("bindings", {}), **operation.get("bindings", {})}
        (binding,) = bindings.values()
        taken = {parameter["name"] for parameter in http.parameters("GET", channel["address"], "query")}
        catch_up = {"until", "limit"} if name == "durableEvents" else set()
        assert binding["query"]["properties"].keys() == taken - catch_up, name


def test_every_close_code_in_the_code_is_described() -> None:
    """A close code of our own or of RFC 6455 that a web module names stands in the description of a channel."""
    channels = asyncapi().document["channels"].values()
    described = {int(code) for channel in channels for code in channel.get("x-close-codes", {})}
    named = {
        node.value
        for path in (ROOT / "streamhub" / "web").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, int)
        if 1000 <= node.value < 1015 or 4400 <= node.value < 4500
    }
    assert {1001, 1008, 4404, 4410} <= named <= described

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.raw import HANDSHAKE, Raw
from tests.scarcity import few_descriptors
from tests.servers import Server, Stream, served, until
from tests.web.inside import inside

#: Every route, with an address that answers.
ROUTES = [
    *(
        "/",
        "/v1/streams",
        "/v1/stream/s",
        "/v1/stream/s/ws",
        "/v1/stream/s/sse",
        "/v1/stream/s/summary",
        "/v1/ws?stream=s",
    ),
    *("/v1/schema", "/openapi.json", "/asyncapi.json", "/healthz", "/readyz", "/metrics"),
]
#: Methods that change something, or are none at all.
OTHERS = ["POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get", "BREW"]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server with one closed stream."""
    with Stream(tmp_path) as stream:
        stream.line(1)
        stream.final()
    async with served(tmp_path) as running:
        yield running


@pytest.mark.parametrize("target", ROUTES)
async def test_routes(server: Server, target: str) -> None:
    """Each answers GET and HEAD, HEAD with the same status and no body."""
    statuses = []
    for method in ("GET", "HEAD"):
        async with Raw(server.url) as raw:
            head = await raw.request(target, HANDSHAKE if "/ws" in target else None, method=method)
            statuses.append(head.status)
            if method == "HEAD" and head.status < 400:
                await raw.ask("/healthz")
                assert (await raw.head()).status == 200  # the connection stands right behind the head
    assert statuses == ([101, 426] if "/ws" in target else [200, 200])


@pytest.mark.slow
@pytest.mark.parametrize("target", ROUTES)
@pytest.mark.parametrize("method", OTHERS)
async def test_no_other_method(server: Server, target: str, method: str) -> None:
    """Streams are read-only: any other method is 405, with what may be used, as problem details; or no HTTP at all."""
    async with Raw(server.url) as raw:
        head = await raw.request(target, {"Content-Length": "2"}, method=method)
        assert head.status in ({405} if method in {"POST", "PUT", "PATCH", "DELETE"} else {400, 405})
        if head.status == 405:
            assert set(head.fields["allow"].split(",")) == {"GET", "HEAD", "OPTIONS"}
            assert head.fields["content-type"] == "application/problem+json"
            assert head.fields["cache-control"] == "no-store"


async def test_nothing_is_written(server: Server, tmp_path: Path) -> None:
    """Whatever is sent, the folder stays as it is."""
    before = {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for target in ("/v1/stream/s", "/v1/stream/new", "/v1/streams"):
            await server.get(target, method=method, data=b'{"event_type":"signal"}')
    assert {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    "target",
    [
        *("/v1", "/v1/", "/v1/stream", "/v1/stream/", "/v1/stream/s/", "/v1/stream/s/wss", "/v2/streams", "/static/"),
        *(
            "/static/../web/app.py",
            "/static/%2e%2e/app.py",
            "/..%2f..%2fetc/passwd",
            "/%00",
            "/%ff",
            "//",
            "/v1//streams",
        ),
        *("/healthz/", "/HEALTHZ", "/v1/stream/s%2fsse", "/v1/stream/a/b/c"),
    ],
)
async def test_what_is_not_there(server: Server, target: str) -> None:
    """Any other address is 404, or 400 where it would be a stream's; never a file, never a fault."""
    async with Raw(server.url) as raw:
        head = await raw.request(target)
        assert head.status in {400, 404}
        assert head.fields["content-type"] == "application/problem+json"
        body = json.loads(await raw.exactly(int(head.fields["content-length"])))
        assert body["status"] == head.status


async def test_health_and_readiness(tmp_path: Path) -> None:
    """The process is well as long as it answers; it is ready until it shuts down, and says so to who asks meanwhile."""
    async with inside(tmp_path) as it, Raw(it.url) as raw:
        for target in ("/healthz", "/readyz"):
            head = await raw.request(target)
            assert (head.status, head.fields["cache-control"]) == (200, "no-store")
            assert await raw.exactly(int(head.fields["content-length"])) == b"ok\n"
        it.hub.drain()
        for target, status, said in (("/healthz", 200, b"ok\n"), ("/readyz", 503, b"draining\n")):
            head = await raw.request(target)
            assert head.status == status
            assert await raw.exactly(int(head.fields["content-length"])) == said


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """It is an empty one, until it comes: nothing hangs, nothing fails."""
    directory = tmp_path / "later"
    async with served(directory, poll_ceiling=0.02) as server, Raw(server.url) as raw:
        assert json.loads((await server.get("/v1/streams"))[2])["streams"] == []
        assert (await server.get("/v1/stream/s"))[0] == 404
        await raw.upgrade("/v1/stream/s/ws?wait=1")
        directory.mkdir()
        with Stream(directory) as stream:
            line = stream.line(1)
            assert (await raw.frame()).payload == line
        assert (await server.get("/v1/stream/s"))[0] == 200


@pytest.mark.parametrize("plant", ["symlink", "fifo", "directory", "socket"])
async def test_what_is_no_file_is_no_stream(tmp_path: Path, plant: str) -> None:
    """Neither listed nor opened, on any way; nothing hangs."""
    (tmp_path / "secret").write_bytes(b'{"secret":1}\n')
    path = tmp_path / "s.jsonl"
    if plant == "symlink":
        path.symlink_to(tmp_path / "secret")
    elif plant == "fifo":
        os.mkfifo(path)
    elif plant == "directory":
        path.mkdir()
    else:
        unix = await asyncio.start_unix_server(lambda _reader, _writer: None, path)
        unix.close()
        await unix.wait_closed()
    async with served(tmp_path) as server:
        assert json.loads((await server.get("/v1/streams"))[2])["streams"] == []
        for target in (
            "/v1/stream/s",
            "/v1/stream/s/ws",
            "/v1/stream/s/sse",
            "/v1/stream/s/summary",
            "/v1/ws?stream=s",
        ):
            async with Raw(server.url) as raw:
                assert (await raw.request(target, HANDSHAKE if "/ws" in target else None)).status == 404


async def test_out_of_descriptors(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A request that needs one is asked to come back; live readers go on, and so does everything afterwards."""
    caplog.set_level(logging.ERROR)
    with Stream(tmp_path) as stream, Stream(tmp_path, "t") as other:
        stream.line(1)
        other.line(1)
        async with inside(tmp_path) as it, Raw(it.url) as live, Raw(it.url) as raw:
            await live.upgrade("/v1/stream/s/ws")
            await live.frame()
            assert (await raw.request("/healthz")).status == 200
            await raw.exactly(3)
            with few_descriptors(0):
                for target in ("/v1/stream/t", "/v1/stream/t/sse", "/v1/stream/t?live=long-poll&offset=-1"):
                    head = await raw.request(target)
                    assert (head.status, head.fields.get("retry-after")) == (503, "1")
                    await raw.exactly(int(head.fields["content-length"]))
                line = stream.line(2)
                assert (await live.frame()).payload == line
            assert (await raw.request("/v1/stream/t")).status == 200
        assert [record for record in caplog.records if record.name.startswith("streamhub")] == []


async def test_start_and_stop_leave_nothing(tmp_path: Path) -> None:
    """A server that came and went has left no task and no descriptor in the folder."""
    with Stream(tmp_path) as stream:
        stream.line(1)
        tasks = asyncio.all_tasks()
        for _ in range(3):
            async with inside(tmp_path) as it:
                async with Raw(it.url) as raw:
                    await raw.upgrade("/v1/ws?match=*")
                    await raw.frame()
                await until(lambda: it.deserted)
            await until(lambda: asyncio.all_tasks() <= tasks)

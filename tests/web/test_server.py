from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from streamhub.config import Config
from streamhub.web.server import running, url_of
from tests.raw import CLOSE, Raw, websocket
from tests.servers import ServerProcess, Stream, free_port, served, until
from tests.web.inside import QUICK, inside


def config(directory: Path, **settings: object) -> Config:
    """The settings of a server on a free port."""
    return replace(Config(directory=str(directory), port=0), **settings)  # type: ignore[arg-type]


# --- running --------------------------------------------------------------------------------------------------


async def test_it_listens_within_the_block(tmp_path: Path) -> None:
    """On the port that its address says, before the block begins; and no more when it has ended."""
    async with running(config(tmp_path)) as url, Raw(url) as raw:
        assert (await raw.request("/healthz")).status == 200
    with pytest.raises(ConnectionRefusedError):
        async with Raw(url):
            pass


async def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """It cannot be bound: that is an error, and leaves nothing behind."""
    tasks = asyncio.all_tasks()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="address already in use"):
            async with running(config(tmp_path, port=taken.getsockname()[1])):
                pass
    await until(lambda: asyncio.all_tasks() <= tasks)


async def test_the_same_port_again(tmp_path: Path) -> None:
    """A server that was stopped can be started on its port at once, though clients were connected."""
    port = free_port()
    for _ in range(3):
        async with running(config(tmp_path, port=port)) as url:
            raw = Raw(url)
            await raw.__aenter__()
            assert (await raw.request("/healthz")).status == 200
        raw.socket.close()


async def test_ipv6(tmp_path: Path) -> None:
    """An address of IPv6 stands in brackets in the URL, and is answered under that name."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    async with running(config(tmp_path, host="::1")) as url:
        assert url.startswith("http://[::1]:")
        reader, writer = await asyncio.open_connection("::1", int(url.rpartition(":")[2]))
        writer.write(f"GET /v1/streams HTTP/1.1\r\nHost: {url.removeprefix('http://')}\r\n\r\n".encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:8765"), ("::1", "http://[::1]:8765"), ("localhost", "http://localhost:8765")],
)
def test_url_of(host: str, url: str) -> None:
    """The address as a browser takes it."""
    assert url_of(Config(host=host), 8765) == url


# --- the end --------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_the_end_of_the_block_is_told(tmp_path: Path) -> None:
    """Live sockets get 1001, long-polls their answer; who goes is waited for, who does not go is not."""
    with Stream(tmp_path) as stream:
        stream.line(1)
        async with contextlib.AsyncExitStack() as clients:
            async with running(config(tmp_path), replace(QUICK, heartbeat=60, long_poll=60, drain=0.5)) as url:
                live = await clients.enter_async_context(websocket(url, "/v1/stream/s/ws"))
                await live.frame()
                deaf = await clients.enter_async_context(websocket(url, "/v1/stream/s/ws"))
                await deaf.frame()
                poll = await clients.enter_async_context(Raw(url))
                await poll.ask("/v1/stream/s?live=long-poll&offset=now")
                await asyncio.sleep(0.1)
            assert (await live.frame()).code == 1001
            assert (await poll.head()).status == 204
            assert (await deaf.frame()).code == 1001


async def test_whoever_comes_during_the_end_is_sent_away(tmp_path: Path) -> None:
    """While clients are waited for, requests on connections that were open get 503, and readiness says why."""
    with Stream(tmp_path) as stream:
        stream.line(1)
        async with inside(tmp_path) as it, Raw(it.url) as raw:
            assert (await raw.request("/readyz")).status == 200
            await raw.exactly(3)
            it.hub.drain()
            for target, status in (
                ("/readyz", 503),
                ("/healthz", 200),
                ("/v1/stream/s", 503),
                ("/v1/streams", 503),
            ):
                head = await raw.request(target)
                assert head.status == status
                await raw.exactly(int(head.fields["content-length"]))


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """A server in a process of its own."""
    async with ServerProcess(tmp_path) as it:
        yield it


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signals_end_it_in_order(process: ServerProcess, tmp_path: Path, number: int) -> None:
    """Told to stop, it sends its clients away and exits with 0."""
    with Stream(tmp_path) as stream:
        line = stream.line(1)
        async with websocket(process.url, "/v1/stream/s/ws") as raw:
            assert (await raw.frame()).payload == line
            assert process.process is not None
            process.process.send_signal(number)
            frame = await raw.frame()
            assert (frame.opcode, frame.code) == (CLOSE, 1001)
            await raw.say_close(1001)
        assert await process.stop(number) == 0


async def test_serve_says_when_it_listens(tmp_path: Path) -> None:
    """The URL is told once somebody can connect to it."""
    program = (
        "import asyncio, sys; from streamhub.config import Config; from streamhub.web.server import serve; "
        "asyncio.run(serve(Config(directory=sys.argv[1], port=0), lambda url: print(url, flush=True)))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    async with Raw(url) as raw:
        assert (await raw.request("/healthz")).status == 200
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


# --- what is no HTTP ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nBad Field: x\r\n\r\n",
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(20_000)) + b"\r\n",
    ],
    ids=["tls", "version", "no-target", "ssh", "length", "field-name", "long-target", "long-field", "many-fields"],
)
async def test_what_is_no_http(tmp_path: Path, data: bytes) -> None:
    """It is refused and the connection ended, or at least nobody else notices."""
    async with inside(tmp_path) as it:
        async with Raw(it.url) as raw:
            with contextlib.suppress(ConnectionError):
                await raw.send(data)
                answer = await raw.until(b"\r\n")
                assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
        async with Raw(it.url) as raw:
            assert (await raw.request("/healthz")).status == 200
        await until(lambda: it.deserted)


async def test_keep_alive(tmp_path: Path) -> None:
    """One connection serves many requests, also when they come all at once; HTTP/1.0 gets one."""
    with Stream(tmp_path) as stream:
        line = stream.line(1)
    async with served(tmp_path) as server:
        async with Raw(server.url) as raw:
            for _ in range(50):
                await raw.ask("/v1/stream/s")
            for _ in range(50):
                head = await raw.head()
                assert await raw.exactly(int(head.fields["content-length"])) == b"[%s]" % line
        async with Raw(server.url) as raw:
            head = await raw.request("/v1/stream/s", version="1.0")
            assert head.status == 200
            assert await raw.everything() == b"[%s]" % line


async def test_requests_in_small_pieces(tmp_path: Path) -> None:
    """A head may come byte by byte."""
    async with served(tmp_path) as server, Raw(server.url) as raw:
        for byte in f"GET /v1/streams HTTP/1.1\r\nHost: {raw.host}\r\n\r\n".encode():
            await raw.send(bytes([byte]))
        head = await raw.head()
        assert json.loads(await raw.exactly(int(head.fields["content-length"])))["streams"] == []


@pytest.mark.slow
async def test_a_head_that_does_not_come(tmp_path: Path) -> None:
    """Who dribbles a head without an end is cut after a while, however busy it looks."""
    async with served(tmp_path, header_timeout=0.3) as server, Raw(server.url) as raw:
        await raw.send(b"GET / HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(600):
                await raw.send(b"X: y\r\n")
                await asyncio.sleep(0.01)
            pytest.fail("the connection is still there")


# --- what is asked before the question ------------------------------------------------------------------------


@pytest.mark.parametrize("expected", ["100-continue", "200-ok", "\xc0\xff"])
@pytest.mark.parametrize("target", ["/v1/stream/s", "/nothing-here"])
async def test_expectations(tmp_path: Path, expected: str, target: str) -> None:
    """``Expect`` is taken no notice of: nobody is told to go on, or why not, who is not asked first who he is."""
    with Stream(tmp_path) as stream:
        stream.line(1)
    async with served(tmp_path) as server, Raw(server.url) as raw:
        asked = {"Host": "evil.example", "Expect": expected}
        for fields, status in ((asked, 403), ({"Expect": expected}, 200 if "stream" in target else 404)):
            head = await raw.request(target, fields)
            assert (head.status, head.fields["referrer-policy"]) == (status, "no-referrer")
            await raw.exactly(int(head.fields["content-length"]))

"""What those who ask may cost: idle connections, answers that nobody takes, bytes that wait, descriptors."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from streamhub.config import KIB, MIB
from tests.naive import padded
from tests.raw import HANDSHAKE, Raw, websocket
from tests.servers import Server, ServerProcess, Stream, served
from tests.web.inside import SILENT

STREAM = "/v1/stream/s"


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[Stream]:
    """A stream of eight mebibytes, more than the kernel keeps for a socket."""
    with Stream(tmp_path) as file:
        file.write((padded(999) + b"\n") * 8 * KIB)
        yield file


@contextlib.contextmanager
def may_have(descriptors: int) -> Iterator[None]:
    """How many descriptors a server thinks that it may have which is started within the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.asynccontextmanager
async def connected(url: str, count: int) -> AsyncIterator[list[Raw]]:
    """So many clients that have connected, and say nothing."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Raw(url)) for _ in range(count)]


async def refusals(server: Server, cause: str) -> int:
    """How many were turned away for a reason."""
    _, _, text = await server.get("/metrics")
    rows = [row for row in text.decode().splitlines() if row.startswith(f'streamhub_refused_total{{cause="{cause}"}}')]
    return int(float(rows[0].split()[1])) if rows else 0


async def test_idle_connections_make_room(tmp_path: Path) -> None:
    """Beyond a bound who has been idle longest is hung up on; who waits for an answer, or is live, is not idle."""
    with Stream(tmp_path) as stream:
        stream.line(1)
        async with contextlib.AsyncExitStack() as stack:
            # Of both ends, which are in this process, beside what other tests hold open in it.
            most = 3 * (len(os.listdir("/proc/self/fd")) + 100)
            with may_have(most):
                server = await stack.enter_async_context(served(tmp_path, timing=SILENT))
            live = await stack.enter_async_context(websocket(server.url, f"{STREAM}/ws?tail=0"))
            poll = await stack.enter_async_context(Raw(server.url))
            await poll.ask(f"{STREAM}?live=long-poll&offset=now")
            idle = await stack.enter_async_context(connected(server.url, most // 4 + 36))
            for raw in idle[:36]:
                assert await raw.everything() == b""
            assert await refusals(server, "idle") >= 36
            assert (await idle[-1].request(STREAM)).status == 200
            line = stream.line(2)
            assert (await live.frame()).payload == line
            assert (await poll.head()).status == 200


@pytest.mark.slow
@pytest.mark.parametrize("half_way", [False, True])
async def test_an_answer_that_nobody_takes(tmp_path: Path, stream: Stream, half_way: bool) -> None:
    """Who takes nothing of an answer for the stall time-out is cut; who takes a little now and then gets all of it."""
    async with served(tmp_path, timing=SILENT, stall_timeout=0.5, read_chunk=16 * MIB) as server:
        async with Raw(server.url, 16 * KIB) as stuck, Raw(server.url, 128 * KIB) as slow:
            await stuck.ask(STREAM)
            if half_way:
                await stuck.head()
            length = int((await slow.request(STREAM)).fields["content-length"])
            taken = 0
            for _ in range(25):
                taken += len(await slow.more())
                await asyncio.sleep(0.05)
            with pytest.raises(ConnectionResetError):
                await stuck.everything()
            while taken < length:
                taken += len(await slow.more())
            assert taken == length
        _, _, metrics = await server.get("/metrics")
        assert b'streamhub_ended_connections_total{cause="stalled"} 1.0' in metrics


async def test_bytes_that_wait(tmp_path: Path, stream: Stream) -> None:
    """While too much waits for slow clients, further questions are refused with the reason; then they are answered."""
    async with served(tmp_path, read_chunk=16 * MIB, max_buffered=MIB) as server:
        async with Raw(server.url, 16 * KIB) as slow:
            await slow.ask(STREAM)
            await slow.head()
            for target in (STREAM, f"{STREAM}/sse", "/v1/streams", f"{STREAM}?live=long-poll&offset=now"):
                status, headers, body = await server.get(target)
                assert (status, headers["Retry-After"]) == (503, "1")
                assert json.loads(body)["detail"].startswith("1048576 bytes wait for clients that are slow")
            for target in ("/healthz", "/", "/metrics"):
                assert (await server.get(target))[0] == 200
            assert await refusals(server, "capacity") == 4

        async def answered() -> bool:
            return (await server.get(f"{STREAM}?tail=1"))[0] == 200

        while not await answered():
            await asyncio.sleep(0.01)
        for _ in range(3):  # what is taken at once does not wait, however much it is
            assert len((await server.get(STREAM))[2]) > 8_000_000


@pytest.mark.slow
async def test_live_bytes_that_wait(tmp_path: Path, stream: Stream) -> None:
    """What is kept for a live client counts as well, and a live client itself is no more disturbed than others."""
    stream.write(b'{"a":"' + b"x" * (12 * MIB) + b'"}\n')
    async with served(tmp_path, max_line=16 * MIB, max_buffered=MIB) as server, Raw(server.url, 16 * KIB) as slow:
        await slow.upgrade(f"{STREAM}/ws?tail=1")
        async with asyncio.timeout(20):
            while (await server.get(f"{STREAM}?tail=1"))[0] == 200:
                await asyncio.sleep(0.05)
        line = stream.line(1)
        assert len((await slow.frame()).payload) > 12 * MIB
        assert (await slow.frame()).payload == line


@pytest.mark.slow
async def test_the_last_descriptors(tmp_path: Path) -> None:
    """A server of 64 descriptors refuses whom it has none for, with the reason, and has some for files; others read."""
    with Stream(tmp_path) as stream, Stream(tmp_path, "t") as other:
        other.line(0)
        async with ServerProcess(tmp_path, descriptors=64) as server, contextlib.AsyncExitStack() as stack:
            live = await stack.enter_async_context(websocket(server.url, f"{STREAM}/ws?tail=0"))
            asks = await stack.enter_async_context(Raw(server.url))
            async with contextlib.AsyncExitStack() as crowd:
                for _ in range(64):
                    raw = await crowd.enter_async_context(Raw(server.url))
                    head = await raw.request(f"{STREAM}/ws?tail=0", HANDSHAKE)
                    if head.status != 101:
                        break
                assert (head.status, head.fields["retry-after"]) == (503, "1")
                assert b"no descriptor left" in await raw.everything()
                head = await asks.request("/v1/stream/t")
                assert head.status == 200
                await asks.exactly(int(head.fields["content-length"]))
                await crowd.enter_async_context(connected(server.url, 50))  # more than can even be refused
                lines = [stream.line(1), stream.line(2)]
                assert [(await live.frame()).payload for _ in lines] == lines
            async with Raw(server.url) as raw:
                assert (await raw.request("/v1/stream/t")).status == 200


@pytest.mark.slow
async def test_a_full_accept_queue(tmp_path: Path) -> None:
    """4,200 connect while the server does not come to accept them: who reads, and who comes after them, is served."""
    with Stream(tmp_path) as stream:
        async with ServerProcess(tmp_path) as server, websocket(server.url, f"{STREAM}/ws?wait=1") as live:
            assert server.process is not None
            server.process.send_signal(signal.SIGSTOP)
            crowd = [Raw(server.url) for _ in range(4200)]
            try:
                for raw in crowd:
                    raw.socket.connect_ex((raw.host.partition(":")[0], server.port))
                lines = [stream.line(number) for number in range(3)]
                server.process.send_signal(signal.SIGCONT)
                assert [(await live.frame()).payload for _ in lines] == lines
                async with Raw(server.url) as raw:
                    assert (await raw.request("/healthz")).status == 200
            finally:
                for raw in crowd:
                    raw.socket.close()
            line = stream.line(3)
            assert (await live.frame()).payload == line


@pytest.mark.slow
async def test_a_flood_leaves_descriptors_for_files(tmp_path: Path) -> None:
    """While 2,500 are refused who never hang up, those who were there before are still answered."""
    with Stream(tmp_path) as stream:
        stream.line(1)
    async with ServerProcess(tmp_path, descriptors=1024) as server, contextlib.AsyncExitStack() as stack:
        asks = await stack.enter_async_context(Raw(server.url))
        for _ in range(900):
            raw = await stack.enter_async_context(Raw(server.url))
            if (await raw.request(f"{STREAM}/ws?tail=0", HANDSHAKE)).status != 101:
                break
        else:
            pytest.fail("nobody was refused")
        flood = [Raw(server.url) for _ in range(2500)]
        try:
            for raw in flood:
                raw.socket.connect_ex(("127.0.0.1", server.port))
            for _ in range(50):
                head = await asks.request(STREAM)
                assert head.status == 200
                await asks.exactly(int(head.fields["content-length"]))
        finally:
            for raw in flood:
                raw.socket.close()

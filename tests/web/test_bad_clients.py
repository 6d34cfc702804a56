"""Healthy clients beside bad ones, on a server in a process of its own: what they cost, and whether anybody notices."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import socket
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests import bad_clients
from tests.bad_clients import KINDS, count_of
from tests.naive import padded
from tests.raw import Raw, websocket
from tests.servers import ServerProcess, Stream

#: How many of the kinds that the issue is about there are; more in a long run.
COUNT = int(os.environ.get("STREAMHUB_TEST_BAD_CLIENTS", "200"))
HEALTHY = 10
MIB = 1024 * 1024
#: Of lines in the stream that bad clients ask for: more than the kernel keeps for a socket that nobody reads.
LONG = 6 * MIB


class Healthy:
    """Clients that read what comes, and measure how long it took.

    Attributes:
        delays: from the write to the last client's having read it, in seconds.
    """

    def __init__(self, stream: Stream, clients: list[Raw]) -> None:
        self.delays: list[float] = []
        self._stream = stream
        self._clients = clients
        self._number = 0

    async def get_a_line(self) -> None:
        """Write a line, and have every client read it next."""
        self._number += 1
        began = time.monotonic()
        line = self._stream.line(self._number)
        for client in self._clients:
            while (frame := await client.frame()).payload != line:
                assert not frame.payload, f"{frame} came before {line!r}"  # a ping
        self.delays.append(time.monotonic() - began)

    async def read(self, seconds: float) -> float:
        """A line now and then, for a while; gives the median of the delays."""
        before, end = len(self.delays), time.monotonic() + seconds
        while time.monotonic() < end:
            await self.get_a_line()
            await asyncio.sleep(0.02)
        return statistics.median(self.delays[before:])


@contextlib.asynccontextmanager
async def healthy(server: ServerProcess, stream: Stream) -> AsyncIterator[Healthy]:
    """Ten healthy clients of a stream."""
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(websocket(server.url, "/v1/stream/s/ws")) for _ in range(HEALTHY)]
        yield Healthy(stream, clients)


def memory_of(server: ServerProcess) -> int:
    """What a server holds of memory that is its own, in bytes."""
    assert server.process is not None
    used: int = psutil.Process(server.process.pid).memory_info().rss
    return used


async def counted(url: str, name: str) -> dict[str, int]:
    """The values of a metric, by its label."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
        text = await answer.text()
    pattern = rf'^streamhub_{name}\{{\w+="([^"]*)"\}} (\S+)$'
    return {label: int(float(value)) for label, value in re.findall(pattern, text, re.MULTILINE)}


def long_stream(path: Path) -> bytes:
    """A long stream in a file; gives its lines, newlines included."""
    data = (padded(999) + b"\n") * (LONG // 1000)
    path.write_bytes(data)
    return data


@pytest.mark.slow
async def test_bad_clients_of_every_kind(tmp_path: Path) -> None:
    """200 that take nothing, 50 of each of twelve kinds: memory is bounded, each ends with its reason, others read."""
    long_stream(tmp_path / "long.jsonl")
    flags = ("--stall-timeout", "2s", "--header-timeout", "5s", "--read-chunk", "256KiB")
    async with ServerProcess(tmp_path, *flags) as server:
        with Stream(tmp_path) as stream:
            async with healthy(server, stream) as clients:
                calm = await clients.read(0.5)
                before = memory_of(server)
                async with bad_clients.let_loose(server.url, "long", COUNT) as told:
                    peak, since = before, len(clients.delays)
                    while not told.done():
                        await clients.read(0.1)
                        peak = max(peak, memory_of(server))
                storm = statistics.median(clients.delays[since:])
                after = await clients.read(0.5)
        ended, refused = (
            await counted(server.url, "ended_connections_total"),
            await counted(server.url, "refused_total"),
        )
    became = json.loads(await told)
    assert became.keys() == {kind.__name__ for kind in KINDS}
    for kind, ending in KINDS.items():
        found = became[kind.__name__]
        assert found == {ending: count_of(kind, COUNT)}, kind.__name__
    quarter = COUNT // 4
    assert ended["stalled"] >= COUNT + 2 * quarter
    assert refused["late"] >= 2 * quarter
    assert peak - before < 64 * MIB
    assert storm < max(10 * calm, 0.25)
    assert after < max(5 * calm, 0.25)


def framed(line: bytes) -> bytes:
    """A line as a text message of the server's."""
    size = len(line)
    return b"\x81" + (bytes((size,)) if size < 126 else b"\x7e" + size.to_bytes(2)) + line


async def crawl(client: Raw, seconds: float) -> bytes:
    """Read a byte, and after a while the next; gives them."""
    found, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        found.append(await asyncio.get_running_loop().sock_recv(client.socket, 1))
        await asyncio.sleep(0.1)
    return b"".join(found)


async def read_on(client: Raw) -> bytes:
    """Read to the end, with room for it now."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MIB)
    client._rest = b""
    found: list[bytes] = []
    while not found or not found[-1].endswith(b"closed"):
        found.append(await client.more())
        assert found[-1], "the connection ended"
    return b"".join(found)


@pytest.mark.slow
async def test_clients_that_read_a_byte_at_a_time(tmp_path: Path) -> None:
    """200 that do cost little memory and nobody's time; none is cut, and when they read on each gets every line."""
    with Stream(tmp_path, "long") as file:
        file.write((padded(999) + b"\n") * 2500)
        file.final()
    lines = file.path.read_bytes().split(b"\n")[:-1]
    expected = b"".join(map(framed, lines)) + b"\x88\x08\x03\xe8closed"
    async with ServerProcess(tmp_path, "--stall-timeout", "2m") as server, contextlib.AsyncExitStack() as stack:
        stream = stack.enter_context(Stream(tmp_path))
        clients = await stack.enter_async_context(healthy(server, stream))
        calm = await clients.read(0.5)
        before = memory_of(server)
        slow = [await stack.enter_async_context(Raw(server.url, 4096)) for _ in range(COUNT)]
        for raw in slow:
            await raw.upgrade("/v1/stream/long/ws")
        begun = [raw._rest for raw in slow]
        crawling = asyncio.gather(*(crawl(raw, 2) for raw in slow))
        crawled = await clients.read(2)
        for place, found in enumerate(await crawling):
            begun[place] += found
        grown = memory_of(server) - before
        assert max(map(len, begun)) < len(expected) // 100
        for place in range(0, COUNT, 20):
            rest = await asyncio.gather(*map(read_on, slow[place : place + 20]))
            assert [found + more == expected for found, more in zip(begun[place:], rest, strict=False)] == [True] * 20
        ended = await counted(server.url, "ended_connections_total")
    assert ended["stalled"] == ended["lost"] == 0
    assert grown < 64 * MIB
    assert crawled < max(10 * calm, 0.25)

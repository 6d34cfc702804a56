"""Origins, JetStream and edges together: whatever is killed, edges serve the origin's bytes at the same offsets."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from tests.brokers import Broker
from tests.relays import RelayProcess, contents, pull_once, pulling, push_once, pushing, size_of, until_same
from tests.servers import ServerProcess, Stream, free_port, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: How large the backlog is, in MiB.
BACKLOG = int(os.environ.get("STREAMHUB_TEST_BACKLOG_MIB", "64"))
#: How many streams there are where there are many.
STREAMS = int(os.environ.get("STREAMHUB_TEST_STREAMS", "1000"))
#: How often each part is killed; and the leader of a cluster, whose followers take seconds to choose another.
KILLS = int(os.environ.get("STREAMHUB_TEST_KILLS", "1"))


class Roamer:
    """A client that reads one stream and changes edges all the time, as load balancers have it."""

    def __init__(self, stream: str, edges: list[str]) -> None:
        self.events: list[Any] = []
        self.moves = 0
        self._stream = stream
        self._edges = itertools.cycle(edges)
        self._offset = "-1"

    async def read(self) -> None:
        """Read until the stream is closed."""
        timeout = aiohttp.ClientTimeout(total=3)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            closed = False
            while not closed:
                self.moves += 1
                try:
                    closed = await self._read_some(session, next(self._edges))
                except (aiohttp.ClientError, TimeoutError):
                    await asyncio.sleep(0.05)

    async def _read_some(self, session: aiohttp.ClientSession, edge: str) -> bool:
        query = f"offset={self._offset}&wait=1&live=long-poll"
        async with session.get(f"{edge}/v1/stream/{self._stream}?{query}") as answer:
            if answer.status == 503:
                await asyncio.sleep(0.05)  # this edge is behind what we have read
                return False
            assert answer.status in {200, 204}, await answer.text()
            if answer.status == 200:
                self.events += json.loads(await answer.read())
            self._offset = answer.headers["Stream-Next-Offset"]
            return "Stream-Closed" in answer.headers


@pytest.mark.slow
async def test_every_part_is_killed_in_turn(tmp_path: Path, nats_server: str) -> None:
    """Killed under load, each part goes on: files are the origin's, and who roams sees each event once."""
    folders = [tmp_path / name / "streams" for name in ("origin", "east", "west")]
    for folder in folders:
        folder.mkdir(parents=True)
    origin, *edges = folders
    nats = tmp_path / "nats"
    nats.mkdir()
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(Broker(nats_server, nats))
        pusher = await stack.enter_async_context(RelayProcess("push", origin, broker.url))
        pullers = [await stack.enter_async_context(RelayProcess("pull", edge, broker.url)) for edge in edges]
        servers = [await stack.enter_async_context(ServerProcess(edge)) for edge in edges]
        streams = [stack.enter_context(Stream(origin, f"s.{number}")) for number in range(3)]
        roamers = [Roamer(stream.id, [server.url for server in servers]) for stream in streams]
        reading = [asyncio.create_task(roamer.read()) for roamer in roamers]
        enough = asyncio.Event()
        writing = asyncio.create_task(_write(streams, enough))
        parts: list[Broker | RelayProcess | ServerProcess] = [broker, pusher, *pullers, *servers]
        for part in parts * KILLS:
            await _until_all_grow(edges)
            await part.stop(signal.SIGKILL)
            grown = size_of(origin)
            await until(lambda grown=grown: size_of(origin) > grown + 5_000)  # type: ignore[misc]
            await part.start()
        await _until_all_grow(edges)
        enough.set()
        await writing  # to the end of its line, or the final one would be a part of it
        for stream in streams:
            stream.final()
        for edge in edges:
            await until_same(origin, edge)
        async with asyncio.timeout(30):
            await asyncio.gather(*reading)
        for roamer, stream in zip(roamers, streams, strict=True):
            lines = stream.path.read_bytes().splitlines()
            assert roamer.events == [json.loads(line) for line in lines]
            assert roamer.moves > 10
    assert "refused" not in "".join(relay.log for relay in pullers)


async def _write(streams: list[Stream], enough: asyncio.Event) -> None:
    """Lines until it is enough, about a thousand a second; some are torn for a while."""
    for number in itertools.count():
        if enough.is_set():
            return
        for stream in streams:
            stream.line(number)
        if number % 10 == 0:
            streams[0].write(b'{"event_type":"signal","payload":')
            await asyncio.sleep(0.005)
            streams[0].write(b'{"name":"torn","value":%d}}\n' % number)
        await asyncio.sleep(0.005)


async def _until_all_grow(edges: list[Path]) -> None:
    before = [size_of(edge) for edge in edges]
    await until(lambda: all(size_of(edge) > size for edge, size in zip(edges, before, strict=True)))


@pytest.mark.slow
async def test_many_streams(origin: Path, edge: Path, broker: Broker) -> None:
    """A thousand streams are carried, followed, and after a restart of both ends brought up to date."""
    _append(origin, range(STREAMS), b"1")
    async with pushing(origin, broker.url), pulling(edge, broker.url):
        await until_same(origin, edge, 60)
        _append(origin, range(0, STREAMS, 3), b"2")
        await until_same(origin, edge, 60)
    _append(origin, range(0, STREAMS, 2), b"3")
    async with pushing(origin, broker.url), pulling(edge, broker.url) as pulled:
        await until_same(origin, edge, 60)
        assert pulled.streams == STREAMS
        # What the common reader had to read again to find its place is bounded by what was new.
        assert pulled.repeats <= STREAMS


def _append(folder: Path, numbers: range, mark: bytes) -> None:
    for number in numbers:
        with (folder / f"s.{number}.jsonl").open("ab") as file:
            file.write(b'{"stream":%d,"mark":"%s"}\n' % (number, mark) * 3)


@pytest.mark.slow
async def test_a_backlog_takes_no_more_memory(tmp_path: Path, broker: Broker) -> None:
    """However much there is to carry, neither end holds more than a small part of it."""
    peaks = []
    for number, mebibytes in enumerate((1, BACKLOG)):
        origin, edge = tmp_path / f"origin-{number}", tmp_path / f"edge-{number}"
        origin.mkdir()
        edge.mkdir()
        block = (b'{"n":"' + b"x" * 243 + b'"}\n') * 4096
        for stream in range(4):
            with (origin / f"{number}-{stream}.jsonl").open("wb") as file:
                for _ in range(mebibytes // 4 or 1):
                    file.write(block)
        peaks.append((await _peak("push", origin, broker), await _peak("pull", edge, broker, f"{number}-*")))
        await asyncio.to_thread(_compare, origin, edge)
    for small, large in zip(*peaks, strict=True):
        assert large - small < 48 << 20, peaks


async def _peak(command: str, folder: Path, broker: Broker, match: str = "*") -> int:
    """Run a relay once; the most memory that it took, in bytes."""
    arguments = ["--dir", str(folder), "--nats", broker.url, "--once", "--match", match]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "streamhub", "relay", command, *arguments, stderr=asyncio.subprocess.DEVNULL
    )
    peak = 0
    while process.returncode is None:
        with contextlib.suppress(OSError):  # it has just ended
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = max([peak, *(int(row.split()[1]) << 10 for row in status.splitlines() if row.startswith("VmHWM"))])
        await asyncio.sleep(0.02)
    assert process.returncode == 0
    assert peak
    return peak


def _compare(origin: Path, edge: Path) -> None:
    for path in origin.iterdir():
        assert (edge / path.name).read_bytes() == path.read_bytes()


@pytest.fixture
async def cluster(tmp_path: Path, nats_server: str) -> AsyncIterator[list[Broker]]:
    """Three servers that keep JetStream together."""
    ports = [free_port() for _ in range(3)]
    routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports)
    brokers = []
    for number, port in enumerate(ports, 1):
        directory = tmp_path / f"nats-{number}"
        directory.mkdir()
        config = f'cluster {{ name: test, listen: "127.0.0.1:{port}", routes: [ {routes} ] }}'
        brokers.append(Broker(nats_server, directory, name=f"n{number}", config=config))
    try:
        for broker in brokers:
            await broker.launch()
        for broker in brokers:
            await until(broker.is_healthy)
        await until(lambda: any(broker.knows_all_peers(2) for broker in brokers))
        yield brokers
    finally:
        for broker in brokers:
            await broker.stop()


@pytest.mark.slow
async def test_a_cluster_fails_over(origin: Path, edge: Path, tmp_path: Path, cluster: list[Broker]) -> None:
    """With three replicas the server that leads can be killed: nothing that was acknowledged is lost, all goes on."""
    urls = tuple(broker.url for broker in cluster)
    async with AsyncExitStack() as stack:
        pushed = await stack.enter_async_context(pushing(origin, urls[0], servers=urls, replicas=3))
        await stack.enter_async_context(pulling(edge, urls[0], servers=urls))
        stream = stack.enter_context(Stream(origin))
        enough = asyncio.Event()
        writing = asyncio.create_task(_write([stream], enough))
        for _ in range(KILLS):
            await _until_all_grow([edge])
            await until(lambda: any(broker.leads("STREAMHUB") for broker in cluster))
            leader = next(broker for broker in cluster if broker.leads("STREAMHUB"))
            await leader.stop()
            await _until_all_grow([edge])
            await leader.start()
        enough.set()
        await writing
        await until_same(origin, edge)
        await until(lambda: not pushed.lags)
    for fresh in ("once", "more"):
        (tmp_path / fresh).mkdir()
        await pull_once(tmp_path / fresh, urls[0], servers=urls)
        assert contents(tmp_path / fresh) == contents(origin)
    assert (await push_once(origin, urls[0], servers=urls)).messages == 0

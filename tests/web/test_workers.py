"""Several processes on one port."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from typing import TYPE_CHECKING

import aiohttp
import psutil
import pytest

from streamhub.web.server import LAST_ANSWERS
from streamhub.web.timing import Timing
from streamhub.web.workers import STOP
from tests.raw import websocket
from tests.servers import ServerProcess, Stream, until

if TYPE_CHECKING:
    from pathlib import Path


def workers_of(server: ServerProcess) -> list[psutil.Process]:
    """The processes that serve: those of the parent's children that listen."""
    assert server.process is not None
    return [child for child in psutil.Process(server.process.pid).children() if listens(child)]


def listens(process: psutil.Process) -> bool:
    """Whether a process waits for connections; one that is gone does not."""
    try:
        return any(at.status == "LISTEN" for at in process.net_connections())
    except psutil.NoSuchProcess:
        return False


@pytest.mark.slow
async def test_workers_share_a_port_and_their_metrics(tmp_path: Path) -> None:
    """Two workers answer on one port, each reader gets every line, a scrape of either counts for both."""
    async with ServerProcess(tmp_path, "--workers", "2") as server, aiohttp.ClientSession() as session:
        await until(lambda: len(workers_of(server)) == 2)
        with Stream(tmp_path) as stream:
            lines = [stream.line(number) for number in range(10)]
            sockets = [await session.ws_connect(f"{server.url}/v1/stream/s/ws") for _ in range(24)]
            lines += [stream.line(number) for number in range(10, 20)]
            lines.append(stream.final())
            for socket in sockets:
                assert [message.data.encode() async for message in socket] == lines
                assert socket.close_code == 1000
        held = [len(worker.net_connections()) for worker in workers_of(server)]
        assert len(held) == 2

        async def events() -> float:
            async with session.get(f"{server.url}/metrics", headers={"Connection": "close"}) as response:
                text = await response.text()
            return float(re.search(r'sent_events_total{transport="websocket"} (\S+)', text)[1])  # type: ignore[index]

        async with asyncio.timeout(20):
            while await events() != 24 * 21:  # the other worker's numbers are carried over once a second
                await asyncio.sleep(0.1)
        assert await server.stop() == 0


@pytest.mark.slow
async def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    """Kill one: another takes its place, and the server answers all the while."""
    async with ServerProcess(tmp_path, "--workers", "2") as server, aiohttp.ClientSession() as session:
        await until(lambda: len(workers_of(server)) == 2)
        victim, survivor = workers_of(server)
        victim.send_signal(signal.SIGKILL)
        await until(lambda: len(workers_of(server)) == 2 and victim.pid not in {w.pid for w in workers_of(server)})
        assert survivor.is_running()
        async with session.get(f"{server.url}/v1/streams") as response:
            assert json.loads(await response.read())["streams"] == []
        assert await server.stop() == 0


@pytest.mark.slow
async def test_workers_end_with_their_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill the parent: its workers send their readers away and end, and leave neither the port nor a folder behind."""
    streams, scratch = tmp_path / "streams", tmp_path / "scratch"
    streams.mkdir()
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    with Stream(streams) as stream:
        stream.line(1)
    async with ServerProcess(streams, "--workers", "2") as server, websocket(server.url, "/v1/stream/s/ws") as raw:
        await until(lambda: len(workers_of(server)) == 2)
        workers = workers_of(server)
        assert list(scratch.glob("streamhub-metrics-*"))
        await server.stop(signal.SIGKILL)
        frames = await raw.frames()
        assert frames[-1].code == 1001
        await raw.say_close(1001)
        await until(lambda: not any(worker.is_running() for worker in workers))
        assert not list(scratch.glob("streamhub-metrics-*"))
        await server.start()
        await until(lambda: len(workers_of(server)) == 2)
        assert await server.stop() == 0


def test_the_time_that_workers_may_take() -> None:
    """Each may have all the time that a drain takes; one that does not end is killed within the ten seconds."""
    assert Timing().drain * (1 + 2 * LAST_ANSWERS) < STOP < 10

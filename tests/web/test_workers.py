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

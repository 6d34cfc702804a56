"""A server that is killed and started again, under a mission that goes on and clients that come back."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

import aiohttp
import pytest

from tests.servers import ServerProcess, until
from tests.transports import TRANSPORTS
from tests.writers import writing

_KILLS = 4
_EVENTS = 500


async def grows(path: Path) -> None:
    """Wait until some more events were written."""
    size = path.stat().st_size
    await until(lambda: path.stat().st_size > size + 5000)


@pytest.mark.slow
async def test_each_event_comes_once_over_a_server_that_is_killed(tmp_path: Path) -> None:
    """A reader that resumes, on whatever transport, has every event once, in order, when the mission ends."""
    path, go_on = tmp_path / "s.jsonl", tmp_path / "go-on"
    go_on.touch()
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        server = await stack.enter_async_context(ServerProcess(tmp_path))
        mission = await stack.enter_async_context(writing("emit", tmp_path, "s", _EVENTS, 0.004))
        await until(path.exists)
        readers = [transport(server.url, ("s",), http=http, reconnects=True) for transport in TRANSPORTS]
        for reader in readers:
            await stack.enter_async_context(reader)
        for _ in range(_KILLS):
            for reader in readers:
                await reader.gains(10)
            await server.stop(signal.SIGKILL)
            await grows(path)
            await server.start()
        go_on.unlink()
        assert await mission.wait() == 0
        for reader in readers:
            await reader.learns()
    truth = path.read_bytes().split(b"\n")[:-1]
    assert len(truth) > _EVENTS
    for reader in readers:
        assert reader.log.told == "end", reader
        assert reader.log.lines == truth, reader
        assert reader.connections > _KILLS, reader

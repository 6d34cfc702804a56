"""Two processes, as in real life: one emits, one serves; and clients that read from the one what the other wrote."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from tests.clients.programs import Program
from tests.readers import Reader
from tests.servers import ServerProcess, until
from tests.transports import Multiplexed, PlainEventStream, PlainWebSocket
from tests.writers import writing

_EVENTS = 100_000
_CLIENTS: list[type[Reader]] = [PlainWebSocket] * 4 + [Multiplexed] * 3 + [PlainEventStream] * 3


@pytest.mark.slow
async def test_ten_clients_get_each_of_100_000_events_once(tmp_path: Path) -> None:
    """One process emits as fast as it can while ten clients read: each gets each line once, in order, byte for byte."""
    path = tmp_path / "s.jsonl"
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(ServerProcess(tmp_path))
        mission = await stack.enter_async_context(writing("emit", tmp_path, "s", _EVENTS, 0))
        await until(path.exists)
        readers = [await stack.enter_async_context(transport(server.url, ("s",))) for transport in _CLIENTS]
        for reader in readers:
            await reader.learns(120)
        assert await mission.wait() == 0
    truth = path.read_bytes().split(b"\n")[:-1]
    assert [json.loads(line)["payload"].get("count") for line in truth] == [*range(_EVENTS), None]
    for reader in readers:
        assert reader.log.told == "end", reader
        assert reader.log.lines == truth, reader


@pytest.mark.slow
async def test_wscat_watches_a_mission(tmp_path: Path, node_modules: Path) -> None:
    """What a newcomer does first: history, then live lines, then the end, in a terminal."""
    path = tmp_path / "s.jsonl"
    async with ServerProcess(tmp_path) as server, writing("emit", tmp_path, "s", 200, 0.005) as mission:
        await until(lambda: path.exists() and path.read_bytes().count(b"\n") > 20)
        url = f"{server.url.replace('http', 'ws')}/v1/stream/s/ws"
        async with Program("node", str(node_modules / "wscat" / "bin" / "wscat"), "-c", url) as wscat:
            await wscat.printed(20)
            assert mission.returncode is None, "the mission was over before anybody watched it live"
            assert await wscat.ended() == 0
        assert await mission.wait() == 0
    assert wscat.lines == path.read_bytes().split(b"\n")[:-1]
    assert len(wscat.lines) == 201

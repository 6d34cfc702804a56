"""A server that is told to stop under many clients, and what becomes of them when it is started again."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from streamhub import hub, page
from streamhub.config import MIB, Config
from streamhub.stream import StreamFile
from streamhub.web.server import LAST_ANSWERS, running
from streamhub.web.timing import Timing
from tests.naive import padded
from tests.raw import CLOSE, HANDSHAKE, TEXT, Raw, websocket
from tests.readers import Reader
from tests.servers import ServerProcess, Stream, until
from tests.transports import DurableEventStream, LongPoll, Multiplexed, PlainEventStream
from tests.web.inside import SILENT, inside
from tests.writers import writing

#: Five hundred in all, with the twenty plain sockets beside them.
CROWD: dict[type[Reader], int] = {
    Multiplexed: 220,
    PlainEventStream: 200,
    DurableEventStream: 40,
    LongPoll: 20,
}
PLAIN = 20


async def told_to_go(raw: Raw) -> int:
    """Read lines up to the close frame, and answer that; gives its code."""
    while (frame := await raw.frame()).opcode == TEXT:
        pass
    assert frame.opcode == CLOSE
    await raw.say_close(frame.code)
    return frame.code


@pytest.mark.slow
async def test_500_clients_are_sent_away_and_come_back(tmp_path: Path) -> None:
    """SIGTERM: sockets get 1001, event streams end, it exits with 0; resumed, all have each event once."""
    path, go_on = tmp_path / "s.jsonl", tmp_path / "go-on"
    go_on.touch()
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        server = await stack.enter_async_context(ServerProcess(tmp_path))
        mission = await stack.enter_async_context(writing("emit", tmp_path, "s", 10, 0.2))
        await until(path.exists)
        readers = [
            kind(server.url, ("s",), http=http, reconnects=True) for kind, count in CROWD.items() for _ in range(count)
        ]
        for place in range(0, len(readers), 40):
            await asyncio.gather(*map(stack.enter_async_context, readers[place : place + 40]))
        plain = [await stack.enter_async_context(websocket(server.url, "/v1/stream/s/ws")) for _ in range(PLAIN)]
        assert len(readers) + len(plain) == 500
        before = [reader.connections for reader in readers]
        async with asyncio.timeout(30):  # of a busy machine
            left = asyncio.gather(*map(told_to_go, plain))
            exit_code, codes = await asyncio.gather(server.stop(signal.SIGTERM), left)
        assert exit_code == 0
        assert codes == [1001] * PLAIN
        size = path.stat().st_size
        await until(lambda: path.stat().st_size > size)
        await server.start()
        await until(lambda: all(reader.connections > made for reader, made in zip(readers, before, strict=True)))
        go_on.unlink()
        assert await mission.wait() == 0
        await until(lambda: all(reader.log.told for reader in readers))
        for reader in readers:
            reader.fail()
    truth = path.read_bytes().split(b"\n")[:-1]
    assert len(truth) > 10
    for reader in readers:
        assert (reader.log.told, reader.log.lines == truth) == ("end", True), reader


def test_the_time_that_it_may_take() -> None:
    """Who is live, who is being answered, and who is cancelled in that: together they have ten seconds at the most."""
    assert Timing().drain * (1 + 2 * LAST_ANSWERS) <= 10


async def test_who_goes_live_while_the_others_go(tmp_path: Path) -> None:
    """A request that was let in before, and is live only after, is sent away like those that were."""
    with Stream(tmp_path) as stream:
        stream.line(1)
    async with inside(tmp_path) as it, Raw(it.url) as raw:
        hub, look = it.hub, it.hub.locate

        async def slow(*asked: Any) -> Any:
            found = await look(*asked)
            hub.drain()
            return found

        hub.locate = slow  # type: ignore[assignment]
        await raw.upgrade("/v1/stream/s/ws")
        assert (await raw.frames())[-1].code == 1001


@pytest.mark.slow
async def test_a_stalled_client_does_not_hold_the_shutdown(tmp_path: Path) -> None:
    """While it is waited for others are told that the server is not ready; then it is cut, and the server is gone."""
    with Stream(tmp_path) as stream:
        stream.write((padded(999) + b"\n") * 8000)
    config = Config(directory=str(tmp_path), port=0, read_chunk=8 * MIB)
    async with contextlib.AsyncExitStack() as clients:
        server = contextlib.AsyncExitStack()
        url = await server.enter_async_context(running(config, replace(SILENT, drain=1.0)))
        socket, answer = [await clients.enter_async_context(Raw(url, 4096)) for _ in range(2)]
        asks, late = [await clients.enter_async_context(Raw(url)) for _ in range(2)]
        await socket.upgrade("/v1/stream/s/ws")
        await answer.ask("/v1/stream/s")
        await answer.head()
        stopping = asyncio.create_task(server.aclose())
        while (head := await asks.request("/readyz")).status == 200:
            await asks.exactly(int(head.fields["content-length"]))
        assert head.status == 503
        head = await late.request("/v1/stream/s/ws", HANDSHAKE)
        assert (head.status, head.fields["retry-after"]) == (503, "1")
        async with asyncio.timeout(30):
            await stopping
        assert await socket.cut()


@pytest.mark.parametrize("address", ["/v1/stream/s?tail=5", "/v1/stream/s/sse?tail=5"])
async def test_a_search_ends_with_its_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """What is looked for in a long file on behalf of a client is looked for no more once that has left."""
    began, ended = threading.Event(), threading.Event()

    def endless(file: StreamFile, *_asked: object) -> int:
        began.set()
        try:
            while True:
                file.check_wanted()
                time.sleep(0.001)
        finally:
            ended.set()

    monkeypatch.setattr(hub, "locate", endless)
    monkeypatch.setattr(page, "locate", endless)
    with Stream(tmp_path) as stream:
        stream.line(1)
    async with inside(tmp_path) as it:
        async with Raw(it.url) as raw:
            await raw.ask(address)
            await until(began.is_set)
            assert not ended.is_set()
        await until(ended.is_set)

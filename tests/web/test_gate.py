"""The time for the head of a request."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

import pytest

from streamhub.web.gate import Gate
from streamhub.web.timing import Timing
from tests.raw import PING, TEXT, Raw
from tests.servers import Server, Stream, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_TIMING = Timing(heartbeat=0.6, sweep=0.05)
_HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[Server]:
    """A server that waits a moment only."""
    async with served(tmp_path, timing=_TIMING, header_timeout=0.4) as server:
        yield server


@pytest.mark.slow
async def test_silence(strict: Server) -> None:
    """A client that says nothing is hung up on, and told nothing: it asked nothing."""
    async with Raw(strict.url) as raw:
        assert await raw.everything() == b""


@pytest.mark.slow
@pytest.mark.parametrize(
    "head", [b"G", b"\r\n\r\n\r\n\r\nG", _HEAD[:-1], _HEAD[:-2], _HEAD[:-3], _HEAD[:-4] + b"\r\nX: "]
)
async def test_a_head_that_does_not_come(strict: Server, head: bytes) -> None:
    """Part of a head, however much, gets 408 with its reason, and then the end."""
    async with Raw(strict.url) as raw:
        await raw.send(head)
        answer = await raw.head()
        assert (answer.status, answer.fields["connection"]) == (408, "close")
        problem = json.loads(await raw.everything())
        assert problem["status"] == 408
        assert "0.4 s" in problem["detail"]


@pytest.mark.slow
async def test_a_trickle(strict: Server) -> None:
    """Who sends a byte now and then has no more time than others."""
    async with Raw(strict.url) as raw, asyncio.timeout(20):

        async def trickle() -> None:
            await raw.send(b"GET / HTTP/1.1\r\n")
            with contextlib.suppress(ConnectionError):
                while True:
                    await raw.send(b"X-Slow: yes\r\n")
                    await asyncio.sleep(0.05)

        task = asyncio.create_task(trickle())
        assert (await raw.head()).status == 408
        await task
    _, _, metrics = await strict.get("/metrics")
    assert b'streamhub_refused_total{cause="late"} 1.0' in metrics


async def test_a_head_in_pieces(strict: Server) -> None:
    """Wherever the head is cut, it is a head once it is there; several may follow on the same connection."""
    async with Raw(strict.url) as raw:
        for byte in _HEAD:
            await raw.send(bytes([byte]))
        for _ in range(3):
            head = await raw.head()
            assert head.status == 200
            await raw.exactly(int(head.fields["content-length"]))
            await raw.send(_HEAD)


async def test_what_is_no_http(strict: Server) -> None:
    """What cannot become a head is refused at once, without waiting for the rest of it."""
    async with Raw(strict.url) as raw:
        await raw.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        assert (await raw.head()).status == 400


@pytest.mark.slow
async def test_who_is_in_stays(strict: Server, tmp_path: Path) -> None:
    """The time for the head has no hold on a connection that is live, or that waits for its answer."""
    with Stream(tmp_path) as stream:
        stream.line(1)
        async with Raw(strict.url) as socket, Raw(strict.url) as poll:
            await socket.upgrade("/v1/stream/s/ws")
            await poll.ask("/v1/stream/s?live=long-poll&offset=now")
            assert [(await socket.frame()).opcode for _ in range(3)] == [TEXT, PING, PING]
            stream.line(2)
            assert (await socket.frame()).opcode == TEXT
            assert (await poll.head()).status == 200


@pytest.mark.parametrize("lingers", [True, False])
async def test_who_is_refused_for_want_of_room(*, lingers: bool) -> None:
    """It is told so, and may listen on for a moment; not when hardly any room is left to refuse in."""
    closing: list[bool] = []

    class Watched(Gate):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            closing.append(transport.is_closing())

    def gate() -> Gate:
        return Watched(asyncio.Protocol(), 60.0, lambda: None, lambda _transport: False, lambda _transport: lingers)

    server = await asyncio.get_running_loop().create_server(gate, "127.0.0.1", 0)
    async with server, Raw(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as raw:
        assert (await raw.head()).status == 503
        assert b"no descriptor left" in await raw.everything()
    assert closing == [not lingers]

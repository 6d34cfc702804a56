from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.naive import padded
from tests.raw import PING, TEXT, Raw, websocket
from tests.servers import Stream, until
from tests.web.inside import QUICK, SILENT, Inside, inside

WS, SSE = "/v1/stream/s/ws", "/v1/stream/s/sse"


# --- signs of life --------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_quiet_connection_says_something(tmp_path: Path) -> None:
    """After the heartbeat's time without a word each form has its sign, again and again: ping, comment, message."""
    async with inside(tmp_path, QUICK) as it:
        with Stream(tmp_path) as stream:
            stream.line(0)
            async with websocket(it.url, WS) as plain, websocket(it.url, "/v1/ws?stream=s") as multiplexed:
                await plain.frame()
                for _ in range(3):
                    assert await plain.frame() == (PING, b"")
                for _ in range(2):
                    await multiplexed.frame()
                for _ in range(3):
                    assert b'"heartbeat"' in (await multiplexed.frame()).payload
            async with Raw(it.url) as raw:
                await raw.request(SSE)
                await raw.until(b"\n\n: ")
                await raw.until(b"\n\n: ")


@pytest.mark.slow
async def test_a_busy_connection_does_not(tmp_path: Path) -> None:
    """While lines come there is no need for another sign of life."""
    async with inside(tmp_path, replace(QUICK, heartbeat=0.5)) as it:
        with Stream(tmp_path) as stream:
            async with websocket(it.url, WS + "?wait=1") as raw:
                for i in range(40):
                    line = stream.line(i)
                    assert await raw.frame() == (TEXT, line)
                    await asyncio.sleep(0.03)


# --- the end --------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_everyone_is_told_to_go(tmp_path: Path) -> None:
    """When the server shuts down, WebSockets get 1001, event streams their end; then nothing is left."""
    with Stream(tmp_path) as stream:
        stream.line(0)
        async with (
            inside(tmp_path) as it,
            websocket(it.url, WS) as plain,
            websocket(it.url, "/v1/ws?match=*") as many,
            Raw(it.url) as sse,
        ):
            await sse.request(SSE)
            draining = asyncio.create_task(it.connections.drain(5))
            for raw in (plain, many):
                assert (await raw.frames())[-1].code == 1001
                await raw.say_close(1001)
            assert (await sse.everything()).startswith(b"retry")
            sse.socket.close()
            await draining
            assert not it.connections.open


async def test_draining_does_not_wait_for_the_deaf(it: Inside, stream: Stream) -> None:
    """A client that does not go holds up the server for as long as it was given, no more."""
    async with websocket(it.url, WS):
        await it.connections.drain(0.05)
        assert len(it.connections.open) == 1


async def test_nothing_is_left_of_the_server(tmp_path: Path) -> None:
    """Closed, it has cut who was left, and holds no descriptor of theirs."""
    with Stream(tmp_path) as stream:
        stream.write((padded(999) + b"\n") * 6000)
        async with inside(tmp_path, replace(SILENT, drain=0.05)) as it, Raw(it.url, 16 * 1024) as raw:
            await raw.upgrade(WS)
            await until(lambda: len(it.connections._blocked) == 1)
            (connection,) = it.connections.open
            fd = connection.fd
            link = os.readlink(f"/proc/self/fd/{fd}")
        assert not os.path.exists(f"/proc/self/fd/{fd}") or os.readlink(f"/proc/self/fd/{fd}") != link

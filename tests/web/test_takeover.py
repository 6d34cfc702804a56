from __future__ import annotations

import asyncio
import gc
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp.web_protocol import RequestHandler

from tests.raw import CLOSE, HANDSHAKE, PING, TEXT, Raw, websocket
from tests.servers import Stream, until
from tests.web.inside import SILENT, Inside, inside

MIB = 1024 * 1024
WS, SSE = "/v1/stream/s/ws", "/v1/stream/s/sse"


def handlers() -> int:
    """How many of aiohttp's protocol objects are alive."""
    gc.collect()
    return sum(isinstance(thing, RequestHandler) for thing in gc.get_objects())


@pytest.mark.slow
async def test_nothing_of_aiohttp_is_left_behind(it: Inside, stream: Stream) -> None:
    """Once a connection is taken over, aiohttp has forgotten it: its count, its task, its protocol object."""
    before, tasks = handlers(), asyncio.all_tasks()
    async with AsyncExitStack() as clients:
        for target in (WS, SSE, "/v1/ws?stream=s", "/v1/stream/s?live=sse&offset=-1"):
            known = set(it.connections.open)
            raw = await clients.enter_async_context(Raw(it.url))
            head = await raw.request(target, HANDSHAKE if "ws" in target else None)
            assert head.status in {101, 200}
            (connection,) = it.connections.open - known
            assert it.held == 0
            assert connection._transport.get_protocol() is connection
            assert not connection._transport.is_closing()
            await until(lambda: asyncio.all_tasks() <= tasks)
        assert handlers() <= before
        assert it.readers() == len(it.connections.open) == 4
    await until(lambda: it.deserted)


async def test_the_handlers_response_is_not_sent(it: Inside, stream: Stream) -> None:
    """What the handler returns after the take-over goes nowhere: the head is followed by our bytes alone."""
    stream.final()
    async with websocket(it.url, WS) as raw:
        assert [frame.opcode for frame in await raw.frames()] == [TEXT, TEXT, CLOSE]
        await raw.say_close()
        assert await raw.everything() == b""
    async with Raw(it.url) as raw:
        await raw.request(SSE)
        assert (await raw.everything()).count(b"HTTP/1.1") == 0


async def test_a_taken_connection_is_not_closed_by_aiohttp(tmp_path: Path) -> None:
    """Keep-alive and shutdown timers of aiohttp's do not reach a connection that is no longer its own."""
    async with inside(tmp_path) as it:
        with Stream(tmp_path) as stream:
            stream.line(0)
            async with websocket(it.url, WS) as raw:
                await raw.frame()
                assert it.runner.server is not None
                await it.runner.server.shutdown(0.01)
                line = stream.line(1)
                assert (await raw.frame()).payload == line


async def test_a_client_that_leaves_before_it_is_answered(it: Inside, stream: Stream) -> None:
    """A client that vanishes while its stream is looked up leaves nothing behind."""
    release = asyncio.Event()
    loop = asyncio.get_running_loop()
    blocked = [loop.run_in_executor(it.hub._readers, _wait_for, release, loop) for _ in range(4)]
    for target in (WS, SSE, "/v1/ws?stream=s"):
        async with Raw(it.url) as raw:
            await raw.ask(target + ("&" if "?" in target else "?") + "offset=now", HANDSHAKE)
            await until(lambda: it.held == 1)
            raw.reset()
        await until(lambda: it.held == 0)
    release.set()
    await asyncio.gather(*blocked)
    await until(lambda: it.deserted)


def _wait_for(event: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    """Block a thread until an event of the loop's is set."""
    asyncio.run_coroutine_threadsafe(event.wait(), loop).result()


async def test_a_request_with_a_body_does_not_deafen_the_connection(it: Inside, stream: Stream) -> None:
    """A client that sends more than anybody reads is still heard: when it leaves, that is noticed."""
    async with Raw(it.url) as raw:
        await raw.ask(SSE, {"Content-Length": str(4 * MIB)})
        await raw.send(b"x" * 2 * MIB)
        assert (await raw.head()).status == 200
        await raw.send(b"x" * 2 * MIB)
    await until(lambda: it.deserted)


async def test_a_request_behind_an_event_stream_is_thrown_away(it: Inside, stream: Stream) -> None:
    """What is pipelined behind a request that takes the connection is no request: the first is the last."""
    async with Raw(it.url) as raw:
        await raw.ask(SSE)
        await raw.ask("/healthz")
        assert (await raw.head()).fields["connection"] == "close"
        await raw.ask("/healthz")
        stream.final()
        assert b"HTTP/1.1" not in await raw.everything()


async def test_requests_before_it_are_answered(it: Inside, stream: Stream) -> None:
    """A connection that was used for other requests can be taken over; those that are pipelined come first."""
    async with Raw(it.url) as raw:
        for _ in range(3):
            await raw.ask("/v1/stream/s")
        await raw.ask(WS, HANDSHAKE)
        for _ in range(3):
            head = await raw.head()
            assert head.status == 200
            await raw.exactly(int(head.fields["content-length"]))
        assert (await raw.head()).status == 101
        assert (await raw.frame()).opcode == TEXT


@pytest.mark.parametrize("target", [WS, SSE])
@pytest.mark.parametrize("way", ["close", "reset", "half-close"])
async def test_a_client_that_leaves(it: Inside, stream: Stream, target: str, way: str) -> None:
    """However a client goes, with a FIN, by force, or by saying that it will say no more: nothing of it is left."""
    async with Raw(it.url) as raw:
        await raw.request(target, HANDSHAKE if target == WS else None)
        await raw.more()
        assert it.readers() == 1
        if way == "reset":
            raw.reset()
        elif way == "half-close":
            raw.half_close()
            await raw.everything()
        else:
            raw.socket.close()
    await until(lambda: it.deserted)
    assert not it.connections._blocked


async def test_clients_that_vanish_disturb_nobody(it: Inside, stream: Stream) -> None:
    """Of two hundred half reset their connection just before a line comes: the others get it, and the next."""
    async with asyncio.timeout(30):
        clients = [Raw(it.url) for _ in range(200)]
        for raw in clients:
            await raw.__aenter__()
            await raw.upgrade(WS)
            await raw.frame()
        for raw in clients[::2]:
            raw.reset()
        lines = [stream.line(1)]
        await it.hub.poll(it.hub.channels["s"])
        lines.append(stream.line(2))
        for raw in clients[1::2]:
            assert [(await raw.frame()).payload for _ in range(2)] == lines
            raw.socket.close()
    await until(lambda: it.deserted)


@pytest.mark.parametrize("target", [WS, SSE])
async def test_clients_that_leave_at_the_end_keep_nobody_from_hearing_it(
    it: Inside, stream: Stream, target: str
) -> None:
    """Clients close just before their stream is deleted, so that the word of it meets nobody: the others are told."""
    clients = [Raw(it.url) for _ in range(20)]
    for raw in clients:
        await raw.__aenter__()
        await raw.request(target, HANDSHAKE if target == WS else None)
        await (raw.frame() if target == WS else raw.more())
    for raw in clients[::2]:
        raw.socket.close()
    it.hub.channels["s"].replaced(None)  # in the same step of the loop, which has not seen them leave
    for raw in clients[1::2]:
        if target == WS:
            assert (await raw.frame()).payload[:2] == (4404).to_bytes(2)
        else:
            assert await raw.until(b"event: reset\n")
        raw.socket.close()
    await until(lambda: it.deserted)


@pytest.mark.slow
@pytest.mark.parametrize("target", [WS, SSE])
async def test_a_client_that_vanishes_without_a_word(tmp_path: Path, stream: Stream, target: str) -> None:
    """A peer whose machine is gone confirms no sign of life: it is found out, and counted as lost; others stay."""
    timing = replace(SILENT, heartbeat=0.1, vanished=0.2)
    async with inside(tmp_path, timing, stall_timeout=0.2) as it, Raw(it.url) as gone, websocket(it.url, WS) as there:
        await (gone.upgrade(target) if target == WS else gone.request(target))
        await gone.more()
        gone.vanish()
        await until(lambda: it.connections.meter.ended["lost"] == 1)
        assert len(it.connections.open) == 1
        line = stream.line(1)
        while (frame := await there.frame()).payload != line:
            assert frame.opcode in {TEXT, PING}


@pytest.mark.parametrize("target", [WS, SSE])
async def test_what_nobody_foresaw_ends_one_connection(
    it: Inside, stream: Stream, target: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection that raises when it is written to is cut, and that is logged; the others have their lines."""
    async with Raw(it.url) as raw, websocket(it.url, WS) as other:
        await (raw.upgrade(target) if target == WS else raw.request(target))
        await raw.more()
        await other.frame()
        (connection,) = [one for one in it.connections.open if one._transport.get_extra_info("peername") == raw.name]
        assert connection.reader is not None
        # As good as any other fault, on both ways to the socket.
        connection.reader.cursors[0].descriptor = connection.fd = 1 << 40  # out of the range of descriptors
        lines = [stream.line(1), stream.line(2)]
        assert [(await other.frame()).payload for _ in lines] == lines
        assert await raw.cut()
        await until(lambda: len(it.connections.open) == 1)
        line = stream.line(3)
        assert (await other.frame()).payload == line
    assert it.connections.meter.ended["failed"] == 1
    assert all(record.exc_info for record in caplog.records)


@pytest.mark.parametrize(("target", "said"), [(WS, b"\x03\xf3the server failed: its log says why"), (SSE, b"")])
async def test_a_fault_is_told(it: Inside, stream: Stream, target: str, said: bytes) -> None:
    """A client whose reader failed is told that it is the server's fault, with 1011 on a socket, and may come again."""
    async with Raw(it.url) as raw:
        await (raw.upgrade(target) if target == WS else raw.request(target))
        await raw.more()
        (connection,) = it.connections.open
        connection.fail()
        if target == WS:
            assert (await raw.frame()).payload == said
            await raw.say_close(1011)
        assert await raw.everything() == b""
    await until(lambda: it.deserted)
    assert it.connections.meter.ended["failed"] == 1

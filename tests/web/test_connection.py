from __future__ import annotations

import asyncio
import gc
import os
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiohttp.web_protocol import RequestHandler

from streamhub.batch import Batch
from streamhub.channel import Channel, Place
from streamhub.folder import Folder
from streamhub.history import History
from streamhub.meter import Meter
from streamhub.stream import Look
from streamhub.web.connection import Connections
from streamhub.web.sse import EventStream
from streamhub.web.timing import Timing
from streamhub.wire import pong_frame
from tests.naive import padded
from tests.raw import CLOSE, HANDSHAKE, PING, PONG, TEXT, Frame, Raw, websocket
from tests.servers import Stream, until
from tests.sinks import Told, newlined
from tests.web.inside import QUICK, SILENT, Inside, inside

MIB = 1024 * 1024
WS, SSE = "/v1/stream/s/ws", "/v1/stream/s/sse"


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Inside]:
    """A server that has nothing to say of its own accord."""
    async with inside(tmp_path) as server:
        yield server


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[Stream]:
    """A stream with a line in it."""
    with Stream(tmp_path) as file:
        file.line(0)
        yield file


def handlers() -> int:
    """How many of aiohttp's protocol objects are alive."""
    gc.collect()
    return sum(isinstance(thing, RequestHandler) for thing in gc.get_objects())


# --- taking over ----------------------------------------------------------------------------------------------


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
        connection.reader.cursors[0].descriptor = connection.fd = "no number"  # type: ignore[assignment]
        lines = [stream.line(1), stream.line(2)]
        assert [(await other.frame()).payload for _ in lines] == lines
        assert await raw.cut()
        await until(lambda: len(it.connections.open) == 1)
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


# --- slow clients ---------------------------------------------------------------------------------------------


async def test_a_slow_client_gets_every_byte(it: Inside, stream: Stream) -> None:
    """A client that takes its time is behind, and misses nothing: history, then what came meanwhile, then the end."""
    stream.write((padded(999) + b"\n") * 8000)
    async with Raw(it.url, 16 * 1024) as raw:
        await raw.upgrade(WS)
        await until(lambda: len(it.connections._blocked) == 1)
        stream.write((padded(499) + b"\n") * 2000)
        stream.final()
        frames = await raw.frames()
        lines = stream.path.read_bytes().split(b"\n")[:-1]
        assert [frame.payload for frame in frames[:-1]] == lines
        assert frames[-1].code == 1000
        assert not it.connections._blocked


async def test_what_is_said_to_a_blocked_client_comes_in_its_turn(it: Inside, stream: Stream) -> None:
    """A word that is written while older bytes wait comes after them, though the socket has room again by then."""
    stream.write((padded(999) + b"\n") * 8000)
    async with Raw(it.url, 16 * 1024) as raw:
        await raw.upgrade(WS)
        await until(lambda: len(it.connections._blocked) == 1)
        (connection,) = it.connections.open
        data = b""
        for _ in range(2):
            with suppress(BlockingIOError):
                while True:  # without giving way: nobody has flushed what waits
                    data += raw.socket.recv(MIB)
        assert not connection.write(pong_frame(b"a word"))
        raw._rest = data
        frames = [await raw.frame() for _ in range(8002)]
        assert frames.count(Frame(PONG, b"a word")) == 1
        lines = [frame.payload for frame in frames if frame.opcode == TEXT]
        assert lines == stream.path.read_bytes().split(b"\n")[:-1]


async def test_a_blocked_client_costs_no_memory(it: Inside, stream: Stream) -> None:
    """What a blocked client has not taken stays in the file: a batch or two wait for it, however much comes."""
    async with Raw(it.url, 16 * 1024) as raw:
        await raw.upgrade(WS)
        for _ in range(40):
            stream.write((padded(999) + b"\n") * 300)
            await it.hub.poll(it.hub.channels["s"])
        (connection,) = it.connections.open
        assert connection.blocked
        assert sum(map(len, connection._rest)) < 300_000


async def test_a_client_that_takes_nothing_is_cut(tmp_path: Path) -> None:
    """After the stall time-out a client that took nothing is cut, without a close frame; others are not."""
    async with inside(tmp_path, stall_timeout=0.3) as it:
        with Stream(tmp_path) as stream:
            stream.line(0)
            async with Raw(it.url, 16 * 1024) as stuck, websocket(it.url, WS) as idle:
                await stuck.upgrade(WS)
                assert (await stuck.frame()).opcode == TEXT
                await idle.frame()
                stream.write((padded(999) + b"\n") * 10_000)
                for _ in range(10_000):
                    await idle.frame()
                await until(lambda: it.connections.meter.ended["stalled"] == 1)
                assert len(it.connections.open) == 1
                line = stream.line(1)
                assert (await idle.frame()).payload == line
                data = b""
                while True:  # what it had been given before it was cut is no more than the beginning
                    try:
                        more = await stuck.more()
                    except ConnectionResetError:
                        break
                    if not more:
                        break
                    data += more
                assert len(data) < 10_000 * 1003
        assert it.connections.meter.ended["stalled"] == 1


@pytest.mark.slow
async def test_a_client_that_is_slow_but_moves_is_not_cut(tmp_path: Path) -> None:
    """One that goes on taking a little, for many times the stall time-out, gets everything."""
    async with inside(tmp_path, stall_timeout=0.5) as it:
        with Stream(tmp_path) as stream:
            stream.write((padded(999) + b"\n") * 12_000)
            stream.final()
            async with Raw(it.url, 128 * 1024) as raw:
                await raw.upgrade(WS)
                data = b""
                for _ in range(25):
                    data += await asyncio.get_running_loop().sock_recv(raw.socket, 128 * 1024)
                    await asyncio.sleep(0.05)
                assert it.connections.open
                raw._rest = data
                frames = await raw.frames()
                assert len(frames) == 12_002
                assert frames[-1].code == 1000
        assert it.connections.meter.ended["stalled"] == 0


@pytest.mark.slow
async def test_a_slow_client_hears_the_end(tmp_path: Path) -> None:
    """The time to hear the end begins when the end is there: who still takes what came before it is not cut."""
    timing = replace(SILENT, farewell=0.2)
    async with inside(tmp_path, timing) as it:
        with Stream(tmp_path) as stream:
            stream.write((padded(999) + b"\n") * 3000)
            stream.final()
            async with Raw(it.url, 128 * 1024) as raw:
                await raw.upgrade(WS)
                await until(lambda: any(connection.closing for connection in it.connections.open))
                data = b""
                for _ in range(25):
                    data += await asyncio.get_running_loop().sock_recv(raw.socket, 64 * 1024)
                    await raw.say(PING, b"still here")
                    await asyncio.sleep(0.05)
                raw._rest = data
                frames = [frame for frame in await raw.frames() if frame.opcode != PONG]
                assert len(frames) == 3002
                assert frames[-1].code == 1000
                await raw.say_close()
                assert await raw.everything() == b""


async def test_a_client_that_never_answers_the_close_is_cut(it: Inside, stream: Stream) -> None:
    """Once it has been sent the end, a client has a while to hang up, then it is cut."""
    stream.final()
    async with websocket(it.url, WS) as raw:
        assert (await raw.frames())[-1].code == 1000
        await until(lambda: it.deserted)
        assert it.connections.meter.ended["deaf"] + it.connections.meter.ended["closed"] == 1


async def test_a_close_that_crosses_the_end_loses_nothing(tmp_path: Path) -> None:
    """A client that closes while lines and a close frame are on their way to it gets them all."""
    async with inside(tmp_path, inbound="close") as it:
        with Stream(tmp_path) as stream:
            stream.write((padded(999) + b"\n") * 6000)
            async with Raw(it.url, 16 * 1024) as raw:
                await raw.upgrade(WS)
                await until(lambda: len(it.connections._blocked) == 1)
                await raw.say(TEXT, b"a word that is not wanted")
                await until(lambda: any(connection.closing for connection in it.connections.open))
                await raw.say_close(1000)
                await asyncio.sleep(0.1)
                frames = await raw.frames()
                assert {frame.payload for frame in frames[:-1]} == {padded(999)}
                assert frames[-1].code == 1008


# --- what channels write past it ------------------------------------------------------------------------------


@dataclass
class Direct:
    """A connection over a pair of sockets, to which channels write that a test has grow."""

    connections: Connections
    connection: EventStream
    far: socket.socket
    full: set[int]
    channels: list[Channel] = field(default_factory=list)

    def grow(self, number: int, line: bytes) -> None:
        """A line comes to a stream."""
        channel = self.channels[number]
        assert channel.look is not None
        start, end = channel.look.tail, channel.look.tail + len(line) + 1
        channel.grew(replace(channel.look, tail=end), [Batch(channel.stream, "0123abcd", start, end, [line])])

    def taken(self, size: int = 1 << 20) -> bytes:
        """What the client can read just now."""
        with suppress(BlockingIOError):
            return self.far.recv(size)
        return b""


class BeatingStream(EventStream):
    """Counts its signs of life."""

    beats: int
    __slots__ = ("beats",)

    def beat(self) -> None:
        """Count, and say it."""
        self.beats += 1
        super().beat()


@asynccontextmanager
async def direct(directory: Path, streams: int, timing: Timing = SILENT) -> AsyncIterator[Direct]:
    """A client that follows so many streams, and stands at their tails."""
    full: set[int] = set()
    connections = Connections(full, Meter(), timing, stall_timeout=30)
    near, far = socket.socketpair()
    far.setblocking(False)
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=near)
    connection = BeatingStream(connections, transport)
    connection.beats = 0
    transport.set_protocol(connection)
    it = Direct(connections, connection, far, full)
    reader = Told(History(Folder(str(directory)), ThreadPoolExecutor(1), max_line=MIB), connection)  # type: ignore[arg-type]
    for number in range(streams):
        channel = Channel(f"s{number}", full=full)
        channel.look = Look((1, 1), "0123abcd", 100, closed=False)
        it.channels.append(channel)
        reader.follow(Place(channel, 100), newlined)
    reader.pump()
    try:
        yield it
    finally:
        connections.close()
        far.close()
        await asyncio.sleep(0.01)  # for asyncio to close the other end


async def test_one_stream_s_lines_never_stand_within_another_s(tmp_path: Path) -> None:
    """While a part of one stream's batch is still to be written, no other stream's is, though there is room again."""
    async with direct(tmp_path, 2) as it:
        it.grow(0, b"a" * MIB)
        assert it.full == {it.connection.fd}
        data = it.taken()  # room, before the rest was written
        it.grow(1, b"b")
        while not data.endswith(b"\n"):
            data += it.taken()
            await asyncio.sleep(0)
        assert data == b"a" * MIB + b"\n"
        await until(lambda: not it.full)
        assert not it.connection.blocked


async def test_a_connection_that_is_gone_is_full_no_more(tmp_path: Path) -> None:
    """Its descriptor may be somebody else's soon."""
    async with direct(tmp_path, 1) as it:
        it.grow(0, b"a" * MIB)
        assert it.full == {it.connection.fd}
        it.far.close()
        await until(lambda: not it.connections.open)
        assert not it.full


@pytest.mark.slow
async def test_a_socket_that_fills_up_again_and_again_is_busy(tmp_path: Path) -> None:
    """A client that is given more than its socket takes at once, all the time, needs no other sign of life."""
    async with direct(tmp_path, 1, replace(SILENT, heartbeat=0.5)) as it:
        assert isinstance(it.connection, BeatingStream)
        for _ in range(20):
            it.grow(0, b"a" * MIB)
            data = b""
            while not data.endswith(b"\n"):
                data += it.taken()
                await asyncio.sleep(0.001)
            await until(lambda: not it.full)
            await asyncio.sleep(0.08)
        assert it.connection.beats == 0


# --- signs of life --------------------------------------------------------------------------------------------


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


# --- TLS ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1, in one file."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run([*command.split(), "-keyout", path, "-out", f"{path}.crt"], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


async def test_under_tls_nothing_is_written_past_the_transport(tmp_path: Path, certificate: Path) -> None:
    """Behind TLS a slow client gets every byte too, and the end, though nothing may go past the transport."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))
    with Stream(tmp_path) as stream:
        stream.write((padded(999) + b"\n") * 12_000)
        stream.final()
        async with inside(tmp_path, ssl=context) as it:
            host, port = it.url.removeprefix("https://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port), ssl=trusting, limit=1024)
            writer.write(f"GET {SSE} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            await until(lambda: any(connection.blocked for connection in it.connections.open))
            body = await reader.read()
            assert body.count(b"\ndata: ") == 12_002
            assert b"event: closed" in body[-200:]
            writer.close()
            await writer.wait_closed()
            await until(lambda: it.deserted)

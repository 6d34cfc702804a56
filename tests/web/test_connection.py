from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from streamhub.batch import Batch
from streamhub.channel import Channel, Place
from streamhub.folder import Folder
from streamhub.history import History
from streamhub.meter import Meter
from streamhub.stream import Look
from streamhub.web.connections import Connections
from streamhub.web.sse import EventStream
from streamhub.web.timing import Timing
from streamhub.wire import pong_frame
from tests.naive import padded
from tests.raw import PING, PONG, TEXT, Frame, Raw, websocket
from tests.servers import Stream, until
from tests.sinks import Told, newlined
from tests.web.inside import SILENT, Inside, inside

MIB = 1024 * 1024
WS, SSE = "/v1/stream/s/ws", "/v1/stream/s/sse"


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


@pytest.mark.slow
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


@pytest.mark.slow
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


async def test_under_tls_what_waits_for_slow_clients_is_counted(tmp_path: Path, certificate: Path) -> None:
    """It counts for as long as it waits: until it was taken, or its client is gone."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))
    with Stream(tmp_path) as stream:
        stream.write((padded(999) + b"\n") * 12_000)
        stream.final()
        async with inside(tmp_path, ssl=context) as it:
            host, port = it.url.removeprefix("https://").split(":")
            clients = [await asyncio.open_connection(host, int(port), ssl=trusting, limit=1024) for _ in range(2)]
            for _, writer in clients:
                writer.write(f"GET {SSE} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            await until(lambda: [connection.blocked for connection in it.connections.open] == [True] * 2)
            assert it.connections.buffered == sum(connection.buffered for connection in it.connections.open) > 0
            (reader, taking), (_, leaving) = clients
            leaving.transport.abort()
            await reader.read()
            await until(lambda: it.connections.buffered == 0)
            taking.close()
            await taking.wait_closed()
            await until(lambda: it.deserted)
        assert it.connections.buffered == 0

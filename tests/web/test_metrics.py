"""The metrics: what each counts, in whole numbers, and that a linter has nothing to say."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

import pytest

from streamhub.channel import Place
from streamhub.config import Config
from streamhub.hub import Hub
from streamhub.meter import ENDS, LIVE, REFUSALS, SOURCES
from tests.exposition import objections, samples, scraped
from tests.raw import Raw
from tests.servers import Server, Stream, served, until
from tests.sinks import Sink, Told, newlined
from tests.web.inside import QUICK, SILENT, inside

if TYPE_CHECKING:
    from pathlib import Path

#: Ways to follow a stream, by what they are counted as.
WAYS = {
    "websocket": "/v1/stream/s/ws",
    "multiplex": "/v1/ws?stream=s",
    "sse": "/v1/stream/s/sse",
    "durable-sse": "/v1/stream/s?live=sse&offset=-1",
}


async def follow(server: Server, transport: str, raw: Raw) -> None:
    """Follow the stream, one way or the other."""
    if transport in {"websocket", "multiplex"}:
        await raw.upgrade(WAYS[transport])
    else:
        assert (await raw.request(WAYS[transport])).status == 200


async def test_the_text_is_clean(server: Server) -> None:
    """A linter finds names, units, types and help in order, each series once; no label tells a stream or a token."""
    with Stream(server.directory, "one-stream") as stream:
        stream.line(1)
        async with server.session.ws_connect(f"{server.url}/v1/stream/one-stream/ws") as socket:
            await socket.receive()
            _, headers, body = await server.get("/metrics")
    text = body.decode()
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert objections(text) == []
    assert "one-stream" not in text
    assert objections("# TYPE a_ms gauge\na_ms 1\na_ms 1\n") == [
        "a_ms: no help",
        "a_ms: no base unit, or an abbreviated one",
        "('a_ms', '[]') twice",
    ]


async def test_every_series_is_there_from_the_start(server: Server) -> None:
    """At zero, so that the first of a kind is seen as a rise."""
    found = await scraped(server)
    for name, label in (
        *(("streamhub_ended_connections_total", cause) for cause in ENDS),
        *(("streamhub_refused_total", cause) for cause in REFUSALS),
        *(("streamhub_file_reads_total", source) for source in SOURCES),
        *(("streamhub_lag_seconds_count", transport) for transport in LIVE),
        *(("streamhub_clients", transport) for transport in LIVE),
    ):
        assert found[name, label] == 0, (name, label)
    assert found["streamhub_build_info", "0.1.0"] == 1
    assert found["process_open_fds", ""] > 0


@pytest.mark.parametrize("transport", WAYS)
async def test_what_a_transport_carries(server: Server, transport: str) -> None:
    """Each live way counts its client, every event once, history and live alike, and one lag a batch at the tail."""
    with Stream(server.directory) as stream:
        stream.line(1)
        stream.line(2)
        async with Raw(server.url) as raw:
            await follow(server, transport, raw)
            await raw.until(b'"value":2}')
            between = await scraped(server)
            stream.line(3)
            await raw.until(b'"value":3}')
            found = await scraped(server)
    assert between["streamhub_sent_events_total", transport] == 2
    assert between["streamhub_lag_seconds_count", transport] == 0
    assert found["streamhub_sent_events_total", transport] == 3
    assert found["streamhub_lag_seconds_count", transport] == 1
    assert 0 < found["streamhub_lag_seconds_sum", transport] < 60
    assert [name for name in WAYS if found["streamhub_clients", name]] == [transport]
    assert found["streamhub_clients", transport] == 1
    assert found["streamhub_sent_bytes_total", transport] > between["streamhub_sent_bytes_total", transport] > 200


async def test_bytes_are_those_on_the_wire(server: Server) -> None:
    """What is counted as sent is what came, to the byte, for each of two clients."""
    with Stream(server.directory) as stream:
        lines = [stream.line(number) for number in range(5)]
        async with Raw(server.url) as one, Raw(server.url) as two:
            came = 0
            for raw in (one, two):
                await raw.upgrade("/v1/stream/s/ws")
                for line in lines:
                    assert (await raw.frame()).payload == line
                    came += 2 + len(line)  # a frame of less than 126 bytes has a header of two
            assert (await scraped(server))["streamhub_sent_bytes_total", "websocket"] == came


async def test_polling(server: Server) -> None:
    """A request counts its body and what it read; one that has nothing to say counts neither events nor bytes."""
    with Stream(server.directory) as stream:
        size = sum(len(stream.line(number)) + 1 for number in range(4))
    _, headers, body = await server.get("/v1/stream/s")
    await server.get("/v1/stream/s", method="HEAD")
    code, _, _ = await server.get("/v1/stream/s", headers={"If-None-Match": headers["ETag"]})
    assert code == 304
    found = await scraped(server)
    assert found["streamhub_sent_events_total", "polling"] == 4
    assert found["streamhub_sent_bytes_total", "polling"] == len(body)
    assert found["streamhub_file_reads_total", "polling"] == 2
    assert found["streamhub_file_read_bytes_total", "polling"] == 2 * size
    assert found["streamhub_requests_total", "2xx"] == 2
    assert found["streamhub_requests_total", "3xx"] == 1


async def test_long_polls(tmp_path: Path) -> None:
    """Who waits is a client; the lag is of those who waited, not of those who find something at once."""
    async with inside(tmp_path, SILENT) as it, Raw(it.url) as raw, Raw(it.url) as asking:

        async def numbers() -> dict[tuple[str, str], float]:
            head = await asking.request("/metrics")
            return samples((await asking.exactly(int(head.fields["content-length"]))).decode())

        with Stream(tmp_path) as stream:
            stream.line(1)
            head = await raw.request("/v1/stream/s?live=long-poll&offset=-1")
            await raw.exactly(int(head.fields["content-length"]))
            assert (await numbers())["streamhub_lag_seconds_count", "long-poll"] == 0
            waiting = asyncio.create_task(raw.request("/v1/stream/s?live=long-poll&offset=now"))
            await until(lambda: it.readers() == 1)
            assert (await numbers())["streamhub_clients", "long-poll"] == 1
            stream.line(2)
            assert (await waiting).status == 200
            found = await numbers()
        assert found["streamhub_clients", "long-poll"] == 0
        assert found["streamhub_lag_seconds_count", "long-poll"] == 1
        assert found["streamhub_sent_events_total", "long-poll"] == 2


async def test_the_lag_begins_with_the_write(tmp_path: Path) -> None:
    """What was written three seconds before it was seen has a lag of three seconds; a time to come counts as now."""
    lags: list[float] = []
    hub = Hub(Config(directory=str(tmp_path), poll_floor=60, poll_ceiling=60))
    hub.meter.lag = lambda _transport, seconds: lags.append(seconds)
    with Stream(tmp_path) as stream:
        stream.line(1)
        channel = await hub.channel("s")
        assert channel.look is not None
        reader = Told(hub.history, Sink())
        reader.follow(Place(channel, channel.look.tail), newlined)
        reader.pump()
        for number, seconds in enumerate((-3, 3600)):
            stream.line(number)
            os.utime(stream.path, (0, time.time() + seconds))
            await hub.poll(channel)
    await hub.close()
    assert 3 <= lags[0] < 60
    assert 0 <= lags[1] < 60


async def test_reads_polls_and_malformed_lines(server: Server) -> None:
    """History is counted as it is read, the tail as it grows, looks and their time, and each line that is no event."""
    with Stream(server.directory) as stream:
        before = len(stream.line(1)) + 1
        async with server.session.ws_connect(f"{server.url}/v1/stream/s/ws") as socket:
            await socket.receive()
            stream.write(b"no event\n\nneither\n")
            await socket.receive()
            await socket.receive()
            found = await scraped(server)
    assert found["streamhub_malformed_lines_total", ""] == 2
    assert found["streamhub_file_reads_total", "history"] == 1
    assert found["streamhub_file_read_bytes_total", "history"] == before
    assert found["streamhub_file_read_bytes_total", "tail"] == len("no event\n\nneither\n")
    assert found["streamhub_polls_total", ""] > 0
    assert found["streamhub_poll_seconds_total", ""] > 0
    assert found["streamhub_watched_streams", ""] == 1


@pytest.mark.slow
async def test_slow_and_cut_clients(tmp_path: Path) -> None:
    """A client that takes nothing is counted as slow, as blocked while it is, and as stalled once it is cut."""
    async with inside(tmp_path, QUICK, stall_timeout=1) as it, Raw(it.url) as asking:

        async def numbers() -> dict[tuple[str, str], float]:
            head = await asking.request("/metrics")
            return samples((await asking.exactly(int(head.fields["content-length"]))).decode())

        with Stream(tmp_path) as stream:
            stream.line(0)
            async with Raw(it.url) as raw:
                await raw.upgrade("/v1/stream/s/ws")
                await raw.frame()
                stream.write(b'{"a":"' + b"x" * 1000 + b'"}\n')
                await raw.frame()
                stream.write((b'{"a":"' + b"x" * 1000 + b'"}\n') * 12_000)
                await until(lambda: any(connection.blocked for connection in it.connections.open))
                found = await numbers()
                assert found["streamhub_blocked_clients", "websocket"] == 1
                await until(lambda: not it.connections.open)
                found = await numbers()
    assert found["streamhub_slow_clients_total", "websocket"] >= 1
    assert found["streamhub_ended_connections_total", "stalled"] == 1
    assert found["streamhub_blocked_clients", "websocket"] == 0


async def test_how_connections_end(tmp_path: Path) -> None:
    """A stream that closes, a client that leaves: each end is counted under its cause."""
    async with served(tmp_path) as server:
        with Stream(tmp_path) as stream:
            stream.line(1)
            async with server.session.ws_connect(f"{server.url}/v1/stream/s/ws") as socket:
                await socket.receive()
            async with server.session.ws_connect(f"{server.url}/v1/stream/s/ws") as socket:
                await socket.receive()
                stream.final()
                await socket.receive()
                await socket.receive()
        async with asyncio.timeout(20):
            while True:
                found = await scraped(server)
                if found["streamhub_ended_connections_total", "closed"] == 1:
                    break
                await asyncio.sleep(0.01)
        assert found["streamhub_ended_connections_total", "left"] == 1

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from tests import naive
from tests.naive import padded
from tests.raw import Raw
from tests.servers import Server, Stream, until
from tests.web.inside import QUICK, SILENT, inside
from tests.wires import Event, Events

SSE = "/v1/stream/s/sse"
DURABLE = "/v1/stream/s?live=sse"
ZERO = "00000000_0000000000000000"


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[Stream]:
    """An empty stream."""
    with Stream(tmp_path) as file:
        yield file


@pytest.fixture
async def raw(server: Server) -> AsyncIterator[Raw]:
    """A connection on which nothing was said yet."""
    async with Raw(server.url) as connection:
        yield connection


def token(data: bytes, byte: int | None = None) -> str:
    """The offset of a byte of a stream with these bytes, or of its tail."""
    return f"{naive.generation(data)}_{naive.tail(data) if byte is None else byte:016d}"


def ids(data: bytes) -> list[str]:
    """The offset after each line."""
    generation = naive.generation(data)
    return [f"{generation}_{line.end:016d}" for line in naive.lines(data, 1024 * 1024)]


class Feed:
    """The events of one response, one after the other."""

    def __init__(self, raw: Raw) -> None:
        self.raw = raw
        self._events = Events()
        self._ready: list[Event] = []

    async def next(self) -> Event:
        """The next event."""
        while not self._ready:
            data = await self.raw.more()
            assert data, "the response ended"
            self._ready = self._events.feed(data)
        return self._ready.pop(0)

    async def rest(self) -> list[Event]:
        """All events up to the end of the response."""
        return [*self._ready, *self._events.feed(await self.raw.everything())]


async def feed(raw: Raw, target: str, headers: dict[str, str] | None = None) -> Feed:
    """Ask for an event stream, and get it."""
    head = await raw.request(target, headers)
    assert head.status == 200, head
    assert head.fields["content-type"] == "text/event-stream"
    return Feed(raw)


# --- the plain channel ----------------------------------------------------------------------------------------


async def test_the_head(raw: Raw, stream: Stream) -> None:
    """The type exactly, no caching, no buffering on the way; the body ends with the connection."""
    head = await raw.request(SSE)
    assert head.fields["content-type"] == "text/event-stream"
    assert head.fields["cache-control"] == "no-cache"
    assert head.fields["x-accel-buffering"] == "no"
    assert head.fields["vary"] == "Accept, Origin"
    assert head.fields["connection"] == "close"
    assert not head.fields.keys() & {"content-length", "transfer-encoding", "content-encoding"}


async def test_the_bytes(raw: Raw, stream: Stream) -> None:
    """The pause before a reconnect, then for each line its offset and itself, then the end, and no more."""
    line = stream.line(1)
    final = stream.final()
    data = stream.path.read_bytes()
    first, second = (place.encode() for place in ids(data))
    await raw.request(SSE)
    assert await raw.everything() == (
        b"retry: 2000\n\n"
        b"id: %s\ndata: %s\n\n"
        b"id: %s\ndata: %s\n\n"
        b'id: %s\nevent: closed\ndata: {"next":"%s"}\n\n' % (first, line, second, final, second, second)
    )


async def test_history_then_live_then_the_end(raw: Raw, stream: Stream) -> None:
    """One event per line, its id the place after it, then ``closed``, then the response ends."""
    for i in range(300):
        stream.line(i)
    it = await feed(raw, SSE)
    events = [await it.next() for _ in range(300)]
    for i in range(20):
        line = stream.line(i)
        events.append(await it.next())
        assert events[-1].data == line
    stream.final()
    events += await it.rest()
    data = stream.path.read_bytes()
    assert [event.data for event in events[:-1]] == data.split(b"\n")[:-1]
    assert [event.id for event in events[:-1]] == ids(data)
    assert events[-1] == Event(token(data), "closed", b'{"next":"%s"}' % token(data).encode())


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_over_http_1_0_too(raw: Raw, stream: Stream, version: str) -> None:
    """The body needs no framing, so that old clients and proxies can read it."""
    stream.final()
    head = await raw.request(SSE, version=version)
    assert head.status == 200
    assert b"event: closed" in await raw.everything()


async def test_head_tells_without_a_body(raw: Raw, stream: Stream) -> None:
    """HEAD answers what GET would, and the connection goes on."""
    head = await raw.request(SSE, method="HEAD")
    assert (head.status, head.fields["content-type"]) == (200, "text/event-stream")
    for target, status in (("/v1/stream/t/sse", 404), (f"{SSE}?offset=x", 400), ("/v1/stream/.x/sse", 400)):
        assert (await raw.request(target, method="HEAD")).status == status
    head = await raw.request(SSE, method="POST")
    assert (head.status, head.fields["allow"]) == (405, "GET,HEAD,OPTIONS")


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/v1/stream/t/sse", {}, 404),
        ("/v1/stream/.x/sse", {}, 400),
        (f"{SSE}?offset=x", {}, 400),
        (f"{SSE}?offset=-1&tail=1", {}, 400),
        (f"{SSE}?tail=1&tail=1", {}, 400),
        (f"{SSE}?offset=ffffffff_0000000000000000", {}, 410),
        (f"{SSE}?offset={{ahead}}", {}, 503),
        (SSE, {"Last-Event-ID": "x"}, 400),
        (SSE, {"Last-Event-ID": "ffffffff_0000000000000009"}, 410),
        (f"{SSE}?wait=1", {"Last-Event-ID": "ffffffff_0000000000000009"}, 410),
    ],
)
async def test_refusals(raw: Raw, stream: Stream, target: str, headers: dict[str, str], status: int) -> None:
    """What cannot be read is a status with problem details, on a connection that goes on."""
    stream.line(1)
    head = await raw.request(target.format(ahead=token(stream.path.read_bytes(), 9999)), headers)
    assert head.status == status
    assert head.fields["content-type"] == "application/problem+json"
    assert json.loads(await raw.exactly(int(head.fields["content-length"])))["status"] == status
    assert (await raw.request("/healthz")).status == 200


@pytest.mark.parametrize("query", ["", "?offset=-1", "?offset={second}", "?tail=9", "?since=2000-01-01"])
async def test_last_event_id_overrides(raw: Raw, stream: Stream, query: str) -> None:
    """A reconnect goes on where it left off, whatever its address says."""
    lines = [stream.line(i) for i in range(4)]
    places = ids(stream.path.read_bytes())
    it = await feed(raw, SSE + query.format(second=places[1]), {"Last-Event-ID": places[2]})
    assert await it.next() == Event(places[3], "", lines[3])


async def test_an_empty_last_event_id_is_none(raw: Raw, stream: Stream) -> None:
    """A client that has seen no id yet starts where its address says."""
    lines = [stream.line(i) for i in range(4)]
    await raw.send(f"GET {SSE}?tail=1 HTTP/1.1\r\nHost: {raw.host}\r\nLast-Event-ID: \r\n\r\n".encode())
    await raw.head()
    it = Feed(raw)
    assert (await it.next()).data == lines[3]


async def test_a_reconnect_at_the_end_gets_204(server: Server, stream: Stream) -> None:
    """The final offset of a closed stream as ``Last-Event-ID``: 204, which stops ``EventSource``; else it goes on."""
    lines = [stream.line(1), stream.final()]
    places = ids(stream.path.read_bytes())
    end = {"Last-Event-ID": places[-1]}
    status, headers, body = await server.get(SSE, headers=end)
    assert (status, headers["Cache-Control"], body) == (204, "no-store", b"")
    # Who only names it as the offset is told the end in so many words.
    assert b"event: closed" in (await server.get(f"{SSE}?offset={places[-1]}"))[2]
    # Who has not seen the end yet sees it.
    assert lines[1] in (await server.get(SSE, headers={"Last-Event-ID": places[0]}))[2]
    # Who comes back after a foreign line reopened the stream goes on with that.
    lines.append(stream.line(2))
    async with Raw(server.url) as raw:
        it = await feed(raw, SSE, end)
        assert (await it.next()).data == lines[2]


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("?offset=now", []),
        ("?tail=2", [2, 3]),
        ("?since=2026-01-01T00:00:03Z", [3]),
        ("?offset=-1", [0, 1, 2, 3]),
        ("?contains=VALUE%22:2", [2]),
        ("?event_type=status", []),
    ],
)
async def test_where_it_starts_and_what_it_leaves_out(
    server: Server, stream: Stream, query: str, kept: list[int]
) -> None:
    """Seeks and filters hold here as on every transport."""
    lines = [stream.line(i) for i in range(4)]
    async with Raw(server.url) as raw:
        it = await feed(raw, SSE + query)
        for i in kept:
            assert (await it.next()).data == lines[i]


async def test_an_offset_moves_on_past_what_is_filtered_out(raw: Raw, stream: Stream) -> None:
    """When nothing passes at the end of what was looked at, an id alone says how far the search came."""
    stream.write(b'{"keep":1}\n{"drop":1}\n')
    it = await feed(raw, f"{SSE}?contains=keep")
    places = ids(stream.path.read_bytes())
    assert await it.next() == Event(places[0], "", b'{"keep":1}')
    assert await it.next() == Event(places[1], "", b"")
    stream.write(b'{"drop":2}\n')
    assert await it.next() == Event(ids(stream.path.read_bytes())[2], "", b"")


async def test_a_carriage_return_becomes_a_space(raw: Raw, stream: Stream) -> None:
    """A CR would end the line on the wire; in valid JSON it is white space, and a space stands in its place."""
    stream.write(b' {"a":\r1}\r\n\r\n')
    it = await feed(raw, SSE)
    assert (await it.next()).data == b' {"a": 1} '
    data = (await it.next()).data
    assert json.loads(data)["payload"]["reason"] == "json"


async def test_lines_that_are_no_events(raw: Raw, stream: Stream) -> None:
    """Stand-ins come as on every transport; their ids are the places after the lines that they stand for."""
    stream.write(b"\0\n\nnonsense\ndata: x\n")
    it = await feed(raw, SSE)
    data = stream.path.read_bytes()
    for line in naive.lines(data, 1024 * 1024):
        assert await it.next() == Event(token(data, line.end), "", line.delivered)


def _replace(stream: Stream) -> None:
    other = stream.path.with_name("other")
    other.write_bytes(b'{"new":1}\n')
    other.rename(stream.path)


@pytest.mark.parametrize(
    "act",
    [lambda stream: os.truncate(stream.path, 8), _replace, lambda stream: stream.path.unlink()],
    ids=["cut", "replaced", "deleted"],
)
async def test_reset(raw: Raw, stream: Stream, act: Callable[[Stream], object]) -> None:
    """A file that was cut or replaced: ``reset`` with where it begins now (nowhere, if deleted), then the end."""
    stream.write(b'{"n":1}\n{"n":2}\n')
    it = await feed(raw, SSE)
    for _ in range(2):
        await it.next()
    act(stream)
    (event,) = await it.rest()
    earliest = json.dumps(token(stream.path.read_bytes(), 0)) if stream.path.exists() else "null"
    assert event == Event("", "reset", b'{"earliest":%s}' % earliest.encode())


async def test_a_stream_that_is_waited_for(raw: Raw, tmp_path: Path) -> None:
    """With ``wait=1`` the response begins at once, and the lines come with the stream."""
    it = await feed(raw, f"{SSE}?wait=1")
    with Stream(tmp_path) as stream:
        line = stream.line(1)
        assert (await it.next()).data == line


async def test_comments(tmp_path: Path, stream: Stream) -> None:
    """A quiet stream says a comment now and then, which is no event."""
    async with inside(tmp_path, QUICK) as it, Raw(it.url) as raw:
        await raw.request(SSE)
        assert await raw.until(b"\n\n") == b"retry: 2000\n\n"
        for _ in range(3):
            assert (await raw.until(b"\n\n")).startswith(b": ")


async def test_the_end_of_the_server(tmp_path: Path, stream: Stream) -> None:
    """When the server shuts down the response ends, without a word that would stop the client from coming back."""
    line = stream.line(1)
    async with inside(tmp_path) as it, Raw(it.url) as raw:
        await raw.request(SSE)
        await raw.until(line + b"\n\n")
        draining = asyncio.create_task(it.connections.drain(5))
        assert await raw.everything() == b""
        raw.socket.close()
        await draining


@pytest.mark.slow
async def test_a_long_history_to_a_slow_client(tmp_path: Path, stream: Stream) -> None:
    """Every event comes, though the client takes its time."""
    stream.write((padded(999) + b"\n") * 6000)
    stream.final()
    async with inside(tmp_path) as it, Raw(it.url, 16 * 1024) as raw:
        slow = await feed(raw, SSE)
        await until(lambda: len(it.connections._blocked) == 1)
        events = await slow.rest()
        assert [event.data for event in events[:-1]] == stream.path.read_bytes().split(b"\n")[:-1]
        assert [event.id for event in events[:-1]] == ids(stream.path.read_bytes())


# --- Durable Streams ------------------------------------------------------------------------------------------


def control(event: Event) -> dict[str, object]:
    """What a control event says."""
    assert (event.id, event.name) == ("", "control")
    said: dict[str, object] = json.loads(event.data)
    return said


async def test_durable_bytes(raw: Raw, stream: Stream) -> None:
    """``data`` with an array of the lines, then ``control``; no space after the colon."""
    line = stream.line(1)
    await raw.request(f"{DURABLE}&offset=-1")
    assert await raw.until(b"event: control\n") == b"event: data\ndata:[%s]\n\nevent: control\n" % line
    assert (await raw.until(b"{")) == b"data:{"


async def test_durable_events(raw: Raw, stream: Stream) -> None:
    """After each ``data`` a ``control`` says where to go on; at the end it says so, and the response ends."""
    lines = [stream.line(i) for i in range(3)]
    it = await feed(raw, f"{DURABLE}&offset=-1")
    event = await it.next()
    assert (event.name, event.data) == ("data", b"[" + b",".join(lines) + b"]")
    said = control(await it.next())
    assert said.pop("streamCursor")
    assert said == {"streamNextOffset": token(stream.path.read_bytes()), "upToDate": True}
    line = stream.line(4)
    assert (await it.next()).data == b"[" + line + b"]"
    assert control(await it.next())["streamNextOffset"] == token(stream.path.read_bytes())
    line = stream.final()
    *events, last = await it.rest()
    assert events[0].data == b"[" + line + b"]"
    assert control(last) == {
        "streamNextOffset": token(stream.path.read_bytes()), "upToDate": True, "streamClosed": True,
    }  # fmt: skip


@pytest.mark.parametrize("at", ["now", "tail=0", "{tail}"])
async def test_durable_at_the_tail(raw: Raw, stream: Stream, at: str) -> None:
    """Who has nothing to read is told at once that it is up to date, and where."""
    stream.line(1)
    place = token(stream.path.read_bytes())
    it = await feed(raw, f"{DURABLE}&{at if '=' in at else 'offset=' + at.format(tail=place)}")
    said = control(await it.next())
    assert (said["streamNextOffset"], said["upToDate"]) == (place, True)


async def test_durable_at_the_end(raw: Raw, stream: Stream) -> None:
    """At the end of a closed stream one control event says so."""
    stream.final()
    it = await feed(raw, f"{DURABLE}&offset={token(stream.path.read_bytes())}")
    (event,) = await it.rest()
    assert control(event)["streamClosed"] is True


async def test_durable_in_pieces(raw: Raw, stream: Stream) -> None:
    """A long history comes in several pieces, each with its own control; only the last is up to date."""
    stream.write((padded(999) + b"\n") * 300)
    it = await feed(raw, f"{DURABLE}&offset=-1")
    count, said = 0, {}
    while "upToDate" not in said:
        event = await it.next()
        assert event.name == "data"
        count += len(json.loads(event.data))
        said = control(await it.next())
    assert count == 300
    assert said["streamNextOffset"] == token(stream.path.read_bytes())


async def test_durable_needs_a_start(server: Server, stream: Stream) -> None:
    """Without a place to start it is refused; any way to name one will do."""
    assert (await server.get(DURABLE))[0] == 400
    assert (await server.get(f"{DURABLE}&offset="))[0] == 400
    for start in ("tail=1", "since=2026-01-01", "offset=now"):
        async with Raw(server.url) as raw:
            await feed(raw, f"{DURABLE}&{start}")


async def test_durable_filters(server: Server, raw: Raw, stream: Stream) -> None:
    """``data`` is left out when nothing passes; the control moves on. ``until`` holds as in every polling answer."""
    for i in range(4):
        stream.line(i)
    it = await feed(raw, f"{DURABLE}&offset=-1&contains=nowhere")
    assert control(await it.next())["streamNextOffset"] == token(stream.path.read_bytes())
    async with Raw(server.url) as other:
        it = await feed(other, f"{DURABLE}&offset=-1&until=2026-01-01T00:00:01Z")
        assert len(json.loads((await it.next()).data)) == 2


async def test_durable_waits(raw: Raw, tmp_path: Path) -> None:
    """With ``wait=1`` an absent stream is an empty one, until it comes."""
    it = await feed(raw, f"{DURABLE}&offset=-1&wait=1")
    assert control(await it.next())["streamNextOffset"] == ZERO
    with Stream(tmp_path) as stream:
        line = stream.line(1)
        assert (await it.next()).data == b"[" + line + b"]"


async def test_durable_reset(server: Server, stream: Stream) -> None:
    """When the file is replaced the response just ends: who asks again with its offset gets 410."""
    stream.line(1)
    place = token(stream.path.read_bytes())
    async with Raw(server.url) as raw:
        it = await feed(raw, f"{DURABLE}&offset=-1")
        for _ in range(2):
            await it.next()
        _replace(stream)
        assert await it.rest() == []
    status, headers, _ = await server.get(f"{DURABLE}&offset={place}")
    assert (status, headers["Stream-Earliest-Offset"]) == (410, token(stream.path.read_bytes(), 0))


async def test_durable_rotation(tmp_path: Path, stream: Stream) -> None:
    """After a while the response ends by itself, at the end of an event, so that caches can collapse readers."""
    stream.line(1)
    async with inside(tmp_path, replace(SILENT, rotation=0.1)) as it, Raw(it.url) as raw:
        rotating = await feed(raw, f"{DURABLE}&offset=-1")
        events = await rotating.rest()
        assert [event.name for event in events] == ["data", "control"]
        assert "streamClosed" not in control(events[-1])
        assert it.connections.meter.ended["rotated"] + len(it.connections.open) == 1


async def test_durable_cursors(raw: Raw, stream: Stream) -> None:
    """The cursor is a number past the one that the client echoes, if that is not behind."""
    it = await feed(raw, f"{DURABLE}&offset=-1&cursor=99999999999999")
    assert int(str(control(await it.next())["streamCursor"])) > 99999999999999


async def test_a_carriage_return_in_durable_events(raw: Raw, stream: Stream) -> None:
    """The same space for a CR here."""
    stream.write(b'{"a":\r1}\r\n')
    it = await feed(raw, f"{DURABLE}&offset=-1")
    assert (await it.next()).data == b'[{"a": 1} ]'


async def test_many_cursors_and_filters_cost_no_memory(tmp_path: Path, stream: Stream) -> None:
    """Clients with cursors or searches of their own do not have a form of all the history kept for each of them."""
    stream.write((padded(999) + b"\n") * 100)
    stream.final()
    async with inside(tmp_path) as it, aiohttp.ClientSession(it.url) as session:
        for i in range(100):
            for query in (f"cursor={10**12 + i * 10**6}", f"contains={i}"):
                async with session.get(f"{DURABLE}&offset=-1&{query}") as answer:
                    await answer.read()
        (first, *_) = it.hub.history._batches.values()
        assert len(first._encoded) + len(first._filtered) < 40

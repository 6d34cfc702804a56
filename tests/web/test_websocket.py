from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests import naive
from tests.naive import padded
from tests.raw import BINARY, CLOSE, CONTINUATION, HANDSHAKE, KEY, PING, PONG, TEXT, Frame, Raw, client_frame, websocket
from tests.servers import Server, Stream, served, until
from tests.web.inside import QUICK, inside

WS = "/v1/stream/s/ws"
MIB = 1024 * 1024


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


def token(data: bytes, byte: int) -> str:
    """The offset of a byte of a stream with these bytes."""
    return f"{naive.generation(data)}_{byte:016d}"


async def lines_of(url: str, query: str = "", stream: str = "s") -> tuple[list[bytes], Frame]:
    """What a closed stream gives: its messages, and the close."""
    async with websocket(url, f"/v1/stream/{stream}/ws{query}") as raw:
        *frames, close = await raw.frames()
        await raw.say_close(close.code)
        assert await raw.everything() == b""
        assert {frame.opcode for frame in frames} <= {TEXT}
        return [frame.payload for frame in frames], close


# --- handshake ------------------------------------------------------------------------------------------------


async def test_the_handshake(raw: Raw, stream: Stream) -> None:
    """The answer is RFC 6455's: 101, with the key's digest; nothing that was not asked for is agreed to."""
    offers = {
        "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
        "Sec-WebSocket-Protocol": "chat",
    }
    head = await raw.upgrade(WS, {**offers, "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
    assert head.version == "HTTP/1.1"
    assert head.fields["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # the example in section 1.3
    assert head.fields["upgrade"].lower() == "websocket"
    assert head.fields["connection"].lower() == "upgrade"
    assert not head.fields.keys() & {"sec-websocket-extensions", "sec-websocket-protocol", "content-length"}
    assert head.fields["vary"] == "Accept, Origin"


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("streamhub.v1", "streamhub.v1"),
        ("streamhub.v1, bearer.c2VjcmV0", "streamhub.v1"),
        ("chat,streamhub.v1", "streamhub.v1"),
        ("bearer.c2VjcmV0", None),
        ("STREAMHUB.V1", None),
    ],
)
async def test_the_subprotocol(raw: Raw, stream: Stream, offered: str, chosen: str | None) -> None:
    """Of what is offered only ``streamhub.v1`` is echoed."""
    head = await raw.upgrade(WS, {"Sec-WebSocket-Protocol": offered})
    assert head.fields.get("sec-websocket-protocol") == chosen


@pytest.mark.parametrize(
    "headers",
    [
        {"Upgrade": "WebSocket", "Connection": "keep-alive, Upgrade"},
        {"Upgrade": "h2c, websocket", "Connection": "UPGRADE"},
    ],
)
async def test_a_handshake_in_other_words(raw: Raw, stream: Stream, headers: dict[str, str]) -> None:
    """Tokens may stand in lists, in any case."""
    await raw.upgrade(WS, headers)


async def test_a_handshake_in_several_lines(raw: Raw, stream: Stream) -> None:
    """A list may be split over several lines of the same field."""
    lines = [
        f"GET {WS} HTTP/1.1",
        f"Host: {raw.host}",
        "Connection: keep-alive",
        "Connection: Upgrade",
        "Upgrade: websocket",
    ]
    lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}"]
    lines += ["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: streamhub.v1"]
    await raw.send("\r\n".join([*lines, "", ""]).encode())
    head = await raw.head()
    assert (head.status, head.fields["sec-websocket-protocol"]) == (101, "streamhub.v1")


@pytest.mark.parametrize("target", [WS, "/v1/ws?stream=s"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upgrade": ""}, 426),
        ({"Connection": ""}, 426),
        ({"Connection": "keep-alive"}, 426),
        ({"Upgrade": "h2c"}, 426),
        ({"Sec-WebSocket-Version": ""}, 426),
        ({"Sec-WebSocket-Version": "8"}, 426),
        ({"Sec-WebSocket-Key": ""}, 400),
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Sec-WebSocket-Key": base64.b64encode(b"x" * 15).decode()}, 400),
        ({"Sec-WebSocket-Key": base64.b64encode(b"x" * 17).decode()}, 400),
        ({"Sec-WebSocket-Key": "!" * 24}, 400),
    ],
)
async def test_what_is_no_handshake(
    raw: Raw, stream: Stream, target: str, headers: dict[str, str], status: int
) -> None:
    """A GET that asks for no upgrade, for another version or with a bad key is told so, and what to do."""
    head = await raw.request(target, {**HANDSHAKE, **headers})
    assert head.status == status
    assert head.fields["content-type"] == "application/problem+json"
    if status == 426:
        asked = {"upgrade", "connection"} if "Sec-WebSocket-Version" not in headers else {"sec-websocket-version"}
        assert asked <= head.fields.keys()
    body = json.loads(await raw.exactly(int(head.fields["content-length"])))
    assert body["status"] == status
    assert (await raw.request("/healthz")).status == 200


async def test_an_upgrade_over_http_1_0_is_none(raw: Raw, stream: Stream) -> None:
    """An Upgrade field in an HTTP/1.0 request is not heard (RFC 9110 section 7.8)."""
    head = await raw.request(WS, HANDSHAKE, version="1.0")
    assert head.status == 426


@pytest.mark.slow
async def test_head_asks_for_no_upgrade(raw: Raw, stream: Stream) -> None:
    """HEAD cannot become a WebSocket; other methods are not allowed at all."""
    assert (await raw.request(WS, HANDSHAKE, method="HEAD")).status == 426
    head = await raw.request(WS, HANDSHAKE, method="POST")
    assert (head.status, head.fields["allow"]) == (405, "GET,HEAD,OPTIONS")


# --- refusals before the upgrade ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/v1/stream/s/ws?offset=nonsense", 400),
        ("/v1/stream/s/ws?offset=", 400),
        ("/v1/stream/s/ws?offset=-1&offset=-1", 400),
        ("/v1/stream/s/ws?offset=-1&tail=1", 400),
        ("/v1/stream/s/ws?tail=-1", 400),
        ("/v1/stream/s/ws?tail=x", 400),
        ("/v1/stream/s/ws?since=yesterday", 400),
        ("/v1/stream/s/ws?offset={middle}", 400),
        ("/v1/stream/s/ws?offset=ffffffff_0000000000000000", 410),
        ("/v1/stream/s/ws?offset={gone}", 410),
        ("/v1/stream/t/ws?offset={ahead}", 503),
        ("/v1/stream/u/ws", 404),
        ("/v1/stream/u/ws?offset=now", 404),
        ("/v1/stream/.hidden/ws", 400),
        ("/v1/stream/a%2Fb/ws", 400),
        (f"/v1/stream/{'x' * 129}/ws", 400),
    ],
)
async def test_refusals(server: Server, stream: Stream, tmp_path: Path, target: str, status: int) -> None:
    """What is known before the upgrade is an HTTP status, and HEAD on the stream's own address answers the same."""
    data = b"".join(stream.line(i) + b"\n" for i in range(4))
    await server.get("/v1/stream/s")
    os.truncate(stream.path, len(data) // 2)
    (tmp_path / "t.jsonl").write_bytes(data)
    places = {"middle": token(data, 3), "gone": token(data, len(data)), "ahead": token(data, 2 * len(data))}
    target = target.format(**places)
    async with Raw(server.url) as raw:
        head = await raw.request(target, HANDSHAKE)
        assert head.status == status
        assert head.fields["content-type"] == "application/problem+json"
        assert head.fields["cache-control"] == "no-store"
        body = json.loads(await raw.exactly(int(head.fields["content-length"])))
        assert body["status"] == status
        assert body["detail"]
        if status == 410:
            assert body["earliest"] == head.fields["stream-earliest-offset"] == token(data, 0)
        assert head.fields.get("retry-after") == ("1" if status == 503 else None)
        asked = await raw.request(target.replace("/ws", ""), method="HEAD")
        assert asked.status == status
        assert asked.fields.get("stream-earliest-offset") == head.fields.get("stream-earliest-offset")


async def test_waiting_does_not_excuse_what_is_wrong(server: Server, stream: Stream) -> None:
    """With ``wait=1`` a bad offset or another generation is refused all the same."""
    stream.line(1)
    for query, status in (("offset=x", 400), ("offset=ffffffff_0000000000000000", 410)):
        async with Raw(server.url) as raw:
            assert (await raw.request(f"{WS}?wait=1&{query}", HANDSHAKE)).status == status


# --- what comes -----------------------------------------------------------------------------------------------


async def test_history_then_live_then_the_end(server: Server, stream: Stream) -> None:
    """Each line is one text message with its own bytes, in order, once; then 1000 with the reason ``closed``."""
    lines = [stream.line(i) for i in range(500)]
    async with websocket(server.url, WS) as raw:
        for line in lines:
            assert await raw.frame() == (TEXT, line)
        for i in range(50):
            line = stream.line(i)
            assert await raw.frame() == (TEXT, line)
        line = stream.final()
        assert await raw.frame() == (TEXT, line)
        assert await raw.frame() == (CLOSE, b"\x03\xe8closed")
        await raw.say_close()
        assert await raw.everything() == b""


@pytest.mark.parametrize("size", [8, 125, 126, 127, 65535, 65536, 70_000, MIB])
async def test_lines_of_any_length(server: Server, stream: Stream, size: int) -> None:
    """A line is one frame, whatever its length."""
    stream.write(padded(size) + b"\n" + padded(20) + b"\n")
    stream.final()
    lines, _ = await lines_of(server.url)
    assert lines[:2] == [padded(size), padded(20)]


async def test_a_line_reaches_the_client_when_it_is_whole(server: Server, stream: Stream) -> None:
    """Bytes past the last newline do not exist yet."""
    stream.write(b'{"n":1}\n{"n":')
    async with websocket(server.url, WS) as raw:
        assert await raw.frame() == (TEXT, b'{"n":1}')
        stream.write(b"2")
        await raw.say(PING, b"a")
        assert await raw.frame() == (PONG, b"a")
        stream.write(b"}\n")
        assert await raw.frame() == (TEXT, b'{"n":2}')


async def test_lines_that_are_no_events(server: Server, stream: Stream) -> None:
    """Readers get a stand-in with the line's offset, length and fault; empty lines are passed over; a CR stays."""
    odd = [b"\0", b'{"a":"\xff"}', b'{"a":NaN}', b"[1]", b"", b'{"a":1}\r', b"nonsense", padded(2000)]
    data = b"".join(line + b"\n" for line in odd)
    stream.write(data)
    stream.final()
    async with served(server.directory, max_line=1024) as small:
        lines, _ = await lines_of(small.url)
    assert lines[:-1] == [line.delivered for line in naive.lines(data, 1024)]
    assert [json.loads(line)["payload"]["reason"] for line in lines if b"malformed" in line] == [
        *("nul", "utf-8", "json", "object", "json", "too-long")
    ]
    assert b'{"a":1}\r' in lines


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("", slice(0, 10)),
        ("?offset=-1", slice(0, 10)),
        ("?offset=00000000_0000000000000000", slice(0, 10)),
        ("?offset={third}", slice(3, 10)),
        ("?offset={tail}", slice(10, 10)),
        ("?offset=now", slice(10, 10)),
        ("?tail=0", slice(10, 10)),
        ("?tail=3", slice(7, 10)),
        ("?tail=99", slice(0, 10)),
        ("?since=2026-01-01T00:00:04Z", slice(4, 10)),
        ("?since=2026-01-01T00:00:03.5", slice(4, 10)),
        ("?since=2026-01-01T02:00:04+02:00", slice(4, 10)),
        ("?since=2026-01-01T02:00:04%2B02:00", slice(4, 10)),
        ("?since=2030-01-01", slice(10, 10)),
        ("?since=1999-01-01", slice(0, 10)),
        ("?whatever=1&tail=2&another", slice(8, 10)),
    ],
)
async def test_where_a_reader_starts(server: Server, stream: Stream, query: str, kept: slice) -> None:
    """An offset, the last lines, a time, or the beginning; what it does not know it ignores."""
    lines = [stream.line(i) for i in range(9)]
    lines.append(stream.final())
    data = stream.path.read_bytes()
    places = {"third": token(data, sum(len(line) + 1 for line in lines[:3])), "tail": token(data, len(data))}
    assert (await lines_of(server.url, query.format(**places))) == (lines[kept], (CLOSE, b"\x03\xe8closed"))


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("event_type=signal", [1, 3]),
        ("event_type=signal&event_type=malformed", [1, 2, 3]),
        ("event_type=", [0, 1, 2, 3]),
        ("event_type=none", []),
        ("contains=NEEDLE", [0, 3]),
        ("contains=needle&event_type=signal", [3]),
        ("contains=n%C3%A4h", [0]),
        ("tail=2&event_type=signal", [3]),
    ],
)
async def test_filters(server: Server, stream: Stream, query: str, kept: list[int]) -> None:
    """Only lines that pass every filter come; ``tail`` counts before they do."""
    lines = [
        '{"event_type":"status","payload":{"detail":"needle näh"}}'.encode(),
        b'{"event_type":"signal","payload":{"name":"a"}}',
        b"nonsense",
        b'{"event_type":"signal","payload":{"name":"Needle"}}',
    ]
    stream.write(b"".join(line + b"\n" for line in lines))
    got: list[bytes] = []
    async with websocket(server.url, f"{WS}?{query}") as raw:
        stream.write(b'{"event_type":"status","payload":{"final":true}}\n')
        got = [frame.payload for frame in (await raw.frames())[:-1]]
    delivered = [line.delivered for line in naive.lines(stream.path.read_bytes(), MIB)]
    assert [line for line in got if b"final" not in line] == [delivered[i] for i in kept]


async def test_filtered_lines_live(server: Server, stream: Stream) -> None:
    """A filter holds for what comes live as for history."""
    async with websocket(server.url, f"{WS}?contains=keep") as raw:
        stream.write(b'{"drop":1}\n{"keep":1}\n')
        assert await raw.frame() == (TEXT, b'{"keep":1}')
        stream.write(b'{"drop":2}\n')
        stream.write(b'{"keep":2}\n')
        assert await raw.frame() == (TEXT, b'{"keep":2}')


# --- ends -----------------------------------------------------------------------------------------------------


async def test_a_closed_stream_that_was_reopened(server: Server, stream: Stream) -> None:
    """A foreign line past the end reopens the stream for new readers; who was told the end stays told."""
    lines = [stream.line(1), stream.final()]
    async with websocket(server.url, WS) as told:
        assert len(await told.frames()) == 3
        lines.append(stream.line(2))
        async with websocket(server.url, WS) as raw:
            assert [(await raw.frame()).payload for _ in range(3)] == lines
            lines.append(stream.line(3))
            assert await raw.frame() == (TEXT, lines[3])
        await told.say_close()
        assert await told.everything() == b""


async def test_silence_is_no_end(server: Server, stream: Stream) -> None:
    """A ``completed`` that is not final ends nothing."""
    line = b'{"event_type":"status","payload":{"state":"completed"}}'
    stream.write(line + b"\n")
    async with websocket(server.url, WS) as raw:
        assert await raw.frame() == (TEXT, line)
        await raw.say(PING)
        assert await raw.frame() == (PONG, b"")


def _replace(stream: Stream) -> None:
    other = stream.path.with_name("other")
    other.write_bytes(b'{"new":1}\n{"new":2}\n')
    other.rename(stream.path)


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda stream: os.truncate(stream.path, 8), 4410),
        (lambda stream: os.truncate(stream.path, 0), 4410),
        (_replace, 4410),
        (lambda stream: stream.path.write_bytes(b'{"other":1}\n' * 9), 4410),
        (lambda stream: stream.path.unlink(), 4404),
    ],
    ids=["cut", "emptied", "replaced", "rewritten", "deleted"],
)
async def test_a_file_that_is_cut_replaced_or_deleted(
    server: Server, stream: Stream, act: Callable[[Stream], object], code: int
) -> None:
    """Readers are told by the close code; it is never re-read silently."""
    stream.write(b'{"n":1}\n{"n":2}\n')
    async with websocket(server.url, WS) as raw, websocket(server.url, f"{WS}?offset=now") as at_tail:
        assert [(await raw.frame()).payload for _ in range(2)] == [b'{"n":1}', b'{"n":2}']
        act(stream)
        for socket in (raw, at_tail):
            frame = await socket.frame()
            assert frame.code == code
            if code == 4410:
                assert token(stream.path.read_bytes(), 0) in frame.payload.decode()
            await socket.say_close(code)
            assert await socket.everything() == b""


async def test_a_stream_that_is_waited_for(server: Server, tmp_path: Path) -> None:
    """With ``wait=1`` a stream may not be there yet: it comes from its beginning when it does."""
    async with websocket(server.url, f"{WS}?wait=1") as raw, websocket(server.url, f"{WS}?wait=1&offset=now") as now:
        await raw.say(PING)
        assert await raw.frame() == (PONG, b"")
        with Stream(tmp_path) as stream:
            lines = [stream.line(i) for i in range(3)]
            stream.final()
            for socket in (raw, now):
                assert [frame.payload for frame in await socket.frames()][:3] == lines


async def test_a_copy_that_lags_is_waited_for(server: Server, tmp_path: Path) -> None:
    """With ``wait=1`` an offset that this copy has not reached yet is where the reader begins, once it has."""
    data = b'{"n":1}\n{"n":2}\n{"n":3}\n'
    path = tmp_path / "s.jsonl"
    path.write_bytes(data[:8])
    async with websocket(server.url, f"{WS}?wait=1&offset={token(data, 16)}") as raw:
        with path.open("ab", buffering=0) as file:
            file.write(data[8:16])
            await raw.say(PING)
            assert await raw.frame() == (PONG, b"")
            file.write(data[16:])
        assert await raw.frame() == (TEXT, b'{"n":3}')


@pytest.mark.slow
async def test_the_server_shuts_down(tmp_path: Path) -> None:
    """Live sockets are closed with 1001."""
    with Stream(tmp_path) as stream:
        stream.line(1)
        async with inside(tmp_path, QUICK) as it, websocket(it.url, WS) as raw:
            await raw.frame()
            draining = asyncio.create_task(it.connections.drain(5))
            assert (await raw.frames())[-1].code == 1001
            await raw.say_close(1001)
            await draining


# --- what a client sends --------------------------------------------------------------------------------------


async def test_what_a_client_sends_is_thrown_away(server: Server, stream: Stream) -> None:
    """Text, binary, fragments, pongs, orders: nothing changes, and the lines go on."""
    async with websocket(server.url, WS) as raw:
        for opcode in (TEXT, BINARY):
            await raw.say(opcode, b'{"action":"pause"}')
            await raw.say(opcode, b"x" * 1024)
        await raw.say(TEXT, b"a", fin=False)
        await raw.say(PING, b"between")
        assert await raw.frame() == (PONG, b"between")
        await raw.say(CONTINUATION, b"b")
        await raw.say(PONG, b"unasked")
        line = stream.line(1)
        assert await raw.frame() == (TEXT, line)


@pytest.mark.parametrize("target", [WS, "/v1/ws?stream=s"])
async def test_inbound_close(tmp_path: Path, stream: Stream, target: str) -> None:
    """With ``--inbound close`` the first data frame closes the socket with 1008; pings and pongs are no data."""
    async with served(tmp_path, inbound="close") as server:
        for opcode, fin in ((TEXT, True), (BINARY, True), (TEXT, False)):
            async with websocket(server.url, target) as raw:
                await raw.say(PONG)
                await raw.say(PING, b"?")
                while (await raw.frame()) != (PONG, b"?"):
                    pass
                await raw.say(opcode, b"", fin=fin)
                frames = await raw.frames()
                assert frames[-1].code == 1008
                if "stream=" in target:
                    error = json.loads(frames[-2].payload)
                    assert (error["type"], error["code"]) == ("error", 1008)
                await raw.say_close(1008)
                assert await raw.everything() == b""


@pytest.mark.parametrize("inbound", ["discard", "close"])
async def test_a_message_that_is_too_big(tmp_path: Path, stream: Stream, inbound: str) -> None:
    """A message over 1 KiB closes the socket, in one frame or in several: with 1009, unless data is refused anyway."""
    code = 1009 if inbound == "discard" else 1008
    async with served(tmp_path, inbound=inbound) as server:
        for frames in (
            [client_frame(TEXT, b"x" * 1025)],
            [client_frame(BINARY, b"x" * 70_000)],
            [client_frame(TEXT, b"x" * 1000, fin=False), client_frame(CONTINUATION, b"x" * 25)],
        ):
            async with websocket(server.url, WS) as raw:
                for frame in frames:
                    await raw.send(frame)
                assert (await raw.frames())[-1].code == code
                await raw.say_close(code)
                assert await raw.everything() == b""


@pytest.mark.parametrize(
    "data",
    [
        client_frame(TEXT, b"hello", masked=False),
        b"\xc1\x80\0\0\0\0",
        b"\x83\x80\0\0\0\0",
        b"\x09\x80\0\0\0\0",
        client_frame(PING, b"x" * 126),
        client_frame(CONTINUATION, b"x"),
        client_frame(CLOSE, b"\x03"),
        client_frame(CLOSE, b"\x03\xed"),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    ids=["unmasked", "rsv", "opcode", "fragmented-ping", "long-ping", "continuation", "close-1", "close-1005", "http"],
)
async def test_a_client_that_breaks_the_rules(server: Server, stream: Stream, data: bytes) -> None:
    """A breach of RFC 6455 closes the socket with 1002, and the connection ends without waiting for an answer."""
    async with websocket(server.url, WS) as raw:
        await raw.send(data)
        assert (await raw.frames())[-1].code == 1002
        assert await raw.everything() == b""


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"", b"\x03\xe8"),
        (b"\x03\xe8", b"\x03\xe8"),
        (b"\x03\xe9going", b"\x03\xe9"),
        (b"\x0f\xa0", b"\x0f\xa0"),
    ],
)
async def test_a_client_that_closes(server: Server, stream: Stream, sent: bytes, answered: bytes) -> None:
    """A close is answered with its own code, and the server ends the connection."""
    async with websocket(server.url, WS) as raw:
        await raw.say(CLOSE, sent)
        assert await raw.frame() == (CLOSE, answered)
        assert await raw.everything() == b""


async def test_pings(server: Server, stream: Stream) -> None:
    """Each ping is answered with its own payload, between the lines."""
    async with websocket(server.url, WS) as raw:
        for payload in (b"", b"x" * 125, b"\0\xff"):
            await raw.say(PING, payload)
            assert await raw.frame() == (PONG, payload)
            line = stream.line(1)
            assert await raw.frame() == (TEXT, line)


async def test_a_flood_of_pings(server: Server, stream: Stream) -> None:
    """Of many pings at once the last one's answer is enough; lines come all the same."""
    async with websocket(server.url, WS) as raw:
        for _ in range(20):
            await raw.send(b"".join(client_frame(PING, b"%d" % i) for i in range(2000)))
        line = stream.line(1)
        await raw.say(PING, b"last")
        frames: list[Frame] = []
        while not frames or frames[-1] != (PONG, b"last"):
            frames.append(await raw.frame())
        assert len(frames) < 20_000
        if (TEXT, line) not in frames:
            assert await raw.frame() == (TEXT, line)


async def test_pings_of_a_client_that_takes_nothing(tmp_path: Path, stream: Stream) -> None:
    """While a client is blocked its pings pile up nowhere; when it reads on, the last one is answered."""
    stream.write((padded(999) + b"\n") * 8000)
    async with inside(tmp_path) as it, Raw(it.url, 16 * 1024) as raw:
        await raw.upgrade(WS)
        await until(lambda: len(it.connections._blocked) == 1)
        (connection,) = it.connections.open
        before = sum(map(len, connection._rest))
        for i in range(5000):
            await raw.say(PING, b"%04d" % i + b"x" * 100)
            await asyncio.sleep(0)
        await until(lambda: connection._pong == b"4999" + b"x" * 100)  # type: ignore[attr-defined]
        assert sum(map(len, connection._rest)) == before
        stream.final()
        frames = await raw.frames()
        assert [frame.payload for frame in frames if frame.opcode == TEXT] == stream.path.read_bytes().split(b"\n")[:-1]
        pongs = [frame.payload for frame in frames if frame.opcode == PONG]
        assert pongs[-1] == b"4999" + b"x" * 100
        assert len(pongs) < 2500


async def test_frames_in_small_pieces(server: Server, stream: Stream) -> None:
    """A frame may come byte by byte."""
    async with websocket(server.url, WS) as raw:
        for byte in client_frame(TEXT, b"slow") + client_frame(PING, b"slow"):
            await raw.send(bytes([byte]))
            await asyncio.sleep(0.001)
        assert await raw.frame() == (PONG, b"slow")


async def test_the_accept_key_is_of_the_key_that_was_sent(raw: Raw, stream: Stream) -> None:
    """Each handshake has its own digest."""
    head = await raw.upgrade(WS)
    digest = hashlib.sha1(KEY.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    assert base64.b64decode(head.fields["sec-websocket-accept"]) == digest

"""Noise at the parsers: bytes that no client means to send, in the place of requests and of frames."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
from pathlib import Path

import pytest

from tests.raw import CLOSE, HANDSHAKE, KEY, Raw, client_frame
from tests.servers import Server, Stream, served
from tests.web.inside import SILENT

#: How many connections are made, each with noise of its own; more in a long run.
HTTP = int(os.environ.get("STREAMHUB_TEST_NOISE", "2000"))
FRAMES = HTTP // 2
_AT_ONCE = 50

_HANDSHAKE = "".join(f"{name}: {value}\r\n" for name, value in HANDSHAKE.items()).encode()
SEEDS = [
    b"GET /v1/stream/s HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /v1/streams?limit=5&after=x HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n",
    b"HEAD /v1/stream/s?offset=-1 HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n",
    b"GET /v1/stream/s/ws HTTP/1.1\r\nHost: localhost\r\n" + _HANDSHAKE + b"\r\n",
    b"GET /v1/ws?stream=s@-1&match=* HTTP/1.1\r\nHost: localhost\r\n" + _HANDSHAKE + b"\r\n",
    b"GET /v1/stream/s/sse HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 0\r\n\r\n",
    b"POST /v1/stream/s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nAccess-Control-Request-Method: GET\r\n\r\n",
    b"GET /?token=x HTTP/1.1\r\nHost: localhost\r\nCookie: streamhub=x; a=b\r\nAuthorization: Bearer x\r\n\r\n",
]
SCRAPS = [
    *(
        b"\r",
        b"\n",
        b"\r\n",
        b"\0",
        b" ",
        b"\t",
        b":",
        b"%",
        b"%00",
        b"%ff",
        b"?",
        b"#",
        b"//",
        b"..",
        b";",
        b",",
        b"\xff",
    ),
    *(b"Content-Length: 0\r\n", b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n", b"HTTP/2.0", b"HTTP/1.1"),
    *(
        b"Upgrade: websocket\r\n",
        b"Connection: close\r\n",
        b"Host: evil\r\n",
        b"Sec-WebSocket-Version: 99\r\n",
        b"\xf0\x9f",
    ),
    *(
        b"&offset=1&offset=2",
        b"&since=9999999",
        b"&tail=-1",
        b"&limit=0",
        b"Accept: ,,;q=\r\n",
        b"If-None-Match: *\r\n",
    ),
    *(b"x" * 5000, b"X: " + b"y" * 9000 + b"\r\n", b"ffffffffffffffff\r\n", KEY.encode()),
]


def garbled(dice: random.Random) -> bytes:
    """A request, or several, that something has happened to; now and then mere noise."""
    if dice.random() < 0.1:
        return dice.randbytes(dice.randrange(1, 400))
    data = bytearray(b"".join(dice.choices(SEEDS, k=dice.choice((1, 1, 1, 2, 5)))))
    for _ in range(dice.choice((0, 1, 1, 2, 3, 8))):
        place = dice.randrange(len(data) + 1)
        match dice.randrange(5):
            case 0:
                data[place:place] = dice.choice(SCRAPS)
            case 1:
                del data[place : place + dice.randrange(20)]
            case 2:
                data[place : place + 1] = bytes((dice.randrange(256),))
            case 3:
                data[place : place + 4] = data[place : place + 40]
            case 4:
                del data[place + 1 :]
    return bytes(data)


def noisy_frames(dice: random.Random) -> bytes:
    """Frames, of which some are none."""
    found = []
    for _ in range(dice.randrange(1, 12)):
        payload = dice.randbytes(dice.choice((0, 1, 2, 5, 125, 126, 1024, 1025, 5_000)))
        frame = bytearray(
            client_frame(dice.randrange(16), payload, fin=dice.random() < 0.7, masked=dice.random() < 0.9)
        )
        if dice.random() < 0.3:
            frame[dice.randrange(min(12, len(frame)))] = dice.randrange(256)
        found.append(bytes(frame))
    data = b"".join(found)
    return data[: dice.randrange(len(data) + 1)] if dice.random() < 0.3 else data


async def heard(raw: Raw) -> bytes:
    """What is said within a moment; a server that does not answer may be waiting for more."""
    try:
        return await asyncio.wait_for(raw.more(), 0.05)
    except TimeoutError:
        return b""


async def throw(server: Server, head: bytes, data: bytes, dice: random.Random) -> bytes:
    """Send bytes in a few pieces, say that there are no more, and hear the server out; gives what it said."""
    said = b""
    async with Raw(server.url) as raw, asyncio.timeout(30):
        try:
            if head:
                await raw.send(head)
                await raw.until(b"\r\n\r\n")
            cut = dice.randrange(len(data) + 1)
            await raw.send(data[:cut])
            await asyncio.sleep(0)
            await raw.send(data[cut:])
            said = await heard(raw)
            raw.half_close()
            while more := await raw.more():
                said += more
        except OSError:
            pass  # it does not hear everything out
    return said


async def throw_all(server: Server, throws: list[tuple[bytes, bytes, random.Random]]) -> list[bytes]:
    """Throw them, some at a time; gives what was said."""
    said = []
    for place in range(0, len(throws), _AT_ONCE):
        said += await asyncio.gather(*(throw(server, *one) for one in throws[place : place + _AT_ONCE]))
    return said


async def settled() -> tuple[int, int]:
    """How many tasks and descriptors there are when those that end have ended."""
    for _ in range(100):
        await asyncio.sleep(0.02)
        if len(asyncio.all_tasks()) <= 4:
            break
    gc.collect()
    return len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))


@pytest.mark.slow
async def test_noise_at_the_http_parser(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """2,000 connections of garbled requests: each gets an answer or the end, no 500, and nothing is left of them."""
    caplog.set_level(logging.WARNING)
    with Stream(tmp_path) as stream:
        stream.line(1)
        stream.final()
        async with served(tmp_path, timing=SILENT, header_timeout=5.0) as server:
            assert (await server.get("/v1/stream/s"))[0] == 200
            before = await settled()
            throws = [(b"", garbled(dice), dice) for dice in map(random.Random, range(HTTP))]
            said = await throw_all(server, throws)
            for (_, data, _), answer in zip(throws, said, strict=True):
                assert not answer or answer.startswith(b"HTTP/"), f"{data!r} got {answer[:100]!r}"
                assert b" 500 " not in answer[:20], f"{data!r} got {answer[:300]!r}"
            statuses = {answer[9:12] for answer in said}
            assert {b"200", b"101", b"400", b"403", b"404", b"405"} <= statuses
            assert (await server.get("/v1/stream/s"))[0] == 200
            after = await settled()
    assert [record.getMessage() for record in caplog.records] == []
    assert after[0] <= before[0]
    assert after[1] <= before[1] + 1  # the stream that was followed is watched on for a while


@pytest.mark.slow
async def test_noise_at_the_websocket_parser(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """1,000 sockets of garbled frames: each is closed with a reason, or hung up on when it says no more."""
    caplog.set_level(logging.WARNING)
    head = b"GET /v1/stream/s/ws HTTP/1.1\r\nHost: localhost\r\n" + _HANDSHAKE + b"\r\n"
    with Stream(tmp_path) as stream:
        stream.line(1)
        async with served(tmp_path, timing=SILENT) as server:
            assert (await server.get("/v1/stream/s"))[0] == 200
            before = await settled()
            throws = [(head, noisy_frames(dice), dice) for dice in map(random.Random, range(FRAMES))]
            said = await throw_all(server, throws)
            codes = {
                answer[place + 2 : place + 4] for answer in said if (place := answer.rfind(bytes((0x80 | CLOSE,)))) >= 0
            }
            assert {code.to_bytes(2) for code in (1002, 1009)} <= codes
            line = stream.line(2)
            assert line in (await server.get("/v1/stream/s"))[2]
            after = await settled()
    assert [record.getMessage() for record in caplog.records] == []
    assert after[0] <= before[0]
    assert after[1] <= before[1] + 1  # the stream that was followed is watched on for a while

"""What is no HTTP: how it is answered, and what of it is logged."""

from __future__ import annotations

import json
import logging

import pytest

from tests.raw import Raw
from tests.servers import Server

_SECRET = b"Authorization: Bearer do-not-say-this"
BAD = {
    "bare line feeds": b"GET / HTTP/1.1\nHost: localhost\n%b\n\n" % _SECRET,
    "two lengths": b"GET / HTTP/1.1\r\nHost: localhost\r\n%b\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n"
    % _SECRET,
    "a length and chunks": b"POST / HTTP/1.1\r\n%b\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"
    % _SECRET,
    "chunks that are none": b"GET / HTTP/1.1\r\n%b\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" % _SECRET,
    "a signed length": b"GET / HTTP/1.1\r\n%b\r\nContent-Length: +5\r\n\r\nhello" % _SECRET,
    "a folded field": b"GET / HTTP/1.1\r\nX: a\r\n b\r\n%b\r\n\r\n" % _SECRET,
    "space before the colon": b"GET / HTTP/1.1\r\n%b\r\nContent-Length : 5\r\n\r\nhello" % _SECRET,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _SECRET,
    "two hundred fields": b"GET / HTTP/1.1\r\n%b\r\n" % _SECRET
    + b"".join(b"X-%d: y\r\n" % i for i in range(200))
    + b"\r\n",
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
async def test_what_is_no_http(server: Server, caplog: pytest.LogCaptureFixture, data: bytes) -> None:
    """Nine shapes, those of smuggled requests among them: 400 as problem details, nothing echoed."""
    caplog.set_level(logging.INFO)
    async with Raw(server.url) as raw:
        await raw.send(data)
        head = await raw.head()
        body = await raw.everything()
    assert (head.status, head.fields["content-type"]) == (400, "application/problem+json")
    assert head.fields["x-content-type-options"] == "nosniff"
    assert json.loads(body)["detail"] == "this is no HTTP request that can be read"
    assert "do-not-say-this" not in caplog.text
    assert all(record.levelno <= logging.INFO for record in caplog.records)


async def test_noise_does_not_fill_the_log(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """However many send what is no HTTP, it is said once in a while, with how many there were."""
    caplog.set_level(logging.INFO)
    for _ in range(50):
        async with Raw(server.url) as raw:
            await raw.send(b"\x16\x03\x01")
            await raw.everything()
    assert len(caplog.records) <= 2


BODIES = {
    "no gzip": (b"Content-Encoding: gzip\r\nContent-Length: 5", b"hello"),
    "no deflate": (b"Content-Encoding: deflate\r\nContent-Length: 5", b"hello"),
    "no chunks": (b"Transfer-Encoding: chunked", b"hello\r\n"),
}


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(("fields", "body"), BODIES.values(), ids=BODIES)
async def test_a_body_that_cannot_be_read(
    server: Server, caplog: pytest.LogCaptureFixture, fields: bytes, body: bytes, *, late: bool
) -> None:
    """Whether it comes at once or after the answer, nobody reads it: it is worth a word in the log once in a while."""
    caplog.set_level(logging.INFO)
    for _ in range(20):
        async with Raw(server.url) as raw:
            await raw.send(b"POST /healthz HTTP/1.1\r\nHost: localhost\r\n%b\r\n\r\n" % fields + body * (not late))
            assert (await raw.head()).status in {400, 405}
            await raw.send(body * late)
            raw.half_close()
            await raw.everything()
    assert len(caplog.records) <= 2
    assert all(record.levelno <= logging.INFO and record.exc_info is None for record in caplog.records)


async def test_versions_are_not_told(server: Server) -> None:
    """No answer says what the server is made of."""
    for target in ("/", "/v1/streams", "/v1/nothing", "/healthz", "/v1/stream/s/ws"):
        _, headers, _ = await server.get(target)
        assert headers["Server"] == "streamhub"

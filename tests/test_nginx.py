"""A real nginx before a server, with the configuration of docs/deploy."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from streamhub.client import AsyncClient
from tests.certificates import Certificate, make_certificate
from tests.client.drivers import rest, take
from tests.conftest import ROOT
from tests.servers import Server, Stream, free_port, served, until

CONF = ROOT / "docs" / "deploy" / "nginx.conf"

AROUND = """
{user}
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 64; }}
http {{
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/streamhub.conf;
}}
"""


def adapted(directory: Path, certificate: Certificate, port: int, upstream: str) -> str:
    """The configuration as it stands, but for where things are on this machine; each of them must be named there."""
    text = CONF.read_text()
    for there, here in {
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "server 127.0.0.1:8765;": f"server {upstream.removeprefix('http://')};",
        "/etc/streamhub/cert.pem": str(certificate.cert),
        "/etc/streamhub/key.pem": str(certificate.key),
        "/var/log/nginx/streamhub.log": str(directory / "access.log"),
    }.items():
        assert there in text, there
        text = text.replace(there, here)
    return text


@contextlib.asynccontextmanager
async def nginx(program: str, directory: Path, upstream: str, certificate: Certificate) -> AsyncIterator[str]:
    """Nginx before the server at an address; gives its own."""
    port = free_port()
    (directory / "streamhub.conf").write_text(adapted(directory, certificate, port, upstream))
    user = "user root;" if os.geteuid() == 0 else ""
    (directory / "nginx.conf").write_text(AROUND.format(directory=directory, user=user))
    process = await asyncio.create_subprocess_exec(
        program, "-p", str(directory), "-c", str(directory / "nginx.conf"), "-e", str(directory / "error.log")
    )
    try:
        await until((directory / "nginx.pid").exists)
        yield f"https://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture
async def front(
    tmp_path: Path, require_tool: Callable[[str, str], str]
) -> AsyncIterator[tuple[str, Server, ssl.SSLContext]]:
    """nginx, the server behind it, and what a client needs to trust it."""
    program = require_tool("nginx", "stands before the server")
    streams, own = tmp_path / "streams", tmp_path / "nginx"
    streams.mkdir()
    own.mkdir()
    certificate = make_certificate(tmp_path)
    async with served(streams) as server, nginx(program, own, server.url, certificate) as url:
        yield url, server, certificate.client()


Front = tuple[str, Server, ssl.SSLContext]


async def test_server_sent_events_are_not_kept_back(front: Front) -> None:
    """Each event is there while the response goes on; nothing waits for a buffer to fill."""
    url, server, trust = front
    with Stream(server.directory) as stream:
        lines = [stream.line(0)]
        async with server.session.get(f"{url}/v1/stream/s/sse", ssl=trust) as response, asyncio.timeout(30):
            assert response.status == 200
            for number in range(1, 4):
                while (said := await response.content.readline()) != b"data: " + lines[-1] + b"\n":
                    assert said
                lines.append(stream.line(number))
            assert not response.content.at_eof()


async def test_web_sockets_are_not_kept_back(front: Front) -> None:
    """Likewise, on the plain one and on the multiplexed one."""
    url, server, trust = front
    with Stream(server.directory) as stream:
        line = stream.line(0)
        async with (
            server.session.ws_connect(f"{url}/v1/stream/s/ws", ssl=trust) as plain,
            AsyncClient(url, ssl=trust) as client,
            asyncio.timeout(30),
        ):
            items = client.follow("s")
            for number in range(1, 4):
                assert await plain.receive_str() == line.decode()
                assert [item.line for item in await take(items, 1)] == [line]
                line = stream.line(number)
            assert not plain.closed
            end = stream.final()
            assert [item.line for item in await rest(items)] == [line, end]


async def test_long_polls_wait_behind_it(front: Front) -> None:
    """A long-poll is answered when there is something, and not before."""
    url, server, trust = front
    with Stream(server.directory) as stream:
        stream.line(0)
        async with server.session.head(f"{url}/v1/stream/s", ssl=trust) as head:
            offset = head.headers["Stream-Next-Offset"]
        asked = asyncio.create_task(
            server.session.get(f"{url}/v1/stream/s?offset={offset}&live=long-poll", ssl=trust).__aenter__()
        )
        assert not (await asyncio.wait((asked,), timeout=0.2))[0]
        line = stream.line(1)
        async with await asked as response:
            assert await response.read() == b"[" + line + b"]"


async def test_it_lets_through_what_is_to_be_read_and_no_more(front: Front) -> None:
    """The page comes with its own scripts; other methods and the metrics are refused; its log holds no token."""
    url, server, trust = front
    for path, method, status in (
        ("/", "GET", 200),
        ("/static/client.js", "GET", 200),
        ("/v1/streams", "POST", 405),
        ("/metrics", "GET", 403),
        ("/?token=secret", "GET", 200),
    ):
        async with server.session.request(method, url + path, ssl=trust) as answer:
            assert answer.status == status, path
            assert len(answer.headers.getall("Referrer-Policy")) == 1
    log = server.directory.parent / "nginx" / "access.log"
    await until(lambda: log.exists() and log.read_text().count("\n") >= 5)
    assert "secret" not in log.read_text()


async def test_what_is_no_reading_is_answered_by_the_server(front: Front) -> None:
    """Another method gets the answer that the protocol promises, through the proxy too."""
    url, server, trust = front
    for method in ("POST", "PUT", "DELETE"):
        async with server.session.request(method, f"{url}/v1/streams", ssl=trust, data=b"x") as answer:
            assert (answer.status, answer.content_type) == (405, "application/problem+json"), method
            assert answer.headers["Allow"] == "GET,HEAD,OPTIONS"


async def test_a_token_is_in_no_log_when_the_server_is_down(
    tmp_path: Path, require_tool: Callable[[str, str], str]
) -> None:
    """Errors are logged with the whole address, but not that of the page, which may carry a token; nor a Referer's."""
    program = require_tool("nginx", "stands before the server")
    certificate = make_certificate(tmp_path)
    trust = certificate.client()
    async with (
        nginx(program, tmp_path, f"http://127.0.0.1:{free_port()}", certificate) as url,
        aiohttp.ClientSession() as session,
    ):
        for path, method, size, status in (
            ("/?token=secret", "GET", 0, 502),
            ("/?x=1&token=secret", "POST", 2000, 413),
            ("/metrics?token=secret", "GET", 0, 403),
            ("/v1/streams", "GET", 0, 502),
        ):
            async with session.request(method, url + path, data=b"x" * size, ssl=trust) as answer:
                assert answer.status == status, path
                assert answer.headers.getall("Referrer-Policy") == ["no-referrer"]
    log = (tmp_path / "error.log").read_text()
    assert '"GET /v1/streams HTTP/1.1"' in log
    assert "secret" not in log
    assert "secret" not in (tmp_path / "access.log").read_text()


async def test_a_page_is_its_own_origin(front: Front) -> None:
    """What a browser sends along, the name with its port as the origin, is accepted."""
    url, server, trust = front
    with Stream(server.directory) as stream:
        line = stream.line(0)
    async with server.session.ws_connect(f"{url}/v1/stream/s/ws", ssl=trust, headers={"Origin": url}) as socket:
        assert await socket.receive_str() == line.decode()
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await server.session.ws_connect(f"{url}/v1/stream/s/ws", ssl=trust, headers={"Origin": "https://else.example"})

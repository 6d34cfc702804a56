"""The server's own TLS: the same streams, to the byte, behind a certificate."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from streamhub.config import Config
from streamhub.errors import ConfigError
from streamhub.web.server import running
from streamhub.web.timing import Timing
from streamhub.web.tls import tls_context
from tests.certificates import Certificate, make_certificate
from tests.raw import HANDSHAKE, TEXT
from tests.servers import Stream, until
from tests.wires import Frames

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_QUICK = Timing(heartbeat=0.2, sweep=0.05, farewell=1.0, drain=2.0)
#: More than the buffers of both kernels and both ends of TLS take together.
_BURST = 60_000


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for this run."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@asynccontextmanager
async def secured(
    directory: Path, certificate: Certificate, **settings: Any
) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    """A server that speaks TLS, and a session of a client that trusts it."""
    config = Config(str(directory), port=0, tls_cert=str(certificate.cert), tls_key=str(certificate.key), **settings)
    connector = aiohttp.TCPConnector(ssl=certificate.client())
    async with running(config, _QUICK) as url, aiohttp.ClientSession(connector=connector) as session:
        assert url.startswith("https://127.0.0.1:")
        yield url, session


async def test_every_way(tmp_path: Path, certificate: Certificate) -> None:
    """Polling, event streams and both sockets give each line once, history and live, and end cleanly."""
    with Stream(tmp_path) as stream:
        lines = [stream.line(number) for number in range(3)]
        async with secured(tmp_path, certificate) as (url, session):
            async with session.get(f"{url}/v1/stream/s") as response:
                assert await response.read() == b"[" + b",".join(lines) + b"]"
            async with (
                session.ws_connect(f"{url}/v1/stream/s/ws") as plain,
                session.ws_connect(f"{url}/v1/ws?stream=s") as many,
                session.get(f"{url}/v1/stream/s/sse") as events,
            ):
                lines += [stream.line(number) for number in range(3, 6)]
                lines.append(stream.final())
                assert [message.data.encode() async for message in plain] == lines
                told = [message.json() async for message in many]
                text = await events.read()
            assert (plain.close_code, many.close_code) == (1000, 1000)
            assert sum(len(message.get("events", [])) for message in told) == len(lines)
            assert [row[6:] for row in text.split(b"\n") if row.startswith(b'data: {"timestamp')] == lines


@pytest.mark.slow
async def test_burst_with_a_slow_client(tmp_path: Path, certificate: Certificate) -> None:
    """A burst reaches a healthy client while another reads nothing; then that one gets every line, and the end."""
    with Stream(tmp_path) as stream:
        stream.line(0)
        async with secured(tmp_path, certificate) as (url, session):
            reader, writer = await _slow(url, certificate)
            async with session.ws_connect(f"{url}/v1/stream/s/ws") as healthy:
                lines = [(await healthy.receive_str()).encode()]
                lines += await asyncio.to_thread(lambda: [stream.line(number) for number in range(1, _BURST)])
                lines.append(stream.final())
                got = [message.data.encode() async for message in healthy]
                assert got == lines[1:]
            frames, data = Frames(), await reader.readuntil(b"\r\n\r\n")
            assert data.startswith(b"HTTP/1.1 101 ")
            slow = []
            while data := await reader.read(1 << 20):
                slow += frames.feed(data)
                if slow and slow[-1][0] == 8:
                    writer.write(b"\x88\x82\0\0\0\0\x03\xe8")
            assert [payload for opcode, payload in slow if opcode == TEXT] == lines
            assert slow[-1] == (8, b"\x03\xe8closed")
            writer.close()
            await writer.wait_closed()


async def _slow(url: str, certificate: Certificate) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A plain WebSocket whose end takes as little as can be until it is read."""
    address = urlsplit(url)
    own = socket.socket()
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    own.setblocking(False)
    await asyncio.get_running_loop().sock_connect(own, (address.hostname, address.port))
    reader, writer = await asyncio.open_connection(
        sock=own, ssl=certificate.client(), server_hostname="localhost", limit=4096
    )
    fields = {"Host": address.netloc, **HANDSHAKE}
    head = ["GET /v1/stream/s/ws HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    writer.write("\r\n".join(head).encode())
    return reader, writer


async def test_cookie_and_origin(tmp_path: Path, certificate: Certificate) -> None:
    """Behind TLS the cookie is for TLS alone, and a page that came without TLS may not read."""
    async with secured(tmp_path, certificate, tokens=("s3cret",)) as (url, session):
        async with session.get(f"{url}/?token=s3cret", allow_redirects=False) as response:
            value, *attributes = response.headers["Set-Cookie"].split("; ")
        assert value.startswith("__Host-streamhub=")
        assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} == set(attributes)
        for origin, status in ((url, 200), (url.replace("https", "http"), 403)):
            async with session.get(f"{url}/v1/streams", headers={"Cookie": value, "Origin": origin}) as response:
                assert response.status == status


async def test_old_versions_are_refused(tmp_path: Path, certificate: Certificate) -> None:
    """Nothing older than TLS 1.2 is spoken; 1.2 and 1.3 are, and HTTP/1.1 is what is agreed on."""
    async with secured(tmp_path, certificate) as (url, _session):
        address = urlsplit(url)

        def handshake(version: ssl.TLSVersion) -> tuple[str | None, str | None]:
            context = certificate.client()
            context.set_alpn_protocols(["h2", "http/1.1"])
            context.minimum_version = context.maximum_version = version
            with (
                socket.create_connection((address.hostname or "", address.port or 0), timeout=10) as plain,
                context.wrap_socket(plain, server_hostname="localhost") as wrapped,
            ):
                return wrapped.version(), wrapped.selected_alpn_protocol()

        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            assert await asyncio.to_thread(handshake, version) == (name, "http/1.1")
    context = tls_context(Config(tls_cert=str(certificate.cert), tls_key=str(certificate.key)))
    assert context is not None
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


async def test_a_handshake_takes_no_longer_than_a_head(tmp_path: Path, certificate: Certificate) -> None:
    """A client that never begins TLS, or that speaks plain HTTP, is hung up on; others do not notice."""
    async with secured(tmp_path, certificate, header_timeout=0.3) as (url, session):
        address = urlsplit(url)
        silent, _ = await asyncio.open_connection(address.hostname, address.port)
        plain, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for reader in (silent, plain):
            async with asyncio.timeout(20):
                with suppress(ConnectionError):
                    assert b"HTTP" not in await reader.read()
        writer.close()
        silent._transport.close()  # type: ignore[attr-defined]
        async with session.get(f"{url}/healthz") as response:
            assert response.status == 200


async def test_shutdown(tmp_path: Path, certificate: Certificate) -> None:
    """Who is connected when the server stops is told so behind TLS too."""
    with Stream(tmp_path) as stream:
        stream.line(1)
    connector = aiohttp.TCPConnector(ssl=certificate.client())
    async with aiohttp.ClientSession(connector=connector) as session:
        config = Config(str(tmp_path), port=0, tls_cert=str(certificate.cert), tls_key=str(certificate.key))
        async with running(config, _QUICK) as url:
            web = await session.ws_connect(f"{url}/v1/stream/s/ws")
            assert (await web.receive()).type is aiohttp.WSMsgType.TEXT
            closed = asyncio.create_task(web.receive())
            await until(lambda: not closed.done())
        assert (await closed).data == 1001


def test_bad_files(tmp_path: Path, certificate: Certificate) -> None:
    """What is no certificate, lacks its key or needs a password is refused in one line, and nothing is asked for."""
    missing, rubbish = tmp_path / "missing.pem", tmp_path / "rubbish.pem"
    rubbish.write_text("rubbish")
    other = make_certificate(tmp_path)
    for cert, key in (
        (missing, certificate.key),
        (certificate.cert, missing),
        (rubbish, certificate.key),
        (certificate.cert, rubbish),
        (certificate.cert, other.key),
        (certificate.cert, certificate.locked),
        (certificate.cert, ""),
    ):
        with pytest.raises(ConfigError, match="TLS cannot be had") as caught:
            tls_context(Config(tls_cert=str(cert), tls_key=str(key)))
        assert "\n" not in str(caught.value)
        assert str(cert) in str(caught.value)
    with pytest.raises(ConfigError, match="give tls-cert too"):
        Config(tls_key="x")
    assert tls_context(Config()) is None


def test_one_file(tmp_path: Path, certificate: Certificate) -> None:
    """Certificate and key may stand in one file."""
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.cert.read_bytes() + certificate.key.read_bytes())
    assert tls_context(Config(tls_cert=str(both))) is not None

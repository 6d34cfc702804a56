from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.certificates import make_certificate
from tests.commands import command
from tests.servers import free_port, served

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers import Server


async def test_a_server_that_is_well(server: Server) -> None:
    """A server that answers and is ready is ok, by its URL or by the settings that it was started with."""
    port = server.url.rpartition(":")[2]
    for arguments, env in (
        (["--url", server.url], {}),
        (["--port", port], {}),
        ([], {"STREAMHUB_PORT": port, "STREAMHUB_HOST": "0.0.0.0", "STREAMHUB_TOKEN_FILE": "/missing"}),
        ([], {"STREAMHUB_URL": server.url}),
    ):
        outcome = await asyncio.to_thread(command, "healthcheck", *arguments, env=env)
        assert (outcome.code, outcome.out, outcome.err) == (0, b"ok\n", "")


async def test_settings_of_a_file(server: Server, tmp_path: Path) -> None:
    """The server's own configuration file tells where it is."""
    path = tmp_path / "streamhub.toml"
    path.write_text(f"port = {server.url.rpartition(':')[2]}\nworkers = 2\n")
    assert (await asyncio.to_thread(command, "healthcheck", "--config", path)).code == 0


async def test_tls(tmp_path: Path) -> None:
    """At its own address, a server's certificate may be of another name; at a URL it must be good."""
    made = make_certificate(tmp_path)
    async with served(tmp_path, tls_cert=str(made.cert), tls_key=str(made.key)) as server:
        port = server.url.rpartition(":")[2]
        for arguments, code in (
            (["--port", port, "--tls-cert", str(made.cert)], 0),
            (["--url", server.url, "--tls-ca", str(made.cert)], 0),
            (["--url", server.url], 1),
            (["--port", port], 1),
        ):
            outcome = await asyncio.to_thread(command, "healthcheck", *arguments)
            assert outcome.code == code, outcome.err


async def test_a_server_that_is_not() -> None:
    """A server that is not there, does not answer, or is not ready, is exit code 1, with a line that says why."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if request.startswith(b"GET /healthz"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")
        else:
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with (
        await asyncio.start_server(answer, "127.0.0.1", 0) as draining,
        await asyncio.start_server(say_nothing, "127.0.0.1", 0) as silent,
    ):
        for port, said in (
            (free_port(), "cannot reach"),
            (draining.sockets[0].getsockname()[1], "answered 503"),
            (silent.sockets[0].getsockname()[1], "timed out"),
        ):
            outcome = await asyncio.to_thread(command, "healthcheck", "--port", str(port), "--timeout", "100ms")
            assert outcome.code == 1
            assert said in outcome.complaint


async def test_a_server_that_is_something_else(server: Server) -> None:
    """Whatever an answer says, other than that it is well, is exit code 1: a restart is for that, and nothing else."""
    for path in ("/x", "/v1/stream/missing"):
        outcome = await asyncio.to_thread(command, "healthcheck", "--url", server.url + path)
        assert outcome.code == 1
        assert outcome.complaint


def test_no_time_at_all() -> None:
    """A time-out in which nothing can be answered is wrong usage."""
    outcome = command("healthcheck", "--timeout", "0")
    assert outcome.code == 2
    assert "'0' is no time to answer in: give more, such as 2s" in outcome.complaint


async def test_without_tls_at_a_server_that_has_it(tmp_path: Path) -> None:
    """Who wrote http:// for a server that speaks TLS is told so."""
    made = make_certificate(tmp_path)
    async with served(tmp_path, tls_cert=str(made.cert), tls_key=str(made.key)) as server:
        url = server.url.replace("https", "http")
        outcome = await asyncio.to_thread(command, "healthcheck", "--url", url)
    assert outcome.code == 1
    assert outcome.complaint.startswith(f"cannot reach {url}: ")
    assert "if it speaks TLS, write https://" in outcome.complaint

"""Servers for tests: in this process, or in one of their own that can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from streamhub.config import Config
from streamhub.web.server import running
from streamhub.web.timing import Timing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


_TIMING = Timing()


class Stream:
    """A stream file that a test writes by hand."""

    def __init__(self, directory: Path, stream: str = "s") -> None:
        self.id = stream
        self.path = directory / f"{stream}.jsonl"
        self._file = self.path.open("ab", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        """Append bytes as they are."""
        self._file.write(data)

    def line(self, number: int, **payload: Any) -> bytes:
        """Append one event; gives its line, without the newline."""
        line = (
            b'{"timestamp":"2026-01-01T%02d:%02d:%02d.000000Z","mission_id":"m","event_type":"signal",'
            % (number // 3600 % 24, number // 60 % 60, number % 60)
            + b'"payload":{"name":"n","value":%d}}' % number
        )
        self.write(line + b"\n")
        return line

    def final(self) -> bytes:
        """Append the final status; gives its line."""
        line = (
            b'{"timestamp":"2026-01-02T00:00:00.000000Z","mission_id":"m","event_type":"status",'
            b'"payload":{"state":"completed","final":true}}'
        )
        self.write(line + b"\n")
        return line


class Server:
    """A server in this process, and a client session to it."""

    def __init__(self, url: str, directory: Path, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.directory = directory
        self.session = session

    async def get(self, path: str, *, method: str = "GET", **options: Any) -> tuple[int, Any, bytes]:
        """Ask; gives status, headers and body."""
        async with self.session.request(method, self.url + path, **options) as response:
            return response.status, response.headers, await response.read()


@contextlib.asynccontextmanager
async def served(directory: Path, *, timing: Timing = _TIMING, **settings: Any) -> AsyncIterator[Server]:
    """Serve a folder in this process."""
    config = replace(Config(directory=str(directory), port=0), **settings)
    async with running(config, timing) as url, aiohttp.ClientSession() as session:
        yield Server(url, directory, session)


def free_port() -> int:
    """A loopback port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServerProcess:
    """A server in a process of its own, on a port that stays the same over restarts.

    Args:
        directory: the folder of streams.
        flags: further flags of ``serve``.
        port: where it is to listen; a free one if not given.
        descriptors: how many it may have; None: as many as this process.
    """

    def __init__(self, directory: Path, *flags: str, port: int | None = None, descriptors: int | None = None) -> None:
        self.directory = directory
        self._limits = [] if descriptors is None else ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh"]
        self.port = port or free_port()
        self.flags = flags
        self.process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [
            *self._limits,
            sys.executable,
            "-m",
            "streamhub",
            "serve",
            "--dir",
            str(self.directory),
            "--port",
            str(self.port),
        ]
        self.process = await asyncio.create_subprocess_exec(
            *command,
            *self.flags,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "PYTHONWARNINGS": ""},
        )
        await until(self._listens)

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal and wait for its end; gives its exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.process.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop(signal.SIGKILL)

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.returncode is None, f"the server ended with {self.process.returncode}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


async def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until something holds; a test that waits in vain fails."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)

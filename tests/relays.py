"""Relays for tests: in this process, or in one of their own that can be killed; and a line that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import nats

from streamhub.relay.edge import Edge
from streamhub.relay.link import Link
from streamhub.relay.meter import Meter
from streamhub.relay.pull import Puller
from streamhub.relay.push import Pusher
from streamhub.relay.settings import Settings
from streamhub.relay.store import Store
from tests.servers import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nats.aio.client import Client


STORE = Settings.store


def settings_of(directory: Path, url: str, **settings: Any) -> Settings:
    """The settings of a relay between a folder and a server."""
    return Settings(**{"directory": str(directory), "servers": (url,), **settings})


async def push_once(directory: Path, url: str, **settings: Any) -> Meter:
    """Push what is there; gives what was counted."""
    meter = Meter()
    async with Link(settings_of(directory, url, once=True, **settings), meter) as link:
        await Pusher(link, Store(link), meter).run()
    return meter


async def pull_once(directory: Path, url: str, **settings: Any) -> Meter:
    """Pull what is there; gives what was counted."""
    meter = Meter()
    with Edge(str(directory)) as edge:
        async with Link(settings_of(directory, url, once=True, **settings), meter) as link:
            await Puller(link, Store(link), edge, meter).run()
    return meter


async def stopped(task: asyncio.Future[None]) -> None:
    """End it as a signal does; that it failed before is raised."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@contextlib.asynccontextmanager
async def pushing(directory: Path, url: str, **settings: Any) -> AsyncIterator[Meter]:
    """Push within the block."""
    meter = Meter()
    async with Link(settings_of(directory, url, **settings), meter) as link:
        task = asyncio.ensure_future(Pusher(link, Store(link), meter).run())
        try:
            yield meter
        finally:
            await stopped(task)


@contextlib.asynccontextmanager
async def pulling(directory: Path, url: str, **settings: Any) -> AsyncIterator[Meter]:
    """Pull within the block."""
    meter = Meter()
    with Edge(str(directory)) as edge:
        async with Link(settings_of(directory, url, **settings), meter) as link:
            task = asyncio.ensure_future(Puller(link, Store(link), edge, meter).run())
            try:
                yield meter
            finally:
                await stopped(task)


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    """A plain client of NATS."""
    client = await nats.connect(url)
    try:
        yield client
    finally:
        await client.close()


async def messages(url: str) -> list[tuple[str, dict[str, str], bytes]]:
    """All that JetStream holds, in order: subject, headers, payload."""
    async with connected(url) as client:
        js = client.jetstream()
        state = (await js.stream_info(STORE)).state
        found = [await js.get_msg(STORE, seq=number) for number in range(state.first_seq, state.last_seq + 1)]
        return [(message.subject or "", dict(message.headers or {}), message.data or b"") for message in found]


def contents(directory: Path) -> dict[str, bytes]:
    """What the streams of a folder hold, by the names of their files."""
    return {path.name: path.read_bytes() for path in sorted(directory.glob("*.jsonl"))}


def size_of(directory: Path) -> int:
    """The bytes of all streams of a folder."""
    return sum(path.stat().st_size for path in directory.glob("*.jsonl"))


async def until_same(origin: Path, edge: Path, seconds: float = 30.0) -> None:
    """Wait until an edge has as much as the origin; it must be the same, byte for byte."""
    await until(lambda: size_of(edge) >= size_of(origin), seconds)
    assert contents(edge) == {name: data for name, data in contents(origin).items() if data}


class RelayProcess:
    """A relay in a process of its own, that can be killed and started again."""

    def __init__(self, command: str, directory: Path, url: str, *flags: str) -> None:
        self.process: asyncio.subprocess.Process | None = None
        self._command = [sys.executable, "-m", "streamhub", "relay", command, "--dir", str(directory), "--nats", url]
        self._command += flags
        self._log = directory.parent / f"{command}.log"

    async def start(self) -> None:
        """Start it."""
        with self._log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self._command, stdout=log, stderr=log, env={**os.environ, "PYTHONWARNINGS": ""}
            )

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal and wait for its end; gives its exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.process.wait()

    @property
    def log(self) -> str:
        """What it has said."""
        return self._log.read_text()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop(signal.SIGKILL)


class Line:
    """A TCP connection's way to a server, that can be cut as a network is: nothing passes, and nobody is told."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._passes = asyncio.Event()
        self._passes.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where its near end is."""
        assert self._server is not None
        return f"nats://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """Let nothing pass."""
        self._passes.clear()

    def heal(self) -> None:
        """Let everything pass again, what was held up too."""
        self._passes.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            there, back = await asyncio.open_connection("127.0.0.1", self._to)
            await asyncio.gather(self._pass(reader, back), self._pass(there, writer))
        writer.close()
        self._tasks.discard(task)

    async def _pass(self, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await self._passes.wait()
                to.write(data)
                await to.drain()
        finally:
            to.close()

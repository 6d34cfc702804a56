"""A stream that grows while clients read it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from streamhub.emitter import Emitter
from tests.servers import Server, served

#: Text that has tripped up clients: quotes, line ends of several kinds, characters outside the basic plane.
_TEXTS = ['say "hi"', "two\nlines\r\n", "café ☃ 😀", "\u2028\u2029\x85\x0b", "back\\slash </script>", "x" * 3000, ""]


class Mission:
    """A mission that keeps emitting, a few events at a time, until it is told to come to its end.

    Attributes:
        url: its stream's.
        live_stream_id: its stream's id.
    """

    def __init__(self, directory: Path, server: str) -> None:
        self._stream = Emitter(mission_id="m", directory=directory)
        self.live_stream_id = self._stream.live_stream_id
        self.url = f"{server}/v1/stream/{self.live_stream_id}"
        self._number = 0
        self._finish = asyncio.Event()
        self.emit(40)
        self._task = asyncio.create_task(self._go_on())

    @property
    def lines(self) -> list[bytes]:
        """The truth: the lines of the file."""
        return self._stream.path.read_bytes().split(b"\n")[:-1]

    @property
    def events(self) -> list[Any]:
        """The lines' values."""
        return [json.loads(line) for line in self.lines]

    def emit(self, count: int) -> None:
        """Emit so many events now."""
        for number in range(self._number, self._number + count):
            self._stream.signal(name="step", value=number, detail=_TEXTS[number % len(_TEXTS)])
        self._number += count

    async def finish(self) -> None:
        """Emit the last few, and end the stream."""
        self._finish.set()
        await self._task

    async def _go_on(self) -> None:
        while not self._finish.is_set():
            self.emit(1 + self._number % 3)
            await asyncio.sleep(0.01)
        self.emit(5)
        self._stream.close()


@pytest.fixture
async def paged(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """A server whose polling responses are short, so that catching up takes several; a test may add settings."""
    async with served(tmp_path, read_chunk=8 * 1024, **getattr(request, "param", {})) as running:
        yield running


@pytest.fixture
async def mission(tmp_path: Path, paged: Server) -> AsyncIterator[Mission]:
    """A mission under way, and its server."""
    running = Mission(tmp_path, paged.url)
    yield running
    await running.finish()

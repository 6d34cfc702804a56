"""From history to live, under a writer that never stops."""

from __future__ import annotations

import asyncio
import json
import os
import random
from pathlib import Path

import pytest

from tests.readers import Reader
from tests.servers import Server, until
from tests.transports import TRANSPORTS
from tests.writers import writing

#: Joins that are under way at once.
_AT_ONCE = 24
#: Each reader goes on until it has so many lines that were written after it had joined.
_LIVE = 20


class Growing:
    """A file that somebody else writes, each line with its number."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def count(self) -> int:
        """How many complete lines there are, as the last of them says."""
        block, _ = self._last(4096)
        lines = block[: block.rfind(b"\n")].split(b"\n")
        return int(json.loads(lines[-1])["number"]) + 1 if lines[-1] else 0

    def some_line(self, chance: random.Random) -> tuple[int, int]:
        """One of the latest lines: its number, and the byte it starts at."""
        block, place = self._last(20_000)
        start = chance.choice([place for place, byte in enumerate(block[:-400]) if byte == 0x0A]) + 1
        number = json.loads(block[start:].split(b"\n")[0])["number"]
        return number, place + start

    def _last(self, size: int) -> tuple[bytes, int]:
        with self.path.open("rb") as file:
            place = max(0, file.seek(0, os.SEEK_END) - size)
            file.seek(place)
            return file.read(), place


async def join(server: Server, growing: Growing, chance: random.Random, generation: str) -> tuple[Reader, range]:
    """Read from some place on until well into what is written live; gives the reader, and where it may have begun."""
    before, known = growing.count, None
    way = chance.choice(["now", "tail", "offset", "offset", "beginning"])
    count = chance.randrange(60)
    if way == "offset":
        known, byte = growing.some_line(chance)
        start = f"offset={generation}_{byte:016d}"
    elif way == "beginning" and before < 4000:
        start, known = "", 0
    else:
        start, count = ("offset=now", 0) if way == "now" else (f"tail={count}", count)
    reader = chance.choice(TRANSPORTS)(server.url, ("s",), start, http=server.session)
    async with reader:
        assert reader.status in {101, 200}
        after = growing.count
        await reader.until(lambda: growing.count > after + _LIVE)
        await reader.until(lambda: bool(reader.log.lines) and number_of(reader.log.lines[-1]) > after + _LIVE)
    assert reader.log.told is None
    return reader, range(known, known + 1) if known is not None else range(before - count, after - count + 1)


def number_of(line: bytes) -> int:
    """A line's number."""
    return int(json.loads(line)["number"])


async def joined(server: Server, joins: int) -> None:
    """So many joins at random moments, over all transports; then each is held to the file."""
    chance = random.Random(11)
    growing = Growing(server.directory / "s.jsonl")
    async with writing("churn", server.directory, "s") as writer:
        await until(lambda: growing.path.exists() and growing.path.stat().st_size > 30_000)
        generation = (await server.get("/v1/stream/s", method="HEAD"))[1]["Stream-Next-Offset"][:8]
        free = asyncio.Semaphore(_AT_ONCE)

        async def one() -> tuple[Reader, range]:
            async with free:
                return await join(server, growing, chance, generation)

        readers = await asyncio.gather(*(one() for _ in range(joins)))
        assert writer.returncode is None
    truth = growing.path.read_bytes().split(b"\n")
    for reader, starts in readers:
        lines = reader.log.lines
        first = number_of(lines[0])
        assert first in starts, reader
        assert lines == truth[first : first + len(lines)], reader


async def test_joins_have_no_gap_and_no_repeat(server: Server) -> None:
    """Whoever joins while somebody writes gets every line from his start on, each once, in order, byte for byte."""
    await joined(server, 100)


@pytest.mark.slow
async def test_a_thousand_joins_have_no_gap_and_no_repeat(server: Server) -> None:
    """The same, a thousand times."""
    await joined(server, 1000)

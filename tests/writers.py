"""Writers in a process of their own: ``python -m tests.writers <name> <directory> <stream> [argument …]``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
import time
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

from streamhub.emitter import Emitter


def churn(directory: str, stream: str) -> None:
    """Write numbered lines for ever: bursts of any size, in pieces that end anywhere, with pauses of any length."""
    chance = random.Random(7)
    fd = os.open(os.path.join(directory, f"{stream}.jsonl"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    numbers = count()
    while True:
        lines = [numbered(next(numbers), chance.randrange(300)) for _ in range(chance.choice([1, 1, 2, 5, 40]))]
        data = b"".join(lines)
        cut = chance.randrange(len(data))
        os.write(fd, data[:cut])
        if chance.random() < 0.3:
            time.sleep(chance.random() * 0.006)
        os.write(fd, data[cut:])
        time.sleep(chance.random() * 0.006)


def emit(directory: str, stream: str, events: str, pause: str) -> None:
    """Emit so many events at least, with a pause (in seconds) after each, and end the stream.

    While there is a file named ``go-on`` beside the stream, it goes on past that.
    """
    go_on = Path(directory, "go-on")
    with Emitter(mission_id="m", live_stream_id=stream, directory=directory) as emitter:
        for number in count():
            if number >= int(events) and not go_on.exists():
                break
            emitter.extraction(
                target="prices", count=number, url="https://example.com/a/b?c=d", detail="caf\u00e9 \u2603"
            )
            if float(pause):
                time.sleep(float(pause))


def numbered(number: int, size: int = 0) -> bytes:
    """A line with a number, newline included."""
    return b'{"number":%d,"text":"%s"}\n' % (number, b"x" * size)


@contextlib.asynccontextmanager
async def writing(name: str, directory: Path, *arguments: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a writer within the block; it is killed at the end if it still runs."""
    command = [sys.executable, "-W", "error", "-m", "tests.writers", name, str(directory), *map(str, arguments)]
    process = await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).resolve().parent.parent)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


if __name__ == "__main__":
    if sys.argv[1] == "churn":
        churn(*sys.argv[2:])
    else:
        emit(*sys.argv[2:])

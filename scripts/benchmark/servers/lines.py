"""What the Python servers have in common: the lines of standard input, and telling where they listen."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def lines() -> AsyncIterator[str]:
    """The lines of standard input; between two of them the loop gets its turn."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode().rstrip("\n")
        await asyncio.sleep(0)


def listening(port: int) -> None:
    """Tell that the server listens."""
    print(port, flush=True)

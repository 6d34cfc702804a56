"""Programs that tests start: what they print, line by line, as it comes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Self

from tests.servers import until

#: A printed line may be as long as a stream's.
_LONGEST = 4 * 1024 * 1024


class Program:
    """A program with its standard input kept open, as a person's terminal would keep it.

    Attributes:
        lines: what it has printed so far.
        errors: what it has complained of so far.
    """

    def __init__(self, *command: str) -> None:
        self.lines: list[bytes] = []
        self.errors = b""
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        return f"<{' '.join(self._command)}: {len(self.lines)} lines, {self.errors.decode(errors='replace')!r}>"

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The running program."""
        assert self._process is not None
        return self._process

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, stderr=pipe, limit=_LONGEST
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._tasks = [
            asyncio.create_task(self._collect_lines(self._process.stdout)),
            asyncio.create_task(self._collect_errors(self._process.stderr)),
        ]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    async def has(self, true: Callable[[], bool]) -> None:
        """Wait until it has printed what a test waits for; fails when it never does."""
        try:
            await until(true)
        except TimeoutError:
            raise AssertionError(f"waited in vain for {self!r}") from None

    async def printed(self, count: int) -> None:
        """Wait until it has printed so many lines."""
        await self.has(lambda: len(self.lines) >= count)

    async def ended(self) -> int:
        """Wait until it ends by itself; gives its exit code."""
        try:
            async with asyncio.timeout(30):
                await asyncio.gather(*self._tasks)
                return await self.process.wait()
        except TimeoutError:
            raise AssertionError(f"does not end: {self!r}") from None

    async def stop(self) -> None:
        """Kill it if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await asyncio.gather(*self._tasks)
        if self.process.stdin is not None:
            self.process.stdin.close()
        await self.process.wait()

    async def _collect_lines(self, stdout: asyncio.StreamReader) -> None:
        async for line in stdout:
            self.lines.append(line.removesuffix(b"\n"))

    async def _collect_errors(self, stderr: asyncio.StreamReader) -> None:
        async for line in stderr:
            self.errors += line

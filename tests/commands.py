"""The command line for tests: in this process, or in one of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from click.testing import CliRunner

from streamhub.cli.app import run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[bytes]:
        """What it printed."""
        return self.out.splitlines()

    @property
    def complaint(self) -> str:
        """What it said went wrong: one printable line on stderr, and nothing on stdout."""
        assert not self.out
        assert self.err.startswith("streamhub: ")
        assert self.err.endswith("\n")
        assert self.err[:-1].isprintable()
        return self.err.removeprefix("streamhub: ").rstrip("\n")


def command(*arguments: str | Path, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Outcome:
    """Run a command in this process, with no settings but those given."""
    unset: dict[str, str | None] = {name: None for name in os.environ if name.startswith("STREAMHUB_")}
    with CliRunner().isolation(stdin, {**unset, **(env or {})}) as (out, err, _both):
        code = run([str(argument) for argument in arguments])
    return Outcome(code, out.getvalue(), err.getvalue().decode())


@contextlib.asynccontextmanager
async def started(
    *arguments: str | Path, cwd: Path | None = None, stdin: int = asyncio.subprocess.DEVNULL, **env: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a command in a process of its own, within the block, with no settings but those given."""
    unset = {name: value for name, value in os.environ.items() if not name.startswith("STREAMHUB_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streamhub", *map(str, arguments)),
        cwd=cwd,
        env={**unset, **env},
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line_of(stream: asyncio.StreamReader | None) -> bytes:
    """The next line of a process; a test that waits in vain fails."""
    assert stream is not None
    async with asyncio.timeout(30):
        return (await stream.readline()).rstrip(b"\n")


async def end_of(process: asyncio.subprocess.Process) -> Outcome:
    """How a process ends by itself, with what was not read of it."""
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Outcome(process.returncode, out, err.decode())

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

from streamhub.cli.local import LocalSource
from streamhub.cli.query import Query
from streamhub.cli.together import Together
from tests.commands import end_of, line_of, started
from tests.servers import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streamhub.batch import Batch
    from tests.servers import Server


@pytest.mark.parametrize("kind", ["folder", "server"])
async def test_follow_several(server: Server, kind: str) -> None:
    """Of several streams each comes whole and in order, with its id before each line if asked, until all are closed."""
    place = ("--url", server.url) if kind == "server" else ("--dir", server.directory)
    with Stream(server.directory, "a") as a, Stream(server.directory, "b") as b:
        streams = {b"a": a, b"b": b}
        lines = {name: [stream.line(0)] for name, stream in streams.items()}
        async with started("tail", "-f", "a", "b", "--prefix", "--show-cursor", *place) as process:
            seen: dict[bytes, list[bytes]] = {b"a": [], b"b": []}
            for number in range(1, 6):
                for _stream in streams:
                    name, _, line = (await line_of(process.stdout)).partition(b": ")
                    seen[name].append(line)
                for name, stream in streams.items():
                    lines[name].append(stream.line(number))
            for name, stream in streams.items():
                lines[name].append(stream.final())
            outcome = await end_of(process)
    for line in outcome.lines:
        name, _, rest = line.partition(b": ")
        seen[name].append(rest)
    assert outcome.code == 0
    assert seen == lines
    assert sorted(line.partition("@")[0] for line in outcome.err.splitlines()) == ["-- cursor: a", "-- cursor: b"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "server"])
async def test_those_that_appear(server: Server, kind: str) -> None:
    """With a glob, streams that appear join from their beginning; others do not; Ctrl-C is how it ends."""
    place = ("--url", server.url) if kind == "server" else ("--dir", server.directory)
    with Stream(server.directory, "team-0") as stream:
        line = [stream.line(number) for number in range(3)][-1]
    async with started("tail", "-f", "-n", "1", "--match", "team-*", *place) as process:
        assert await line_of(process.stdout) == line
        with Stream(server.directory, "other") as stream:
            stream.line(0)
        with Stream(server.directory, "team-1") as stream:
            lines = [stream.line(number) for number in range(3)]
            assert [await line_of(process.stdout) for _line in lines] == lines
            line = stream.line(3)
            assert await line_of(process.stdout) == line
        process.send_signal(signal.SIGINT)
        outcome = await end_of(process)
    assert (outcome.code, outcome.out, outcome.err.strip()) == (130, b"", "")


async def test_one_is_lost(tmp_path: Path) -> None:
    """One that is missing, or cut, is said, and the others go on; the exit code is that of what was lost first."""
    with Stream(tmp_path, "a") as a, Stream(tmp_path, "b") as b:
        first = {a.line(0), b.line(0)}
        async with started("tail", "-f", "a", "b", "missing", "--dir", tmp_path) as process:
            assert {await line_of(process.stdout), await line_of(process.stdout)} == first
            assert b"there is no stream 'missing'" in await line_of(process.stderr)
            a.path.write_bytes(b"")
            assert b"'a' was cut" in await line_of(process.stderr)
            line = b.line(1)
            assert await line_of(process.stdout) == line
            b.final()
            outcome = await end_of(process)
    assert outcome.code == 3


async def test_nobody_reads(tmp_path: Path) -> None:
    """When whoever read has gone, it ends by itself, though nothing is written any more."""
    with Stream(tmp_path, "a") as a, Stream(tmp_path, "b") as b:
        lines = {a.line(0), b.line(0)}
    async with started("tail", "-f", "--match", "*", "--dir", tmp_path) as process:
        assert {await line_of(process.stdout), await line_of(process.stdout)} == lines
        assert process.stdout is not None
        process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
        async with asyncio.timeout(30):
            assert await process.wait() == 0


def test_more_than_can_be_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of more streams than are followed at once, some wait until others end, and that is said."""
    for name in "abcde":
        with Stream(tmp_path, name) as stream:
            stream.final()
    failed: list[BaseException] = []
    together = Together(LocalSource(str(tmp_path)), failed.append, most=2)
    found = [stream for stream, piece in together.follow([(name, Query()) for name in "abcde"], Query()) if piece.lines]
    assert sorted(found) == list("abcde")
    assert not failed
    assert "2 streams are followed; others wait until one ends" in capsys.readouterr().err


def test_mistakes_are_not_swallowed(tmp_path: Path) -> None:
    """What is no error of a stream's ends it all."""

    class Broken(LocalSource):
        def follow(self, stream: str, query: Query, *, wait: bool) -> Iterator[Batch]:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(Together(Broken(str(tmp_path)), print).follow([("a", Query())], Query()))

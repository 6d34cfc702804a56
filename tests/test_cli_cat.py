from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from tests.commands import command
from tests.servers import Stream

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers import Server


def places(server: Server) -> list[tuple[str, str]]:
    """The flags of a folder, and those of the server that serves it."""
    return [("--dir", str(server.directory)), ("--url", server.url)]


async def test_whole(server: Server) -> None:
    """A stream comes whole, each line byte for byte, from a folder and from a server; what is torn is not there yet."""
    with Stream(server.directory) as stream:
        lines = [stream.line(number) for number in range(12_000)]
        stream.write(b'{"torn')
    for place in places(server):
        outcome = await asyncio.to_thread(command, "cat", "s", *place)
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.lines == lines


@pytest.mark.parametrize(
    ("flags", "first", "last"),
    [
        (["--since", "2026-01-01T00:00:15Z"], 15, 19),
        (["--until", "2026-01-01T00:00:04Z"], 0, 4),
        (["--until", "2026-01-01T00:00:04.999Z"], 0, 4),
        (["--since", "2026-01-01T00:00:15Z", "--until", "2026-01-01 00:00:16"], 15, 16),
        (["--until", "2025-01-01"], 0, -1),
        (["--until", "9999-12-31T23:59:59.999999Z"], 0, 19),
        (["--offset", "now", "--until", "2026-01-01"], 0, -1),
    ],
)
async def test_ranges(server: Server, flags: list[str], first: int, last: int) -> None:
    """A part of a stream is from the first event of a time to the last of another, both included."""
    with Stream(server.directory) as stream:
        lines = []
        for number in range(20):
            lines.append(stream.line(number))
            stream.write(b"\n")
    for place in places(server):
        outcome = await asyncio.to_thread(command, "cat", "s", *place, *flags)
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.lines == lines[first : last + 1]


def test_times_ago(tmp_path: Path) -> None:
    """A time may be said by how long ago it is."""
    with Stream(tmp_path) as stream:
        old = stream.line(1)
    assert command("emit", "--mission-id", "m", "--stream-id", "s", "signal", "name=new", "--dir", tmp_path).code == 0
    whole = command("cat", "s", "--dir", tmp_path).lines
    for flags, found in (
        (["--since", "1h"], whole[1:]),
        (["--since", "90.5s"], whole[1:]),
        (["--since", "1h", "--until", "30m"], []),
        (["--until", "0.5h"], [old]),
        (["--since", "9999d"], whole),
    ):
        assert command("cat", "s", "--dir", tmp_path, *flags).lines == found
    for bad in ("999999999d", "-1h", "1w", "1", "h"):
        outcome = command("cat", "s", "--dir", tmp_path, "--since", bad)
        assert outcome.code == 2
        assert f"time {bad!r}" in outcome.complaint


async def test_cursor(server: Server) -> None:
    """Where the reading ended is told on stderr, and from there the rest can be had: nothing twice, nothing lost."""
    with Stream(server.directory) as stream:
        lines = [stream.line(0)]
        stream.write(b"\nnonsense\n")
        lines += [stream.line(number) for number in range(1, 20)]
    for place in places(server):
        whole = (await asyncio.to_thread(command, "cat", "s", *place)).lines
        for until in (None, "2025-01-01", "2026-01-01T00:00:00Z", "2026-01-01T00:00:07Z"):
            flags = [] if until is None else ["--until", until]
            begun = await asyncio.to_thread(command, "cat", "s", "--show-cursor", *place, *flags)
            said, cursor = begun.err.rsplit(maxsplit=1)
            assert said == "-- cursor:"
            for rest in (["s", "--after-cursor", cursor], ["s", "--offset", cursor], [f"s@{cursor}"]):
                went_on = await asyncio.to_thread(command, "cat", *rest, *place)
                assert begun.lines + went_on.lines == whole


def test_raw(tmp_path: Path) -> None:
    """Raw, it is the file's own bytes up to the end of its last line, whatever they are."""
    chance = random.Random(1)
    with Stream(tmp_path) as stream:
        for size in (0, 5, 0, 300_000, 70_000, 3, 1_500_000, 20):
            stream.write(chance.randbytes(size).replace(b"\n", b"\0") + b"\n")
        stream.line(1)
        whole = stream.path.read_bytes()
        stream.write(b'{"torn')
    assert command("cat", "s", "-o", "raw", "--dir", tmp_path).out == whole
    assert command("tail", "-n", "all", "s", "-o", "raw", "--dir", tmp_path).out == whole


async def test_raw_of_a_server(server: Server) -> None:
    """A server gives no bytes of what is no event: whoever asks for them is told so, not given something else."""
    with Stream(server.directory) as stream:
        stream.line(1)
    outcome = await asyncio.to_thread(command, "cat", "s", "-o", "raw", "--url", server.url)
    assert outcome.code == 2
    assert "a server does not give" in outcome.complaint


async def test_several(server: Server) -> None:
    """Several come one after the other; for people each line names its stream, for programs if asked."""
    lines = {}
    for number, name in enumerate(("b", "a", "other")):
        with Stream(server.directory, name) as stream:
            lines[name] = stream.line(number)
    for place in places(server):
        assert command("cat", "b", "a", "b", *places(server)[0]).lines == [lines["b"], lines["a"]]
        outcome = await asyncio.to_thread(command, "cat", "--match", "[ab]", *place)
        assert outcome.lines == [lines["a"], lines["b"]]
        outcome = await asyncio.to_thread(command, "cat", "b", "--match", "?", "--prefix", *place)
        assert outcome.lines == [b"b: " + lines["b"], b"a: " + lines["a"]]
        outcome = await asyncio.to_thread(command, "cat", "--match", "?", "-o", "pretty", "--show-cursor", *place)
        assert outcome.lines[0] == b"a: 2026-01-01 00:00:01.000  signal      n = 1"
        assert [line.partition("@")[0] for line in outcome.err.splitlines()] == ["-- cursor: a", "-- cursor: b"]


async def test_one_of_several_is_missing(server: Server) -> None:
    """One that is not there is said, and the others come; the exit code is that of what is missing."""
    with Stream(server.directory, "there") as stream:
        line = stream.line(1)
    for place in places(server):
        outcome = await asyncio.to_thread(command, "cat", "missing", "there", *place)
        assert (outcome.code, outcome.lines) == (3, [line])
        assert outcome.err.count("\n") == 1
        assert "there is no stream 'missing'" in outcome.err


@pytest.mark.parametrize(
    ("asked", "meant"), [("m-42x", "'m-42'"), ("M-42", "'m-42'"), ("2026", "'20260101-a' or '20260102-b'"), ("q", "")]
)
async def test_did_you_mean(server: Server, asked: str, meant: str) -> None:
    """A name that is nearly one, or begins one, is answered with what may have been meant."""
    for name in ("m-42", "20260101-a", "20260102-b"):
        with Stream(server.directory, name) as stream:
            stream.line(1)
    for place in places(server):
        outcome = await asyncio.to_thread(command, "cat", asked, *place)
        assert outcome.code == 3
        expected = f"did you mean {meant}?" if meant else "see streamhub ls"
        assert outcome.complaint == f"there is no stream {asked!r} in {place[1]!r}: {expected}"


@pytest.mark.parametrize("asked", ["m-42.jsonl", "streams/m-42.jsonl", "./m-42.jsonl", "/srv/streams/m-42.jsonl@-1"])
async def test_a_file_in_the_place_of_an_id(server: Server, asked: str) -> None:
    """Whoever typed a file's name, or had the shell complete it, is told the id."""
    with Stream(server.directory, "m-42") as stream:
        stream.line(1)
    for place in places(server):
        outcome = await asyncio.to_thread(command, "cat", asked, *place)
        assert outcome.code == (2 if "/" in asked else 3)
        assert outcome.complaint.endswith("did you mean 'm-42'?")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "name a stream"),
        (["--match", "x*"], 3, "no stream fits 'x*'"),
        (["s", "--since", "2026-01-02", "--until", "2026-01-01"], 2, "is after until"),
        (["s", "--offset", "now", "--after-cursor", "now"], 2, "contradict each other"),
        (["s@x"], 2, "offset 'x' is malformed"),
        (["s*"], 2, "is malformed"),
        (["a/../*"], 2, "beginning with a letter or a digit"),
        (["s", "--until", "x"], 2, "not ISO 8601"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    """What makes no sense is said in one line."""
    with Stream(tmp_path) as stream:
        stream.line(1)
    outcome = command("cat", *arguments, "--dir", tmp_path)
    assert outcome.code == code
    assert said in outcome.complaint

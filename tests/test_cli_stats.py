from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from tests.commands import command
from tests.servers import Stream

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers import Server


@pytest.fixture
def hundred(server: Server) -> list[list[str]]:
    """The flags of a folder, and of its server, with a stream of a hundred seconds, and one line that is no event."""
    with Stream(server.directory) as stream:
        for number in range(100):
            stream.line(number)
        stream.write(b"nonsense\n")
        stream.final()
    return [["--dir", str(server.directory)], ["--url", server.url]]


async def test_json(hundred: list[list[str]], server: Server) -> None:
    """For programs it is the server's summary, from a folder too, and of as many buckets as were asked for."""
    _status, _headers, body = await server.get("/v1/stream/s/summary?buckets=7")
    for place in hundred:
        outcome = await asyncio.to_thread(command, "stats", "s", "-o", "json", "--buckets", "7", *place)
        assert (outcome.code, outcome.err) == (0, "")
        assert json.loads(outcome.out) == json.loads(body)


async def test_range(hundred: list[list[str]]) -> None:
    """What is drawn can be of a part of the time; what is counted is the whole."""
    flags = ["--since", "2026-01-01T00:00:10", "--until", "2026-01-01T00:00:19"]
    for place in hundred:
        outcome = await asyncio.to_thread(command, "stats", "s", "-o", "json", *flags, *place)
        summary = json.loads(outcome.out)
        assert sum(sum(bucket["by_type"].values()) for bucket in summary["buckets"]) == 10
        assert summary["events"] == 101


async def test_table(tmp_path: Path, server: Server) -> None:
    """For people: how many events of which type, in how long, how many a second, and when, drawn."""
    with Stream(server.directory) as stream:
        for number in range(101):
            stream.line(number)
        stream.write(b"nonsense\n")
    for place in (["--dir", str(tmp_path)], ["--url", server.url]):
        outcome = await asyncio.to_thread(command, "stats", "s", *place)
        lines = outcome.out.decode().splitlines()
        assert lines[0] == "s  mission m  open"
        assert lines[1].startswith("101 events in 1m 40s, 1 malformed line, ")
        assert lines[2] == "2026-01-01 00:00:00.000  to  2026-01-01 00:01:40.000"
        assert lines[4].split() == ["type", "lines", "share", "per", "s", "over", "time"]
        assert lines[5].split()[:4] == ["signal", "101", "100.0%", "1.01"]
        assert lines[6].split()[:2] == ["malformed", "1"]
        assert sum("█" in line for line in lines) >= 5
        assert any(line.strip().startswith("0 └──") for line in lines)


def test_nothing_that_is_malformed(tmp_path: Path) -> None:
    """Where each line is an event, they are called so, and nothing is said of other ones."""
    with Stream(tmp_path) as stream:
        stream.line(0)
        stream.line(1)
    lines = command("stats", "s", "--dir", tmp_path).out.decode().splitlines()
    assert lines[1].startswith("2 events in 1s, ")
    assert "malformed" not in lines[1]
    assert lines[4].split()[:2] == ["type", "events"]


def test_several(hundred: list[list[str]], server: Server) -> None:
    """Several streams come one after the other; one that is missing is said."""
    with Stream(server.directory, "t") as stream:
        stream.line(1)
    outcome = command("stats", "s", "missing", "t", *hundred[0])
    assert outcome.code == 3
    assert [line.split()[0] for line in outcome.out.decode().splitlines() if "mission" in line] == ["s", "t"]
    assert command("stats", *hundred[0]).code == 2


def test_hostile_and_empty(tmp_path: Path) -> None:
    """What a stream calls its mission and its types cannot do harm, and a stream without events has no plot."""
    with Stream(tmp_path) as stream:
        stream.write(b'{"timestamp":"2026-01-01","mission_id":"\\u001b[2J[red]","event_type":"\\u202e[b]x"}\n')
    with Stream(tmp_path, "t"):
        pass
    outcome = command("stats", "s", "t", "--dir", tmp_path)
    assert outcome.code == 0
    text = outcome.out.decode()
    assert r"mission \x1b[2J[red]" in text
    assert r"\u202e[b]x" in text
    assert all(line.isprintable() for line in text.splitlines())
    assert "0 events, 0 bytes" in text

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamhub.cli.local import _may_be_of_stand_in
from streamhub.line import stand_in
from tests.commands import command
from tests.servers import Stream

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers import Server


def event(kind: str, text: str) -> bytes:
    """A line of some type that holds some text."""
    return b'{"timestamp":"2026-01-01T00:00:00Z","mission_id":"m","event_type":"%s","payload":{"name":"%s"}}' % (
        kind.encode(),
        text.encode(),
    )


LINES = [
    event("signal", "Timeout after 30 s"),
    event("status", "timeout"),
    event("signal", "403 Forbidden ÄÖ"),
    event("navigation", "https://e.com/login"),
    event("signal", "fine"),
]


@pytest.fixture
def five(server: Server) -> list[list[str]]:
    """The flags of a folder with a stream of five lines, an empty one and one that is no event; and its server's."""
    with Stream(server.directory) as stream:
        stream.write(b"\n".join([*LINES[:3], b"", b"nonsense Timeout", *LINES[3:], b""]))
    return [["--dir", str(server.directory)], ["--url", server.url]]


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        (["timeout"], [0, 1]),
        (["TIMEOUT"], [0, 1]),
        (["-i", "timeout"], [0, 1]),
        (["timeout", "--ignore-case", "-E"], [0, 1]),
        (["timeout", "-s"], [1]),
        (["timeout", "-v"], [2, 3, 4]),
        (["timeout", "-e", "status"], [1]),
        (["timeout", "-v", "-e", "signal"], [2, 4]),
        (["", "-e", "status", "-e", "navigation"], [1, 3]),
        (["", "-e", "malformed"], []),
        (["", "-v"], []),
        (["timeout", "-m", "1"], [0]),
        (["äö"], []),
        (["ÄÖ"], [2]),
        (["äö", "-E"], [2]),
        (["time.*30|login", "-E"], [0, 3]),
        (["Time.*30|LOGIN", "-E", "-s"], [0]),
        (["^.{9}time", "-E"], []),
        ([r"\}$", "-E", "-e", "signal"], [0, 2, 4]),
        (["signal.*(timeout|403)", "-E", "-v"], [1, 3, 4]),
        (["nothing of the kind"], []),
    ],
)
async def test_what_is_found(five: list[list[str]], flags: list[str], found: list[int]) -> None:
    """Lines by text (ASCII's case ignored) and by type, of a folder or a server; 1 when there are none."""
    for place in five:
        outcome = await asyncio.to_thread(command, "grep", *flags, "s", *place)
        assert outcome.err == ""
        events = [line for line in outcome.lines if b'"malformed"' not in line]
        assert events == [LINES[number] for number in found]
        assert outcome.code == (0 if outcome.lines else 1)


@pytest.mark.parametrize("text", ["malformed", '"reason":"json"', "_00000000", "malformed_", "json x"])
async def test_in_the_place_of_a_line(five: list[list[str]], text: str) -> None:
    """What stands for a line that is no event is found by its own text, not by what that line was."""
    expected = 1 if text in {"malformed", '"reason":"json"', "_00000000"} else 0
    for place in five:
        outcome = await asyncio.to_thread(command, "grep", text, "s", *place)
        assert len(outcome.lines) == expected
    raw = command("grep", "nonsense", "s", "-o", "raw", *five[0])
    assert raw.lines == [b"nonsense Timeout"]


@settings(max_examples=200)
@given(st.integers(0, 400), st.integers(1, 40), st.sampled_from(["nul", "utf-8", "json", "object", "too-long"]))
def test_no_part_of_a_stand_in_is_overlooked(start: int, size: int, reason: str) -> None:
    """Where a search leaves out what cannot match, it never leaves out what may be in a stand-in."""
    line = stand_in("0a1b2c3d", 7, 1234, reason).lower()
    assert _may_be_of_stand_in(line[start : start + size])


def test_a_search_through_much(tmp_path: Path) -> None:
    """However the lines fall on what is read at once, each match is found, once; and after a long line, too."""
    with Stream(tmp_path) as stream:
        expected = []
        for number in range(9000):
            line = stream.line(number, padding="x" * (number % 97))
            if number % 1000 == 0:
                expected.append(event("signal", f"needle {number}"))
                stream.write(expected[-1] + b"\n")
            assert b"needle" not in line
            if number == 5000:
                stream.write(event("signal", "y" * 700_000) + b"\n" + b"z needle" * 200_000 + b"\n")
    for flags in (["NEEDLE"], ["needle", "-s"], ["need[l]e", "-E"]):
        assert command("grep", *flags, "--dir", tmp_path).lines == expected
    assert len(command("grep", "needle", "--dir", tmp_path, "-o", "raw").lines) == len(expected) + 1


async def test_several(five: list[list[str]], server: Server) -> None:
    """Without a name all streams are searched; the number of matches, the ids, or the code alone can be asked for."""
    with Stream(server.directory, "t") as stream:
        stream.write(LINES[1] + b"\n")
    with Stream(server.directory, "u") as stream:
        stream.write(LINES[4] + b"\n")
    for place in five:
        for flags, out, code in (
            (["timeout", "--prefix"], [b"s: " + LINES[0], b"s: " + LINES[1], b"t: " + LINES[1]], 0),
            (["timeout", "-c"], [b"s: 2", b"t: 1", b"u: 0"], 0),
            (["timeout", "-c", "--no-prefix"], [b"2", b"1", b"0"], 0),
            (["timeout", "-c", "t"], [b"1"], 0),
            (["timeout", "-c", "u"], [b"0"], 1),
            (["timeout", "-c", "-m", "1", "s"], [b"1"], 0),
            (["timeout", "-l"], [b"s", b"t"], 0),
            (["timeout", "-q"], [], 0),
            (["timeout", "-q", "u"], [], 1),
            (["timeout", "--match", "[tu]"], [LINES[1]], 0),
            (["timeout", "-l", "--since", "2026-01-02"], [], 1),
        ):
            outcome = await asyncio.to_thread(command, "grep", *flags, *place)
            assert (outcome.code, outcome.lines, outcome.err) == (code, out, "")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["(", "-E", "s"], 2, "pattern '(' is no regular expression"),
        (["x", "missing"], 3, "there is no stream 'missing'"),
        (["x", "-m", "0", "s"], 2, "--max-count"),
        (["x", "--match", "y*"], 3, "no stream fits"),
        ([], 2, "PATTERN"),
    ],
)
def test_wrong_usage(five: list[list[str]], arguments: list[str], code: int, said: str) -> None:
    """What makes no sense is said in one line, with a code that is not that of a search in vain."""
    outcome = command("grep", *arguments, *five[0])
    assert outcome.code == code
    assert said in outcome.complaint


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["-e", "statuss"], "event type 'statuss' is none of streamhub's own: did you mean 'status'?"),
        (
            ["-l", "-e", "signal", "-e", "navigate"],
            "event type 'navigate' is none of streamhub's own: did you mean 'navigation'?",
        ),
        (["-e", "malform"], "event type 'malform' is none of streamhub's own: did you mean 'malformed'?"),
        (["-e", "status", "-e", "purchase"], ""),
        (["-q", "-e", "statuss"], ""),
    ],
)
def test_a_type_with_a_slip(five: list[list[str]], flags: list[str], said: str) -> None:
    """A type that nothing is of, and that is nearly one of the schema's, is told; other types may well be there."""
    outcome = command("grep", "nowhere at all", "s", *flags, *five[0])
    assert outcome.code == 1
    assert outcome.err == (f"streamhub: {said}\n" if said else "")


def test_nothing_to_search(tmp_path: Path) -> None:
    """In a folder without streams nothing matches."""
    outcome = command("grep", "x", "--dir", tmp_path)
    assert (outcome.code, outcome.out, outcome.err) == (1, b"", "")


def test_pretty(five: list[list[str]]) -> None:
    """For people a match is shown like any event, with its stream's id when several are searched."""
    outcome = command("grep", "login", "-o", "pretty", *five[0])
    assert re.fullmatch(rb"s: 2026-01-01 00:00:00.000  navigation  .*login.*\n", outcome.out)

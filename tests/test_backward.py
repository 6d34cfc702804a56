from __future__ import annotations

from pathlib import Path

import pytest

from streamhub.backward import End, read_end
from streamhub.events import Signal, Status, line_rest, line_start

NOON = 1_767_268_800_000_000_000
LINE = line_start(NOON) + line_rest("m", Signal("one"))
FINAL = line_start(NOON + 1000) + line_rest("m", Status("completed", final=True))


def end_of(path: Path, content: bytes, end: int | None = None) -> End:
    """How a file with some content ends."""
    path.write_bytes(content)
    with path.open("rb") as file:
        return read_end(file.fileno(), len(content) if end is None else end)


@pytest.mark.parametrize(
    ("content", "end"),
    [
        (b"", End(b"", False, 0)),
        (b"torn", End(b"torn", False, 0)),
        (LINE, End(LINE, False, NOON)),
        (LINE + b"\n", End(b"", False, NOON)),
        (LINE + b"\n\r\n\n", End(b"", False, NOON)),
        (LINE + b"\nno event\n[1]\ntorn", End(b"torn", False, NOON)),
        (LINE + b"\n" + FINAL, End(FINAL, False, NOON + 1000)),
        (LINE + b"\n" + FINAL + b"\n\n", End(b"", True, NOON + 1000)),
        (FINAL + b"\n" + LINE + b"\n", End(b"", False, NOON)),
        (LINE + b"\n" + b"x" * 3_000_000 + b"\n", End(b"", False, NOON)),
    ],
)
def test_end(tmp_path: Path, content: bytes, end: End) -> None:
    """What is torn, whether the last whole line that is not empty is final, and the time of the last that has one.

    A line has a time before it has its newline: whoever gives it one must not write an earlier time after it.
    """
    assert end_of(tmp_path / "a.jsonl", content) == end


def test_every_byte(tmp_path: Path) -> None:
    """The end is looked at from where it is said to be, whatever comes after it."""
    content = LINE + b"\n" + FINAL + b"\n"
    for byte in range(len(content) + 1):
        whole, found = content[:byte].count(b"\n"), end_of(tmp_path / "a.jsonl", content, byte)
        assert found.rest == content[:byte].split(b"\n")[-1]
        assert found.closed == (whole == 2)
        told = content[: byte + 1].count(b"\n")  # a line that lacks nothing but its newline has a time already
        assert found.latest == [0, NOON, NOON + 1000][told]


def test_long_torn_line(tmp_path: Path) -> None:
    """Of a torn line that is very long, its head is enough."""
    found = end_of(tmp_path / "a.jsonl", LINE + b"\n" + b"xyz" * 1_000_000)
    assert found.rest.startswith(b"xyz")
    assert len(found.rest) < 3_000_000
    assert found.latest == NOON

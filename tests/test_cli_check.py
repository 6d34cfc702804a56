from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from tests.commands import command
from tests.servers import Stream

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good stream, a bad one, and an empty one."""
    with Stream(tmp_path, "good") as stream:
        stream.line(1)
        stream.final()
    with Stream(tmp_path, "bad") as stream:
        stream.line(5)
        stream.write(b"nonsense\n")
        stream.line(3)
        stream.write(b'{"torn')
    with Stream(tmp_path, "empty"):
        pass
    return tmp_path


def test_table(folder: Path) -> None:
    """For people each fault is a line, and each stream a row; the exit code is 4 when there are any."""
    outcome = command("check", "--dir", folder)
    assert (outcome.code, outcome.err) == (4, "")
    *faults, head, bad, empty, good = outcome.out.decode().splitlines()
    assert [fault.split(": ")[:2] for fault in faults] == [
        ["bad", "malformed"],
        ["bad", "out-of-order"],
        ["bad", "torn"],
    ]
    assert faults[0].startswith("bad: malformed: json; 8 bytes at ")
    assert faults[0].endswith("_0000000000000116")
    assert head.split() == ["stream", "events", "size", "malformed", "out-of-order", "past-end", "torn"]
    assert bad.split() == ["bad", "2", "241", "bytes", "1", "1", "0", "1", "damaged"]
    assert empty.split() == ["empty", "0", "0", "bytes", "0", "0", "0", "0", "ok"]
    assert good.split()[-1] == "ok"


def test_json(folder: Path) -> None:
    """For programs each stream is an object, with its faults and their offsets, from which they can be read."""
    bad, _empty, good = (json.loads(line) for line in command("check", "--dir", folder, "-o", "json").lines)
    assert (good["ok"], good["events"], good["closed"], good["findings"]) == (True, 2, True, [])
    assert (bad["ok"], bad["malformed"], bad["out_of_order"], bad["past_end"], bad["torn"]) == (False, 1, 1, 0, 1)
    assert [(one["kind"], one["bytes"]) for one in bad["findings"]] == [
        ("malformed", 8),
        ("out-of-order", 115),
        ("torn", 6),
    ]
    first = command("cat", f"bad@{bad['findings'][0]['offset']}", "--dir", folder, "-o", "raw").lines[0]
    assert first == b"nonsense"


def test_nothing_wrong(folder: Path) -> None:
    """When nothing is found, that is a success."""
    for which in (["good"], ["good", "empty"], ["--match", "[eg]*"]):
        assert command("check", "--dir", folder, *which).code == 0
    assert command("check", "--dir", folder, "--match", "[eg]*", "--strict").code == 0


def test_strict(folder: Path) -> None:
    """Strictly, an event that is not of the schema is a fault, which it is not otherwise."""
    with Stream(folder, "foreign") as stream:
        stream.write(b'{"event_type":"other\\u001b","payload":{}}\n')
    assert command("check", "--dir", folder, "foreign").code == 0
    outcome = command("check", "--dir", folder, "foreign", "--strict")
    assert outcome.code == 4
    assert outcome.lines[0].startswith(b"foreign: foreign: ")
    assert all(line.isprintable() for line in outcome.out.decode().splitlines())


def test_how_many_are_shown(tmp_path: Path) -> None:
    """Of many faults some are shown, and how many there are besides; or as many as asked for, or all."""
    with Stream(tmp_path) as stream:
        stream.write(b"nonsense\n" * 25)
    for flags, shown in (([], 10), (["-n", "3"], 3), (["-n", "0"], 0), (["-n", "all"], 25), (["-n", "25"], 25)):
        lines = command("check", "--dir", tmp_path, *flags).lines[:-2]
        assert len([line for line in lines if b"malformed: json" in line]) == shown
        assert (f"s: and {25 - shown} more; -n all shows them".encode() in lines) == (shown < 25)


def test_missing(folder: Path) -> None:
    """What is not there is said, and the others are gone through."""
    outcome = command("check", "--dir", folder, "goood", "good")
    assert outcome.code == 3
    assert "did you mean 'good'?" in outcome.err
    assert len(outcome.lines) == 2
    assert command("check", "--dir", folder, "goood", "bad").code == 4
    assert command("check", "--dir", folder / "missing").code == 2


def test_no_streams(tmp_path: Path) -> None:
    """Where there is nothing, nothing is wrong."""
    outcome = command("check", "--dir", tmp_path)
    assert (outcome.code, outcome.out, outcome.err) == (0, b"", "")


def test_a_line_that_is_being_written(tmp_path: Path) -> None:
    """A line that a mission finishes meanwhile was not torn."""
    with Stream(tmp_path) as stream:
        stream.line(1)
        stream.write(b'{"half":')
        timer = threading.Timer(0.02, stream.write, [b"1}\n"])
        timer.start()
        outcome = command("check", "--dir", tmp_path, "-o", "json")
        timer.join()
    report = json.loads(outcome.out)
    assert (outcome.code, report["events"], report["torn"]) == (0, 2, 0)

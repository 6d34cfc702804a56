from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamhub.audit import Audit, Finding
from streamhub.folder import Folder
from streamhub.line import fault_of
from streamhub.stream import StreamFile
from tests.servers import Stream

if TYPE_CHECKING:
    from pathlib import Path

MAX_LINE = 64 * 1024


def audit(directory: Path, *, max_line: int = MAX_LINE, strict: bool = False) -> tuple[Audit, list[Finding]]:
    """What is found in the whole lines of stream ``s``; strictly, any object without a payload is foreign."""
    made = Audit((lambda line: None if b'"payload"' in line else "no payload") if strict else None)
    found: list[Finding] = []
    with StreamFile.open(Folder(str(directory)), "s", max_line) as file:
        look = file.look()
        while made.end < look.tail:
            found += made.read_piece(file, look)
    return made, found


def stamped(second: int, text: str = "") -> bytes:
    """An event of some second."""
    event = {"timestamp": f"2026-01-01T00:00:{second:02d}.000000Z", "event_type": "x", "payload": {"text": text}}
    return json.dumps(event, ensure_ascii=False).encode()


def test_nothing_wrong(tmp_path: Path) -> None:
    """In a stream that is as it should be nothing is found, and all events are counted."""
    with Stream(tmp_path) as stream:
        for number in range(5000):
            stream.line(number)
        stream.write(stamped(0).replace(b"2026", b"2027") + b'\n\n{"no":"time"}\n')
        stream.write(stamped(1, 'ünïcödé \\ "quoted" \x1b').replace(b"2026", b"2027") + b"\n")
    made, found = audit(tmp_path)
    assert (found, made.events, made.end) == ([], 5003, stream.path.stat().st_size)


@pytest.mark.parametrize("around", [0, 3000])
def test_where_and_what(tmp_path: Path, around: int) -> None:
    """Each fault is told with the offset of its line and its length, wherever it stands."""
    with Stream(tmp_path) as stream:
        for number in range(around):
            stream.line(number)
        stream.write(stamped(0).replace(b"2026", b"2027") + b"\n")
        stream.write(b"\n" * 3)
        places = []
        for line in (b"nonsense", b"a\0b", b"\xff{}", b"[1]", b"y" * (MAX_LINE + 1), b'{"torn' + stamped(2)):
            places.append((stream.path.stat().st_size, len(line)))
            stream.write(line + b"\n")
        for number in range(around):
            stream.write(stamped(number % 60).replace(b"2026", b"2028") + b"\n" if number < 60 else b"")
    made, found = audit(tmp_path)
    assert [(int(one.offset[9:]), one.bytes) for one in found] == places
    assert [one.detail for one in found] == ["json", "nul", "utf-8", "object", "too-long", "json"]
    assert {one.kind for one in found} == {"malformed"}
    assert made.counts == {"malformed": 6}
    assert made.events == around + 1 + min(around, 60)


def test_times_that_run_backwards(tmp_path: Path) -> None:
    """An event is out of order when one before it is later, be it the last or not; what has no time is in order."""
    with Stream(tmp_path) as stream:
        for line in (
            stamped(5),
            b'{"a":1}',
            stamped(3),
            stamped(4),
            stamped(5),
            b'{"timestamp":"2026-01-01T01:00:06"}',
        ):
            stream.write(line + b"\n")
        stream.write(b'{"timestamp":"2026-01-01T02:00:05+01:00"}\n')
    _made, found = audit(tmp_path)
    assert [(one.kind, one.detail) for one in found] == [
        ("out-of-order", f"{early} is {seconds} s before {late}")
        for early, seconds, late in (
            ("2026-01-01T00:00:03.000000Z", "2.000000", "2026-01-01T00:00:05.000000Z"),
            ("2026-01-01T00:00:04.000000Z", "1.000000", "2026-01-01T00:00:05.000000Z"),
            ("2026-01-01T02:00:05+01:00", "1.000000", "2026-01-01T01:00:06"),
        )
    ]


@pytest.mark.parametrize("final", [b'"final"', b'"\\u0066inal"'])
def test_past_the_end(tmp_path: Path, final: bytes) -> None:
    """Whatever follows a final status is past the stream's end, in whatever way that says so."""
    with Stream(tmp_path) as stream:
        stream.line(1)
        stream.write(b'{"event_type":"status","payload":{"state":"completed",%s:true}}\n' % final)
        for number in range(2, 4):
            stream.line(number)
        stream.write(b"nonsense\n")
    made, found = audit(tmp_path)
    assert [one.kind for one in found] == ["past-end", "past-end", "past-end", "malformed"]
    assert made.events == 4


def test_strictly(tmp_path: Path) -> None:
    """A judge decides on what else is wrong with an event."""
    with Stream(tmp_path) as stream:
        stream.line(1)
        stream.write(b'{"a":1}\nnonsense\n')
    assert [(one.kind, one.detail) for one in audit(tmp_path, strict=True)[1]] == [
        ("foreign", "no payload"),
        ("malformed", "json"),
    ]


LINE = st.one_of(
    st.builds(stamped, st.integers(0, 59), st.sampled_from(["", "ü", "\\", "\x1b", '"final"'])),
    st.sampled_from([b"", b"{}", b"nonsense", b"[1]", b'{"a":"\xff"}', b"\xff", b"{\0}", b'{"timestamp":"x"}']),
    st.just(b'{"event_type":"status","payload":{"final":true}}'),
    st.just(b"z" * 700),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(LINE, max_size=12))
def test_whatever_the_file_holds(tmp_path: Path, lines: list[bytes]) -> None:
    """What is counted, and what is found, is what a plain walk over the lines finds."""
    (tmp_path / "s.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    made, found = audit(tmp_path, max_line=512)
    faults = [fault_of(line, 512) for line in lines if line]
    assert made.counts["malformed"] == sum(fault is not None for fault in faults)
    assert made.events == sum(fault is None for fault in faults)
    ends = [number for number, line in enumerate(filter(None, lines)) if line.endswith(b'{"final":true}}')]
    assert made.counts["past-end"] == (len(faults) - 1 - ends[0] if ends else 0)
    assert made.counts.total() == len(found)

"""The naive model of a stream: the whole file in memory, split, each line judged by Python's own parsers.

It shares no code with what it judges.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from hypothesis import strategies as st

from streamhub.stream import StreamFile


@dataclass(frozen=True)
class Line:
    """One complete line that is not empty: its place in the file, and what readers get."""

    start: int
    end: int
    raw: bytes
    fault: str | None
    delivered: bytes


def generation(data: bytes) -> str:
    """The first eight hex digits of the first complete line's hash."""
    if b"\n" not in data:
        return "00000000"
    digest = hashlib.sha256(data.split(b"\n")[0][:4096]).hexdigest()[:8]
    return digest if int(digest, 16) else "00000001"


def tail(data: bytes) -> int:
    """The byte after the last newline."""
    return len(data) - len(data.split(b"\n")[-1])


def lines(data: bytes, max_line: int) -> list[Line]:
    """The complete lines of a file, empty ones passed over."""
    found: list[Line] = []
    place = 0
    for raw in data.split(b"\n")[:-1]:
        end = place + len(raw) + 1
        if raw:
            why = fault(raw, max_line)
            found.append(Line(place, end, raw, why, raw if why is None else stand_in(data, place, raw, why)))
        place = end
    return found


def stand_in(data: bytes, place: int, raw: bytes, why: str) -> bytes:
    """What the protocol says readers get for a line that is no event."""
    payload = {"offset": f"{generation(data)}_{place:016d}", "bytes": len(raw), "reason": why}
    return json.dumps({"event_type": "malformed", "payload": payload}, separators=(",", ":")).encode()


def fault(raw: bytes, max_line: int) -> str | None:
    """Which of the protocol's five reasons a line has to be no event."""
    if len(raw) > max_line:
        return "too-long"
    if 0 in raw:
        return "nul"
    try:
        text = raw.decode("utf-8", "strict")
    except UnicodeDecodeError:
        return "utf-8"
    try:
        value = strict_json(text)
    except (ValueError, RecursionError):
        return "json"
    return None if isinstance(value, dict) else "object"


def strict_json(text: str) -> Any:
    """JSON as RFC 8259 has it: no NaN, no byte order mark; numbers of any length."""
    return json.loads(text, parse_constant=_refuse, parse_int=str, parse_float=str)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def closed(data: bytes, max_line: int) -> bool:
    """Whether the last line is a status that says it is the final one."""
    found = lines(data, max_line)
    if not found or found[-1].fault is not None:
        return False
    event = strict_json(found[-1].raw.decode())
    payload = event.get("payload")
    return event.get("event_type") == "status" and isinstance(payload, dict) and payload.get("final") is True


def time(line: Line) -> datetime | None:
    """The time of a line as readers get it."""
    stamp = strict_json(line.delivered.decode()).get("timestamp")
    if not isinstance(stamp, str):
        return None
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@contextmanager
def stream_file(data: bytes, max_line: int = 1024 * 1024) -> Iterator[StreamFile]:
    """A real file with these bytes, opened as a stream; it has no name and so needs no folder."""
    fd = os.memfd_create("stream")
    with StreamFile(fd, "s", max_line) as file:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        yield file


@dataclass
class Reads:
    """What a piece of code read: how many system calls, how many bytes."""

    calls: int = 0
    total: int = 0


@contextmanager
def counted_reads() -> Iterator[Reads]:
    """Count the reads of this thread, as the kernel accounts for them."""
    reads = Reads()
    # The first look's own read is told by the second look.
    _, own = _accounted(), _accounted()
    before = _accounted()
    yield reads
    after = _accounted()
    reads.calls = after[0] - before[0] - (before[0] - own[0])
    reads.total = after[1] - before[1] - (before[1] - own[1])


def _accounted() -> tuple[int, int]:
    fd = os.open("/proc/thread-self/io", os.O_RDONLY)
    try:
        # One read, of a fixed width once the numbers are filled up, so that its own cost can be taken off.
        fields = dict(row.split(b": ") for row in os.read(fd, 512).splitlines())
    finally:
        os.close(fd)
    return int(fields[b"syscr"]), int(fields[b"rchar"])


# --- What goes into files -------------------------------------------------------------------------------------

#: Lines that are no events, and such as look as if they were none.
ODD_LINES = [
    b"",
    b" ",
    b"\r",
    b"{}",
    b"{}\r",
    b" \t{} \r",
    b"\xef\xbb\xbf{}",
    b'\xef\xbb\xbf{"a":"\\u0041"}',
    b'\xef\xbb\xbf{"event_type":"status","payload":{"state":"completed","final":true}}',
    b"\xff\xfe{}",
    b"[]",
    b"null",
    b'"text"',
    b"1",
    b"\x00",
    b'{"a":"\x00"}',
    b"\x00{}",
    b'{"a":"\xff"}',
    b'{"a":"\xed\xa0\x80"}',  # a surrogate in UTF-8
    b'{"event_type":"status","payload":{"final":true},"a":"\xed\xa0\x80"}',
    b'{"a":"\xc0\x80"}',  # NUL, written too long
    b'{"a":"\xf4\x90\x80\x80"}',  # past the last code point
    b'{"a":"\xe2\x82"}',  # cut in the middle of a character
    b'{"a":NaN}',
    b'{"a":-Infinity,"b":"\\u0041"}',
    b'{"event_type":"status","payload":{"final":true,"a":NaN}}',
    b'{"a":1e999}',
    b'{"a":' + b"9" * 5000 + b"}",
    b'{"event_type":"status","payload":{"final":true,"a":' + b"9" * 5000 + b"}}",
    b'{"a":' + b"9" * 5000 + b',"b":"\\ud800"}',
    b'{"a":01}',
    b'{"a":1.}',
    b'{"a":"\\ud800"}',
    b'{"a":"\\udc00\\ud800"}',
    b'{"a":"\\u12"}',
    b'{"a":"\\x41"}',
    b'{"a":"\t"}',
    b'{"a":"\x7f"}',
    b'{"a":1,"a":2}',
    b'{"a":1,}',
    b"{'a':1}",
    b'{"a":1}{"b":2}',
    b'{"a":1} x',
    b'{"a"',
    b"{",
    b"}",
    b'{"a":"\xe2\x80\xa8\xe2\x80\xa9\xc2\x85"}',  # line ends to Unicode, not to us
    b'{"a":"\x0b"}',
    b'\x0b{"a":1}',
    b'\xc2\xa0{"a":1}',
    b'{"a":\r1}',
    b'{"a":' + b"[" * 100 + b"]" * 100 + b"}",
    b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b"[" * 5000,
    b'{"a":' * 5000 + b'"\\u0041"',
    b'{"event_type":"status","payload":{"state":"completed","final":true}}',
    b' {"payload":{"final":true,"state":"failed"},"event_type":"status"}\r',
    b'{"event_type":"st\\u0061tus","payload":{"f\\u0069nal":true}}',
    b'{"event_type":"status","payload":{"final":"true"}}',
    b'{"event_type":"status","payload":{"final":1}}',
    b'{"event_type":"status","payload":{"final":false}}',
    b'{"event_type":"status","final":true}',
    b'{"event_type":"status","payload":[{"final":true}]}',
    b'{"event_type":"signal","payload":{"final":true}}',
    b'{"event_type":"status","payload":{"final":true},"payload":{}}',
    b'{"event_type":"signal","event_type":"status","payload":{"final":true}}',
    b'["status",{"final":true}]',
    b'{"event_type":"malformed","payload":{}}',
    b'{"event_type":["status"],"payload":{"final":true}}',
]


def padded(size: int) -> bytes:
    """An event of exactly so many bytes (eight at least)."""
    return b'{"a":"%s"}' % (b"x" * (size - 8))


def files(max_lines: int = 40) -> st.SearchStrategy[bytes]:
    """Files of odd lines, events of any size, noise, and mostly a torn end."""
    line = st.one_of(
        st.sampled_from(ODD_LINES),
        st.integers(8, 300).map(padded),
        st.sampled_from([4087, 4088, 4095, 4096, 4097, 8192, 65535, 65536, 70000]).map(padded),
        st.binary(max_size=20).map(lambda noise: noise.replace(b"\n", b"")),
        st.integers(1, 9000).map(lambda size: b"x" * size),
    )
    whole = st.lists(line, max_size=max_lines).map(lambda some: b"".join(one + b"\n" for one in some))
    return st.builds(lambda data, torn: data + torn, whole, st.one_of(st.just(b""), line))

from __future__ import annotations

import json
import os
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamhub.errors import (
    InvalidOffsetError,
    InvalidRequestError,
    OffsetAheadError,
    OffsetGoneError,
    StreamhubError,
)
from streamhub.folder import Folder
from streamhub.offset import NO_GENERATION, ZERO, Offset
from streamhub.seek import FROM_BEGINNING, Start, first_since, last_lines, locate, parse_count, parse_start
from streamhub.stream import Look, StreamFile
from tests import naive
from tests.naive import ODD_LINES, counted_reads, files, padded, stream_file

MIB: Final = 1024 * 1024
GB: Final = 10**9
NOON: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)

# --- What a reader asks for -------------------------------------------------------------------------------------


def test_parse_start() -> None:
    """The words of a query become a place to start; none means the beginning."""
    token = "0123abcd_0000000000000042"
    assert parse_start() == parse_start(offset="-1") == FROM_BEGINNING == Start()
    assert parse_start(offset="now") == Start(now=True)
    assert parse_start(offset=token) == Start(offset=Offset("0123abcd", 42))
    assert parse_start(tail="0") == Start(tail=0)
    assert parse_start(tail="007") == Start(tail=7)
    assert parse_start(since="2026-01-31T12:00:00Z") == Start(since=NOON)
    assert parse_start(since="2026-01-31T14:00:00 02:00") == Start(since=NOON)


def test_at_beginning() -> None:
    """Nothing, ``-1`` and the zero token mean the beginning of whatever the stream holds; nothing else does."""
    for offset in (None, "-1", str(ZERO)):
        assert parse_start(offset=offset).at_beginning
    for start in (
        Start(offset=Offset("0123abcd", 0)),
        Start(now=True),
        Start(tail=0),
        Start(tail=10**15),
        Start(since=NOON),
    ):
        assert not start.at_beginning


@pytest.mark.parametrize(
    ("offset", "tail", "since"),
    [
        ("-1", "5", None),
        ("now", None, "2026-01-31"),
        (None, "5", "2026-01-31"),
        ("-1", "5", "2026-01-31"),
        ("", "", ""),
        ("a\nb", "\x1b[2J", None),
        ("\ud800", "5" * 1000, None),
    ],
)
def test_contradiction(offset: str | None, tail: str | None, since: str | None) -> None:
    """More than one start is refused in one printable line, whatever was given, right or wrong."""
    with pytest.raises(InvalidRequestError, match="give one of offset, tail and since") as caught:
        parse_start(offset, tail, since)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("words", [{"offset": ""}, {"offset": "NOW"}, {"tail": ""}, {"since": ""}, {"since": "now"}])
def test_malformed_start(words: dict[str, str]) -> None:
    """A start that is there but empty or no such thing is refused, not passed over."""
    with pytest.raises(InvalidRequestError):
        parse_start(**words)


@pytest.mark.parametrize("text", ["0", "1", "42", "000", "9" * 15])
def test_count(text: str) -> None:
    """A count is a whole number that is not negative."""
    assert parse_count("tail", text) == int(text)


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "1.0", "1e3", " 1", "1\n", "0x1", "1_000", "\u0661", "\xb2", "9" * 16, "9" * 9999, "\x00"]
)
def test_no_count(text: str) -> None:
    """Anything else is refused in one line that names it."""
    with pytest.raises(InvalidRequestError, match="tail ") as caught:
        parse_count("tail", text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


# --- Offsets ----------------------------------------------------------------------------------------------------


@settings(max_examples=120)
@given(data=files(12), choose=st.randoms(use_true_random=False))
def test_locate_offset(data: bytes, choose: Random) -> None:
    """An offset is a place between two lines of this very file, or refused: 400 inside a line, 503 past the tail."""
    generation, tail = naive.generation(data), naive.tail(data)
    starts = {0, tail} | {place + 1 for place, byte in enumerate(data[:tail]) if byte == 0x0A}
    near = {byte + step for byte in choose.sample(sorted(starts), min(len(starts), 6)) for step in (-1, 0, 1)} - {-1}
    with stream_file(data) as file:
        look = file.look()
        assert locate(file, look, Start(now=True)) == tail
        assert locate(file, look, Start(offset=ZERO)) == locate(file, look, Start()) == 0
        for byte in near if tail else ():
            start = Start(offset=Offset(generation, byte))
            if byte in starts:
                assert locate(file, look, start) == byte
            else:
                with pytest.raises(OffsetAheadError if byte > tail else InvalidOffsetError) as caught:
                    locate(file, look, start)
                assert str(caught.value).isprintable()


def test_every_line_start_is_an_offset() -> None:
    """Empty lines, malformed ones and a file's last newline are passed at places that readers may stand at."""
    data = b"\n{}\n\n\x00\n{}\n"
    with stream_file(data + b"torn") as file:
        look = file.look()
        for byte in (0, 1, 4, 5, 7, 10):
            assert locate(file, look, Start(offset=Offset(look.generation, byte))) == byte


def test_other_generation() -> None:
    """An offset of another generation is gone, wherever it points, and the earliest there is now is told."""
    with stream_file(b"{}\n{}\n") as file:
        look = file.look()
        for byte in (0, 3, 4, 6, 10**15):
            with pytest.raises(OffsetGoneError) as caught:
                locate(file, look, Start(offset=Offset("0123abcd", byte)), Offset(look.generation, 6))
            assert caught.value.earliest == f"{look.generation}_0000000000000000"
            assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("seen", "error"),
    [
        (None, OffsetAheadError),
        (ZERO, OffsetAheadError),  # it was empty when it was last looked at: this copy only just begins to fill
        (Offset("44136fa3", 3), OffsetAheadError),
        (Offset("44136fa3", 6), OffsetAheadError),
        (Offset("44136fa3", 7), OffsetGoneError),
        (Offset("44136fa3", 100), OffsetGoneError),
        (Offset("0123abcd", 3), OffsetAheadError),
        (Offset("0123abcd", 100), OffsetAheadError),  # a longer tail, but of another generation
    ],
)
def test_past_the_tail(seen: Offset | None, error: type[Exception]) -> None:
    """Past the tail of the right generation: gone where a longer tail of it was seen, else this copy lags."""
    with stream_file(b"{}\n{}\n{}") as file:
        for byte in (7, 8, 9, 100, 10**15):
            with pytest.raises(error) as caught:
                locate(file, file.look(), Start(offset=Offset("44136fa3", byte)), seen)
            assert str(caught.value).isprintable()
            if isinstance(caught.value, OffsetGoneError):
                assert caught.value.earliest == "44136fa3_0000000000000000"


@pytest.mark.parametrize("torn", [b"", b"{}", b"\x00" * 5000])
def test_offset_in_empty_stream(torn: bytes) -> None:
    """A stream without a complete line lags behind any offset, unless this host has seen it with lines."""
    with stream_file(torn) as file:
        look = file.look()
        assert look.generation == NO_GENERATION
        for byte in (0, 7):
            start = Start(offset=Offset("44136fa3", byte))
            with pytest.raises(OffsetAheadError):
                locate(file, look, start)
            with pytest.raises(OffsetAheadError):
                locate(file, look, start, ZERO)
            with pytest.raises(OffsetGoneError) as caught:
                locate(file, look, start, Offset("44136fa3", 6))
            assert caught.value.earliest == str(ZERO)
        for start in (Start(), Start(offset=ZERO), Start(now=True), Start(tail=5), Start(since=NOON)):
            assert locate(file, look, start) == 0


# --- The last lines -----------------------------------------------------------------------------------------------


@settings(max_examples=120)
@given(data=files(), count=st.integers(0, 50))
@example(data=b"\n\n\n", count=1)
@example(data=b"\n\n{}\n", count=1)
@example(data=b"{}\n" + b"\n" * 70_000, count=1)
@example(data=padded(65_535) + b"\n" + padded(65_535) + b"\n", count=1)
def test_last_lines(data: bytes, count: int) -> None:
    """The last N lines that are not empty, malformed ones counted; all there are, when there are fewer."""
    tail, expected = naive.tail(data), [line.start for line in naive.lines(data, MIB)]
    with stream_file(data) as file:
        place = last_lines(file, tail, count)
        assert place == locate(file, file.look(), Start(tail=count))
    assert place in {0} | {line.end for line in naive.lines(data, MIB)} or data[place - 1 : place] == b"\n"
    assert [start for start in expected if start >= place] == (expected[-count:] if count else [])
    if 0 < count < len(expected):
        assert place == expected[-count]
    elif count == 0:
        assert place == tail


@pytest.mark.parametrize("empty", [0.0, 0.001, 0.5])
@pytest.mark.parametrize("longest", [1, 90, 9000])
def test_last_lines_of_many(longest: int, empty: float) -> None:
    """Wherever the blocks that are read begin and end, and be there empty lines or none, the count is right."""
    dice = Random(longest)
    sizes = [0 if dice.random() < empty else dice.randint(1, longest) for _ in range(300_000 // (longest + 1))]
    starts, data = [], bytearray()
    for size in sizes:
        if size:
            starts.append(len(data))
        data += b"x" * size + b"\n"
    with stream_file(bytes(data)) as file:
        for count in {1, len(starts) - 1, *(dice.randint(1, len(starts) - 1) for _ in range(20))}:
            assert last_lines(file, len(data), count) == starts[-count]
        assert last_lines(file, len(data), len(starts) + 1) == 0


def test_more_lines_than_there_are() -> None:
    """A count beyond everything begins at the beginning."""
    with stream_file(b"{}\n" * 1000) as file:
        assert last_lines(file, 3000, 10**15 - 1) == 0
        assert last_lines(file, 3000, 1000) == 0
        assert last_lines(file, 3000, 999) == 3


# --- The first line at or after a time -----------------------------------------------------------------------------


def stamp(seconds: float) -> str:
    """A time some seconds after noon, as emitters write it."""
    return (NOON + timedelta(seconds=seconds)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def event(seconds: float, size: int = 0, *, leading: bool = True) -> bytes:
    """An event of some time, padded to a size; its time stands first, as emitters write it, or last."""
    time = b'"timestamp":"%s"' % stamp(seconds).encode()
    pad = b'"pad":"%s"' % (b"x" * max(0, size - len(time) - 11))
    return b"{%s,%s}" % ((time, pad) if leading else (pad, time))


@dataclass
class Model:
    """All times of a file, and the two answers that a search may give."""

    data: bytes
    max_line: int = MIB

    def __post_init__(self) -> None:
        lines = naive.lines(self.data, self.max_line)
        self.tail = naive.tail(self.data)
        self.timed = [(line.start, time) for line in lines if (time := naive.time(line)) is not None]

    def first(self, since: datetime) -> int:
        """The first line at or after a time, found by looking at all of them; the tail when there is none."""
        return next((start for start, time in self.timed if time >= since), self.tail)

    def allows(self, place: int, since: datetime) -> bool:
        """Whether a place is what the protocol says of files out of order: not before, its predecessor before."""
        before = [time for start, time in self.timed if start < place]
        here = [time for start, time in self.timed if start == place]
        found = here[0] >= since if here else place == self.tail
        return found and (not before or before[-1] < since)


#: What has no time, or must not be believed, and may stand between events.
TIMELESS: Final = [
    *[line for line in ODD_LINES if len(line) < 6000],
    b'{"timestamp":"9999-12-31T00:00:00Z","a":"\xff"}',
    b'{"timestamp":"0001-01-01T00:00:00Z","a":"\xff"}',
    b'{"timestamp":"9999-12-31T00:00:00Z","a":"\x00"}',
    b'{"timestamp":"9999-12-31T00:00:00Z","a":NaN}',
    b'{"timestamp":"9999-12-31T00:00:00Z","a":',
    b'[{"timestamp":"9999-12-31T00:00:00Z"}]',
    b'{"timestamp":"soon"}',
    b'{"timestamp":1769860800}',
    b'{"payload":{"timestamp":"9999-12-31T00:00:00Z"}}',
    b'\xef\xbb\xbf{"timestamp":"9999-12-31T00:00:00Z","a":"\\u0041"}',
    event(9e9, 200_001),  # longer than a line may be, below
    event(-9e9, 200_001, leading=False),
]
MAX_LINE: Final = 200_000

steps = st.sampled_from([0, 0, 0.000001, 0.5, 1, 60])
sizes = st.one_of(
    st.just(0),
    st.integers(60, 500),
    st.sampled_from([4000, 4095, 4096, 4097]),
    st.sampled_from([0, 0, 0, 9000, 70_000, MAX_LINE]),
)
gaps = st.lists(st.sampled_from(TIMELESS), max_size=3)


@st.composite
def timed_files(draw: st.DrawFn, *, ordered: bool) -> tuple[bytes, list[float]]:
    """A file of events in order or not, timeless lines among them, a torn end; and the times in it."""
    now, times, parts = 0.0, [], list(draw(gaps))
    for _ in range(draw(st.integers(0, 60))):
        now = now + draw(steps) if ordered else draw(st.integers(0, 20))
        times.append(now)
        parts.append(event(now, draw(sizes), leading=draw(st.booleans())))
        parts += draw(gaps) if draw(st.integers(0, 4)) == 0 else []
    return b"".join(part + b"\n" for part in parts) + draw(st.sampled_from([b"", event(now + 99), b"{"])), times


@pytest.mark.slow
@settings(max_examples=100)
@given(timed_files(ordered=True), st.floats(-2, 700))
def test_since(made: tuple[bytes, list[float]], anywhen: float) -> None:
    """In a file in order it is the first line at or after the time, to the microsecond, whatever stands between."""
    data, times = made
    model = Model(data, MAX_LINE)
    with stream_file(data, MAX_LINE) as file:
        for seconds in {anywhen, *times[:3], *times[-3:], *(time + 0.000001 for time in times[::5]), -1, 1e6}:
            since = NOON + timedelta(seconds=seconds)
            assert first_since(file, model.tail, since) == model.first(since)


@pytest.mark.slow
@settings(max_examples=100)
@given(timed_files(ordered=False), st.floats(-2, 22))
def test_since_out_of_order(made: tuple[bytes, list[float]], anywhen: float) -> None:
    """In a file out of order it is a line at or after the time whose predecessor is before it."""
    data, times = made
    model = Model(data, MAX_LINE)
    with stream_file(data, MAX_LINE) as file:
        for seconds in {anywhen, *times[:8], -1, 100}:
            since = NOON + timedelta(seconds=seconds)
            assert model.allows(first_since(file, model.tail, since), since)


@pytest.mark.slow
@settings(max_examples=20)
@given(
    size=st.integers(60, 400),
    each=st.integers(1, 700),
    seed=st.integers(0, 2**32),
    seconds=st.lists(st.integers(-10, 3000), max_size=20),
)
def test_since_in_long_files(size: int, each: int, seed: int, seconds: list[int]) -> None:
    """It holds through many bisections too: in order with times repeated, and with a clock that jumps."""
    jumps = Random(seed)  # thousands of numbers are too many for hypothesis to draw
    ordered = Model(b"".join(event(number // each, size) + b"\n" for number in range(2000)))
    jumping = Model(b"".join(event(number + jumps.gauss(0, 900), size) + b"\n" for number in range(2000)))
    with stream_file(ordered.data) as one, stream_file(jumping.data) as two:
        for second in seconds:
            since = NOON + timedelta(seconds=second)
            assert first_since(one, ordered.tail, since) == ordered.first(since)
            assert jumping.allows(first_since(two, jumping.tail, since), since)


@pytest.mark.parametrize("timeless", [b"{}", b"\x00\xff"])
def test_since_wherever_the_bisection_falls(timeless: bytes) -> None:
    """The one line that is late enough is found at every place, among earlier lines or such without a time."""
    early, late = event(0, 63) + b"\n", event(1, 63) + b"\n"  # of 64 bytes each: bisections fall on line starts
    nothing = timeless.ljust(63) + b"\n"
    assert len(early) == len(late) == len(nothing) == 64
    for before, after in ((early, nothing), (nothing, nothing), (early, late), (nothing, late)):
        for place in range(256):
            data = before * place + late + after * (255 - place)
            with stream_file(data) as file:
                assert first_since(file, len(data), NOON + timedelta(seconds=1)) == place * 64


def test_event_sizes() -> None:
    """The events that these tests are made of are of the size they are asked for."""
    for size in (63, 4096, MAX_LINE):
        assert len(event(5, size)) == len(event(5, size, leading=False)) == size


def test_since_in_other_zones() -> None:
    """Times are compared as times, not as text."""
    data = b'{"timestamp":"2026-01-31T23:00:00+12:00"}\n{"timestamp":"2026-01-31 12:00:00"}\n'
    with stream_file(data) as file:
        assert first_since(file, len(data), NOON) == 42
        assert first_since(file, len(data), NOON - timedelta(hours=1)) == 0


def test_since_before_the_tail_only() -> None:
    """Lines after the tail that was looked at do not exist yet."""
    data = (event(0) + b"\n") * 3
    with stream_file(data + event(5) + b"\n") as file:
        assert first_since(file, len(data), NOON + timedelta(seconds=5)) == len(data)


def test_since_of_cut_file() -> None:
    """A file that was cut meanwhile makes the search end, somewhere in what it was."""
    data = (event(0) + b"\n") * 3000
    for left in (0, 50, 4096, len(data) // 2, len(data) - 1):
        with stream_file(data) as file:
            os.truncate(file.fd, left)
            for seconds in (-1, 0, 1):
                assert 0 <= first_since(file, len(data), NOON + timedelta(seconds=seconds)) <= len(data)
            assert 0 <= last_lines(file, len(data), 5) <= len(data)


# --- Ten gigabytes ------------------------------------------------------------------------------------------------


def big_file(path: Path, islands: dict[int, tuple[float, int]]) -> tuple[StreamFile, list[tuple[int, float]]]:
    """Ten gigabytes of holes with islands of events in them; and where each event is that no hole runs into."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    places: list[tuple[int, float]] = []
    for place, (first, count) in sorted(islands.items()):
        lines = [event(first + number, 250) + b"\n" for number in range(count)]
        os.pwrite(fd, b"".join(lines), place)
        size = len(lines[0])
        # The hole before an island runs into its first line.
        places += [(place + number * size, first + number) for number in range(place > 0, count)]
    os.ftruncate(fd, 10 * GB)
    return StreamFile(fd, "s", MIB), places


SHAPES: Final[dict[str, dict[int, tuple[float, int]]]] = {
    "islands": {GB // 10 * number: (number * 1000, 400) for number in range(100)},
    "uneven islands": {
        int(place): (number * 1000, 40) for number, place in enumerate(GB * 1.37 ** (n / 4) - GB for n in range(29))
    },
    "hole in the middle": {0: (0, 4000), 10 * GB - 2_000_000: (4000, 4000)},
    "hole at the end": {0: (0, 4000)},
    "hole at the beginning": {10 * GB - 2_000_000: (0, 4000)},
}


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_since_in_ten_gigabytes(tmp_path: Path, shape: str) -> None:
    """Any time is found exactly, by at most 64 reads of 4 KiB in ten gigabytes, holes and all."""
    file, places = big_file(tmp_path / "s.jsonl", SHAPES[shape])
    with file:
        tail = file.look().tail
        picks = [*places[::211], places[0], places[-1], *places[1::997]]
        for place, seconds in picks:
            with counted_reads() as reads:
                found = first_since(file, tail, NOON + timedelta(seconds=seconds))
            assert found == place
            assert reads.calls <= 64
            assert reads.total <= 64 * 4096
        assert first_since(file, tail, NOON + timedelta(days=999)) == tail


@pytest.mark.parametrize("shape", SHAPES)
def test_tail_in_ten_gigabytes(tmp_path: Path, shape: str) -> None:
    """The last N lines are found without reading the holes between them."""
    file, places = big_file(tmp_path / "s.jsonl", SHAPES[shape])
    with file:
        tail = file.look().tail
        for count in (1, 10, 1500, 10**9):
            with counted_reads() as reads:
                found = last_lines(file, tail, count)
            # A hole and the line it runs into are one line of a gigabyte or so, and begin at the line before.
            assert file.is_line_start(found)
            assert reads.total <= 64 * MIB
            assert reads.calls <= 1000
        assert last_lines(file, tail, 1) == places[-1][0]
        assert last_lines(file, tail, 10**9) == 0


def test_look_and_locate_agree() -> None:
    """All four ways to start, on one file."""
    lines = [json.dumps({"timestamp": stamp(number), "n": number}).encode() for number in range(10)]
    data = b"\n".join(lines) + b"\n"
    size = len(lines[0]) + 1
    with stream_file(data) as file:
        look = file.look()
        assert look == Look(file.identity(), naive.generation(data), len(data), closed=False)
        assert locate(file, look, parse_start(tail="3")) == 7 * size
        assert locate(file, look, parse_start(since=stamp(7))) == 7 * size
        assert locate(file, look, parse_start(offset=f"{look.generation}_{7 * size:016d}")) == 7 * size
        assert locate(file, look, parse_start(offset="now")) == len(data)


# --- A search that nobody wants any more ------------------------------------------------------------------------

ENDLESS: Final = {
    "the last of few lines": (b"x" + b"\n" * MIB, Start(tail=10)),
    "the last of many lines": (b"x\n" * (MIB // 2), Start(tail=10**9)),
    "a time among lines without one": (b"x\n" * (MIB // 2), Start(since=NOON)),
    "a time behind a line without end": (b"x" * MIB + b"\n", Start(since=NOON)),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_long_search_can_be_given_up(tmp_path: Path, kind: str) -> None:
    """Between its blocks a search asks whether it is to stop, and then reads no further."""
    data, start = ENDLESS[kind]
    (tmp_path / "s.jsonl").write_bytes(data)
    asked = 0

    def stopped() -> bool:
        nonlocal asked
        asked += 1
        return asked > 2

    look = Look((0, 0), "00000001", len(data), closed=False)
    with (
        closing(Folder(str(tmp_path))) as folder,
        StreamFile.open(folder, "s", MIB // 2, stopped) as file,
        counted_reads() as reads,
        pytest.raises(StreamhubError, match="is searched no further"),
    ):
        locate(file, look, start)
    assert 0 < reads.total < MIB // 2

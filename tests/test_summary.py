from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamhub.errors import (
    InvalidRequestError,
    InvalidStreamIdError,
    StreamhubError,
    StreamNotFoundError,
    StreamReplacedError,
)
from streamhub.folder import Folder
from streamhub.offset import parse_offset
from streamhub.stream import PIECE_BYTES, StreamFile
from streamhub.summary import MAX_BUCKETS, Summary, SummaryStore
from streamhub.tally import MAX_CELLS, MAX_TYPES

MAX_LINE = 2048
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
TYPES = ["navigation", "extraction", "signal", "status"]


@dataclass(frozen=True)
class Line:
    """A line, with what it is to be counted as.

    Attributes:
        text: its bytes, without the newline.
        kind: the type it counts under; None when it is malformed.
        time: its own time; None when it has none.
    """

    text: bytes
    kind: str | None
    time: datetime | None = None


def stamp(time: datetime) -> str:
    """A time as emitters write it."""
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")


def event(time: datetime, kind: str = "status", **more: Any) -> Line:
    """A line as emitters write it."""
    text = json.dumps({"timestamp": stamp(time), "mission_id": "m", "event_type": kind, "payload": more})
    return Line(text.encode(), kind, time)


MALFORMED = [
    Line(text, None)
    for text in (
        b"not json",
        b"[1,2]",
        b" ",
        b'{"timestamp":"2026-01-31T18:00:00Z"',
        b'{"event_type":"status"}{"event_type":"status"}',
        b'{"event_type":"status"} {"event_type":"status"}',
        b'{"timestamp":"2026-01-31T18:00:00Z","a":"\xff"}',
        b'{"timestamp":"2026-01-31T18:00:00Z","a":"\0"}',
        b'{"timestamp":"2026-01-31T18:00:00Z","a":NaN}',
        b'{"timestamp":"2026-01-31T18:00:00Z","a":"' + b"x" * MAX_LINE + b'"}',
        b"x" * (3 * MAX_LINE),
    )
]
ODD = [
    Line(b'{"event_type":"status"}', "status"),
    Line(b'{"timestamp":"later","event_type":"signal"}', "signal"),
    Line(b'{"timestamp":17,"event_type":"signal"}', "signal"),
    Line(b"{}", "other"),
    Line(b'{"event_type":17}', "other"),
    Line(b'{"event_type":["status"]}', "other"),
    Line(b'{"event_type":null}', "other"),
    Line(b'{"event_type":"%s"}' % (b"x" * 500), "other"),
    Line(b'{"event_type":"malformed"}', "malformed"),
    Line(b'{"event_type":"other"}', "other"),
    Line(b'{"event_type":"\xc3\xa9"}', "é"),
    Line(b'{"event_type":"status","a":"\\ud800"}', "status"),  # valid, though msgspec reads nothing from it
    Line(b'{"timestamp":"2026-01-31T12:00:00Z","event_type":"new","a":"\\ud800"}', "new", NOON),
    Line(b'{"event_type":"\\ud800"}', "other"),
    Line(b' \t{"event_type":"status"} \r', "status"),
    Line(b'{"timestamp":"2026-01-31 14:00:00+02:00","event_type":"new"}', "new", NOON),
    Line(b'{"timestamp":"2026-01-31T12:00:00","event_type":"new"}', "new", NOON),
    Line(b'{"timestamp":"2026-01-31T14:00:00 02:00","event_type":"new"}', "new", NOON),
    Line(b'{"timestamp":"1960-01-01T00:00:00Z"}', "other", datetime(1960, 1, 1, tzinfo=UTC)),
    Line(b'{"timestamp":"9999-12-31T23:59:59.999999Z"}', "other", datetime.max.replace(tzinfo=UTC)),
    Line(b'{"timestamp":"0001-01-01T00:00:00Z"}', "other", datetime.min.replace(tzinfo=UTC)),
]
BLANK = Line(b"", "")

EVENTS = st.builds(
    lambda micros, kind: event(NOON + timedelta(microseconds=micros), kind),
    st.integers(0, 50) | st.integers(-(10**9), 10**12),
    st.sampled_from(TYPES),
)
LINES = st.lists(EVENTS | EVENTS | st.sampled_from([*MALFORMED, *ODD, BLANK]), max_size=40)
RANGES = st.none() | st.integers(-5, 60) | st.integers(-(10**9), 10**12)


class Model:
    """The same, counted slowly: each line with the time at which it counts and the byte that it starts at."""

    def __init__(self, lines: list[Line]) -> None:
        self.size = sum(len(line.text) + 1 for line in lines)
        self.lines = [line for line in lines if line.text]
        times = [line.time for line in self.lines]
        time = next((time for time in times if time is not None), None)
        self.places: list[tuple[datetime | None, int, str]] = []
        place = 0
        for line in lines:
            if line.text:
                time = line.time or time
                self.places.append((time, place, line.kind or "malformed"))
            place += len(line.text) + 1

    def check(self, answer: dict[str, Any]) -> None:
        """All but the buckets."""
        kinds = [line.kind for line in self.lines]
        stamps = [json.loads(line.text)["timestamp"] for line in self.lines if line.time]
        assert answer["malformed"] == kinds.count(None)
        assert answer["events"] == len(kinds) - kinds.count(None)
        assert answer["by_type"] == Counter(kind for kind in kinds if kind is not None)
        assert (answer["first"], answer["last"]) == ((stamps[0], stamps[-1]) if stamps else (None, None))
        assert answer["bytes"] == self.size == parse_offset(answer["tail"]).byte

    def check_buckets(
        self, answer: dict[str, Any], count: int, since: datetime | None, until: datetime | None, *, exact: bool
    ) -> None:
        """The buckets.

        Each has just the lines from its own start to the next one's; where the range ends within one, at least those
        of the range (all of them are of the range if ``exact``).
        """
        buckets = answer["buckets"]
        borders = [datetime.fromisoformat(bucket["from"]) for bucket in buckets]
        assert borders == sorted(set(borders))
        assert len(buckets) <= count
        wanted = [
            (time, place, kind)
            for time, place, kind in self.places
            if time is not None and (since is None or time >= since) and (until is None or time <= until)
        ]
        assert all(time >= borders[0] for time, _, _ in wanted)  # an IndexError if all of them were left out
        for bucket, low, high in zip(buckets, borders, [*borders, None][1:], strict=True):
            inside = [one for one in wanted if low <= one[0] and (high is None or one[0] < high)]
            least = Counter(kind for _, _, kind in inside)
            if exact or ((since is None or low >= since) and (until is None or (high and high <= until))):
                assert bucket["by_type"] == least
                assert parse_offset(bucket["offset"]).byte == min(place for _, place, _ in inside)
            else:
                assert least <= Counter(bucket["by_type"])


class World:
    """A folder, short ways to write into it, and one to sum up."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = Folder(str(path))
        self.store = SummaryStore(self.folder, MAX_LINE)

    def write(self, stream: str, lines: list[Line], torn: bytes = b"") -> None:
        with (self.path / f"{stream}.jsonl").open("ab") as file:
            file.write(b"".join(line.text + b"\n" for line in lines) + torn)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An empty folder and its summaries."""
    world = World(tmp_path)
    yield world
    world.folder.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A folder for many examples, each with a stream of its own."""
    world = World(tmp_path_factory.mktemp("streams"))
    yield world
    world.folder.close()


def after_noon(micros: int | None) -> datetime | None:
    """So many microseconds after noon; None for None."""
    return None if micros is None else NOON + timedelta(microseconds=micros)


def long_stream(seed: int, count: int, *, ordered: bool) -> list[Line]:
    """Many events, in bursts and with pauses, some lines between them that have no time."""
    dice = random.Random(seed)
    step = 10.0 ** dice.uniform(1, 8)
    time = NOON
    lines = []
    for _ in range(count):
        time += timedelta(microseconds=int(dice.expovariate(1 / step) * dice.choice([0, 1, 1, 1, 20])))
        jitter = timedelta(0) if ordered else timedelta(microseconds=dice.randrange(-int(step) * 500, int(step) * 500))
        lines.append(event(time + jitter, dice.choice(TYPES)))
        if dice.random() < 0.02:
            lines.append(dice.choice([*MALFORMED, ODD[0], ODD[3], BLANK]))
    return lines


def test_the_answer_of_a_small_stream(world: World) -> None:
    """The fields are those of the protocol; malformed lines are counted apart, and show in the buckets."""
    lines = [event(NOON), event(NOON + timedelta(seconds=1), "signal"), MALFORMED[0], event(NOON + timedelta(hours=1))]
    world.write("a", lines, b'{"torn')
    answer = world.store.answer("a", 2)
    tail = answer["tail"]
    generation = parse_offset(tail).generation
    assert answer == {
        "id": "a",
        "mission_id": "m",
        "events": 3,
        "malformed": 1,
        "bytes": sum(len(line.text) + 1 for line in lines),
        "tail": tail,
        "closed": False,
        "first": "2026-01-31T12:00:00.000000Z",
        "last": "2026-01-31T13:00:00.000000Z",
        "by_type": {"status": 2, "signal": 1},
        "buckets": [
            {
                "from": "2026-01-31T12:00:00.000000Z",
                "offset": f"{generation}_{0:016d}",
                "by_type": {"status": 1, "signal": 1, "malformed": 1},
            },
            {
                "from": "2026-01-31T12:30:00.000001Z",
                "offset": f"{generation}_{answer['bytes'] - len(lines[3].text) - 1:016d}",
                "by_type": {"status": 1},
            },
        ],
    }
    assert list(answer) == [
        *("id", "mission_id", "events", "malformed", "bytes", "tail", "closed", "first", "last", "by_type", "buckets")
    ]


@pytest.mark.parametrize("lines", [[], [BLANK] * 3, [MALFORMED[0]], [ODD[0], ODD[3]]])
def test_streams_without_a_time(world: World, lines: list[Line]) -> None:
    """Where no line has a time the lines are counted, but there are no buckets to put them into."""
    world.write("a", lines, b"torn")
    answer = world.store.answer("a")
    Model(lines).check(answer)
    assert answer["buckets"] == []
    assert answer["mission_id"] is None


def test_closed(world: World) -> None:
    """A final status closes the stream, here as everywhere."""
    world.write("a", [event(NOON)])
    assert world.store.answer("a")["closed"] is False
    world.write("a", [event(NOON, final=True)])
    assert world.store.answer("a")["closed"] is True


@pytest.mark.slow
@given(lines=LINES, count=st.integers(1, 20) | st.just(MAX_BUCKETS), since=RANGES, until=RANGES)
@settings(max_examples=400)
def test_counts_are_those_of_a_slow_count(
    shared: World, lines: list[Line], count: int, since: int | None, until: int | None
) -> None:
    """Whatever the lines and the range: totals, buckets and offsets are right, and nothing outside is shown."""
    (shared.path / "s.jsonl").unlink(missing_ok=True)
    shared.write("s", lines, b"torn")
    model = Model(lines)
    low, high = after_noon(since), after_noon(until)
    answer = SummaryStore(shared.folder, MAX_LINE).answer("s", count, low, high)
    model.check(answer)
    model.check_buckets(answer, count, low, high, exact=True)


@pytest.mark.slow
@given(parts=st.lists(LINES, max_size=6), torn=st.lists(st.integers(0, 30), min_size=6, max_size=6))
@settings(max_examples=200)
def test_growth_in_steps_equals_one_pass(shared: World, parts: list[list[Line]], torn: list[int]) -> None:
    """A summary that is kept up while the stream grows, torn lines and all, is the one of a single pass."""
    path = shared.path / "grows.jsonl"
    path.write_bytes(b"")
    store = SummaryStore(shared.folder, MAX_LINE)
    content = b"".join(line.text + b"\n" for part in parts for line in part)
    end = 0
    for part, extra in zip(parts, torn, strict=False):
        end += sum(len(line.text) + 1 for line in part)
        with path.open("ab") as file:
            file.write(content[file.tell() : end + extra])
        grown = store.answer("grows", 10)
        assert grown == SummaryStore(shared.folder, MAX_LINE).answer("grows", 10)
    Model([line for part in parts for line in part]).check(store.answer("grows", 10))


@pytest.mark.slow
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("seed", range(2))
def test_long_streams(world: World, seed: int, ordered: bool) -> None:
    """Past the number of cells that are kept, counts stay exact: as a whole, in wide ranges, in the narrowest."""
    lines = long_stream(seed, 3 * MAX_CELLS, ordered=ordered)
    model = Model(lines)
    assert model.size > 2 * PIECE_BYTES
    for part in range(0, len(lines), 5000):
        world.write("a", lines[part : part + 5000])
        answer = world.store.answer("a")
    model.check(answer)
    model.check_buckets(answer, 200, None, None, exact=True)
    assert len(answer["buckets"]) > 50

    times = sorted(line.time for line in lines if line.time)
    dice = random.Random(seed)
    for size in (0, 1, 5, 50, 500, 5000):
        start = dice.randrange(len(times) - size)
        since, until = times[start], times[start + size]
        for count in (7, MAX_BUCKETS):
            answer = world.store.answer("a", count, since, until)
            model.check_buckets(answer, count, since, until, exact=size <= 5 and count == MAX_BUCKETS)
    answer = world.store.answer("a", MAX_BUCKETS, times[100], times[105])
    shown = sum(sum(bucket["by_type"].values()) for bucket in answer["buckets"])
    assert shown == sum(1 for time, _, _ in model.places if time is not None and times[100] <= time <= times[105])
    assert len(answer["buckets"]) == len(set(times[100:106]))


def test_cells_and_names_are_bounded(world: World) -> None:
    """The memory does not grow with the stream: neither with its times nor with the types that it makes up."""
    lines = [
        event(NOON + timedelta(days=number % 7, microseconds=number * number), f"t{number}") for number in range(9000)
    ]
    world.write("a", lines)
    answer = world.store.answer("a", MAX_BUCKETS)
    assert len(world.store._kept["a"].summary._tally.cells) <= MAX_CELLS
    assert answer["by_type"] == {**{f"t{number}": 1 for number in range(MAX_TYPES)}, "other": 9000 - MAX_TYPES}
    narrow = world.store.answer("a", MAX_BUCKETS, lines[-1].time, lines[-1].time)
    assert [bucket["by_type"] for bucket in narrow["buckets"]] == [{"other": 1}]  # named as in the whole


def test_what_was_counted_is_not_read_again(world: World) -> None:
    """The next question reads only what came since: lines spoilt after they were counted stay counted as they were."""
    lines = [event(NOON + timedelta(seconds=number)) for number in range(100)]
    world.write("a", lines)
    before = world.store.answer("a")
    with (world.path / "a.jsonl").open("r+b") as file:
        start = len(lines[0].text) + 1
        file.seek(start)
        file.write(b"x" * (len(lines[1].text)))
    assert world.store.answer("a") == before
    world.write("a", [event(NOON + timedelta(seconds=100))])
    assert world.store.answer("a")["events"] == 101
    assert SummaryStore(world.folder, MAX_LINE).answer("a")["events"] == 100


def test_a_replaced_or_cut_file_is_counted_anew(world: World) -> None:
    """Another inode, another first line, a shorter tail, no line end where there was one: each starts from nothing."""
    path = world.path / "a.jsonl"

    def check(*lines: Line, torn: bytes = b"") -> None:
        path.write_bytes(b"".join(line.text + b"\n" for line in lines) + torn)
        answer = world.store.answer("a")
        Model(list(lines)).check(answer)
        assert answer == SummaryStore(world.folder, MAX_LINE).answer("a")

    first = event(NOON)
    check(first, first, first)
    check(first)
    check(first, first, first)
    check(first, torn=b"x" * 999)
    check(event(NOON, "signal"), first)
    check(event(NOON, "signal"), event(NOON, pad="x" * 99))
    world.write("b", [event(NOON, "signal"), event(NOON, pad="x" * 99), event(NOON, "extraction")])
    (world.path / "b.jsonl").rename(path)
    assert world.store.answer("a") == SummaryStore(world.folder, MAX_LINE).answer("a")
    check()
    check(first)


def test_a_file_that_is_cut_while_it_is_counted(world: World) -> None:
    """A pass over lines that are gone ends with the error that says so, and the next question starts anew."""
    world.write("a", [event(NOON), event(NOON), event(NOON)])
    with StreamFile.open(world.folder, "a", MAX_LINE) as file:
        look = file.look()
        (world.path / "a.jsonl").write_bytes(event(NOON).text + b"\n")
        with pytest.raises(StreamReplacedError):
            Summary().advance(file, look)
    assert world.store.answer("a")["events"] == 1


def test_a_pass_can_be_broken_off_and_taken_up(world: World) -> None:
    """Between two pieces a pass asks whether to go on; what was counted by then counts for the next call."""
    lines = long_stream(1, 5000, ordered=True)
    world.write("a", lines)
    summary = Summary()
    with StreamFile.open(world.folder, "a", MAX_LINE) as file:
        look = file.look()
        places = []
        while summary.end < look.tail:
            asked = iter([False, True])
            summary.advance(file, look, lambda asked=asked: next(asked))  # type: ignore[misc]
            places.append(summary.end)
        assert len(places) > 2
        assert all(end - start <= PIECE_BYTES for start, end in zip([0, *places], places, strict=False))
        Model(lines).check(summary.answer(file, look))


def test_a_closed_store_breaks_off(world: World) -> None:
    """When the server stops, no thread goes on through a long file; what is already counted can still be had."""
    world.write("a", [event(NOON)])
    assert world.store.answer("a")["events"] == 1
    world.store.close()
    assert world.store.answer("a")["events"] == 1
    world.write("a", [event(NOON)])
    with pytest.raises(StreamhubError, match="'a'"):
        world.store.answer("a")


@pytest.mark.parametrize("buckets", [0, -1, MAX_BUCKETS + 1])
def test_a_number_of_buckets_out_of_range_is_refused(world: World, buckets: int) -> None:
    """There are 1 to 1,000 buckets; the file is not even opened for another number."""
    with pytest.raises(InvalidRequestError, match="buckets"):
        world.store.answer("none", buckets)


def test_streams_that_there_are_not(world: World) -> None:
    """What is missing or no id is an error, takes nobody's place, and what was deleted is forgotten."""
    store = SummaryStore(world.folder, MAX_LINE, kept=1)
    world.write("a", [event(NOON)])
    store.answer("a")
    with pytest.raises(StreamNotFoundError):
        store.answer("none")
    with pytest.raises(InvalidStreamIdError):
        store.answer("../a")
    assert list(store._kept) == ["a"]
    (world.path / "a.jsonl").unlink()
    with pytest.raises(StreamNotFoundError):
        store.answer("a")
    assert not store._kept


def test_the_summaries_asked_for_last_are_kept(world: World) -> None:
    """No more are kept than was said; who falls out is counted anew when asked for."""
    store = SummaryStore(world.folder, MAX_LINE, kept=2)
    for stream in ("a", "b", "c"):
        world.write(stream, [event(NOON)])
    store.answer("a")
    store.answer("b")
    store.answer("a")
    store.answer("c")
    assert list(store._kept) == ["a", "c"]
    assert store.answer("b")["events"] == 1


def test_one_stream_s_long_pass_does_not_hold_up_another_s(world: World) -> None:
    """While one stream is being counted, another's question is answered, and the first one's waits its turn."""
    for stream in ("a", "b"):
        world.write(stream, [event(NOON)])
        world.store.answer(stream)
    answers: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: answers.append(world.store.answer("a")))
    with world.store._kept["a"].lock:  # stands for a pass that is under way
        thread.start()
        assert world.store.answer("b")["events"] == 1
        assert not answers
    thread.join()
    assert answers[0]["events"] == 1


def test_many_threads_and_a_writer(world: World) -> None:
    """Whoever asks while the stream grows gets counts that fit the bytes they cover."""
    lines = [event(NOON + timedelta(seconds=number)) for number in range(3000)]
    width = len(lines[0].text) + 1
    world.write("a", [])
    answers: list[dict[str, Any]] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            answers.append(world.store.answer("a", 5))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for start in range(0, 3000, 30):
        world.write("a", lines[start : start + 30])
    done.set()
    for thread in threads:
        thread.join()
    answers.append(world.store.answer("a", 5))
    for answer in answers:
        assert answer["bytes"] == answer["events"] * width
        assert sum(bucket["by_type"]["status"] for bucket in answer["buckets"]) == answer["events"]
    assert answers[-1]["events"] == 3000

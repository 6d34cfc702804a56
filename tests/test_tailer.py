from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamhub.folder import Folder
from streamhub.tail import LOOK_BYTES, Appeared, Change, Gone, Grew, Replaced, Tail
from streamhub.tailer import Tailer
from tests.scarcity import few_descriptors

FLOOR, CEILING = 0.01, 1.0


class Clock:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Rig:
    """A tailer on a folder of its own, and a clock."""

    def __init__(self, directory: Path, clock: Clock, tailer: Tailer) -> None:
        self.directory = directory
        self.created = directory.stat().st_mtime
        self.clock = clock
        self.tailer = tailer

    def path(self, stream: str) -> Path:
        """The file of a stream."""
        return self.directory / f"{stream}.jsonl"

    def append(self, stream: str, data: bytes = b"{}\n") -> None:
        """Write at the end of a stream."""
        with self.path(stream).open("ab") as file:
            file.write(data)

    def quiet(self, stream: str, seconds: float = 3600.0) -> None:
        """Make a stream one that was written to long ago."""
        self.append(stream)
        then = self.path(stream).stat().st_mtime - seconds
        os.utime(self.path(stream), (then, then))

    def replace(self, stream: str, data: bytes = b"[]\n") -> None:
        """Put another file in a stream's place."""
        other = self.directory / "other"
        other.write_bytes(data)
        other.rename(self.path(stream))

    def freeze_folder(self) -> None:
        """Have the folder say that it changed a minute ago, whatever has happened since."""
        then = self.created - 60
        os.utime(self.directory, (then, then))

    def tick(self) -> list[tuple[str, type[Change]]]:
        """Go to the next due time and look; what was told."""
        assert self.tailer.next_due is not None
        self.clock.now = max(self.clock.now, self.tailer.next_due)
        return named(self.tailer.poll_due())

    def run(self, seconds: float) -> list[tuple[str, type[Change]]]:
        """Look whenever something is due, for so long."""
        end = self.clock.now + seconds
        told: list[tuple[str, type[Change]]] = []
        while self.tailer.next_due is not None and self.tailer.next_due <= end:
            told += self.tick()
        self.clock.now = end
        return told

    def scan(self, seconds: float = CEILING) -> list[tuple[str, type[Change]]]:
        """Read the names after so long; what was told."""
        self.clock.now += seconds
        return named(self.tailer.scan())


def named(changes: list[tuple[Tail, Change]]) -> list[tuple[str, type[Change]]]:
    """Which stream did what."""
    return [(tail.stream, type(change)) for tail, change in changes]


@contextmanager
def rigged(directory: Path, max_open: int | None = None) -> Iterator[Rig]:
    """A tailer of a folder."""
    clock = Clock()
    with (
        closing(Folder(str(directory))) as folder,
        closing(Tailer(folder, max_line=1024, floor=FLOOR, ceiling=CEILING, max_open=max_open, clock=clock)) as tailer,
    ):
        yield Rig(directory, clock, tailer)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A tailer of a folder."""
    with rigged(tmp_path) as it:
        yield it


# --- watching -------------------------------------------------------------------------------------------------


def test_nothing_watched_is_never_due(rig: Rig) -> None:
    """Without streams there is nothing to look at."""
    assert rig.tailer.next_due is None
    assert rig.tailer.poll_due() == []
    assert rig.tailer.next_due is None


def test_a_stream_is_watched_once(rig: Rig) -> None:
    """Whoever watches a stream gets the same tail, until it is watched no more."""
    tail = rig.tailer.watch("a")
    assert rig.tailer.watch("a") is tail
    rig.tailer.unwatch(tail)
    rig.tailer.unwatch(tail)
    assert rig.tailer.watch("a") is not tail


def test_what_is_watched_no_more_is_not_told(rig: Rig) -> None:
    """Hot or cold, a stream that was let go is not looked at."""
    rig.quiet("cold")
    tails = [rig.tailer.watch("hot"), rig.tailer.watch("cold")]
    rig.run(3)
    for tail in tails:
        rig.tailer.unwatch(tail)
    rig.append("hot")
    rig.append("cold")
    polls = rig.tailer.polls
    assert rig.run(3) == []
    assert rig.tailer.polls == polls
    assert rig.tailer.next_due is None


def test_it_holds_no_more_descriptors_than_it_may(tmp_path: Path) -> None:
    """Past its budget, streams are looked at by name; they miss nothing for it, and give nothing to be taken back."""
    with rigged(tmp_path, max_open=2) as rig:
        for stream in "abcd":
            rig.append(stream)
            rig.tailer.watch(stream)
        assert [tail.fd >= 0 for tail in rig.tailer.tails.values()] == [True, True, False, False]
        for stream in "abcd":
            rig.append(stream)
        assert sorted(rig.run(1)) == [(stream, Grew) for stream in "abcd"]
        for stream in "abcd":
            rig.tailer.unwatch(rig.tailer.tails[stream])
        assert rig.tailer.watch("c").fd >= 0


# --- how often ------------------------------------------------------------------------------------------------


def test_a_busy_stream_is_looked_at_at_every_tick(rig: Rig) -> None:
    """One that moved is due at the floor."""
    rig.append("a")
    rig.tailer.watch("a")
    for _ in range(20):
        rig.append("a")
        before = rig.clock.now
        assert rig.tick() == [("a", Grew)]
        assert rig.clock.now - before <= FLOOR * 1.01


def test_one_that_stands_still_is_looked_at_less_and_less(rig: Rig) -> None:
    """The wait is a sixteenth of the time that it has been quiet, up to the ceiling, and from there once a ceiling."""
    rig.append("a")
    rig.tailer.watch("a")
    rig.append("a")
    rig.tick()
    quiet_since, last = rig.clock.now, rig.clock.now
    waits: list[tuple[float, float]] = []
    while rig.clock.now < quiet_since + 60:
        polls = rig.tailer.polls
        rig.tick()
        if rig.tailer.polls > polls:
            waits.append((last - quiet_since, rig.clock.now - last))
            last = rig.clock.now
    for age, wait in waits:
        assert wait <= max(FLOOR, min(age / 16, CEILING)) + FLOOR + CEILING / 20
        assert wait >= min(FLOOR, age / 16) * 0.9
    assert waits[-1][1] == pytest.approx(CEILING, rel=0.06)


def test_a_stream_that_wakes_is_hot_again(rig: Rig) -> None:
    """After a long sleep it is noticed within the ceiling, and its next line at the next tick."""
    rig.append("a")
    rig.tailer.watch("a")
    rig.run(100)
    rig.append("a")
    before = rig.clock.now
    while not rig.tick():
        assert rig.clock.now <= before + CEILING * 1.06
    before = rig.clock.now
    rig.append("a")
    assert rig.tick() == [("a", Grew)]
    assert rig.clock.now - before <= FLOOR * 1.01


def test_one_that_was_quiet_for_long_starts_cold(rig: Rig) -> None:
    """The file's own time tells that a stream just watched sleeps: it is not looked at as if it had just moved."""
    rig.quiet("a")
    rig.tailer.watch("a")
    rig.run(0.5)
    assert rig.tailer.polls <= 3


def test_a_file_from_the_future_is_no_trouble(rig: Rig) -> None:
    """A clock that was set back does not keep a stream from being looked at."""
    rig.quiet("a", seconds=-1e6)
    rig.tailer.watch("a")
    rig.append("a")
    assert rig.tick() == [("a", Grew)]


def test_a_thousand_sleeping_streams_are_spread(rig: Rig) -> None:
    """Those that sleep cost a look each per ceiling, and each tick only its share."""
    for i in range(1000):
        rig.quiet(str(i))
        rig.tailer.watch(str(i))
    rig.run(2)
    shares = []
    start, end = rig.tailer.polls, rig.clock.now + 4 * CEILING
    while rig.clock.now < end - FLOOR:
        before = rig.tailer.polls
        rig.tick()
        shares.append(rig.tailer.polls - before)
    assert len(shares) <= 40
    assert max(shares) <= 260
    assert 3600 <= rig.tailer.polls - start <= 4400
    for i in range(1000):
        rig.append(str(i))
    assert sorted(rig.run(CEILING * 1.1)) == sorted((str(i), Grew) for i in range(1000))


def test_a_torn_end_that_sleeps_is_looked_into(rig: Rig) -> None:
    """Of those that sleep, one that ends in a torn line is told when a line of its length takes its place."""
    rig.quiet("a")
    rig.append("a", b"{x")
    os.utime(rig.path("a"), (0, 0))
    rig.tailer.watch("a")
    rig.run(2)
    os.truncate(rig.path("a"), 3)
    rig.append("a", b"0\n")
    assert rig.run(CEILING * 1.1) == [("a", Grew)]


def test_a_backlog_is_due_at_once(rig: Rig) -> None:
    """What one look could not take in does not wait for the next tick."""
    rig.append("a")
    rig.tailer.watch("a")
    rig.append("a", b"{}\n" * LOOK_BYTES)
    rig.tick()
    assert rig.tailer.next_due == rig.clock.now
    told = rig.run(0)
    assert told == [("a", Grew)] * (len(told))
    assert rig.tailer.tails["a"].look is not None
    assert rig.tailer.tails["a"].look.tail == 3 * (LOOK_BYTES + 1)


def test_a_pause_is_made_up_for(rig: Rig) -> None:
    """After the process slept for an hour everything is looked at once, not once for every tick that was missed."""
    for i in range(40):
        rig.quiet(str(i))
        rig.tailer.watch(str(i))
    rig.run(2)
    for i in range(40):
        rig.append(str(i))
    polls = rig.tailer.polls
    rig.clock.now += 3600
    assert len(rig.tailer.poll_due()) == 40
    assert rig.tailer.polls - polls <= 140


@given(st.lists(st.tuples(st.floats(0, 40), st.sampled_from("abc")), max_size=12).map(sorted))
@settings(max_examples=40)
def test_every_growth_is_told_in_time(writes: list[tuple[float, str]]) -> None:
    """Whenever a line is written, it is told no later than a sixteenth of the silence before it, or the ceiling."""
    with TemporaryDirectory() as directory, rigged(Path(directory)) as rig:
        start = rig.clock.now
        for stream in "abc":
            rig.append(stream)
            rig.tailer.watch(stream)
        moved = dict.fromkeys("abc", start)
        for at, stream in writes:
            rig.run(max(0.0, start + at - rig.clock.now))
            written = rig.clock.now
            rig.append(stream)
            allowed = max(FLOOR, min((written - moved[stream]) / 15, CEILING)) + CEILING / 20 + 2 * FLOOR
            while (stream, Grew) not in rig.tick():
                assert rig.clock.now - written <= allowed
            moved[stream] = rig.clock.now


# --- looking now ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda rig: rig.append("a"), [("a", Grew)]),
        (lambda rig: rig.replace("a"), [("a", Replaced)]),
        (lambda rig: rig.path("a").write_bytes(b"[]\n"), [("a", Replaced)]),
        (lambda rig: rig.path("a").unlink(), [("a", Gone)]),
        (lambda rig: None, []),
    ],
)
def test_looking_now(rig: Rig, act: Callable[[Rig], None], told: list[tuple[str, type[Change]]]) -> None:
    """Whoever wants to know now is told what happened to the file and to its name, though neither is due."""
    rig.quiet("a")
    tail = rig.tailer.watch("a")
    rig.run(10)
    act(rig)
    assert named(rig.tailer.poll(tail)) == told
    assert named(rig.tailer.poll(tail)) == []
    assert rig.run(3) == []


def test_a_glance_takes_the_place_of_the_next_look(rig: Rig) -> None:
    """Whoever looks at a stream between its ticks is told that it grew; the next look is due a floor later."""
    rig.append("a")
    tail = rig.tailer.watch("a")
    rig.tick()
    rig.append("a")
    rig.clock.now += FLOOR / 4
    assert named(rig.tailer.glance(tail)) == [("a", Grew)]
    assert rig.tailer.next_due == rig.clock.now + FLOOR
    rig.clock.now += FLOOR / 4
    assert named(rig.tailer.glance(tail)) == []
    assert rig.tailer.next_due == rig.clock.now + FLOOR
    assert tail.due == rig.tailer.next_due


def test_a_glance_wakes_nobody(rig: Rig) -> None:
    """A stream that sleeps, and is looked at without news, sleeps on; with news it is hot again."""
    rig.quiet("a")
    tail = rig.tailer.watch("a")
    rig.run(60)
    due = rig.tailer.next_due
    assert named(rig.tailer.glance(tail)) == []
    assert rig.tailer.next_due == due
    rig.append("a")
    assert named(rig.tailer.glance(tail)) == [("a", Grew)]
    assert rig.tailer.next_due == rig.clock.now + FLOOR


# --- names ----------------------------------------------------------------------------------------------------


def test_names_are_read_when_the_folder_changed(rig: Rig) -> None:
    """The ids there are, anew only when one came or went."""
    rig.append("a")
    rig.freeze_folder()
    rig.scan()
    assert set(rig.tailer.names) == {"a"}
    names = rig.tailer.names
    rig.append("a")
    rig.scan()
    assert rig.tailer.names is names
    rig.append("b")
    rig.scan()
    assert set(rig.tailer.names) == {"a", "b"}


def test_names_are_not_read_at_every_tick(rig: Rig) -> None:
    """Between two readings lies a quarter of a second, or the ceiling when that is less."""
    rig.scan()
    rig.append("a")
    assert rig.tailer.next_scan > rig.clock.now
    rig.scan(0.0)
    assert rig.tailer.names == {}
    rig.scan(0.3)
    assert set(rig.tailer.names) == {"a"}


def test_names_are_read_now_and_then_whatever_the_clock_says(rig: Rig) -> None:
    """A folder's time may stand still: after five seconds its names are read all the same."""
    rig.append("a")
    rig.freeze_folder()
    rig.scan()
    rig.append("b")
    rig.freeze_folder()
    rig.scan()
    assert set(rig.tailer.names) == {"a"}
    rig.scan(5)
    assert set(rig.tailer.names) == {"a", "b"}


def test_names_that_come_in_one_tick_of_the_clock_with_others(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that changed just now may change again without telling: its names are read once more."""
    monkeypatch.setattr("streamhub.tailer._CLOCK_TICK", 60.0)  # however slow the machine is
    rig.append("a")
    then = time.time()
    os.utime(rig.directory, (then, then))
    rig.scan()
    rig.append("b")
    os.utime(rig.directory, (then, then))
    rig.scan()
    assert set(rig.tailer.names) == {"a", "b"}


@pytest.mark.slow
def test_names_of_a_large_folder_are_read_less_often(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a sign that they changed: five hundred a second, and half a minute is the longest."""
    for count, seconds in ((10_000, 20), (10**6, 30)):
        monkeypatch.setattr(rig.tailer.folder, "scan", lambda count=count: dict.fromkeys(map(str, range(count)), 1))
        rig.freeze_folder()
        rig.scan(60)
        names = rig.tailer.names
        rig.scan(seconds - 1)
        assert rig.tailer.names is names
        rig.scan(1)
        assert rig.tailer.names is not names


def test_names_that_took_long_to_read_are_read_again_soon(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading that the machine held up, by a minute here, does not put off the next by more than five seconds."""
    read = rig.tailer.folder.scan

    def slow() -> dict[str, int]:
        rig.clock.now += 60
        return read()

    monkeypatch.setattr(rig.tailer.folder, "scan", slow)
    rig.scan()
    monkeypatch.undo()
    rig.append("a")
    rig.scan(5)
    assert set(rig.tailer.names) == {"a"}


def test_what_happened_to_names_is_told(rig: Rig) -> None:
    """A file that was replaced, came or went, though its old descriptor stands still."""
    for stream in ("same", "replaced", "deleted"):
        rig.append(stream)
    for stream in ("same", "replaced", "deleted", "new"):
        rig.tailer.watch(stream)
    rig.scan()
    rig.replace("replaced")
    rig.path("deleted").unlink()
    rig.append("new")
    assert sorted(rig.scan(), key=str) == [("deleted", Gone), ("new", Appeared), ("replaced", Replaced)]
    assert rig.scan() == []


def test_a_folder_that_is_moved_away(rig: Rig) -> None:
    """When another folder takes the path, its streams are the streams; the old ones are replaced, or gone."""
    for stream in "ab":
        rig.append(stream)
        rig.tailer.watch(stream)
    rig.scan()
    directory = rig.directory.rename(rig.directory.with_name("away"))
    rig.directory.mkdir()
    rig.append("a")
    assert sorted(rig.scan(), key=str) == [("a", Replaced), ("b", Gone)]
    assert directory.exists()


# --- when things fail -----------------------------------------------------------------------------------------


def test_a_scan_without_descriptors_is_made_up_for(rig: Rig) -> None:
    """When the names cannot be read, that is an error now, and they are read at the next turn."""
    rig.append("a")
    with few_descriptors(0), pytest.raises(OSError, match="Too many open files"):
        rig.scan()
    rig.scan()
    assert set(rig.tailer.names) == {"a"}


def test_a_failed_look_takes_nothing_from_the_others(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """When descriptors run out half-way through the names, those before it are told, and the rest at the next turn."""
    caplog.set_level(logging.WARNING, "streamhub.tailer")
    streams = [str(i) for i in range(6)]
    for stream in streams:
        rig.tailer.watch(stream)
    rig.scan()
    for stream in streams:
        rig.append(stream)
    with few_descriptors(3):
        told = rig.scan()
    assert 0 < len(told) < 6
    assert "Too many open files" in caplog.text
    told += rig.scan()
    assert sorted(told) == [(stream, Appeared) for stream in streams]


def test_a_failed_poll_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A stream that cannot be opened just now is logged, and told later."""
    caplog.set_level(logging.WARNING, "streamhub.tailer")
    with rigged(tmp_path, max_open=0) as rig:
        rig.append("a")
        rig.tailer.watch("a")
        rig.append("a")
        with few_descriptors(0):
            assert rig.tick() == []
        assert "stream a" in caplog.text
        assert rig.run(1) == [("a", Grew)]


def test_a_crowd_has_its_stream_looked_at_more_often(tmp_path: Path) -> None:
    """With four crowds of readers, a stream is looked at some four times as often on its way to sleep."""
    few, many = looks_on_the_way_to_sleep(tmp_path, 0), looks_on_the_way_to_sleep(tmp_path, 256)
    assert 2 * few < many < 5 * few


def looks_on_the_way_to_sleep(directory: Path, audience: int) -> int:
    """How often a stream is looked at in the four seconds after it grew."""
    now = 1000.0
    (directory / "s.jsonl").write_bytes(b'{"a":1}\n')
    tailer = Tailer(Folder(str(directory)), max_line=1 << 20, floor=0.005, ceiling=1.0, clock=lambda: now)
    tail = tailer.watch("s")
    tail.active, tail.audience = now, range(audience)
    while now < 1004:
        tailer.poll_due()
        assert tailer.next_due is not None
        now = max(now + 0.005, tailer.next_due)
    tailer.close()
    return tailer.polls

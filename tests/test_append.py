from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhub.append import AppendFile
from streamhub.events import nanoseconds
from tests.naive import stream_file

REST = b',"mission_id":"m","event_type":"signal","payload":{"name":"new"}}'
FINAL = b',"mission_id":"m","event_type":"status","payload":{"state":"completed","final":true}}'


class WatchedFile(AppendFile):
    """Counts how often it looks at the end of the file and at the path."""

    ends = 0
    paths = 0

    def _take_in(self, end: int) -> None:
        self.ends += 1
        super()._take_in(end)

    def _is_in_place(self) -> bool:
        self.paths += 1
        return super()._is_in_place()


def old(time: str = "2026-01-01T12:00:00.000000Z", name: str = "old") -> bytes:
    """A line that somebody wrote before."""
    return b'{"timestamp":"%b","mission_id":"m","event_type":"signal","payload":{"name":"%b"}}' % (
        time.encode(),
        name.encode(),
    )


def made(path: Path, content: bytes | None = None) -> AppendFile:
    """A file with some content, not opened yet."""
    if content is not None:
        path.write_bytes(content)
    return AppendFile(path)


def append(file: AppendFile, rest: bytes = REST, *, final: bool = False) -> None:
    """Append one line under a lock."""
    try:
        file.lock(1.0)
        file.append(rest, final=final)
    finally:
        file.unlock()


def look(file: AppendFile) -> AppendFile:
    """Lock and unlock it, so that it knows its end."""
    try:
        file.lock(1.0)
    finally:
        file.unlock()
    return file


def is_event(line: bytes) -> bool:
    """Whether a line is a JSON object."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def times(path: Path) -> list[str]:
    """The times of the lines that have one."""
    events = [json.loads(line) for line in path.read_bytes().split(b"\n") if is_event(line)]
    return [event["timestamp"] for event in events if "timestamp" in event]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a stream's file is, or is to be."""
    return tmp_path / "a.jsonl"


# --- what it appends --------------------------------------------------------------------------------------------------


def test_line(path: Path) -> None:
    """An append adds one whole line that begins with the present time, and nothing else."""
    before = datetime.now(UTC)
    append(made(path, old() + b"\n"))
    after = datetime.now(UTC)
    first, second, end = path.read_bytes().split(b"\n")
    assert (first, end) == (old(), b"")
    stamp = json.loads(second)["timestamp"]
    assert second == b'{"timestamp":"%b"' % stamp.encode() + REST
    assert before.replace(microsecond=before.microsecond) <= datetime.fromisoformat(stamp) <= after


def test_file_is_made_when_locked(tmp_path: Path) -> None:
    """The first lock makes the file, and the folders above it."""
    path = tmp_path / "not" / "there" / "a.jsonl"
    file = AppendFile(path)
    assert not path.parent.exists()
    look(file)
    assert path.read_bytes() == b""
    assert path.stat().st_mode & 0o133 == 0


def test_durable_file_is_made(tmp_path: Path) -> None:
    """A file whose name has to be on the disk at once is made just the same."""
    file = AppendFile(tmp_path / "new" / "a.jsonl", durable=True)
    append(file)
    file.sync()
    assert len(times(file.path)) == 1


@pytest.mark.parametrize("cut", range(len(old()) + 1))
def test_torn_line_is_ended(path: Path, cut: int) -> None:
    """Wherever the last line was cut, it is ended and kept, and the new line stands on its own."""
    torn = old(name="torn")[:cut]
    file = made(path, old() + b"\n" + torn)
    assert look(file).torn == bool(torn)
    append(file)
    lines = path.read_bytes().split(b"\n")
    assert lines[:-2] == [old(), torn][: 1 + bool(torn)]
    assert is_event(lines[-2])
    assert lines[-2].endswith(REST)
    assert lines[-1] == b""
    assert not file.torn


@given(st.lists(st.binary(max_size=30), max_size=5))
def test_nothing_is_ever_taken_away(tmp_path_factory: pytest.TempPathFactory, garbage: list[bytes]) -> None:
    """Whatever bytes others append in between, every byte stays where it is, and our lines are whole."""
    path = tmp_path_factory.mktemp("streams") / "a.jsonl"
    file = AppendFile(path)
    seen = b""
    for piece in garbage:
        append(file)
        with path.open("ab") as foreign:
            foreign.write(piece)
        assert path.read_bytes().startswith(seen)
        seen = path.read_bytes()
    append(file)
    assert path.read_bytes().startswith(seen)
    assert sum(line.endswith(REST) and is_event(line) for line in path.read_bytes().split(b"\n")) == len(garbage) + 1


def test_quick_way(path: Path) -> None:
    """Nobody else wrote: neither the end of the file nor the path is looked at for each line."""
    file = WatchedFile(path)
    for _ in range(5000):
        append(file)
    assert file.ends == 1
    seconds = {time[:19] for time in times(path)}
    assert file.paths <= len(seconds) + 1


# --- the straight way -------------------------------------------------------------------------------------------------


def settled(path: Path) -> AppendFile:
    """A file that has just been appended to, so that the next line can go the straight way."""
    file = made(path)
    while not file.append_at_once(REST):  # a second may just have ended
        append(file)
    return file


def test_at_once(path: Path) -> None:
    """A line that is appended at once is like any other, takes its own time, and leaves no lock."""
    file = settled(path)
    before = path.read_bytes()
    start = datetime.now(UTC)
    while not file.append_at_once(REST):
        append(file)
    line = path.read_bytes().removeprefix(before).split(b"\n")[-2]
    stamp = json.loads(line)["timestamp"]
    assert line == b'{"timestamp":"%b"' % stamp.encode() + REST
    assert start <= datetime.fromisoformat(stamp) <= datetime.now(UTC)
    assert times(path) == sorted(times(path))
    with path.open("rb") as foreign:
        fcntl.flock(foreign, fcntl.LOCK_EX | fcntl.LOCK_NB)


def refused(file: AppendFile) -> bool:
    """Whether a line is not appended at once, and nothing else is done instead."""
    before = file.path.read_bytes()
    return not file.append_at_once(REST) and file.path.read_bytes() == before


def test_not_at_once(path: Path) -> None:
    """What was not locked yet, or was let go of, or has ended, is for lock()."""
    file = made(path, b"")
    assert refused(file)
    look(file)
    assert refused(file)
    file = settled(path)
    file.close()
    assert refused(file)
    append(file, FINAL, final=True)
    assert refused(file)


def test_not_at_once_after_a_short_write(path: Path) -> None:
    """A line that was cut is healed first, even if another was written whole under the same lock."""

    class ShortFile(AppendFile):
        """A file that takes a byte less than it is given from the second write on."""

        writes = 0

        def _write(self, fd: int, line: bytes) -> int:
            self.writes += 1
            return super()._write(fd, line if self.writes == 1 else line[:-1])

    file = ShortFile(path)
    file.lock(1.0)
    file.append(REST)
    file.append(REST)
    file.unlock()
    assert refused(file)


@pytest.mark.parametrize("foreign", [b"\n", b"torn", old("2999-12-31T23:59:59.123456Z") + b"\n"])
def test_not_at_once_after_others(path: Path, foreign: bytes) -> None:
    """What others append is taken in first; so is what they take away."""
    file = settled(path)
    with path.open("ab") as other:
        other.write(foreign)
    assert refused(file)
    append(file)
    os.truncate(path, 10)
    assert refused(file)


def test_not_at_once_while_the_clock_is_behind(path: Path) -> None:
    """As long as the clock is behind the last line, lock() sees to the time."""
    file = made(path, old(FUTURE) + b"\n")
    append(file)
    assert refused(file)


def test_not_at_once_while_locked(path: Path) -> None:
    """Somebody else's lock is left to lock(), which has patience; afterwards all is as before."""
    file = settled(path)
    with path.open("rb") as foreign:
        fcntl.flock(foreign, fcntl.LOCK_EX)
        assert refused(file)
    while not file.append_at_once(REST):
        append(file)


def test_at_once_ends_with_the_second(path: Path) -> None:
    """The path is looked at once a second, however many lines go the straight way."""
    file = settled(path)
    path.unlink()
    while file.append_at_once(REST):
        pass
    append(file)
    assert file.replaced
    assert refused(file)


def test_at_once_on_a_descriptor_that_was_reused(path: Path) -> None:
    """Nothing is written to another file that has the number of ours by now."""
    file = settled(path)
    precious = path.with_name("precious")
    with precious.open("wb") as other:
        os.dup2(other.fileno(), file._fd)
        assert refused(file)
    assert precious.read_bytes() == b""
    os.close(file._fd)
    assert refused(file)
    append(file)
    assert len(times(path)) >= 2


# --- time -------------------------------------------------------------------------------------------------------------

FUTURE = "2999-12-31T23:59:59.123456Z"


@pytest.mark.parametrize(
    "content",
    [
        old(FUTURE),
        old(FUTURE) + b"\n\n\r\n",
        old(FUTURE) + b"\nno event\n[1]\n{}\n" + b'{"timestamp":"yesterday"}\n{"timestamp":7}',
        old(FUTURE) + b"\n" + b"\0" * 10_000,
        old(FUTURE) + b"\n" + b"x" * 3_000_000,
        old(FUTURE) + b"\n" * 100_000,
        old("2999-12-31 23:59:59.123456") + b"\n" + old("2026-01-01T00:00:00Z", "x" * 3_000_000),
        old("3000-01-01T01:29:59.123456+01:30"),
    ],
)
@pytest.mark.parametrize("torn", [b"", old()[:40], b"\0", b"x" * 5000])
def test_time_never_runs_backwards(path: Path, content: bytes, torn: bytes) -> None:
    """A file whose last time is ahead of the clock: that time is repeated, whatever stands between it and the end."""
    append(made(path, content + b"\n" + torn))
    assert times(path)[-1] == FUTURE


def test_time_follows_others(path: Path) -> None:
    """A line with a later time that another writer adds holds from then on; the clock's return changes nothing."""
    file = made(path)
    append(file)
    with path.open("ab") as foreign:
        foreign.write(old(FUTURE) + b"\n")
    append(file)
    append(file)
    assert times(path)[1:] == [FUTURE] * 3


def test_earlier_time_of_others_does_not_count(path: Path) -> None:
    """A foreign line with an earlier time does not pull ours back."""
    file = made(path, old(FUTURE) + b"\n")
    append(file)
    with path.open("ab") as foreign:
        foreign.write(old("2020-01-01T00:00:00Z") + b"\n")
    append(file)
    assert times(path)[-1] == FUTURE


def test_time_beyond_the_look_back(path: Path) -> None:
    """How far back a time is looked for has a bound: beyond that the clock is believed, and nobody waits."""
    file = made(path, old(FUTURE) + b"\n")
    with path.open("ab") as foreign:
        foreign.truncate(10 * 1024**3)
    append(file)
    tail = path.open("rb")
    with tail:
        tail.seek(10 * 1024**3)
        line = tail.read()
    assert line.startswith(b"\n{")
    assert abs(datetime.fromisoformat(json.loads(line)["timestamp"]) - datetime.now(UTC)).days < 2


def test_several_lines_under_one_lock(path: Path) -> None:
    """Lines that are appended under one lock have one time."""
    file = made(path)
    file.lock(1.0)
    file.append(REST)
    file.append(REST)
    file.unlock()
    one, other = times(path)
    assert one == other


# --- the end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "closed"),
    [
        (b"", False),
        (old() + b"\n", False),
        (b'{"timestamp":"2026-01-01T12:00:00Z"' + FINAL + b"\n", True),
        (b'{"timestamp":"2026-01-01T12:00:00Z"' + FINAL + b"\n\n\n\n", True),
        (b'{"timestamp":"2026-01-01T12:00:00Z"' + FINAL + b"\n\n\r\n\n", False),
        (b'{"timestamp":"2026-01-01T12:00:00Z"' + FINAL + b"\n \t\n", False),
        (b'{"event_type":"status","payload":{"final":true}}\n', True),
        (b'{"event_type":"status","payload":{"final":false}}\n', False),
        (b'{"event_type":"signal","payload":{"final":true}}\n', False),
        (b'{"timestamp":"2026-01-01T12:00:00Z"' + FINAL + b"\n" + old() + b"\n", False),
        (b'{"timestamp":"2026-01-01T12:00:00Z"' + FINAL + b"\nno event\n", False),
        (b'{"timestamp":"2026-01-01T12:00:00Z"' + FINAL + b"\n" + old()[:30], True),
        (b'{"timestamp":"2026-01-01T12:00:00Z"' + FINAL[:-1], False),
    ],
)
def test_closed(path: Path, content: bytes, closed: bool) -> None:
    """A stream is closed when its last complete line, empty ones apart, is a final status; to readers just so."""
    with stream_file(content) as file:
        assert file.look().closed == closed
    assert look(made(path, content)).closed == closed


def test_final_line_that_lacks_its_newline(path: Path) -> None:
    """A final status whose writer was stopped before the newline gets it: more lines would undo the end."""
    content = old() + b'\n{"timestamp":"2026-01-01T12:00:00Z"' + FINAL
    file = look(made(path, content))
    assert file.closed
    assert not file.torn
    assert path.read_bytes() == content + b"\n"


def test_own_final_line(path: Path) -> None:
    """After one's own final line the stream is closed, for another writer too; a foreign line reopens it."""
    file, other = made(path), made(path)
    append(file)
    assert not look(other).closed
    append(file, FINAL, final=True)
    assert look(file).closed
    assert look(other).closed
    with path.open("ab") as foreign:
        foreign.write(old() + b"\n")
    assert not look(file).closed
    assert not look(other).closed


# --- what stands in the way -------------------------------------------------------------------------------------------


def plant_fifo(path: Path) -> None:
    """A pipe that nobody reads."""
    os.mkfifo(path)


def plant_link(path: Path) -> None:
    """A link to a file that must not be touched."""
    path.with_name("target").write_bytes(b"precious")
    path.symlink_to("target")


def plant_dangling_link(path: Path) -> None:
    """A link to a file that must not be made."""
    path.symlink_to("target")


def plant_directory(path: Path) -> None:
    """A folder."""
    path.mkdir()


def plant_socket(path: Path) -> None:
    """A socket."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize("plant", [plant_fifo, plant_link, plant_dangling_link, plant_directory, plant_socket])
def test_no_regular_file(tmp_path: Path, plant: Any) -> None:
    """What is planted in the file's place is refused at once, and neither followed nor changed."""
    path = tmp_path / "a.jsonl"
    plant(path)
    file = AppendFile(path)
    for _ in range(2):
        with pytest.raises(OSError, match=r"regular|loops|links|directory|device"):
            look(file)
    assert {entry.name for entry in tmp_path.iterdir()} <= {"a.jsonl", "target"}
    if (tmp_path / "target").exists():
        assert (tmp_path / "target").read_bytes() == b"precious"


def test_locked_by_another(path: Path) -> None:
    """Somebody else's lock is waited for, but not for ever; afterwards everything goes on."""
    file = made(path, b"")
    with path.open("rb") as foreign:  # who may read it can lock it
        fcntl.flock(foreign, fcntl.LOCK_EX)
        for patience in (0.0, 0.02):
            with pytest.raises(TimeoutError):
                file.lock(patience)
            file.unlock()
        fcntl.flock(foreign, fcntl.LOCK_UN)
    append(file)
    assert len(times(path)) == 1


def test_lock_is_let_go(path: Path) -> None:
    """Between two appends others can lock the file; unlocking twice, or what was never locked, is harmless."""
    file = made(path, b"")
    file.unlock()
    append(file)
    file.unlock()
    with path.open("rb") as foreign:
        fcntl.flock(foreign, fcntl.LOCK_EX | fcntl.LOCK_NB)


def until_moved(file: AppendFile) -> None:
    """Append until the file has seen that it is not where it was: it looks once a second."""
    while not file.replaced:
        append(file)


@pytest.mark.slow
def test_deleted(path: Path) -> None:
    """A deleted file is made anew within a second, and its folder too."""
    path = path.parent / "folder" / "a.jsonl"
    file = AppendFile(path)
    append(file)
    path.unlink()
    path.parent.rmdir()
    until_moved(file)
    assert len(times(path)) == 1


@pytest.mark.slow
def test_replaced(path: Path) -> None:
    """A file that was put in the place of ours is gone on with, after what it holds."""
    file = made(path)
    append(file)
    other = path.with_name("other")
    other.write_bytes(old(FUTURE) + b"\n" + old()[:20])
    other.rename(path)
    until_moved(file)
    assert times(path) == [FUTURE] * 2
    assert path.read_bytes().startswith(old(FUTURE) + b"\n" + old()[:20] + b"\n")


@pytest.mark.slow
def test_replaced_by_a_link(path: Path) -> None:
    """A link that was put in the place of the file is not followed."""
    file = made(path)
    append(file)
    path.unlink()
    plant_link(path)
    with pytest.raises(OSError, match="symbolic links"):
        until_moved(file)
    assert path.read_bytes() == b"precious"


@pytest.mark.parametrize("size", [0, 10, 60])
def test_cut(path: Path, size: int) -> None:
    """A file that somebody cut is appended to where it ends now, and time goes on."""
    file = made(path, old(FUTURE) + b"\n")
    append(file)
    os.truncate(path, size)
    append(file)
    assert times(path) == [FUTURE]


def test_descriptor_that_was_closed(path: Path) -> None:
    """A mission that closes every descriptor it has: the next lock finds the file again."""
    file = made(path)
    append(file)
    os.close(file._fd)
    append(file)
    assert len(times(path)) == 2
    assert not file.replaced


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_APPEND | os.O_CREAT])
@pytest.mark.parametrize("which", ["another", "equal", "same"])
def test_descriptor_that_was_reused(path: Path, which: str, flags: int) -> None:
    """A closed descriptor's number may be another file's by now, of that very size, or the mission's own of this one.

    Nothing is written there, it is neither locked nor closed, and keeps its place.
    """
    file = made(path)
    append(file)
    precious = path if which == "same" else path.with_name("precious")
    if which != "same":
        precious.write_bytes(b"x" * (path.stat().st_size if which == "equal" else 0))
    content, number = precious.read_bytes(), file._fd
    other, foreign = os.open(precious, flags), precious.open("rb")
    os.dup2(other, number)
    if which != "same":  # of its own, the mission cannot lock it and emit
        fcntl.flock(other, fcntl.LOCK_SH)
    append(file)
    append(file)
    assert os.lseek(other, 0, os.SEEK_CUR) == 0
    if which != "same":
        with pytest.raises(BlockingIOError):
            fcntl.flock(foreign, fcntl.LOCK_EX | fcntl.LOCK_NB)
    file.close()
    if which != "same":
        assert precious.read_bytes() == content
    os.close(number)  # raises if it was closed
    os.close(other)
    foreign.close()
    assert len(times(path)) == 3


@pytest.mark.parametrize("how", ["closed", "collected"])
def test_letting_go_of_a_descriptor_that_was_reused(path: Path, how: str) -> None:
    """Neither close() nor the end of a file that was forgotten closes what is somebody else's by now."""
    file = look(made(path))
    number = file._fd
    os.close(number)
    ends = os.pipe()
    os.dup2(ends[0], number)
    if how == "closed":
        file.close()
    del file
    for fd in (number, *ends):
        os.close(fd)  # raises if it was closed


def test_its_descriptor_is_out_of_the_way(path: Path) -> None:
    """A mission that closes one of its own and opens another gets numbers as if there were no stream."""
    lowest = os.dup(0)
    os.close(lowest)
    file = look(made(path))
    following = os.dup(0)
    os.close(following)
    assert following == lowest
    assert file._fd > 100
    assert not os.get_inheritable(file._fd)


def test_a_disk_that_loses_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network disk may forget an open file: it is opened anew, and the old descriptor is given back."""
    file = made(path)
    append(file)
    before = len(os.listdir("/proc/self/fd"))
    stat, lost = os.fstat, True

    def fstat(fd: int) -> os.stat_result:
        if lost:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return stat(fd)

    monkeypatch.setattr(os, "fstat", fstat)
    for _ in range(10):
        with pytest.raises(OSError, match="Stale"):
            append(file)
    lost = False
    append(file)
    assert len(times(path)) == 2
    assert len(os.listdir("/proc/self/fd")) == before


def test_close(path: Path) -> None:
    """A closed file is opened again by the next lock; closing twice, or what was never opened, is harmless."""
    file = made(path)
    file.close()
    append(file)
    file.close()
    file.close()
    append(file)
    assert len(times(path)) == 2


def test_descriptors_are_let_go(path: Path) -> None:
    """A file that nobody holds any more holds no descriptor, and a refused one neither."""
    directory = path.with_name("b.jsonl")
    directory.mkdir()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        append(made(path))
        with pytest.raises(IsADirectoryError):
            look(made(directory))
    assert len(os.listdir("/proc/self/fd")) == before


def test_times_agree_with_the_schema() -> None:
    """The time that is taken in from a line is the one that is written out."""
    assert nanoseconds(datetime(2026, 1, 1, 12, tzinfo=UTC)) == 1_767_268_800_000_000_000

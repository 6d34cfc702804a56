from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhub.append import AppendFile
from streamhub.errors import EmitError, InvalidEventError, StreamClosedError
from streamhub.events import Signal, Status, line_rest
from streamhub.writer import StreamWriter


class FaultyFile(AppendFile):
    """A file on a disk whose faults are set: ``faults`` holds what becomes of the next writes, then all is well.

    A number is how many bytes are taken of the line; an error is raised; None lets the line through.
    """

    def __init__(self, path: Path, *faults: int | OSError | None) -> None:
        super().__init__(path)
        self.faults = list(faults)
        self.sync_faults: list[OSError | None] = []
        self.syncs = 0

    def _write(self, fd: int, line: bytes) -> int:
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, OSError):
            raise fault
        return super()._write(fd, line if fault is None else line[:fault])

    def sync(self) -> None:
        self.syncs += 1
        fault = self.sync_faults.pop(0) if self.sync_faults else None
        if fault is not None:
            raise fault
        super().sync()


class FullDisk(AppendFile):
    """A file whose disk is full at times: what is written goes to a device that says so."""

    full = True

    def _write(self, fd: int, line: bytes) -> int:
        if not self.full:
            return super()._write(fd, line)
        device = os.open("/dev/full", os.O_WRONLY)
        try:
            return os.write(device, line)
        finally:
            os.close(device)


def eio() -> OSError:
    """What a broken disk says."""
    return OSError(errno.EIO, os.strerror(errno.EIO))


def rest(name: str) -> bytes:
    """The rest of a signal's line."""
    return line_rest("m", Signal(name))


FINAL = line_rest("m", Status("completed", True))


def events(path: Path) -> Iterator[tuple[str, Any]]:
    """The name and value of each signal, and the state of each status; torn lines are named ``torn``."""
    content = path.read_bytes()
    for line in content.split(b"\n")[:-1]:
        try:
            event = json.loads(line)
        except ValueError:
            yield "torn", line
        else:
            payload = event["payload"]
            yield payload.get("name") or payload["state"], payload.get("value")


def names(path: Path) -> list[str]:
    """The names of the events."""
    return [name for name, _ in events(path)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the stream's file is to be."""
    return tmp_path / "a.jsonl"


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged as a warning."""
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


# --- outages ----------------------------------------------------------------------------------------------------------


def test_outage_is_survived_and_told(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be written is dropped, logged once, and told before the next event; then all is forgotten."""
    caplog.set_level(logging.INFO, "streamhub.emitter")
    file = FaultyFile(path, None, eio(), eio(), eio())
    writer = StreamWriter(file, "m")
    assert writer.write(rest("one")) is None
    for number in range(3):
        assert isinstance(writer.write(rest("lost")), EmitError)
        assert writer.dropped == number + 1
    assert len(warnings(caplog)) == 1
    assert "Input/output error" in warnings(caplog)[0]
    for name in ("two", "three"):
        assert writer.write(rest(name)) is None
    assert list(events(path)) == [("one", None), ("events_dropped", 3), ("two", None), ("three", None)]
    assert writer.dropped == 3
    assert "can be written again" in caplog.messages[-1]


def test_each_outage_is_logged_and_told_for_itself(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A second outage is logged again; the signal counts its own losses only."""
    writer = StreamWriter(FaultyFile(path, eio(), None, None, eio(), eio()), "m")
    for name in ("lost", "one", "lost", "lost", "two"):
        writer.write(rest(name))
    assert list(events(path)) == [("events_dropped", 1), ("one", None), ("events_dropped", 2), ("two", None)]
    assert writer.dropped == 3
    assert len(warnings(caplog)) == 2


def test_full_disk(path: Path) -> None:
    """A disk that is full takes nothing; when there is room again, everything goes on."""
    file = FullDisk(path)
    writer = StreamWriter(file, "m")
    assert "No space left" in str(writer.write(rest("lost")))
    file.full = False
    writer.write(rest("kept"))
    assert list(events(path)) == [("events_dropped", 1), ("kept", None)]


@pytest.mark.parametrize("fault", [None, eio()])
def test_write_cut_short_at_every_byte(path: Path, fault: OSError | None) -> None:
    """However much of a line was taken, that line alone is lost, and not even it when only its newline is missing."""
    probe = StreamWriter(FaultyFile(path), "m")
    probe.write(rest("event"))
    size = path.stat().st_size
    for taken in range(size + 1):
        path.unlink()
        writer = StreamWriter(FaultyFile(path, None, taken, fault), "m")
        errors = [writer.write(rest(name)) for name in ("before", "event", "middle", "after")]
        kept = taken >= size - 1
        assert [error is None for error in errors] == [True, kept, fault is None, True]
        assert writer.dropped == (not kept) + (fault is not None)
        found = [name for name in names(path) if name != "torn"]
        assert [name for name in found if name not in {"stream_recovered", "events_dropped"}] == [
            name for name, error in zip(("before", "event", "middle", "after"), errors, strict=True) if error is None
        ]
        assert ("stream_recovered" in found) == (0 < taken < size)
        assert names(path).count("torn") == (0 < taken < size - 1)
        assert dict(events(path)).get("events_dropped", 0) == writer.dropped


def test_second_fault_while_losses_are_told(path: Path) -> None:
    """A fault that strikes the signals themselves, at any byte of any of them, loses no count."""
    for step in range(1, 4):
        for taken in (0, 1, 2, 50, 100):
            path.unlink(missing_ok=True)
            faults: list[int | OSError | None] = [None, 30, *[None] * step]
            faults[-1] = taken
            writer = StreamWriter(FaultyFile(path, *faults), "m")
            for name in ("one", "lost", "two", "three"):
                writer.write(rest(name))
            found = list(events(path))
            assert found[-1] == ("three", None)
            assert [name for name, _ in found if name == "stream_recovered"]
            told = sum(value for name, value in found if name == "events_dropped")
            assert told == writer.dropped
            kept = sum(name in {"one", "lost", "two", "three"} for name, _ in found)
            assert kept + writer.dropped == 4


@given(
    st.lists(
        st.one_of(st.none(), st.integers(0, 200), st.just(eio()).map(lambda _: eio())),
        max_size=30,
    )
)
def test_any_faults(tmp_path_factory: pytest.TempPathFactory, faults: list[int | OSError | None]) -> None:
    """Whatever becomes of the writes, each event is in the stream or in the count, in order, and no lines are fused."""
    path = tmp_path_factory.mktemp("streams") / "a.jsonl"
    file = FaultyFile(path, *faults)
    writer = StreamWriter(file, "m")
    kept = [str(number) for number in range(12) if writer.write(rest(str(number))) is None]
    file.faults.clear()
    assert writer.write(rest("last")) is None
    found = list(events(path))
    assert [name for name, _ in found if name.isdigit()] == kept
    assert len(kept) + writer.dropped == 12
    assert sum(value for name, value in found if name == "events_dropped") == writer.dropped
    assert found[-1] == ("last", None)
    assert all(line.count(b'{"timestamp"') <= 1 for line in path.read_bytes().split(b"\n"))


def test_stuck_lock(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Somebody who keeps the file locked costs one wait, then next to none, and the events meanwhile."""
    writer = StreamWriter(AppendFile(path), "m", patience=0.05)
    writer.write(rest("one"))
    with path.open("rb") as foreign:
        fcntl.flock(foreign, fcntl.LOCK_EX)
        for _ in range(5):
            assert isinstance(writer.write(rest("lost")), EmitError)
    writer.write(rest("two"))
    assert list(events(path)) == [("one", None), ("events_dropped", 5), ("two", None)]
    assert len(warnings(caplog)) == 1
    assert "locked" in warnings(caplog)[0]


@pytest.mark.slow
def test_file_that_was_deleted(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that somebody deleted is made anew within a second; it begins by saying so."""
    writer = StreamWriter(AppendFile(path), "m")
    writer.write(rest("one"))
    path.unlink()
    while not path.exists():
        assert writer.write(rest("two")) is None
    assert names(path) == ["stream_recovered", "two"]
    assert writer.dropped == 0
    assert ["deleted or replaced" in message for message in warnings(caplog)] == [True]


class CountingFile(AppendFile):
    """Counts how often it is locked with all care."""

    locks = 0

    def lock(self, patience: float) -> None:
        self.locks += 1
        super().lock(patience)


def test_straight_way(path: Path) -> None:
    """As long as nothing happens, and after anything that did, events go the straight way but one a second."""
    file = CountingFile(path)
    writer = StreamWriter(file, "m")
    for number in range(3000):
        if number % 1000 == 500:
            writer.drop(InvalidEventError("name: is wrong"), "Signal")
        assert writer.write(rest("one")) is None
    seconds = {json.loads(line)["timestamp"][:19] for line in path.read_bytes().splitlines()}
    assert file.locks <= len(seconds) + 3
    assert names(path).count("events_dropped") == 3


# --- a torn end -------------------------------------------------------------------------------------------------------


def test_torn_end_is_told(path: Path) -> None:
    """A writer that finds a torn line ends it, and says so before its first event; the next ones are as ever."""
    path.write_bytes(b'{"timestamp":"2026-01-01T12:00:00.0')
    writer = StreamWriter(AppendFile(path), "m")
    for name in ("one", "two"):
        writer.write(rest(name))
    assert names(path) == ["torn", "stream_recovered", "one", "two"]


# --- the end ----------------------------------------------------------------------------------------------------------


def test_closed_by_itself(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After its own final line a writer refuses everything: counted, logged once."""
    writer = StreamWriter(AppendFile(path), "m")
    assert writer.write(FINAL, final=True) is None
    for number in range(3):
        assert isinstance(writer.write(rest("late")), StreamClosedError)
        assert writer.dropped == number + 1
    assert writer.close(FINAL, final=True) is None
    assert names(path) == ["completed"]
    assert len(warnings(caplog)) == 1


def test_closed_by_another(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A stream that another writer closed meanwhile is not written past its end."""
    writer, other = StreamWriter(AppendFile(path), "m"), StreamWriter(AppendFile(path), "m")
    writer.write(rest("one"))
    other.close(FINAL, final=True)
    for _ in range(2):
        assert isinstance(writer.write(rest("late")), StreamClosedError)
    assert isinstance(writer.close(FINAL, final=True), StreamClosedError)
    assert names(path) == ["one", "completed"]
    assert writer.dropped == 3
    assert len(warnings(caplog)) == 1


def test_torn_final_line_of_another(path: Path) -> None:
    """A final line that lacks its newline only ends the stream too: it gets the newline, and nothing more."""
    writer, other = (
        StreamWriter(AppendFile(path), "m"),
        FaultyFile(path, None, len(b'{"timestamp":""') + 27 + len(FINAL)),
    )
    writer.write(rest("one"))
    ender = StreamWriter(other, "m")
    ender.write(rest("two"))
    ender.close(FINAL, final=True)
    assert not path.read_bytes().endswith(b"\n")
    assert isinstance(writer.write(rest("late")), StreamClosedError)
    assert names(path) == ["one", "two", "completed"]


def test_closing_without_a_line(path: Path) -> None:
    """A writer can let go of a stream that goes on; what it lost is told even then."""
    file = FaultyFile(path, eio())
    writer = StreamWriter(file, "m")
    writer.write(rest("lost"))
    assert writer.close() is None
    assert list(events(path)) == [("events_dropped", 1)]
    assert isinstance(writer.write(rest("late")), StreamClosedError)


def test_closing_without_a_line_in_an_outage(path: Path) -> None:
    """Letting go of a stream that cannot be written, or that another has closed, is no further loss."""
    writer = StreamWriter(FaultyFile(path, eio(), eio()), "m")
    writer.write(rest("lost"))
    assert writer.close() is None
    assert writer.dropped == 1
    late = StreamWriter(FaultyFile(path, eio()), "m")
    late.write(rest("lost"))
    StreamWriter(AppendFile(path), "m").close(FINAL, final=True)
    assert late.close() is None
    assert late.dropped == 1
    assert names(path) == ["completed"]


def test_final_line_in_an_outage(path: Path) -> None:
    """A final status that could not be written is written when the writer is closed, not another one."""
    writer = StreamWriter(FaultyFile(path, eio()), "m")
    assert isinstance(writer.write(line_rest("m", Status("cancelled", True)), final=True), EmitError)
    assert writer.close(FINAL, final=True) is None
    assert list(events(path)) == [("events_dropped", 1), ("cancelled", None)]


def test_opening(path: Path) -> None:
    """Opening makes the file and holds no lock; a closed stream is refused and its descriptor let go."""
    writer = StreamWriter(AppendFile(path), "m")
    writer.open()
    assert path.read_bytes() == b""
    writer.write(FINAL, final=True)
    before = len(os.listdir("/proc/self/fd"))
    late = StreamWriter(AppendFile(path), "m")
    with pytest.raises(StreamClosedError, match="new live_stream_id"):
        late.open()
    assert len(os.listdir("/proc/self/fd")) == before


# --- what is no line --------------------------------------------------------------------------------------------------


def test_events_that_are_none(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An event that no line could be made of is counted and told; each kind is logged once."""
    writer = StreamWriter(AppendFile(path), "m")
    for kind in ("Signal", "Signal", "Status"):
        writer.drop(InvalidEventError("name: is wrong"), kind)
    writer.write(rest("one"))
    assert list(events(path)) == [("events_dropped", 3), ("one", None)]
    assert len(warnings(caplog)) == 2
    assert "name: is wrong" in warnings(caplog)[0]


# --- waiting for the disk ---------------------------------------------------------------------------------------------


def test_fsync_never(path: Path) -> None:
    """Nobody waits for the disk."""
    file = FaultyFile(path)
    writer = StreamWriter(file, "m")
    writer.write(rest("one"))
    writer.close(FINAL, final=True)
    assert file.syncs == 0


def test_fsync_always(path: Path) -> None:
    """Each event waits for the disk, the last one too; one that was not written does not."""
    file = FaultyFile(path, None, eio())
    writer = StreamWriter(file, "m", fsync="always")
    for _ in range(3):
        writer.write(rest("one"))
    assert file.syncs == 2
    writer.close(FINAL, final=True)
    assert file.syncs == 3


@pytest.mark.slow
def test_fsync_at_intervals(path: Path) -> None:
    """Once a second at most, and at the end in any case, also when that adds no line."""
    file = FaultyFile(path)
    writer = StreamWriter(file, "m", fsync="interval")
    for _ in range(100):
        writer.write(rest("one"))
    assert file.syncs <= 2
    while not file.syncs:
        writer.write(rest("one"))
    before = file.syncs
    writer.close()
    assert file.syncs == before + 1


def test_disk_that_does_not_keep(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An event that was written but is not on the disk is in the stream, and so not dropped; it is logged once."""
    file = FaultyFile(path)
    file.sync_faults = [eio(), eio()]
    writer = StreamWriter(file, "m", fsync="always")
    errors = [writer.write(rest(name)) for name in ("one", "two", "three")]
    assert [type(error) for error in errors] == [EmitError, EmitError, type(None)]
    assert names(path) == ["one", "two", "three"]
    assert writer.dropped == 0
    assert len(warnings(caplog)) == 1


# --- calls in the middle of a call ------------------------------------------------------------------------------------


def test_log_handler_that_emits(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A log handler that writes to the very stream that logs neither waits for itself nor loses its event."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            writer.write(rest(record.levelname))

    writer = StreamWriter(FaultyFile(path, eio()), "m")
    handler = Handler(logging.INFO)
    logger = logging.getLogger("streamhub.emitter")
    caplog.set_level(logging.INFO, "streamhub.emitter")
    logger.addHandler(handler)
    try:
        writer.write(rest("lost"))
    finally:
        logger.removeHandler(handler)
    assert list(events(path)) == [("events_dropped", 1), ("WARNING", None), ("INFO", None)]


class StruckFile(AppendFile):
    """A file in the middle of whose next write a signal handler strikes."""

    strike: Any = None

    def _write(self, fd: int, line: bytes) -> int:
        strike, self.strike = self.strike, None
        if strike is not None:
            strike()
        return super()._write(fd, line)


def test_strike_in_the_middle_of_a_write(path: Path) -> None:
    """An event from within a write comes right after it; closing from within lets the write be finished."""
    file = StruckFile(path)
    writer = StreamWriter(file, "m")
    file.strike = lambda: [writer.write(rest("within")), writer.write(rest("within too"))]
    writer.write(rest("one"))
    file.strike = lambda: writer.close(FINAL, final=True)
    writer.write(rest("two"))
    assert names(path) == ["one", "within", "within too", "two", "completed"]
    assert isinstance(writer.write(rest("late")), StreamClosedError)


def test_many_strikes_in_the_middle_of_a_write(path: Path) -> None:
    """However many events a handler emits, or handlers, they come in order, and none is left behind."""
    file = StruckFile(path)
    writer = StreamWriter(file, "m")
    many = [f"within {number}" for number in range(5_000)]

    def strike() -> None:
        for name in many:
            writer.write(rest(name))
        file.strike = lambda: writer.write(rest("within that"))

    file.strike = strike
    writer.write(rest("one"))
    writer.write(rest("two"))
    assert names(path) == ["one", *many, "within that", "two"]
    assert writer.dropped == 0


def test_interrupt_before_the_lock_is_let_go_of(path: Path) -> None:
    """Ctrl-C at the worst moment: nobody else is kept waiting for the file."""

    class Interrupted(AppendFile):
        strikes = 0

        def unlock(self) -> None:
            self.strikes += 1
            if self.strikes == 2:  # open() was the first
                raise KeyboardInterrupt
            super().unlock()

    writer = StreamWriter(Interrupted(path), "m")
    writer.open()
    with pytest.raises(KeyboardInterrupt):
        writer.write(rest("one"))
    with path.open("rb") as foreign:
        fcntl.flock(foreign, fcntl.LOCK_EX | fcntl.LOCK_NB)
    writer.write(rest("two"))
    assert names(path) == ["one", "two"]


def test_strike_with_something_to_log(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is logged in the middle of a write, where a log handler's own lock could be waited for, but after it."""
    file = StruckFile(path)
    writer = StreamWriter(file, "m")
    logged: list[int] = []

    def strike() -> None:
        writer.drop(InvalidEventError("name: is wrong"), "Signal")
        logged.append(len(caplog.records))

    file.strike = strike
    writer.write(rest("one"))
    assert logged == [0]
    assert len(warnings(caplog)) == 1


def test_strike_that_raises(path: Path) -> None:
    """A handler that closes and then leaves: its exception passes, the end is written all the same."""
    file = StruckFile(path)
    writer = StreamWriter(file, "m")

    def strike() -> None:
        writer.write(rest("last"))
        writer.close(FINAL, final=True)
        raise SystemExit

    file.strike = strike
    with pytest.raises(SystemExit):
        writer.write(rest("broken off"))
    assert names(path) == ["last", "completed"]
    with path.open("rb") as foreign:
        fcntl.flock(foreign, fcntl.LOCK_EX | fcntl.LOCK_NB)

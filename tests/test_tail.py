from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamhub.folder import Folder
from streamhub.stream import Look
from streamhub.tail import LOOK_BYTES, Appeared, Change, Gone, Grew, Replaced, Tail
from tests import naive
from tests.naive import ODD_LINES, counted_reads, padded
from tests.scarcity import few_descriptors

MAX_LINE = 2 * LOOK_BYTES
FINAL = b'{"event_type":"status","payload":{"state":"completed","final":true}}\n'


@dataclass
class Watched:
    """A tail and what it told, held against the file itself."""

    path: Path
    tail: Tail
    changes: list[Change] = field(default_factory=list)

    @property
    def look(self) -> Look:
        """Where it stands."""
        assert self.tail.look is not None
        return self.tail.look

    def append(self, data: bytes) -> None:
        """Write at the end of the file."""
        with self.path.open("ab") as file:
            file.write(data)

    def replace(self, data: bytes) -> None:
        """Put another file in its place."""
        other = self.path.with_name("other")
        other.write_bytes(data)
        other.rename(self.path)

    def ask(self, *, verify: bool = False) -> list[Change]:
        """Poll until nothing is new; what was told, checked against the file."""
        told: list[Change] = []
        before = self.tail.look
        change = (self.tail.verify() if verify else None) or self.tail.poll()
        while change is not None:
            told.append(change)
            before = self._check(before, change)
            change = self.tail.poll()
        self.changes += told
        return told

    def _check(self, before: Look | None, change: Change) -> Look | None:
        """A change continues where the look before it stood, and says what is in the file."""
        if isinstance(change, Gone):
            assert before is not None
            assert self.tail.look is None
            return None
        data = self.path.read_bytes()
        assert change.look == self.tail.look
        assert change.look.generation == naive.generation(data[: change.look.tail])
        assert data[: change.look.tail].endswith(b"\n") or not change.look.tail
        if isinstance(change, Grew):
            assert before is not None
            place, tail = before.tail, change.look.tail
            for batch in change.batches:
                assert (batch.start, batch.generation) == (place, change.look.generation)
                place = batch.end
            assert place == tail > before.tail
            lines = [line for line in naive.lines(data[:tail], MAX_LINE) if before.tail <= line.start]
            assert [line for batch in change.batches for line in batch.lines] == [line.delivered for line in lines]
            assert [end for batch in change.batches for end in batch.ends] == [line.end for line in lines]
            assert change.look.closed == naive.closed(data[:tail], MAX_LINE)
        else:
            assert isinstance(change, Replaced) == (before is not None)
        return change.look

    def check_still(self) -> None:
        """Nothing is new, and it stands where the file does."""
        assert (self.tail.verify() or self.tail.poll()) is None
        if not self.path.exists():
            assert self.tail.look is None
            return
        data, status = self.path.read_bytes(), self.path.stat()
        tail = naive.tail(data)
        closed = naive.closed(data, MAX_LINE)
        assert self.tail.look == Look((status.st_dev, status.st_ino), naive.generation(data), tail, closed)


@contextmanager
def watched(directory: Path, data: bytes | None = b"", *, keep_open: bool = True) -> Iterator[Watched]:
    """The tail of a file with these bytes, or of none."""
    path = directory / "s.jsonl"
    if data is not None:
        path.write_bytes(data)
    with closing(Folder(str(directory))) as folder, closing(Tail(folder, "s", MAX_LINE, keep_open=keep_open)) as tail:
        yield Watched(path, tail)


@pytest.fixture(params=[True, False], ids=["open", "by-name"])
def keep_open(request: pytest.FixtureRequest) -> bool:
    """Whether the tail holds a descriptor, or looks by name: both must see the same."""
    return bool(request.param)


def kinds(changes: list[Change]) -> list[type[Change]]:
    """What sort of changes they are."""
    return [type(change) for change in changes]


# --- appending ------------------------------------------------------------------------------------------------


def test_it_begins_where_the_file_stands(tmp_path: Path, keep_open: bool) -> None:
    """What was there before it was watched is not told; a torn end is, once it is whole."""
    with watched(tmp_path, b"{}\n{}\n{", keep_open=keep_open) as it:
        assert it.look.tail == 6
        assert it.ask() == []
        it.append(b"}\n")
        (change,) = it.ask()
        assert isinstance(change, Grew)
        assert [batch.lines for batch in change.batches] == [[b"{}"]]


def test_torn_lines_do_not_exist_yet(tmp_path: Path, keep_open: bool) -> None:
    """A line that comes byte by byte is told with its newline, and not before."""
    with watched(tmp_path, keep_open=keep_open) as it:
        for byte in b'{"a":1}':
            it.append(bytes([byte]))
            assert it.ask() == []
        it.append(b"\n{")
        assert kinds(it.ask()) == [Grew]
        assert it.look.tail == 8


@pytest.mark.parametrize(
    ("data", "closed"),
    [(FINAL, True), (FINAL + b"\n\n", True), (FINAL + b"{}\n", False), (b"{}\n" + FINAL[:-1], False)],
)
def test_the_end(tmp_path: Path, data: bytes, closed: bool, keep_open: bool) -> None:
    """A final status that stands last closes the stream; empty lines after it do not count, a foreign line does."""
    with watched(tmp_path, b"{}\n", keep_open=keep_open) as it:
        it.append(data)
        it.ask()
        assert it.look.closed == closed
        it.append(b"\n")
        it.ask()
        it.check_still()


def test_a_reopened_stream(tmp_path: Path) -> None:
    """A foreign line written past the end makes the stream an open one; an empty one does not."""
    with watched(tmp_path, FINAL) as it:
        assert it.look.closed
        it.append(b"\n")
        it.ask()
        assert it.look.closed
        it.append(b"{}\n")
        it.ask()
        assert not it.look.closed


def test_a_large_growth_is_told_in_pieces(tmp_path: Path, keep_open: bool) -> None:
    """One look takes in a bounded amount, says that there is more, and the looks after it tell the rest in order."""
    with watched(tmp_path, keep_open=keep_open) as it:
        it.append((padded(1000) + b"\n") * 5000)
        change = it.tail.poll()
        assert isinstance(change, Grew)
        assert LOOK_BYTES - 1001 <= change.look.tail <= LOOK_BYTES
        assert it.tail.backlog
        it.ask()
        assert it.look.tail == 5000 * 1001
        assert not it.tail.backlog


@pytest.mark.parametrize("size", [LOOK_BYTES - 1, LOOK_BYTES, LOOK_BYTES + 1, MAX_LINE, MAX_LINE + 1])
def test_a_line_longer_than_a_look(tmp_path: Path, size: int, keep_open: bool) -> None:
    """It is told whole, or by its stand-in, with what is around it."""
    with watched(tmp_path, b"{}\n", keep_open=keep_open) as it:
        it.append(b"{}\n" + padded(size) + b"\n{}\n" + padded(size))
        it.ask()
        assert it.look.tail == size + 10
        it.append(b"\n")
        it.ask()
        it.check_still()


def test_a_long_torn_line_is_not_searched_again(tmp_path: Path) -> None:
    """A line that grows for ever costs each look one bounded read, however long it is by now."""
    with watched(tmp_path) as it:
        it.append(b"x" * 20 * LOOK_BYTES)
        it.ask()
        it.append(b"y")
        with counted_reads() as reads:
            assert it.tail.poll() is None
        assert reads.total < 2 * LOOK_BYTES


def test_what_is_cut_off_a_torn_line_may_be_written_anew(tmp_path: Path) -> None:
    """Bytes past the last newline do not exist: when they go and others come, the lines in those are found."""
    with watched(tmp_path, b"{}\n") as it:
        it.append(b"x" * 3 * LOOK_BYTES)
        assert it.ask() == []
        os.truncate(it.path, 3)
        assert it.ask() == []
        line = padded(2 * LOOK_BYTES - 100)
        it.append(line + b"\n" + b"x" * 2 * LOOK_BYTES)
        assert kinds(it.ask()) == [Grew]
        assert it.look.tail == 3 + len(line) + 1


@pytest.mark.parametrize("line", [b"{}\n", b"{}\n{", b"\n\n{", b"y" * (LOOK_BYTES + 10) + b"\n"], ids=len)
def test_a_torn_end_may_give_way_to_lines_of_its_length(tmp_path: Path, line: bytes, keep_open: bool) -> None:
    """Between two looks a torn end may go, and as many bytes come in its place: the lines in them are told."""
    with watched(tmp_path, b"{}\n", keep_open=keep_open) as it:
        it.append(b"x" * len(line))
        assert it.ask() == []
        os.truncate(it.path, 3)
        it.append(line)
        assert kinds(it.ask()) == [Grew]
        assert it.look.tail == 3 + line.rfind(b"\n") + 1
        assert it.ask() == []


@pytest.mark.parametrize(("end", "calls"), [(b"", 0), (b"{", 1)])
def test_a_quiet_stream_costs_one_call(tmp_path: Path, end: bytes, calls: int) -> None:
    """A look at a stream that stands still reads nothing; at a torn end, what is torn, if that is short."""
    with watched(tmp_path, b"{}\n" + end) as it:
        it.ask()
        with counted_reads() as reads:
            assert it.tail.poll() is None
        assert reads.calls == calls


# --- cutting, replacing, deleting ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5])
def test_a_cut(tmp_path: Path, size: int, keep_open: bool) -> None:
    """A tail that shrank is told, with where the file begins now."""
    with watched(tmp_path, b"{}\n{}\n", keep_open=keep_open) as it:
        os.truncate(it.path, size)
        assert it.ask() == [Replaced(it.look)]
        it.append(b"\n{}\n")
        assert kinds(it.ask()) == [Grew]
        it.check_still()


def test_a_cut_torn_end_is_nothing(tmp_path: Path, keep_open: bool) -> None:
    """What was not told yet may go again: nobody has seen it."""
    with watched(tmp_path, b"{}\n{}", keep_open=keep_open) as it:
        it.ask()
        os.truncate(it.path, 3)
        assert it.ask() == []
        it.append(b"{}\n")
        assert kinds(it.ask()) == [Grew]


@pytest.mark.parametrize(
    "data",
    [
        b'{"b":2}\n',  # as long as it was
        b'{"b":22}\n',
        b"",
        b"{",
        b'{"a":1}\n',  # the very same bytes: known by the inode
        b'{"a":1}\n{}\n',
    ],
)
def test_a_replaced_file(tmp_path: Path, data: bytes, keep_open: bool) -> None:
    """Another file of the name is another file, whatever is in it."""
    with watched(tmp_path, b'{"a":1}\n', keep_open=keep_open) as it:
        it.replace(data)
        assert kinds(it.ask(verify=True)) == [Replaced]
        it.check_still()


@pytest.mark.parametrize(
    "data", [b'{"b":2}\n', b'{"b":2}\n{}\n', b'{"bbbbbb":2}\n', b'{"b":2}', b"", b'{"a":1}x\n{}\n']
)
def test_a_file_rewritten_in_place(tmp_path: Path, data: bytes, keep_open: bool) -> None:
    """The same inode with another first line, or without the newline that was the tail, is told when it is verified."""
    with watched(tmp_path, b'{"a":1}\n', keep_open=keep_open) as it:
        it.path.write_bytes(data)
        assert kinds(it.ask(verify=True)) == [Replaced]
        it.check_still()


def test_what_lies_before_the_tail_is_looked_at(tmp_path: Path, keep_open: bool) -> None:
    """The same first line is not enough: where the tail was there must be the end of a line."""
    for verify in (True, False):
        with watched(tmp_path, b'{"a":1}\n{"b":2}\n', keep_open=keep_open) as it:
            it.path.write_bytes(b'{"a":1}\n{}\n{"x":' if verify else b'{"a":1}\n{"bb":22}\n{}\n')
            assert kinds(it.ask(verify=verify)) == [Replaced]
            it.check_still()


@pytest.mark.parametrize("data", [b'{"b":2}\n{}\n', b'{"a":1}x\n{}\n'])
def test_a_rewritten_file_is_told_when_it_grows(tmp_path: Path, data: bytes, keep_open: bool) -> None:
    """Lines of another content are never told as if they continued what was there."""
    with watched(tmp_path, b'{"a":1}\n', keep_open=keep_open) as it:
        it.path.write_bytes(data)
        assert kinds(it.ask()) == [Replaced]


def test_a_deleted_file(tmp_path: Path, keep_open: bool) -> None:
    """That a file went is told once, and that it is back is told too."""
    with watched(tmp_path, b"{}\n", keep_open=keep_open) as it:
        it.path.unlink()
        assert it.ask(verify=True) == [Gone()]
        assert it.ask(verify=True) == []
        it.path.write_bytes(b"{}\n")
        assert it.ask() == [Appeared(it.look)]
        it.append(b"{}\n")
        assert kinds(it.ask()) == [Grew]


def test_a_file_that_is_not_there_yet(tmp_path: Path, keep_open: bool) -> None:
    """It may be watched before it is written, even before its folder is made."""
    directory = tmp_path / "later"
    with watched(directory, None, keep_open=keep_open) as it:
        assert it.tail.look is None
        assert it.ask(verify=True) == []
        directory.mkdir()
        assert it.ask() == []
        it.path.write_bytes(b"{}\n{")
        assert it.ask() == [Appeared(it.look)]
        assert it.look.tail == 3


@pytest.mark.parametrize("plant", ["symlink", "fifo", "directory"])
def test_what_is_no_file_is_no_stream(tmp_path: Path, plant: str, keep_open: bool) -> None:
    """A link, a FIFO or a directory that takes the name: the stream is gone; nothing hangs, nothing is read."""
    with watched(tmp_path, b"{}\n", keep_open=keep_open) as it:
        it.path.unlink()
        if plant == "symlink":
            (tmp_path / "secret").write_bytes(b"{}\n{}\n")
            it.path.symlink_to("secret")
        elif plant == "fifo":
            os.mkfifo(it.path)
        else:
            it.path.mkdir()
        assert it.ask(verify=True) == [Gone()]
        assert it.ask() == []


# --- descriptors ---------------------------------------------------------------------------------------------


def descriptors() -> set[str]:
    """What this process has open."""
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{fd}"))
        except FileNotFoundError:  # the one that the list was read with
            continue
    return found


def test_descriptors_are_given_back(tmp_path: Path) -> None:
    """One is held for a file that is there, none for one that went, none after the end, none by name."""
    name = str(tmp_path / "s.jsonl")
    with watched(tmp_path, b"{}\n") as it:
        assert it.tail.keeps_open
        assert name in descriptors()
        it.path.unlink()
        it.ask(verify=True)
        assert not any(name in path for path in descriptors())
        it.path.write_bytes(b"{}\n")
        it.ask()
        assert name in descriptors()
    assert name not in descriptors()
    with watched(tmp_path, b"{}\n", keep_open=False) as it:
        it.append(b"{}\n")
        it.ask()
        assert not it.tail.keeps_open
        assert name not in descriptors()


def test_when_descriptors_have_run_out_nothing_is_lost(tmp_path: Path, keep_open: bool) -> None:
    """A look that fails is tried again, and tells then what there was to tell: growth, and another file."""
    with watched(tmp_path, b"{}\n", keep_open=keep_open) as it:
        it.append(b"{}\n")
        with few_descriptors(0):
            if not keep_open:
                with pytest.raises(OSError, match="Too many"):
                    it.tail.poll()
        assert kinds(it.ask()) == [Grew]
        it.replace(b"{}\n")
        with few_descriptors(0):
            if not keep_open:
                with pytest.raises(OSError, match="Too many"):
                    it.tail.verify()
        assert kinds(it.ask(verify=True)) == [Replaced]


# --- anything that can happen to a file -----------------------------------------------------------------------

LINES = st.lists(
    st.sampled_from([b"{}", b'{"a":1}', b'{"a":2}', b"", b"\x00", b"nonsense", *ODD_LINES[:20], FINAL[:-1]])
    | st.integers(8, 300).map(padded),
    min_size=1,
    max_size=6,
).map(lambda lines: b"".join(line + b"\n" for line in lines))
TORN = st.sampled_from([b"{", b'{"a":', b"x" * 5000, FINAL[:-1]])
WRITTEN = st.one_of(LINES, TORN, st.tuples(LINES, TORN).map(b"".join))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), WRITTEN),
        st.tuples(st.just("append"), WRITTEN),
        st.tuples(st.just("cut"), st.floats(0, 1)),
        st.tuples(st.just("replace"), st.binary(max_size=0) | WRITTEN),
        st.tuples(st.just("rewrite"), st.binary(max_size=0) | WRITTEN),
        st.tuples(st.just("delete"), st.none()),
    ),
    max_size=25,
)


def step(it: Watched, kind: str, what: object) -> list[type[Change]] | None:
    """Do something to the file; what sorts of changes may be told then, None when that is not known."""
    was = it.path.read_bytes() if it.path.exists() else None
    if kind == "append" or was is None:
        it.append(what if isinstance(what, bytes) else b"")
        data = it.path.read_bytes()
        return [Appeared] if was is None else [Grew] * (naive.tail(data) > naive.tail(was))
    if kind == "cut":
        assert isinstance(what, float)
        size = int(len(was) * what)
        os.truncate(it.path, size)
        return [Replaced] * (size < naive.tail(was))
    if kind == "delete":
        it.path.unlink()
        return [Gone]
    assert isinstance(what, bytes)
    if kind == "replace":
        it.replace(what)
        return [Replaced]
    it.path.write_bytes(what)
    tail = naive.tail(was)
    if tail and (what[tail - 1 : tail] != b"\n" or naive.generation(what) != naive.generation(was)):
        return [Replaced]
    return None  # what was told before still stands there, as far as anybody can tell


@pytest.mark.slow
@given(st.booleans(), st.none() | WRITTEN, STEPS)
@settings(max_examples=250)
def test_anything_that_can_happen_to_a_file(
    keep_open: bool, first: bytes | None, steps: list[tuple[str, object]]
) -> None:
    """Whatever is done to it, the lines that are told continue each other, or it is told that they do not."""
    with TemporaryDirectory() as directory, watched(Path(directory), first, keep_open=keep_open) as it:
        for kind, what in steps:
            expected = step(it, kind, what)
            told = kinds(it.ask(verify=kind != "append"))
            if expected is None:
                return
            assert told == expected
            it.check_still()


@given(st.booleans(), st.lists(st.tuples(WRITTEN, st.booleans()), max_size=30))
def test_any_appends(keep_open: bool, writes: list[tuple[bytes, bool]]) -> None:
    """However many appends lie between two looks, the batches are the file."""
    with TemporaryDirectory() as directory, watched(Path(directory), keep_open=keep_open) as it:
        for data, look in writes:
            it.append(data)
            if look:
                it.ask()
        it.ask()
        it.check_still()
        batches = [batch for change in it.changes if isinstance(change, Grew) for batch in change.batches]
        assert [line for batch in batches for line in batch.lines] == [
            line.delivered for line in naive.lines(it.path.read_bytes(), MAX_LINE)
        ]

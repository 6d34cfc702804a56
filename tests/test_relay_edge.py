"""The edge's files: appended only where a piece belongs, compared elsewhere, never overwritten."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
from pathlib import Path

import pytest

from streamhub.errors import ConfigError
from streamhub.offset import Offset, generation_of
from streamhub.relay import edge as edge_module
from streamhub.relay.edge import Edge, Outcome
from streamhub.relay.piece import Piece, digest_of

DATA = b'{"n":1}\n{"n":22}\n{"n":333}\n'
GENERATION = generation_of(b'{"n":1}')
#: The pieces of DATA, a line each.
CUTS = ((0, 8), (8, 17), (17, 27))


def piece(start: int, data: bytes, *, stream: str = "s", generation: str = GENERATION) -> Piece:
    """A piece as a message brings it."""
    return Piece(stream, Offset(generation, start), len(data), digest_of(data), 1, 0.0, data)


def pieces(stream: str = "s") -> list[Piece]:
    """All pieces of a stream."""
    return [piece(start, DATA[start:end], stream=stream) for start, end in CUTS]


def fits(outcome: Outcome) -> bool:
    """Whether nothing was wrong."""
    return not (outcome.gap or outcome.fault or outcome.error)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of the stream ``s``."""
    return tmp_path / "s.jsonl"


def test_pieces_are_appended(tmp_path: Path, path: Path) -> None:
    """Pieces that follow on each other make the file, byte for byte, of each stream its own."""
    with Edge(str(tmp_path)) as edge:
        one, two = edge.write([*pieces(), *pieces("t")])
    assert path.read_bytes() == (tmp_path / "t.jsonl").read_bytes() == DATA
    assert (one.stream, one.size, one.written, one.lines, one.repeats) == ("s", 27, 27, 3, 0)
    assert two.stream == "t"
    assert fits(one)


@pytest.mark.parametrize("size", range(len(DATA) + 1))
def test_whatever_a_crash_left_is_completed(tmp_path: Path, path: Path, size: int) -> None:
    """A file that was cut anywhere gets what it lacks, and nothing twice, when all pieces come again."""
    path.write_bytes(DATA[:size])
    with Edge(str(tmp_path)) as edge:
        (outcome,) = edge.write(pieces())
        assert fits(outcome)
        assert outcome.written == len(DATA) - size
        assert path.read_bytes() == DATA
        (outcome,) = edge.write(pieces())
    assert (outcome.written, outcome.repeats) == (0, 3)
    assert path.read_bytes() == DATA


@pytest.mark.parametrize(("size", "place"), [(size, place) for size in (9, 20, 27) for place in range(size)])
def test_a_difference_is_refused(tmp_path: Path, path: Path, size: int, place: int) -> None:
    """A byte that differs, wherever it is, keeps all that comes after it out, and stays as it is."""
    other = bytearray(DATA[:size])
    other[place] ^= 1
    path.write_bytes(other)
    with Edge(str(tmp_path)) as edge:
        (outcome,) = edge.write(pieces())
    assert outcome.fault
    assert path.read_bytes() == other


def test_a_gap_is_left(tmp_path: Path, path: Path) -> None:
    """A piece above the file's end is not written, nor those after it; nor is a file made for it."""
    with Edge(str(tmp_path)) as edge:
        (outcome,) = edge.write(pieces()[1:])
        assert outcome.gap
        assert not path.exists()
        path.write_bytes(DATA[:8])
        (outcome,) = edge.write(pieces()[2:])
        assert outcome.gap
        assert outcome.size == 8
        assert path.read_bytes() == DATA[:8]


def test_more_than_was_sent_is_no_fault(tmp_path: Path, path: Path) -> None:
    """A file that has more than JetStream's pieces is left alone if these are equal."""
    path.write_bytes(DATA)
    with Edge(str(tmp_path)) as edge:
        (outcome,) = edge.write(pieces()[:2])
        assert fits(outcome)
        assert not edge.compare(pieces()[1]).fault
    assert path.read_bytes() == DATA


def test_another_generation_is_refused(tmp_path: Path, path: Path) -> None:
    """What belongs to a file with another first line is not appended, even where sizes would fit."""
    path.write_bytes(b'{"m":1}\n')
    with Edge(str(tmp_path)) as edge:
        (outcome,) = edge.write(pieces()[1:])
    assert "generation" in outcome.fault
    assert path.read_bytes() == b'{"m":1}\n'


def test_a_generation_that_changes_on_the_way(tmp_path: Path, path: Path) -> None:
    """What begins another file is not appended to this one, though its offset would fit."""
    with Edge(str(tmp_path)) as edge:
        (outcome,) = edge.write([pieces()[0], piece(8, DATA[8:17], generation="deadbeef")])
    assert "changed" in outcome.fault
    assert path.read_bytes() == DATA[:8]


def test_a_message_that_lies_is_refused(tmp_path: Path, path: Path) -> None:
    """Bytes that are not those of the digest, or not of the generation, or none at all, make no file."""
    first = pieces()[0]
    wrong = Piece("s", first.offset, 8, "0" * 16, 1, 0.0, first.data)
    empty = Piece("s", first.offset, 0, digest_of(b""), 1, 0.0, b"")
    with Edge(str(tmp_path)) as edge:
        for lie in (wrong, empty, piece(0, first.data, generation="deadbeef")):
            (outcome,) = edge.write([lie])
            assert "headers" in outcome.fault
            assert not path.exists()


def test_a_last_piece_is_compared_by_its_digest(tmp_path: Path, path: Path) -> None:
    """Without its bytes a piece shows whether the file has it: absent, short, equal or different."""
    head = Piece("s", Offset(GENERATION, 17), 10, digest_of(DATA[17:]), 3, 0.0)
    with Edge(str(tmp_path)) as edge:
        assert edge.compare(head).gap
        path.write_bytes(DATA[:20])
        assert edge.compare(head).gap
        path.write_bytes(DATA)
        outcome = edge.compare(head)
        assert fits(outcome)
        path.write_bytes(DATA[:-2] + b"!\n")
        assert "other bytes" in edge.compare(head).fault


def test_a_line_in_parts(tmp_path: Path, path: Path) -> None:
    """Parts of one long line are appended as they come, the first of them too, before its generation can be seen."""
    line = b"[" + b"x" * 9000 + b"]\n"
    generation = generation_of(line[:-1])
    cuts = [(0, 3000), (3000, 4096), (4096, 9003)]
    with Edge(str(tmp_path)) as edge:
        for start, end in cuts:
            (outcome,) = edge.write([piece(start, line[start:end], generation=generation)])
            assert fits(outcome)
    assert path.read_bytes() == line


def test_what_is_no_regular_file_is_left(tmp_path: Path, path: Path) -> None:
    """A link is not followed, a pipe is not waited for, a directory is not a stream."""
    target = tmp_path / "target"
    target.write_bytes(b"")
    path.symlink_to(target)
    os.mkfifo(tmp_path / "t.jsonl")
    (tmp_path / "u.jsonl").mkdir()
    with Edge(str(tmp_path)) as edge:
        outcomes = edge.write([*pieces(), *pieces("t"), *pieces("u")])
        assert [bool(outcome.error) for outcome in outcomes] == [True, True, True]
        assert edge.compare(pieces()[2]).error
    assert target.read_bytes() == b""


def test_a_full_disk(tmp_path: Path, path: Path) -> None:
    """What cannot be written is told, with the size that the file has then; later the rest is appended."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with Edge(str(tmp_path)) as edge:
            resource.setrlimit(resource.RLIMIT_FSIZE, (13, before[1]))
            (outcome,) = edge.write(pieces())
            assert outcome.error
            assert (outcome.size, outcome.written) == (13, 13)
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            (outcome,) = edge.write(pieces())
            assert not outcome.error
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == DATA


def test_a_folder_has_one_puller(tmp_path: Path) -> None:
    """The second one is refused, as long as the first one is there."""
    with Edge(str(tmp_path)), pytest.raises(ConfigError, match="another streamhub relay pull"):
        Edge(str(tmp_path))
    Edge(str(tmp_path)).close()


def test_who_locks_the_file_is_waited_for(tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock as emitters take it keeps a piece out; it is told, and the next time it is written."""
    monkeypatch.setattr(edge_module, "_PATIENCE", 0.05)
    path.write_bytes(DATA[:8])
    with Edge(str(tmp_path)) as edge:
        with path.open("rb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            (outcome,) = edge.write(pieces())
            assert "locked" in outcome.error
        assert path.read_bytes() == DATA[:8]
        (outcome,) = edge.write(pieces())
    assert not outcome.error
    assert path.read_bytes() == DATA

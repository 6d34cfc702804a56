from __future__ import annotations

import sys
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamhub.batch import Batch, make_batch
from streamhub.filters import EVERYTHING, Filter
from streamhub.line import stand_in
from streamhub.offset import Offset
from tests import naive
from tests.naive import ODD_LINES, files, padded

MIB: Final = 1024 * 1024
GENERATION: Final = "0123abcd"


def batch_of(data: bytes, *, start: int = 0, max_line: int = MIB) -> Batch:
    """The batch of some whole lines, whichever generation the model gives them."""
    return make_batch("s", naive.generation(data), start, data, max_line)


# --- Batches ----------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(data=files(), max_line=st.sampled_from([0, 2, 20, 100, 4096, MIB]), start=st.integers(0, 2**40))
@example(data=b"\n\n\n", max_line=MIB, start=0)
@example(data=b"{}\n\n", max_line=MIB, start=0)
@example(data=b"{}\n \n", max_line=MIB, start=0)
@example(data=b"", max_line=MIB, start=7)
def test_make_batch(data: bytes, max_line: int, start: int) -> None:
    """A batch holds what the model makes of the lines, each with the byte after it."""
    data = data[: naive.tail(data)]
    batch = batch_of(data, start=start, max_line=max_line)
    expected = naive.lines(data, max_line)
    token = naive.generation(data)
    assert list(batch.lines) == [
        line.raw if line.fault is None else stand_in(token, start + line.start, len(line.raw), line.fault)
        for line in expected
    ]
    assert list(batch.ends) == [start + line.end for line in expected]
    assert (batch.start, batch.end) == (start, start + len(data))
    assert batch.malformed == sum(line.fault is not None for line in expected)
    assert batch.next == Offset(token, start + len(data))


@settings(max_examples=100, deadline=None)
@given(data=files(12), max_line=st.sampled_from([20, 4096, MIB]))
def test_lines_are_fit_for_every_wire(data: bytes, max_line: int) -> None:
    """Whatever the file holds, what readers get is UTF-8, JSON objects, without newline or NUL."""
    for line in batch_of(data[: naive.tail(data)], max_line=max_line).lines:
        assert b"\n" not in line
        assert b"\0" not in line
        assert isinstance(naive.strict_json(line.decode()), dict)


def test_valid_lines_keep_their_bytes() -> None:
    """White space, escapes, order, doubled keys and unknown types pass untouched."""
    data = b'{"b" : 1,"a":"\\u0041\\/","a":2 }\r\n\t{"event_type":["x"]} \n{"x":1E5}\n'
    assert b"".join(line + b"\n" for line in batch_of(data).lines) == data


def test_ends_without_empty_lines() -> None:
    """The ends of lines that fill the batch are counted when they are asked for, from any start."""
    batch = make_batch("s", GENERATION, 10, b'{}\n{"a":1}\n', MIB)
    assert list(batch.ends) == [13, 21]
    assert batch.ends is batch.ends


@pytest.mark.parametrize("line", ODD_LINES, ids=range(len(ODD_LINES)))
def test_malformed(line: bytes) -> None:
    """Alone or among others, a line that is no event is counted, and so is one that is longer than a line may be."""
    if line:  # an empty one is passed over before it is judged
        malformed = naive.fault(line, MIB) is not None
        assert batch_of(b"{}\n" + line + b"\n{}\n").malformed == malformed
        assert batch_of(line + b"\n", max_line=len(line)).malformed == malformed
        assert batch_of(line + b"\n", max_line=len(line) - 1).malformed == 1


def test_malformed_line_costs_only_itself() -> None:
    """Lines before and after one that is no event are untouched, and places go on behind it."""
    data = b'{"n":1}\n\x00\n{"n":2}\n'
    batch = make_batch("s", GENERATION, 100, data, MIB)
    assert batch.lines == [b'{"n":1}', stand_in(GENERATION, 108, 1, "nul"), b'{"n":2}']
    assert list(batch.ends) == [108, 110, 118]
    assert (batch.start, batch.end, batch.malformed) == (100, 118, 1)


def test_deep_nesting() -> None:
    """At no depth does a line make the batch fail."""
    for depth in (*range(1, 200, 40), *range(800, sys.getrecursionlimit() + 100, 7), 50_000):
        line = b'{"event_type":"status","payload":{"a":' + b"[" * depth + b'"\\ud800"' + b"]" * depth + b"}}"
        assert len(batch_of(line + b"\n").lines) == 1


# --- Encoded once ------------------------------------------------------------------------------------------------


def test_encoded_once() -> None:
    """A form is made once for all who ask, apart for those at the tail, and apart for another form."""
    calls: list[tuple[str, bool]] = []

    def one(batch: Batch, at_tail: bool) -> bytes:
        calls.append(("one", at_tail))
        return b"one" + bytes([at_tail])

    def two(batch: Batch, at_tail: bool) -> bytes:
        calls.append(("two", at_tail))
        return b"two"

    batch = batch_of(b"{}\n")
    assert batch.encoded(one, at_tail=True) is batch.encoded(one, at_tail=True)
    assert batch.encoded(one, at_tail=False) == b"one\x00"
    assert batch.encoded(two, at_tail=False) is batch.encoded(two, at_tail=False) == b"two"
    assert calls == [("one", True), ("one", False), ("two", False)]


# --- Filtered and cut ---------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(
    data=files(),
    types=st.sets(st.sampled_from(["status", "signal", "malformed", "x"])),
    text=st.text("ASx{", max_size=2),
)
def test_filtered(data: bytes, types: set[str], text: str) -> None:
    """A filtered batch goes from the same start to the same end; its lines keep their own ends."""
    batch = batch_of(data[: naive.tail(data)], max_line=5000)
    wanted = Filter(event_types=frozenset(types), contains=text)
    filtered = batch.filtered(wanted)
    kept = [(line, end) for line, end in zip(batch.lines, batch.ends, strict=True) if wanted.wants(line)]
    assert list(zip(filtered.lines, filtered.ends, strict=True)) == kept
    assert (filtered.start, filtered.end, filtered.next) == (batch.start, batch.end, batch.next)
    assert (filtered.stream, filtered.generation) == (batch.stream, batch.generation)
    assert batch.filtered(Filter(event_types=frozenset(types), contains=text)) is filtered


def test_unfiltered() -> None:
    """Who wants everything gets the batch itself."""
    batch = batch_of(b"{}\n")
    assert batch.filtered(EVERYTHING) is batch


@settings(max_examples=200, deadline=None)
@given(data=files(), count=st.integers(1, 50), wanted=st.sampled_from([EVERYTHING, Filter(contains="a")]))
def test_cut(data: bytes, count: int, wanted: Filter) -> None:
    """A cut batch has the first lines and ends right after the last of them; what fits is not cut."""
    batch = batch_of(data[: naive.tail(data)], max_line=5000).filtered(wanted)
    short = batch.cut(count)
    assert list(short.lines) == list(batch.lines)[:count]
    assert list(short.ends) == list(batch.ends)[:count]
    assert (short.start, short.stream, short.generation) == (batch.start, batch.stream, batch.generation)
    assert short.end == (batch.end if count >= len(batch.lines) else batch.ends[count - 1])


def test_cut_to_nothing() -> None:
    """No lines at all end where they start."""
    short = make_batch("s", GENERATION, 50, b"{}\n{}\n", MIB).cut(0)
    assert (list(short.lines), list(short.ends), short.start, short.end) == ([], [], 50, 50)


def test_padded() -> None:
    """The lines that the other tests are made of are events of the length they are asked for."""
    for size in (8, 9, 300, 65_536):
        assert len(padded(size)) == size
        assert naive.fault(padded(size), size) is None

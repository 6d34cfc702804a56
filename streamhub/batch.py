"""A batch: whole lines of one stream, checked once, encoded once per form, shared by all who read them."""

from __future__ import annotations

from itertools import accumulate, compress
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from streamhub.line import check_json, fault_of, stand_in
from streamhub.offset import Offset

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamhub.filters import Filter

    #: Turns a batch into bytes for a kind of wire; the flag says whether it reaches the stream's tail.
    Encoder = Callable[["Batch", bool], bytes]

_K = TypeVar("_K")
_V = TypeVar("_V")

_BRACE: Final = ord("{")
#: A batch keeps so many of its forms, and so many of its filtered selves: clients choose filters as they like.
_KEPT: Final = 16
#: A small one keeps as many as make so many bytes.
_KEPT_BYTES: Final = 512 * 1024


class Batch:
    """Consecutive lines of a stream, from one offset to another.

    Attributes:
        stream: the stream's id.
        generation: the stream's generation.
        start: the byte that the first line starts at.
        end: the byte after the last line: where to read on.
        lines: what readers get, in order, without newlines: each line's own bytes, or its ``malformed`` stand-in.
        malformed: how many stand-ins there are among them.
    """

    __slots__ = (
        "_encoded",
        "_ends",
        "_filtered",
        "end",
        "generation",
        "lines",
        "malformed",
        "start",
        "stream",
    )

    def __init__(
        self,
        stream: str,
        generation: str,
        start: int,
        end: int,
        lines: Sequence[bytes],
        ends: Sequence[int] | None = None,
        malformed: int = 0,
    ) -> None:
        self.stream = stream
        self.generation = generation
        self.start = start
        self.end = end
        self.lines = lines
        self.malformed = malformed
        self._ends = ends
        self._encoded: dict[tuple[Encoder, bool], bytes] = {}
        self._filtered: dict[Filter, Batch] = {}

    @property
    def ends(self) -> Sequence[int]:
        """For each line the byte after it, its newline included."""
        if self._ends is None:  # every byte belongs to a line: only then is it left to be counted
            self._ends = list(accumulate((len(line) + 1 for line in self.lines), initial=self.start))[1:]
        return self._ends

    @property
    def next(self) -> Offset:
        """Where to read on."""
        return Offset(self.generation, self.end)

    def encoded(self, encode: Encoder, *, at_tail: bool) -> bytes:
        """The batch as bytes for a kind of wire: made once, kept for everyone else who asks."""
        key = (encode, at_tail)
        blob = self._encoded.get(key)
        if blob is None:
            self._make_room(self._encoded)
            blob = self._encoded[key] = encode(self, at_tail)
        return blob

    def filtered(self, wanted: Filter) -> Batch:
        """What is left of it for a filter, from the same start to the same end: worked out once per filter."""
        if not wanted:
            return self
        batch = self._filtered.get(wanted)
        if batch is None:
            self._make_room(self._filtered)
            batch = self._filtered[wanted] = self._keep(wanted)
        return batch

    def cut(self, count: int) -> Batch:
        """Its first ``count`` lines, ending right after the last of them; itself when it has no more."""
        if count >= len(self.lines):
            return self
        ends = self.ends[:count]
        end = ends[-1] if ends else self.start
        return Batch(self.stream, self.generation, self.start, end, self.lines[:count], ends)

    def _make_room(self, kept: dict[_K, _V]) -> None:
        """Drop the oldest when there are enough."""
        if len(kept) >= max(_KEPT, _KEPT_BYTES // (self.end - self.start + 1)):
            del kept[next(iter(kept))]

    def _keep(self, wanted: Filter) -> Batch:
        keep = wanted.keep(self.lines)
        lines = list(compress(self.lines, keep))
        ends = list(compress(self.ends, keep)) if lines else []
        return Batch(self.stream, self.generation, self.start, self.end, lines, ends, self.malformed)


def make_batch(stream: str, generation: str, start: int, data: bytes, max_line: int) -> Batch:
    """Check the lines of ``data``, which begins at the start of a line and ends with a newline.

    What is no event gets its ``malformed`` stand-in, empty lines are passed over; a valid line is kept as it is.
    """
    lines = data.split(b"\n")
    lines.pop()
    end = start + len(data)
    if _all_valid(data, lines, max_line):
        return Batch(stream, generation, start, end, lines)
    return _sorted_out(stream, generation, start, end, lines, max_line)


def _all_valid(data: bytes, lines: list[bytes], max_line: int) -> bool:
    """One cheap look at the whole: UTF-8 and NUL over all bytes at once, then the JSON grammar line by line."""
    if b"\0" in data or max(map(len, lines), default=0) > max_line:
        return False
    try:
        if not data.isascii():
            data.decode()
        for line in lines:
            if line[0] != _BRACE:
                return False
            check_json(line)
    except (IndexError, UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return False
    return True


def _sorted_out(stream: str, generation: str, start: int, end: int, lines: list[bytes], max_line: int) -> Batch:
    delivered: list[bytes] = []
    ends: list[int] = []
    malformed = 0
    place = start
    for line in lines:
        if line:
            fault = fault_of(line, max_line)
            malformed += fault is not None
            delivered.append(line if fault is None else stand_in(generation, place, len(line), fault))
            ends.append(place + len(line) + 1)
        place += len(line) + 1
    return Batch(stream, generation, start, end, delivered, ends, malformed)

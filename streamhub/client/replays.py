"""Streams that come again from their beginning, since an address had no room for their places. Pure: it asks nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamhub.client.places import count_before
from streamhub.offset import parse_offset

if TYPE_CHECKING:
    from collections.abc import Sequence


class Replays:
    """Tells what was had before from what is news.

    Where events are left out, or a file has empty lines, sizes do not tell which line stands before a place. So lines
    are counted, of streams that were read from their beginning.
    """

    def __init__(self) -> None:
        self._had: dict[str, int] = {}
        self._replayed: dict[str, tuple[str, int]] = {}

    def begin(self) -> None:
        """Another connection: nothing has come on it yet."""
        self._replayed.clear()

    def counts(self, stream: str) -> bool:
        """Whether it is known how many lines of a stream were had since its beginning."""
        return stream in self._had

    def open(self, stream: str, offset: str, place: str | None) -> None:
        """A stream is read from ``offset`` on, and was had up to ``place``; None: not at all."""
        start, reached = parse_offset(offset).byte, 0 if place is None else parse_offset(place).byte
        if start < reached:
            self._replayed[stream] = (offset, 0)
        elif start == reached == 0:
            self._had[stream] = 0

    def news(self, stream: str, lines: Sequence[bytes], place: str | None, stop: str) -> Sequence[bytes] | None:
        """Of lines that end at ``stop`` those that come after ``place``; None: ``place`` is not reached yet."""
        if place is not None and stream in self._replayed:
            start, count = self._replayed.pop(stream)
            if parse_offset(stop).byte < parse_offset(place).byte:
                self._replayed[stream] = (stop, count + len(lines))
                return None
            had = self._had.get(stream)
            lines = lines[count_before(lines, start, place) if had is None else max(0, had - count) :]
        if stream in self._had:
            self._had[stream] += len(lines)
        return lines

    def forget(self, stream: str) -> None:
        """A stream is read from another place on."""
        self._had.pop(stream, None)
        self._replayed.pop(stream, None)

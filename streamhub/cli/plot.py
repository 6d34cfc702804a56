"""Events over time, drawn with characters."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import gcd
from typing import TYPE_CHECKING, Any, Final, Self

from streamhub.times import micros_of, time_of_stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

_BLOCKS: Final = " ▁▂▃▄▅▆▇█"
#: For terminals that know nothing else.
_ASCII: Final = " .:-=+*#@"
_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


@dataclass(frozen=True)
class Series:
    """How many events there were, in stretches of time of one length.

    Attributes:
        start: when the first stretch begins, in microseconds since 1970.
        width: how long each is, in microseconds; 0 when there is but one.
        counts: of each stretch, by type.
    """

    start: int
    width: int
    counts: list[dict[str, int]]

    @classmethod
    def of(cls, buckets: Sequence[dict[str, Any]]) -> Self:
        """The buckets of a summary, of which the empty ones are left out, laid out evenly."""
        starts = [micros_of(time) for bucket in buckets if (time := time_of_stamp(bucket["from"])) is not None]
        if not starts:
            return cls(0, 0, [])
        width = gcd(*(after - before for before, after in pairwise(starts)))
        counts: list[dict[str, int]] = [{} for _ in range((starts[-1] - starts[0]) // width + 1 if width else 1)]
        for start, bucket in zip(starts, buckets, strict=True):
            counts[(start - starts[0]) // width if width else 0] = bucket["by_type"]
        return cls(starts[0], width, counts)

    def of_type(self, kind: str) -> list[int]:
        """How many events of a type there were in each stretch."""
        return [counts.get(kind, 0) for counts in self.counts]

    def totals(self) -> list[int]:
        """How many events there were in each stretch."""
        return [sum(counts.values()) for counts in self.counts]


def sparkline(counts: Sequence[int], highest: int, *, ascii_only: bool) -> str:
    """One line of bars, of which one of ``highest`` takes the full height; what is more than none is seen."""
    shades = _ASCII if ascii_only else _BLOCKS
    return "".join(shades[_eighths(count, highest, len(shades) - 1)] for count in counts)


def plot(counts: Sequence[int], height: int, *, ascii_only: bool) -> list[str]:
    """Bars over some lines, from the top; the highest takes all of the height."""
    shades = _ASCII if ascii_only else _BLOCKS
    full = len(shades) - 1
    heights = [_eighths(count, max(counts, default=0), height * full) for count in counts]
    return [
        "".join(shades[min(max(bar - row * full, 0), full)] for bar in heights).rstrip()
        for row in reversed(range(height))
    ]


def narrowed(counts: Sequence[int], width: int) -> list[int]:
    """The same in no more than ``width`` stretches, as many of them together as it takes."""
    step = -(-len(counts) // width) or 1
    return [sum(counts[place : place + step]) for place in range(0, len(counts), step)]


def _eighths(count: int, highest: int, full: int) -> int:
    return max(1, round(count * full / highest)) if count and highest else 0


def span_text(seconds: float) -> str:
    """How long something took: ``1d 2h``, ``2h 3m``, ``3m 4s``, ``4.5s``."""
    if seconds < 60:
        return f"{seconds:.3g}s"
    rest = round(seconds)
    place = next(place for place, (_unit, size) in enumerate(_UNITS) if rest >= size)
    (unit, size), (smaller, part) = _UNITS[place], _UNITS[place + 1]
    parts = rest % size // part
    return f"{rest // size}{unit}" + (f" {parts}{smaller}" if parts else "")

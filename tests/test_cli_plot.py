from __future__ import annotations

from typing import Any

import pytest

from streamhub.cli.plot import Series, narrowed, plot, span_text, sparkline


def bucket(second: int, **by_type: int) -> dict[str, Any]:
    """A bucket of a summary."""
    return {"from": f"2026-01-01T00:00:{second:02d}.000000Z", "offset": "", "by_type": by_type}


def test_series() -> None:
    """Buckets that were left out, as they are empty, have their place again."""
    series = Series.of([bucket(2, a=1), bucket(4, a=2, b=3), bucket(8, b=1)])
    assert series.width == 2_000_000
    assert series.of_type("a") == [1, 2, 0, 0]
    assert series.totals() == [1, 5, 0, 1]


def test_short_series() -> None:
    """One bucket has no width, and none is no series."""
    assert (Series.of([bucket(2, a=7)]).totals(), Series.of([bucket(2, a=7)]).width) == ([7], 0)
    assert Series.of([]).totals() == []


def test_sparkline() -> None:
    """The highest takes the full height, the least can still be seen, and nothing is nothing."""
    assert sparkline([0, 1, 50, 100], 100, ascii_only=False) == " ▁▄█"
    assert sparkline([0, 1, 50, 100], 100, ascii_only=True) == " .=@"
    assert sparkline([0, 0], 0, ascii_only=False) == "  "


def test_plot() -> None:
    """Bars grow from the bottom over several lines."""
    assert plot([0, 1, 8, 12, 16], 2, ascii_only=False) == ["   ▄█", " ▁███"]
    assert plot([], 2, ascii_only=False) == ["", ""]


@pytest.mark.parametrize(
    ("counts", "width", "result"),
    [([1, 2, 3, 4, 5], 5, [1, 2, 3, 4, 5]), ([1, 2, 3, 4, 5], 3, [3, 7, 5]), ([], 3, []), ([1, 2], 1, [3])],
)
def test_narrowed(counts: list[int], width: int, result: list[int]) -> None:
    """What is too wide is added up evenly."""
    assert narrowed(counts, width) == result


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.01234, "0.0123s"), (4.5, "4.5s"), (60, "1m"), (184, "3m 4s"), (3600, "1h"), (7384, "2h 3m"), (90061, "1d 1h")],
)
def test_span_text(seconds: float, text: str) -> None:
    """A duration is told in its two largest units."""
    assert span_text(seconds) == text

"""Rows to tables: medians over the rounds, and ratios within each."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rich.table import Table

from benchmark.suite import CASES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: How a figure is headed.
HEADINGS: Final = {
    "deliveries_per_s": "deliveries/s",
    "lines_per_s": "lines/s",
    "p50_ms": "median ms",
    "p99_ms": "p99 ms",
    "kib_per_client": "KiB/client",
    "kib_per_further_client": "KiB/further client",
    "rss_mib": "MiB in all",
    "server_cpu_s": "server CPU s",
    "client_cpu_s": "client CPU s",
    "grown_mib": "grown by MiB",
    "mib_per_s": "MiB/s",
    "cpu_s": "CPU s",
    "peak_mib": "at most MiB",
    "core_percent": "% of a core",
    "seen_after_ms": "seen after ms",
    "kept_percent": "% of the rate",
    "drift_ms": "later at the end, ms",
    "listening_ms": "listening after ms",
    "empty_ms": "in an empty folder, ms",
    "cpu_us_per_event": "CPU µs/event",
    "us_per_event": "µs/event",
    "saved_percent": "saved %",
    "bytes_per_event": "bytes/event",
    "cpu_ms_per_mib": "CPU ms/MiB",
}


@dataclass(frozen=True)
class Row:
    """A run.

    Attributes:
        case, peer, round: which it was.
        figures: what it gave; nothing, if it failed.
        error: why it failed.
    """

    case: str
    peer: str
    round: int
    figures: dict[str, float] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Summary:
    """The runs of a peer in a case.

    Attributes:
        medians: of each figure.
        ratio: the median of the ratios to the case's first peer in the same round; None where there is none.
        errors: why runs failed.
    """

    medians: dict[str, float]
    ratio: float | None
    errors: tuple[str, ...]


def summarize(rows: Sequence[Row], case: str) -> dict[str, Summary]:
    """The peers of a case, in its order."""
    figure = CASES[case].figure
    rows = [row for row in rows if row.case == case]
    first = {row.round: row.figures[figure] for row in rows if row.peer == CASES[case].peers[0] and row.figures}
    summaries = {}
    for peer in dict.fromkeys(row.peer for row in rows):
        runs = [row for row in rows if row.peer == peer]
        good = [row for row in runs if row.figures]
        names = good[0].figures if good else ()
        ratios = [row.figures[figure] / first[row.round] for row in good if first.get(row.round)]
        summaries[peer] = Summary(
            {name: statistics.median(row.figures[name] for row in good) for name in names},
            statistics.median(ratios) if ratios else None,
            tuple(row.error for row in runs if row.error),
        )
    return summaries


def tables(rows: Sequence[Row]) -> Iterable[Table]:
    """A table a case."""
    for name in dict.fromkeys(row.case for row in rows):
        yield _table(name, summarize(rows, name))


def _table(name: str, summaries: dict[str, Summary]) -> Table:
    case = CASES[name]
    better = "more" if case.more_is_better else "less"
    heading = HEADINGS[case.figure]
    table = Table(title=f"{name}: {case.title}\n({heading}: {better} is better)", title_justify="left")
    figures = list(dict.fromkeys(figure for summary in summaries.values() for figure in summary.medians))
    table.add_column("")
    for figure in figures:
        table.add_column(HEADINGS[figure], justify="right")
    table.add_column(f"{heading}, ratio", justify="right")
    for peer, summary in summaries.items():
        cells = [number(summary.medians[figure]) if figure in summary.medians else "-" for figure in figures]
        ratio = (
            "-" if summary.ratio is None else f"{summary.ratio:.2g}" if summary.ratio < 10 else f"{summary.ratio:.0f}"
        )
        table.add_row(peer, *cells, ratio)
        for error in summary.errors:
            table.add_row(f"[red]{peer} failed: {error}[/red]")
    return table


def number(value: float) -> str:
    """A figure as one reads it: three digits that count, thousands set apart."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"

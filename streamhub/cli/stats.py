"""``streamhub stats``: what a stream holds, by type and over time."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec
from rich.console import Group
from rich.filesize import decimal
from rich.text import Text

from streamhub.cli.codes import Complaints
from streamhub.cli.help import command
from streamhub.cli.options import color_option, config_option, form_option, source_options
from streamhub.cli.output import write
from streamhub.cli.plot import Series, narrowed, plot, span_text, sparkline
from streamhub.cli.pretty import TYPE_COLORS, time_text
from streamhub.cli.progress import progress
from streamhub.cli.query import parse_query
from streamhub.cli.selection import check_some, match_option, selected, sizes_of, streams_argument
from streamhub.cli.table import cell, console, table
from streamhub.summary import DEFAULT_BUCKETS, MAX_BUCKETS
from streamhub.tally import MALFORMED
from streamhub.times import iso, moment, time_of_stamp

if TYPE_CHECKING:
    from rich.console import RenderableType

    from streamhub.cli.source import Source

#: Characters that the plot is wide at most, and how many lines it is high.
_WIDTH: Final = 72
_HEIGHT: Final = 6
_SPARKS: Final = 36


@command()
@config_option
@source_options
@streams_argument("STREAM...")
@match_option
@click.option("--since", metavar="TIME", help="Draw from this time on (ISO 8601, UTC).")
@click.option("--until", metavar="TIME", help="Draw up to this time.")
@click.option(
    "--buckets",
    type=click.IntRange(1, MAX_BUCKETS),
    default=DEFAULT_BUCKETS,
    show_default=True,
    metavar="N",
    help="With -o json: into how many stretches of time to cut.",
)
@form_option("an object a stream, as /v1/stream/{id}/summary has it")
@color_option
@click.pass_context
def stats(
    ctx: click.Context,
    /,
    *,
    streams: tuple[str, ...],
    match: tuple[str, ...],
    source: Source,
    output: str,
    color: str,
    **options: Any,  # noqa: ANN401 - of several types
) -> None:
    r"""Show events per type, their rate, and a plot over time.

    \b
      streamhub stats m-42
      streamhub stats --url https://streams.example m-42 --since 2026-01-31T12:00
      streamhub stats -o json m-42 | jq .by_type

    The numbers are of the whole stream; --since and --until are for what is drawn.
    """
    buckets: int = options.pop("buckets")
    query = parse_query(**options)
    subjects = selected(ctx, source, streams, match)
    check_some(subjects, match)
    complaints, out = Complaints(), console(color)
    sizes = sizes_of(source, subjects, complaints, beside=False)
    with progress(sum(sizes.values()), beside=False) as bar:
        for number, (subject, size) in enumerate(sizes.items()):
            with complaints.apart():
                summary = source.summary(subject.stream, query, buckets if output == "json" else 4 * _WIDTH, bar.at)
                bar.hide()
                if output == "json":
                    write(msgspec.json.encode(summary) + b"\n")
                else:
                    out.print(*([""] if number else []), _shown(summary), sep="\n")
            bar.next(size)
    ctx.exit(complaints.code)


def _shown(summary: dict[str, Any]) -> RenderableType:
    """A stream for people."""
    series = Series.of(summary["buckets"])
    parts: list[RenderableType] = [*_heading(summary), Text(), _types(summary, series)]
    if series.width:
        parts += [Text(), *_drawing(series)]
    return Group(*parts)


def _heading(summary: dict[str, Any]) -> list[Text]:
    seconds = _seconds(summary)
    state = "closed" if summary["closed"] else "open"
    size, span = decimal(summary["bytes"]), f" in {span_text(seconds)}" if seconds else ""
    title = [cell(summary["id"], "bold"), cell(f"mission {summary['mission_id']}") if summary["mission_id"] else None]
    malformed = _malformed(summary["malformed"])
    lines = [
        Text("  ").join([part for part in (*title, Text(state, "dim")) if part is not None]),
        Text(f"{summary['events']:,} events{span}{malformed}, {size}"),
    ]
    if summary["first"]:
        lines.append(Text(f"{time_text(summary['first']).strip()}  to  {time_text(summary['last']).strip()}", "dim"))
    return lines


def _malformed(count: int) -> str:
    return f", {count:,} malformed line{'s' if count > 1 else ''}" if count else ""


def _types(summary: dict[str, Any], series: Series) -> RenderableType:
    counted_as = "lines" if summary["malformed"] else "events"  # of the rows one is of lines that are no events
    seconds, rows = _seconds(summary), table("type", counted_as, "share", "per s", "over time", right=3)
    counts: list[tuple[str, int]] = sorted(summary["by_type"].items(), key=lambda item: -item[1])
    for kind, count in [*counts, (MALFORMED, summary["malformed"])]:
        if not count:
            continue
        counted = narrowed(series.of_type(kind), _SPARKS)
        share = f"{100 * count / summary['events']:.1f}%" if kind != MALFORMED else ""
        rate = f"{count / seconds:.3g}" if seconds else ""
        color = TYPE_COLORS.get(kind, "")
        line = sparkline(counted, max(counted, default=0), ascii_only=_ascii_only())
        rows.add_row(cell(kind, color), cell(f"{count:,}"), cell(share), cell(rate), Text(line, color))
    return rows


def _drawing(series: Series) -> list[Text]:
    counts = narrowed(series.totals(), _WIDTH)
    step = -(-len(series.counts) // len(counts)) * series.width
    corner, side, floor = ("+", "|", "-") if _ascii_only() else ("└", "│", "─")
    peak = f"{max(counts):,}"
    labels = [peak, *[""] * (_HEIGHT - 1)]
    lines = zip(labels, plot(counts, _HEIGHT, ascii_only=_ascii_only()), strict=True)
    indent = " " * (len(peak) + 2)
    first, last = (
        iso(moment(micros))[:19].replace("T", " ") for micros in (series.start, series.start + step * len(counts))
    )
    return [
        *(Text(f"{label:>{len(peak)}} {side}{line}") for label, line in lines),
        Text(f"{0:>{len(peak)}} {corner}{floor * len(counts)}"),
        Text(f"{indent}{first}{last:>{max(len(counts) - len(first), len(last) + 2)}}", "dim"),
        Text(f"{indent}each column is {span_text(step / 1e6)}", "dim"),
    ]


def _seconds(summary: dict[str, Any]) -> float:
    """From the first event to the last."""
    first, last = (time_of_stamp(summary[name]) for name in ("first", "last"))
    return max(0.0, (last - first).total_seconds()) if first and last else 0.0


def _ascii_only() -> bool:
    return "utf" not in (getattr(sys.stdout, "encoding", None) or "").lower()

"""``streamhub tail``: a stream's last events, and those to come."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from streamhub.cli.codes import Complaints
from streamhub.cli.help import command
from streamhub.cli.options import config_option, source_options
from streamhub.cli.output import output_options
from streamhub.cli.query import filter_options, lines_option, parse_query, range_options
from streamhub.cli.selection import check_some, fitting, match_option, selected, streams_argument
from streamhub.cli.together import Together
from streamhub.seek import FROM_BEGINNING

if TYPE_CHECKING:
    from streamhub.cli.output import Printer
    from streamhub.cli.source import Source
    from streamhub.filters import Filter

#: As of ``tail`` and ``journalctl -f``.
_LINES = "10"


@command()
@config_option
@source_options
@streams_argument("STREAM...")
@match_option
@click.option("-f", "--follow", is_flag=True, help="Go on with what is appended, until the stream is closed.")
@click.option("--wait", is_flag=True, help="With -f: the stream may not be there yet.")
@filter_options
@lines_option(_LINES)
@range_options
@output_options(cursor=True)
@click.pass_context
def tail(
    ctx: click.Context,
    /,
    *,
    streams: tuple[str, ...],
    match: tuple[str, ...],
    source: Source,
    printer: Printer,
    follow: bool,
    wait: bool,
    wanted: Filter,
    **place: str | None,
) -> None:
    r"""Print the last events of streams, and follow them.

    \b
      streamhub tail -f m-42                     the last 10, then what comes
      streamhub tail -f --match 'team-*'         of several, and of those that appear
      streamhub tail -n 5 --until 2026-01-31T12:00:00Z m-42
      streamhub tail -f -e status -e signal --contains captcha m-42
      streamhub tail -f --url https://streams.example m-42

    Times are UTC. A STREAM may be id@offset. With -f it ends when the streams are closed. -n counts before -e and
    --contains leave lines out.
    """
    if wait and not follow:
        raise click.UsageError("--wait waits for a stream to follow: give -f too", ctx)
    if follow and place["until"] is not None:
        raise click.UsageError("--until says where to stop, and -f that it goes on: give one of them", ctx)
    query = replace(parse_query(**place, default_lines=_LINES), wanted=wanted, raw=printer.raw)
    subjects = selected(ctx, source, streams, match)
    printer.several = len(subjects) > 1 or bool(match)
    queries = [(subject.stream, subject.of(query)) for subject in subjects]
    complaints = Complaints()
    if follow and printer.several:
        look = (lambda: fitting(source, match)) if match else None
        together = Together(source, complaints.add, wait=wait, look=look)
        for stream, piece in together.follow(queries, replace(query, start=FROM_BEGINNING)):
            printer.print(stream, piece)
    else:
        check_some(subjects, match)
        for stream, one in queries:
            with complaints.apart():
                printer.show(stream, source.follow(stream, one, wait=wait) if follow else source.read(stream, one))
    ctx.exit(complaints.code)

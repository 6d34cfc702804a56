"""``streamhub cat``: whole streams, or a part of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from streamhub.cli.codes import Complaints
from streamhub.cli.help import command
from streamhub.cli.options import config_option, source_options
from streamhub.cli.output import output_options
from streamhub.cli.progress import progress
from streamhub.cli.query import parse_query, range_options
from streamhub.cli.selection import check_some, match_option, selected, sizes_of, streams_argument

if TYPE_CHECKING:
    from streamhub.cli.output import Printer
    from streamhub.cli.source import Source


@command()
@config_option
@source_options
@streams_argument("STREAM...")
@match_option
@range_options
@output_options(cursor=True)
@click.pass_context
def cat(
    ctx: click.Context,
    /,
    *,
    streams: tuple[str, ...],
    match: tuple[str, ...],
    source: Source,
    printer: Printer,
    **place: str | None,
) -> None:
    r"""Print whole streams, or a part of them.

    \b
      streamhub cat m-42
      streamhub cat m-42 --since 2026-01-31T12:00 --until 2026-01-31T13:00
      streamhub cat -o raw m-42 | zstd > m-42.jsonl.zst

    Times are UTC. A STREAM may be id@offset. With -o raw the bytes are the file's, up to the end of its last line.
    """
    query = replace(parse_query(**place), raw=printer.raw)
    subjects = selected(ctx, source, streams, match)
    check_some(subjects, match)
    printer.several = len(subjects) > 1
    complaints = Complaints()
    sizes = sizes_of(source, subjects, complaints, beside=True)
    with progress(sum(sizes.values()), beside=True) as bar:
        for subject, size in sizes.items():
            with complaints.apart():
                printer.show(subject.stream, bar.track(source.read(subject.stream, subject.of(query))))
            bar.next(size)
    ctx.exit(complaints.code)

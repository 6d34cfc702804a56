"""``streamhub grep``: lines that hold some text, or are of some type, in whole streams."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

import click

from streamhub.cli.codes import FAILED, OK, Complaints, complain
from streamhub.cli.help import command
from streamhub.cli.matcher import Matcher
from streamhub.cli.options import config_option, source_options
from streamhub.cli.output import output_options, write
from streamhub.cli.progress import progress
from streamhub.cli.query import event_type_option, parse_query, range_options
from streamhub.cli.selection import check_some, match_option, selected, sizes_of, streams_argument
from streamhub.events import EVENT_TYPES
from streamhub.tally import MALFORMED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streamhub.cli.output import Printer
    from streamhub.cli.progress import Progress
    from streamhub.cli.source import Piece, Source
    from streamhub.offset import Offset


_TYPES: Final = {*EVENT_TYPES, MALFORMED}


@dataclass(frozen=True)
class _Found:
    """The lines of a piece that match; see :class:`Piece`."""

    lines: Sequence[bytes]
    next: Offset


@command()
@config_option
@source_options
@click.argument("pattern")
@streams_argument()
@match_option
@event_type_option
@click.option("-E", "--regex", is_flag=True, help="PATTERN is a regular expression, of Python's.")
@click.option("-i", "--ignore-case", is_flag=True, expose_value=False, help="As it is without -s: for habit's sake.")
@click.option("-s", "--case-sensitive", is_flag=True, help="Tell upper from lower case.")
@click.option("-v", "--invert-match", "invert", is_flag=True, help="The lines that PATTERN is not in.")
@click.option("-c", "--count", is_flag=True, help="Only how many lines match.")
@click.option("-l", "--ids", is_flag=True, help="Only the ids of streams that hold a match.")
@click.option("-q", "--quiet", is_flag=True, help="Nothing but the exit code.")
@click.option("-m", "--max-count", "most", type=click.IntRange(1), metavar="N", help="At most N lines of a stream.")
@range_options
@output_options(cursor=False)
@click.pass_context
def grep(
    ctx: click.Context,
    /,
    *,
    pattern: str,
    streams: tuple[str, ...],
    match: tuple[str, ...],
    source: Source,
    printer: Printer,
    **options: Any,  # noqa: ANN401 - of several types
) -> None:
    r"""Print the lines that hold some text, or are of some type.

    Of all streams, or of those that are named.

    \b
      streamhub grep captcha m-42               text, anywhere in the line, upper or lower case
      streamhub grep '' -e status --match 'team-*'
      streamhub grep -E 'timeout|refused' -l    which streams
      streamhub grep -c -e navigation /login    how often

    Exit codes are those of grep: 0 when something matched, 1 when nothing did, more when something failed.
    """
    matcher = Matcher(pattern, **_taken(options, "event_types", "regex", "case_sensitive", "invert"))
    search = _Search(matcher, printer, **_taken(options, "count", "ids", "quiet", "most"))
    query = replace(parse_query(**options), wanted=matcher.wanted, raw=printer.raw)
    subjects = selected(ctx, source, streams, match, all_else=True)
    check_some(subjects, match)
    printer.several = len(subjects) > 1 or not streams
    complaints = Complaints()
    sizes = sizes_of(source, subjects, complaints, beside=search.shows_lines)
    found = 0
    with progress(sum(sizes.values()), beside=search.shows_lines) as bar:
        for subject, size in sizes.items():
            with complaints.apart():
                found += search.through(subject.stream, bar, source.read(subject.stream, subject.of(query)))
            if found and search.quiet:
                break
            bar.next(size)
    if not (found or complaints.code or search.quiet):
        _tell_of_slips(matcher.wanted.event_types)
    ctx.exit(complaints.code or (OK if found else FAILED))


def _tell_of_slips(event_types: Iterable[str]) -> None:
    """Say which types may be meant in the place of others. Any may be right, since streams may hold types of others."""
    for given in sorted(set(event_types) - _TYPES):
        meant = get_close_matches(given, _TYPES, 1)
        if meant:
            complain(f"event type {given!r} is none of streamhub's own: did you mean {meant[0]!r}?")


def _taken(options: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: options.pop(name) for name in names}


@dataclass(frozen=True)
class _Search:
    """What is looked for, and how it is told: as lines, as their number, as the stream's id, or not at all."""

    matcher: Matcher
    printer: Printer
    count: bool
    ids: bool
    quiet: bool
    most: int | None

    @property
    def shows_lines(self) -> bool:
        """Whether the lines themselves are printed."""
        return not (self.count or self.ids or self.quiet)

    def through(self, stream: str, bar: Progress, pieces: Iterable[Piece]) -> int:
        """Look through a stream, and tell what was found; how many lines that was, or how many it takes to know."""
        matches = self._matches(bar.track(pieces))
        if self.shows_lines:
            return self.printer.show(stream, matches)
        if self.ids or self.quiet:
            found = next((1 for piece in matches if piece.lines), 0)
            bar.hide()
            if found and not self.quiet:
                write(f"{stream}\n".encode())
            return found
        found = sum(len(piece.lines) for piece in matches)
        bar.hide()
        write(self.printer.prefix(stream, for_programs=True) + f"{found}\n".encode())
        return found

    def _matches(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        left = self.most
        for piece in pieces:
            lines = self.matcher.keep(piece.lines)[:left]
            yield _Found(lines, piece.next)
            if left is not None:
                left -= len(lines)
                if not left:
                    return

"""What is wanted of a stream: from where, up to when, which of its lines, and in what shape."""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from streamhub.errors import InvalidRequestError, InvalidStreamIdError
from streamhub.filters import EVERYTHING, Filter, parse_time, time_of
from streamhub.offset import Offset, parse_offset
from streamhub.seek import FROM_BEGINNING, Start, parse_count, parse_start
from streamhub.stream_id import check_stream_id, id_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_TICK: Final = timedelta(microseconds=1)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_AGO: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)([smhd])", re.ASCII)


@dataclass(frozen=True)
class Query:
    """What is wanted of a stream.

    Attributes:
        start: where to begin.
        until: the reading ends before the first line after this time; None: it goes on to the tail.
        wanted: which of the lines.
        raw: the file's own bytes, of what is no event too, in the place of its stand-in.
    """

    start: Start = FROM_BEGINNING
    until: datetime | None = None
    wanted: Filter = EVERYTHING
    raw: bool = False

    @property
    def beyond(self) -> datetime | None:
        """The earliest time that is past ``until``; None when there is none."""
        try:
            return None if self.until is None else self.until + _TICK
        except OverflowError:
            return None

    def kept(self, lines: Sequence[bytes]) -> int:
        """How many of the lines come before the first one after ``until``; those without a time are not after it."""
        if self.until is None or not _is_after(next(filter(None, map(time_of, reversed(lines))), None), self.until):
            return len(lines)
        return next(number for number, line in enumerate(lines) if _is_after(time_of(line), self.until))


def _is_after(time: datetime | None, until: datetime) -> bool:
    return time is not None and time > until


@dataclass(frozen=True)
class Subject:
    """A stream as it is named on the command line: its id, and after an ``@`` an offset in it.

    Attributes:
        stream: the id.
        offset: where to begin in it; None: where the flags say.
    """

    stream: str
    offset: Offset | None = None

    def of(self, query: Query) -> Query:
        """What is wanted of this stream."""
        return query if self.offset is None else replace(query, start=Start(offset=self.offset))


def parse_subject(text: str) -> Subject:
    """Read ``id`` or ``id@offset``.

    Raises:
        InvalidRequestError: either is malformed.
    """
    stream, at, offset = text.partition("@")
    try:
        check_stream_id(stream)
    except InvalidStreamIdError as error:
        raise InvalidStreamIdError(f"{error}{_meant(stream)}") from None
    return Subject(stream, parse_offset(offset) if at else None)


def _meant(path: str) -> str:
    """What may be meant where the path of a stream's file stands in the place of its id."""
    meant = id_of(os.path.basename(path))
    return f"; did you mean {meant!r}?" if meant else ""


def parse_query(
    *,
    lines: str | None = None,
    offset: str | None = None,
    after_cursor: str | None = None,
    since: str | None = None,
    until: str | None = None,
    default_lines: str | None = None,
) -> Query:
    """Read what the flags say.

    Args:
        lines: the last so many lines, or ``all``.
        offset: a token, ``-1`` or ``now``.
        after_cursor: the same under the name it has where a cursor is printed.
        since: an ISO 8601 time, or how long ago that is: ``90s``, ``10m``, ``2h``, ``1d``.
        until: the same.
        default_lines: what ``lines`` is when nothing says where to begin.

    Raises:
        InvalidRequestError: one of them is malformed, or two contradict each other.
    """
    _check_one({"offset": offset, "after-cursor": after_cursor, "lines": lines, "since": since})
    offset = after_cursor if offset is None else offset
    if lines is None and offset is None and since is None:
        lines = default_lines
    if lines == "all" and offset is None and since is None:
        lines = None
    earliest, latest = (None if text is None else _absolute(text) for text in (since, until))
    query = Query(parse_start(offset, lines, earliest), None if latest is None else parse_time(latest))
    if query.until is not None and query.start.since is not None and query.start.since > query.until:
        raise InvalidRequestError(f"since={since!r} is after until={until!r}: give the earlier time to since")
    return query


def _check_one(flags: Mapping[str, str | None]) -> None:
    """See to it that one at most says where to begin; the error has them as they were typed."""
    given = [f"{name}={value[:64]!r}" for name, value in flags.items() if value is not None]
    if len(given) > 1:
        raise InvalidRequestError(f"{' and '.join(given)} contradict each other: give one of them")


def _absolute(text: str) -> str:
    """A time that may be said in relation to now: ``90s``, ``10m``, ``2h`` or ``1d`` ago; else as it is."""
    match = _AGO.fullmatch(text.strip())
    if match is None:
        return text
    try:
        return (datetime.now(UTC) - timedelta(**{_UNITS[match[2]]: float(match[1])})).isoformat()
    except OverflowError:
        raise InvalidRequestError(f"time {text[:64]!r} ago is before all times: write it like 10m or 2h") from None


def check_lines(ctx: click.Context, param: click.Parameter, text: str | None) -> str | None:
    """For click: that it is a number, or ``all``."""
    if text not in {None, "all"}:
        try:
            parse_count("lines", text or "")
        except InvalidRequestError as error:
            raise click.BadParameter(f"{error}, or all", ctx, param) from None
    return text


#: The flag of a type, as ``event_types``.
event_type_option: Final = click.option(
    "-e", "--event-type", "event_types", multiple=True, metavar="TYPE", help="Only this type; repeatable."
)

_RANGE: Final = (
    click.option("--until", metavar="TIME", help="Up to the last event at or before this time."),
    click.option(
        "--since", metavar="TIME", help="From the first event at or after this time on: ISO 8601, or 10m, 2h, 1d ago."
    ),
    click.option("--after-cursor", metavar="OFFSET", help="The same, for what --show-cursor printed."),
    click.option("--offset", metavar="OFFSET", help="From an offset on; -1 is the beginning, now the tail."),
)


def range_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags that say which part of a stream: ``parse_query()`` reads them."""
    for option in _RANGE:
        command = option(command)
    return command


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags that say which lines, as a server's filters do; the command gets the ``wanted`` that they mean."""

    @event_type_option
    @click.option("--contains", default="", metavar="TEXT", help="Only lines with this text, upper or lower case.")
    @functools.wraps(command)
    def with_filter(*arguments: Any, event_types: tuple[str, ...], contains: str, **options: Any) -> None:  # noqa: ANN401
        command(*arguments, wanted=Filter(frozenset(event_types), contains), **options)

    return with_filter


def lines_option(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The flag ``-n``."""
    return click.option(
        *("-n", "--lines"),
        metavar="N",
        callback=check_lines,
        help=f"The last N events, or all.  [default: {default}]",
    )

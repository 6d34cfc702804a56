"""Streams of a server, read over HTTP: catch-up, then long-poll."""

from __future__ import annotations

import random
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from urllib.parse import quote

import click
import msgspec

from streamhub.catalog import Entry  # noqa: TC001 - msgspec reads it
from streamhub.cli.pause import pause
from streamhub.cli.suggest import no_such_stream
from streamhub.errors import InvalidRequestError, StreamhubError, StreamNotFoundError, UnavailableError
from streamhub.filters import EVERYTHING
from streamhub.offset import BEGINNING, NOW, ZERO, Offset, parse_offset
from streamhub.seek import FROM_BEGINNING, Start
from streamhub.stream_id import check_stream_id

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from streamhub.cli.query import Query
    from streamhub.cli.server import Server
    from streamhub.filters import Filter

    _Words = dict[str, str | list[str]]

_T = TypeVar("_T")

#: Seconds between attempts to reach a server that was lost: twice as long each time, and not in step with others.
_FIRST_RETRY: Final = 0.25
_LAST_RETRY: Final = 10.0
#: As long a page of the list as there is.
_LIST: Final = {"limit": "1000"}


class _ListPage(msgspec.Struct):
    streams: list[Entry]
    next: str | None = None


@dataclass(frozen=True)
class _Page:
    """An answer with lines; see :class:`streamhub.cli.source.Piece`."""

    lines: Sequence[bytes]
    next: Offset
    up_to_date: bool
    closed: bool


class RemoteSource:
    """A server's streams."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def again(self) -> Self:
        """The same streams for another thread."""
        return type(self)(self._server.again())

    def close(self) -> None:
        """Let go of the connection."""
        self._server.close()

    def entries(self) -> Iterator[Entry]:
        """The streams there are, newest activity first."""
        words: _Words = {**_LIST}
        while True:
            page = self._decode(self._server.get("/v1/streams", words).body, _ListPage)
            yield from page.streams
            if page.next is None:
                return
            words["after"] = page.next

    def ids(self) -> Collection[str]:
        """The ids of the streams there are, in no order."""
        return {entry.id for entry in self.entries()}

    def size(self, stream: str) -> int:
        """How many bytes of complete lines a stream has now; see :class:`Source`."""
        with self._suggesting(stream):
            answer = self._server.head(_path(stream), {})
        return parse_offset(answer.headers.get("Stream-Next-Offset", str(ZERO))).byte

    def read(self, stream: str, query: Query) -> Iterator[_Page]:
        """The lines that are wanted, as far as they are there now; see :class:`Source`."""
        if query.until is not None and query.start.tail is not None:
            # A server counts from the tail only.
            whole = self.read(stream, replace(query, start=FROM_BEGINNING, wanted=EVERYTHING))
            return _last(whole, query.start.tail, query.wanted)
        return self._read(stream, query)

    def _read(self, stream: str, query: Query) -> Iterator[_Page]:
        filters = _filters(query)
        words = {**_start(query.start), **filters}
        while True:
            page = self._page(stream, words)
            kept = query.kept(page.lines)
            if kept < len(page.lines):
                yield replace(page, lines=page.lines[:kept], next=self._place(stream, words, kept, page))
                return
            yield page
            if page.up_to_date:
                return
            words = {**filters, "offset": str(page.next)}

    def _place(self, stream: str, words: _Words, number: int, page: _Page) -> Offset:
        """Where line ``number`` of a page begins: it is a whole event, so its length in the file is its own."""
        after = self._page(stream, {**words, "limit": str(number + 1)}).next
        return after._replace(byte=after.byte - len(page.lines[number]) - 1)

    def follow(self, stream: str, query: Query, *, wait: bool) -> Iterator[_Page]:
        """The lines that are wanted, until the stream is closed; see :class:`Source`."""
        filters = _filters(query)
        begin: _Words = {**_start(query.start), **filters, **({"wait": "1"} if wait else {})}
        page = self._page(stream, begin)
        while True:
            yield page
            if page.closed:
                return
            # Until the stream is there, the place is still to be found.
            words = begin if wait and page.next == ZERO else {**filters, "offset": str(page.next)}
            if page.up_to_date:
                words = {**words, "live": "long-poll"}
            page = self._page_whatever_happens(stream, words)

    def summary(self, stream: str, query: Query, buckets: int, at: Callable[[int], None]) -> dict[str, Any]:
        """A stream's shape over time; see :class:`Source`."""
        del at  # it is the server that counts
        words: _Words = {"buckets": str(buckets)}
        for name, time in (("since", query.start.since), ("until", query.until)):
            if time is not None:
                words[name] = time.isoformat()
        with self._suggesting(stream):
            return self._decode(self._server.get(f"{_path(stream)}/summary", words).body, dict[str, Any])

    def _page_whatever_happens(self, stream: str, words: _Words) -> _Page:
        """Ask again and again while the server is away or full: it comes back, and offsets mean the same then."""
        seconds = _FIRST_RETRY
        while True:
            try:
                page = self._page(stream, words)
            except UnavailableError as error:
                if seconds == _FIRST_RETRY:
                    click.echo(f"streamhub: {error}: trying again", err=True)
                pause(max(error.retry_after or 0.0, random.uniform(seconds / 2, seconds)))  # noqa: S311 - not for secrets
                seconds = min(2 * seconds, _LAST_RETRY)
            except StreamNotFoundError:
                raise StreamNotFoundError(f"stream {stream!r} was deleted") from None
            else:
                return page

    def _page(self, stream: str, words: _Words) -> _Page:
        with self._suggesting(stream):
            answer = self._server.get(_path(stream), words, {"Accept": "application/x-ndjson"})
        headers = answer.headers
        if "Stream-Next-Offset" not in headers:
            raise StreamhubError(f"{self._server.url} is no streamhub server: its answer names no offset")
        return _Page(
            answer.body.split(b"\n")[:-1],
            parse_offset(headers["Stream-Next-Offset"]),
            up_to_date="Stream-Up-To-Date" in headers,
            closed="Stream-Closed" in headers,
        )

    def _decode(self, body: bytes, kind: type[_T]) -> _T:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError as error:
            raise StreamhubError(f"{self._server.url} is no streamhub server: {error}") from None

    @contextmanager
    def _suggesting(self, stream: str) -> Iterator[None]:
        """Say of a stream that is not there which others are, as far as that can be had."""
        try:
            yield
        except StreamNotFoundError:
            known: list[str] = []
            with suppress(StreamhubError):
                known = [
                    entry.id for entry in self._decode(self._server.get("/v1/streams", _LIST).body, _ListPage).streams
                ]
            raise no_such_stream(stream, self._server.url, known) from None


def _path(stream: str) -> str:
    return f"/v1/stream/{quote(check_stream_id(stream))}"


def _start(start: Start) -> _Words:
    if start.now:
        return {"offset": NOW}
    if start.tail is not None:
        return {"tail": str(start.tail)}
    if start.since is not None:
        return {"since": start.since.isoformat()}
    return {"offset": BEGINNING if start.offset is None else str(start.offset)}


def _filters(query: Query) -> _Words:
    if query.raw:
        raise InvalidRequestError("output 'raw' is the file's own bytes, which a server does not give: use json")
    words: _Words = {}
    if query.wanted.event_types:
        words["event_type"] = sorted(query.wanted.event_types)
    if query.wanted.contains:
        words["contains"] = query.wanted.contains
    return words


def _last(pages: Iterator[_Page], count: int, wanted: Filter) -> Iterator[_Page]:
    """One page of those that are wanted of the last ``count`` lines of them all."""
    kept: deque[bytes] = deque(maxlen=count)
    for page in pages:
        kept.extend(page.lines)
    yield replace(page, lines=list(filter(wanted.wants, kept)))

"""Streams of a server, read over HTTP: catch-up, then long-poll. The standard library's client is enough for that."""

from __future__ import annotations

import http.client
import json
import random
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode, urlsplit

import click
import msgspec

from streamhub.catalog import Entry  # noqa: TC001 - msgspec reads it
from streamhub.cli.pause import pause
from streamhub.errors import (
    ConfigError,
    InvalidRequestError,
    OffsetAheadError,
    OffsetGoneError,
    StreamhubError,
    StreamNotFoundError,
)
from streamhub.offset import BEGINNING, NOW, ZERO
from streamhub.stream_id import check_stream_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streamhub.seek import Start

#: Seconds without a byte after which a server is given up; it answers a long-poll sooner.
_TIMEOUT: Final = 60.0
#: Seconds between attempts to reach a server that was lost: twice as long each time, and not in step with others.
_FIRST_RETRY: Final = 0.25
_LAST_RETRY: Final = 10.0
_NETWORK_ERRORS: Final = (OSError, http.client.HTTPException)


class _ListPage(msgspec.Struct):
    streams: list[Entry]
    next: str | None = None


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class _UnavailableError(StreamhubError):
    """The server cannot be reached, or cannot answer just now."""


class RemoteSource:
    """A server's streams.

    Raises:
        ConfigError: the URL is none.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ConfigError(f"URL {url[:200]!r} names no server: {error}") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ConfigError(f"URL {url[:200]!r} names no server: write it like http://127.0.0.1:8765")
        self._url = url.rstrip("/")
        self._path = parts.path.rstrip("/")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, port, timeout=_TIMEOUT)

    def entries(self) -> Iterator[Entry]:
        """The streams there are, newest activity first."""
        query = {"limit": "1000"}
        with closing(self._connection):
            while True:
                answer = self._get("/v1/streams", query)
                try:
                    page = msgspec.json.decode(answer.body, type=_ListPage)
                except msgspec.DecodeError as error:
                    raise StreamhubError(f"{self._url} is no streamhub server: {error}") from None
                yield from page.streams
                if page.next is None:
                    return
                query["after"] = page.next

    def read(self, stream: str, start: Start) -> Iterator[Sequence[bytes]]:
        """The lines from a place to the tail; see :class:`Source`."""
        query = _query(start)
        with closing(self._connection):
            while True:
                answer = self._lines(stream, query)
                yield answer.body.split(b"\n")[:-1]
                if "Stream-Up-To-Date" in answer.headers:
                    return
                query = {"offset": answer.headers["Stream-Next-Offset"]}

    def follow(self, stream: str, start: Start, *, wait: bool) -> Iterator[Sequence[bytes]]:
        """The lines from a place on, until the stream is closed; see :class:`Source`."""
        begin = {**_query(start), **({"wait": "1"} if wait else {})}
        with closing(self._connection):
            answer = self._lines(stream, begin)
            while True:
                yield answer.body.split(b"\n")[:-1]
                if "Stream-Closed" in answer.headers:
                    return
                offset = answer.headers["Stream-Next-Offset"]
                # Until the stream is there, the place is still to be found.
                query = begin if wait and offset == str(ZERO) else {"offset": offset}
                if "Stream-Up-To-Date" in answer.headers:
                    query = {**query, "live": "long-poll"}
                answer = self._lines_whatever_happens(stream, query)

    def _lines_whatever_happens(self, stream: str, query: dict[str, str]) -> _Answer:
        """Ask again and again while the server is away: it comes back, and offsets mean the same then."""
        seconds = _FIRST_RETRY
        while True:
            try:
                answer = self._lines(stream, query)
            except (_UnavailableError, OffsetAheadError) as error:
                if seconds == _FIRST_RETRY:
                    click.echo(f"streamhub: {error}: trying again", err=True)
                pause(random.uniform(seconds / 2, seconds))  # noqa: S311 - not for secrets
                seconds = min(2 * seconds, _LAST_RETRY)
            else:
                return answer

    def _lines(self, stream: str, query: dict[str, str]) -> _Answer:
        path = f"/v1/stream/{quote(check_stream_id(stream))}"
        answer = self._get(path, query, {"Accept": "application/x-ndjson"})
        if "Stream-Next-Offset" not in answer.headers:
            raise StreamhubError(f"{self._url} is no streamhub server: its answer names no offset")
        return answer

    def _get(self, path: str, query: dict[str, str], headers: dict[str, str] | None = None) -> _Answer:
        try:
            answer = self._ask(f"{self._path}{path}?{urlencode(query)}", headers or {})
        except _NETWORK_ERRORS as error:
            self._connection.close()
            reason = str(error) or type(error).__name__
            raise _UnavailableError(f"cannot reach {self._url}: {reason}") from error
        if answer.status >= 300:
            raise self._refusal(answer)
        return answer

    def _ask(self, target: str, headers: dict[str, str]) -> _Answer:
        reused = self._connection.sock is not None
        try:
            response = self._response(target, headers)
        except (ConnectionError, http.client.BadStatusLine):
            self._connection.close()
            if not reused:
                raise
            response = self._response(target, headers)  # the server had let go of the idle connection
        return _Answer(response.status, response.headers, response.read())

    def _response(self, target: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        self._connection.request("GET", target, headers=headers)
        pause(_TIMEOUT, until=self._connection.sock)
        return self._connection.getresponse()

    def _refusal(self, answer: _Answer) -> StreamhubError:
        """The error that an answer stands for."""
        detail = _detail(answer.body) or f"{self._url} answered {answer.status}"
        match answer.status:
            case 400:
                return InvalidRequestError(detail)
            case 404:
                return StreamNotFoundError(detail)
            case 410:
                return OffsetGoneError(detail, earliest=answer.headers.get("Stream-Earliest-Offset", ""))
            case 503 if "Retry-After" in answer.headers:
                return OffsetAheadError(detail)
            case status if status >= 500:
                return _UnavailableError(detail)
        return StreamhubError(detail)


def _query(start: Start) -> dict[str, str]:
    if start.now:
        return {"offset": NOW}
    if start.tail is not None:
        return {"tail": str(start.tail)}
    if start.since is not None:
        return {"since": start.since.isoformat()}
    return {"offset": BEGINNING if start.offset is None else str(start.offset)}


def _detail(body: bytes) -> str:
    """What a problem's body says; nothing when it is none."""
    try:
        problem = json.loads(body)
    except ValueError:
        return ""
    detail = problem.get("detail") if isinstance(problem, dict) else None
    return detail if isinstance(detail, str) else ""

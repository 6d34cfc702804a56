"""Several streams followed at once, each in a thread of its own: what comes is taken in the order it came."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from streamhub.cli.pause import pause
from streamhub.errors import StreamhubError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from streamhub.cli.query import Query
    from streamhub.cli.source import Piece, Source

#: Streams that are followed at the same time; further ones wait until one of these has ended.
MOST: Final = 256
#: Seconds between looks for streams that have appeared.
_LOOK: Final = 1.0
#: Looking takes no more than one part in so many of the time.
_SHARE: Final = 20
#: Pieces that are read ahead of the terminal, of all streams together.
_AHEAD: Final = 64


@dataclass(frozen=True)
class _News:
    stream: str
    piece: Piece | None = None
    error: Exception | None = None


class Together:
    """Streams that are followed at once.

    Args:
        source: where they are.
        wait: whether they may not be there yet.
        look: gives the ids of streams that are to be followed from their beginning if they are new; None: no others.
        failed: told why one of them cannot be followed any further.
        most: how many are followed at the same time.
    """

    def __init__(
        self,
        source: Source,
        failed: Callable[[StreamhubError | OSError], None],
        *,
        wait: bool = False,
        look: Callable[[], Iterable[str]] | None = None,
        most: int = MOST,
    ) -> None:
        self._source = source
        self._failed = failed
        self._wait = wait
        self._look = look
        self._most = most
        self._running = 0
        self._news: queue.Queue[_News] = queue.Queue(_AHEAD)
        self._waiting: deque[tuple[str, Query]] = deque()
        self._warned = False

    def follow(self, queries: Sequence[tuple[str, Query]], new: Query) -> Iterator[tuple[str, Piece]]:
        """What comes of these streams, and of those that appear; ends when all have ended, and none can appear.

        Args:
            queries: what is wanted of each stream.
            new: what is wanted of a stream that appears.
        """
        known = {stream for stream, _query in queries}
        self._waiting.extend(queries)
        due = time.monotonic() + _LOOK
        while self._running or self._waiting or self._look:
            self._start()
            if self._look and (began := time.monotonic()) >= due:
                found = [stream for stream in self._look() if stream not in known]
                ended = time.monotonic()
                due = ended + max(_LOOK, _SHARE * (ended - began))
                self._waiting.extend((stream, new) for stream in found)
                known.update(found)
                self._start()
            yield from self._take()

    def _start(self) -> None:
        while self._waiting and self._running < self._most:
            self._running += 1
            threading.Thread(target=self._run, args=self._waiting.popleft(), daemon=True).start()
        if self._waiting and not self._warned:
            self._warned = True
            message = f"{self._most} streams are followed; others wait until one ends: narrow the glob, or take cat"
            click.echo(f"streamhub: {message}", err=True)

    def _run(self, stream: str, query: Query) -> None:
        error: Exception | None = None
        try:
            with closing(self._source.again()) as source:
                for piece in source.follow(stream, query, wait=self._wait):
                    self._news.put(_News(stream, piece))
        except Exception as caught:  # noqa: BLE001 - it is raised where the news are taken
            error = caught
        self._news.put(_News(stream, error=error))

    def _take(self) -> Iterator[tuple[str, Piece]]:
        try:
            news = self._news.get(timeout=_LOOK / 4)
        except queue.Empty:
            pause(0)
            return
        if news.piece is not None:
            yield news.stream, news.piece
            return
        self._running -= 1
        if isinstance(news.error, OSError | StreamhubError):
            self._failed(news.error)
        elif news.error is not None:
            raise news.error

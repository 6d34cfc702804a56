"""``relay push``: follows the streams of a folder, and publishes what comes, each stream in its order."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from streamhub.config import Config
from streamhub.folder import Folder
from streamhub.poller import Poller
from streamhub.relay.feed import Feed, Way
from streamhub.relay.work import work_unless
from streamhub.tail import Appeared, Gone, Grew, Replaced
from streamhub.tailer import Tailer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from streamhub.relay.link import Link
    from streamhub.relay.meter import Meter
    from streamhub.relay.piece import Piece
    from streamhub.relay.store import Store
    from streamhub.tail import Change, Tail

_log: Final = logging.getLogger("streamhub.relay")

#: Pieces that are under way at once, of all streams together: what bounds the memory, however much there is to carry.
IN_FLIGHT: Final = 32
_THREADS: Final = 4
#: A pusher reads for all who watch at the edges: it looks as often as a server does for a crowd.
_AUDIENCE: Final = range(1_000)
#: Streams that are begun with in one go.
_CHUNK: Final = 256
#: A stream that is closed and carried is asked this often whether somebody wrote past its end, in seconds.
_RECHECK: Final = 15.0
#: When a file cannot be read, it is tried again after so many seconds.
_RETRY: Final = 1.0
#: How long what is under way may take when the relay is told to stop, in seconds.
_GRACE: Final = 3.0


class Pusher:
    """Carries the streams of a folder to JetStream."""

    def __init__(self, link: Link, store: Store, meter: Meter) -> None:
        settings = link.settings
        self._settings = settings
        self._store = store
        self._meter = meter
        self._folder = Folder(settings.directory)
        self._tailer = Tailer(
            self._folder, max_line=Config.max_line, floor=settings.poll_floor, ceiling=settings.poll_ceiling
        )
        self._poller = Poller(self._tailer, floor=settings.poll_floor, tell=self._tell, rest=lambda: None)
        self._way = Way(link, store, self._folder, meter, ThreadPoolExecutor(_THREADS), asyncio.Semaphore(IN_FLIGHT))
        self._feeds: dict[str, Feed] = {}
        self._heads: dict[str, Piece] = {}
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._watching: set[asyncio.Task[None]] = set()
        self._resting: dict[str, tuple[int, int]] = {}
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Follow the folder until cancelled; with ``once``, until what was there is carried.

        Raises:
            StreamhubError: it cannot go on.
        """
        try:
            await work_unless(self._carry(), self._failed, self._way.link.failed)
        finally:
            await self._close()

    async def _carry(self) -> None:
        await self._store.ensure()
        self._heads = {head.stream: head for head in await self._store.heads()}
        if self._settings.once:
            names = await self._poller.run(self._folder.scan)
            await self._watch(self._adopt(self._wanted(names)))
            while self._busy:
                await asyncio.wait(self._busy.values())
        else:
            self._poller.watch_names(self._named)
            await self._recheck()

    async def _close(self) -> None:
        self._poller.unwatch_names(self._named)
        for feed in self._feeds.values():
            feed.stopping = True
        for task in self._watching:
            task.cancel()
        tasks = set(self._busy.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_GRACE)
            for task in late:
                task.cancel()
        await asyncio.gather(*tasks, *self._watching, return_exceptions=True)
        self._failed.cancel()
        await self._poller.close()
        self._way.threads.shutdown(wait=False)
        self._folder.close()

    def _wanted(self, names: Iterable[str]) -> list[str]:
        glob = self._settings.match
        return [name for name in names if glob == "*" or fnmatchcase(name, glob)]

    def _named(self, _came: AbstractSet[str], names: Mapping[str, int]) -> None:
        """The names were read. All are looked at: what could not be read is new again, and some may have gone."""
        new = [name for name in self._wanted(names) if name not in self._feeds]
        moved = [name for name, (inode, _) in self._resting.items() if names.get(name) != inode]
        for name in moved:
            self._feeds[name].doubt()
            if name not in names:
                _tell_deleted(name)
        if new or moved:
            self._watch_soon([*new, *moved])

    def _adopt(self, streams: list[str]) -> list[str]:
        for stream in streams:
            self._resting.pop(stream, None)
            if stream not in self._feeds:
                self._feeds[stream] = Feed(stream, self._way, self._heads.pop(stream, None))
        return streams

    def _watch_soon(self, streams: list[str]) -> None:
        task = asyncio.ensure_future(self._watch(self._adopt(streams)))
        self._watching.add(task)
        task.add_done_callback(self._watched)

    def _watched(self, task: asyncio.Task[None]) -> None:
        self._watching.discard(task)
        self._check(task)

    async def _watch(self, streams: list[str]) -> None:
        """Begin with streams, or again with those that were resting."""
        for first in range(0, len(streams), _CHUNK):
            chunk = streams[first : first + _CHUNK]
            tails = await self._poller.run(self._open, chunk)
            for tail in tails:
                tail.audience = _AUDIENCE
                self._feeds[tail.stream].tail = tail
                self._start(self._feeds[tail.stream])
            for stream in {*chunk} - {tail.stream for tail in tails}:
                del self._feeds[stream]  # when the names are read next, it is new again
            self._meter.streams = len(self._feeds)
            self._poller.schedule()

    def _open(self, streams: list[str]) -> list[Tail]:
        """In the poller's thread: watch streams."""
        tails = []
        for stream in streams:
            try:
                tails.append(self._tailer.watch(stream))
            except OSError as error:
                self._cannot_read(stream, error)
        return tails

    def _tell(self, changes: list[tuple[Tail, Change]]) -> None:
        for tail, change in changes:
            feed = self._feeds[tail.stream]
            match change:
                case Replaced() | Appeared():
                    feed.doubt()
                case Gone():
                    feed.doubt()
                    _tell_deleted(feed.stream)
                case Grew():
                    pass
            self._start(feed)

    def _start(self, feed: Feed) -> None:
        """Have a stream drained, unless it is being drained."""
        if feed.stream not in self._busy and not feed.stopping:
            task = asyncio.ensure_future(feed.drain())
            self._busy[feed.stream] = task
            task.add_done_callback(lambda task: self._drained(feed, task))

    def _drained(self, feed: Feed, task: asyncio.Task[None]) -> None:
        del self._busy[feed.stream]
        if task.cancelled() or feed.stopping:
            return
        error = task.exception()
        if isinstance(error, OSError):
            self._cannot_read(feed.stream, error)
            asyncio.get_running_loop().call_later(_RETRY, self._start, feed)
            return
        self._check(task)
        if feed.sure and not feed.is_done:
            self._start(feed)  # it grew between the last look and now
        elif feed.sure and feed.tail is not None and feed.tail.look is not None and feed.tail.look.closed:
            self._rest(feed)

    def _rest(self, feed: Feed) -> None:
        """A closed stream is not followed any more, only looked at now and then: somebody may yet reopen it."""
        tail, feed.tail = feed.tail, None
        assert tail is not None
        assert tail.look is not None
        self._resting[feed.stream] = (tail.look.identity[1], tail.look.tail)
        self._poller.run(self._tailer.unwatch, tail)

    async def _recheck(self) -> None:
        while True:
            await asyncio.sleep(_RECHECK)
            grown = await self._poller.run(self._grown, dict(self._resting))
            if grown:
                self._watch_soon(grown)

    def _grown(self, resting: dict[str, tuple[int, int]]) -> list[str]:
        """In the poller's thread: those of the resting streams whose file has another size."""
        grown = []
        for stream, (_, size) in resting.items():
            status = self._folder.status(stream)
            if status is not None and status.st_size != size:
                grown.append(stream)
        return grown

    def _cannot_read(self, stream: str, error: OSError) -> None:
        if self._settings.once:
            self._meter.refused[stream] = f"it cannot be read: {error.strerror}"  # there is no other time
        else:
            _log.warning("cannot read stream %s, will try again: %s", stream, error)

    def _check(self, task: asyncio.Task[None]) -> None:
        """What nobody expected ends the relay, rather than leave a stream behind in silence."""
        if not task.cancelled() and task.exception() is not None and not self._failed.done():
            self._failed.set_exception(task.exception() or RuntimeError())


def _tell_deleted(stream: str) -> None:
    _log.warning("stream %s was deleted here: what was pushed stays where it is", stream)

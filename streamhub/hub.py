"""The hub: watches streams for those who read them, and tells their channels what happened."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from streamhub.channel import Channel, Place
from streamhub.errors import OffsetAheadError, StreamNotFoundError
from streamhub.folder import Folder
from streamhub.history import History
from streamhub.meter import Meter
from streamhub.offset import NO_GENERATION, Offset
from streamhub.poller import Poller
from streamhub.seek import Start, locate
from streamhub.stream import StreamFile
from streamhub.tail import Appeared, Change, Gone, Grew, Replaced
from streamhub.tailer import Tailer
from streamhub.watches import Watches

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamhub.config import Config
    from streamhub.poller import NameWatcher
    from streamhub.stream import Look
    from streamhub.tail import Tail

_log = logging.getLogger("streamhub.hub")

#: A stream nobody reads any more is watched on for so many seconds: long-polls come back.
_LINGER: Final = 10.0
#: Of those who come at once to read from the beginning, one looks at the file for all, for so many seconds.
_FRESH: Final = 0.05
#: So many streams' longest tails are remembered, of those that were looked at last.
_REMEMBERED: Final = 100_000
_READ_THREADS: Final = 4
#: A crowd rests for so many floors a head, after which it is served again. With the default floor that is 11 ms for a
#: thousand, two to three times as long as it takes to write to them all.
_REST_PER_HEAD: Final = 1 / 444
#: With a longer floor than this many seconds, it is the floor that has a crowd rest.
_MOST_FLOOR: Final = 0.005


class Hub:
    """The streams of a folder, as live channels. Belongs to one event loop.

    Args:
        config: the server's settings.
        linger: for how many seconds a stream is watched on when nobody reads it any more.

    Attributes:
        folder: where the streams are.
        history: their past.
        meter: what is counted.
        channels: the watched ones by id.
        full: descriptors of clients that take nothing for now, kept by whoever owns them.
        draining: whether the server shuts down.
    """

    def __init__(self, config: Config, *, linger: float = _LINGER) -> None:
        self.config = config
        self.folder = Folder(config.directory)
        self._readers = ThreadPoolExecutor(_READ_THREADS, thread_name_prefix="streamhub-read")
        self.history = History(self.folder, self._readers, max_line=config.max_line)
        self.tailer = Tailer(
            self.folder, max_line=config.max_line, floor=config.poll_floor, ceiling=config.poll_ceiling
        )
        self._poller = Poller(self.tailer, floor=config.poll_floor, tell=self._tell, rest=self._sweep)
        self._watches = Watches(
            self.tailer, self._poller, begun=self._watch_begun, ended=self._watch_ended, linger=linger
        )
        self.meter = Meter()
        self.channels: dict[str, Channel] = {}
        self.full: set[int] = set()
        self._rest_per_head = _REST_PER_HEAD * min(config.poll_floor, _MOST_FLOOR)
        self._seen: OrderedDict[str, Offset] = OrderedDict()
        self._nowhere: WeakSet[Channel] = WeakSet()
        self.draining = False

    def drain(self) -> None:
        """The server shuts down: whoever waits for a change is to answer now."""
        self.draining = True
        for channel in (*self.channels.values(), *self._nowhere):
            channel.release()

    async def close(self) -> None:
        """Stop polling and give everything back. Readers are to be closed before."""
        for channel in self.channels.values():
            channel.close()
        await self._poller.close()
        self.history.close()
        # A read that is still under way would open the folder again after its close.
        await asyncio.to_thread(self._readers.shutdown, cancel_futures=True)
        self.folder.close()

    async def channel(self, stream: str) -> Channel:
        """The stream's channel, watched from now on for as long as somebody is in it.

        Raises:
            InvalidStreamIdError: no stream can have that id.
            OSError: the descriptors have run out, or the disk failed.
        """
        channel = self.channels.get(stream)
        if channel is None:
            channel = self.channels[stream] = Channel(stream, self.meter, self.full, self._rest_per_head, self._glance)
            self._watches.begin(channel)
        await self._watches.ready(channel)
        return channel

    async def locate(self, stream: str, start: Start) -> tuple[Look, int]:
        """Look at the file itself: where the stream stands, and the byte at which a reader would start.

        Raises:
            StreamNotFoundError, InvalidOffsetError, OffsetGoneError, OffsetAheadError: see :func:`seek.locate`.
            OSError: the descriptors have run out, or the disk failed.
        """
        look, position = await self.history.search(self._locate, stream, start)
        self.note(stream, look)
        return look, position

    async def start(self, stream: str, start: Start, *, wait: bool) -> Place:
        """Where to begin to follow a stream.

        Args:
            stream: the stream's id.
            start: where to begin.
            wait: whether the stream may not be there yet, or not have come that far.

        Raises:
            StreamNotFoundError, OffsetAheadError: only without ``wait``.
            InvalidOffsetError, OffsetGoneError: see :func:`seek.locate`.
        """
        channel = self.channels.get(stream)
        if (
            start.at_beginning
            and channel is not None
            and channel.look is not None
            and not channel.look.closed  # it may have been reopened since
            and time.monotonic() < channel.looked_at + _FRESH
        ):
            return Place(channel)
        if wait and start.at_beginning:
            known = channel is not None  # else the look is one that is made now
            channel = await self.channel(stream)
            if known and (channel.look is None or channel.look.closed):
                await self.poll(channel)
            return Place(channel)
        place: Place | None = None
        while place is None:  # again when the file was replaced between the look at it and the channel's
            try:
                look, position = await self.locate(stream, start)
            except (StreamNotFoundError, OffsetAheadError):
                if not wait:
                    raise
                channel = await self.channel(stream)
                if channel.look is not None:
                    await self.poll(channel)  # nobody is to wait in a file that was deleted
                return Place(channel, offset=None if start.at_beginning else start.offset)
            place = await self._place(stream, look, position)
        place.channel.looked_at = time.monotonic()
        return place

    async def _place(self, stream: str, look: Look, position: int) -> Place | None:
        """A place that was found in a file, in its channel; None when the channel is of another file by now."""
        channel = await self.channel(stream)
        if channel.look != look:
            await self.poll(channel)  # the file is ahead of what readers were told: tell them first
        here = channel.look
        if here is None or here.identity != look.identity or (look.tail and here.generation != look.generation):
            return None
        # More may have been written than one poll takes in.
        return Place(channel, position, None if position <= here.tail else Offset(look.generation, position))

    def nowhere(self, stream: str) -> Channel:
        """A channel in which nothing ever happens, for whoever waits for a stream that is not to be there for them."""
        channel = Channel(stream, self.meter)
        self._nowhere.add(channel)
        return channel

    @property
    def watched(self) -> int:
        """How many streams somebody follows, or waits for."""
        return len(self.channels) + len(self._nowhere)

    async def poll(self, channel: Channel) -> None:
        """Look at one stream now, and tell its readers."""
        tail = self._watches.tail_of(channel)
        if tail is not None:
            await self._poller.look(self.tailer.poll, tail)

    def _glance(self, channel: Channel, then: Callable[[], None]) -> None:
        """Look at the file of a channel's stream, tell what is new, and go on."""
        tail = self._watches.tail_of(channel)
        if tail is None:
            then()
        else:
            self._poller.glance(tail, then)

    def seen(self, stream: str) -> Offset | None:
        """The longest tail this host has seen of a stream, in its newest generation."""
        return self._seen.get(stream)

    def note(self, stream: str, look: Look) -> None:
        """Remember how long a stream was."""
        seen = self._seen.get(stream)
        if look.generation == NO_GENERATION:
            return
        if seen is None or seen.generation != look.generation or seen.byte < look.tail:
            self._seen[stream] = look.next
        self._seen.move_to_end(stream)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def watch_names(self, tell: NameWatcher) -> None:
        """Have the ids in the folder told: see :meth:`streamhub.poller.Poller.watch_names`."""
        self._poller.watch_names(tell)

    def unwatch_names(self, tell: NameWatcher) -> None:
        """Take :meth:`watch_names` back."""
        self._poller.unwatch_names(tell)

    def _sweep(self) -> None:
        self._watches.sweep()

    def _watch_begun(self, channel: Channel, look: Look | None) -> None:
        channel.look = look
        if look is not None:
            self.note(channel.stream, look)

    def _watch_ended(self, channel: Channel) -> None:
        del self.channels[channel.stream]
        self.history.forget(channel.stream)

    def _locate(self, stream: str, start: Start, *, stopped: Callable[[], bool]) -> tuple[Look, int]:
        with StreamFile.open(self.folder, stream, self.config.max_line, stopped) as file:
            look = file.look()
            return look, locate(file, look, start, self._seen.get(stream))

    def _tell(self, changes: list[tuple[Tail, Change]]) -> None:
        for tail, change in changes:
            channel = self.channels.get(tail.stream)
            if channel is not None and self._watches.tail_of(channel) is tail:
                channel.arrived_at = _arrival(tail)
                try:
                    self._tell_channel(channel, change)
                except Exception:  # noqa: BLE001 - one stream's fault is no reason to leave the others without news
                    _log.exception("telling what happened to stream %s failed", channel.stream)

    def _tell_channel(self, channel: Channel, change: Change) -> None:
        match change:
            case Grew(look, batches):
                self.meter.malformed += sum(batch.malformed for batch in batches)
                self.meter.read("tail", batches[-1].end - batches[0].start)
                channel.grew(look, batches)
            case Appeared(look):
                channel.appeared(look)
            case Replaced(look):
                self.history.forget(channel.stream)
                channel.replaced(look)
            case Gone():
                self.history.forget(channel.stream)
                channel.replaced(None)
        if channel.look is not None:
            self.note(channel.stream, channel.look)


def _arrival(tail: Tail) -> float:
    """When the newest lines came, on the monotonic clock: by the file's own time, unless that lies ahead of ours."""
    return min(tail.active, time.monotonic() - (time.time() - tail.modified))

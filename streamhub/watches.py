"""Watches: which channels' streams are watched, and which of them nobody has read for how long."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamhub.channel import Channel
    from streamhub.poller import Poller
    from streamhub.stream import Look
    from streamhub.tail import Tail
    from streamhub.tailer import Tailer

#: A stream that began to be watched, with where it stood then; or why it cannot be.
_Begun: TypeAlias = "tuple[Tail, Look | None] | Exception"

#: So many streams at most begin to be watched, or are given up, before others have a turn.
_PORTION: Final = 1000


class Watches:
    """The channels that are watched. Belongs to one event loop.

    Many may come or leave at once: what is done for them in the poller's thread is done for a portion in one go.

    Args:
        tailer: what watches their streams; it is touched in the poller's thread alone.
        poller: runs that thread.
        begun: called with a channel, and where its stream stood, when that begins to be watched.
        ended: called with a channel that is watched no more, or cannot be.
        linger: for how many seconds a stream is watched on when nobody reads it any more.
    """

    def __init__(
        self,
        tailer: Tailer,
        poller: Poller,
        *,
        begun: Callable[[Channel, Look | None], None],
        ended: Callable[[Channel], None],
        linger: float,
    ) -> None:
        self._tailer = tailer
        self._poller = poller
        self._begun = begun
        self._ended = ended
        self._linger = linger
        self._tails: dict[Channel, Tail] = {}
        self._beginning: dict[Channel, asyncio.Future[None]] = {}
        self._to_begin: list[Channel] = []
        self._idle_since: dict[Channel, float] = {}
        self._sweep_at = 0.0

    def tail_of(self, channel: Channel) -> Tail | None:
        """What watches a channel's stream; None when nothing does (yet)."""
        return self._tails.get(channel)

    def begin(self, channel: Channel) -> None:
        """Watch a channel from now on; :meth:`ready` tells when that is so."""
        loop = asyncio.get_running_loop()
        self._beginning[channel] = loop.create_future()
        self._to_begin.append(channel)
        if len(self._to_begin) == 1:
            loop.call_soon(self._begin)

    async def ready(self, channel: Channel) -> None:
        """Wait until a channel is watched; from now on it counts as read.

        Raises:
            InvalidStreamIdError: no stream can have that id.
            OSError: the descriptors have run out, or the disk failed.
        """
        beginning = self._beginning.get(channel)
        if beginning is not None:
            await asyncio.shield(beginning)
        self._idle_since.pop(channel, None)

    def sweep(self) -> None:
        """Give up those whom nobody has read for long."""
        now = time.monotonic()
        if now < self._sweep_at:
            return
        idle = [channel for channel in self._tails if not channel.watched]
        over = [
            channel
            for channel in idle
            if now > max(self._idle_since.setdefault(channel, now), channel.looked_at) + self._linger
        ]
        if len(over) <= _PORTION:  # else the next tick goes on
            self._sweep_at = now + self._linger / 2
        for channel in over[:_PORTION]:
            del self._idle_since[channel]
            self._ended(channel)
        if over:
            self._poller.run(self._unwatch, [self._tails.pop(channel) for channel in over[:_PORTION]])
        for channel in [channel for channel in self._idle_since if channel.watched]:
            del self._idle_since[channel]

    def _begin(self) -> None:
        channels, self._to_begin = self._to_begin, []
        for start in range(0, len(channels), _PORTION):
            portion = channels[start : start + _PORTION]
            beginning = self._poller.run(self._watch, [channel.stream for channel in portion])
            beginning.add_done_callback(partial(self._have_begun, portion))

    def _have_begun(self, channels: list[Channel], beginning: asyncio.Future[list[_Begun]]) -> None:
        for channel, begun in zip(channels, beginning.result(), strict=True):
            told = self._beginning.pop(channel)
            if isinstance(begun, Exception):
                self._ended(channel)
                told.set_exception(begun)
                continue
            tail, look = begun
            tail.audience = channel.cursors
            self._tails[channel] = tail
            self._begun(channel, look)
            told.set_result(None)
        self._poller.schedule()

    def _watch(self, streams: list[str]) -> list[_Begun]:
        begun: list[_Begun] = []
        for stream in streams:
            try:
                tail = self._tailer.watch(stream)
            except Exception as error:  # noqa: BLE001 - it is for whoever asked for that stream
                begun.append(error)
            else:
                begun.append((tail, tail.look))  # as of now: what comes after it is told as a change
        return begun

    def _unwatch(self, tails: list[Tail]) -> None:
        for tail in tails:
            self._tailer.unwatch(tail)

"""What follow() gives to those who use asyncio."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

from streamhub.client.following import Batch, Gap, Reset

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from streamhub.client.item import Item
    from streamhub.client.pursuit import Pursuit

#: Say where a stream is to be gone on with: an offset, such as ``earliest``, or None: not at all.
OnReset: TypeAlias = "Callable[[Reset], str | None]"
OnGap: TypeAlias = "Callable[[Gap], str | None]"


class Tray:
    """Events that came, to be handed out one by one."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._place: str | None = None

    def __bool__(self) -> bool:
        return bool(self._items)

    def fill(self, batch: Batch) -> None:
        """Lay events on it, when those before are gone."""
        self._items.extend(batch.items)
        self._place = batch.start

    def take(self) -> Item:
        """Hand one out."""
        item = self._items.popleft()
        self._place = item.offset
        return item

    def offsets(self, reached: dict[str, str]) -> dict[str, str]:
        """Where to resume each stream, as far as its events were handed out, given where each was reached."""
        if not self._items:
            return reached
        stream = self._items[0].stream
        others = {name: place for name, place in reached.items() if name != stream}
        return others if self._place is None else {**others, stream: self._place}


class Decisions:
    """How to go on with a stream that does not go on by itself."""

    def __init__(self, on_reset: OnReset | None, on_gap: OnGap | None) -> None:
        self._on_reset = on_reset
        self._on_gap = on_gap

    def decide(self, news: Reset | Gap) -> str | None:
        """From which offset on; None: not at all.

        Raises:
            StreamReplacedError, OffsetGoneError, StreamNotFoundError: nobody says how.
        """
        if isinstance(news, Reset):
            if self._on_reset is not None:
                return self._on_reset(news)
        elif self._on_gap is not None:
            offset = self._on_gap(news)
            if offset != news.offset:  # else this would be a gap again, at once and for ever
                return offset
        raise news.error()


class AsyncFollower:
    """Events of the streams that are followed, as an asynchronous iterator; it ends when all of them are closed.

    A call that is cancelled, by a time-out for one, loses nothing: the next one goes on. Leaving the iterator hangs
    up, ``async with`` does so at a certain time.
    """

    def __init__(self, pursuit: Pursuit, decisions: Decisions, leave: Callable[[Pursuit], None]) -> None:
        self._pursuit = pursuit
        self._decisions = decisions
        self._leave = leave
        self._tray = Tray()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def offsets(self) -> dict[str, str]:
        """Where to resume each stream after the events that were handed out: what to keep, and to give follow()."""
        return self._tray.offsets(self._pursuit.following.offsets)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        self._loop = asyncio.get_running_loop()
        while not self._tray:
            news = await self._pursuit.next()
            if news is None:
                raise StopAsyncIteration
            if isinstance(news, Batch):
                self._tray.fill(news)
            elif (offset := self._decisions.decide(news)) is not None:
                await self._pursuit.go_on(news.stream, offset)
        return self._tray.take()

    async def close(self) -> None:
        """Hang up; the iterator ends."""
        await self._pursuit.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._leave, self._pursuit)

"""The client for asyncio."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Final

from streamhub.client.backoff import Backoff
from streamhub.client.catchup import pages
from streamhub.client.follower import AsyncFollower, Decisions
from streamhub.client.following import Following
from streamhub.client.link import Link
from streamhub.client.listing import entries
from streamhub.client.pursuit import Pursuit
from streamhub.client.query import Selection
from streamhub.stream_id import check_stream_id

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Sequence
    from types import TracebackType
    from typing import Self, Unpack

    from streamhub.client.follower import OnGap, OnReset
    from streamhub.client.following import Streams
    from streamhub.client.item import Item
    from streamhub.client.listing import StreamEntry
    from streamhub.client.query import Part, PastPart

#: How often a catch-up, for whose end somebody waits, is tried again in vain.
_READ_RETRIES: Final = 4


class AsyncClient:
    """Reads streams from one server. Use it within one event loop, with ``async with`` or a close() at the end.

    ::

        async with AsyncClient("http://127.0.0.1:8765") as client:
            async for item in client.follow("m-42"):
                print(item.offset, item.event)
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8765",
        *,
        token: str | None = None,
        ssl: ssl.SSLContext | None = None,
        retries: int | None = None,
    ) -> None:
        """Nothing is asked before there is something to ask for.

        Args:
            url: the server, such as ``https://streams.example``.
            token: a bearer token.
            ssl: how the server's certificate is checked; the system's way without.
            retries: how often in a row the server is tried again in vain, with growing pauses, before
                UnavailableError; None: follow() goes on for ever, and read() gives up after 4.

        Raises:
            ConfigError: the URL is none.
        """
        self._link = Link(url, token=token, ssl=ssl)
        self._retries = retries
        self._pursuits: weakref.WeakSet[Pursuit] = weakref.WeakSet()
        self._leaving: set[asyncio.Task[None]] = set()

    def streams(self, *, prefix: str = "", mission_id: str = "") -> AsyncIterator[StreamEntry]:
        """The streams there are, newest activity first.

        Args:
            prefix: only those whose id begins so.
            mission_id: only those of that mission.
        """
        query = [(name, value) for name, value in (("prefix", prefix), ("mission_id", mission_id)) if value]
        return entries(self._link, query)

    def read(self, stream: str, **part: Unpack[PastPart]) -> AsyncIterator[Item]:
        """The events of a stream up to where it stands now.

        Args:
            stream: the stream's id.
            part: which part of it, all without; see :class:`Selection`.

        Raises:
            InvalidRequestError: a value can be none.
            StreamNotFoundError: there is no such stream.
            OffsetGoneError: the offset names lines that are no more.
            UnavailableError: the server is away.
            StreamhubError: it refuses.
        """
        return _flat(self.pages(stream, Selection(**part)))

    def pages(self, stream: str, selection: Selection) -> AsyncIterator[list[Item]]:
        """What read() gives, as many events at a time as come in one answer; there may be none."""
        backoff = Backoff(_READ_RETRIES if self._retries is None else self._retries)
        return pages(self._link, check_stream_id(stream), selection, backoff)

    def follow(
        self,
        streams: Streams = (),
        *,
        match: str | Sequence[str] = (),
        wait: bool = False,
        on_reset: OnReset | None = None,
        on_gap: OnGap | None = None,
        **part: Unpack[Part],
    ) -> AsyncFollower:
        """Follow streams: what is there, then what comes, until all of them are closed.

        Over one WebSocket; by long-polls where something between lets none through. A connection that is lost is
        opened anew, and each stream goes on where it was: each event comes once, in the stream's order.

        Args:
            streams: a stream's id, several ids, or a mapping of ids to the offsets to go on from
                (:attr:`AsyncFollower.offsets` of an earlier run).
            match: globs; streams that match, now or later, are followed too, and then there is no end by itself.
            wait: whether a stream that is named may not be there yet.
            on_reset: told when a stream's file was cut, replaced or deleted under the follower; gives the offset to go
                on from, or None to have no more of that stream. Without it StreamReplacedError is raised, or
                StreamNotFoundError for one that was deleted.
            on_gap: told when the place to go on from is gone, so that what came after it cannot be had; gives the same.
                Without it OffsetGoneError is raised, or StreamNotFoundError.
            part: which part of each, all without; see :class:`Selection`. Streams that appear later are followed from
                their beginning.

        Raises:
            InvalidRequestError: a value can be none, or there is nothing to follow.
        """
        pursuit = self.pursue(Following(streams, Selection(**part), match=match, wait=wait))
        return AsyncFollower(pursuit, Decisions(on_reset, on_gap), self.leave)

    def pursue(self, following: Following) -> Pursuit:
        """What is behind a follower."""
        pursuit = Pursuit(self._link, following, Backoff(self._retries))
        self._pursuits.add(pursuit)
        return pursuit

    def leave(self, pursuit: Pursuit) -> None:
        """Nobody asks for more of it: hang up, some time soon."""
        task = asyncio.get_running_loop().create_task(pursuit.close())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """End all that is going on."""
        for pursuit in [*self._pursuits]:
            await pursuit.close()
        await asyncio.gather(*self._leaving, return_exceptions=True)
        await self._link.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


async def _flat(pages: AsyncIterator[list[Item]]) -> AsyncIterator[Item]:
    async for page in pages:
        for item in page:
            yield item

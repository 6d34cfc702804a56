"""The ways on which news of streams come: one WebSocket for all of them, or a long-poll for each."""

from __future__ import annotations

import asyncio
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, Protocol

import aiohttp

from streamhub.client.frames import Ended, Frame, Lines, Missed, Replaced, read_frame
from streamhub.client.listing import entries
from streamhub.errors import OffsetGoneError, StreamNotFoundError, UnavailableError
from streamhub.offset import ZERO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamhub.client.following import Following
    from streamhub.client.link import Answer, Link
    from streamhub.client.query import Query

#: A server says something every 15 s; after so many seconds without a word it is not there any more.
_SILENCE: Final = 40.0
#: Seconds between two looks for streams that match, where no WebSocket tells of them.
_SCAN: Final = 2.0


class Transport(Protocol):
    """Brings frames. A call that is cancelled loses none."""

    async def receive(self) -> Sequence[Frame]:
        """The next frames; there may be none.

        Raises:
            UnavailableError: the connection is lost; nothing more comes.
            StreamhubError: the server refuses.
        """

    async def close(self) -> None:
        """Hang up."""


class Socket:
    """One multiplexed WebSocket."""

    def __init__(self, link: Link, socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
        self._link = link
        self._socket = socket

    async def receive(self) -> Sequence[Frame]:
        """See :class:`Transport`."""
        try:
            message = await self._socket.receive(_SILENCE)
        except TimeoutError:
            raise UnavailableError(f"{self._link.url} has been silent for {_SILENCE:.0f} s") from None
        if message.type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}:
            return read_frame(message.data)
        code = self._socket.close_code
        raise UnavailableError(f"{self._link.url} closed the connection (code {code or 1006})")

    async def close(self) -> None:
        """See :class:`Transport`."""
        await self._socket.close()


def missed_by(error: OffsetGoneError | StreamNotFoundError, following: Following, stream: str) -> Missed:
    """What it means that a stream cannot be read on.

    Raises:
        StreamNotFoundError: it never was there.
    """
    if isinstance(error, OffsetGoneError):
        return Missed(stream, error.earliest)
    if following.offsets.get(stream, str(ZERO)) == str(ZERO):
        raise error
    return Missed(stream, None)


class Polls:
    """A long-poll for each stream, at the same time."""

    def __init__(self, link: Link, following: Following) -> None:
        self._link = link
        self._following = following
        self._tasks: dict[str, asyncio.Task[Sequence[Frame]]] = {}
        self._scan: asyncio.Task[None] | None = None
        self._scanned = False
        self._behind = set(following.wanted)  # those of which it is not known that they were read up to their tail
        self._reached: set[str] = set()

    async def receive(self) -> Sequence[Frame]:
        """See :class:`Transport`."""
        for stream in self._following.wanted:
            if stream not in self._tasks:
                self._tasks[stream] = asyncio.create_task(self._poll(stream))
        if self._following.match and self._scan is None:
            self._scan = asyncio.create_task(self._look_for_more(pause=self._scanned))
            self._scanned = True
        waiting = {*self._tasks.values()} | ({self._scan} if self._scan else set())
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if self._scan in done:
            scan, self._scan = self._scan, None
            scan.result()
        for stream, task in self._tasks.items():
            if task in done:
                del self._tasks[stream]
                return task.result()
        return ()

    async def close(self) -> None:
        """See :class:`Transport`."""
        tasks = [*self._tasks.values(), *([self._scan] if self._scan else [])]
        self._tasks.clear()  # somebody may be waiting for them: to those they are nothing any more
        self._scan = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _poll(self, stream: str) -> Sequence[Frame]:
        try:
            answer = await self._link.lines(stream, self._query(stream))
        except (OffsetGoneError, StreamNotFoundError) as error:
            missed = missed_by(error, self._following, stream)
            return (Replaced(stream, missed.earliest) if stream in self._reached else missed,)
        return self._frames(stream, answer)

    def _query(self, stream: str) -> Query:
        query = self._following.start_of(stream)
        if stream in self._behind:
            # Of the first lines after a time, or of the last ones, nobody knows where they begin until one was read.
            sought = self._following.places[stream] is None and self._following.selection.searches
            query += [("limit", "1")] if sought else []
        else:
            query.append(("live", "long-poll"))
        return [*query, ("wait", "1")] if self._following.wait else query

    def _frames(self, stream: str, answer: Answer) -> Sequence[Frame]:
        if "Stream-Up-To-Date" in answer.headers:
            self._behind.discard(stream)
        else:
            self._behind.add(stream)
        if not answer.body and answer.next == str(ZERO):
            return ()  # it is not there yet, and the place is still to be found
        self._reached.add(stream)
        lines = Lines(stream, answer.body.split(b"\n")[:-1], answer.next)
        return (lines, Ended(stream)) if "Stream-Closed" in answer.headers else (lines,)

    async def _look_for_more(self, *, pause: bool) -> None:
        await asyncio.sleep(_SCAN if pause else 0)
        found = [entry.id async for entry in entries(self._link)]
        for stream in found:
            known = stream in self._following.places
            if not known and any(fnmatchcase(stream, glob) for glob in self._following.match):
                self._following.join(stream)
                self._behind.add(stream)

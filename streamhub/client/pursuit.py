"""Following streams, come what may: each event once and in order, over lost connections and restarted servers."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from streamhub.client.link import NoSocketError
from streamhub.client.listing import entries
from streamhub.client.transport import Polls, Socket, missed_by
from streamhub.errors import (
    ForbiddenError,
    InvalidRequestError,
    OffsetGoneError,
    StreamhubError,
    StreamNotFoundError,
    UnavailableError,
)

if TYPE_CHECKING:
    from streamhub.client.backoff import Backoff
    from streamhub.client.following import Batch, Following, Gap, Reset
    from streamhub.client.frames import Frame
    from streamhub.client.link import Link
    from streamhub.client.transport import Transport

#: After so many sockets in a row that said nothing, something between does not let them through.
_MUTE: Final = 3

_log: Final = logging.getLogger("streamhub.client")


class Pursuit:
    """The way through lost connections. A call that is cancelled loses nothing: the next one goes on.

    Args:
        link: the server.
        following: what is followed.
        backoff: how patient it is.
    """

    def __init__(self, link: Link, following: Following, backoff: Backoff) -> None:
        self.following = following
        self._link = link
        self._backoff = backoff
        self._transport: Transport | None = None
        self._frames: deque[Frame] = deque()
        self._not_before = 0.0
        self._polls = False
        self._mute = 0
        self._turn = asyncio.Lock()
        self._closing = asyncio.Event()

    async def next(self) -> Batch | Reset | Gap | None:
        """What is new: events, or why a stream does not go on. None: nothing will ever be.

        Raises:
            UnavailableError: the server is away, for longer than the backoff's patience.
            StreamhubError: the server refuses, and asking again is no use.
        """
        async with self._turn:
            while True:
                while self._frames:
                    news = self.following.take(self._frames.popleft())
                    if news is not None:
                        return news
                if self._closing.is_set() or self.following.finished:
                    await self._hang_up()
                    return None
                await self._receive()

    async def go_on(self, stream: str, offset: str) -> None:
        """Follow a stream that was reset, or has a gap, from another place on."""
        self.following.go_on(stream, offset)
        await self._hang_up()  # what a connection carries was settled when it was opened

    async def close(self) -> None:
        """Hang up for good."""
        self._closing.set()
        self._frames.clear()
        await self._hang_up()

    async def _receive(self) -> None:
        try:
            if self._transport is None:
                await self._wait()
                self._transport = await self._connect()
            if self._transport is None or self._closing.is_set():
                return
            frames = await self._transport.receive()
        except UnavailableError as error:
            await self._hang_up()
            if not self._closing.is_set():
                self._lose(error)
        except StreamhubError:
            await self._hang_up()
            raise
        else:
            self._hear()
            self._frames.extend(frames)

    async def _connect(self) -> Transport | None:
        """Open a way; None when there is news to look at first."""
        if not self._polls and self._mute < _MUTE:
            try:
                socket = await self._link.socket(self.following.query())
            except NoSocketError as refusal:
                await self._explain(refusal)
                return None
            self._mute += 1
            return Socket(self._link, socket)
        return Polls(self._link, self.following)

    async def _explain(self, refusal: NoSocketError) -> None:
        """Ask for each stream the plain way: a refused handshake does not tell which one was the reason."""
        wanted = self.following.wanted
        for stream in wanted[:1] if refusal.passes else wanted:  # a server that is full is not to be asked much
            try:
                await self._link.lines(stream, [*self.following.start_of(stream), ("limit", "1")])
            except (OffsetGoneError, StreamNotFoundError) as error:
                if not (self.following.wait and isinstance(error, StreamNotFoundError)):
                    self._frames.append(missed_by(error, self.following, stream))
        if not self._frames and not await self._forget(refusal):
            await self._link.get("/v1/streams", [("limit", "1")])
            self._consider(refusal)

    async def _forget(self, refusal: NoSocketError) -> bool:
        """See to it that nothing is named that is over and was deleted since; False when that is not the reason."""
        past = self.following.past
        if not past or not refusal.ours or refusal.status != 404:
            return False
        there = {entry.id async for entry in entries(self._link)}
        # Fewer each time, so that this ends, though the list may be of another copy than the one that refuses.
        self.following.forget(past - there or past)
        return True

    def _consider(self, refusal: NoSocketError) -> None:
        """All that is wanted can be had, but not by a socket."""
        if refusal.passes:
            raise UnavailableError(f"{self._link.url}: {refusal}", retry_after=refusal.retry_after)
        if refusal.ours:
            kind = ForbiddenError if refusal.status in {401, 403} else InvalidRequestError
            raise kind(f"{self._link.url}: {refusal}")
        _log.warning("%s: %s: going on with long-polls", self._link.url, refusal)
        self._polls = True

    def _lose(self, error: UnavailableError) -> None:
        pause = self._backoff.failed(error, error.retry_after)
        if self._backoff.failures == 1:
            _log.warning("%s: trying again", error)
        self._not_before = asyncio.get_running_loop().time() + pause

    def _hear(self) -> None:
        if self._backoff.failures:
            _log.info("%s is back", self._link.url)
        self._backoff.succeeded()
        self._mute = 0

    async def _wait(self) -> None:
        pause = max(0.0, self._not_before - asyncio.get_running_loop().time())
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._closing.wait()

    async def _hang_up(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.close()

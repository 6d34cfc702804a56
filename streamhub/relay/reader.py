"""Reading messages in their order, a bounded number of bytes at a time, from a consumer that is made anew when lost."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

import nats.errors
import nats.js.errors
from nats.js import api

from streamhub.errors import StreamNotFoundError
from streamhub.relay.piece import piece_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

    from streamhub.relay.link import Link
    from streamhub.relay.piece import Piece

_log: Final = logging.getLogger("streamhub.relay")

#: A request is good for so many messages and bytes: more is never on its way, however much there is to read.
_BATCH: Final = 2048
_BATCH_BYTES: Final = 4 * 1024 * 1024
#: ... and for so many seconds; the server says that it is still there this often.
_EXPIRES: Final = 30.0
_HEARTBEAT: Final = 1.0
#: What ends a request that has brought as many bytes as it may.
_FULL: Final = "Message Size Exceeds"
#: Silent for so long, it is taken for lost, and the consumer with it.
_SILENCE: Final = 3.5
#: Seconds after which the server forgets a consumer that nobody asks.
_FORGOTTEN: Final = 30.0


class Reader:
    """One consumer, without acknowledgements: the next message is the one after the last that came. An ``async with``.

    Attributes:
        position: the sequence of the last message that was read, or the one before the start.
        pending: messages that there were beside, when the last one came.
        foreign: messages that were none of ours.
    """

    def __init__(self, link: Link, store: str, subject: str, start: int = 1, *, heads: bool = False) -> None:
        self.position = start - 1
        self.pending = 0
        self.foreign = 0
        self._link = link
        self._store = store
        self._subject = subject
        self._heads = heads
        self._subscription: Subscription | None = None
        self._consumer = ""
        self._delivered = 0
        self._open = 0
        self._came: deque[Msg] = deque()
        self._news = asyncio.Event()
        self._lost = False
        self._created: datetime | None = None

    async def __aenter__(self) -> Self:
        self._link.on_reconnect(self._lose)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._link.off_reconnect(self._lose)
        await self._drop()

    async def is_done(self) -> bool:
        """Whether everything was read that was there when the last message came."""
        if not self._consumer:
            await self._make()
        return self.pending == 0 and not self._came

    async def read(self) -> list[Piece]:
        """What has come, in order; waits until something has, for half a minute at most."""
        if self._lost:
            await self._drop()
        if not self._consumer:
            await self._make()
        if not self._open:
            await self._ask()
        if not self._came and not await self._wait():
            self._lose()
            return []
        return self._take()

    async def _wait(self) -> bool:
        self._news.clear()
        try:
            async with asyncio.timeout(_SILENCE):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    def _take(self) -> list[Piece]:
        pieces: list[Piece] = []
        while self._came and not self._lost:
            message = self._came.popleft()
            if message.headers and "Status" in message.headers:
                self._take_status(message.headers)
                continue
            piece = self._take_message(message)
            if piece is not None:
                pieces.append(piece)
        return pieces

    def _take_status(self, headers: Mapping[str, str]) -> None:
        status = headers["Status"]
        if status == api.StatusCode.CONTROL_MESSAGE.value:
            return  # a heartbeat
        self._open = 0
        old = status == api.StatusCode.REQUEST_TIMEOUT.value
        full = headers.get("Description", "").startswith(_FULL)
        if not (old or full):
            self._lose()  # the consumer was deleted, or its server goes away

    def _take_message(self, message: Msg) -> Piece | None:
        metadata = message.metadata
        if metadata.consumer != self._consumer:
            return None  # from before it was made anew
        if metadata.sequence.consumer != self._delivered + 1:
            self._lose()
            return None
        self._delivered += 1
        self._open -= 1
        self.pending = metadata.num_pending
        self.position = metadata.sequence.stream
        piece = piece_of(
            message.subject,
            message.headers,
            message.data,
            sequence=metadata.sequence.stream,
            time=metadata.timestamp.timestamp(),
        )
        self.foreign += piece is None
        return piece

    async def _ask(self) -> None:
        assert self._subscription is not None
        self._open = _BATCH
        request = {
            "batch": _BATCH,
            # What is larger than a request allows would never come.
            "max_bytes": max(_BATCH_BYTES, 2 * self._link.client.max_payload),
            "expires": int(_EXPIRES * 1e9),
            "idle_heartbeat": int(_HEARTBEAT * 1e9),
        }
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._store}.{self._consumer}"
        try:
            await self._link.client.publish(subject, json.dumps(request).encode(), reply=self._subscription.subject)
        except nats.errors.Error:
            self._lose()

    async def _make(self) -> None:
        """Have a consumer made that starts after the last message that was read.

        Raises:
            StreamNotFoundError: JetStream's stream is gone, or another one took its place.
        """
        js, client = self._link.js, self._link.client
        try:
            info = await self._link.call("make a consumer", lambda: js.add_consumer(self._store, self._config()))
            if not self._heads:
                store = await self._link.call("look at JetStream's stream", lambda: js.stream_info(self._store))
                if self._created not in {None, store.created}:
                    raise StreamNotFoundError(f"JetStream's stream {self._store!r} is not the one it was")
                self._created = store.created
        except nats.js.errors.NotFoundError:
            raise StreamNotFoundError(f"JetStream's stream {self._store!r} is gone") from None
        self._subscription = await client.subscribe(client.new_inbox(), cb=self._receive)
        self._consumer, self._delivered, self._open, self._lost = info.name, 0, 0, False
        self.pending = info.num_pending or 0

    def _config(self) -> api.ConsumerConfig:
        policy = api.DeliverPolicy
        return api.ConsumerConfig(
            name=self._link.client.new_inbox().rpartition(".")[2],
            deliver_policy=policy.LAST_PER_SUBJECT if self._heads else policy.BY_START_SEQUENCE,
            opt_start_seq=None if self._heads else self.position + 1,
            ack_policy=api.AckPolicy.NONE,
            filter_subject=self._subject,
            headers_only=self._heads or None,
            inactive_threshold=_FORGOTTEN,
            num_replicas=1,
            mem_storage=True,
        )

    async def _drop(self) -> None:
        """Let go of the consumer. That it cannot be deleted does no harm: it is forgotten."""
        consumer, self._consumer = self._consumer, ""
        subscription, self._subscription = self._subscription, None
        self._came.clear()
        with suppress(nats.errors.Error, TimeoutError):
            if subscription is not None:
                await subscription.unsubscribe()
            if consumer and not self._lost:
                await self._link.js.delete_consumer(self._store, consumer)

    async def _receive(self, message: Msg) -> None:
        self._came.append(message)
        self._news.set()

    def _lose(self) -> None:
        self._lost = True
        self._news.set()

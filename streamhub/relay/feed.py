"""One stream on its way to JetStream: where it stands there, and the pieces that follow."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import nats.errors
import nats.js.errors

from streamhub.errors import ConfigError
from streamhub.offset import NO_GENERATION, Offset
from streamhub.relay.backoff import Backoff
from streamhub.relay.link import TIMEOUT, reason_of
from streamhub.relay.origin import compare, read_piece
from streamhub.relay.piece import headers_of
from streamhub.relay.subject import subject_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import ThreadPoolExecutor

    from nats.js.api import PubAck

    from streamhub.folder import Folder
    from streamhub.relay.link import Link
    from streamhub.relay.meter import Meter
    from streamhub.relay.origin import Found
    from streamhub.relay.piece import Piece
    from streamhub.relay.store import Store
    from streamhub.tail import Tail

_T = TypeVar("_T")
_log: Final = logging.getLogger("streamhub.relay")

#: JetStream has another last message of the subject than we said.
_WRONG_LAST_SEQUENCE: Final = 10071
#: A stream that differs is compared again when it grows, but not before so many seconds have passed.
_REFUSED: Final = 10.0
#: After so many refusals in a row it is not another pusher's doing.
_STUBBORN: Final = 10


@dataclass(frozen=True)
class Way:
    """What all streams share on their way.

    Attributes:
        link, store, folder, meter: the two ends, and what is counted.
        threads: where files are read.
        slots: how many pieces may be under way at once.
    """

    link: Link
    store: Store
    folder: Folder
    meter: Meter
    threads: ThreadPoolExecutor
    slots: asyncio.Semaphore

    async def read(self, function: Callable[..., _T], *args: Any) -> _T:  # noqa: ANN401 - passed through
        """Run what blocks."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, function, *args)


class Feed:
    """One stream.

    Attributes:
        stream: its id.
        tail: where its file stands; None while it is not watched.
        position: the byte up to which JetStream has it.
        sure: whether that was compared with the file, and is so.
        stopping: whether to end after the piece that is under way.
    """

    def __init__(self, stream: str, way: Way, head: Piece | None) -> None:
        self.stream = stream
        self.tail: Tail | None = None
        self.position = 0
        self.sure = False
        self.stopping = False
        self._way = way
        self._known: list[Piece | None] = [head]  # good for the first comparison
        self._generation = NO_GENERATION
        self._sequence = 0
        self._not_before = 0.0
        self._fruitless = Backoff(least=0.01, most=2.0)

    def doubt(self) -> None:
        """The file may be another one: compare it before going on, and do so soon."""
        self.sure = False
        self._not_before = 0.0

    @property
    def is_done(self) -> bool:
        """Whether JetStream has all there is."""
        look = None if self.tail is None else self.tail.look
        return look is None or (self.sure and self.position >= look.tail)

    async def drain(self) -> None:
        """Publish what there is.

        Raises:
            OSError: the file cannot be read.
        """
        while not (self.is_done or self.stopping):
            if not self.sure and not await self._make_sure():
                break
            await self._advance()
            self._tell_lag()

    async def _advance(self) -> None:
        """Publish the next piece, if there is one."""
        look = None if self.tail is None else self.tail.look
        if look is None or self.position >= look.tail:
            return
        if self._generation == NO_GENERATION:
            self._generation = look.generation
        offset = Offset(self._generation, self.position)
        async with self._way.slots:
            data = await self._way.read(
                read_piece, self._way.folder, self.stream, offset, look.tail, self._way.store.room
            )
            if data is None:
                self._compare_again()  # it was cut or replaced just now; the comparison says what to think of it
            else:
                await self._publish(offset, data)

    async def _make_sure(self) -> bool:
        """Compare the file with JetStream's last piece; whether there is anything to go on with."""
        if self._not_before > asyncio.get_running_loop().time():
            return False
        if not self._fruitless.is_fresh:
            await asyncio.sleep(self._fruitless.next())
        try:
            head = self._known.pop() if self._known else await self._way.store.last(self.stream)
        except ConfigError as error:
            self._refuse(str(error))
            return False
        found = await self._way.read(compare, self._way.folder, self.stream, head)
        if found is None:
            return False
        if found.fault:
            self._refuse(found.fault)
            return False
        self._way.meter.refused.pop(self.stream, None)
        if head is not None:
            self.position = head.end
        elif 0 < self._way.store.max_age < found.age:
            return False  # JetStream had it, and has let go of it: it would do so again
        elif not await self._was_let_go(found):
            self.position = 0
        self._sequence = 0 if head is None else head.sequence
        self._generation = found.generation
        self.sure = True
        self._tell_lag()
        return True

    async def _was_let_go(self, found: Found) -> bool:
        """Whether JetStream had the file up to our position and has let go of it: that is no reason to go back."""
        if not self._sequence or found.generation != self._generation or found.tail < self.position:
            return False
        await self._way.store.ensure()
        return self._way.store.first_sequence > self._sequence

    async def _publish(self, offset: Offset, data: bytes) -> None:
        headers = headers_of(self.stream, offset, data, self._sequence)
        backoff = Backoff()
        while not self.stopping or backoff.is_fresh:
            await self._way.link.ready()
            try:
                ack = await self._send(headers, data)
            except nats.js.errors.NoStreamResponseError:
                reason = "nobody answers for the subject"
                await self._way.store.ensure()
            except (nats.errors.Error, OSError, TimeoutError) as error:
                if getattr(error, "err_code", None) == _WRONG_LAST_SEQUENCE:
                    self._compare_again()
                    return
                reason = reason_of(error)
            else:
                self._acknowledged(ack, data)
                return
            self._way.meter.retries["publish"] += 1
            if backoff.is_fresh:
                _log.warning("cannot publish stream %s, will try again: %s", self.stream, reason)
            await asyncio.sleep(backoff.next())

    async def _send(self, headers: dict[str, str], data: bytes) -> PubAck:
        # Not with the stream that is expected, which mirrors of it would take for themselves, and refuse the message.
        return await self._way.link.js.publish(subject_of(self.stream), data, timeout=TIMEOUT, headers=dict(headers))

    def _acknowledged(self, ack: PubAck, data: bytes) -> None:
        if ack.duplicate:
            self._compare_again()  # a piece with this offset is there, but it may be shorter than this one
            return
        self._sequence = ack.seq
        self.position += len(data)
        self._fruitless.reset()
        self._way.meter.sent(data)

    def _compare_again(self) -> None:
        """JetStream or the file is not as it was thought to be: compare them before going on."""
        if self._fruitless.is_fresh:
            self._fruitless.next()  # the first time at once is soon enough, but it is not to become a loop
        if self._fruitless.tries == _STUBBORN:
            _log.warning("stream %s: JetStream refuses what follows its last message, will try again", self.stream)
        self._way.meter.repeats += 1
        self.sure = False

    def _refuse(self, reason: str) -> None:
        meter = self._way.meter
        self._not_before = asyncio.get_running_loop().time() + _REFUSED
        if meter.refused.get(self.stream) != reason:
            meter.refused[self.stream] = reason
            _log.error("stream %s is not pushed: %s", self.stream, reason)
        meter.behind(self.stream, 0)

    def _tell_lag(self) -> None:
        look = None if self.tail is None else self.tail.look
        self._way.meter.behind(self.stream, 0 if look is None else look.tail - self.position)

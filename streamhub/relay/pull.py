"""``relay pull``: appends what JetStream has to the files of a folder, each byte where it belongs."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, TypeVar

from streamhub.errors import StreamNotFoundError
from streamhub.relay.backoff import Backoff
from streamhub.relay.reader import Reader
from streamhub.relay.start import Lacking, plan
from streamhub.relay.subject import EVERY, subject_of
from streamhub.relay.work import work_unless
from streamhub.stream_id import SUFFIX, id_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamhub.relay.edge import Edge, Outcome
    from streamhub.relay.link import Link
    from streamhub.relay.meter import Meter
    from streamhub.relay.piece import Piece
    from streamhub.relay.store import Store

_T = TypeVar("_T")
_log: Final = logging.getLogger("streamhub.relay")

#: Streams that are read alone at once: each may have a request under way.
_ALONE: Final = 4
#: Streams that are compared in one go.
_CHUNK: Final = 256
#: What was refused is not tried again for so many seconds.
_REFUSED: Final = 60.0


@dataclass(eq=False)
class Copy:
    """A stream that lacks something, or did.

    Attributes:
        stream: its id.
        end: the byte up to which JetStream is known to have it.
        until: the sequence up to which it is to be read alone.
        not_before: when it may be tried again, on the loop's clock.
        task: reads it alone.
        backoff: the waits when the disk refuses.
    """

    stream: str
    end: int = 0
    until: int = 0
    not_before: float = 0.0
    task: asyncio.Task[None] | None = None
    backoff: Backoff = field(default_factory=Backoff)


class Puller:
    """Carries what JetStream has to the files of a folder."""

    def __init__(self, link: Link, store: Store, edge: Edge, meter: Meter) -> None:
        self._link = link
        self._store = store
        self._edge = edge
        self._meter = meter
        self._once = link.settings.once
        self._glob = link.settings.match
        self._thread = ThreadPoolExecutor(1)
        self._slots = asyncio.Semaphore(_ALONE)
        self._copies: dict[str, Copy] = {}
        self._seen: set[str] = set()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Follow JetStream until cancelled; with ``once``, until what was there is written.

        Raises:
            StreamNotFoundError: with ``once``: there is nothing to follow.
            StreamhubError: it cannot go on.
        """
        try:
            await work_unless(self._keep_following(), self._failed, self._link.failed)
        finally:
            await self._close()

    async def _close(self) -> None:
        alone = [copy.task for copy in self._copies.values() if copy.task is not None]
        for task in alone:
            task.cancel()
        await asyncio.gather(*alone, return_exceptions=True)
        self._failed.cancel()
        # What is being written is written to its end.
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)

    async def _keep_following(self) -> None:
        while True:
            await self._store.wait_for()
            try:
                await self._follow()
            except StreamNotFoundError as error:
                if self._once:
                    raise
                _log.warning("%s: starting again from the files", error)
            else:
                return

    async def _follow(self) -> None:
        start = await plan(self._store, await self._compare(await self._store.heads(self._subject)))
        for lack in start.alone:
            self._read_alone(lack.head)
        async with Reader(self._link, self._store.name, self._subject, start.sequence) as reader:
            while not (self._once and await reader.is_done()):
                pieces = await reader.read()
                await self._take(pieces)
                self._meter.pending = reader.pending
                self._meter.foreign = reader.foreign
                if pieces:
                    self._meter.delay = max(0.0, time.time() - pieces[-1].time)
        while alone := [copy.task for copy in self._copies.values() if copy.task is not None]:
            await asyncio.wait(alone)

    @property
    def _subject(self) -> str:
        """The subject of the one stream that is wanted, or of all."""
        return EVERY if id_of(self._glob + SUFFIX) is None else subject_of(self._glob)

    def _wants(self, stream: str) -> bool:
        return self._glob == "*" or fnmatchcase(stream, self._glob)

    async def _compare(self, heads: Sequence[Piece]) -> list[Lacking]:
        """Compare the files with the last pieces; the streams that lack something."""
        lacking = []
        wanted = [head for head in heads if self._wants(head.stream)]
        for first in range(0, len(wanted), _CHUNK):
            some = wanted[first : first + _CHUNK]
            outcomes = await self._run(lambda some=some: [self._edge.compare(head) for head in some])
            for head, outcome in zip(some, outcomes, strict=True):
                self._see(head.stream)
                self._note(head, outcome)
                if outcome.gap and not outcome.fault:
                    lacking.append(Lacking(head, outcome.size))
        return lacking

    async def _take(self, pieces: Sequence[Piece]) -> None:
        """Write what the common reader brought; what does not fit is read alone."""
        wanted = [piece for piece in pieces if self._wants(piece.stream) and self._may_try(piece.stream)]
        if not wanted:
            return
        last = {piece.stream: piece for piece in wanted}
        for outcome in await self._run(self._edge.write, wanted):
            self._see(outcome.stream)
            self._note(last[outcome.stream], outcome)
            if outcome.gap and not outcome.fault:
                self._read_alone(last[outcome.stream])

    def _read_alone(self, upto: Piece) -> None:
        copy = self._copies.setdefault(upto.stream, Copy(upto.stream))
        copy.end, copy.until = max(copy.end, upto.end), max(copy.until, upto.sequence)
        self._start(copy)

    def _start(self, copy: Copy) -> None:
        if copy.task is None and self._may_try(copy.stream):
            copy.task = asyncio.ensure_future(self._catch_up(copy))
            copy.task.add_done_callback(lambda task: self._caught_up(copy, task))

    def _caught_up(self, copy: Copy, task: asyncio.Task[None]) -> None:
        copy.task = None
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not self._failed.done():
            self._failed.set_exception(error)

    async def _catch_up(self, copy: Copy) -> None:
        """Read one stream from its file's own size on."""
        async with self._slots:
            size = await self._run(self._edge.size, copy.stream)
            first = await self._store.locate(copy.stream, max(0, size - 1), self._store.first_sequence, copy.until)
            if first is None:
                self._refuse(copy.stream, f"JetStream has let go of its bytes from {size} on: copy the file by hand")
                return
            async with Reader(self._link, self._store.name, subject_of(copy.stream), first.sequence) as reader:
                await self._read_to_end(copy, reader)

    async def _read_to_end(self, copy: Copy, reader: Reader) -> None:
        while reader.position < copy.until:
            pieces = await reader.read()
            if not pieces:
                if await reader.is_done():
                    return  # what was to come was let go of meanwhile
                continue
            (outcome,) = await self._run(self._edge.write, pieces)
            self._note(pieces[-1], outcome)
            if outcome.gap:
                self._refuse(
                    copy.stream, f"JetStream has let go of its bytes from {outcome.size} on: copy the file by hand"
                )
            if outcome.gap or outcome.fault or outcome.error:
                return

    def _note(self, last: Piece, outcome: Outcome) -> None:
        """Count what became of pieces, of which this was the last."""
        meter = self._meter
        meter.wrote(outcome.written, outcome.lines, outcome.repeats)
        copy = self._copies.get(outcome.stream)
        if outcome.fault:
            self._refuse(outcome.stream, outcome.fault)
        elif outcome.error:
            self._fail(last, outcome.error)
        else:
            if not outcome.gap and meter.refused.pop(outcome.stream, ""):
                _log.info("stream %s fits again", outcome.stream)
            end = max(last.end, 0 if copy is None else copy.end)
            meter.behind(outcome.stream, end - outcome.size, last.time)

    def _refuse(self, stream: str, reason: str) -> None:
        """Leave a stream as it is, and say so."""
        copy = self._copies.setdefault(stream, Copy(stream))
        copy.not_before = asyncio.get_running_loop().time() + _REFUSED
        if self._meter.refused.get(stream) != reason:
            self._meter.refused[stream] = reason
            _log.error("stream %s is refused: %s", stream, reason)
        self._meter.behind(stream, 0)

    def _fail(self, last: Piece, reason: str) -> None:
        """A file cannot be written now: try again later, from where it stands then."""
        copy = self._copies.setdefault(last.stream, Copy(last.stream))
        copy.end, copy.until = max(copy.end, last.end), max(copy.until, last.sequence)
        if self._meter.refused.get(last.stream) != reason:
            self._meter.refused[last.stream] = reason
            _log.warning("stream %s cannot be written, will try again: %s", last.stream, reason)
        if not self._once:
            loop, wait = asyncio.get_running_loop(), copy.backoff.next()
            copy.not_before = loop.time() + wait
            loop.call_at(copy.not_before, self._start, copy)

    def _may_try(self, stream: str) -> bool:
        copy = self._copies.get(stream)
        return copy is None or copy.not_before <= asyncio.get_running_loop().time()

    def _see(self, stream: str) -> None:
        self._seen.add(stream)
        self._meter.streams = len(self._seen)

    async def _run(self, function: Callable[..., _T], *args: Any) -> _T:  # noqa: ANN401 - passed through
        """Run what blocks."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

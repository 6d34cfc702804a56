"""History: lines read from the file in coarse pieces, off the event loop, kept a while for all who pass."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aiofiles.os import wrap

from streamhub.stream import PIECE_BYTES, StreamFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from streamhub.batch import Batch
    from streamhub.folder import Folder
    from streamhub.stream import Look

    _Key = tuple[str, tuple[int, int], str, int]

_T = TypeVar("_T")

#: How many batches are kept, of about 32 KiB of lines each.
KEPT_BATCHES: Final = 96


class History:
    """The past of a folder's streams, as batches that many readers share.

    A batch stays right as long as its file only grows. A file that was cut and grew anew, or that took the inode of
    one that was deleted, may have the same look as before: whoever watches says when to :meth:`forget`.

    Attributes:
        reads: how many pieces were read from files.
        read_bytes: how many bytes those had.
    """

    def __init__(self, folder: Folder, executor: Executor, *, max_line: int, kept: int = KEPT_BATCHES) -> None:
        self.reads = 0
        self.read_bytes = 0
        self._folder = folder
        self._executor = executor
        self._max_line = max_line
        self._kept = kept
        self._batches: OrderedDict[_Key, Batch] = OrderedDict()
        self._reading: dict[_Key, asyncio.Task[Batch]] = {}
        self._closed = threading.Event()

    def close(self) -> None:
        """Break off what is being searched, so that no thread outlives the server by long."""
        self._closed.set()

    async def run(self, function: Callable[..., _T], *args: Any) -> _T:  # noqa: ANN401 - passed through
        """Run something that blocks, off the event loop."""
        result: _T = await wrap(function)(*args, executor=self._executor)
        return result

    async def search(self, function: Callable[..., _T], *args: Any) -> _T:  # noqa: ANN401 - passed through
        """Run what may go through a whole file, off the event loop.

        It is given ``stopped``, to ask between blocks: true once nobody waits for the result any more. A thread that
        goes on for a client who has left is missing to all the others.
        """
        left = threading.Event()

        def stopped() -> bool:
            return left.is_set() or self._closed.is_set()

        try:
            return await self.run(partial(function, *args, stopped=stopped))
        finally:
            left.set()

    def get(self, stream: str, look: Look, start: int) -> Batch | None:
        """The batch that starts at a byte, if it is at hand."""
        key = (stream, look.identity, look.generation, start)
        batch = self._batches.get(key)
        if batch is not None:
            self._batches.move_to_end(key)
        return batch

    def fetch(self, stream: str, look: Look, start: int) -> asyncio.Task[Batch]:
        """Read on from a byte, once for all who wait for it.

        The task gives the batch that starts there. It raises what reading raises: StreamReplacedError,
        StreamNotFoundError, OSError.
        """
        key = (stream, look.identity, look.generation, start)
        task = self._reading.get(key)
        if task is None:
            task = asyncio.create_task(self._fetch(stream, look, start))
            self._reading[key] = task
            task.add_done_callback(lambda task: self._read_done(key, task))
        return task

    def forget(self, stream: str) -> None:
        """A stream was cut, replaced or deleted, or is watched no more: keep nothing of it, nor what is being read."""
        for kept in (self._batches, self._reading):
            for key in [key for key in kept if key[0] == stream]:
                del kept[key]

    async def _fetch(self, stream: str, look: Look, start: int) -> Batch:
        self.reads += 1
        batches = await self.search(self._read, stream, look, start)
        self.read_bytes += batches[-1].end - start
        if self._reading.get((stream, look.identity, look.generation, start)) is asyncio.current_task():
            for batch in batches:
                # One that is there already stays: it holds what others have had encoded.
                self._batches.setdefault((stream, look.identity, look.generation, batch.start), batch)
            while len(self._batches) > self._kept:
                self._batches.popitem(last=False)
        return batches[0]

    def _read_done(self, key: _Key, task: asyncio.Task[Batch]) -> None:
        if self._reading.get(key) is task:
            del self._reading[key]
        if not task.cancelled():
            task.exception()  # those who waited were told; when all of them have left, that is no error

    def _read(self, stream: str, look: Look, start: int, *, stopped: Callable[[], bool]) -> list[Batch]:
        with StreamFile.open(self._folder, stream, self._max_line, stopped) as file:
            same = file.identity() == look.identity and file.generation(look.tail) == look.generation
            if not same or not file.is_line_start(start):
                raise file.replaced()
            return file.read_cells(start, look.tail, PIECE_BYTES, look.generation)

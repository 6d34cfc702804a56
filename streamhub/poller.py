"""Polling off the event loop: one batched call a tick, in a thread of its own, so that a slow disk stalls no socket.

Ticks lie on an absolute grid, since sleeping after the fan-out would add its duration to the period.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet

    from streamhub.tail import Change, Tail
    from streamhub.tailer import Tailer

    Changes = list[tuple[Tail, Change]]
    Names = Mapping[str, int]
    NameWatcher = Callable[[AbstractSet[str], Names], None]

_T = TypeVar("_T")
_log = logging.getLogger("streamhub.poller")

#: A fan-out that takes long is followed by a rest of this share of its time, of so many ticks at the most: what
#: comes meanwhile goes out in one write, and a crowd of clients costs no more than they can take in.
_REST_SHARE: Final = 0.5
_REST_TICKS: Final = 2


class Poller:
    """Runs a tailer, and tells what it found, in order. Belongs to one event loop.

    Args:
        tailer: what looks at the streams; from now on only the poller's thread touches it.
        floor: seconds between ticks.
        tell: called with what each look found.
        rest: called after each tick, when everything was told.
    """

    def __init__(
        self, tailer: Tailer, *, floor: float, tell: Callable[[Changes], None], rest: Callable[[], None]
    ) -> None:
        self._tailer = tailer
        self._floor = floor
        self._tell = tell
        self._rest = rest
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="streamhub-poll")
        self._rested_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._ticking = False
        self._closed = False
        self._name_watchers: set[NameWatcher] = set()
        self._untold: set[NameWatcher] = set()  # those of them that were told nothing yet
        self._names: Names = {}

    async def close(self) -> None:
        """Stop, and give the tailer's descriptors back."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        await self.run(self._tailer.close)
        self._thread.shutdown(wait=False)

    def run(self, function: Callable[..., _T], *args: Any) -> asyncio.Future[_T]:  # noqa: ANN401 - passed through
        """Run something of the tailer's in its thread."""
        return asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    def look(self, poll: Callable[..., Changes], *args: Tail) -> asyncio.Future[Changes]:
        """Look at streams. What is found is told before anybody who awaits it goes on, and though they be cancelled.

        The tailer finds nothing twice: a look that was lost with the client it was made for were a gap for the others.
        """
        return asyncio.shield(self._look(poll, *args))

    def _look(self, poll: Callable[..., Changes], *args: Tail) -> asyncio.Future[Changes]:
        future = self.run(poll, *args)
        future.add_done_callback(self._looked)
        return future

    def glance(self, tail: Tail, then: Callable[[], None]) -> None:
        """Look at a stream's file between its ticks; go on when what was found has been told, unless closed by then."""
        if self._closed:
            return
        self._look(self._tailer.glance, tail).add_done_callback(lambda _poll: self._glanced(then))

    def watch_names(self, tell: NameWatcher) -> None:
        """Have the ids in the folder told, soon and whenever they were read again.

        Args:
            tell: called with the ids that came since it was called before, the first time with all of them; and with
                all that there are, each with its file's inode.
        """
        self._name_watchers.add(tell)
        self._untold.add(tell)
        self.schedule()

    def unwatch_names(self, tell: NameWatcher) -> None:
        """Take :meth:`watch_names` back."""
        self._name_watchers.discard(tell)
        self._untold.discard(tell)

    def schedule(self) -> None:
        """Set the timer to the next tick at which something is due."""
        if self._ticking or self._closed:
            return
        due = math.inf if self._tailer.next_due is None else self._tailer.next_due
        if self._name_watchers:
            due = min(due, self._tailer.next_scan)
        if self._timer is not None and self._timer_at == due:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due < math.inf:
            self._timer_at = due
            # The tick that comes closest takes it, as in the tailer: the one after would be late by nearly a floor, as
            # each look is due a floor after the last one, which began a little after its tick.
            tick = max(round(due / self._floor) * self._floor, self._rested_at)
            self._timer = asyncio.get_running_loop().call_at(tick, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._ticking = True
        self._look(self._poll_due).add_done_callback(self._ticked)

    def _ticked(self, _poll: asyncio.Future[Changes]) -> None:
        self._ticking = False
        if self._closed:
            return
        self._tell_names(self._tailer.names)
        self._rest()
        self.schedule()

    def _tell_names(self, names: Names) -> None:
        before, self._names = self._names, names
        untold, self._untold = self._untold, set()
        came = set() if names is before else names.keys() - before.keys()
        for tell in list(untold if names is before else self._name_watchers):
            try:
                tell(names.keys() if tell in untold else came, names)
            except Exception:  # noqa: BLE001 - one watcher's fault is no reason to leave the others without news
                _log.exception("telling the names in the folder failed")

    def _glanced(self, then: Callable[[], None]) -> None:
        if not self._closed:
            then()

    def _poll_due(self) -> Changes:
        changes = self._tailer.poll_due()
        try:
            return changes + self._tailer.scan()
        except OSError as error:
            _log.warning("cannot read the folder %s, will try again: %s", self._tailer.folder.path, error)
            return changes

    def _looked(self, poll: asyncio.Future[Changes]) -> None:
        if poll.cancelled() or self._closed:
            return
        error = poll.exception()
        if error is not None:
            _log.error("polling failed, will try again", exc_info=error)
        else:
            began = time.monotonic()
            self._tell(poll.result())
            told = time.monotonic()
            self._rested_at = told + min(_REST_SHARE * (told - began), _REST_TICKS * self._floor)
        self.schedule()  # what moved is due sooner than the timer knows

"""Polling: which of the watched streams grew. No inotify: it works on every file system, and copies too.

A stream is looked at again after a sixteenth of the time that it has been quiet, no sooner than the floor and
no later than the ceiling: one that just moved at every tick, one that sleeps once a second. Those that reached
the ceiling are spread over a few slots, each of which has its time: ten thousand of them cost ten thousand cheap
calls a second, in a few portions.

Everything here blocks and belongs to one thread.
"""

from __future__ import annotations

import logging
import os
import resource
import time
from typing import TYPE_CHECKING, Final

from streamhub.tail import Tail

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamhub.folder import Folder
    from streamhub.tail import Change

_log = logging.getLogger("streamhub.tailer")

#: A stream is looked at after this fraction of the time since it last changed.
_AGE_FRACTION: Final = 1 / 16
#: For a crowd of readers a look is cheap beside what it spares them: twice as many of them, looks twice as often.
_CROWD: Final = 64
_MOST_EAGER: Final = 16.0
#: The cold ones are spread over this many slots per ceiling.
_SLOTS: Final = 4
#: Whether the folder's time says that names came or went is asked this often, in seconds.
_HINT: Final = 0.25
#: Without that hint, names are read this often: clocks may stand still. In a large folder they are read less often,
#: five hundred of them a second.
_BLIND_SCAN: Final = 5.0
_BLIND_NAMES: Final = 500.0
_LONGEST_BLIND: Final = 30.0
#: A change so soon after another, in seconds, may leave the folder's time as it was: clocks of files tick.
_CLOCK_TICK: Final = 0.02


class Tailer:
    """The tails of a folder's watched streams, each polled when it is due.

    Attributes:
        tails: the watched streams by id.
        names: the ids in the folder, with their inodes, as of the last scan.
        next_due: when something is to be polled next, on the monotonic clock; None when nothing is watched.
        polls: how many looks at streams there have been.
        seconds: how long they took, together, with the reads of the folder's names.
    """

    def __init__(
        self,
        folder: Folder,
        *,
        max_line: int,
        floor: float,
        ceiling: float,
        max_open: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self.tails: dict[str, Tail] = {}
        self.names: dict[str, int] = {}
        self.polls = 0
        self.seconds = 0.0
        self.next_due: float | None = None
        self._max_line = max_line
        self._floor = floor
        self._ceiling = ceiling
        self._max_open = _descriptor_budget() if max_open is None else max_open
        self._clock = clock
        self._open = 0
        self._hot: dict[Tail, None] = {}
        self._cold: list[dict[Tail, None]] = [{} for _ in range(_SLOTS)]
        self._slot = 0
        self._slot_due = 0.0
        self._scanned_at = 0.0
        self._read_names_at = 0.0
        self._scan_cost = 0.0
        self._folder_changed = -1

    def watch(self, stream: str) -> Tail:
        """Watch a stream, be it there or not, from where it stands now.

        Raises:
            OSError: the descriptors have run out, or the disk failed.
        """
        tail = self.tails.get(stream)
        if tail is None:
            keep_open = self._open < self._max_open
            tail = Tail(self.folder, stream, self._max_line, keep_open=keep_open)
            self._open += keep_open
            self.tails[stream] = tail
            self._warm(tail, self._clock())
        return tail

    def unwatch(self, tail: Tail) -> None:
        """Stop watching a stream."""
        if self.tails.pop(tail.stream, None) is not None:
            self._hot.pop(tail, None)
            for slot in self._cold:
                slot.pop(tail, None)
            self._open -= tail.keeps_open
            tail.close()

    def close(self) -> None:
        """Stop watching all of them."""
        for tail in list(self.tails.values()):
            self.unwatch(tail)

    def poll(self, tail: Tail) -> list[tuple[Tail, Change]]:
        """Look at one stream now, its name as well as its file, whatever the schedule says."""
        changes: list[tuple[Tail, Change]] = []
        now = self._clock()
        self.polls += 1
        self._note(tail, now, tail.verify() or tail.poll(), changes)
        self.seconds += self._clock() - now
        return changes

    def glance(self, tail: Tail) -> list[tuple[Tail, Change]]:
        """Look at one stream's file now, in the place of its next look unless that is far."""
        changes: list[tuple[Tail, Change]] = []
        now, before = self._clock(), tail.due
        if not self._poll(tail, now, changes) and tail in self._hot:
            tail.due = max(tail.due, now + self._floor)
        if self.next_due is None or before <= self.next_due:  # else another one's is next
            self._plan()
        self.seconds += self._clock() - now
        return changes

    def poll_due(self) -> list[tuple[Tail, Change]]:
        """Look at all streams that are due; what happened to which, in order."""
        now = self._clock()
        changes: list[tuple[Tail, Change]] = []
        reached = now + self._floor / 2  # the tick that comes closest to a due time takes it
        for tail in [tail for tail in self._hot if tail.due <= reached]:
            if not self._poll(tail, now, changes):
                self._cool(tail, now)
        while self._slot_due <= reached:
            self._poll_cold(self._cold[self._slot], now, changes)
            self._slot = (self._slot + 1) % _SLOTS
            self._slot_due = max(self._slot_due + self._ceiling / _SLOTS, now - self._ceiling)
        self._plan()
        self.seconds += self._clock() - now
        return changes

    @property
    def next_scan(self) -> float:
        """When the folder's names are to be read next, at the earliest."""
        pause = max(min(self._ceiling, _HINT), 20 * self._scan_cost)
        return self._scanned_at + min(pause, _BLIND_SCAN)  # a machine that is busy makes any reading seem dear

    def scan(self) -> list[tuple[Tail, Change]]:
        """Read the folder's names if it is time to; what happened to streams whose file was replaced, came or went."""
        now = self._clock()
        if now + self._floor / 2 < self.next_scan:  # as in poll_due()
            return []
        self._scanned_at = now
        changed = self.folder.changed_ns()
        blind = min(max(_BLIND_SCAN, len(self.names) / _BLIND_NAMES), _LONGEST_BLIND)
        if changed == self._folder_changed and now < self._read_names_at + blind:
            return []
        settled = abs(time.time() - changed / 1e9) > _CLOCK_TICK
        self.names = self.folder.scan()
        self._read_names_at, self._folder_changed = now, changed if settled else -1
        changes: list[tuple[Tail, Change]] = []
        for stream, tail in self.tails.items():
            inode = None if tail.look is None else tail.look.identity[1]
            if self.names.get(stream) != inode:
                self._verify(tail, now, changes)
        self._scan_cost = self._clock() - now
        self.seconds += self._scan_cost
        self._plan()
        return changes

    def _poll_cold(self, slot: dict[Tail, None], now: float, changes: list[tuple[Tail, Change]]) -> None:
        """The hot loop of ten thousand quiet streams: one system call each, and nothing else."""
        seek, end = os.lseek, os.SEEK_END
        self.polls += len(slot)
        for tail in [tail for tail in slot if tail.fd < 0 or tail.torn or seek(tail.fd, 0, end) != tail.size]:
            self._poll(tail, now, changes)

    def _verify(self, tail: Tail, now: float, changes: list[tuple[Tail, Change]]) -> None:
        try:
            self._note(tail, now, tail.verify(), changes)
        except OSError as error:
            _log.warning("cannot look for stream %s, will try again: %s", tail.stream, error)
            self._folder_changed = -1  # what the others had to tell is told; for this one the names are read again

    def _poll(self, tail: Tail, now: float, changes: list[tuple[Tail, Change]]) -> bool:
        self.polls += 1
        try:
            change = tail.poll()
        except OSError as error:
            _log.warning("cannot look at stream %s, will try again: %s", tail.stream, error)
            change = None
        return self._note(tail, now, change, changes)

    def _note(self, tail: Tail, now: float, change: Change | None, changes: list[tuple[Tail, Change]]) -> bool:
        if change is None:
            return False
        changes.append((tail, change))
        self._heat(tail, now)
        return True

    def _warm(self, tail: Tail, now: float) -> None:
        """It is new here: how often to look at it is guessed from its file's time."""
        self._heat(tail, now)
        if tail.look is not None:
            quiet = min(max(0.0, time.time() - tail.modified), self._ceiling / _AGE_FRACTION)
            tail.active = now - quiet

    def _heat(self, tail: Tail, now: float) -> None:
        """It moved: look again at the next tick."""
        if tail not in self._hot:
            for slot in self._cold:
                slot.pop(tail, None)
            self._hot[tail] = None
        tail.active = now
        tail.due = now if tail.backlog else now + self._floor
        self.next_due = tail.due if self.next_due is None else min(self.next_due, tail.due)

    def _cool(self, tail: Tail, now: float) -> None:
        """It stood still: wait longer, and past the ceiling join the cold ones."""
        eagerness = min(max(1.0, len(tail.audience) / _CROWD), _MOST_EAGER)
        wait = (now - tail.active) * _AGE_FRACTION / eagerness
        if wait < self._ceiling:
            tail.due = now + max(wait, self._floor)
            return
        del self._hot[tail]
        self._cold[min(range(_SLOTS), key=lambda slot: len(self._cold[slot]))][tail] = None

    def _plan(self) -> None:
        dues = [tail.due for tail in self._hot]
        if len(dues) < len(self.tails):
            dues.append(self._slot_due)
        self.next_due = min(dues, default=None)


def _descriptor_budget() -> int:
    """Half of the descriptors this process may have: the other half is for sockets and reads."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 10_000 if soft == resource.RLIM_INFINITY else soft // 2

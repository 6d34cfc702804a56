"""A thread that does what it is given, in order, so that nobody else waits for a disk."""

from __future__ import annotations

import atexit
import contextlib
import logging
import math
import os
import sys
import threading
import time
import weakref
from concurrent.futures import Future, InvalidStateError
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

#: Seconds that the process waits at its end for what is still to be done.
_PATIENCE: Final = 5.0

_log: Final = logging.getLogger("streamhub.emitter")


class Worker:
    """The thread begins with the first job, and ends with the object, or with the process: after what it was given."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin without a thread: at first, and in a forked child, where the parent's is not."""
        self._shift = _Shift()
        self._starting: set[int] = set()
        weakref.finalize(self, self._shift.end).atexit = False

    @property
    def waiting(self) -> int:
        """How many jobs are still to be begun."""
        return self._shift.jobs.qsize()

    def put(self, job: Callable[[], object]) -> None:
        """Have something done; it must not raise."""
        self._shift.jobs.put(job)
        if not self._shift.turn.locked():
            self._start()

    def call(self, job: Callable[[], T]) -> Future[T]:
        """Have something done, and learn what came of it. It is done even if nobody wants to know any more."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                result = job()
            except BaseException as error:  # noqa: BLE001 - it is for whoever waits
                with contextlib.suppress(InvalidStateError):
                    future.set_exception(error)
            else:
                with contextlib.suppress(InvalidStateError):
                    future.set_result(result)

        self.put(run)
        return future

    def _start(self) -> None:
        shift = self._shift
        if _ended.is_set():  # the process ends: threads that are begun now would be cut off
            shift.do_rest()
            return
        caller = threading.get_ident()
        if caller in self._starting:
            return  # a signal handler struck in the middle of this: the thread that is being started does its job, too
        try:
            self._starting.add(caller)
            _remember(shift)
            threading.Thread(target=shift.work, name="streamhub-emitter", daemon=True).start()
        except RuntimeError:  # no thread can be had just now: better a wait for the disk than one for ever
            shift.do_rest()
        finally:
            self._starting.discard(caller)


class _Shift:
    """The jobs of one worker, and whose turn it is to do them: only one thread's at a time, however many begin."""

    def __init__(self) -> None:
        # A queue that may be put to from a signal handler in the middle of a put.
        self.jobs: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self.turn = threading.Lock()

    def end(self) -> None:
        """Have the thread end when it has done what there is; nobody waits for that."""
        self.jobs.put(None)

    def work(self) -> None:
        """Do what comes, up to the end."""
        if not self.turn.acquire(blocking=False):
            return
        try:
            while (job := self.jobs.get()) is not None:
                _do(job)
                del job  # it may hold the last reference to the worker
        finally:
            self.turn.release()
        self.do_rest()

    def do_rest(self, deadline: float = math.inf) -> None:
        """Do what there still is, unless somebody is at it, who then sees to that; begin nothing after the deadline."""
        while not self.jobs.empty() and time.monotonic() < deadline and self.turn.acquire(blocking=False):
            try:
                with contextlib.suppress(Empty):
                    while time.monotonic() < deadline:
                        _do(self.jobs.get_nowait())
            finally:
                self.turn.release()


def _do(job: Callable[[], object] | None) -> None:
    try:
        if job is not None:
            job()
    except BaseException:  # noqa: BLE001 - one job's trouble is no reason to leave the others undone
        with contextlib.suppress(Exception):
            _log.exception("an event could not be written")


#: The shifts that may have something left to do when the process ends.
_running: Final[weakref.WeakSet[_Shift]] = weakref.WeakSet()
#: Set when the process ends.
_ended: Final = threading.Event()
#: The processes, of those that were forked here, that know of it.
_told: Final[set[int]] = set()


def _remember(shift: _Shift) -> None:
    _running.add(shift)
    # A child of multiprocessing does not end as processes do, but has a way of its own to be told.
    util = sys.modules.get("multiprocessing.util")
    if util is not None and os.getpid() not in _told:
        _told.add(os.getpid())
        util.Finalize(None, _finish, exitpriority=0)


def _snapshot() -> list[_Shift]:
    while True:
        try:
            return list(_running)
        except RuntimeError:  # another thread began one meanwhile
            continue


def _finish() -> None:
    """The process ends: wait for what was to be done. What comes from now on is done by whoever brings it."""
    shifts, deadline = _snapshot(), time.monotonic() + _PATIENCE
    _ended.set()
    for shift in shifts:
        shift.end()
    for shift in shifts:
        if shift.turn.acquire(timeout=max(0.0, deadline - time.monotonic())):
            shift.turn.release()
            shift.do_rest(deadline)


atexit.register(_finish)
os.register_at_fork(after_in_child=_running.clear)  # what the parent's threads have left to do is the parent's

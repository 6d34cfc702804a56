"""A thread that does what it is given, in order, so that nobody else waits for a disk."""

from __future__ import annotations

import contextlib
import threading
import weakref
from concurrent.futures import Future, InvalidStateError
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

#: Seconds that the process waits at its end for what is still to be done.
_PATIENCE: Final = 5.0


class Worker:
    """The thread begins with the first job, and ends with stop(), with the object, or with the process."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin without a thread: at first, and in a forked child, where the parent's is not."""
        # A queue that may be put to from a signal handler in the middle of a put.
        self._jobs: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    @property
    def waiting(self) -> int:
        """How many jobs are still to be begun."""
        return self._jobs.qsize()

    def put(self, job: Callable[[], object]) -> None:
        """Have something done; it must not raise."""
        self._jobs.put(job)
        if self._thread is None:
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
        # Whoever finds it locked need not wait, and must not, in a signal handler: the thread that is being started
        # does what is in the queue.
        if not self._starting.acquire(blocking=False):
            return
        try:
            if self._thread is None:
                self._thread = threading.Thread(target=_work, args=(self._jobs,), name="streamhub-emitter", daemon=True)
                self._thread.start()
                weakref.finalize(self, _stop, self._jobs, self._thread)
        finally:
            self._starting.release()


def _work(jobs: SimpleQueue[Callable[[], object] | None]) -> None:
    while (job := jobs.get()) is not None:
        job()
        del job  # it may hold the last reference to what ends this thread


def _stop(jobs: SimpleQueue[Callable[[], object] | None], thread: threading.Thread) -> None:
    jobs.put(None)
    if thread is not threading.current_thread():
        thread.join(_PATIENCE)

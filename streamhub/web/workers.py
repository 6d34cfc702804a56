"""Several processes on one port: each tails for itself, the kernel deals out the connections (``SO_REUSEPORT``).

There is nothing to share: a stream's file is the queue for all of them, and an offset means the same to each.
Their metrics are added up, so that whichever answers a scrape answers for all.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import multiprocessing
import os
import shutil
import signal
import socket
import tempfile
import time
from dataclasses import replace
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Final

from prometheus_client.multiprocess import mark_process_dead

from streamhub.errors import StreamhubError
from streamhub.web.logs import set_up
from streamhub.web.metrics import MULTIPROCESS_DIR
from streamhub.web.server import serve, url_of
from streamhub.web.systemd import Manager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.context import SpawnProcess
    from multiprocessing.synchronize import Semaphore

    from streamhub.config import Config

    Beats = ctypes.Array[ctypes.c_double]

_log = logging.getLogger("streamhub.workers")
_context = multiprocessing.get_context("spawn")

#: How long workers may take to start, and to stop, in seconds: the drain, and no more than we promise in all.
_START: Final = 60.0
STOP: Final = 9.5
#: A worker that dies is replaced after so many seconds.
_PAUSE: Final = 1.0


class Workers:
    """The parent of several workers: starts them, replaces those that die, stops them all."""

    def __init__(self, config: Config, manager: Manager | None = None) -> None:
        self._config = config
        self._ready: Semaphore = _context.Semaphore(0)
        #: When each worker's event loop last turned, on the monotonic clock, which all processes share. Without a lock:
        #: a worker that is killed while it has it would take us all along.
        self._beats: Beats = _context.RawArray(ctypes.c_double, config.workers)
        self._manager = manager or Manager()
        self._workers: list[SpawnProcess] = []
        self._stopping = False

    def run(self, started: Callable[[str], None]) -> None:
        """Serve until SIGTERM or SIGINT; ``started`` is called with the URL once all workers listen.

        Raises:
            OSError: the address cannot be bound.
            StreamhubError: a worker did not start.
        """
        with _metrics_directory(), _reserved(self._config) as port:
            self._config = replace(self._config, port=port)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._stop)
            try:
                self._workers = [self._start(place) for place in range(self._config.workers)]
                self._wait_until_ready()
                if not self._stopping:
                    url = url_of(self._config, port)
                    started(url)
                    self._manager.ready(f"serving {self._config.directory} at {url} with {len(self._workers)} workers")
                self._keep_going()
            finally:
                self._end()

    def _start(self, place: int) -> SpawnProcess:
        self._beats[place] = time.monotonic() + _START
        pulse = Pulse(self._beats, place, self._manager.patience)
        worker = _context.Process(target=_work, args=(self._config, self._ready, pulse), daemon=True)
        worker.start()
        return worker

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START
        missing = len(self._workers)
        while missing and not self._stopping:
            if self._ready.acquire(timeout=0.1):
                missing -= 1
            elif time.monotonic() > deadline or not all(worker.is_alive() for worker in self._workers):
                raise StreamhubError(f"{missing} of {len(self._workers)} workers did not start: see the log above")

    def _keep_going(self) -> None:
        while not self._stopping:
            if time.monotonic() - min(list(self._beats)) < max(self._manager.beat, _PAUSE):
                self._manager.live()  # of one that hangs the manager is to hear nothing, and restart us all
            wait([worker.sentinel for worker in self._workers], timeout=min(_PAUSE, self._manager.beat or _PAUSE))
            for place, worker in enumerate(self._workers):
                if not worker.is_alive() and not self._stopping:
                    _log.error("worker %s ended with %s: starting another", worker.pid, worker.exitcode)
                    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
                    time.sleep(_PAUSE)
                    self._workers[place] = self._start(place)

    def _stop(self, *_signal: object) -> None:
        self._stopping = True
        for worker in self._workers:
            if worker.is_alive():
                worker.terminate()

    def _end(self) -> None:
        self._manager.stopping()
        self._stop()
        deadline = time.monotonic() + STOP
        for worker in self._workers:
            worker.join(max(0.0, deadline - time.monotonic()))
            if worker.is_alive():
                worker.kill()
                worker.join()


class Pulse(Manager):
    """A worker's word to its parent, which speaks for all of them: that its event loop turns."""

    def __init__(self, beats: Beats, place: int, patience: float) -> None:
        super().__init__()
        self.patience = patience
        self._beats = beats
        self._place = place

    def live(self) -> None:
        """The loop turns."""
        self._beats[self._place] = time.monotonic()

    @property
    def beat(self) -> float:
        """Seconds from one sign of life to the next: often enough for the parent's own."""
        return min(_PAUSE, self.patience / 4)


def _work(config: Config, ready: Semaphore, pulse: Pulse) -> None:
    """One worker's life. A signal that comes before it listens ends it at once."""
    set_up(config)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all: the parent passes on SIGTERM
    asyncio.run(_serve(config, ready, pulse))


async def _serve(config: Config, ready: Semaphore, pulse: Pulse) -> None:
    """Serve until told to stop, or until the parent is gone: nobody else would stop us, and the port stayed taken."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    loop = asyncio.get_running_loop()

    def orphaned() -> None:
        loop.remove_reader(parent.sentinel)
        _log.error("the parent of worker %s is gone: stopping", os.getpid())
        signal.raise_signal(signal.SIGTERM)

    loop.add_reader(parent.sentinel, orphaned)
    await serve(config, lambda _url: ready.release(), pulse)
    if not parent.is_alive():
        # Other workers that are still ending have their files open, and lose nothing.
        shutil.rmtree(os.environ[MULTIPROCESS_DIR], ignore_errors=True)


@contextlib.contextmanager
def _metrics_directory() -> Iterator[None]:
    directory = tempfile.mkdtemp(prefix="streamhub-metrics-")
    os.environ[MULTIPROCESS_DIR] = directory
    try:
        yield
    finally:
        del os.environ[MULTIPROCESS_DIR]
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def _reserved(config: Config) -> Iterator[int]:
    """Hold the port without listening on it, so that workers can share one that the kernel chose."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with socket.socket(family, socket.SOCK_STREAM) as probe:  # without sharing: is it somebody else's?
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((config.host, config.port))
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind((config.host, config.port))
        port: int = holder.getsockname()[1]
        yield port

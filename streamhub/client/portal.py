"""An event loop in a thread of its own, for those who have none, or one that must not be touched."""

from __future__ import annotations

import asyncio
import threading
import weakref
from typing import TYPE_CHECKING, Any, TypeVar

from streamhub.errors import StreamhubError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future

T = TypeVar("T")


class Portal:
    """Runs coroutines in its thread, which ends with close(), with the object, or with the process.

    Args:
        farewell: what is done last.
    """

    def __init__(self, farewell: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=_run, args=(self._loop, farewell), name="streamhub-client", daemon=True)
        thread.start()
        self._end = weakref.finalize(self, _stop, self._loop, thread)

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin with something.

        Raises:
            StreamhubError: it is closed.
        """
        if not self._end.alive:
            coroutine.close()
            raise StreamhubError("the client is closed: make a new one")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Do something, and wait for it; when that is interrupted, have it cancelled."""
        future = self.submit(coroutine)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def post(self, function: Callable[[T], None], argument: T) -> None:
        """Have something done, if it is still open."""
        if self._end.alive:
            self._loop.call_soon_threadsafe(function, argument)

    def close(self) -> None:
        """End the thread; the second time do nothing."""
        self._end()


def _run(loop: asyncio.AbstractEventLoop, farewell: Callable[[], Coroutine[Any, Any, None]]) -> None:
    loop.run_forever()
    loop.run_until_complete(farewell())
    loop.run_until_complete(_cancel_all())
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    loop.call_soon_threadsafe(loop.stop)
    if thread is not threading.current_thread():  # the last reference may have been let go of in there
        thread.join()

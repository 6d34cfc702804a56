"""Connections that cannot even be accepted, since the descriptors have run out: that is said, but not for each.

asyncio logs a traceback whenever it tries, and it tries dozens of times in one go: a flood would fill the log.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

_log = logging.getLogger("streamhub.web")

#: What the kernel says when it has no further socket to give.
_SHORT: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
#: It is said once in so many seconds.
_QUIET: Final = 10.0


class Shortage:
    """An event loop's handler of exceptions: it says in one line that no connection can be accepted."""

    def __init__(self) -> None:
        self._failed = 0
        self._quiet_until = 0.0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Say what went wrong; all that is no shortage is left to the loop."""
        error = context.get("exception")
        if "socket" not in context or not isinstance(error, OSError) or error.errno not in _SHORT:
            loop.default_exception_handler(context)
            return
        self._failed += 1
        now = time.monotonic()
        if now >= self._quiet_until:
            _log.error(
                "cannot accept a connection: %s; it failed %d times since this was last said", error, self._failed
            )
            self._failed, self._quiet_until = 0, now + _QUIET


@contextlib.contextmanager
def said_once(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Within the block have a shortage said but once in a while."""
    before = loop.get_exception_handler()
    loop.set_exception_handler(Shortage())
    try:
        yield
    finally:
        loop.set_exception_handler(before)

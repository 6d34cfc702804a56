"""Waiting, without overlooking that whoever reads our output has gone: ``tail -f … | head`` is to end by itself."""

from __future__ import annotations

import select
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket


class OutputClosedError(Exception):
    """Whoever read stdout has enough."""


def pause(seconds: float, until: socket.socket | None = None) -> None:
    """Wait so long, or until there is something to read from a socket.

    Raises:
        OutputClosedError: nobody reads stdout any more.
    """
    poller = select.poll()
    stdout = _stdout()
    if stdout is not None:
        poller.register(stdout, 0)  # a hang-up is reported unasked
    if until is not None:
        poller.register(until, select.POLLIN)
    if stdout is None and until is None:
        time.sleep(seconds)
        return
    for descriptor, what in poller.poll(max(0.0, seconds) * 1000):
        if descriptor == stdout and what & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
            raise OutputClosedError


def _stdout() -> int | None:
    try:
        return sys.stdout.fileno()
    except (AttributeError, ValueError):
        return None  # closed before we started, or no file (io.UnsupportedOperation is a ValueError)

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING

import pytest

from streamhub.cli.pause import OutputClosedError, pause

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def piped() -> Iterator[int]:
    """Within the block stdout is a pipe; gives the end that is read."""
    read, write = os.pipe()
    # In the test's own time: pytest puts its own stdout back between a fixture and the test.
    with open(write, "w", encoding="utf-8") as stdout, contextlib.redirect_stdout(stdout):
        yield read


def test_time_passes() -> None:
    """A pause is as long as was said, as long as somebody reads."""
    with piped() as read:
        began = time.monotonic()
        pause(0.05)
        assert time.monotonic() - began >= 0.049
        pause(-1)
        os.close(read)


def test_nobody_reads() -> None:
    """A pause ends at once when nobody reads stdout any more."""
    with piped() as read:
        os.close(read)
        with pytest.raises(OutputClosedError):
            pause(3600)


def test_something_to_read() -> None:
    """A pause ends when a socket has something to read; but for nobody, nothing is worth to be read."""
    ours, theirs = socket.socketpair()
    with ours, theirs, piped() as read:
        theirs.send(b"x")
        pause(3600, until=ours)
        os.close(read)
        with pytest.raises(OutputClosedError):
            pause(3600, until=theirs)


def test_no_stdout() -> None:
    """A program that was started without a stdout can pause, too."""
    with contextlib.redirect_stdout(None):
        pause(0.001)

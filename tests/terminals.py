"""A terminal for tests: a command runs on it, and what it shows is kept."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: What a terminal must not get from a stream: what begins an escape sequence, rings or erases.
CONTROLS = {*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0))} - {"\r", "\n"}


@dataclass(frozen=True)
class Shown:
    """What a command left on its terminal, and how it ended."""

    code: int
    screen: str


def on_terminal(
    *arguments: str,
    at: str | None = None,
    act: Callable[[subprocess.Popen[bytes]], object] = lambda process: process.send_signal(signal.SIGINT),
    env: Mapping[str, str] | None = None,
) -> Shown:
    """Run a command on a terminal, with no settings but those given.

    Args:
        arguments: its arguments.
        at: once this is shown, ``act``.
        act: what to do then; if nothing is said, what Ctrl-C does.
        env: what it finds in its environment.
    """
    ours, theirs = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR" and "STREAMHUB" not in name}
    with subprocess.Popen(
        [sys.executable, "-m", "streamhub", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**kept, "TERM": "xterm", "COLUMNS": "100", **(env or {})},
    ) as process:
        os.close(theirs)
        watch = threading.Timer(60, process.kill)
        watch.start()
        screen = b""
        with suppress(OSError):  # EIO: nobody has the other end any more
            while data := os.read(ours, 65536):
                screen += data
                if at is not None and at.encode() in screen:
                    act(process)
                    at = None
        code = process.wait()
        watch.cancel()
    os.close(ours)
    return Shown(code, screen.decode())

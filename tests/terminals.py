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

#: What a terminal must not get from a stream: what begins an escape sequence, rings or erases.
CONTROLS = {*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0))} - {"\r", "\n"}


@dataclass(frozen=True)
class Shown:
    """What a command left on its terminal, and how it ended."""

    code: int
    screen: str


def on_terminal(
    *arguments: str, piped: bool = False, interrupt_at: str | None = None, cwd: str | None = None, **env: str
) -> Shown:
    """Run a command on a terminal, with no settings but those given.

    Args:
        arguments: its arguments.
        piped: whether stdout is a pipe that nothing comes of; only stderr is the terminal then.
        interrupt_at: send SIGINT, as Ctrl-C does, once this is shown.
        cwd: where it runs.
        env: what it finds in its environment.
    """
    ours, theirs = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR" and "STREAMHUB" not in name}
    process = subprocess.Popen(
        [sys.executable, "-m", "streamhub", *arguments],
        stdin=theirs,
        stdout=subprocess.DEVNULL if piped else theirs,
        stderr=theirs,
        cwd=cwd,
        env={**kept, "TERM": "xterm", "COLUMNS": "100", **env},
    )
    os.close(theirs)
    watch = threading.Timer(60, process.kill)
    watch.start()
    screen = b""
    with suppress(OSError):  # EIO: nobody has the other end any more
        while data := os.read(ours, 65536):
            screen += data
            if interrupt_at is not None and interrupt_at.encode() in screen:
                process.send_signal(signal.SIGINT)
                interrupt_at = None
    code = process.wait()
    watch.cancel()
    os.close(ours)
    return Shown(code, screen.decode())

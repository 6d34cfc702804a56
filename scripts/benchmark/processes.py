"""Processes that are started, watched and ended by their number."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Self

import psutil

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The folder from which ``python -m benchmark`` works.
SCRIPTS: Final = Path(__file__).resolve().parent.parent
ROOT: Final = SCRIPTS.parent


class BenchError(Exception):
    """A server cannot be measured; the message says why."""


@dataclass(frozen=True)
class Usage:
    """What a process and its children have used.

    Attributes:
        cpu_s: processor seconds, user and system.
        rss: resident bytes, added up.
    """

    cpu_s: float
    rss: int


class Process:
    """A process that is ended when its block is."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._name = Path(command[0]).name
        self._log = log
        with log.open("ab") as stderr:
            self._popen: subprocess.Popen[bytes] = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=_environment(), bufsize=0
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._popen.pid

    @property
    def stdin(self) -> IO[bytes]:
        """Where it reads."""
        assert self._popen.stdin is not None
        return self._popen.stdin

    def line(self) -> str:
        """The next line that it says.

        Raises:
            BenchError: it ended instead.
        """
        assert self._popen.stdout is not None
        line = self._popen.stdout.readline()
        if not line:
            raise self.died()
        return line.decode().strip()

    def died(self) -> BenchError:
        """The error of its end."""
        return BenchError(
            f"{self._name} ended: {self._log.read_text(errors='replace')[-800:].strip() or 'it said nothing'}"
        )

    def wait_for_port(self, port: int) -> None:
        """Wait until it listens.

        Raises:
            BenchError: it ended, or does not listen within ten seconds.
        """
        for _ in range(1000):
            if self._popen.poll() is not None:
                raise self.died()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.01)
        raise BenchError(f"{self._name} does not listen on port {port}")

    def usage(self) -> Usage:
        """What it has used, with its children."""
        cpu, rss = 0.0, 0
        for process in self._family():
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                cpu += times.user + times.system
                rss += process.memory_info().rss
        return Usage(cpu, rss)

    def stop(self) -> None:
        """End it and its children, gently at first."""
        family = self._family()
        with contextlib.suppress(OSError):
            self.stdin.close()
        self._popen.terminate()
        try:
            self._popen.wait(3)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        if self._popen.stdout is not None:
            self._popen.stdout.close()
        for process in family:
            with contextlib.suppress(psutil.Error):  # it has ended already; psutil knows a reused number
                process.kill()

    def _family(self) -> list[psutil.Process]:
        try:
            process = psutil.Process(self.pid)
            return [process, *process.children(recursive=True)]
        except psutil.Error:
            return []


def _environment() -> dict[str, str]:
    """Our own environment, without settings of streamhub, and with the way to this package and to Node's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STREAMHUB_")}
    path = os.pathsep.join(filter(None, (str(SCRIPTS), str(ROOT), kept.get("PYTHONPATH"))))
    return {**kept, "PYTHONPATH": path, "NODE_PATH": str(ROOT / "tests" / "js" / "node_modules")}


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module with our own Python."""
    return [sys.executable, "-m", module, *arguments]


def free_port() -> int:
    """A loopback port on which nobody listens just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

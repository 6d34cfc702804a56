"""What is measured of a relay's ends alone: how fast each carries a backlog, and what it holds meanwhile."""

from __future__ import annotations

import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from benchmark.brokers import jetstream
from benchmark.events import SIZE, events
from benchmark.processes import BenchError, python

if TYPE_CHECKING:
    from benchmark.cases import Figures

_WRITTEN_AT_ONCE: Final = 10_000


@dataclass(frozen=True)
class Backlog:
    """What is to be carried.

    Attributes:
        end: the end that is measured, ``push`` or ``pull``.
        streams: how many there are.
        lines: how many lines each has.
    """

    end: str
    streams: int
    lines: int


#: The ends, each with few long streams (a little more than 1 GiB), and with many of one line: a message for each line.
BACKLOGS: Final = {
    "push": Backlog("push", 4, 1_100_000),
    "pull": Backlog("pull", 4, 1_100_000),
    "push-lone": Backlog("push", 10_000, 1),
    "pull-lone": Backlog("pull", 10_000, 1),
}


def backlog(name: str, *, quick: bool) -> Figures:
    """What one end takes for a backlog, with ``--once``: lines a second, and what it holds at most."""
    what = BACKLOGS[name]
    if quick:
        what = Backlog(what.end, min(what.streams, 500), min(what.lines, 5_000))
    with tempfile.TemporaryDirectory(prefix="streamhub-bench-") as path:
        folder = Path(path)
        for part in ("origin", "edge"):
            (folder / part).mkdir()
        for stream in range(what.streams):
            _write(folder / "origin" / f"s.{stream}.jsonl", what.lines)
        with jetstream(folder) as url:
            pushed = _run("push", folder / "origin", url, what)
            return pushed if what.end == "push" else _run("pull", folder / "edge", url, what)


def _write(path: Path, count: int) -> None:
    with path.open("wb") as file:
        for first in range(0, count, _WRITTEN_AT_ONCE):
            file.write(b"\n".join(events(first, min(_WRITTEN_AT_ONCE, count - first), 0)) + b"\n")


def _run(end: str, folder: Path, url: str, what: Backlog) -> Figures:
    start = time.monotonic()
    command = python("streamhub", "relay", end, "--dir", str(folder), "--nats", url, "--once")
    with psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        peak, cpu = 0, 0.0
        while process.poll() is None:
            try:
                peak = max(peak, process.memory_info().rss)
                times = process.cpu_times()
                cpu = times.user + times.system
            except psutil.Error:
                break
            time.sleep(0.02)
        if process.wait():
            raise BenchError(f"relay {end} ended with {process.returncode}")
    seconds = time.monotonic() - start
    written, count = sum(path.stat().st_size for path in folder.glob("*.jsonl")), what.streams * what.lines
    if written != count * (SIZE + 1):
        raise BenchError(f"incomplete: {written} bytes")
    return {
        "lines_per_s": count / seconds,
        "mib_per_s": written / seconds / 2**20,
        "cpu_s": cpu,
        "peak_mib": peak / 2**20,
    }

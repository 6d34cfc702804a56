"""What is measured of a relay's ends alone: how fast each carries a backlog, and what it holds meanwhile."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from benchmark.brokers import jetstream
from benchmark.events import SIZE, events
from benchmark.processes import BenchError, python

if TYPE_CHECKING:
    from benchmark.cases import Figures

#: Streams that a backlog is spread over.
_STREAMS: Final = 4
_WRITTEN_AT_ONCE: Final = 10_000


def backlog(name: str, *, quick: bool) -> Figures:
    """What one end takes for a backlog, with ``--once``: lines a second, and what it holds at most."""
    count = 20_000 if quick else 4_400_000  # these are a little more than 1 GiB
    with tempfile.TemporaryDirectory(prefix="streamhub-bench-") as path:
        folder = Path(path)
        for part in ("origin", "edge"):
            (folder / part).mkdir()
        _write(folder / "origin", count)
        with jetstream(folder) as url:
            pushed = _run("push", folder / "origin", url, count)
            return _run("pull", folder / "edge", url, count) if name == "pull" else pushed


#: The ends.
ENDS: Final = ("push", "pull")


def _write(folder: Path, count: int) -> None:
    each = count // _STREAMS
    for stream in range(_STREAMS):
        with (folder / f"s.{stream}.jsonl").open("wb") as file:
            for first in range(0, each, _WRITTEN_AT_ONCE):
                lines = events(first, min(_WRITTEN_AT_ONCE, each - first), 0)
                file.write(b"\n".join(lines) + b"\n")


def _run(end: str, folder: Path, url: str, count: int) -> Figures:
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
    written = sum(path.stat().st_size for path in folder.glob("*.jsonl"))
    if written != count // _STREAMS * _STREAMS * (SIZE + 1):
        raise BenchError(f"incomplete: {written} bytes")
    return {
        "lines_per_s": count / seconds,
        "mib_per_s": written / seconds / 2**20,
        "cpu_s": cpu,
        "peak_mib": peak / 2**20,
    }

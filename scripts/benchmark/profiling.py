"""A profile of a server while it is measured, taken by py-spy where that is installed."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.processes import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def profiled(pid: int, file: Path | None) -> Iterator[None]:
    """Record a process's stacks within the block, collapsed, one a line with its count.

    Raises:
        BenchError: py-spy is not installed.
    """
    if file is None:
        yield
        return
    program = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if program is None:
        raise BenchError("py-spy is not installed, and --profile needs it: pip install py-spy")
    file.parent.mkdir(parents=True, exist_ok=True)
    command = [program, "record", "--pid", str(pid), "--format", "raw", "--rate", "200", "--output", str(file)]
    recorder = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert recorder.stdout is not None
    try:
        for line in recorder.stdout:
            if "Sampling" in line:
                break
        yield
    finally:
        recorder.send_signal(signal.SIGINT)
        recorder.communicate(timeout=30)

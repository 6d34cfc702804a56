"""A profile of a server while it is measured, taken by py-spy where that is installed."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.table import Table

from benchmark.processes import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Where a pool's thread waits for work; py-spy takes that for work.
_WAITING: Final = "_worker (concurrent/futures/thread.py"


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


def summary(files: list[Path]) -> Table:
    """Where the time of some profiles went: the functions with the largest share of it, without those they call."""
    own: Counter[str] = Counter()
    for file in files:
        for line in file.read_text().splitlines():
            stack, _, samples = line.rpartition(" ")
            function = stack.rpartition(";")[2]
            if not function.startswith(_WAITING):
                own[function.rpartition(":")[0] or function] += int(samples)
    table = Table(title=f"{files[0].stem.rpartition('-')[0]}: {own.total()} samples", title_justify="left")
    table.add_column("function")
    table.add_column("own time, %", justify="right")
    for function, count in own.most_common(8):
        table.add_row(f"{function})", f"{100 * count / own.total():.1f}")
    return table

"""How far a relay has caught up, for whoever watches it on a terminal."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress

    from streamhub.relay.meter import Meter

#: Seconds between two looks.
_PERIOD: Final = 0.25


@contextmanager
def progress(meter: Meter) -> Iterator[None]:
    """Show on stderr what is still to be carried, if that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=_show, args=(meter, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _show(meter: Meter, stop: threading.Event) -> None:
    bar = _bar()
    task = bar.add_task("catching up", total=None)
    with bar:
        while not stop.wait(_PERIOD):
            lacking = meter.lacking
            bar.update(
                task,
                completed=meter.bytes,
                total=meter.bytes + lacking,
                description="catching up" if lacking else "up to date",
            )


def _bar() -> Progress:
    from rich.console import Console  # noqa: PLC0415 - only whoever has a terminal is to wait for it
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn  # noqa: PLC0415

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=Console(stderr=True),
        transient=True,
    )

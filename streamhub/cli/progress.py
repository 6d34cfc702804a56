"""How far long work has come: a bar on stderr, if there is a terminal, and nothing else is being shown on it."""

from __future__ import annotations

import importlib
import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from streamhub.cli.text import on_terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streamhub.cli.source import Piece

#: Work that is done sooner shows no bar, in seconds.
_PATIENCE: Final = 0.5


class Progress:
    """A bar that begins to be shown when the work has taken a while.

    Args:
        total: how many bytes there are to go through.
        shown: whether there is a place for it.
        patience: seconds of work before which it is not shown.
    """

    def __init__(self, total: int, *, shown: bool, patience: float = _PATIENCE) -> None:
        self._total = total
        self._done = 0
        self._patience = patience
        self._due = time.monotonic() + patience
        self._shown = shown and total > 0
        self._bar: Any = None
        self._task: Any = None

    def track(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        """Pass the pieces of one stream on, and show how far they come."""
        for piece in pieces:
            self.at(piece.next.byte)
            yield piece

    def at(self, byte: int) -> None:
        """The work has come so far in the stream it is at."""
        if not self._shown or (self._bar is None and time.monotonic() < self._due):
            return
        if self._bar is None:
            self._start()
        self._bar.update(self._task, completed=self._done + byte)

    def next(self, size: int) -> None:
        """The work is done with a stream of so many bytes."""
        self._done += size

    def hide(self) -> None:
        """Take the bar away, since something else is to be printed; it comes back when the work goes on for a while."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            self._due = time.monotonic() + self._patience

    def _start(self) -> None:
        # Loaded only now: most work is done before.
        rich = importlib.import_module("rich.progress")
        console = importlib.import_module("rich.console").Console(stderr=True)
        columns = (rich.BarColumn(), rich.DownloadColumn(), rich.TimeRemainingColumn())
        self._bar = rich.Progress(*columns, console=console, transient=True)
        self._task = self._bar.add_task("", total=self._total)
        self._bar.start()


def visible(*, beside: bool) -> bool:
    """Whether there is a place for a bar.

    Args:
        beside: whether something else is printed meanwhile, which must then go elsewhere.
    """
    terminal = bool(sys.stderr) and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return terminal and not (beside and on_terminal())


@contextmanager
def progress(total: int, *, beside: bool, patience: float = _PATIENCE) -> Iterator[Progress]:
    """Show a bar within the block.

    Args:
        total: how many bytes there are to go through.
        beside: whether something else is printed meanwhile: then the bar is shown only if that goes elsewhere.
        patience: seconds of work before which it is not shown.
    """
    bar = Progress(total, shown=visible(beside=beside), patience=patience)
    try:
        yield bar
    finally:
        bar.hide()

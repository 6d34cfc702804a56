"""Tables and other things for people on stdout, as wide as they need to be."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from streamhub.cli.pause import OutputClosedError
from streamhub.cli.text import in_color, printable

_WIDEST: Final = 1000


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to who runs the command: it is no failure."""
        raise OutputClosedError


def console(color: str) -> Console:
    """Stdout, as wide as what is printed takes: half an id is of no use.

    Args:
        color: ``auto``, ``always`` or ``never``.
    """
    colored = in_color(color)
    return _Console(
        width=_WIDEST,
        color_system="standard" if colored else None,
        force_terminal=colored,
        highlight=False,
        emoji=False,
        legacy_windows=False,
    )


def table(*columns: str, right: int = 0) -> Table:
    """A table without lines.

    Args:
        columns: the headings.
        right: how many columns, from the second on, hold numbers.
    """
    made = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        made.add_column(column, no_wrap=True, justify="right" if 0 < number <= right else "left")
    return made


def cell(text: object, style: str = "") -> Text:
    """Text that cannot do harm, nor be taken for markup."""
    return Text(printable(str(text)), style=style)

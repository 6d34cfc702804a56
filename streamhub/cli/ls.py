"""``streamhub ls``: the streams there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click
import msgspec
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from streamhub.cli.options import config_option, source_options
from streamhub.cli.pretty import time_text
from streamhub.cli.text import in_color, on_terminal, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamhub.catalog import Entry
    from streamhub.cli.source import Source

_MISSION_WIDTH: Final = 64
_WIDEST: Final = 1000


@click.command()
@config_option
@source_options
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "tsv", "json"]),
    help="json: an object a line; tsv: id, mission, state, bytes, first, last.  [default: table, or tsv in a pipe]",
)
def ls(source: Source, output: str | None) -> None:
    """List the streams of a folder or of a server, newest activity first."""
    entries = source.entries()
    if output == "table" or (output is None and on_terminal()):
        _print_table(entries)
        return
    form = _json if output == "json" else _tsv
    for entry in entries:
        click.echo(form(entry))


def _json(entry: Entry) -> str:
    return msgspec.json.encode(entry).decode()


def _tsv(entry: Entry) -> str:
    fields = (entry.id, entry.mission_id, _state(entry), str(entry.bytes), entry.first, entry.last)
    return "\t".join(printable(field or "") for field in fields)


def _print_table(entries: Iterable[Entry]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("stream", no_wrap=True)
    table.add_column("mission", no_wrap=True, max_width=_MISSION_WIDTH)
    table.add_column("state")
    table.add_column("size", no_wrap=True, justify="right")
    table.add_column("last event", no_wrap=True)
    for entry in entries:
        cells = (entry.id, entry.mission_id, _state(entry), decimal(entry.bytes), time_text(entry.last))
        table.add_row(*(Text(printable(cell or "")) for cell in cells), style="dim" if entry.closed else "")
    # As wide as it takes: half an id is of no use.
    Console(width=_WIDEST, no_color=not in_color(), highlight=False).print(table)


def _state(entry: Entry) -> str:
    return "closed" if entry.closed else "open"

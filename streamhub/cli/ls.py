"""``streamhub ls``: the streams there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click
import msgspec
from rich.filesize import decimal

from streamhub.cli.help import command
from streamhub.cli.options import color_option, config_option, source_options
from streamhub.cli.pretty import time_text
from streamhub.cli.selection import fits, match_option
from streamhub.cli.table import cell, console, table
from streamhub.cli.text import on_terminal, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamhub.catalog import Entry
    from streamhub.cli.source import Source

_MISSION_WIDTH: Final = 64


@command()
@config_option
@source_options
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "tsv", "json"]),
    help="json: an object a line; tsv: id, mission, state, bytes, first, last.  [default: table, or tsv in a pipe]",
)
@click.option("-q", "--ids", is_flag=True, help="Only the ids.")
@match_option
@click.option("--mission-id", metavar="ID", help="Streams of this mission.")
@color_option
def ls(
    *, source: Source, output: str | None, ids: bool, match: tuple[str, ...], mission_id: str | None, color: str
) -> None:
    r"""List streams, newest activity first.

    \b
      streamhub ls
      streamhub ls -q --match 'team-*'
      streamhub ls --url https://streams.example -o json | jq -r 'select(.closed | not) | .id'
    """
    entries = [
        entry
        for entry in source.entries()
        if (not match or fits(entry.id, match)) and mission_id in {None, entry.mission_id}
    ]
    if ids:
        click.echo("".join(f"{entry.id}\n" for entry in entries), nl=False)
        return
    if output == "table" or (output is None and on_terminal()):
        _print_table(entries, color)
        return
    form = _json if output == "json" else _tsv
    for entry in entries:
        click.echo(form(entry))


def _json(entry: Entry) -> str:
    return msgspec.json.encode(entry).decode()


def _tsv(entry: Entry) -> str:
    fields = (entry.id, entry.mission_id, _state(entry), str(entry.bytes), entry.first, entry.last)
    return "\t".join(printable(field or "") for field in fields)


def _print_table(entries: Iterable[Entry], color: str) -> None:
    rows = table("stream", "mission", "state", "size", "last event")
    rows.columns[1].max_width = _MISSION_WIDTH
    rows.columns[3].justify = "right"
    for entry in entries:
        cells = (entry.id, entry.mission_id or "", _state(entry), decimal(entry.bytes), time_text(entry.last))
        rows.add_row(*map(cell, cells), style="dim" if entry.closed else "")
    console(color).print(rows)


def _state(entry: Entry) -> str:
    return "closed" if entry.closed else "open"

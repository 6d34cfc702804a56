"""``streamhub tail``: a stream's last events, and those to come."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from streamhub.cli.options import config_option, source_options
from streamhub.cli.pretty import pretty
from streamhub.cli.text import in_color, on_terminal, printable_json
from streamhub.errors import InvalidRequestError
from streamhub.seek import FROM_BEGINNING, Start, parse_count, parse_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from streamhub.cli.source import Source

#: As of ``tail`` and ``journalctl -f``.
_LINES = "10"


def _count(ctx: click.Context, param: click.Parameter, text: str | None) -> str | None:
    if text not in {None, "all"}:
        try:
            parse_count("lines", text or "")
        except InvalidRequestError as error:
            raise click.BadParameter(f"{error}, or all", ctx, param) from None
    return text


@click.command()
@config_option
@source_options
@click.argument("stream")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is appended, until the stream is closed.")
@click.option("--wait", is_flag=True, help="With -f: the stream may not be there yet.")
@click.option("-n", "--lines", metavar="N", callback=_count, help=f"The last N events, or all.  [default: {_LINES}]")
@click.option("--offset", metavar="OFFSET", help="From an offset on; -1 is the beginning, now the tail.")
@click.option("--since", metavar="TIME", help="From the first event at or after an ISO 8601 time on.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["json", "pretty"]),
    help="json: the lines as they are; pretty: for people.  [default: pretty on a terminal, else json]",
)
def tail(stream: str, source: Source, output: str | None, *, follow: bool, wait: bool, **place: str | None) -> None:
    """Print the last events of STREAM, from a folder or from a server.

    The time is UTC. With -f it ends when the stream is closed. The stream's lines go to stdout, all else to stderr.
    """
    if wait and not follow:
        raise click.UsageError("--wait waits for a stream to follow: give -f too")
    start = _start(**place)
    pieces = source.follow(stream, start, wait=wait) if follow else source.read(stream, start)
    _show(pieces, _formatter(output))


def _start(lines: str | None, offset: str | None, since: str | None) -> Start:
    if lines is None and offset is None and since is None:
        lines = _LINES
    if lines == "all" and offset is None and since is None:
        return FROM_BEGINNING
    return parse_start(offset, lines, since)


def _formatter(output: str | None) -> Callable[[bytes], bytes]:
    if output == "pretty" or (output is None and on_terminal()):
        color = in_color()
        return lambda line: pretty(line, color=color).encode(errors="backslashreplace")
    if on_terminal():
        return lambda line: printable_json(line.decode(errors="replace")).encode(errors="backslashreplace")
    return bytes


def _show(pieces: Iterable[Sequence[bytes]], form: Callable[[bytes], bytes]) -> None:
    stdout = sys.stdout.buffer
    for lines in pieces:
        data = memoryview(b"".join([form(line) + b"\n" for line in lines]))
        while data:
            data = data[stdout.write(data) :]  # with PYTHONUNBUFFERED there is no buffer that would write it all
        stdout.flush()

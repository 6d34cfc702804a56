"""Lines of streams on stdout: as they are, for programs; or for people, who may sit at a terminal."""

from __future__ import annotations

import functools
import sys
import zlib
from typing import TYPE_CHECKING, Any, Final

import click

from streamhub.cli.options import color_option
from streamhub.cli.pretty import pretty
from streamhub.cli.text import in_color, on_terminal, printable_json
from streamhub.errors import StreamhubError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streamhub.cli.source import Piece
    from streamhub.offset import Offset

_NAME_COLORS: Final = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta", "bright_green")


class Printer:
    """Prints lines to stdout, and where they end to stderr.

    Args:
        output: ``json``, ``pretty`` or ``raw``; None: what suits stdout.
        color: ``auto``, ``always`` or ``never``.
        prefix: whether a line begins with the stream's id; None: when there are several streams, for people.
        show_cursor: whether :meth:`finish` says where the reading ended.

    Attributes:
        raw: whether the file's own bytes are asked for.
        several: whether there are several streams.
    """

    def __init__(
        self, output: str | None, color: str, *, prefix: bool | None = None, show_cursor: bool = False
    ) -> None:
        self.raw = output == "raw"
        self.several = False
        self._pretty = output == "pretty" or (output is None and on_terminal())
        self._color = self._pretty and in_color(color)
        self._form = self._formatter()
        self._prefix = prefix
        self._show_cursor = show_cursor
        self._ends: dict[str, Offset] = {}

    def _formatter(self) -> Callable[[bytes], bytes]:
        if self._pretty:
            return lambda line: pretty(line, color=self._color).encode(errors="backslashreplace")
        if on_terminal() and not self.raw:
            return lambda line: printable_json(line.decode(errors="replace")).encode(errors="backslashreplace")
        return bytes

    def show(self, stream: str, pieces: Iterable[Piece]) -> int:
        """Print the lines of a stream as they come; how many there were."""
        count = 0
        for piece in pieces:
            count += len(piece.lines)
            self.print(stream, piece)
        return count

    def print(self, stream: str, piece: Piece) -> None:
        """Print some lines of a stream."""
        self._ends[stream] = piece.next
        if piece.lines:
            prefix = self.prefix(stream)
            if prefix or self._form is not bytes:
                form = self._form
                write(b"".join([b"%b%b\n" % (prefix, form(line)) for line in piece.lines]))
            else:
                write(b"\n".join([*piece.lines, b""]))

    def prefix(self, stream: str, *, for_programs: bool = False) -> bytes:
        """What stands before a line of a stream; if nobody said, for programs too when they would be lost without."""
        if not (self.several and (self._pretty or for_programs) if self._prefix is None else self._prefix):
            return b""
        color = _NAME_COLORS[zlib.crc32(stream.encode()) % len(_NAME_COLORS)]
        return (click.style(f"{stream}: ", fg=color) if self._color else f"{stream}: ").encode()

    def finish(self) -> None:
        """Say where the reading ended, if that was asked for: what ``--after-cursor`` or an argument takes."""
        if self._show_cursor:
            for stream, end in self._ends.items():
                click.echo(f"-- cursor: {stream}@{end}" if self.several else f"-- cursor: {end}", err=True)


def write(data: bytes) -> None:
    """Write it all to stdout, now.

    Raises:
        StreamhubError: the program was started without one.
    """
    if sys.stdout is None:
        raise StreamhubError("stdout is closed: there is nowhere to print to")
    stdout, rest = sys.stdout.buffer, memoryview(data)
    while rest:
        rest = rest[stdout.write(rest) :]  # with PYTHONUNBUFFERED there is no buffer that would write it all
    stdout.flush()


_cursor_option: Final = click.option(
    "--show-cursor", is_flag=True, help="Say on stderr where to go on with --after-cursor."
)


def output_options(*, cursor: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The options that say how lines are shown; the command gets the ``printer`` that they make.

    Args:
        cursor: whether the command reads on to a place that can be told.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @click.option(
            *("-o", "--output"),
            type=click.Choice(["json", "pretty", "raw"]),
            help="The lines, for people, or the file's bytes.  [default: pretty on a terminal, else json]",
        )
        @color_option
        @click.option(
            "--prefix/--no-prefix", default=None, help="The id before each line.  [default: if several, and pretty]"
        )
        @functools.wraps(command)
        def with_printer(*arguments: Any, output: str | None, color: str, prefix: bool | None, **options: Any) -> None:  # noqa: ANN401
            printer = Printer(output, color, prefix=prefix, show_cursor=options.pop("show_cursor", False))
            try:
                command(*arguments, printer=printer, **options)
            finally:
                printer.finish()

        return _cursor_option(with_printer) if cursor else with_printer

    return decorate

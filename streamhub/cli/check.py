"""``streamhub check``: whether streams are what they should be."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec
from rich.filesize import decimal

from streamhub.audit import KINDS, Audit, Finding, Kind
from streamhub.cli.codes import INTEGRITY, Complaints
from streamhub.cli.help import command
from streamhub.cli.local import LocalSource
from streamhub.cli.options import check_directory, color_option, config_option, directory_option, form_option
from streamhub.cli.output import write
from streamhub.cli.pause import pause
from streamhub.cli.progress import Progress, progress
from streamhub.cli.query import check_lines
from streamhub.cli.selection import check_some, match_option, selected, sizes_of, streams_argument
from streamhub.cli.table import cell, console, table
from streamhub.errors import InvalidEventError
from streamhub.events import decode

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamhub.stream import Look, StreamFile

#: A line that a mission has half written is whole after this many seconds, or it will never be.
_WRITING: Final = 0.2


@dataclass
class _Report:
    """What was found in one stream; of the faults themselves only the first ``most``.

    Attributes:
        tell: takes them as they are found; None: they are kept.
    """

    stream: str
    look: Look
    audit: Audit
    most: float
    tell: Callable[[str], None] | None
    kept: list[Finding] = field(default_factory=list)
    told: int = 0

    def add(self, findings: list[Finding]) -> None:
        """Tell, or keep, what there is room for."""
        some = findings[: int(min(self.most - self.told, len(findings)))]
        self.told += len(some)
        if self.tell is None:
            self.kept += some
        elif some:
            self.tell("".join(map(self._line, some)))

    def finish(self) -> None:
        """Tell how many there were besides."""
        more = self.audit.counts.total() - self.told
        if self.tell is not None and more:
            self.tell(f"{self.stream}: and {more:,} more; -n all shows them\n")

    def as_json(self, kinds: list[Kind]) -> bytes:
        """An object that says it all."""
        counts = {kind.replace("-", "_"): self.audit.counts[kind] for kind in kinds}
        return msgspec.json.encode(
            {
                "id": self.stream,
                "ok": not self.audit.counts,
                "events": self.audit.events,
                "bytes": self.look.tail,
                "closed": self.look.closed,
                **counts,
                "findings": self.kept,
            }
        )

    def _line(self, found: Finding) -> str:
        return f"{self.stream}: {found.kind}: {found.detail}; {found.bytes:,} bytes at {found.offset}\n"


@command()
@config_option
@directory_option
@streams_argument()
@match_option
@click.option("--strict", is_flag=True, help="An event that is not of the schema is a fault, too.")
@click.option(
    "-n", "--lines", "most", metavar="N", default="10", callback=check_lines, help="Faults shown of a stream, or all."
)
@form_option("an object a stream")
@color_option
@click.pass_context
def check(
    ctx: click.Context,
    /,
    *,
    directory: str,
    streams: tuple[str, ...],
    match: tuple[str, ...],
    strict: bool,
    most: str,
    output: str,
    color: str,
) -> None:
    r"""Look for what should not be in a stream.

    All streams are gone through, or those that are named.

    \b
      malformed       a line that is no event: broken off, NUL bytes, no UTF-8, no JSON, too long
      out-of-order    an event that is earlier than one before it
      past-end        a line after the final status
      torn            bytes after the last line that nobody is writing

    \b
      streamhub check
      streamhub check -o json m-42 | jq .findings

    Each is told with its line's offset. Nothing is repaired: streams are immutable. Exit code 4 if anything is found.
    """
    check_directory(ctx, directory)
    shown = float("inf") if most == "all" else int(most)
    kinds = [kind for kind in KINDS if strict or kind != "foreign"]
    complaints, damaged, rows = Complaints(), False, table("stream", "events", "size", *kinds, "", right=2 + len(kinds))
    with closing(LocalSource(directory)) as source:
        subjects = selected(ctx, source, streams, match, all_else=True)
        check_some(subjects, match)
        sizes = sizes_of(source, subjects, complaints, beside=False)
        with progress(sum(sizes.values()), beside=False) as bar:
            for subject, size in sizes.items():
                with complaints.apart(), source.open(subject.stream) as file:
                    audit = Audit(_judge if strict else None)
                    report = _Report(
                        file.stream, file.look(), audit, shown, None if output == "json" else partial(_tell, bar)
                    )
                    _go_through(file, report, bar)
                    damaged |= bool(audit.counts)
                    if output == "json":
                        _tell(bar, report.as_json(kinds).decode() + "\n")
                    else:
                        rows.add_row(*_row(report, kinds))
                bar.next(size)
    if output == "table" and rows.row_count:
        console(color).print(rows)
    ctx.exit(INTEGRITY if damaged else complaints.code)


def _go_through(file: StreamFile, report: _Report, bar: Progress) -> None:
    """Go through a file to its tail; bytes after that are torn if they stay as they are for a while."""
    audit = report.audit
    while True:
        while audit.end < report.look.tail:
            report.add(audit.read_piece(file, report.look))
            bar.at(audit.end)
        size = file.size()
        if size == report.look.tail:
            break
        pause(_WRITING)
        report.look = file.look()
        if report.look.tail == audit.end and file.size() == size:
            report.add([audit.torn(report.look, size)])
            break
    report.finish()


def _tell(bar: Progress, text: str) -> None:
    bar.hide()
    write(text.encode())


def _judge(line: bytes) -> str | None:
    try:
        decode(line)
    except InvalidEventError as error:
        return str(error).removeprefix("the line is no event: ")
    return None


def _row(report: _Report, kinds: list[Kind]) -> list[Any]:
    counts = report.audit.counts
    faults = [cell(f"{counts[kind]:,}", "red" if counts[kind] else "dim") for kind in kinds]
    verdict = cell("damaged", "bold red") if counts else cell("ok", "green")
    return [cell(report.stream), cell(f"{report.audit.events:,}"), cell(decimal(report.look.tail)), *faults, verdict]

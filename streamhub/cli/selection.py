"""Which streams a command is about: those that are named, and those that fit a glob."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

import click

from streamhub.cli.options import complete_stream
from streamhub.cli.progress import visible
from streamhub.cli.query import Subject, parse_subject
from streamhub.errors import StreamNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamhub.cli.codes import Complaints
    from streamhub.cli.source import Source

match_option: Final = click.option(
    "--match", multiple=True, metavar="GLOB", help="Streams whose ids fit, such as 'team-*'; repeatable."
)


def streams_argument(text: str = "[STREAM]...") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The streams that are named, of which there may be none."""
    return click.argument("streams", metavar=text, nargs=-1, shell_complete=complete_stream)


def selected(
    ctx: click.Context, source: Source, streams: Sequence[str], match: Sequence[str], *, all_else: bool = False
) -> list[Subject]:
    """The streams that were named, then those that fit a glob, by id; each once.

    Args:
        ctx: the command.
        source: where they are.
        streams: what was named.
        match: the globs.
        all_else: whether all are meant when nothing was said.

    Raises:
        UsageError: nothing was said, and not all are meant.
        InvalidRequestError: one of those that were named is malformed.
    """
    if not (streams or match or all_else):
        raise click.UsageError("name a stream (streamhub ls lists them), or several by --match GLOB", ctx)
    subjects = {subject.stream: subject for subject in map(parse_subject, streams)}
    if match or not streams:
        for stream in sorted(fitting(source, match or ("*",))):
            subjects.setdefault(stream, Subject(stream))
    return list(subjects.values())


def fitting(source: Source, match: Sequence[str]) -> list[str]:
    """The ids there are that fit one of some globs."""
    return [stream for stream in source.ids() if fits(stream, match)]


def fits(stream: str, match: Sequence[str]) -> bool:
    """Whether an id fits one of some globs."""
    return any(fnmatchcase(stream, glob) for glob in match)


def check_some(subjects: Sequence[Subject], match: Sequence[str]) -> None:
    """See to it that globs found something.

    Raises:
        StreamNotFoundError: they did not.
    """
    if match and not subjects:
        raise StreamNotFoundError(f"no stream fits {' or '.join(map(repr, match))}: see streamhub ls")


def sizes_of(
    source: Source, subjects: Sequence[Subject], complaints: Complaints, *, beside: bool
) -> dict[Subject, int]:
    """How many bytes each of them has, if that will be shown (see :func:`streamhub.cli.progress.visible`); else 0.

    Those that are not there are left out then, and it is said of them.
    """
    if not visible(beside=beside):
        return dict.fromkeys(subjects, 0)
    sizes = {}
    for subject in subjects:
        with complaints.apart():
            sizes[subject] = source.size(subject.stream)
    return sizes

"""Exit codes, and what a command says when it fails, in all or in part."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

from streamhub.cli.text import printable
from streamhub.errors import (
    ConfigError,
    InvalidRequestError,
    OffsetGoneError,
    StreamDiffersError,
    StreamhubError,
    StreamNotFoundError,
    StreamReplacedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
NOT_FOUND: Final = 3
INTEGRITY: Final = 4
#: What a shell gives a program that SIGINT ended.
INTERRUPTED: Final = 130

_CODES: Final = (
    ((ConfigError, InvalidRequestError), USAGE),
    ((StreamNotFoundError,), NOT_FOUND),
    ((OffsetGoneError, StreamDiffersError, StreamReplacedError), INTEGRITY),
)


def code_of(error: Exception) -> int:
    """The exit code of a command that an error ended."""
    return next((code for kinds, code in _CODES if isinstance(error, kinds)), FAILED)


def complain(message: str) -> None:
    """Say on stderr, in one line that cannot do harm, what went wrong."""
    click.echo(f"streamhub: {printable(' '.join(message.split()))}", err=True)


class Complaints:
    """What went wrong with some of several streams, which is no reason to leave the others out.

    Attributes:
        code: the exit code that the command is to end with.
    """

    def __init__(self) -> None:
        self.code = OK

    def add(self, error: StreamhubError | OSError) -> None:
        """Say what went wrong with one of them. It is the first of these that decides on the exit code."""
        complain(str(error))
        self.code = self.code or code_of(error)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Within the block it is one of them that is dealt with."""
        try:
            yield
        except BrokenPipeError:
            raise
        except (StreamhubError, OSError) as error:
            self.add(error)

"""What a server is told that works, and is unwise: said on stderr when it starts, since nobody sees it otherwise."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Characters that a token should have at the least. Of 16 random ones nobody finds one by trying.
_SHORTEST: Final = 16


def cautions(token_file: str, environment: str) -> Iterator[str]:
    """What is to be said of tokens that are good as they stand.

    Args:
        token_file: the file of tokens; empty: none.
        environment: what ``STREAMHUB_TOKEN`` holds.
    """
    if token_file:
        if os.stat(token_file).st_mode & stat.S_IROTH:
            yield f"everybody here can read token file {token_file!r}: chmod 600 it"
        with open(token_file, encoding="ascii") as file:
            yield from _short(file, f"token file {token_file!r}")
    yield from _short(environment.splitlines(), "STREAMHUB_TOKEN")


def _short(lines: Iterable[str], source: str) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if words and len(token := words[0]) < _SHORTEST:
            yield (
                f"{source}, line {number}, has a token of {len(token)} characters, which may be guessed: make one with "
                "python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
            return

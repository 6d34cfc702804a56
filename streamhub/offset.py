"""The offset: an opaque token for a place between two lines of a stream.

``<generation>_<byte>``: eight hex digits that name the file's content, then the byte as sixteen decimal
digits, so that tokens of one stream sort as text and mean the same on every byte-identical copy.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final, NamedTuple

from streamhub.errors import InvalidOffsetError

#: What is hashed of the first line, at most, in bytes.
HEAD_BYTES: Final = 4096
#: The generation of a stream that has no complete line yet.
NO_GENERATION: Final = "00000000"

_TOKEN: Final = re.compile(r"([0-9a-f]{8})_([0-9]{16})", re.ASCII)


class Offset(NamedTuple):
    """A place between two lines: ``byte`` bytes into the file whose first line hashes to ``generation``."""

    generation: str
    byte: int

    def __str__(self) -> str:
        return f"{self.generation}_{self.byte:016d}"


#: The token of an empty stream. It always means the beginning, whatever came later.
ZERO: Final = Offset(NO_GENERATION, 0)
#: The two words that stand for an offset.
BEGINNING: Final = "-1"
NOW: Final = "now"


def parse_offset(token: str) -> Offset:
    """Read a token.

    Raises:
        InvalidOffsetError: it is malformed.
    """
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise InvalidOffsetError(
            f"offset {token[:64]!r} is malformed: use one that the server gave, or -1 (beginning) or now (tail)"
        )
    offset = Offset(match[1], int(match[2]))
    if offset.generation == NO_GENERATION and offset.byte:
        raise InvalidOffsetError(
            f"offset {token!r} is malformed: an empty stream has no byte {offset.byte}; use -1 for the beginning"
        )
    return offset


def generation_of(first_line: bytes) -> str:
    """Name a file's content by its first complete line (without the newline), at most 4,096 bytes of it."""
    digest = hashlib.sha256(first_line[:HEAD_BYTES]).hexdigest()[:8]
    return "00000001" if digest == NO_GENERATION else digest

"""How much an address can name. Pure."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamhub.client.query import Query

#: Bytes of an address, of the 64 KiB that a server takes, for the streams that are wanted.
LONGEST: Final = 48 * 1024


def room_after(query: Query) -> int:
    """How many bytes are left; negative: it is too long."""
    return LONGEST - sum(map(_length, query))


def fitting(parameters: Iterable[tuple[str, str]], room: int) -> Query:
    """As many of the first ones as there is room for."""
    parameters = list(parameters)
    lengths = accumulate(map(_length, parameters))
    return [parameter for parameter, length in zip(parameters, lengths, strict=True) if length <= room]


def _length(parameter: tuple[str, str]) -> int:
    return len(parameter[0]) + len(parameter[1]) + 2

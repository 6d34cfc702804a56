"""Where in the file the lines of one message end. Pure."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final

import msgspec

from streamhub.offset import ZERO, Offset, parse_offset

if TYPE_CHECKING:
    from collections.abc import Sequence

_STAND_IN: Final = b'{"event_type":"malformed","payload":{"offset":"'


class _Told(msgspec.Struct):
    bytes: int


class _StandIn(msgspec.Struct):
    payload: _Told


_decode_stand_in: Final = msgspec.json.Decoder(_StandIn).decode


def ends(lines: Sequence[bytes], start: str | None, stop: str) -> list[str]:
    """For each of the lines between two places the offset after it.

    Where their sizes do not fill the space between, something was left out, and nobody knows where: then it is
    ``start`` for all but the last, or the stream's beginning where not even that is known.

    Args:
        lines: what was delivered.
        start: where the first one was looked for; None: nobody knows.
        stop: where to read on after the last one.
    """
    if not lines:
        return []
    end = parse_offset(stop)
    sums = list(accumulate(map(_size, lines)))
    begin = -1 if start is None else parse_offset(start).byte
    if begin + sums[-1] == end.byte:
        return [*(str(Offset(end.generation, begin + size)) for size in sums[:-1]), stop]
    return [*(start or str(ZERO) for _ in lines[:-1]), stop]


def count_before(lines: Sequence[bytes], start: str, place: str) -> int:
    """How many of the lines that begin at ``start`` end at or before a place, if none were left out between them."""
    begin, stop = parse_offset(start).byte, parse_offset(place).byte
    return sum(begin + size <= stop for size in accumulate(map(_size, lines)))


def _size(line: bytes) -> int:
    """How many bytes of the file a delivered line stands for, its newline included."""
    if line.startswith(_STAND_IN):
        try:
            return _decode_stand_in(line).payload.bytes + 1
        except msgspec.DecodeError:  # it only looks like one
            pass
    return len(line) + 1

"""Where a puller starts to read, so that nothing is missed and little is read twice."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamhub.relay.piece import Piece
    from streamhub.relay.store import Store

#: Up to so many streams are read each by itself.
_FEW: Final = 16
#: So many are asked about at once, once the smallest of a few is known.
_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class Lacking:
    """A stream of which the file here lacks something.

    Attributes:
        head: JetStream's last piece of it.
        size: how large the file is.
    """

    head: Piece
    size: int

    @property
    def bytes(self) -> int:
        """How many bytes are missing."""
        return self.head.end - self.size

    @property
    def last_byte(self) -> int:
        """The last byte that is there: the piece it lies in is read again, to see that they fit."""
        return max(0, self.size - 1)


@dataclass(frozen=True, slots=True)
class Start:
    """Where to start.

    Attributes:
        sequence: where the common reader starts.
        alone: the streams that are read each by itself up to there.
    """

    sequence: int
    alone: Sequence[Lacking] = ()


async def plan(store: Store, lacking: Sequence[Lacking]) -> Start:
    """Decide it; ``store`` was looked at before the heads of the lacking ones were."""
    if len(lacking) <= _FEW:
        return Start(store.last_sequence + 1, lacking)
    if 2 * sum(lack.bytes for lack in lacking) > store.bytes:
        return Start(store.first_sequence)  # most of it is needed: no search could spare much
    return Start(await _smallest(store, lacking))


async def _smallest(store: Store, lacking: Sequence[Lacking]) -> int:
    """The smallest sequence that any of the streams needs.

    In an order left to chance the n-th stream needs a smaller one than all before it in one case of n. So only about
    ln(n) of them are searched for; of all others one message shows that there is no need.
    """
    order = random.sample(lacking, len(lacking))
    smallest, first, count = store.last_sequence + 1, 0, 1
    while first < len(order):
        some = order[first : first + count]
        enough = await asyncio.gather(*(_is_early_enough(store, lack, smallest) for lack in some))
        for lack in (lack for lack, is_enough in zip(some, enough, strict=True) if not is_enough):
            if not await _is_early_enough(store, lack, smallest):  # it may have become smaller since
                smallest = await _search(store, lack, smallest)
        first, count = first + count, min(2 * count, _AT_ONCE)
    return smallest


async def _is_early_enough(store: Store, lack: Lacking, sequence: int) -> bool:
    piece = await store.next(lack.head.stream, sequence)
    return piece is not None and piece.start <= lack.last_byte


async def _search(store: Store, lack: Lacking, below: int) -> int:
    piece = await store.locate(lack.head.stream, lack.last_byte, store.first_sequence, below - 1)
    return below if piece is None else piece.sequence

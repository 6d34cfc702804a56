"""Where a puller starts: nothing that a file lacks is left out, and finding that out costs little."""

from __future__ import annotations

import random

import pytest

from streamhub.offset import Offset
from streamhub.relay.piece import Piece
from streamhub.relay.start import Lacking, plan
from streamhub.relay.store import Store


class Shelf(Store):
    """A store whose messages a test makes up; it counts how often it is asked."""

    def __init__(self, pieces: list[Piece]) -> None:
        self.pieces = pieces
        self.asked = 0
        self.first_sequence = min((piece.sequence for piece in pieces), default=1)
        self.last_sequence = max((piece.sequence for piece in pieces), default=0)
        self.bytes = sum(piece.size for piece in pieces)

    async def next(self, stream: str, sequence: int) -> Piece | None:
        self.asked += 1
        later = (piece for piece in self.pieces if piece.stream == stream and piece.sequence >= sequence)
        return min(later, key=lambda piece: piece.sequence, default=None)


def shelf(streams: int, messages: int, chance: random.Random) -> Shelf:
    """Messages of some streams, mixed; sequences have gaps, as those of retained streams do."""
    ends = dict.fromkeys((f"s{number}" for number in range(streams)), 0)
    pieces, sequence = [], chance.randrange(1, 1000)
    for _ in range(messages):
        stream, size = chance.choice(list(ends)), chance.randrange(1, 50)
        pieces.append(Piece(stream, Offset("deadbeef", ends[stream]), size, "", sequence, 0.0))
        ends[stream] += size
        sequence += chance.choice((1, 1, 1, 5))
    return Shelf(pieces)


@pytest.mark.parametrize("seed", range(20))
async def test_a_place_is_found_by_bisection(seed: int) -> None:
    """The last message that starts at a byte or before it, whatever lies between; none, if it was let go of."""
    chance = random.Random(seed)
    store = shelf(3, 200, chance)
    store.pieces = store.pieces[chance.randrange(100) :]
    for _ in range(30):
        byte = chance.randrange(2000)
        found = await store.locate("s1", byte, store.first_sequence, store.last_sequence)
        fit = [piece for piece in store.pieces if piece.stream == "s1" and piece.start <= byte]
        assert found == (fit[-1] if fit else None)


async def test_few_are_read_alone() -> None:
    """Where few streams lack something the common reader starts behind all there is."""
    store = shelf(40, 400, random.Random(1))
    lacking = [Lacking(piece, 0) for piece in heads(store)[:16]]
    start = await plan(store, lacking)
    assert start.sequence == store.last_sequence + 1
    assert list(start.alone) == lacking
    assert store.asked == 0


async def test_everything_is_read_from_the_beginning() -> None:
    """A new edge, that lacks everything, asks for no message to find that out."""
    store = shelf(40, 400, random.Random(2))
    start = await plan(store, [Lacking(piece, 0) for piece in heads(store)])
    assert start.sequence == store.first_sequence
    assert store.asked == 0


@pytest.mark.parametrize("seed", range(10))
async def test_many_are_read_together(seed: int) -> None:
    """The common reader starts where the first of them needs it, neither later nor earlier."""
    chance = random.Random(seed)
    store = shelf(300, 6000, chance)
    lacking = []
    for head in heads(store):
        own = [piece for piece in store.pieces if piece.stream == head.stream]
        lacking.append(Lacking(head, chance.choice(own[-3:]).start))
    start = await plan(store, lacking)
    needed = min(
        max(
            piece.sequence
            for piece in store.pieces
            if piece.stream == lack.head.stream and piece.start <= max(0, lack.size - 1)
        )
        for lack in lacking
    )
    assert start.sequence == needed
    assert not start.alone
    assert store.asked < 300 + 40 * 14


def heads(store: Shelf) -> list[Piece]:
    """The last message of each stream."""
    return list({piece.stream: piece for piece in store.pieces}.values())

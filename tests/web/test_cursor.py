from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhub.web.cursor import next_cursor

EPOCH = datetime(2024, 10, 9, tzinfo=UTC).timestamp()


def current() -> int:
    """The number of the present interval of 20 seconds since 9 October 2024 (Durable Streams, section 8.1)."""
    return int((time.time() - EPOCH) // 20)


def test_the_present_interval() -> None:
    """Who echoes nothing gets the number of the present interval, the same on every host."""
    before = current()
    assert before <= next_cursor(None) <= current()


@given(st.integers(0, 10**15 - 1))
def test_never_the_one_that_was_echoed(echoed: int) -> None:
    """A cache that has answered for a cursor does not answer for the next one: it always moves on."""
    cursor = next_cursor(str(echoed))
    assert cursor > echoed or (echoed < current() and cursor >= current() - 1)
    assert cursor <= max(echoed, current()) + 180


def test_those_who_echo_the_same_are_spread() -> None:
    """Past the present one it jumps by up to an hour, so that clients in step get out of it."""
    ahead = current() + 1000
    jumps = {next_cursor(str(ahead)) - ahead for _ in range(300)}
    assert min(jumps) >= 1
    assert max(jumps) <= 180
    assert len(jumps) > 30


@pytest.mark.parametrize("echoed", ["", "x", "-5", "1.5", "١٢", "9" * 16, "1e9", " 7"])
def test_nonsense_is_no_cursor(echoed: str) -> None:
    """What is no number that this server could have given is passed over."""
    before = current()
    assert before <= next_cursor(echoed) <= current()

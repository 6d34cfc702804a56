from __future__ import annotations

import pytest

from streamhub.client.backoff import Backoff
from streamhub.errors import UnavailableError

GONE = UnavailableError("gone")


def test_pauses_grow_up_to_the_most() -> None:
    """Each pause is of half to all of twice the one before, and never longer than the most."""
    backoff = Backoff(first=1, most=5)
    for most in (1, 2, 4, 5, 5):
        assert most / 2 <= backoff.failed(GONE) <= most
    for _ in range(2000):
        assert backoff.failed(GONE) <= 5


def test_pauses_are_not_in_step() -> None:
    """Two clients that lost the same server do not come back at the same moment."""
    assert len({Backoff().failed(GONE) for _ in range(10)}) > 1


def test_success_begins_anew() -> None:
    """After a server was there, the next loss is the first one again."""
    backoff = Backoff(first=1, most=100)
    backoff.failed(GONE)
    backoff.failed(GONE)
    backoff.succeeded()
    assert backoff.failed(GONE) <= 1


def test_what_the_server_asks_for_is_the_least() -> None:
    """``Retry-After`` is honoured, even beyond the most."""
    assert Backoff(first=1, most=5).failed(GONE, 30) == 30
    assert Backoff(first=1, most=5).failed(GONE, 0) > 0


def test_patience_ends() -> None:
    """After so many failures in a row the error itself is raised."""
    backoff = Backoff(2)
    backoff.failed(GONE)
    backoff.failed(GONE)
    with pytest.raises(UnavailableError, match="gone"):
        backoff.failed(GONE)

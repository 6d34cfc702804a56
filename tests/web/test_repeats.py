from __future__ import annotations

import pytest

from streamhub.web.repeats import Repeats


class Clock:
    """A clock that a test moves on."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


def ask(repeats: Repeats, asker: str = "a") -> bool:
    """Ask once; whether it was answered."""
    if repeats.refused_for(asker):
        return False
    repeats.answered(asker)
    return True


def test_a_person_is_answered(clock: Clock) -> None:
    """Somebody who asks once a second is answered for ever."""
    repeats = Repeats(burst=3, per_second=1.0, clock=clock)
    for _ in range(100):
        assert ask(repeats)
        clock.now += 1.0


def test_a_burst_is_answered_and_a_loop_refused(clock: Clock) -> None:
    """So many at once, then as many a second as are allowed, however often it asks in between."""
    repeats = Repeats(burst=5, per_second=2.0, clock=clock)
    assert [ask(repeats) for _ in range(8)] == [True] * 5 + [False] * 3
    answered = 0
    for _ in range(1000):
        clock.now += 0.01
        answered += ask(repeats)
    assert 19 <= answered <= 21


def test_how_long_to_stay_away(clock: Clock) -> None:
    """The refusal says after how many seconds it is worth asking again, and then it is answered."""
    for per_second in (1.0, 0.1):
        repeats = Repeats(burst=1, per_second=per_second, clock=clock)
        assert ask(repeats)
        seconds = repeats.refused_for("a")
        assert seconds == round(1 / per_second)
        clock.now += seconds
        assert ask(repeats)


def test_who_stays_away_may_burst_again(clock: Clock) -> None:
    """The bucket fills up to its burst, and no further."""
    repeats = Repeats(burst=4, per_second=1.0, clock=clock)
    while ask(repeats):
        pass
    clock.now += 3600
    assert [ask(repeats) for _ in range(6)] == [True] * 4 + [False] * 2


def test_refusals_do_not_count(clock: Clock) -> None:
    """Being refused makes nothing worse."""
    repeats = Repeats(burst=1, per_second=1.0, clock=clock)
    assert ask(repeats)
    for _ in range(1000):
        assert not ask(repeats)
    clock.now += 1.0
    assert ask(repeats)


def test_askers_do_not_pay_for_each_other(clock: Clock) -> None:
    """Each has a bucket; one that was never told the end is not even looked up."""
    repeats = Repeats(burst=1, per_second=1.0, clock=clock)
    assert ask(repeats, "a")
    assert not ask(repeats, "a")
    assert ask(repeats, "b")
    assert repeats.refused_for("c") == 0


def test_little_is_remembered(clock: Clock) -> None:
    """Ten thousand askers at most, the longest silent forgotten first."""
    repeats = Repeats(burst=1, per_second=1e-9, clock=clock)
    for i in range(10_000):
        ask(repeats, str(i))
    assert not ask(repeats, "0")
    repeats.answered("0")  # heard of again
    ask(repeats, "one more")
    assert len(repeats._askers) == 10_000
    assert not ask(repeats, "0")
    assert ask(repeats, "1")

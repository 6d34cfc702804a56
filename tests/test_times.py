from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhub.filters import time_of
from streamhub.times import EARLIEST, LATEST, iso, micros_of, moment, time_of_stamp
from streamhub.wire import compact

STAMPS = st.one_of(
    st.datetimes().map(datetime.isoformat),
    st.datetimes(timezones=st.just(UTC)).map(lambda time: time.isoformat().replace("+00:00", "Z")),
    st.datetimes(timezones=st.just(timezone(timedelta(hours=2)))).map(lambda time: time.isoformat().replace("+", " ")),
    st.text("0123456789-:T .Z+W,", max_size=30),
    st.text(max_size=10),
    st.sampled_from(["2026-01-31", " 2026-01-31T12:00Z ", "2026-W05-6", "0001-01-01T00:00:00+14:00", ""]),
)


@given(STAMPS)
def test_a_stamp_means_the_same_time_as_for_a_seek(stamp: str) -> None:
    """A timestamp is read like ``since`` reads it, so that counts and seeks agree about every line."""
    assert time_of_stamp(stamp) == time_of(compact({"timestamp": stamp}))


@pytest.mark.parametrize("stamp", [None, 5, 1.5, True, [], {"a": 1}])
def test_what_is_no_text_is_no_time(stamp: Any) -> None:
    """A timestamp that is no string means no time."""
    assert time_of_stamp(stamp) is None


def test_a_stamp_without_zone_is_utc() -> None:
    """No zone means UTC."""
    assert time_of_stamp("2026-01-31T12:00:00") == datetime(2026, 1, 31, 12, tzinfo=UTC)


@given(st.datetimes(timezones=st.just(UTC)))
def test_microseconds_and_back(time: datetime) -> None:
    """A point in time and its microseconds since 1970 say the same, before 1970 too."""
    assert moment(micros_of(time)) == time


def test_moments_that_there_are_not() -> None:
    """What lies before the year 1 or after 9999 becomes the nearest moment there is."""
    assert moment(micros_of(EARLIEST) - 1) == EARLIEST
    assert moment(micros_of(LATEST) + 1) == LATEST
    assert moment(-(2**80)) == EARLIEST
    assert moment(2**80) == LATEST


def test_iso() -> None:
    """A time is written with microseconds and Z."""
    assert iso(datetime(2026, 1, 31, 12, tzinfo=UTC)) == "2026-01-31T12:00:00.000000Z"

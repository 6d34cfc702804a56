"""Times: as a line writes them, as points in time, and as whole microseconds since 1970, UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from streamhub.errors import InvalidRequestError
from streamhub.filters import parse_time

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
LATEST: Final = datetime.max.replace(tzinfo=UTC)


def time_of_stamp(stamp: object) -> datetime | None:
    """The time that a line's timestamp means, the same as for a seek; None when it means none."""
    if not isinstance(stamp, str):
        return None
    try:
        time = datetime.fromisoformat(stamp)  # nearly always enough, and much cheaper
    except ValueError:
        try:
            return parse_time(stamp)
        except (InvalidRequestError, OverflowError):
            return None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def micros_of(time: datetime) -> int:
    """A time in microseconds since 1970."""
    return (time - _EPOCH) // _MICROSECOND


def moment(micros: int) -> datetime:
    """The time so many microseconds after 1970, or the nearest that there is."""
    try:
        return _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        return EARLIEST if micros < 0 else LATEST


def iso(time: datetime) -> str:
    """A time of UTC as emitters write it: with microseconds and ``Z``."""
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")

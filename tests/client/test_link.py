from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from streamhub.client.link import NoSocketError

PROBLEM = {"Content-Type": "application/problem+json; charset=utf-8"}


@pytest.mark.parametrize(
    ("status", "headers", "ours", "passes"),
    [
        (404, PROBLEM, True, False),
        (429, PROBLEM, True, True),
        (503, PROBLEM, True, True),
        (502, {"Content-Type": "text/html"}, False, True),
        (400, {"Content-Type": "text/html"}, False, False),
        (426, PROBLEM, False, False),
        (501, {}, False, False),
        (200, {}, False, False),
    ],
)
def test_who_refuses_a_socket(status: int, headers: dict[str, str], ours: bool, passes: bool) -> None:
    """A server of ours says why, and a proxy that takes the upgrade away makes ours say 426; some of it passes."""
    refusal = NoSocketError(status, headers)
    assert (refusal.ours, refusal.passes) == (ours, passes)


@pytest.mark.parametrize(("text", "seconds"), [("7", 7.0), ("0", 0.0), ("", None), ("soon", None), ("-3", None)])
def test_how_long_to_stay_away(text: str, seconds: float | None) -> None:
    """Seconds, as the server says; nothing when it says nothing that is any."""
    assert NoSocketError(503, {"Retry-After": text}).retry_after == seconds


def test_until_when_to_stay_away() -> None:
    """A date is as good; one that is past means now."""
    for ahead, least, most in ((60, 50, 60), (-60, 0, 0)):
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True)
        seconds = NoSocketError(503, {"Retry-After": date}).retry_after
        assert seconds is not None
        assert least <= seconds <= most

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhub.errors import InvalidEventError
from streamhub.events import Extraction, Navigation, Payload, Signal, Status, line_rest
from streamhub.plain import PlainLines


class Text(str):
    """What is derived from a text may be anything."""

    __slots__ = ()


PLAIN: list[Payload] = [
    Navigation("https://example.com", "click"),
    Navigation("https://example.com/é", "click", "next\npage"),
    Extraction("prices", 0),
    Extraction("prices", 12, "https://example.com", "all"),
    Signal("idle"),
    *(Signal("value", value, "d") for value in ("", "word", True, 7, -0.5, float("nan"))),
]

# Anything that a mission may hand over by mistake, beside what it should.
things = st.one_of(
    st.none(),
    st.text(st.characters(), max_size=5),  # with halves of surrogate pairs
    st.text(max_size=5).map(Text),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.binary(max_size=3),
    st.lists(st.integers(), max_size=2),
    st.builds(object),
)
payloads = st.one_of(
    st.builds(Navigation, things, things, things),
    st.builds(Extraction, things, things, things, things),
    st.builds(Signal, things, things, things),
    st.builds(Status, things, things, things),
    things,
)


@pytest.mark.parametrize("payload", PLAIN)
def test_plain(payload: Payload) -> None:
    """The common events are made into the very lines that line_rest() makes of them."""
    assert PlainLines("m-42 é").rest(payload) == line_rest("m-42 é", payload)


@pytest.mark.parametrize(
    "payload",
    [
        Status("running"),
        Navigation(Text("https://example.com"), "open"),
        Navigation("https://example.com", "open", Text("d")),
        Extraction("prices", True),
        Extraction("prices", 2**60),
        Signal("lone \ud800"),
        Signal("n", 10**5000),
        {"name": "n"},
        None,
    ],
)
def test_left_to_the_other(payload: Any) -> None:
    """What is unusual or wrong is left to line_rest(), and so are statuses."""
    assert PlainLines("m").rest(payload) is None


@given(payloads)
def test_no_line_that_the_other_would_refuse(payload: Any) -> None:
    """Whatever it is given, it raises nothing, and its line is the one that was read back."""
    rest = PlainLines("m").rest(payload)
    if rest is not None:
        assert rest == line_rest("m", payload)


@pytest.mark.parametrize("mission_id", ["", "\ud800", 7, None])
def test_no_mission(mission_id: Any) -> None:
    """An id that no mission can have is refused at once."""
    with pytest.raises(InvalidEventError, match="mission_id"):
        PlainLines(mission_id)

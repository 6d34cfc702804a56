from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhub.tag import Tag, tag_of
from tests import naive
from tests.naive import ODD_LINES

CUT = '"detail":"cut \\ud83d"'


@pytest.mark.parametrize("line", ODD_LINES, ids=range(len(ODD_LINES)))
def test_tag_of(line: bytes) -> None:
    """The tag of a delivered line is what Python's parser sees there, also where a faster one gives up."""
    if line and naive.fault(line, 1024 * 1024) is None:
        event = naive.strict_json(line.decode())
        assert tag_of(line) == Tag(event.get("event_type"), event.get("timestamp"), event.get("mission_id"))


@given(st.binary(max_size=80))
def test_tag_of_noise(noise: bytes) -> None:
    """No bytes at all make it fail."""
    assert isinstance(tag_of(noise), Tag)


values = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5) | st.lists(st.text(max_size=3))


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("event_type", "timestamp", "mission_id"), values)))
def test_half_a_surrogate_pair_elsewhere_changes_nothing(fields: dict[str, Any]) -> None:
    """A line whose text was cut inside a surrogate pair, as JavaScript does it, says what it says without that text."""
    line = json.dumps({**fields, "x": 1})
    assert tag_of(line.replace('"x": 1', CUT).encode()) == tag_of(line.encode()) == Tag(**fields)


@pytest.mark.parametrize("name", ["event_type", "timestamp", "mission_id"])
@pytest.mark.parametrize("text", ["\\ud83d", "2026-01-31\\ud83d12:00:00", "\\ude00\\ud83d"])
def test_half_a_surrogate_pair_in_the_tag(name: str, text: str) -> None:
    """A text that is itself cut says nothing, though it may read as a time: no answer in UTF-8 could carry it."""
    fields = {"event_type": "a", "timestamp": "b", "mission_id": "c"}
    line = json.dumps({**fields, name: "x"}).replace('"x"', f'"{text}"').encode()
    assert tag_of(line) == Tag(**{**fields, name: None})


def test_a_whole_surrogate_pair_in_the_tag() -> None:
    """What is no half is a character like any other, also where the line has a half elsewhere."""
    line = b'{"mission_id":"\\ud83d\\ude00",%s}' % CUT.encode()
    assert tag_of(line).mission_id == "\N{GRINNING FACE}"

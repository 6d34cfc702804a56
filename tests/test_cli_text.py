from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhub.cli.text import printable, printable_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
JOINERS = str.maketrans("", "", "\u200c\u200d")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcödé 日本 🙂", "plain ünïcödé 日本 🙂"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("\x9b2J\x7f", r"\x9b2J\x7f"),
        ("abc\u202edef\u2028", r"abc\u202edef\u2028"),
        ("\ud800", r"\ud800"),
        ("👩\u200d🚀", "👩\u200d🚀"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    """Whatever could steer a terminal, turn the text round or break the line is escaped; all else stays."""
    assert printable(text) == shown


@given(st.text())
def test_printable_always(text: str) -> None:
    """Whatever the text, what is shown of it is printable; but for what joins letters and emoji."""
    assert printable(text).translate(JOINERS).isprintable()


@given(JSON, st.sampled_from([None, 1, "\t"]))
def test_printable_json_means_the_same(value: Any, indent: int | str | None) -> None:
    """JSON can be shown on a terminal without control characters, and still be parsed to the same value."""
    shown = printable_json(json.dumps(value, ensure_ascii=False, indent=indent).replace("\n", "\r"))
    assert shown.translate(JOINERS).isprintable()
    assert json.loads(shown) == value

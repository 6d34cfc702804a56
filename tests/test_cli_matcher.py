from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhub.cli.matcher import Matcher

LINES = [b'{"a":"Timeout"}', b'{"b":"timeout 30"}', b'{"c":""}', '{"d":"Ümlaut"}'.encode()]
PATTERNS = [
    *("timeout", "^", "$", "^.b", "[}]$", r"\}$", "[^x]*", r"\s", r"\bt", r"\B3", "(?:a|b)", "t++", "(?>t+)i", "t*+"),
    *(
        r"\Atime",
        r"\A.",
        r"\}\Z",
        "(?=t)",
        "(?!x)",
        "(?<=:)",
        "(?<!.)",
        "(?i:T)",
        "(?P<x>t).*(?P=x)",
        "a.*b",
        "(?s:a.*b)",
    ),
    *("", "ü", "x", "out.", r"30\W+", r"[\s\S]{16}", "(a)?(?(1)b|c)", "t{2}", "t{0}"),
]


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_as_line_by_line(pattern: str, invert: bool) -> None:
    """An expression finds in many lines what it finds in each of them alone, whatever it looks at around it."""
    matcher = Matcher(pattern, (), regex=True, case_sensitive=False, invert=invert)
    found = re.compile(pattern, re.IGNORECASE)
    for lines in (LINES, LINES[2:], LINES[3:], [], [b"a"], [b"a", b"b"]):
        expected = [line for line in lines if bool(found.search(line.decode())) is not invert]
        assert list(matcher.keep(lines)) == expected


@pytest.mark.filterwarnings("ignore::FutureWarning")
@given(st.text(st.sampled_from("ab\\[]()?+*.^$|{}1,:=!<>PAZ"), max_size=8), st.lists(st.text("ab1", max_size=4)))
def test_whatever_the_expression(pattern: str, texts: list[str]) -> None:
    """The same for any expression there is."""
    try:
        found = re.compile(pattern, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError):
        return
    matcher = Matcher(pattern, (), regex=True, case_sensitive=False, invert=False)
    lines = [text.encode() for text in texts]
    assert list(matcher.keep(lines)) == [line for line in lines if found.search(line.decode())]

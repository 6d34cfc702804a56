from __future__ import annotations

import re
import warnings

import pytest

from streamhub.cli.matcher import Matcher

LINES = [b'{"a":"Timeout"}', b'{"b":"timeout 30"}', b'{"c":""}', '{"d":"Ümlaut"}'.encode()]


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize(
    "pattern", ["timeout", "^", r"\}$", "^.b", r"\bt", "(?:a|b)", r"\A.+b", "(?=t)", "ü", "x", "[[a]"]
)
def test_as_python_does(pattern: str, invert: bool) -> None:
    """An expression finds in a line what Python's finds in its text, and says nothing of what it may mean one day."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        matcher = Matcher(pattern, (), regex=True, case_sensitive=False, invert=invert)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = re.compile(pattern, re.IGNORECASE)
    assert list(matcher.keep(LINES)) == [line for line in LINES if bool(found.search(line.decode())) is not invert]

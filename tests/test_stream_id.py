from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhub.errors import InvalidStreamIdError
from streamhub.stream_id import (
    STREAM_ID_PATTERN,
    SUFFIX,
    check_stream_id,
    file_name,
    id_of,
    new_stream_id,
)

GOOD = ["a", "0", "m-42", "A.b_c-9", "a..b", "a.jsonl", "x" * 128]
BAD = [
    "",
    ".",
    "..",
    "-a",
    "_a",
    ".hidden",
    "a/b",
    "../a",
    "a\\b",
    "a b",
    "a\n",
    "\na",
    "a\x00",
    "a%2f",
    "é",
    "a\u0661",  # a digit to Unicode, not to ASCII
    "\u017f",  # the long s, which ignore-case matching would take for an s
    "x" * 129,
]


@pytest.mark.parametrize("stream_id", GOOD)
def test_good_id(stream_id: str) -> None:
    """A good id comes back as it is, and there and back through its file's name."""
    assert check_stream_id(stream_id) == stream_id
    assert file_name(stream_id) == stream_id + SUFFIX
    assert id_of(file_name(stream_id)) == stream_id


@pytest.mark.parametrize("stream_id", BAD)
def test_bad_id(stream_id: str) -> None:
    """A bad id is refused in one line, and no file name is made of it or read as it."""
    with pytest.raises(InvalidStreamIdError) as caught:
        check_stream_id(stream_id)
    assert "\n" not in str(caught.value)
    with pytest.raises(InvalidStreamIdError):
        file_name(stream_id)
    assert id_of(stream_id + SUFFIX) is None


@pytest.mark.parametrize("value", [None, 5, b"a", ["a"]])
def test_no_text(value: Any) -> None:
    """What is no text is no id either."""
    with pytest.raises(InvalidStreamIdError, match="malformed"):
        check_stream_id(value)


@pytest.mark.parametrize("name", ["a", "a.json", "a.jsonl.gz", "a.JSONL", ".jsonl", "a.jsonl\n", "jsonl"])
def test_foreign_file(name: str) -> None:
    """A file that is not named like a stream is none."""
    assert id_of(name) is None


@given(st.text(max_size=140))
def test_any_text(text: str) -> None:
    """Whatever the text, what passes is ASCII, without a separator, and no name that means something else."""
    try:
        check_stream_id(text)
    except InvalidStreamIdError as error:
        refusal = str(error)
    else:
        refusal = ""
        assert text.isascii()
        assert not set(text) & set("/\\\n\x00 ")
        assert text[0] not in ".-"
    assert refusal.isascii()
    assert refusal.isprintable()


@given(st.from_regex(STREAM_ID_PATTERN, fullmatch=True).filter(str.isascii))
def test_pattern_is_the_rule(text: str) -> None:
    """The published pattern says exactly what is accepted."""
    assert check_stream_id(text) == text


def test_new_id() -> None:
    """A made id is a good one, never made twice, and later ones sort after earlier ones."""
    ids = [new_stream_id() for _ in range(2000)]
    assert len(set(ids)) == len(ids)
    for stream_id in ids:
        check_stream_id(stream_id)
    clocks = [stream_id.split("-")[0] for stream_id in ids]
    assert clocks == sorted(clocks)
    assert re.fullmatch(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{12}", ids[0])

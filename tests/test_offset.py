from __future__ import annotations

import hashlib
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamhub.errors import InvalidOffsetError
from streamhub.offset import BEGINNING, HEAD_BYTES, NOW, ZERO, Offset, generation_of, parse_offset

generations = st.integers(1, 2**32 - 1).map("{:08x}".format)
bytes_in_files = st.integers(0, 10**16 - 1)
offsets = st.builds(Offset, generations, bytes_in_files)

MALFORMED: Final = [
    "",
    "-1",  # a word, not a token
    "now",
    "0",
    "-",
    "_",
    "0123abcd",
    "0123abcd_",
    "_0000000000000042",
    "0123abcd_42",
    "0123abcd_000000000000042",
    "0123abcd_00000000000000042",
    "123abcd_0000000000000042",
    "00123abcd_0000000000000042",
    "0123ABCD_0000000000000042",
    "0123abcg_0000000000000042",
    "0123abcd-0000000000000042",
    "0123abcd_000000000000004a",
    "0123abcd_-000000000000042",
    "0123abcd_+000000000000042",
    "0123abcd_ 000000000000042",
    "0123abcd_0000_00000000042",
    " 0123abcd_0000000000000042",
    "0123abcd_0000000000000042\n",
    "0123abcd_0000000000000042\x00",
    "0123abcd_000000000000004\u0662",  # a digit to Unicode, not to ASCII
    "0123abc\uff44_0000000000000042",  # a full-width d
    "0123abcd_0000000000000042,0123abcd_0000000000000042",
    "00000000_0000000000000001",  # an empty stream has no byte 1
    "00000000_9999999999999999",
    "x" * 100_000,
    "\ud800",
]


@pytest.mark.parametrize("token", MALFORMED, ids=lambda token: ascii(token[:40]))
def test_malformed(token: str) -> None:
    """What is no token is refused in one line that names it and says what to use."""
    with pytest.raises(InvalidOffsetError, match="malformed: ") as caught:
        parse_offset(token)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 250
    assert "-1" in message


@given(offsets)
def test_there_and_back(offset: Offset) -> None:
    """An offset's token reads as that offset."""
    assert parse_offset(str(offset)) == offset


@given(st.one_of(offsets.map(str), st.text(max_size=30), st.from_regex(r"[0-9a-f]{8}_[0-9]{16}\s?", fullmatch=True)))
def test_one_token_for_one_place(text: str) -> None:
    """No two tokens mean one place: what is accepted is what would be printed."""
    try:
        offset = parse_offset(text)
    except InvalidOffsetError as error:
        refusal = str(error)
    else:
        refusal = ""
        assert str(offset) == text
    assert refusal.isprintable()


@given(generations, st.lists(bytes_in_files, max_size=20))
def test_sorts_as_text(generation: str, places: list[int]) -> None:
    """Tokens of one stream sort as text in the order of their places, all after the zero token."""
    tokens = [str(Offset(generation, place)) for place in sorted(places)]
    assert tokens == sorted(tokens)
    assert all(token > str(ZERO) for token in tokens)


def test_form() -> None:
    """A token has eight hex digits, a low line and sixteen decimal digits: safe in addresses and in headers."""
    assert str(Offset("0123abcd", 42)) == "0123abcd_0000000000000042"
    assert parse_offset("0123abcd_0000000000000042") == Offset("0123abcd", 42)
    assert str(Offset("ffffffff", 10**16 - 1)) == "ffffffff_9999999999999999"


def test_zero() -> None:
    """The zero token is an empty stream's; the words for beginning and tail are no tokens."""
    assert str(ZERO) == "00000000_0000000000000000"
    assert parse_offset(str(ZERO)) == ZERO
    assert (BEGINNING, NOW) == ("-1", "now")


@settings(max_examples=200)
@given(st.binary(max_size=100))
def test_generation_of(line: bytes) -> None:
    """The generation is the beginning of the line's SHA-256, and never the empty stream's."""
    generation = generation_of(line)
    assert generation == hashlib.sha256(line).hexdigest()[:8]
    assert parse_offset(str(Offset(generation, 7))).generation == generation


@given(st.integers(HEAD_BYTES - 3, HEAD_BYTES + 3), st.binary(max_size=20))
def test_generation_of_long_line(size: int, more: bytes) -> None:
    """Bytes past the 4,096th do not matter; those before it do."""
    line = b"x" * size + more
    assert generation_of(line) == hashlib.sha256(line[:4096]).hexdigest()[:8]


def test_known_generations() -> None:
    """Copies on other hosts, and other implementations, come to these."""
    assert generation_of(b"") == "e3b0c442"
    assert generation_of(b"{}") == "44136fa3"
    assert generation_of(b"x" * 4096) == generation_of(b"x" * 5000)
    assert generation_of(b"{}\r") != generation_of(b"{}")


class Digest:
    """A hash that begins with some digits: no line is known whose real one begins with eight zeros."""

    def __init__(self, digits: str) -> None:
        self.digits = digits

    def hexdigest(self) -> str:
        """The digits, and then as many as a SHA-256 has."""
        return self.digits.ljust(64, "f")


@pytest.mark.parametrize(
    ("digits", "generation"),
    [("00000000", "00000001"), ("00000001", "00000001"), ("0000000f", "0000000f"), ("10000000", "10000000")],
)
def test_generation_of_zeros(monkeypatch: pytest.MonkeyPatch, digits: str, generation: str) -> None:
    """A first line whose hash begins with zeros is not taken for an empty stream's."""
    monkeypatch.setattr(hashlib, "sha256", lambda _line: Digest(digits))
    assert generation_of(b"{}") == generation

from __future__ import annotations

import pytest

from streamhub.client.places import count_before, ends

START = "0123abcd_0000000000000100"


def place(byte: int) -> str:
    """The token of a byte of the stream."""
    return f"0123abcd_{byte:016d}"


def test_each_line_ends_where_the_next_begins() -> None:
    """Lines that fill the space between two places have their own sizes, newlines included."""
    assert ends([b"{}", b'{"a":1}', b"{}"], START, place(114)) == [place(103), place(111), place(114)]


def test_the_beginning_of_a_stream_has_no_generation() -> None:
    """From the zero offset on, places are of the generation that the stream turned out to have."""
    assert ends([b"{}", b"{}"], "00000000_0000000000000000", place(6)) == [place(3), place(6)]


def test_characters_count_in_bytes() -> None:
    """Places are bytes, whatever they stand for."""
    line = '{"a":"\u2603"}'.encode()
    after = 100 + len(line) + 1
    assert ends([line, b"{}"], START, place(after + 3)) == [place(after), place(after + 3)]


def test_a_stand_in_is_as_long_as_what_it_stands_for() -> None:
    """A malformed line has its size in the file, not that of its stand-in."""
    stand_in = b'{"event_type":"malformed","payload":{"offset":"0123abcd_0000000000000103","bytes":5,"reason":"json"}}'
    assert ends([b"{}", stand_in, b"{}"], START, place(112)) == [place(103), place(109), place(112)]


@pytest.mark.parametrize(
    "look_alike",
    [
        b'{"event_type":"malformed","payload":{"offset":"x"}}',
        b'{"event_type":"malformed","payload":{"offset":"x","bytes":"many"}}',
    ],
)
def test_an_event_that_looks_like_a_stand_in_has_its_own_size(look_alike: bytes) -> None:
    """Whoever writes such an event gets no more than the size that it has."""
    size = len(look_alike) + 1
    assert ends([look_alike, b"{}"], START, place(100 + size + 3)) == [place(100 + size), place(103 + size)]


def test_where_something_was_left_out_it_is_the_place_before() -> None:
    """Nobody knows whether it stood before the first line or after it: to go on there repeats, and loses nothing."""
    assert ends([b"{}", b"{}"], START, place(200)) == [START, place(200)]


def test_from_an_unknown_place_on_it_is_the_beginning() -> None:
    """The last line's end is known all the same."""
    assert ends([b"{}"], None, place(200)) == [place(200)]
    assert ends([b"{}", b"{}"], None, place(200)) == ["00000000_0000000000000000", place(200)]


def test_no_lines() -> None:
    """A message may hold none."""
    assert ends([], START, place(200)) == []


def test_lines_before_a_place() -> None:
    """As many as end there, or before; the one that the place is in comes after it."""
    assert [count_before([b"{}", b"{}", b"{}"], place(3), place(byte)) for byte in (3, 5, 6, 9, 12, 99)] == [
        0,
        0,
        1,
        2,
        3,
        3,
    ]

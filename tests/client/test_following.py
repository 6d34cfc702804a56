from __future__ import annotations

from typing import Any

import pytest

from streamhub.client.following import Batch, Following, Gap, Reset
from streamhub.client.frames import Ended, Frame, Lines, Missed, Opened, Refused, Replaced
from streamhub.client.query import Selection
from streamhub.errors import (
    CapacityError,
    InvalidOffsetError,
    InvalidRequestError,
    InvalidStreamIdError,
    OffsetGoneError,
    StreamNotFoundError,
    StreamReplacedError,
    UnauthorizedError,
)
from streamhub.stream_id import new_stream_id

ZERO = "00000000_0000000000000000"


def place(byte: int) -> str:
    """The token of a byte."""
    return f"0123abcd_{byte:016d}"


def after(following: Following, *frames: Frame) -> Any:
    """What is news of the last of these."""
    news = None
    for frame in frames:
        news = following.take(frame)
    return news


# --- what is asked for ---


@pytest.mark.parametrize(
    ("streams", "options", "query"),
    [
        ("a", {}, [("offset", ZERO), ("stream", "a")]),
        (["a", "b"], {"wait": True}, [("offset", ZERO), ("stream", "a"), ("stream", "b"), ("wait", "1")]),
        ({"a": place(7), "b": "-1", "c": "now"}, {}, [
            ("offset", ZERO), ("stream", f"a@{place(7)}"), ("stream", f"b@{ZERO}"), ("stream", "c@now"),
        ]),
        ((), {"match": "m-*"}, [("offset", ZERO), ("match", "m-*")]),
    ],
)  # fmt: skip
def test_the_first_address(streams: Any, options: dict[str, Any], query: list[tuple[str, str]]) -> None:
    """Streams by name, by name and place, or by globs."""
    assert Following(streams, Selection(), **options).query() == query


@pytest.mark.parametrize(
    ("selection", "query"),
    [
        (Selection(), [("offset", ZERO)]),
        (Selection(offset="-1"), [("offset", ZERO)]),
        (Selection(offset="now"), [("offset", "now")]),
        (Selection(tail=3), [("tail", "3")]),
        (Selection(since="2026-01-01"), [("since", "2026-01-01T00:00:00+00:00")]),
        (
            Selection(event_types=["signal", "status"], contains="x"),
            [("event_type", "signal"), ("event_type", "status"), ("contains", "x"), ("offset", ZERO)],
        ),
    ],
)
def test_which_part(selection: Selection, query: list[tuple[str, str]]) -> None:
    """Where to begin, and which events, as the protocol writes it."""
    assert Following("a", selection).query() == [*query, ("stream", "a")]


def test_later_addresses_go_on() -> None:
    """What was reached is named with its place; what appears from now on is followed from its beginning."""
    following = Following("a", Selection(tail=1, contains="x"), match="b*", wait=True)
    after(following, Opened("a", place(50)), Lines("a", [b"{}"], place(60)), Opened("b1", ZERO))
    assert following.query() == [
        ("contains", "x"),
        ("stream", f"a@{place(60)}"),
        ("stream", f"b1@{ZERO}"),
        ("match", "b*"),
        ("wait", "1"),
    ]


def test_what_is_over_does_not_come_again() -> None:
    """A stream that has ended and matches is named at its tail, where nothing comes; without a glob not at all."""
    following = Following("a", Selection(), match="*")
    after(following, Opened("a", ZERO), Opened("b", ZERO), Ended("b"))
    assert ("stream", "b@now") in following.query()
    following = Following(["a", "b"], Selection())
    after(following, Opened("a", ZERO), Opened("b", ZERO), Ended("b"))
    assert following.query() == [("stream", f"a@{ZERO}")]


def test_what_is_over_and_gone_is_not_named() -> None:
    """A stream that was deleted after its end would be refused; if it is gone on with, it can be over once more."""
    following = Following("a", Selection(), match="*")
    after(following, Opened("a", ZERO), Opened("b", ZERO), Ended("b"), Opened("c", ZERO), Ended("c"))
    following.forget(["b"])
    assert following.past == {"c"}
    assert following.query() == [("stream", f"a@{ZERO}"), ("match", "*"), ("stream", "c@now")]
    assert after(following, Opened("b", ZERO), Lines("b", [b"{}"], place(3))) is None
    following.go_on("b", ZERO)
    after(following, Ended("b"))
    assert following.past == {"b", "c"}


def test_an_address_has_an_end() -> None:
    """However many streams are over, the address stays one that servers take."""
    following = Following((), Selection(), match="*")
    for number in range(5000):
        after(following, Opened(f"{number:0128}", ZERO), Ended(f"{number:0128}"))
    for number in range(600):
        after(following, Opened(f"{number}-{new_stream_id()}", ZERO))
    assert sum(len(name) + len(value) + 2 for name, value in following.query()) < 64_000


def test_more_than_an_address_can_name() -> None:
    """It is refused in words, not by whoever stands between."""
    following = Following([f"{number:0128}" for number in range(1000)], Selection())
    with pytest.raises(InvalidRequestError, match="1000 streams are more than an address can name"):
        following.query()


# --- more streams than an address can name ---


def crowded(selection: Selection, *frames: Frame, start: str = ZERO) -> Following:
    """Follows so many streams that match, each of them longer, that no other one finds room in the address."""
    following = Following((), selection, match="*")
    for number in range(400):
        after(following, Opened(f"{number:0128}", start, ZERO), Lines(f"{number:0128}", [b"{}"], place(1_000_000)))
    after(following, *frames)
    assert not any(value.startswith("few") for _, value in following.query())
    return following


def test_what_has_no_room_comes_again_from_its_beginning() -> None:
    """Those with most to save are named; of another what was had is thrown away, and what is news is told, once."""
    following = crowded(Selection(), Opened("few", ZERO, ZERO), Lines("few", [b"{1}", b"{22}"], place(9)))
    again = Opened("few", place(0), place(18))
    assert after(following, again, Lines("few", [b"{1}"], place(4))) is None
    assert following.offsets["few"] == place(9)
    news = after(following, Lines("few", [b"{22}", b"{333}"], place(15)), Lines("few", [b"{}"], place(18)))
    assert [(item.line, item.offset) for item in news.items] == [(b"{}", place(18))]
    following.query()
    news = after(following, again, Lines("few", [b"{1}", b"{22}", b"{333}", b"{}", b"{4}"], place(22)))
    assert (news.start, [(item.line, item.offset) for item in news.items]) == (place(18), [(b"{4}", place(22))])


def test_what_comes_again_is_counted_where_sizes_do_not_tell() -> None:
    """Where events are left out, those that were had are known by their number."""
    following = crowded(Selection(contains="x"), Opened("few", ZERO, ZERO), Lines("few", [b'"x"', b'"xx"'], place(900)))
    news = after(following, Opened("few", place(0), place(950)), Lines("few", [b'"x"', b'"xx"', b'"xxx"'], place(950)))
    assert [item.line for item in news.items] == [b'"xxx"']


def test_what_was_read_from_its_tail_on_comes_again_too() -> None:
    """Where it was begun does not matter: what stands before the place that was reached was had, or was not wanted."""
    tail = (Opened("few", place(4), place(9)), Lines("few", [b"{22}"], place(9)))
    following = crowded(Selection(tail=1), *tail, start=place(999_997))
    again = [b"{1}", b"{22}", b"{333}"]
    news = after(following, Opened("few", place(0), place(15)), Lines("few", again, place(15)))
    assert [(item.line, item.offset) for item in news.items] == [(b"{333}", place(15))]


@pytest.mark.parametrize("tail", [place(6), "89abcdef_0000000000000100"])
def test_what_comes_again_may_be_another_file(tail: str) -> None:
    """Of another generation, or cut: that is a gap, as for those that are named."""
    following = crowded(Selection(), Opened("few", ZERO, ZERO), Lines("few", [b"{1}", b"{22}"], place(9)))
    beginning = f"{tail[:8]}_{0:016}"
    assert after(following, Opened("few", beginning, tail)) == Gap("few", place(9), beginning)


def test_what_was_kept_may_be_more_than_an_address_can_name() -> None:
    """Places from an earlier run are no trouble where a glob brings the streams; but from the tail on it would not."""
    kept = {f"{number:0128}": place(number) for number in range(1000)}
    following = Following(kept, Selection(), match="*")
    assert ("stream", f"{999:0128}@{place(999)}") in following.query()
    with pytest.raises(InvalidRequestError, match="1000 streams are more"):
        Following(kept, Selection(tail=1), match="*").query()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Following((), Selection()),
        lambda: Selection(offset=ZERO, tail=1),
        lambda: Selection(tail=1, since="2026-01-01"),
        lambda: Selection(tail=-1),
        lambda: Selection(since="yesterday"),
        lambda: Selection(event_types="signal"),
    ],
)
def test_what_cannot_be_asked_for(wrong: Any) -> None:
    """It is refused before anybody is asked."""
    with pytest.raises(InvalidRequestError):
        wrong()


def test_names_and_places_are_checked() -> None:
    """A stream id and an offset are what they must be."""
    with pytest.raises(InvalidStreamIdError):
        Following("../a", Selection())
    with pytest.raises(InvalidOffsetError):
        Following({"a": "7"}, Selection())
    with pytest.raises(InvalidOffsetError):
        Selection(offset="7")


# --- what is said ---


def test_events_come_with_their_places() -> None:
    """Lines are events, each with the place after it; the stream is resumed after the last one."""
    following = Following("a", Selection())
    news = after(following, Opened("a", ZERO), Lines("a", [b"{}", b"{}"], place(6)))
    assert isinstance(news, Batch)
    assert [(item.stream, item.line, item.offset) for item in news.items] == [
        ("a", b"{}", place(3)),
        ("a", b"{}", place(6)),
    ]
    assert news.start == ZERO
    assert following.offsets == {"a": place(6)}


def test_a_search_moves_on_without_events() -> None:
    """Where everything is left out nothing is told, and yet the stream is resumed after that."""
    following = Following("a", Selection(contains="x"))
    assert after(following, Opened("a", ZERO), Lines("a", [], place(6))) is None
    assert following.offsets == {"a": place(6)}


def test_the_end() -> None:
    """When all streams are over nothing more can come; where a glob is followed, something always can."""
    following = Following(["a", "b"], Selection())
    for stream, finished in (("a", False), ("b", True)):
        after(following, Ended(stream))
        assert following.finished is finished
    following = Following("a", Selection(), match="*")
    after(following, Ended("a"))
    assert not following.finished


def test_nothing_more_of_what_is_over() -> None:
    """What a new connection says again of a stream that has ended is not told again."""
    following = Following("a", Selection(), match="*")
    after(following, Opened("a", ZERO), Lines("a", [b"{}"], place(3)), Ended("a"))
    assert after(following, Opened("a", ZERO), Lines("a", [b"{}"], place(3))) is None
    assert after(following, Replaced("a", None)) is None


def test_a_reset_and_a_gap_are_told_apart() -> None:
    """Each says which stream, where it stood, and where what there is now begins."""
    following = Following(["a", "b"], Selection())
    after(following, Opened("a", place(3)), Opened("b", place(6)))
    reset = after(following, Replaced("a", ZERO))
    assert reset == Reset("a", place(3), ZERO)
    assert isinstance(reset.error(), StreamReplacedError)
    gap = after(following, Missed("b", ZERO))
    assert gap == Gap("b", place(6), ZERO)
    assert isinstance(gap.error(), OffsetGoneError)
    assert following.finished
    assert isinstance(Reset("a", place(3), None).error(), StreamNotFoundError)
    assert isinstance(Gap("a", place(3), None).error(), StreamNotFoundError)


def test_going_on_elsewhere() -> None:
    """A stream that was dropped is followed again, from where it is said."""
    following = Following("a", Selection())
    after(following, Opened("a", place(3)), Replaced("a", ZERO))
    following.go_on("a", ZERO)
    assert following.query() == [("stream", f"a@{ZERO}")]
    with pytest.raises(InvalidOffsetError):
        following.go_on("a", "somewhere")


@pytest.mark.parametrize(("code", "error"), [(1013, CapacityError), (4401, UnauthorizedError), (4999, Exception)])
def test_a_refusal(code: int, error: type[Exception]) -> None:
    """What is the client's doing is an error that says so."""
    with pytest.raises(error, match="so it is"):
        Following("a", Selection()).take(Refused(code, "so it is"))

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from streamhub.errors import InvalidRequestError
from streamhub.filters import EVERYTHING, Filter
from streamhub.offset import ZERO, Offset
from streamhub.seek import FROM_BEGINNING, Start
from streamhub.web.query import filter_of, limit_of, match_of, may_wait, names_start, once, start_of

if TYPE_CHECKING:
    from aiohttp import web

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def request(query: str) -> web.Request:
    """A request, as far as its query goes."""
    return cast("web.Request", SimpleNamespace(query=URL(f"http://localhost/?{query}").query))


@pytest.mark.parametrize(
    ("query", "start"),
    [
        ("", FROM_BEGINNING),
        ("offset=-1", FROM_BEGINNING),
        ("offset=now", Start(now=True)),
        ("offset=0123abcd_0000000000000007", Start(offset=Offset("0123abcd", 7))),
        (f"offset={ZERO}", Start(offset=ZERO)),
        ("tail=0", Start(tail=0)),
        ("tail=10", Start(tail=10)),
        ("since=2026-01-31T12:00:00Z", Start(since=NOON)),
        ("since=2026-01-31T12:00:00", Start(since=NOON)),
        ("since=2026-01-31T12", Start(since=NOON)),
        ("since=2026-01-31T14:00:00%2B02:00", Start(since=NOON.astimezone(timezone(timedelta(hours=2))))),
        ("since=2026-01-31T14:00:00+02:00", Start(since=NOON.astimezone(timezone(timedelta(hours=2))))),
        ("since=2026-01-31 12:00:00Z", Start(since=NOON)),
        ("unknown=1&offset=-1&offsets=3", FROM_BEGINNING),
    ],
)
def test_start_of(query: str, start: Start) -> None:
    """Where to start; a plus that a query turned into a space is still a plus."""
    assert start_of(request(query)) == start


@pytest.mark.parametrize(
    "query",
    [
        *(
            "offset=",
            "offset=x",
            "offset=-2",
            "offset=1",
            "offset=now&offset=now",
            "offset=-1&tail=1",
            "tail=",
            "tail=-1",
        ),
        *("tail=1&tail=1", "tail=1&since=2026-01-31", "since=", "since=x", "since=1769860800", "tail=9999999999999999"),
    ],
)
def test_what_is_no_start(query: str) -> None:
    """Malformed, contradictory, or said twice."""
    with pytest.raises(InvalidRequestError):
        start_of(request(query))


@pytest.mark.parametrize("name", ["offset", "tail", "since"])
def test_names_start(name: str) -> None:
    """Any of the three names a start, good or not; nothing else does."""
    assert names_start(request(f"{name}="))
    assert not names_start(request("until=2026-01-31&limit=3"))


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", EVERYTHING),
        ("event_type=&contains=", EVERYTHING),
        ("event_type=status", Filter(frozenset({"status"}))),
        ("event_type=status&event_type=malformed&event_type=", Filter(frozenset({"status", "malformed"}))),
        ("contains=a%20b", Filter(contains="a b")),
        ("until=2026-01-31T12:00:00Z", Filter(until=NOON)),
    ],
)
def test_filter_of(query: str, wanted: Filter) -> None:
    """Which lines; what is empty leaves nothing out."""
    assert filter_of(request(query), until=True) == wanted


def test_until_is_for_polling() -> None:
    """Elsewhere it means nothing, and so cannot be wrong."""
    assert filter_of(request("until=2026-01-31")) == filter_of(request("until=x")) == EVERYTHING


@pytest.mark.parametrize("query", ["until=", "until=x", "until=2026-01-31&until=2026-01-31", "contains=a&contains=b"])
def test_what_is_no_filter(query: str) -> None:
    """Malformed, or said twice, alone or beside another."""
    for more in ("", "&event_type=status"):
        with pytest.raises(InvalidRequestError):
            filter_of(request(query + more), until=True)


def test_limit_of() -> None:
    """A whole number from 1."""
    assert limit_of(request("")) is None
    assert limit_of(request("limit=1")) == 1
    for bad in ("", "0", "-1", "+1", "1.0", "x", "\u0661", "1e3", " 1", "1" * 16, "1&limit=2"):
        with pytest.raises(InvalidRequestError):
            limit_of(request(f"limit={bad}"))


def test_may_wait() -> None:
    """Only who says so waits."""
    assert may_wait(request("wait=1"))
    assert may_wait(request("wait=true"))
    for query in ("", "wait=0", "wait=", "wait=no", "waits=1"):
        assert not may_wait(request(query))


def test_once() -> None:
    """A parameter stands once or not at all; an empty one stands there."""
    query = URL("http://localhost/?a=1&b=&c=1&c=1").query
    assert [once(query, name) for name in ("a", "b", "d")] == ["1", "", None]
    with pytest.raises(InvalidRequestError, match="c is given 2 times"):
        once(query, "c")


@given(
    st.dictionaries(st.sampled_from(["offset", "tail", "since", "until", "limit", "contains"]), st.text(max_size=40))
)
def test_any_text(parameters: dict[str, str]) -> None:
    """Whatever is given, it is understood or refused in one line."""
    anything = cast("web.Request", SimpleNamespace(query=URL("http://localhost/").with_query(parameters).query))
    calls: list[Any] = [start_of, limit_of, lambda given: filter_of(given, until=True)]
    for call in calls:
        refusal = ""
        try:
            call(anything)
        except InvalidRequestError as error:
            refusal = str(error)
        assert refusal.isprintable()


@pytest.mark.parametrize(
    ("glob", "stream", "expected"),
    [
        ("*", "anything", True),
        ("mission-*", "mission-1", True),
        ("mission-*", "Mission-1", False),
        ("mission-?", "mission-12", False),
        ("m[0-9]", "m7", True),
        ("m[!0-9]", "m7", False),
        ("s", "s", True),
        ("s", "ss", False),
        ("[", "s", False),
    ],
)
def test_globs(glob: str, stream: str, expected: bool) -> None:
    """A glob is the shell's, over the whole id, case included."""
    pattern = match_of(request(str(URL.build(query=[("match", "nothing-like-it"), ("match", glob)]))[1:]))
    assert pattern is not None
    assert (pattern.match(stream) is not None) == expected


def test_a_glob_that_is_too_long() -> None:
    """Globs of more than 1,024 characters in all are refused: to prepare a long one takes seconds, for everybody."""
    assert match_of(request(f"match={'*a' * 500}&match={'b' * 24}")) is not None
    with pytest.raises(InvalidRequestError, match="match has 1025 characters: give 1024 at most, in all"):
        match_of(request(f"match={'*a' * 500}&match={'b' * 25}"))


def test_too_many_globs() -> None:
    """More than 16 globs are refused: each id is tried with each. What is empty or comes again counts for nothing."""
    many = "&".join(f"match={number}" for number in range(16))
    assert match_of(request(f"{many}&{many}{'&match=' * 1000}")) is not None
    with pytest.raises(InvalidRequestError, match="match names 17 globs: give 16 at most"):
        match_of(request(f"{many}&match=x"))


@pytest.mark.parametrize("query", ["", "match=", "match=&match="])
def test_no_glob(query: str) -> None:
    """An empty glob, which no id fits, is none."""
    assert match_of(request(query)) is None

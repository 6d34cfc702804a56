from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamhub.catalog import MAX_LIMIT, Catalog, Page, _cursor, _parse_cursor
from streamhub.errors import InvalidRequestError
from streamhub.folder import Folder
from streamhub.offset import generation_of

MAX_LINE = 64 * 1024
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class CountingFolder(Folder):
    """A folder that counts what is done to it, and can refuse to open."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.opened: list[str] = []
        self.asked = 0
        self.scans = 0
        self.refuse: dict[str, int] = {}

    def open(self, stream_id: str) -> int:
        self.opened.append(stream_id)
        if stream_id in self.refuse:
            raise OSError(self.refuse[stream_id], "refused")
        return super().open(stream_id)

    def status(self, stream_id: str) -> os.stat_result | None:
        self.asked += 1
        return super().status(stream_id)

    def scan(self) -> dict[str, int]:
        self.scans += 1
        return super().scan()


class World:
    """A folder of streams, its catalog, and short ways to change the one and ask the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = CountingFolder(str(path))
        self.catalog = Catalog(self.folder, MAX_LINE)

    def write(self, stream: str, *lines: bytes) -> None:
        with (self.path / f"{stream}.jsonl").open("ab") as file:
            file.write(b"".join(lines))

    def ids(self, **how: Any) -> list[str]:
        return [entry.id for entry in self.catalog.page(**how).entries]

    def opened(self) -> list[str]:
        """Which streams were opened since it was last asked."""
        opened, self.folder.opened = self.folder.opened, []
        return sorted(opened)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An empty folder and its catalog."""
    world = World(tmp_path)
    yield world
    world.folder.close()


def event(second: float = 0, mission: str = "m", **payload: Any) -> bytes:
    """A status event so many seconds after noon, as a line."""
    stamp = (NOON + timedelta(seconds=second)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    fields = {"timestamp": stamp, "mission_id": mission, "event_type": "status", "payload": payload}
    return json.dumps(fields).encode() + b"\n"


def walk(catalog: Catalog, **how: Any) -> list[str]:
    """The ids on all pages, one after the other."""
    found: list[str] = []
    after: str | None = None
    while True:
        page = catalog.page(after=after, **how)
        found += [entry.id for entry in page.entries]
        after = page.next
        if after is None:
            return found


def test_an_entry_says_where_the_stream_stands(world: World) -> None:
    """Each entry has the id, mission, tail token, bytes of complete lines, first and last time, and closed."""
    lines = [event(0), event(1), event(2, state="completed", final=True)]
    world.write("a", *lines, b'{"torn')
    size = sum(map(len, lines))
    page = world.catalog.page()
    assert json.loads(page.body) == {
        "streams": [
            {
                "id": "a",
                "mission_id": "m",
                "tail": f"{generation_of(lines[0][:-1])}_{size:016d}",
                "bytes": size,
                "first": "2026-01-31T12:00:00.000000Z",
                "last": "2026-01-31T12:00:02.000000Z",
                "closed": True,
            }
        ],
        "next": None,
    }
    assert msgspec.json.decode(msgspec.json.encode(page.entries)) == json.loads(page.body)["streams"]


def test_an_empty_stream(world: World) -> None:
    """A stream without a complete line is listed, at the zero token, with nothing else to say."""
    world.write("a", b"torn")
    [entry] = world.catalog.entries()
    assert msgspec.to_builtins(entry) == {
        "id": "a",
        "mission_id": None,
        "tail": "00000000_0000000000000000",
        "bytes": 0,
        "first": None,
        "last": None,
        "closed": False,
    }


def test_texts_that_were_cut_inside_a_surrogate_pair(world: World) -> None:
    """Such a text in the payload hides nothing; such a mission is none, and does not keep the list from being sent."""
    world.write("a", event(1, "m", text="cut \ud83d"))
    world.write("b", event(0, "cut \ud83d"))
    page = world.catalog.page()
    assert [(entry.id, entry.mission_id) for entry in page.entries] == [("a", "m"), ("b", None)]
    assert [entry["last"][:19] for entry in json.loads(page.body)["streams"]] == [
        "2026-01-31T12:00:01",
        "2026-01-31T12:00:00",
    ]


def test_no_folder_and_an_empty_one_list_nothing(tmp_path: Path) -> None:
    """A folder that is not there yet has no streams; once it is there, its streams are listed."""
    folder = Folder(str(tmp_path / "later"))
    catalog = Catalog(folder, MAX_LINE)
    assert catalog.page().entries == []
    (tmp_path / "later").mkdir()
    assert catalog.page().body == b'{"streams":[],"next":null}'
    (tmp_path / "later" / "a.jsonl").write_bytes(event())
    assert [entry.id for entry in catalog.entries()] == ["a"]
    folder.close()


def test_newest_activity_first(world: World) -> None:
    """Streams stand in the order of their last event, whatever the files' own times; ties by id."""
    for stream, second in (("old", 1), ("b-tie", 5), ("new", 9), ("a-tie", 5)):
        world.write(stream, event(second))
    os.utime(world.path / "old.jsonl", (2e9, 2e9))
    assert world.ids() == ["new", "a-tie", "b-tie", "old"]
    world.write("old", event(10))
    assert world.ids() == ["old", "new", "a-tie", "b-tie"]


def test_zones_are_compared_as_times(world: World) -> None:
    """The order is that of the moments, not of the texts."""
    world.write("a", b'{"timestamp":"2026-01-31T15:00:00+02:00"}\n')  # 13:00 UTC
    world.write("b", b'{"timestamp":"2026-01-31T14:00:00Z"}\n')
    assert world.ids() == ["b", "a"]


def test_without_a_time_the_file_s_own_counts(world: World) -> None:
    """A stream without a dated event is as active as its file's modification time says."""
    for stream, second in (("a", 0), ("c", 20)):
        world.write(stream, event(second))
    world.write("b", b"{}\n")
    os.utime(world.path / "b.jsonl", (NOON.timestamp() + 10, NOON.timestamp() + 10))
    assert world.ids() == ["c", "b", "a"]


def test_only_streams_are_listed(world: World) -> None:
    """Links, pipes, directories and names that are no stream's do not exist."""
    world.write("good", event())
    (world.path / "link.jsonl").symlink_to(world.path / "good.jsonl")
    os.mkfifo(world.path / "pipe.jsonl")
    (world.path / "folder.jsonl").mkdir()
    for name in (".hidden.jsonl", "-dash.jsonl", "a b.jsonl", "plain.txt", "x" * 129 + ".jsonl"):
        (world.path / name).write_bytes(event())
    assert world.ids() == ["good"]


def test_prefix_mission_and_visible_narrow_the_list(world: World) -> None:
    """Each condition leaves streams out; together they all hold; an id that may not be seen leaves no trace."""
    for stream, mission in (("a-1", "m"), ("a-2", "n"), ("b-1", "m"), ("b-2", "n")):
        world.write(stream, event(mission=mission))
    assert world.ids(prefix="a-") == ["a-1", "a-2"]
    assert world.ids(mission_id="n") == ["a-2", "b-2"]
    assert world.ids(prefix="b", mission_id="m") == ["b-1"]
    assert world.ids(mission_id="") == []
    assert world.ids(visible=lambda stream: stream.endswith("2")) == ["a-2", "b-2"]
    assert world.ids(visible=lambda stream: stream.endswith("2"), mission_id="m") == []
    page = world.catalog.page(limit=2, visible=lambda stream: stream.endswith("2"))
    assert page.next is None
    assert [entry.id for entry in world.catalog.entries("a", "n", str.islower)] == ["a-2"]


def test_pages_join_up_to_the_whole_list(world: World) -> None:
    """Whatever the limit, a walk along ``next`` finds each stream once, in order; the last page has no ``next``."""
    for number in range(23):
        world.write(f"s{number:02d}", event(number // 3))
    whole = world.ids(limit=1000)
    assert len(whole) == 23
    for limit in (1, 2, 3, 7, 22, 23, 24):
        assert walk(world.catalog, limit=limit) == whole
    assert world.catalog.page(limit=23).next is None
    assert walk(world.catalog, limit=4, prefix="s1") == [stream for stream in whole if stream.startswith("s1")]


def test_paging_is_stable_while_streams_come_go_and_grow(world: World) -> None:
    """A cursor names a place, not a count: streams that stay as they are come once each, even if its own is gone."""
    for number in range(10):
        world.write(f"s{number}", event(100 - number))
    page = world.catalog.page(limit=4)
    assert [entry.id for entry in page.entries] == ["s0", "s1", "s2", "s3"]
    (world.path / "s3.jsonl").unlink()  # the cursor's own
    (world.path / "s1.jsonl").unlink()
    world.write("new", event(500))
    world.write("s8", event(600))
    assert world.ids(after=page.next) == ["s4", "s5", "s6", "s7", "s9"]


def test_a_cursor_holds_for_times_before_1970_and_ends(world: World) -> None:
    """The cursor of any stream works, however old; after the last stream there is nothing."""
    world.write("a", b'{"timestamp":"1960-01-01T00:00:00Z"}\n')
    world.write("b", b'{"timestamp":"0001-01-01T00:00:00+14:00"}\n')
    world.write("c", b'{"timestamp":"9999-12-31T23:59:59.999999-14:00"}\n')
    assert walk(world.catalog, limit=1) == ["c", "a", "b"]
    (world.path / "b.jsonl").unlink()
    cursor = world.catalog.page(limit=1).next
    (world.path / "a.jsonl").unlink()
    assert world.catalog.page(after=cursor) == world.catalog.page(prefix="none")


@pytest.mark.parametrize(
    "token",
    ["", "=", "MA", "LTEgYQ==", "LTEgM0", "LTAgYQ", "MSAuLi9hCg", "MSBh\n", " LTEgYQ", "é", "MSAtYQ", "x" * 500],
)
def test_a_malformed_cursor_is_refused(world: World, token: str) -> None:
    """What no page gave is no cursor: the error names it, in one line."""
    with pytest.raises(InvalidRequestError, match=r"^after .* is malformed") as refused:
        world.catalog.page(after=token)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 200


@given(st.text(max_size=40))
@settings(max_examples=200)
def test_each_cursor_has_one_spelling(token: str) -> None:
    """Any text is either refused, or is just what the place it names is written as."""
    try:
        rank = _parse_cursor(token)
    except InvalidRequestError:
        return
    assert _cursor(rank) == token


@pytest.mark.parametrize("limit", [0, -1, MAX_LIMIT + 1])
def test_a_limit_out_of_range_is_refused(world: World, limit: int) -> None:
    """A page has 1 to 1,000 streams."""
    with pytest.raises(InvalidRequestError, match="limit"):
        world.catalog.page(limit=limit)


def test_the_etag_changes_exactly_with_the_answer(world: World) -> None:
    """The same answer has the same tag, in another process too; each change of the answer has another."""

    def tag(**how: Any) -> str:
        page = world.catalog.page(**how)
        assert page == Catalog(world.folder, MAX_LINE).page(**how)
        return page.etag

    seen = [tag()]
    world.write("a", event())
    seen.append(tag())
    world.write("b", event())
    seen.append(tag())
    first_page = tag(limit=1)
    world.write("b", event(mission="other"))
    assert tag(limit=1) == first_page  # what changed is on the second page
    seen.append(tag())
    world.write("b", event(final=True))
    seen.append(tag())
    (world.path / "b.jsonl").unlink()
    assert tag() == seen[1]
    os.utime(world.path / "a.jsonl", (1, 1))
    world.write("a", b"torn")
    assert tag() == seen[1]  # nothing that the answer shows
    assert len(set(seen)) == len(seen)
    assert all(one.startswith('"') and one.endswith('"') for one in seen)


def test_nothing_is_read_again_that_did_not_change(world: World) -> None:
    """The first pass opens each file once; after that only those that changed; a pass asks once per file."""
    streams = [f"s{number}" for number in range(20)]
    for stream in streams:
        world.write(stream, event())
    world.catalog.page(limit=3)
    assert world.opened() == sorted(streams)
    assert world.folder.asked == 20
    world.catalog.page(prefix="s1", mission_id="m")
    world.catalog.entries()
    assert world.opened() == []
    assert world.folder.asked == 60
    world.write("s5", event())
    world.write("new", event())
    (world.path / "s7.jsonl").unlink()
    world.catalog.page()
    assert world.opened() == ["new", "s5"]


def test_a_replaced_file_is_read_again(world: World) -> None:
    """Another inode under the name, or another time with the same size, means another look."""
    world.write("a", event(mission="m"))
    assert world.catalog.entries()[0].mission_id == "m"
    status = (world.path / "a.jsonl").stat()
    world.write("b", event(mission="n"))
    os.utime(world.path / "b.jsonl", ns=(status.st_atime_ns, status.st_mtime_ns))
    (world.path / "b.jsonl").rename(world.path / "a.jsonl")
    assert [entry.mission_id for entry in world.catalog.entries()] == ["n"]
    (world.path / "a.jsonl").write_bytes(event(mission="o"))
    os.utime(world.path / "a.jsonl", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert [entry.mission_id for entry in world.catalog.entries()] == ["o"]


def test_what_is_gone_is_forgotten(world: World) -> None:
    """The memory is that of the streams there are, not of those there were."""
    for number in range(50):
        world.write(f"s{number}", event())
    world.catalog.entries()
    for number in range(1, 50):
        (world.path / f"s{number}.jsonl").unlink()
    world.catalog.entries()
    assert list(world.catalog._known) == ["s0"]


def test_a_file_that_vanishes_or_cannot_be_read_is_left_out(world: World) -> None:
    """One bad file costs its own entry only, and is listed again as soon as it can be read."""
    for stream in ("a", "b", "c", "d"):
        world.write(stream, event())
    world.folder.refuse = {"b": errno.EIO, "c": errno.EACCES}
    assert world.ids() == ["a", "d"]

    class Vanishing(Folder):
        def status(self, stream_id: str) -> os.stat_result | None:
            status = super().status(stream_id)
            if stream_id == "d":
                (world.path / "d.jsonl").unlink(missing_ok=True)
            return status

    vanishing = Vanishing(str(world.path))
    assert [entry.id for entry in Catalog(vanishing, MAX_LINE).entries()] == ["a", "b", "c"]
    vanishing.close()
    world.folder.refuse = {}
    assert world.ids() == ["a", "b", "c"]


def test_running_out_of_descriptors_is_an_error_not_a_short_list(world: World) -> None:
    """When nothing can be opened the question fails; what was read before is not read again afterwards."""
    for stream in ("a", "b", "c"):
        world.write(stream, event())
    world.folder.refuse = {"b": errno.EMFILE}
    with pytest.raises(OSError, match="refused"):
        world.catalog.page()
    first = world.opened()
    world.folder.refuse = {}
    assert world.ids() == ["a", "b", "c"]
    assert sorted(world.opened() + first) == ["a", "b", "b", "c"]


class CountingLock:
    """A lock that counts who came for it."""

    def __init__(self) -> None:
        self.came = threading.Semaphore(0)
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self.came.release()
        self._lock.acquire()

    def __exit__(self, *_exc: object) -> None:
        self._lock.release()


def test_who_waits_shares_one_pass(world: World) -> None:
    """Questions that came while a pass ran are answered by one more pass, which sees all that was there then."""
    world.write("a", event())
    lock = CountingLock()
    world.catalog._lock = lock  # type: ignore[assignment]
    pages: list[Page] = []
    with lock:  # stands for a pass that is under way
        lock.came.acquire()
        threads = [threading.Thread(target=lambda: pages.append(world.catalog.page())) for _ in range(5)]
        for thread in threads:
            thread.start()
        for _ in threads:
            lock.came.acquire()
        world.write("b", event())
    for thread in threads:
        thread.join()
    assert [len(page.entries) for page in pages] == [2] * 5
    assert world.folder.scans == 1
    world.catalog.page()
    assert world.folder.scans == 2


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 9), st.booleans()), max_size=25))
@settings(max_examples=60, deadline=None)
def test_a_catalog_that_lived_on_equals_a_new_one(tmp_path_factory: Any, steps: list[tuple[str, int, bool]]) -> None:
    """After any history of appends and deletions the list is what a first look would give."""
    world = World(tmp_path_factory.mktemp("streams"))
    for stream, second, delete in steps:
        if delete:
            (world.path / f"{stream}.jsonl").unlink(missing_ok=True)
        else:
            world.write(stream, event(second))
        assert world.catalog.page(limit=4) == Catalog(world.folder, MAX_LINE).page(limit=4)
    world.folder.close()

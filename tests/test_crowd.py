from __future__ import annotations

import gc
import weakref
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhub.batch import Batch
from streamhub.channel import Channel, Place
from streamhub.config import Config
from streamhub.crowd import Crowd
from streamhub.filters import EVERYTHING, Filter
from streamhub.folder import Folder
from streamhub.history import History
from streamhub.hub import Hub
from streamhub.meter import Meter
from streamhub.offset import Offset
from streamhub.stream import BATCH_BYTES, Look
from streamhub.wire import sse_lines
from tests.servers import Stream, until
from tests.sinks import Sink, Told, newlined

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from streamhub.batch import Encoder
    from streamhub.cursor import Cursor

GENERATION = "0123abcd"
#: In these tests so many fill a lane, and a crowd rests for so long a head.
LANE, REST = 2, 1.0


class Gathering:
    """A crowd at the tail of a stream that a test has grow, and a clock."""

    def __init__(self, rest_per_head: float = REST) -> None:
        self.now = 1000.0
        self.data = b"-" * 99 + b"\n"
        self.meter = Meter()
        self.full: set[int] = set()
        self.channel = Channel("s", self.meter)
        self.crowd = Crowd("s", self.meter, self.full, rest_per_head, clock=lambda: self.now)
        self.channel.look = Look((1, 1), GENERATION, len(self.data), closed=False)
        self.history = History(Folder("nowhere"), ThreadPoolExecutor(1), max_line=1024)

    @property
    def tail(self) -> int:
        """Where the stream ends."""
        return len(self.data)

    def join(self, encode: Encoder = newlined, wanted: Filter = EVERYTHING, sink: Sink | None = None) -> Sink:
        """Somebody who stands at the tail from now on."""
        sink = sink or Sink()
        cursor = Told(self.history, sink).follow(Place(self.channel, self.tail), encode, wanted)
        cursor.reader.behind.clear()
        self.crowd.stand(cursor)
        return sink

    def gather(self, count: int) -> list[Sink]:
        """Some who stand at the tail."""
        return [self.join() for _ in range(count)]

    def grow(self, *lines: bytes) -> bytes:
        """Tell the crowd of new lines, each a batch of its own; gives their bytes."""
        batches = []
        for line in lines:
            batches.append(Batch("s", GENERATION, self.tail, self.tail + len(line) + 1, [line]))
            self.data += line + b"\n"
        self.channel.look = Look((1, 1), GENERATION, self.tail, closed=False)
        self.crowd.grew(batches, self.tail, self.now)
        return b"".join(line + b"\n" for line in lines)

    def wait(self, seconds: float) -> None:
        """Let time pass, and have served who is due then."""
        self.now += seconds
        self.crowd.serve_due()

    def lanes(self) -> list[int]:
        """How many stand in each lane."""
        return [lane.size for lane in self.crowd._lanes]


def cursor_of(sink: Sink) -> Cursor:
    """A sink's one cursor."""
    assert sink.reader is not None
    return sink.reader.cursors[0]


@pytest.fixture(autouse=True)
def short_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handful is a crowd here."""
    monkeypatch.setattr("streamhub.crowd._LANE", LANE)
    monkeypatch.setattr("streamhub.crowd._LONGEST_REST", 1000.0)
    monkeypatch.setattr("streamhub.crowd._AT_ONCE", 100)


# --- who waits, and who does not --------------------------------------------------------------------------------


def test_a_small_crowd_never_rests() -> None:
    """What fits into one lane is served at once, however fast the stream grows: nothing is coalesced."""
    gathering = Gathering()
    sinks = gathering.gather(LANE)
    data = gathering.grow(b"a") + gathering.grow(b"b") + gathering.grow(b"c")
    assert [sink.blobs for sink in sinks] == [[b"a\n", b"b\n", b"c\n"]] * LANE
    assert gathering.crowd.due_at is None
    assert data == b"a\nb\nc\n"


def test_what_comes_while_a_crowd_rests_goes_out_in_one_write() -> None:
    """The first event goes out at once, to all; the next ones when those who got it have rested, together."""
    gathering = Gathering()
    sinks = gathering.gather(5)
    gathering.grow(b"a")
    assert {sink.taken for sink in sinks} == {b"a\n"}
    gathering.grow(b"b")
    gathering.now += 1
    gathering.grow(b"c")
    assert {sink.taken for sink in sinks} == {b"a\n"}
    assert gathering.crowd.due_at == 1005
    gathering.wait(3.5)
    assert {sink.taken for sink in sinks} == {b"a\n"}
    gathering.wait(0.5)
    assert {tuple(sink.blobs) for sink in sinks} == {(b"a\n", b"b\nc\n")}
    assert gathering.crowd.due_at is None


def test_who_has_rested_is_served_at_once() -> None:
    """A lone event never waits."""
    gathering = Gathering()
    sinks = gathering.gather(5)
    for line in (b"a", b"b", b"c"):
        gathering.grow(line)
        assert {sink.blobs[-1] for sink in sinks} == {line + b"\n"}
        gathering.now += 5


def test_each_lane_has_its_own_time() -> None:
    """A lane rests from the beginning of its own turn, so that turns that took long lie apart ever after."""
    gathering = Gathering()

    def writing_takes_time() -> None:
        gathering.now += 0.25

    sinks = gathering.gather(6)
    for sink in sinks:
        sink.when_written = writing_takes_time
    gathering.grow(b"a")
    assert [lane.rested_at for lane in gathering.crowd._lanes] == [1006, 1006.5, 1007]
    gathering.grow(b"b")
    served = []
    while gathering.crowd.due_at is not None:
        gathering.now = max(gathering.now, gathering.crowd.due_at)
        gathering.crowd.serve_due()
        served.append(sum(len(sink.blobs) == 2 for sink in sinks))
    assert served == [2, 4, 6]


def test_a_full_batch_waits_for_nobody_s_rest() -> None:
    """Waiting for more would make no write fewer."""
    gathering = Gathering()
    sinks = gathering.gather(5)
    gathering.grow(b"a")
    half = b"x" * (BATCH_BYTES // 2)
    gathering.grow(half)
    assert {len(sink.blobs) for sink in sinks} == {1}
    gathering.grow(half)
    assert {len(sink.blobs) for sink in sinks} == {3}  # not together: the two are more than a batch
    assert {sink.taken for sink in sinks} == {b"a\n" + 2 * (half + b"\n")}


def test_no_rest_is_longer_than_a_tenth_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """However large the crowd is."""
    monkeypatch.setattr("streamhub.crowd._LONGEST_REST", 0.1)
    gathering = Gathering()
    gathering.gather(50)
    gathering.grow(b"a")
    gathering.grow(b"b")
    assert gathering.crowd.due_at == pytest.approx(1000.1)


def test_a_batch_is_encoded_once_whenever_lanes_have_their_turns() -> None:
    """And as what it was when it came: the last of a look reached the tail."""
    seen: list[tuple[bytes, bool]] = []

    def encode(batch: Batch, at_tail: bool) -> bytes:
        seen.append((batch.lines[0][:1], at_tail))
        return newlined(batch, at_tail)

    gathering = Gathering()
    for _ in range(5):
        gathering.join(encode)
    gathering.grow(b"a")
    gathering.grow(b"b")
    gathering.grow(b"c" * BATCH_BYTES, b"d")
    gathering.wait(5)
    assert seen == [(b"a", True), (b"b", True), (b"c", False), (b"d", True)]


def test_a_form_is_made_once_for_all_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each filter is asked once a batch, whenever lanes have their turns, and though there are many filters."""
    monkeypatch.setattr("streamhub.crowd._LANE", 40)
    asked, keep = Counter[Filter](), Filter.keep

    def counting(wanted: Filter, lines: Iterable[bytes]) -> list[bool]:
        asked[wanted] += 1
        return keep(wanted, lines)

    monkeypatch.setattr(Filter, "keep", counting)
    gathering = Gathering()

    def writing_takes_time() -> None:
        gathering.now += 1

    sinks = [gathering.join(wanted=Filter(contains="x" * number)) for number in range(1, 41)] * 3
    sinks = [gathering.join(wanted=cursor_of(sink).wanted) for sink in sinks]
    for sink in sinks:
        sink.when_written = writing_takes_time
    turns = 0
    for _ in range(3):
        gathering.grow(b"x" * 40)
    while gathering.crowd.due_at is not None:
        gathering.now = max(gathering.now, gathering.crowd.due_at)
        gathering.crowd.serve_due()
        turns += 1
    assert turns > 2
    assert set(asked.values()) == {3}


def test_a_large_crowd_is_served_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are to have their turns, too: some lanes are served, those that waited longest, then more of them."""
    monkeypatch.setattr("streamhub.crowd._AT_ONCE", 2)
    gathering = Gathering()
    sinks = gathering.gather(10)
    gathering.grow(b"a")
    assert sum(bool(sink.blobs) for sink in sinks) == 4
    assert gathering.crowd.due_at is not None
    assert gathering.crowd.due_at <= gathering.now
    gathering.grow(b"b")
    assert sorted(len(sink.taken) for sink in sinks) == [0] * 2 + [2] * 4 + [4] * 4
    gathering.crowd.serve_due()
    assert sorted(len(sink.taken) for sink in sinks) == [2] * 4 + [4] * 6
    gathering.crowd.serve_due()
    assert gathering.crowd.due_at == gathering.now + 10
    gathering.crowd.serve_all()
    assert {sink.taken for sink in sinks} == {b"a\nb\n"}


def test_all_are_served_when_asked() -> None:
    """Rested or not: their stream is over, say."""
    gathering = Gathering()
    sinks = gathering.gather(5)
    data = gathering.grow(b"a") + gathering.grow(b"b")
    gathering.crowd.serve_all()
    assert {sink.taken for sink in sinks} == {data}


# --- who comes and goes -----------------------------------------------------------------------------------------


def test_who_comes_to_a_crowd_that_rests_gets_what_comes_after() -> None:
    """Its lane is brought to the tail first, and the others of that lane get nothing twice."""
    gathering = Gathering()
    sinks = gathering.gather(3)
    before = gathering.grow(b"a") + gathering.grow(b"b")
    late = gathering.join()
    assert late.taken == b""
    assert sinks[2].taken == before
    after = gathering.grow(b"c")
    gathering.wait(10)
    assert late.taken == after
    assert {sink.taken for sink in sinks} == {before + after}


def test_lanes_are_filled_and_forgotten() -> None:
    """One after the other is filled; where many have left, others have room; without anybody nothing is kept."""
    gathering = Gathering()
    sinks = gathering.gather(5)
    assert gathering.lanes() == [2, 2, 1]
    for sink in sinks[2:4]:
        assert sink.reader is not None
        sink.reader.close()
    gathering.gather(2)
    assert gathering.lanes() == [2, 1, 2]
    assert len(gathering.crowd) == len(list(gathering.crowd)) == 5
    for cursor in gathering.crowd:
        cursor.leave_group()
    gathering.grow(b"a")
    assert gathering.lanes() == []
    assert gathering.join().taken == b""
    assert gathering.lanes() == [1]


def test_lanes_of_which_many_have_left_become_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs its turn: those that stand together are put together, and nobody loses a line by that."""
    monkeypatch.setattr("streamhub.crowd._LANE", 4)
    gathering = Gathering()
    sinks = gathering.gather(40)
    data = gathering.grow(b"a") + gathering.grow(b"b")
    for number, sink in enumerate(sinks):
        if number % 4:
            assert sink.reader is not None
            sink.reader.close()
    data += gathering.grow(b"c")
    assert gathering.lanes() == [1] * 10  # they miss something, each from where it stands
    gathering.wait(100)
    data += gathering.grow(b"d")
    assert sorted(gathering.lanes()) == [2, 4, 4]
    gathering.crowd.serve_all()
    assert {sink.taken for sink in sinks[::4]} == {data}
    assert {cursor.next for cursor in gathering.crowd} == {Offset(GENERATION, gathering.tail)}


@pytest.mark.slow
def test_nothing_is_kept_of_those_who_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even until the next line comes."""
    monkeypatch.setattr("streamhub.crowd._LANE", 10)
    gathering = Gathering()
    sinks = gathering.gather(5)
    gathering.join()  # somebody stays
    gathering.grow(b"a")
    left = [weakref.ref(sink) for sink in sinks]
    while sinks:
        reader = sinks.pop().reader
        assert reader is not None
        reader.close()
    del reader
    gc.collect()
    assert [ref() for ref in left] == [None] * 5


def test_groups_go_with_the_last_who_wants_them() -> None:
    """Those who come and go with filters of their own leave nothing behind for the others to pay for."""
    gathering = Gathering()
    gathering.join()
    for number in range(50):
        reader = gathering.join(wanted=Filter(contains=str(number))).reader
        assert reader is not None
        reader.close()
    assert [len(lane.groups) for lane in gathering.crowd._lanes] == [1]


def test_what_nobody_foresaw_leaves_no_gap(caplog: pytest.LogCaptureFixture) -> None:
    """When handing out fails, those whom it struck are ended: nobody goes on behind a hole. The others have it all."""
    gathering = Gathering()
    struck = [gathering.join(sse_lines) for _ in range(3)]
    others = gathering.gather(3)
    fails = iter([True])

    def lag(_transport: str, _seconds: float) -> None:
        for _ in fails:
            raise RuntimeError("nobody foresaw this")

    gathering.meter.lag = lag
    data = gathering.grow(b"a") + gathering.grow(b"b")
    gathering.wait(10)
    assert [sink.failed for sink in struck] == [True] * 3
    assert {sink.taken for sink in others} == {data}
    assert [record.message for record in caplog.records] == ["3 readers of stream s failed"]


def test_a_filter_or_a_form_is_a_group_of_its_lane() -> None:
    """What they want is worked out once for a lane, and once for all lanes that stand together."""
    gathering = Gathering()
    wanted = [gathering.join(wanted=Filter(contains="a")) for _ in range(3)]
    others = gathering.gather(3)
    gathering.grow(b"a1")
    assert len({id(sink.blobs[0]) for sink in wanted}) == 1
    gathering.grow(b"b2")
    gathering.grow(b"a3")
    gathering.wait(6)
    assert {sink.taken for sink in wanted} == {b"a1\na3\n"}
    assert {sink.taken for sink in others} == {b"a1\nb2\na3\n"}
    assert {cursor.next for cursor in gathering.crowd} == {Offset(GENERATION, gathering.tail)}


def test_the_lag_is_that_of_the_oldest_line() -> None:
    """What waited for a crowd's rest is counted from when it came."""
    lags: list[float] = []
    gathering = Gathering()
    gathering.meter.lag = lambda _transport, seconds: lags.append(seconds)
    gathering.gather(3)
    gathering.grow(b"a")
    gathering.now += 1
    gathering.grow(b"b")
    gathering.now += 1
    gathering.grow(b"c")
    gathering.wait(1)
    assert lags == [0, 0, 2, 2]


# --- nobody has a gap, and nobody anything twice ----------------------------------------------------------------

_WANTED = [EVERYTHING, Filter(contains="x"), Filter(contains="xx")]
_ACTS = st.one_of(
    st.tuples(st.just("join"), st.integers(0, 2)),
    st.tuples(st.just("serve all"), st.just(0)),
    st.tuples(st.just("leave"), st.integers(0, 20)),
    st.tuples(st.just("grow"), st.sampled_from([0, 1, 10, BATCH_BYTES // 3, BATCH_BYTES])),
    st.tuples(st.just("wait"), st.integers(0, 8)),
    st.tuples(st.just("block"), st.integers(0, 20)),
    st.tuples(st.just("unblock"), st.just(0)),
)


@given(st.lists(_ACTS, max_size=60))
def test_each_has_every_byte_once_and_in_order(acts: list[tuple[str, int]]) -> None:
    """Whoever comes, leaves, blocks or rests, whenever: from where it came on, it has the stream up to its cursor."""
    gathering = Gathering()
    there: list[tuple[Sink, int]] = []
    for act, number in acts:
        happen(gathering, there, act, number)
        for sink, start in there:
            assert sink.taken == wanted(gathering, sink, start, cursor_of(sink).next.byte)
    gathering.wait(100)
    for sink, start in there:
        catch_up(gathering, sink)
        assert sink.taken == wanted(gathering, sink, start, gathering.tail)


def wanted(gathering: Gathering, sink: Sink, start: int, end: int) -> bytes:
    """What a sink is to have of a part of the stream."""
    lines = gathering.data[start:end].splitlines(keepends=True)
    shortest = {EVERYTHING: 0, _WANTED[1]: 1, _WANTED[2]: 2}[cursor_of(sink).wanted]
    return b"".join(line for line in lines if len(line) > shortest)


def happen(gathering: Gathering, there: list[tuple[Sink, int]], act: str, number: int) -> None:
    """Do one of the acts; ``there`` are those who came, and where the stream ended then."""
    match act:
        case "join":
            there.append((gathering.join(newlined, _WANTED[number]), gathering.tail))
        case "leave" if there:
            reader = there.pop(number % len(there))[0].reader
            assert reader is not None
            reader.close()
        case "grow":
            gathering.grow(b"x" * number)
        case "wait":
            gathering.wait(number)
        case "serve all":
            gathering.crowd.serve_all()
        case "block" if there:
            there[number % len(there)][0].blocked = True
        case "unblock":
            for sink, _ in there:
                catch_up(gathering, sink)


def catch_up(gathering: Gathering, sink: Sink) -> None:
    """Unblock a sink; whoever fell behind reads on from the file, and stands at the tail again."""
    sink.blocked = False
    cursor = cursor_of(sink)
    if cursor.group is None:
        cursor.reader.behind.clear()
        sink.write(wanted(gathering, sink, cursor.position, gathering.tail))
        cursor.position = gathering.tail
        gathering.crowd.stand(cursor)


async def test_who_stands_elsewhere_reads_on_from_the_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A batch is handed to nobody who does not stand at its start: that would be a gap, or lines that come twice."""
    hub = Hub(Config(directory=str(tmp_path)))
    sinks: dict[int, Sink] = {}
    with Stream(tmp_path) as stream:
        size = len(stream.line(0)) + 1
        stream.line(1)
        channel = await hub.channel("s")
        for position in (size, 2 * size, 3 * size):  # a line behind, at the tail, a line ahead
            sink = sinks[position] = Sink()
            encode = partial(newlined)  # a form of its own, and so a group
            cursor = Told(hub.history, sink).follow(Place(channel, position), encode)
            cursor.reader.behind.clear()
            channel._crowd.stand(cursor)
        for number in range(2, 5):
            stream.line(number)
            await hub.poll(channel)
        data = stream.path.read_bytes()
        await until(lambda: all(sink.taken == data[position:] for position, sink in sinks.items()))
    await hub.close()
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 2


@pytest.mark.parametrize("clients", [1000, 5000])
def test_a_crowd_costs_what_it_can_take_in(monkeypatch: pytest.MonkeyPatch, clients: int) -> None:
    """Of a hundred events a second, each client gets one write a rest at most, and none waits longer than a rest."""
    monkeypatch.setattr("streamhub.crowd._LANE", 250)
    gathering, waits = Gathering(rest_per_head=11.25e-6), [0.0]
    gathering.meter.lag = lambda _transport, seconds: waits.append(seconds)
    sinks, rest, began = gathering.gather(clients), clients * 11.25e-6, gathering.now
    for number in range(200):
        gathering.now = began + number / 100
        data = gathering.grow(b"x")
        while (due := gathering.crowd.due_at) is not None and due < began + (number + 1) / 100:
            gathering.now = due
            gathering.crowd.serve_due()
    gathering.wait(1)
    assert {sink.taken for sink in sinks} == {200 * data}
    assert max(len(sink.blobs) for sink in sinks) <= 2 / rest + 2
    assert max(waits[: -len(gathering.lanes())]) <= rest + 1e-9

"""``scripts/bench``: that it runs, counts rightly, and notices what is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from benchmark.cases import Size, session
from benchmark.client import Client
from benchmark.events import MARK, SIZE, events
from benchmark.peers import Streamhub
from benchmark.processes import BenchError
from benchmark.report import Row, summarize
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SCRIPTS = ROOT / "scripts"
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join((str(SCRIPTS), str(ROOT)))}


def bench(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it, as ``scripts/bench`` does once everything is set up."""
    command = [sys.executable, "-m", "benchmark", "--quick", "--rounds", "1", *arguments]
    return subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
def test_it_compares_and_draws(tmp_path: Path) -> None:
    """From any folder: a table with ratios, each run as JSON, a picture; what is run is whole, or it would fail."""
    done = bench(
        tmp_path,
        *("--case", "burst,idle,replay,emitter,wire,compress", "--json", "runs.json", "--plot", "plot.svg"),
        *("--peer", "streamhub,streamhub-sse,aiohttp,json-append,1-a-write,plain"),
    )
    assert done.returncode == 0, done.stderr
    runs = json.loads((tmp_path / "runs.json").read_text())["runs"]
    peers = {case: [run["peer"] for run in runs if run["case"] == case] for case in ("burst", "idle", "replay")}
    assert peers == {
        "burst": ["streamhub", "streamhub-sse", "aiohttp"],
        "idle": ["streamhub", "aiohttp"],
        "replay": ["streamhub", "streamhub-sse"],
    }
    for run in runs:
        assert not run["error"]
        assert run["figures"]
    assert "deliveries/s, ratio" in done.stdout
    assert "aiohttp" in (tmp_path / "plot.svg").read_text()


@pytest.mark.slow
def test_a_pace_is_measured(tmp_path: Path) -> None:
    """Latencies run from the append to the receipt: never below nothing, and the median not above p99."""
    done = bench(tmp_path, "--case", "paced,many", "--peer", "streamhub", "--json", "runs.json")
    assert done.returncode == 0, done.stderr
    for run in json.loads((tmp_path / "runs.json").read_text())["runs"]:
        assert 0 < run["figures"]["p50_ms"] <= run["figures"]["p99_ms"]


@pytest.mark.slow
def test_clients_that_read_nothing_are_left_out(tmp_path: Path) -> None:
    """Those who read get everything while others read nothing; how long a start takes, what replays hold, is told."""
    done = bench(tmp_path, "--case", "stalled,start,replays", "--peer", "streamhub", "--json", "runs.json")
    assert done.returncode == 0, done.stderr
    stalled, start, replays = (run["figures"] for run in json.loads((tmp_path / "runs.json").read_text())["runs"])
    assert stalled["kept_percent"] > 0
    assert start["listening_ms"] > 0
    assert replays["rss_mib"] > 1


@pytest.mark.slow
def test_a_relay_is_measured(tmp_path: Path, nats_server: str) -> None:
    """The same events with a relay and without; and each end with a backlog, whole, or it would fail."""
    done = bench(tmp_path, "--case", "relay,relay-backlog", "--json", "runs.json")
    assert done.returncode == 0, done.stderr
    runs = {
        (run["case"], run["peer"]): run["figures"] for run in json.loads((tmp_path / "runs.json").read_text())["runs"]
    }
    for peer in ("streamhub", "streamhub-relay"):
        assert 0 < runs["relay", peer]["p50_ms"] <= runs["relay", peer]["p99_ms"]
    for end in ("push", "pull"):
        assert runs["relay-backlog", end]["lines_per_s"] > 0
        assert runs["relay-backlog", end]["peak_mib"] > 1


@pytest.mark.slow
def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    """A typing error measures nothing."""
    for arguments in (("--case", "brust"), ("--case", "burst", "--peer", "streamhup")):
        done = bench(tmp_path, *arguments)
        assert done.returncode == 2
        assert "there is no" in done.stderr


@pytest.mark.slow
def test_what_is_lost_or_out_of_order_is_noticed(tmp_path: Path) -> None:
    """A history in which a line is missing, is there twice, or comes too early fails the run."""
    lines = events(0, 10, 0)
    for number, (wrong, said) in enumerate(
        (
            (lines, ""),
            ([*lines[:4], *lines[3:8], lines[9]], "out of order"),
            ([*lines[:4], lines[5], lines[4], *lines[6:]], "0 clients with a wrong count, 9 events out of order"),
            ([*lines, lines[9]], "with a wrong count"),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        size = Size(3, 10)
        with Streamhub(folder) as peer:
            peer.preload(wrong)
            with session(peer, size, history=10, live=0, sample=1) as run:
                if said:
                    with pytest.raises(BenchError, match=said):
                        run.result(size, 10, 0)
                else:
                    assert run.result(size, 10, 0)["events"] == 30


def test_events_are_counted_however_they_are_cut() -> None:
    """A mark that is cut in two, or into single bytes, counts once."""
    lines = events(0, 3, 5)
    assert {len(line) for line in lines} == {SIZE}
    data = b"\x81\x7e\x00\xfa".join([b"", *lines])
    for step in (*range(1, 2 * len(MARK) + 2), 100, 251, len(data)):
        client = Client.__new__(Client)
        client.count, client.rest = 0, b""
        for first in range(0, len(data), step):
            piece = data[first : first + step]
            client.tally(bytearray(piece) + MARK, len(piece))  # behind it stands what was read before
        assert client.count == 3, step


def test_ratios_are_those_within_a_round() -> None:
    """A round in which the machine was slow for both does not change the ratio."""
    figures: list[tuple[str, int, float]] = [("streamhub", 1, 100), ("ws", 1, 10), ("streamhub", 2, 10), ("ws", 2, 1)]
    rows: list[Any] = [Row("burst", peer, number, {"deliveries_per_s": value}) for peer, number, value in figures]
    rows.append(Row("burst", "nats", 1, error="it ended"))
    summary = summarize(rows, "burst")
    assert asdict(summary["ws"]) == {"medians": {"deliveries_per_s": 5.5}, "ratio": 0.1, "errors": ()}
    assert asdict(summary["nats"]) == {"medians": {}, "ratio": None, "errors": ("it ended",)}

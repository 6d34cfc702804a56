"""``streamhub relay``: flags, the environment, what it says, and how it ends."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import signal
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streamhub.cli.relay_progress import progress
from streamhub.relay.meter import Meter
from tests.commands import command, end_of, line_of, started
from tests.relays import contents, pull_once, push_once
from tests.servers import Stream, free_port, until
from tests.test_cli_app import MAIN, python

if TYPE_CHECKING:
    from tests.brokers import Broker


@pytest.fixture
def origin(origin: Path) -> Path:
    """The origin's folder, with two streams."""
    for name in ("a.1", "b.1"):
        with Stream(origin, name) as stream:
            for number in range(10):
                stream.line(number)
    return origin


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["push", "--nats", "http://x"], "nats://HOST:PORT"),
        (["push", "--nats", "nats://me:secret@"], "nats://HOST:PORT"),
        (["push", "--replicas", "9"], "replicas 9"),
        (["push", "--max-age", "soon"], "duration"),
        (["push", "--max-bytes", "much"], "size"),
        (["push", "--piece-bytes", "1"], "piece-bytes 1"),
        (["push", "--poll-floor", "2s", "--poll-ceiling", "1s"], "poll-ceiling"),
        (["pull", "--match", "a b"], "glob"),
        (["pull", "--stream-name", "a.b"], "stream-name"),
        (["pull", "--creds", "a", "--nkey", "b"], "contradict"),
        (["pull", "--tls-key", "a"], "tls-cert"),
        (["pull", "--tls-ca", "/missing"], "/missing"),
        (["pull", "--creds", "/missing"], "/missing"),
        (["pull", "--metrics-port", "70000"], "metrics-port"),
        (["pull", "--replicas", "3"], "--replicas"),
        (["pull", "--dir", "/missing"], "no folder"),
        (["pull", "more"], "unexpected"),
    ],
)
def test_bad_flags(tmp_path: Path, arguments: list[str], said: str) -> None:
    """What cannot work is one line and exit code 2, before anything is connected to; no secret is said."""
    outcome = command("relay", *arguments, env={"STREAMHUB_DIR": str(tmp_path), "STREAMHUB_NATS": "nats://127.0.0.1:1"})
    assert outcome.code == 2, outcome.err
    last = outcome.err.splitlines()[-1]
    assert last.startswith("streamhub: ")
    assert said in last
    assert "secret" not in outcome.err


@pytest.mark.quick
async def test_once(origin: Path, edge: Path, broker: Broker) -> None:
    """With ``--once`` both end when what is there is carried, and say how much; settings may come from outside."""
    async with started("relay", "push", "--once", "--dir", origin, STREAMHUB_NATS=broker.url) as process:
        pushed = await end_of(process)
    assert (pushed.code, pushed.out) == (0, b"")
    assert "20 lines, " in pushed.err
    async with started(
        "relay",
        "pull",
        STREAMHUB_NATS=broker.url,
        STREAMHUB_DIR=str(edge),
        STREAMHUB_RELAY_MATCH="a.*",
        STREAMHUB_RELAY_ONCE="1",
    ) as process:
        pulled = await end_of(process)
    assert (pulled.code, pulled.out) == (0, b"")
    assert "10 lines, " in pulled.err
    assert list(contents(edge)) == ["a.1.jsonl"]


async def test_a_configuration_file(origin: Path, edge: Path, tmp_path: Path, broker: Broker) -> None:
    """A table of its own holds what both directions, or one of them, are to be told; flags come first."""
    file = tmp_path / "streamhub.toml"
    file.write_text(f'port = 1\n[relay]\nnats = "{broker.url}"\nmatch = "b.*"\nonce = true\nmax-age = "1h"\n')
    async with started("relay", "push", "--config", file, "--dir", origin) as process:
        assert "10 lines, " in (await end_of(process)).err
    async with started("relay", "pull", "--match", "*", "--dir", edge, STREAMHUB_CONFIG=str(file)) as process:
        assert (await end_of(process)).code == 0
    assert list(contents(edge)) == ["b.1.jsonl"]
    file.write_text("[relay]\nnope = 1\n")
    async with started("relay", "pull", "--config", file) as process:
        outcome = await end_of(process)
    assert outcome.code == 2
    assert "relay has no setting 'nope'" in outcome.complaint


async def test_once_tells_what_differs(origin: Path, edge: Path, broker: Broker) -> None:
    """A stream that differs is exit code 4, at either end; the others are carried."""
    await push_once(origin, broker.url)
    (edge / "a.1.jsonl").write_bytes(b'{"m":1}\n')
    async with started("relay", "pull", "--once", "--dir", edge, "--nats", broker.url) as process:
        pulled = await end_of(process)
    assert pulled.code == 4
    assert "stream 'a.1' was left as it is" in pulled.err.splitlines()[-1]
    assert (edge / "b.1.jsonl").read_bytes() == (origin / "b.1.jsonl").read_bytes()
    (origin / "b.1.jsonl").write_bytes(b'{"m":1}\n')
    async with started("relay", "push", "--once", "--dir", origin, "--nats", broker.url) as process:
        pushed = await end_of(process)
    assert pushed.code == 4
    assert "stream 'b.1' was left as it is" in pushed.err.splitlines()[-1]


@pytest.mark.slow
async def test_signals_and_metrics(origin: Path, edge: Path, broker: Broker) -> None:
    """A relay tells its numbers while it runs, and ends with 0 on SIGTERM and SIGINT."""
    push = ("relay", "push", "--dir", origin, "--nats", broker.url, "--metrics-port", "0")
    pull = ("relay", "pull", "--dir", edge, "--nats", broker.url, "--metrics-port", "0")
    async with started(*push) as pusher, started(*pull) as puller:
        for process in (pusher, puller):
            assert b"Ctrl-C stops it" in await line_of(process.stderr)
            url = (await line_of(process.stderr)).split()[-1].decode()
            await until_metric(url, "streamhub_relay_lines_total 20.0")
            text = await asyncio.to_thread(read, url)
            assert "streamhub_relay_connected 1.0" in text
            assert "streamhub_relay_streams 2.0" in text
            assert "streamhub_relay_lacking_bytes 0.0" in text
        pusher.send_signal(signal.SIGTERM)
        puller.send_signal(signal.SIGINT)
        for process in (pusher, puller):
            outcome = await end_of(process)
            assert outcome.code == 0
            assert "20 lines, " in outcome.err
            assert "Traceback" not in outcome.err
    assert contents(edge) == contents(origin)


def read(url: str) -> str:
    """What an address answers."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


async def until_metric(url: str, line: str) -> None:
    """Wait until a line stands in the metrics."""
    async with asyncio.timeout(30):
        while line not in await asyncio.to_thread(read, url):
            await asyncio.sleep(0.02)


async def test_a_metrics_port_that_is_taken(origin: Path, broker: Broker) -> None:
    """It is said in one line, and nothing is carried."""
    async with started(
        "relay", "push", "--once", "--dir", origin, "--nats", broker.url, "--metrics-port", str(broker.port)
    ) as process:
        outcome = await end_of(process)
    assert outcome.code == 1
    assert "cannot answer /metrics" in outcome.complaint


@pytest.mark.slow
def test_nobody_there(origin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no NATS answers, ``--once`` gives up with exit code 1, and names the server without its secrets."""
    monkeypatch.setattr("streamhub.relay.link._PATIENCE", 0.5)
    port = free_port()
    outcome = command("relay", "push", "--once", "--dir", origin, "--nats", f"nats://me:secret@127.0.0.1:{port}")
    assert outcome.code == 1
    assert f"cannot reach NATS at nats://127.0.0.1:{port}" in outcome.err.splitlines()[-1]
    assert "secret" not in outcome.err


async def test_a_second_puller_is_refused(edge: Path, broker: Broker) -> None:
    """Two pullers must not write one folder: the second ends with exit code 2."""
    async with started("relay", "pull", "--dir", edge, "--nats", broker.url) as first:
        await until((edge / ".relay-pull.lock").exists)
        await line_of(first.stderr)
        async with started("relay", "pull", "--dir", edge, "--nats", broker.url) as second:
            outcome = await end_of(second)
    assert outcome.code == 2
    assert "another streamhub relay pull" in outcome.complaint


@pytest.mark.slow
def test_nats_is_not_installed(tmp_path: Path) -> None:
    """Without NATS's client one line says how to get it, and help is there all the same."""
    ended = python(f"import sys; sys.modules['nats'] = None; {MAIN}", "relay", "push", "--dir", str(tmp_path))
    assert (ended.returncode, ended.stdout) == (1, "")
    complaint = ended.stderr.splitlines()[-1]
    assert complaint.startswith("streamhub: nats is not installed: ")
    assert complaint.endswith("pip install '.[relay]'")
    for arguments in (["--help"], ["relay", "--help"], ["relay", "pull", "--help"]):
        assert python(f"import sys; sys.modules['nats'] = None; {MAIN}", *arguments).returncode == 0


async def test_pulled_is_what_the_command_pushed(origin: Path, edge: Path, broker: Broker) -> None:
    """What the program pushes, any puller takes."""
    async with started("relay", "push", "--once", "--dir", origin, "--nats", broker.url) as process:
        assert (await end_of(process)).code == 0
    await pull_once(edge, broker.url)
    assert contents(edge) == contents(origin)


@pytest.mark.parametrize("end", ["push", "pull"])
async def test_a_signal_while_nothing_answers(edge: Path, end: str) -> None:
    """Told to stop while it waits for a server, or for JetStream's stream, a relay ends, with 0."""
    async with started("relay", end, "--dir", edge, "--nats", f"nats://127.0.0.1:{free_port()}") as process:
        assert b"Ctrl-C stops it" in await line_of(process.stderr)
        assert b"Connect call failed" in await line_of(process.stderr)
        process.send_signal(signal.SIGTERM)
        outcome = await end_of(process)
    assert outcome.code == 0
    assert "Traceback" not in outcome.err


@pytest.mark.slow
def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs a relay on a terminal sees how much is still to come, until it is up to date."""
    ours, theirs = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(theirs, "w") as terminal, os.fdopen(ours, "rb", buffering=0) as seen:
        monkeypatch.setattr(sys, "stderr", terminal)
        meter = Meter()
        meter.sent(b"x" * 1000)
        meter.behind("s", 2_000_000)
        with progress(meter):
            assert "catching up" in read_until(seen, "MB")
            meter.behind("s", 0)
            read_until(seen, "up to date")


def read_until(terminal: io.RawIOBase | io.FileIO, text: str) -> str:
    """What a terminal is told, up to a text."""
    told = ""
    while text not in told:
        told += (terminal.read(4096) or b"").decode()
    return told


def test_no_progress_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A log gets none of it."""
    with progress(Meter()):
        pass
    assert capsys.readouterr() == ("", "")

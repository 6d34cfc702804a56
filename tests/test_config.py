from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhub.config import (
    DEFAULT_DIRECTORY,
    KIB,
    MIB,
    Config,
    default_directory,
    duration_text,
    is_loopback,
    parse_duration,
    parse_size,
    read_settings,
    size_text,
)
from streamhub.errors import ConfigError


def refusal(caught: pytest.ExceptionInfo[ConfigError]) -> str:
    """The message of an error: one printable line, and not a long one."""
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 300
    return message


# --- The settings of a server -----------------------------------------------------------------------------------


def test_defaults() -> None:
    """Who sets nothing listens on loopback only, discards what clients send, and reads as the protocol says."""
    config = Config()
    assert (config.host, config.port, config.inbound) == ("127.0.0.1", 8765, "discard")
    assert (config.max_line, config.read_chunk, config.stall_timeout) == (MIB, MIB, 30.0)
    assert config.directory == "outputs/execution_streams"
    assert not config.compress
    assert not config.allow_hosts
    assert not config.allow_origins
    assert is_loopback(config.host)


def test_frozen() -> None:
    """A server's settings do not change under it, and equal ones are one."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().port = 1  # type: ignore[misc]
    assert Config(port=1) == Config(port=1)
    assert hash(Config(port=1)) == hash(Config(port=1))


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("port", 0, 65535),
        ("max_line", KIB, 256 * MIB),
        ("read_chunk", 4 * KIB, 64 * MIB),
        ("stall_timeout", 0.1, 86400),
        ("poll_floor", 0.001, 1),
        ("poll_ceiling", 0.005, 60),
        ("max_connections", 1, 1_000_000),
        ("max_connections_per_address", 0, 1_000_000),
        ("max_buffered", MIB, 1024 * 1024 * MIB),
        ("header_timeout", 0.1, 3600),
        ("max_streams", 1, 1_000_000),
    ],
)
def test_ranges(name: str, low: float, high: float) -> None:
    """A number is good from its lowest to its highest; outside, the message names the flag, the value and the rule."""
    settings: dict[str, Any] = {}
    for good in (low, high):
        settings[name] = good
        assert getattr(Config(**settings), name) == good
    for bad in (low - 1, high * 61 + 1, math.nan, math.inf, -math.inf):
        settings[name] = bad
        with pytest.raises(ConfigError, match="out of range: give ") as caught:
            Config(**settings)
        message = refusal(caught)
        assert message.startswith(name.replace("_", "-"))
        assert str(bad) in message


def test_floor_and_ceiling() -> None:
    """The slowest poll is no faster than the fastest one."""
    assert Config(poll_floor=2, poll_ceiling=2).poll_ceiling == 2
    with pytest.raises(ConfigError, match=r"^poll-ceiling 1 is out of range: give 2 to 60$"):
        Config(poll_floor=2, poll_ceiling=1)


@pytest.mark.parametrize("inbound", ["", "Discard", "CLOSE", "keep", "close\n", None])
def test_inbound(inbound: Any) -> None:
    """There are two ways with what clients send, and no third."""
    assert Config(inbound="close").inbound == "close"
    with pytest.raises(ConfigError, match="give discard or close") as caught:
        Config(inbound=inbound)
    assert repr(inbound) in refusal(caught)


def test_default_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment says where streams are; if it does not, or says nothing, they are below the working directory."""
    monkeypatch.setenv("STREAMHUB_DIR", "/srv/streams")
    assert default_directory() == "/srv/streams"
    monkeypatch.setenv("STREAMHUB_DIR", "")
    assert default_directory() == DEFAULT_DIRECTORY
    monkeypatch.delenv("STREAMHUB_DIR")
    assert default_directory() == DEFAULT_DIRECTORY


# --- Sizes and durations ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("4096", 4096),
        ("4096B", 4096),
        ("1KiB", 1024),
        ("64kib", 65536),
        ("1 MiB", MIB),
        (" 1MiB ", MIB),
        ("1.5KiB", 1536),
        ("0.25GiB", 256 * MIB),
        ("2GiB", 2048 * MIB),
    ],
)
def test_size(text: str, size: int) -> None:
    """A size is a number of bytes, with or without a unit; all units are powers of 1,024."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "MiB", "-1", "+1", "1.5", "1.3KiB", "1K", "1kB", "1MB", "1 M iB", "1e3", "0x10", ".5KiB", "1.KiB"),
        *("1,5KiB", "\u0661KiB", "nan", "inf", "1_000", "1KiB\x00", "9" * 16, "9" * 99_999, "\ud800", "1\xa0\nMiB"),
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_no_size(text: str) -> None:
    """What is no whole number of bytes is refused; so are units that mean 1,000 to one reader, 1,024 to another."""
    with pytest.raises(ConfigError, match="write bytes") as caught:
        parse_size(text)
    refusal(caught)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("0.5", 0.5),
        ("1", 1),
        ("1s", 1),
        ("5ms", 0.005),
        ("250us", 0.00025),
        ("2m", 120),
        ("1.5h", 5400),
        ("30 s", 30),
        (" 30s ", 30),
    ],
)
def test_duration(text: str, seconds: float) -> None:
    """A duration is a number of seconds, or has a unit."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "s", "-1", "1S", "1M", "1min", "1d", "1e3", "1:30", "1m30s", ".5", "nan", "inf", "\u0661"),
        *("9" * 99_999, "\ud800", "1\x00"),
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_no_duration(text: str) -> None:
    """What is no duration is refused; capitals are, too, since M could be meant as a month or a minute."""
    with pytest.raises(ConfigError, match="write seconds") as caught:
        parse_duration(text)
    refusal(caught)


@pytest.mark.slow
@given(st.integers(0, 10**15 - 1) | st.integers(0, 4096).map(lambda number: number * MIB))
def test_sizes_there_and_back(size: int) -> None:
    """A size that is shown can be typed in, and means the same."""
    assert parse_size(size_text(size)) == size


@given(st.integers(0, 99_999), st.sampled_from([0.001, 0.1, 1]))
def test_durations_there_and_back(number: int, step: float) -> None:
    """A duration that is shown can be typed in, and means the same."""
    seconds = min(number * step, 86400)
    assert parse_duration(duration_text(seconds)) == pytest.approx(seconds, rel=1e-5)


def test_shown() -> None:
    """Sizes and durations are shown as one writes them."""
    assert [size_text(size) for size in (0, 1000, 1024, 65536, MIB, 3 * 1024 * MIB)] == [
        *("0", "1000", "1KiB", "64KiB", "1MiB", "3GiB")
    ]
    assert [duration_text(seconds) for seconds in (0, 0.005, 0.25, 1, 30, 1.5)] == [
        *("0s", "5ms", "250ms", "1s", "30s", "1.5s")
    ]


# --- Who can reach it ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "LOCALHOST"])
def test_loopback(host: str) -> None:
    """Only this machine can reach these."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        *("", "0.0.0.0", "::", "192.168.0.1", "10.0.0.1", "fe80::1", "example.com", "localhost.example.com"),
        *("127.0.0.1.nip.io", "127.0.0.1 ", "1270.0.1", "2130706433", "\ud800"),
    ],
)
def test_not_loopback(host: str) -> None:
    """Whatever else can be reached from elsewhere, or leads who knows where, does not count as loopback."""
    assert not is_loopback(host)


# --- The configuration file --------------------------------------------------------------------------------------


COMMANDS: Final = ("serve", "tail", "ls")


def settings_file(tmp_path: Path, text: str | bytes) -> str:
    """A configuration file with this text."""
    path = tmp_path / "streamhub.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_settings(tmp_path: Path) -> None:
    """The top is for the server; of it only the folder is for all commands; a command's own table comes first."""
    path = settings_file(tmp_path, 'dir = "a"\nport = 1\n[serve]\nport = 2\n[tail]\nn = 5\ndir = "b"\n')
    assert read_settings(path, "serve", COMMANDS) == {"dir": "a", "port": 2}
    assert read_settings(path, "tail", COMMANDS) == {"dir": "b", "n": 5}
    assert read_settings(path, "ls", COMMANDS) == {"dir": "a"}
    assert read_settings(settings_file(tmp_path, ""), "serve", COMMANDS) == {}


def test_every_setting(tmp_path: Path) -> None:
    """Every setting of a server can stand in the file, named like its flag."""
    names = {field.name.replace("_", "-") for field in dataclasses.fields(Config)}
    names = names - {"directory", "allow-hosts", "allow-origins", "tokens"} | {"dir", "allow-host", "allow-origin"}
    text = "".join(f"{name} = 1\n" for name in sorted(names))
    assert read_settings(settings_file(tmp_path, text), "serve", COMMANDS) == dict.fromkeys(names, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 8765\n", "no setting 'prot'"),
        ("[sevre]\nport = 1\n", "no command 'sevre'"),
        ("[port]\n", "no command 'port'"),
        ("serve = 1\n", "no setting 'serve'"),
        ("stall_timeout = 5\n", "no setting 'stall_timeout'"),
        ('"a\\nb" = 1\n', r"no setting 'a\nb'"),
        ("port = \n", "is no TOML"),
        ("port = 1\nport = 2\n", "is no TOML"),
        ('dir = "a\nb"\n', "is no TOML"),
        (b"dir = '\xff'\n", "is no TOML"),
        (b"\x00", "is no TOML"),
    ],
)
def test_bad_settings(tmp_path: Path, text: str | bytes, said: str) -> None:
    """A setting that there is not, and a file that is no TOML, are refused in one line that names the file."""
    path = settings_file(tmp_path, text)
    with pytest.raises(ConfigError, match="configuration file ") as caught:
        read_settings(path, "serve", COMMANDS)
    assert said in refusal(caught)
    assert repr(path) in refusal(caught)


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_unreadable_settings(tmp_path: Path, name: str) -> None:
    """A file that cannot be read is named, with the reason."""
    with pytest.raises(ConfigError, match="cannot be read: ") as caught:
        read_settings(str(tmp_path / name), "serve", COMMANDS)
    refusal(caught)

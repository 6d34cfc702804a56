"""What a server can be told: one frozen struct, with the defaults; and how such values are written.

A flag comes before the environment (``STREAMHUB_PORT``), that before the configuration file (``port = 8765``), and
that before the default.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from streamhub.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection

#: Where streams are when nobody says.
DEFAULT_DIRECTORY: Final = "outputs/execution_streams"

KIB: Final = 1024
MIB: Final = 1024 * KIB

#: The server's settings, as a configuration file names them: like the flags.
SETTINGS: Final = frozenset(
    {
        *("access-log", "allow-host", "allow-origin", "compress", "dir", "header-timeout", "host", "inbound"),
        *("jwt-key", "log-format", "max-buffered", "max-connections", "max-connections-per-address", "max-line"),
        *("max-streams", "no-auth", "poll-ceiling", "poll-floor", "port", "read-chunk", "stall-timeout", "tls-cert"),
        *("tls-key", "token-file", "workers"),
    }
)

#: What else may stand at the top of a configuration file: for commands that read.
READER_SETTINGS: Final = frozenset({"color", "tls-ca", "url"})

_SIZES: Final = {"": 1, "B": 1, "KIB": KIB, "MIB": MIB, "GIB": 1024 * MIB}
_DURATIONS: Final = {"": 1.0, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_QUANTITY: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([A-Za-z]{0,3})", re.ASCII)


def default_directory() -> str:
    """The folder of streams: ``STREAMHUB_DIR``, else ``outputs/execution_streams`` below the working directory."""
    return os.environ.get("STREAMHUB_DIR") or DEFAULT_DIRECTORY


@dataclass(frozen=True)
class Config:
    """The settings of a server.

    Attributes:
        directory: the folder of streams.
        host: the address to listen on.
        port: the port to listen on; 0 takes a free one.
        inbound: what becomes of data frames that a client sends: thrown away, or the socket closed with 1008.
        stall_timeout: seconds after which a client that takes nothing at all is cut.
        max_line: the longest line that is an event, in bytes.
        read_chunk: the most bytes of lines in one polling response.
        poll_floor: seconds between looks at a busy stream.
        poll_ceiling: seconds between looks at a quiet one, at most.
        compress: whether to offer permessage-deflate on WebSockets and gzip on polling.
        workers: how many processes serve, on one port.
        allow_hosts: further names that ``Host`` may say.
        allow_origins: further origins that may read, such as ``https://ui.example``.
        token_file: a file of tokens that may read; empty: none.
        tokens: further lines of that kind, with hashes in the place of tokens.
        jwt_key: what JSON Web Tokens are checked with, or the file that holds it; empty: none are taken.
        tls_cert: a file with the server's certificate and its chain, in PEM; empty: plain HTTP.
        tls_key: a file with its private key, unless that is in the same file.
        max_connections: live connections, at most: sockets, event streams and long-polls.
        max_connections_per_address: of these, the most that one address may have; 0: all of them.
        max_buffered: bytes that may wait for slow clients, in all, before no further question is answered.
        header_timeout: seconds that a client may take to send the head of its first request.
        max_streams: streams on one multiplexed WebSocket, at most.
        log_format: how the log is written: as text, or as JSON objects.
        access_log: whether each answer, and each end of a live connection, is logged.
    """

    directory: str = DEFAULT_DIRECTORY
    host: str = "127.0.0.1"
    port: int = 8765
    inbound: Literal["discard", "close"] = "discard"
    stall_timeout: float = 30.0
    max_line: int = MIB
    read_chunk: int = MIB
    poll_floor: float = 0.005
    poll_ceiling: float = 1.0
    compress: bool = False
    workers: int = 1
    allow_hosts: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    token_file: str = ""
    tokens: tuple[str, ...] = field(default=(), repr=False)
    jwt_key: str = field(default="", repr=False)
    tls_cert: str = ""
    tls_key: str = ""
    max_connections: int = 10_000
    max_connections_per_address: int = 0
    max_buffered: int = 256 * MIB
    header_timeout: float = 10.0
    max_streams: int = 10_000
    log_format: Literal["text", "json"] = "text"
    access_log: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: a value breaks its rule.
        """
        for name, value, low, high in (
            ("port", self.port, 0, 65535),
            ("max-line", self.max_line, 1 * KIB, 256 * MIB),
            ("read-chunk", self.read_chunk, 4 * KIB, 64 * MIB),
            ("stall-timeout", self.stall_timeout, 0.1, 86400),
            ("poll-floor", self.poll_floor, 0.001, 60),
            ("workers", self.workers, 1, 64),
            ("poll-ceiling", self.poll_ceiling, self.poll_floor, 60),
            ("max-connections", self.max_connections, 1, 1_000_000),
            ("max-connections-per-address", self.max_connections_per_address, 0, 1_000_000),
            ("max-buffered", self.max_buffered, 1 * MIB, 1024 * 1024 * MIB),
            ("header-timeout", self.header_timeout, 0.1, 3600),
            ("max-streams", self.max_streams, 1, 1_000_000),
        ):
            if not low <= value <= high:
                raise ConfigError(f"{name} {value} is out of range: give {low} to {high}")
        if self.inbound not in {"discard", "close"}:
            raise ConfigError(f"inbound {self.inbound!r} is unknown: give discard or close")
        if self.log_format not in {"text", "json"}:
            raise ConfigError(f"log-format {self.log_format!r} is unknown: give text or json")
        if self.tls_key and not self.tls_cert:
            raise ConfigError(f"tls-key {self.tls_key!r} is given without a certificate: give tls-cert too")

    @property
    def protected(self) -> bool:
        """Whether a reader needs a token."""
        return bool(self.token_file or self.tokens or self.jwt_key)


def parse_size(text: str) -> int:
    """Bytes, from ``1MiB``, ``64KiB`` or ``4096``.

    Raises:
        ConfigError: it is no size.
    """
    match = _QUANTITY.fullmatch(text.strip())
    unit = _SIZES.get(match[2].upper()) if match else None
    if match is None or unit is None or not (float(match[1]) * unit).is_integer():
        raise ConfigError(f"size {text[:64]!r} is none: write bytes, or a number with KiB, MiB or GiB")
    return int(float(match[1]) * unit)


def parse_duration(text: str) -> float:
    """Seconds, from ``5ms``, ``1s``, ``2m`` or ``0.5``.

    Raises:
        ConfigError: it is no duration.
    """
    match = _QUANTITY.fullmatch(text.strip())
    unit = _DURATIONS.get(match[2]) if match else None
    if match is None or unit is None:
        raise ConfigError(f"duration {text[:64]!r} is none: write seconds, or a number with us, ms, s, m or h")
    return float(match[1]) * unit


def size_text(size: int) -> str:
    """A size as one writes it: ``1MiB``."""
    for name, unit in (("GiB", 1024 * MIB), ("MiB", MIB), ("KiB", KIB)):
        if size and size % unit == 0:
            return f"{size // unit}{name}"
    return str(size)


def duration_text(seconds: float) -> str:
    """A duration as one writes it: ``5ms``."""
    return f"{seconds:g}s" if seconds >= 1 or not seconds else f"{seconds * 1000:g}ms"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address. A name other than ``localhost`` may lead anywhere."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def read_settings(
    path: str, command: str, commands: Collection[str] | None = None, flags: Collection[str] | None = None
) -> dict[str, Any]:
    """The settings that a TOML file has for a command.

    What stands at its top is for each command that has such a flag: the server's settings, and those of readers. A
    table named like a command is for that command alone, and comes first.

    Args:
        path: the file.
        command: the command.
        commands: those there are; None: any table may stand in the file.
        flags: those the command has; None: the server's for ``serve``, ``dir`` for any other.

    Raises:
        ConfigError: the file cannot be read, is no TOML, or names a setting that there is not.
    """
    try:
        with open(path, "rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"configuration file {path!r} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"configuration file {path!r} is no TOML: {error}") from None
    tables = {name: table for name, table in content.items() if isinstance(table, dict)}
    top = {name: value for name, value in content.items() if name not in tables}
    for what, names, known in (("setting", top, SETTINGS | READER_SETTINGS), ("command", tables, commands)):
        unknown = [] if known is None else [name for name in names if name not in known]
        if unknown:
            raise ConfigError(f"configuration file {path!r}: there is no {what} {unknown[0]!r}: see streamhub --help")
    if flags is None:
        flags = SETTINGS if command == "serve" else {"dir"}
    return {**{name: top[name] for name in top.keys() & set(flags)}, **tables.get(command, {})}

"""What a server can be told: one frozen struct, with the defaults."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final, Literal

from streamhub.errors import ConfigError

#: Where streams are when nobody says.
DEFAULT_DIRECTORY: Final = "outputs/execution_streams"

KIB: Final = 1024
MIB: Final = 1024 * KIB


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
        allow_hosts: further names that ``Host`` may say.
        allow_origins: further origins that may read, such as ``https://ui.example``.
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
    allow_hosts: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()

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
            ("poll-ceiling", self.poll_ceiling, self.poll_floor, 60),
        ):
            if not low <= value <= high:
                raise ConfigError(f"{name} {value} is out of range: give {low} to {high}")
        if self.inbound not in {"discard", "close"}:
            raise ConfigError(f"inbound {self.inbound!r} is unknown: give discard or close")

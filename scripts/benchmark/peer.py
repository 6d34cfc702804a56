"""What is measured: a server, how it is started, fed and ended."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, ClassVar, Self

from benchmark.processes import Process

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Peer:
    """A server in a process of its own, with one stream that is published to. Ended when its block is.

    Attributes:
        path: what a subscriber asks for.
        sse: whether that is server-sent events.
        opening, opened: what a subscriber says first, and what it is told then.
        keeps: whether it has the history for who comes late.
        process: the server.
        port: where it listens.
    """

    path: str = "/"
    sse: ClassVar[bool] = False
    opening: ClassVar[str] = ""
    opened: ClassVar[str] = ""
    keeps: ClassVar[bool] = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self.exit = ExitStack()
        self.process = self.exit.enter_context(Process(self.command(), folder / "log"))

    @classmethod
    def missing(cls) -> str:
        """What this machine lacks to run it, if anything."""
        return ""

    def command(self) -> list[str]:
        """The command that runs it."""
        raise NotImplementedError

    def started(self) -> None:
        """Wait until it listens, and make ready to publish."""
        self.port = int(self.process.line())

    def publish(self, lines: Sequence[bytes]) -> None:
        """Hand events over, all at once."""
        self.process.stdin.write(b"".join([line + b"\n" for line in lines]))

    def preload(self, lines: Sequence[bytes]) -> None:
        """Hand events over before anybody subscribes; returns when they are there."""
        self.publish(lines)

    def __enter__(self) -> Self:
        try:
            self.started()
        except BaseException:
            self.exit.close()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self.exit.close()

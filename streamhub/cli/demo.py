"""``streamhub demo``: a server, and sample missions to watch."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import sys
import time
from typing import TYPE_CHECKING

import click

from streamhub.cli.help import command
from streamhub.cli.options import config_option, host_option, port_option
from streamhub.cli.serve import cannot_listen
from streamhub.config import Config, default_directory, is_loopback
from streamhub.demo import run
from streamhub.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@command()
@config_option
@host_option
@port_option
@click.option(
    "--dir",
    "directory",
    metavar="FOLDER",
    help="Where the sample missions write.  [default: a new folder below that of the streams]",
)
def demo(host: str, port: int, directory: str | None) -> None:
    """Serve sample missions that keep emitting.

    Prints the dashboard's URL once it listens, and runs until SIGINT or SIGTERM.
    """
    if not is_loopback(host):
        raise ConfigError(f"host {host!r} is not loopback: the demo is for this machine only")
    config = Config(directory or _fresh_directory(), host, port)
    try:
        asyncio.run(run(config, _started(config)))
    except OSError as error:
        raise cannot_listen(config, error) from error


def _fresh_directory() -> str:
    return os.path.join(default_directory(), time.strftime("demo-%Y%m%dT%H%M%S"))


def _started(config: Config) -> Callable[[str, Sequence[str]], None]:
    def say(url: str, streams: Sequence[str]) -> None:
        click.echo(url)
        stream = f"/v1/stream/{streams[0]}"
        click.echo(
            f"streamhub: sample missions write to {config.directory}. Open the URL, or watch one of them:\n"
            f"  npx wscat -c {url.replace('http', 'ws', 1)}{stream}/ws\n"
            f"  curl -N {url}{stream}/sse\n"
            f"  {called(sys.argv[0])} tail -f --url {url} {streams[0]}\n"
            "Ctrl-C ends it.",
            err=True,
        )

    return say


def called(program: str) -> str:
    """What to type to run this program once more: its name alone only where that leads to the same file.

    Args:
        program: the path by which it was started.
    """
    if os.path.basename(program) == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m streamhub"
    name = os.path.basename(program)
    found = shutil.which(name)
    return name if found and os.path.realpath(found) == os.path.realpath(program) else shlex.quote(program)

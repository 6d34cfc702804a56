"""``streamhub relay``: streams past one host, by way of NATS JetStream."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
from typing import Any

import click

from streamhub.cli.help import Command
from streamhub.cli.options import check_directory
from streamhub.cli.relay_options import common_options, creation_options, poll_options
from streamhub.cli.relay_progress import progress
from streamhub.errors import StreamDiffersError
from streamhub.relay.meter import Meter
from streamhub.relay.settings import Settings, without_secret


@click.group()
def relay() -> None:
    """Carry streams to other hosts, by way of NATS JetStream."""


@relay.command(cls=Command)
@common_options
@creation_options
@poll_options
@click.pass_context
def push(ctx: click.Context, /, **settings: Any) -> None:  # noqa: ANN401
    r"""Publish the lines of a folder of streams, until SIGINT or SIGTERM.

    \b
      streamhub relay push --dir streams --nats nats://broker.example:4222

    JetStream's stream is made if it is not there. A stream that is not what JetStream has of it (its file was cut or
    replaced) is reported and left.
    """
    config = Settings(**settings)
    check_directory(ctx, config.directory)
    os.makedirs(config.directory, exist_ok=True)
    _run("push", config, f"pushing {config.directory} to")


@relay.command(cls=Command)
@common_options
@click.pass_context
def pull(ctx: click.Context, /, **settings: Any) -> None:  # noqa: ANN401
    r"""Append the lines that JetStream has to the files of a folder, until SIGINT or SIGTERM.

    \b
      streamhub relay pull --dir streams --nats nats://broker.example:4222 --match 'team-*'

    Only what fits a file's end is appended; a file that differs from the origin's is reported and left.
    """
    config = Settings(**settings)
    check_directory(ctx, config.directory)
    os.makedirs(config.directory, exist_ok=True)
    _run("pull", config, f"pulling {config.directory} from")


def _run(direction: str, config: Settings, what: str) -> None:
    relay = getattr(importlib.import_module("streamhub.relay.run"), direction)  # only now: not all have NATS's client
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("nats").setLevel(logging.CRITICAL)  # what it has to say, comes through its callbacks
    meter = Meter()

    def started(port: int | None) -> None:
        where = ", ".join(map(without_secret, config.servers))
        click.echo(f"streamhub: {what} {where}; Ctrl-C stops it", err=True)
        if port is not None:
            click.echo(f"streamhub: metrics on http://{config.metrics_host}:{port}/metrics", err=True)

    with progress(meter):
        asyncio.run(relay(config, meter, started))
    click.echo(f"streamhub: {meter.lines} lines, {meter.bytes} bytes, {meter.streams} streams", err=True)
    if config.once and meter.refused:
        raise StreamDiffersError(_refused(meter.refused))


def _refused(refused: dict[str, str]) -> str:
    stream, reason = next(iter(refused.items()))
    others = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
    return f"stream {stream!r} was left as it is{others}: {reason}"

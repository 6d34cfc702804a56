"""``streamhub emit``: events into a stream, from arguments or from JSON lines."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, get_args

import click

from streamhub.cli.help import command
from streamhub.cli.options import config_option, directory_option
from streamhub.cli.payloads import from_arguments, from_line
from streamhub.emitter import Emitter, EndState
from streamhub.errors import InvalidEventError, StreamhubError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamhub.events import Payload


@command()
@config_option
@directory_option
@click.option("--mission-id", metavar="ID", required=True, help="The mission that tells it.")
@click.option("--stream-id", metavar="ID", help="The stream, new or one that goes on.  [default: a new id]")
@click.option("--close", type=click.Choice(get_args(EndState)), help="End the stream with this status.")
@click.argument("event_type", required=False)
@click.argument("fields", nargs=-1)
def emit(
    directory: str,
    mission_id: str,
    stream_id: str | None,
    close: EndState | None,
    event_type: str | None,
    fields: tuple[str, ...],
) -> None:
    r"""Write events to a stream, and print its live_stream_id.

    \b
      streamhub emit --mission-id m-42 navigation url=https://example.com action=click
      streamhub emit --mission-id m-42 --stream-id s-1 signal name=captcha value=true
      streamhub emit --mission-id m-42 --stream-id s-1 status state=completed final=true

    Without arguments it takes JSON lines from stdin, each {"event_type": ..., "payload": {...}}. Each line's time is
    that of its writing. A bad line is reported and passed over; the exit code is 1 then. The stream stays open unless
    an event says otherwise, or --close.
    """
    payload = None if event_type is None else from_arguments(event_type, fields)
    if payload is None and (sys.stdin is None or sys.stdin.isatty()):
        raise click.UsageError("there is nothing to emit: give an event type and its fields, or JSON lines on stdin")
    logging.basicConfig(format="streamhub: %(message)s")
    stream = Emitter(mission_id, stream_id, directory, closes_stream=close is not None, strict=payload is not None)
    with stream:
        click.echo(stream.live_stream_id)
        bad = _emit(stream, payload)
        stream.close(close)
    if bad or stream.dropped:
        raise StreamhubError(f"not all is in the stream: {bad} lines were no events, {stream.dropped} events got lost")


def _emit(stream: Emitter, payload: Payload | None) -> int:
    """Emit the one event, or those of stdin; how many lines were none."""
    if payload is None:
        return _emit_lines(stream, sys.stdin.buffer)
    stream.emit(payload)
    return 0


def _emit_lines(stream: Emitter, lines: Iterable[bytes]) -> int:
    """Emit what is an event; how many lines are none."""
    bad = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            stream.emit(from_line(line, stream.mission_id))
        except InvalidEventError as error:
            bad += 1
            click.echo(f"streamhub: line {number}: {error}", err=True)
    return bad

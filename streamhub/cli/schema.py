"""``streamhub schema``: what an event is, for programs."""

from __future__ import annotations

import json

import click

from streamhub.cli.help import command
from streamhub.events import json_schema


@command()
def schema() -> None:
    r"""Print the JSON Schema of an event.

    The same as a server has at /v1/schema.

    \b
      streamhub schema > event.schema.json
    """
    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))

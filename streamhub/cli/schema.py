"""``streamhub schema``: what an event is, for programs."""

from __future__ import annotations

import json

import click

from streamhub.events import json_schema


@click.command()
def schema() -> None:
    r"""Print the JSON Schema (2020-12) of an event, the same as a server has at /v1/schema.

    \b
      streamhub schema > event.schema.json
    """
    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))

"""What a scrape says: its samples, and what `promtool check metrics` would object to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from tests.servers import Server

Samples = dict[tuple[str, str], float]

_SUFFIXES = ("_total", "_bucket", "_count", "_sum")
_TYPES = ("counter", "gauge", "histogram", "summary", "untyped")
#: Units that are no base units, and abbreviations of any.
_UNITS = re.compile(
    "s|ms|us|ns|sec|milliseconds?|microseconds?|nanoseconds?|minutes?|hours?|days?|weeks?|"
    "b|kb|mb|gb|bits?|kilobytes?|megabytes?|gigabytes?|percent|celcius|kelvins?|m|h|d"
)


def samples(text: str) -> Samples:
    """The numbers of a scrape, by name and by the value of the one label that ours have (or none)."""
    return {
        (sample.name, ",".join(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def scraped(server: Server) -> Samples:
    """What a server says now."""
    _, _, body = await server.get("/metrics")
    return samples(body.decode())


def objections(text: str) -> list[str]:
    """What a linter of metrics has to say: the rules of Prometheus' own, and one series once."""
    found: list[str] = []
    seen: set[tuple[str, str]] = set()
    for family in text_string_to_metric_families(text):
        found += [f"{family.name}: {objection}" for objection in _of_family(family)]
        for sample in family.samples:
            key = (sample.name, str(sorted(sample.labels.items())))
            if key in seen:
                found.append(f"{key} twice")
            seen.add(key)
    return found


def _of_family(family: Metric) -> Iterator[str]:
    if not family.documentation.strip():
        yield "no help"
    if not re.fullmatch("[a-z][a-z0-9_]*", family.name):
        yield "no snake case"
    if any(_UNITS.fullmatch(word) for word in family.name.split("_")):
        yield "no base unit, or an abbreviated one"
    if any(word in _TYPES for word in family.name.split("_")):
        yield "its type is in its name"
    if family.type != "histogram" and any({"le", "quantile"} & sample.labels.keys() for sample in family.samples):
        yield "a label that is a histogram's"
    for sample in family.samples:
        if family.type == "counter" and not sample.name.endswith("_total"):
            yield "a counter that does not end with _total"
        if family.type == "gauge" and sample.name.endswith(_SUFFIXES):
            yield "a gauge that ends like another type"

"""The Grafana dashboard and the alerts: each of their queries asks for what a server says."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import ROOT
from tests.servers import served

DEPLOY = ROOT / "docs" / "deploy"
#: What Prometheus adds to every series, and what it says itself of a scrape.
ADDED = {"job", "instance"}
ITS_OWN = {"up": ADDED}
FUNCTIONS = {"sum", "max", "by", "rate", "increase", "histogram_quantile", "le"}


def dashboard() -> dict[str, Any]:
    """The dashboard."""
    board: dict[str, Any] = json.loads((DEPLOY / "grafana.json").read_text())
    return board


def rules() -> list[dict[str, Any]]:
    """The alerts."""
    (group,) = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def queries() -> dict[str, str]:
    """Every query, by where it stands."""
    panels = {
        f"panel {panel['title']} {target['refId']}": target["expr"]
        for panel in dashboard()["panels"]
        for target in panel.get("targets", [])
    }
    return {**panels, **{f"alert {rule['alert']}": rule["expr"] for rule in rules()}}


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, set[str]]]:
    """For each series of a server that has just begun: its labels, each with its values."""

    async def scrape() -> str:
        async with served(tmp_path_factory.mktemp("streams")) as server:
            return (await server.get("/metrics"))[2].decode()

    found: dict[str, dict[str, set[str]]] = {}
    body = asyncio.run(scrape())
    for family in text_string_to_metric_families(body):
        for sample in family.samples:
            of_it = found.setdefault(sample.name, {})
            for name, value in sample.labels.items():
                of_it.setdefault(name, set()).add(value)
    return found


def asked(query: str) -> dict[str, dict[str, list[str]]]:
    """The series that a query names, each with the labels that are chosen by, and the values that may be meant."""
    found: dict[str, dict[str, list[str]]] = {}
    for name, selectors in re.findall(r"([a-z_:]{2,})(?:\{([^}]*)\})?(?=[\s\[)]|$)", query):
        if name in FUNCTIONS or f"by ({name}" in query or re.search(rf"by \([^)]*\b{name}\b", query):
            continue
        chosen = re.findall(r'(\w+)=~?"([^"]*)"', selectors)
        found[name] = {label: value.split("|") for label, value in chosen}
    return found


@pytest.mark.parametrize("place", queries())
def test_queries(place: str, labels: dict[str, dict[str, set[str]]]) -> None:
    """Each series is one that a server has from the start, with the labels and the values that are asked for."""
    query = queries()[place]
    series = asked(query)
    assert series, query
    assert query.count("(") == query.count(")")
    grouped = {name.strip() for part in re.findall(r"by \(([^)]*)\)", query) for name in part.split(",")}
    for name, chosen in series.items():
        known = {**{label: set[str]() for label in ITS_OWN.get(name, ADDED)}, **labels.get(name, {})}
        assert name in labels or name in ITS_OWN, name
        assert grouped | chosen.keys() <= known.keys(), (name, grouped, chosen)
        for label, values in chosen.items():
            assert label in ADDED or set(values) <= known[label], (name, label, values)
        counter = name.endswith(("_total", "_bucket"))
        assert counter == bool(re.search(rf"(rate|increase)\({name}\b", query)), f"{name}: a rate is of counters"


def test_nothing_is_left_out(labels: dict[str, dict[str, set[str]]]) -> None:
    """The dashboard shows every metric of ours, and the guide to operations explains every one."""
    ours = {re.sub("_(bucket|count|sum)$", "", name) for name in labels if name.startswith("streamhub_")}
    shown = " ".join(queries().values())
    told = (ROOT / "docs" / "operations.md").read_text()
    for name in ours:
        assert re.search(rf"\b{name}(_bucket)?\b", shown), name
        assert f"`{name}" in told, name


def test_the_dashboard_can_be_read() -> None:
    """Panels have names, ids and places of their own, within the width; each says what it shows."""
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    cells = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert all(panel["description"] for panel in panels if panel["type"] != "row")
    assert {variable["name"] for variable in dashboard()["templating"]["list"]} == {"datasource", *ADDED}


def test_alerts_say_what_to_do() -> None:
    """Each has a severity, a summary and a description; no two have the same name."""
    assert len({rule["alert"] for rule in rules()}) == len(rules()) > 5
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert rule["annotations"].keys() == {"summary", "description"}


def test_what_is_asked_is_understood() -> None:
    """The reading of queries that these tests rely on."""
    assert asked('sum by (a, b) (rate(x_total{job="j",cause=~"c|d"}[5m])) / y_now{}') == {
        "x_total": {"job": ["j"], "cause": ["c", "d"]},
        "y_now": {},
    }
    assert asked("up == 0") == {"up": {}}

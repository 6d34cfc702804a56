"""A relay's numbers: what they count, and that streams cannot make them grow without bound."""

from __future__ import annotations

import time
import urllib.request
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from streamhub.errors import StreamhubError
from streamhub.relay.meter import Meter
from streamhub.relay.metrics import MOST_STREAMS, Metrics, exported
from streamhub.relay.settings import Settings


def samples(meter: Meter) -> dict[tuple[str, str], float]:
    """What is exported, by name and label."""
    registry = CollectorRegistry()
    registry.register(Metrics(meter))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def test_what_is_counted() -> None:
    """What was carried, what was tried again and what is refused is there, summed up over all streams."""
    meter = Meter()
    meter.sent(b"one\ntwo\n")
    meter.wrote(4, 1, 0)
    meter.wrote(0, 0, 2)
    meter.retries["publish"] += 3
    meter.refused["a"] = "it was cut"
    found = samples(meter)
    assert found["streamhub_relay_messages_total", ""] == 2
    assert found["streamhub_relay_bytes_total", ""] == 12
    assert found["streamhub_relay_lines_total", ""] == 3
    assert found["streamhub_relay_repeats_total", ""] == 2
    assert found["streamhub_relay_retries_total", "publish"] == 3
    assert found["streamhub_relay_refused_streams", ""] == 1
    assert found["streamhub_relay_connected", ""] == 0


def test_lag_of_a_stream() -> None:
    """A stream that is behind tells by how many bytes and since when; one that has caught up tells nothing."""
    meter = Meter()
    meter.behind("a", 100)
    meter.behind("b", 5, time.time() - 60)
    found = samples(meter)
    assert found["streamhub_relay_lag_bytes", "a"] == 100
    assert 0 <= found["streamhub_relay_lag_seconds", "a"] < 50
    assert found["streamhub_relay_lag_seconds", "b"] >= 60
    assert found["streamhub_relay_lacking_bytes", ""] == 105
    assert found["streamhub_relay_longest_lag_seconds", ""] >= 60
    meter.behind("a", 30)
    assert samples(meter)["streamhub_relay_lag_bytes", "a"] == 30
    meter.behind("a", 0)
    meter.behind("b", -1)
    found = samples(meter)
    assert not [name for name, label in found if label]
    assert found["streamhub_relay_longest_lag_seconds", ""] == 0


def test_however_many_streams_lag() -> None:
    """Only those furthest behind are told one by one; all of them are in the sums."""
    meter = Meter()
    for number in range(10 * MOST_STREAMS):
        meter.behind(f"s{number}", number + 1)
    found = samples(meter)
    told = [label for name, label in found if name == "streamhub_relay_lag_bytes"]
    assert len(told) == MOST_STREAMS
    assert f"s{10 * MOST_STREAMS - 1}" in told
    assert "s0" not in told
    assert found["streamhub_relay_lagging_streams", ""] == 10 * MOST_STREAMS


@pytest.mark.slow
def test_they_are_asked_for_over_http(tmp_path: Path) -> None:
    """On a port of its own, as long as the relay runs; on none when nobody asked for it."""
    meter = Meter()
    with exported(Settings(directory=str(tmp_path)), meter) as port:
        assert port is None
    with exported(Settings(directory=str(tmp_path), metrics_port=0), meter) as port:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            assert b"streamhub_relay_lines_total 0.0" in answer.read()
        taken = Settings(directory=str(tmp_path), metrics_port=port)
        with pytest.raises(StreamhubError, match="take another port"), exported(taken, meter):
            pass
    with exported(Settings(directory=str(tmp_path), metrics_port=port), meter) as again:
        assert again == port

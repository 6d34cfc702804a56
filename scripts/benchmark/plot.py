"""A picture of the medians."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmark.report import HEADINGS, number, summarize

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from benchmark.report import Row, Summary

#: What is drawn: the case, the figure, and what stands above it.
_PANELS: Final = (
    ("burst", "deliveries_per_s", "Burst: 2,000 events to 1,000 clients"),
    ("paced", "p99_ms", "Paced: 100 events/s to 1,000 clients"),
    ("paced", "server_cpu_s", "Paced: processor time of the server, for 5 s"),
    ("idle", "kib_per_client", "Idle: memory per client, 10,000 clients"),
    ("short-replay", "lines_per_s", "Replay: 10,000 lines to 100 clients"),
    ("emitter", "cpu_us_per_event", "Emitter: processor time per event"),
)
#: Who is measured to decide something, and nobody can choose.
_LEFT_OUT: Final = {"streamhub-uvloop"}
_OURS: Final = "#2563eb"
_THEIRS: Final = "#a8b0bd"


def draw(rows: Sequence[Row], file: Path) -> None:
    """Draw what was measured of it into a file, of the format that its name says."""
    panels = [(title, figure, summarize(rows, case)) for case, figure, title in _PANELS]
    panels = [panel for panel in panels if any(panel[1] in summary.medians for summary in panel[2].values())]
    # The same figures give the same file, with text that is text.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "streamhub", "font.family": "sans-serif"}):
        lines = max(1, (len(panels) + 1) // 2)
        picture = Figure(figsize=(11, 2.9 * lines), layout="constrained")
        for place, (title, figure, summaries) in enumerate(panels, 1):
            _panel(picture.add_subplot(lines, 2, place), title, figure, summaries)
        metadata = {"Date": None} if file.suffix == ".svg" else None
        picture.savefig(file, metadata=metadata)


def _panel(axes: Axes, title: str, figure: str, summaries: dict[str, Summary]) -> None:
    drawn = [(peer, summary) for peer, summary in summaries.items() if peer not in _LEFT_OUT]
    bars = {peer: summary.medians[figure] for peer, summary in drawn if figure in summary.medians}
    names, values = list(bars), list(bars.values())
    colors = [_OURS if name.startswith("streamhub") else _THEIRS for name in names]
    patches = axes.barh(names, values, color=colors, height=0.7)
    axes.bar_label(patches, labels=[number(value) for value in values], padding=3, fontsize=8)
    axes.set_ylim(max(len(names), 6) - 0.5, -0.6)  # the first on top; bars of one thickness
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
    axes.set_xlabel(HEADINGS[figure], fontsize=8)
    axes.tick_params(labelsize=8, length=0)
    axes.margins(x=0.2)
    axes.set_xlim(left=0)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.xaxis.set_ticks([])

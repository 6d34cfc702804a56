"""The command: which cases, which peers, how often, and where the results go."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from benchmark.plot import draw
from benchmark.processes import BenchError
from benchmark.profiling import summary
from benchmark.report import Row, tables
from benchmark.suite import CASES

if TYPE_CHECKING:
    from collections.abc import Iterator

_USUAL = ("burst", "paced", "gentle", "idle", "replay", "short-replay", "emitter")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measure streamhub beside what one might take.")
    parser.add_argument("--case", help=f"some of {', '.join(CASES)} (default: {','.join(_USUAL)})")
    parser.add_argument("--peer", help="some of the case's peers, such as streamhub,ws (default: those installed)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run; medians count (default: 3)")
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that it runs, not for figures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the medians there (.svg, .png)")
    parser.add_argument("--profile", type=Path, metavar="DIR", help="have py-spy record the servers' stacks there")
    return parser


def main() -> int:
    """Measure, and tell; gives 1 if a run failed."""
    parser = _parser()
    options = parser.parse_args()
    names = options.case.split(",") if options.case else list(_USUAL)
    peers = options.peer.split(",") if options.peer else None
    known = {peer for name in names if name in CASES for peer in CASES[name].peers}
    for kind, given, there in (("case", names, CASES), ("peer", peers or (), known)):
        if unknown := [name for name in given if name not in there]:
            parser.error(f"there is no {kind} {unknown[0]!r} here: take some of {', '.join(sorted(there))}")
    # Servers and clients inherit it: ten thousand connections are ten thousand descriptors.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leaves the blocks, and so ends the servers
    load = os.getloadavg()[0]
    rows = list(_measure(names, peers, options))
    console = Console(width=None if sys.stdout.isatty() else 140)
    for table in tables(rows):
        console.print(table)
    if options.profile:
        for run in dict.fromkeys((row.case, row.peer) for row in rows if row.figures):
            if files := sorted(options.profile.glob(f"{'-'.join(run)}-[0-9].txt")):
                console.print(summary(files))
    machine = _machine(load)
    console.print(machine)
    if options.quick:
        console.print("The sizes were small, not those of the titles: this shows that it runs, and nothing else.")
    if options.json:
        options.json.write_text(
            json.dumps({"machine": machine, "runs": [asdict(row) for row in rows]}, indent=1) + "\n"
        )
    if options.plot:
        draw(rows, options.plot)
    return 1 if any(row.error for row in rows) else 0


def _measure(names: list[str], peers: list[str] | None, options: argparse.Namespace) -> Iterator[Row]:
    """All runs: in each round every peer in turn, so that what disturbs the machine disturbs them all."""
    for name in names:
        case = CASES[name]
        here = [peer for peer in case.peers if peers is None or peer in peers]
        for peer in [peer for peer in here if case.missing(peer)]:
            print(f"bench: {name}: without {peer}: {case.missing(peer)}", file=sys.stderr)
            here.remove(peer)
        for number in range(1, options.rounds + 1):
            for peer in here:
                print(f"bench: {name}: {peer}, round {number} of {options.rounds}", file=sys.stderr)
                profile = options.profile / f"{name}-{peer}-{number}.txt" if options.profile else None
                try:
                    yield Row(name, peer, number, case.run(peer, options.quick, profile))
                except BenchError as error:
                    yield Row(name, peer, number, error=str(error))


def _machine(load: float) -> str:
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"load {load:.2f} before the first run, {os.getloadavg()[0]:.2f} after the last"
    )


if __name__ == "__main__":
    sys.exit(main())

"""The entry point: ``streamhub`` and ``python -m streamhub``."""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import version
from typing import Final

#: What the extras bring, as it is imported, and which of them does.
_EXTRAS: Final = {
    **dict.fromkeys(
        ("aiofiles", "aiohttp", "click", "cryptography", "jwt", "multidict", "prometheus_client", "rich"), "server"
    ),
    **dict.fromkeys(("nats", "nkeys"), "relay"),
}

#: What a shell gives a program that SIGINT ended.
_INTERRUPTED: Final = 130


def main() -> int:
    """Run the command line; gives the exit code."""
    try:
        return int(importlib.import_module("streamhub.cli.app").run())
    except KeyboardInterrupt:  # before there was anything to interrupt
        return _INTERRUPTED
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRAS:
            raise
        if sys.argv[1:] == ["--version"]:  # a mission's environment may have no more than what it takes to emit
            print(f"streamhub {version('streamhub')}")
            return 0
        # By its path, not by its name: another project bears that name in the package index.
        extra = f"install streamhub's checkout with its extra: pip install '.[{_EXTRAS[package]}]'"
        print(f"streamhub: {package} is not installed: {extra}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

"""The entry point: ``streamhub`` and ``python -m streamhub``."""

from __future__ import annotations

import importlib
import sys
from typing import Final

#: What the extra ``server`` brings, as it is imported.
_EXTRA: Final = {"aiofiles", "aiohttp", "click", "prometheus_client", "rich"}

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
        if package not in _EXTRA:
            raise
        print(f'streamhub: {package} is not installed: pip install "streamhub[server]"', file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

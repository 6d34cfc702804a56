"""streamhub on uvloop, to see whether that would gain anything. The arguments are those of ``streamhub``."""

from __future__ import annotations

import asyncio
import importlib
import sys

from streamhub.__main__ import main

if __name__ == "__main__":
    asyncio.set_event_loop_policy(importlib.import_module("uvloop").EventLoopPolicy())
    sys.exit(main())

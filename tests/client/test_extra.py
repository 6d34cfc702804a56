from __future__ import annotations

from tests.test_cli_app import python


def test_without_its_packages() -> None:
    """Whoever imports it in a mission's light environment is told what to install, as on the command line."""
    ended = python("import sys; sys.modules['aiohttp'] = None; import streamhub.client")
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: aiohttp is not installed: "
        "install streamhub's checkout with its extra: pip install '.[client]'"
    )

"""What tests share. A section each; fixtures for servers go to the end."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from tests.brokers import Broker
from tests.pages import chromium, visiting
from tests.servers import Server, ServerProcess, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from playwright.async_api import Browser

    from tests.pages import Dashboard

# --- where we run -----------------------------------------------------------------------------------------------------

ROOT = Path(__file__).resolve().parent.parent
CI = bool(os.environ.get("CI"))

# --- hypothesis: no deadline, since machines that run tests are busy; in CI the same examples every time --------------

settings.register_profile("dev", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True)
settings.load_profile("ci" if CI else "dev")


# --- what takes long: another program does; whether it works at all is worth it (marked quick) ------------------------

_PROGRAMS = {"browser", "nats_server"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what goes through a browser or a NATS server."""
    for item in items:
        if _PROGRAMS & set(getattr(item, "fixturenames", ())) and item.get_closest_marker("quick") is None:
            item.add_marker(pytest.mark.slow)


# --- what a machine may lack: skip and say so, but in CI fail, or a green run would prove nothing ---------------------


def missing(what: str) -> NoReturn:
    """End this test because the machine lacks something."""
    if CI:
        pytest.fail(f"{what} (CI is set: a skip would hide this)", pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="session")
def require_tool() -> Callable[[str, str], str]:
    """``require_tool("nats-server", "serves JetStream")``: the path of a program, or the end of the test."""

    def require(name: str, why: str) -> str:
        return shutil.which(name) or missing(f"{name} is not installed: it {why}")

    return require


@pytest.fixture(scope="session")
def node_modules(require_tool: Callable[[str, str], str]) -> Path:
    """The Node packages of ``tests/js``; programs are in its ``.bin``."""
    require_tool("node", "runs the clients of tests/js")
    path = ROOT / "tests" / "js" / "node_modules"
    if not path.is_dir():
        missing("tests/js/node_modules is not there: run scripts/setup")
    return path


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The browser that shows the dashboard."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    missing("chromium is not installed: it shows the dashboard")


# --- the dashboard: one browser for all its tests, which share a loop for that ----------------------------------------


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    """The browser; each test opens a window of its own in it."""
    async with chromium(chromium_path) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def dashboard(browser: Browser, tmp_path: Path) -> AsyncIterator[Dashboard]:
    """The dashboard of a server of the test's own folder."""
    async with served(tmp_path) as server, visiting(browser, server.url) as dashboard:
        yield dashboard


@pytest_asyncio.fixture(loop_scope="session")
async def process(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """A server of the test's own folder that can be killed."""
    async with ServerProcess(tmp_path) as process:
        yield process


# --- servers ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server in this process, of a folder of its own."""
    async with served(tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def nats_server(require_tool: Callable[[str, str], str]) -> str:
    """The program that serves JetStream."""
    return require_tool("nats-server", "serves JetStream")


@pytest.fixture
async def broker(tmp_path_factory: pytest.TempPathFactory, nats_server: str) -> AsyncIterator[Broker]:
    """A NATS server with JetStream, in a process of its own."""
    async with Broker(nats_server, tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """The folder that a relay pushes from."""
    path = tmp_path / "origin"
    path.mkdir()
    return path


@pytest.fixture
def edge(tmp_path: Path) -> Path:
    """The folder that a relay pulls to."""
    path = tmp_path / "edge"
    path.mkdir()
    return path

"""The manual: it can be built, its links lead somewhere, and the code in it runs."""

from __future__ import annotations

import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest

from tests.conftest import ROOT
from tests.manual import at_hand, pages, unknown_flags

if TYPE_CHECKING:
    from collections.abc import Callable

PAGES = {str(path.relative_to(ROOT)): path for path in pages()}
#: Tags of which the address is not followed but loaded, by their attribute.
_LOADED = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "srcset")}
_FENCED = re.compile(r"^[ \t]*(```+|~~~+).*?^[ \t]*\1", re.MULTILINE | re.DOTALL)


class Page(HTMLParser):
    """A page that was built: its links and its anchors."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[tuple[str, str, str]] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element's id, and where it leads."""
        for name, value in attrs:
            if name in {"id", "name"} and value:
                self.anchors.add(value)
            if name in {"href", "src", "srcset"} and value is not None:
                self.links.append((tag, name, value))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that scripts/docs makes."""
    out = tmp_path_factory.mktemp("manual") / "html"
    ended = subprocess.run([ROOT / "scripts" / "docs", out], capture_output=True, text=True, check=False, timeout=150)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"{out}/index.html\n"
    return out


@pytest.fixture(scope="session")
def html(built: Path) -> dict[Path, Page]:
    """Every page that was built."""
    return {path: Page(path) for path in built.rglob("*.html")}


# --- built ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_page_is_built(built: Path) -> None:
    """Without a warning, each page of docs/ comes to be one of the manual."""
    for name in PAGES:
        if name.startswith("docs/"):
            made = built / Path(name).relative_to("docs").with_suffix(".html")
            assert made.exists() or name.startswith("docs/reference/"), name
    assert "streamhub.Emitter" in (built / "reference" / "api.html").read_text()
    assert "--stall-timeout" in (built / "reference" / "commands.html").read_text()


@pytest.mark.slow
def test_links_between_pages(html: dict[Path, Page]) -> None:
    """Each link to another page, picture or file finds it, and the place in it."""
    checked = 0
    for path, page in html.items():
        for _tag, _name, link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or not (parts.path or parts.fragment):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists(), f"{path.name}: {link}"
            if parts.fragment and target.suffix == ".html" and target in html:
                assert unquote(parts.fragment) in html[target].anchors, f"{path.name}: {link}"
            checked += 1
    assert checked > 500


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(html: dict[Path, Page]) -> None:
    """The manual reads without a network; links that lead out are whole."""
    for path, page in html.items():
        for tag, name, link in page.links:
            parts = urlsplit(link)
            if (tag, name) in _LOADED:
                assert not parts.netloc, f"{path.name}: {link}"
            elif parts.netloc or parts.scheme:
                assert parts.scheme in {"http", "https", "mailto"}, f"{path.name}: {link}"
                assert "." in parts.netloc or parts.hostname == "localhost", f"{path.name}: {link}"
                assert " " not in link


@pytest.mark.parametrize("name", PAGES)
def test_links_in_a_checkout(name: str) -> None:
    """Whoever reads the sources, where the code is, finds what they link to too."""
    text = _FENCED.sub("", PAGES[name].read_text())
    for target in re.findall(r"\]\(<?([^)#>\s]+)", text):
        if not urlsplit(target).scheme:
            assert (PAGES[name].parent / unquote(target)).exists(), target


# --- the code -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", PAGES)
def test_examples(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, require_tool: Callable[[str, str], str]
) -> None:
    """Every block of a page does what it says, in order, as for a reader who follows it."""
    if re.search("^[$>] .*curl", PAGES[name].read_text(), re.MULTILINE):
        require_tool("curl", "is what readers of this page are told to type")
    with at_hand(tmp_path, monkeypatch) as sybil:
        for example in sybil.parse(PAGES[name]).examples():
            example.evaluate()


def test_a_page_that_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind of mistake is found: this is what the test above rests on."""
    page = tmp_path / "page.md"
    with at_hand(tmp_path / "reader", monkeypatch) as sybil:
        for block in (
            "```python\n1 / 0\n```",
            "```pycon\n>>> 1 + 1\n3\n```",
            "```console\n$ echo one\ntwo\n```",
            "```console\n$ false\n```",
            "```console fails\n$ true\n```",
            "```json\n{]\n```",
            '```json Problem\n{"type": 1}\n```',
            '```jsonl\n{"event_type": "navigation"}\n```',
            "```toml settings\nporrt = 1\n```",
            "```sh\nif\n```",
            "```sh\nstreamhub serve --nope\n```",
        ):
            page.write_text(f"# Page\n\n{block}\n")
            (example,) = sybil.parse(page).examples()
            with pytest.raises(Exception):  # noqa: B017, PT011 - whatever it is, it must not pass
                example.evaluate()
        page.write_text(
            "```python\na = 1\n```\n\n```python no-run\n1 / 0\n```\n\n```pycon\n>>> a + 1\n2\n```\n\n"
            "```console\n$ echo one; \\\n> echo two\no…o\n$ curl -s http://127.0.0.1:8765/healthz\nok\n```\n\n"
            "<!-- skip: next -->\n\n```python\n1 / 0\n```\n"
        )
        for example in sybil.parse(page).examples():
            example.evaluate()


def test_unknown_flags() -> None:
    """Flags are looked for in the command that they are given to."""
    script = "streamhub serve --port 0 --dir x | cat --nope\nstreamhub ls --port 1 # --x\nstreamhub --version && x -z"
    assert list(unknown_flags(script)) == ["streamhub ls has no flag --port"]
    assert list(unknown_flags("streamhub tail -f x \\\n  --nope; streamhub nope")) == [
        "streamhub tail has no flag --nope",
        "there is no command 'nope'",
    ]

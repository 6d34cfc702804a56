"""The manual: the code in its pages, and what it takes to run it.

How a block is marked says what becomes of it (CONTRIBUTING.md tells writers). Blocks of a page run in order, in one
folder and, for Python, in one namespace. The server that pages have at port 8765 is there, on another port.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from typing import TYPE_CHECKING, Any

import click
from sybil import Region, Sybil
from sybil.evaluators.doctest import DocTestEvaluator
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.abstract.doctest import DocTestStringParser
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer
from sybil.parsers.myst import SkipParser
from sybil.region import Lexeme

from streamhub.cli.app import cli
from streamhub.config import SETTINGS, Config
from streamhub.events import EVENT_TYPES
from streamhub.web.server import running
from tests.conftest import ROOT
from tests.web.described import openapi

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import pytest
    from sybil import Document, Example
    from sybil.typing import Evaluator

#: The address of the server in pages.
SHOWN = re.compile(r"(?:127\.0\.0\.1|localhost):8765")
#: What stands for anything in the output of a command.
ANYTHING = "…"
_NO_RUN = "no-run"
#: Our program where a command stands, perhaps behind a variable or with its path, and what it is given.
_OURS = re.compile(
    r"(?:^|[;|&(]|\w=\S*)[ \t]*(?:\S*/)?streamhub[ \t]+((?:[^|;&\n\\#)]|\\\n)+)",
    re.MULTILINE,
)
#: What a reader puts something of their own in the place of.
_PLACEHOLDER = re.compile(r"<[a-z][a-z0-9 _-]*>")
_fences = RawFencedCodeBlockLexer(re.compile(r"(?P<language>[\w{}-]+)[ \t]*(?P<marks>[^\n]*)\n"))


def pages() -> list[Path]:
    """The pages that people read: those at the root of the project, and all of docs/."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return sorted(path for path in found if "node_modules" not in path.parts)


@contextlib.contextmanager
def at_hand(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sybil]:
    """Be where a reader of a page is: in a folder of their own, with the server running that it tells to start."""
    streams = folder / "outputs" / "execution_streams"
    streams.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}")
    for name in [name for name in os.environ if name.startswith("STREAMHUB_")]:
        monkeypatch.delenv(name)
    with _serving(streams) as address:
        yield Sybil([SkipParser(), *_parsers(address)], patterns=["*.md"])


@contextlib.contextmanager
def _serving(streams: Path) -> Iterator[str]:
    """A server in a thread; gives its host and port."""
    started, stop = threading.Event(), threading.Event()
    urls: list[str] = []

    async def serve() -> None:
        async with running(Config(directory=str(streams), port=0)) as url:
            urls.append(url.removeprefix("http://"))
            started.set()
            await asyncio.get_running_loop().run_in_executor(None, stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(30)
    try:
        yield urls[0]
    finally:
        stop.set()
        thread.join()


def _parsers(address: str) -> list[Any]:
    evaluators: dict[str, Evaluator] = {
        **dict.fromkeys(("python", "py"), PythonEvaluator()),
        **dict.fromkeys(("json", "jsonl", "toml"), _check_data),
        **dict.fromkeys(("sh", "bash", "shell"), _check_shell),
        "console": _Console(address),
    }
    doctest = DocTestStringParser(DocTestEvaluator())

    def parse(document: Document) -> Iterable[Region]:
        document.namespace.setdefault("__name__", "__main__")
        for fence in _fences(document):
            source, language = fence.lexemes["source"], fence.lexemes["language"]
            if _NO_RUN in fence.lexemes["marks"].split():
                continue
            here = Lexeme(SHOWN.sub(address, source), source.offset, source.line_offset)
            if language == "pycon":
                yield from (_moved(region, fence) for region in doctest(here, document.path))
            elif language in evaluators:
                yield Region(fence.start, fence.end, here, evaluators[language], fence.lexemes)

    return [parse]


def _moved(region: Region, fence: Region) -> Region:
    """A doctest, in the place of the block that it is from: they must not overlap, but need be no more exact."""
    return Region(fence.start + region.start, fence.start + region.end, region.parsed, region.evaluator)


class _Console:
    """Runs the commands of a transcript, and holds what they print against it."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __call__(self, example: Example) -> str | None:
        may_fail = "fails" in example.region.lexemes["marks"].split()
        for command, wanted in _transcript(example.parsed):
            ended = subprocess.run(
                ["bash", "-c", command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=60,
            )
            came = ended.stdout.replace(self._address, "127.0.0.1:8765").strip()
            if bool(ended.returncode) != may_fail:
                return f"{command}\nended with {ended.returncode}:\n{came}"
            if not re.fullmatch(".*?".join(map(re.escape, wanted.split(ANYTHING))), came, re.DOTALL):
                return f"{command}\nprinted\n{came}\nand not\n{wanted}"
        return None


def _transcript(text: str) -> Iterator[tuple[str, str]]:
    """The commands of a transcript (after "$ "; "> " goes on with one), each with what it is to print."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        size = 1
        while size < len(lines) and lines[size].startswith("> "):
            size += 1
        yield "\n".join([lines[0], *(line[2:] for line in lines[1:size])]), "\n".join(lines[size:]).strip()


def _check_data(example: Example) -> str | None:
    """Data parses, and fits the schema that it is marked with; a line with an event's type is an event."""
    language, marks = example.region.lexemes["language"], example.region.lexemes["marks"].split()
    if language == "toml":
        unknown = tomllib.loads(example.parsed).keys() - SETTINGS - set(cli.list_commands(click.Context(cli)))
        return f"there is no setting {unknown}" if "settings" in marks and unknown else None
    texts = example.parsed.splitlines() if language == "jsonl" else [example.parsed]
    for value in map(json.loads, texts):
        kind = value.get("event_type") if isinstance(value, dict) else None
        own = {**dict.fromkeys(EVENT_TYPES, "ExecutionStreamEvent"), "malformed": "Malformed"}.get(str(kind))
        for name in marks or filter(None, [own]):
            openapi().check(value, {"$ref": f"#/components/schemas/{name}"})
    return None


def _check_shell(example: Example) -> str | None:
    """A shell could run it, and the flags of our own commands are there."""
    script = _PLACEHOLDER.sub("x", example.parsed)
    ended = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    return ended.stderr or "\n".join(unknown_flags(example.parsed)) or None


def unknown_flags(script: str) -> Iterator[str]:
    """The flags in a script that the commands of ours which they are given to do not have."""
    for words in _OURS.findall(script):
        command: click.Command = cli
        for word in words.replace("\\\n", " ").split():
            if isinstance(command, click.Group) and not word.startswith("-"):
                found = command.get_command(click.Context(command), word)
                if found is None:
                    yield f"there is no command {word!r}"
                    break
                command = found
            elif command.context_settings.get("ignore_unknown_options"):
                break  # what follows is another's
            elif word.startswith("-") and word.strip("-"):
                flag = word.partition("=")[0] if word.startswith("--") else word[:2]
                known = {name for option in command.get_params(click.Context(command)) for name in option.opts}
                if flag not in known:
                    yield f"streamhub {command.name} has no flag {flag}"

"""How Sphinx makes pages of this folder: scripts/docs."""

from __future__ import annotations

import re
from importlib.metadata import version as version_of
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sphinx.application import Sphinx

#: Pages that stand at the root of the project, where people look for them, and are included in pages here.
ROOT_PAGES: Final = re.compile(r"\]\(((?:\.\./)+)(CHANGELOG|CONTRIBUTING|SECURITY)\.md")
#: A type with what msgspec checks besides.
CONSTRAINED: Final = re.compile(r"Annotated\[([\w. |]+), msgspec\.Meta\(.*?\)\]", re.DOTALL)
#: A line of a table of contents that is a pattern.
GLOB: Final = re.compile(r"^([\w/.-]*\*[\w/*.-]*)\n", re.MULTILINE)

project = "streamhub"
author = "the streamhub developers"
copyright = author  # noqa: A001 - Sphinx's name
version = release = version_of("streamhub")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click"]
root_doc = "index"
exclude_patterns = ["**/node_modules"]
# A page of the reference whose module is not there (yet).
exclude_patterns += [f"reference/{name}.md" for name in ("client",) if find_spec(f"streamhub.{name}") is None]
# A language of a block that Pygments does not know is shown without colours.
suppress_warnings = ["misc.highlighting_failure"]

myst_enable_extensions = ["attrs_block", "deflist"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

autodoc_default_options = {"members": True, "member-order": "bysource", "show-inheritance": True}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"streamhub {release}"
html_static_path = ["_static"]
html_css_files = ["manual.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"footer_icons": [], "top_of_page_buttons": []}


def setup(app: Sphinx) -> None:
    """Have sources adapted as they are read."""
    app.connect("autodoc-process-signature", _leave_out_constraints)
    for part in ("description", "arguments", "options", "epilog"):
        app.connect(f"sphinx-click-process-{part}", _take_stars_as_such)
    app.connect("source-read", _lead_to_pages)
    app.connect("source-read", _leave_out_empty_globs)


def _leave_out_constraints(*event: object) -> tuple[str, str | None] | None:
    """Of a field's type the type alone: what msgspec checks besides is for the schema to say."""
    signature, returns = event[-2:]
    return (CONSTRAINED.sub(r"\1", signature), returns) if isinstance(signature, str) else None


def _take_stars_as_such(_app: Sphinx, _context: object, lines: list[str]) -> None:
    """Help is plain text: a star in it is a glob, and no emphasis; what looks like an address is none."""
    lines[:] = [line if "``" in line else line.replace("*", "\\*").replace("@", "\\@") for line in lines]


def _lead_to_pages(_app: Sphinx, name: str, source: list[str]) -> None:
    """A link to a page at the root of the project leads to the page here that includes it."""

    def here(match: re.Match[str]) -> str:
        up = match[1].removeprefix("../")
        return f"]({up}{match[2].lower()}.md" if up.count("../") == name.count("/") else match[0]

    source[0] = ROOT_PAGES.sub(here, source[0])


def _leave_out_empty_globs(app: Sphinx, name: str, source: list[str]) -> None:
    """A part of the table of contents may have no page (yet): to Sphinx a glob that nothing fits is a mistake."""
    if name == root_doc:
        folder = Path(app.srcdir)
        source[0] = GLOB.sub(lambda match: match[0] if any(folder.glob(f"{match[1]}.md")) else "", source[0])

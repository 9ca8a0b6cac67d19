"""How `make docs` builds the site. The pages stay Markdown that reads by itself."""

import re
import shutil
import sys
from importlib.metadata import distribution, version
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from reference import write_pages  # noqa: E402

project = "Ladderscope"
author = "The Ladderscope developers"
version = release = version("ladderscope")
language = "en"

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_external_toc",
    "diagrams",
]
external_toc_path = str(HERE / "toc.yml")
include_patterns = ["docs/*.md", "docs/reference/*.rst", "benchmarks/README.md", "CONTRIBUTING.md"]
exclude_patterns = [".*", "build", "demo", "dist", "news", "src", "tests"]

myst_enable_extensions = ["dollarmath"]
myst_fence_as_directive = ["math", "mermaid"]
myst_heading_anchors = 4

autosummary_generate = False
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
numpydoc_show_class_members = False
python_maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"

# The site works without a network: MathJax comes with it, and draws without fonts of its own.
mathjax_path = "tex-svg.js"
mathjax3_config: dict[str, object] = {}

highlight_language = "none"

html_theme = "sphinx_book_theme"
html_title = "Ladderscope"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = [("slider.js", {"defer": "defer"})]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "navbar_persistent": [],
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
}


def _copy_mathjax(app: Sphinx) -> None:
    folder = distribution("sphinx-mathjax-offline").locate_file("sphinx-mathjax-offline")
    static = Path(app.outdir, "_static")
    static.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(str(folder), "static", "mathjax", mathjax_path), static)


def _without_limits(
    _app: Sphinx,
    _kind: str,
    _name: str,
    _value: object,
    _options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """Show the type of a setting without its limits, which its docstring states."""
    limited = r"Annotated\[([^,\[\]]+),[^\[\]]*\]"
    return signature and re.sub(limited, r"\1", signature), returns


def setup(app: Sphinx) -> None:
    """Write the pages of the reference before Sphinx looks for pages."""
    write_pages(HERE.parent / "reference")
    app.connect("autodoc-process-signature", _without_limits)
    app.connect("builder-inited", _copy_mathjax)

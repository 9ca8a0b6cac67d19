"""The navigation of the documentation site has every page, and its reference every public name."""

import ast
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SITE = ROOT / "docs" / "site"
PAGES = sorted((ROOT / "docs").glob("*.md"))
BESIDE = [ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md"]


def entries(part):
    """List the pages that a part of the navigation names, in all depths."""
    yield from (part[key] for key in ("root", "file") if key in part)
    if "glob" in part:
        yield from (str(path.relative_to(ROOT))[:-3] for path in ROOT.glob(part["glob"] + ".md"))
    for below in [*part.get("subtrees", ()), *part.get("entries", ())]:
        yield from entries(below)


def test_the_navigation_names_every_page_once():
    named = list(entries(yaml.safe_load((SITE / "toc.yml").read_text())))
    found = [str(page.relative_to(ROOT))[:-3] for page in PAGES]
    assert sorted(name for name in named if Path(name).parent.name == "docs") == found
    assert all((ROOT / f"{name}.md").exists() for name in named if "reference/" not in name)


@pytest.mark.parametrize("page", [*PAGES, *BESIDE], ids=lambda page: page.stem)
def test_a_page_begins_with_its_title_and_says_who_it_is_for(page):
    title, _, reader, _ = page.read_text().split("\n", 3)
    assert title.startswith("# ")
    assert reader.startswith("*For ")
    assert reader.endswith(".*")


def test_the_reference_describes_every_public_name(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(SITE), *sys.path])
    from reference import MODULES, page, places

    public = {}
    for path in (ROOT / "src").rglob("*.py"):
        text = path.read_text()
        for node in ast.parse(text).body if "__all__ =" in text else ():
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                module = path.relative_to(ROOT / "src").with_suffix("")
                name = ".".join(module.parts).removesuffix(".__init__")
                public[name] = set(ast.literal_eval(node.value))
    found = places()
    assert set(MODULES) == set(public)
    assert {module: set(names) for module, names in found.items()} == public
    for module, names in found.items():
        words = page(module, names).split()
        assert all(name in words or f"{module}.{name}" in words for name in names), module

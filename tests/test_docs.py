"""The documentation's Python runs, and its tables say what the code does."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from ladderscope.models import PRESETS, DenoiserSettings
from ladderscope.models.presets import settings_for

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(DOCS.glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_python_on_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)


ROWS = {
    "levels": "levels",
    "filters": "filters",
    "latent channels per level": "latent_channels",
    "residual blocks per level": "blocks",
    "first kernel": "first_kernel",
    "activation": "activation",
    "[blind levels](structured_noise.md)": "blind_levels",
    "patch, pixels": "patch",
    "batch": "batch",
    "optimizer": "optimizer",
    "learning-rate schedule": "rate",
    "tile core, pixels": "tile_core",
    "tile overlap on each side, pixels": "tile_margin",
}
NUMBERS = {
    "dropout": "dropout",
    "learning rate": "learning_rate",
    "warm-up, steps": "warmup_steps",
    "gradient clip": "gradient_clip",
    "free bits": "free_bits",
    "KL weight": "kl_weight",
}


def test_the_table_of_presets_is_the_presets():
    rows = {}
    for line in (DOCS / "presets.md").read_text().splitlines():
        if line.startswith("| "):
            label, *values = (cell.strip() for cell in line.strip("|").split("|"))
            rows[label] = values
    names = [name.strip("`") for name in next(iter(rows.values()))]
    assert names == list(PRESETS)
    presets = [settings_for(DenoiserSettings, name) for name in names]
    for label, field in ROWS.items():
        assert rows[label] == [str(getattr(preset, field)) for preset in presets], label
    for label, field in NUMBERS.items():
        assert [float(value) for value in rows[label]] == [
            getattr(preset, field) for preset in presets
        ], label
    assert rows["batch normalisation"] == [
        "yes" if preset.batch_norm else "no" for preset in presets
    ]
    assert rows["budget"] == [
        next(
            f"{getattr(preset, unit):g} {unit}"
            for unit in ("minutes", "steps", "epochs")
            if getattr(preset, unit) is not None
        )
        for preset in presets
    ]


ROOT = DOCS.parent
LINKED = [*PAGES, *sorted(ROOT.glob("*.md")), ROOT / "benchmarks" / "README.md"]


def anchors(page):
    """List the fragments by which GitHub links to the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_inside_the_repository_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", page.read_text()):
        if "://" not in target:
            linked = page.parent / target if target else page
            assert linked.exists(), target
            assert not anchor or anchor in anchors(linked), f"{target}#{anchor}"


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_table_has_as_many_headings_as_columns(page):
    lines = page.read_text().splitlines()
    for headings, rule in pairwise(lines):
        if re.fullmatch(r"\|( ?:?-+:? ?\|)+", rule):
            assert len(re.findall(r"(?<!\\)\|", headings)) == rule.count("|"), headings

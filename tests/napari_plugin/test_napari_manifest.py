"""How napari finds the plugin, and what is said where napari is missing."""

import importlib.util
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import ladderscope

ROOT = Path(__file__).parents[2]
PACKAGE = Path(ladderscope.__file__).parent


def test_the_manifest_is_where_the_entry_point_says():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"]["napari.manifest"] == {
        project["name"]: "ladderscope.napari:napari.yaml"
    }
    manifest = yaml.safe_load((PACKAGE / "napari" / "napari.yaml").read_text("utf-8"))
    assert manifest["name"] == project["name"]


def test_every_command_is_offered_in_a_menu_and_exists():
    contributed = yaml.safe_load((PACKAGE / "napari" / "napari.yaml").read_text("utf-8"))[
        "contributions"
    ]
    offered = [one["command"] for kind in ("widgets", "sample_data") for one in contributed[kind]]
    assert [command["id"] for command in contributed["commands"]] == offered
    for command in contributed["commands"]:
        module, name = command["python_name"].split(":")
        source = (PACKAGE.parent / module.replace(".", "/")).with_suffix(".py").read_text("utf-8")
        assert f"class {name}(" in source or f"def {name}(" in source


def test_without_napari_the_plugin_names_the_extra(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("ladderscope.napari")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"ladderscope\[napari\]"):
        import ladderscope.napari  # noqa: F401

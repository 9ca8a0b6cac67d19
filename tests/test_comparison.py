"""The comparison with other tools: every claim about ours names a test, others a source."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "comparison.md"
TABLES = re.findall(r"(?:^\|.*\n)+", PAGE.read_text("utf-8"), flags=re.MULTILINE)
LINK = re.compile(r"\]\((\.\./tests/[^ )]+)(?: \"([^\"]*)\")?\)")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
WITHOUT = {"trained models"}  # there are none


def rows(table):
    """Give the cells of each row under the head, by the name of the row."""
    cells = [re.split(r" *\| *", line.strip("| ")) for line in table.splitlines()[2:]]
    return {name: rest for name, *rest in cells}


COMPARED = rows(next(table for table in TABLES if "| methods |" in table))
CHECKED = [table for table in TABLES if "| methods | r" in table]


@pytest.mark.parametrize("row", COMPARED)
def test_what_is_said_of_ladderscope_is_tested(row):
    links = LINK.findall(COMPARED[row][0])
    assert links or row in WITHOUT
    for path, test in links:
        source = (PAGE.parent / path).read_text("utf-8")
        assert re.search(rf"^ *def {re.escape(test)}\(", source, flags=re.MULTILINE), test


def test_what_is_said_of_others_names_how_it_was_checked():
    assert len(CHECKED) == 4
    assert all(len(cells) == 5 and all(cells) for cells in COMPARED.values())
    for table in CHECKED:
        checked = rows(table)
        assert list(checked) == list(COMPARED)
        assert all(re.search("read: |run: ", how) for (how,) in checked.values())


def test_the_pythons_are_those_of_the_package():
    versions = [one.rpartition(" ")[2] for one in PROJECT["classifiers"] if "Python :: 3." in one]
    assert PROJECT["requires-python"] == f">={versions[0]}"
    assert COMPARED["Python"][0].startswith(f"{versions[0]} to {versions[-1]} ")


def test_the_licence_is_the_one_of_the_package():
    assert COMPARED["licence"][0].startswith(f"{PROJECT['license']} ")
    assert "BSD 3-Clause" in (ROOT / "LICENSE").read_text("utf-8")

"""What a followed command tells: every event and field is in the documentation, and happens."""

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from ladderscope.cli.json_log import name_of
from ladderscope.events import Event

PAGE = (Path(__file__).parent.parent / "docs" / "events.md").read_text("utf-8")


@pytest.mark.parametrize("kind", get_args(Event), ids=name_of)
def test_an_event_and_its_fields_are_documented(kind):
    (row,) = re.findall(rf"^\| `{name_of(kind)}` \|.*$", PAGE, re.MULTILINE)
    named = re.findall("`([a-z_]+)`", row)
    assert {field.name for field in fields(kind)} <= set(named)

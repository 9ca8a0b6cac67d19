"""Whatever is changed in a valid model or noise file, it is opened or refused in our own words."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ladderscope.cli.info import info
from ladderscope.errors import LadderscopeError
from ladderscope.models.file import read_model
from ladderscope.noise import NoiseError, load_noise_model

sys.path.insert(0, str(Path(__file__).parent))

from write import FIXTURES, NOISE_HEAD, members_of, zipped

few = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([2**62, 10**30, 10**400, 1e308, -1, 0, "\x1b[31m", "a" * 5000]),
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(st.text(max_size=8), parts),
    max_leaves=6,
)


def opened_or_refused(path):
    """Open a model as `info` does; what opens has usable statistics."""
    try:
        model = read_model(path)
        info(path)
    except LadderscopeError as error:
        assert path.name in str(error)
        return
    assert all(np.isfinite(one.mean) and one.std > 0 for one in model.statistics)


def places(content, path=()):
    """List the paths of all values in JSON."""
    yield path
    parts = content.items() if isinstance(content, dict) else ()
    parts = enumerate(content) if isinstance(content, list) else parts
    for name, part in parts:
        yield from places(part, (*path, name))


def replaced(content, path, value):
    """Replace one value in JSON."""
    if not path:
        return value
    name, *rest = path
    copy = dict(content) if isinstance(content, dict) else list(content)
    copy[name] = replaced(copy[name], rest, value)
    return copy


@pytest.mark.parametrize(
    "kind", ["splitter", "from_careamics", "format_3/denoiser", "format_3/from_careamics"]
)
@few
@given(data=st.data())
def test_any_value_may_be_replaced_by_anything(kind, data, tmp_path):
    members = members_of(kind)
    member = data.draw(st.sampled_from(["config.json", "noise.json", "history.json"]))
    content = json.loads(members[member])
    place = data.draw(st.sampled_from(list(places(content))))
    changed = replaced(content, place, data.draw(anything))
    path = tmp_path / "m.ladder"
    path.write_bytes(zipped(members | {member: json.dumps(changed).encode()}))
    opened_or_refused(path)


@few
@given(data=st.data())
def test_any_bytes_may_be_flipped_cut_or_doubled(data, tmp_path):
    content = bytearray((FIXTURES / "format_3" / "splitter.ladder").read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.sampled_from([0, 30, directory, len(content) - 30]))
        place = min(start + data.draw(st.integers(0, 60)), len(content) - 1)
        match data.draw(st.sampled_from(["flip", "cut", "double"])):
            case "flip":
                content[place] = data.draw(st.integers(0, 255))
            case "cut":
                del content[place : place + data.draw(st.integers(1, 50))]
            case "double":
                content[place:place] = content[place : place + 40]
        if len(content) < 100:
            break
    path = tmp_path / "m.ladder"
    path.write_bytes(content)
    opened_or_refused(path)


@few
@given(changed=anything, key=st.sampled_from(["noise", "kind", "sigma", "format_version"]))
def test_noise_of_anything_is_a_model_or_refused(changed, key, tmp_path):
    model = {"kind": "gaussian", "sigma": 1.0}
    content = NOISE_HEAD | {"noise": model | {key: changed}}
    if key in ("noise", "format_version"):
        content = NOISE_HEAD | {"noise": model, key: changed}
    path = tmp_path / "noise.json"
    path.write_text(json.dumps(content))
    try:
        load_noise_model(path)
    except NoiseError as error:
        assert "noise.json" in str(error)

"""Rules of the code that no linter knows: short files, and imports where one sees them."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from ladderscope.noise.registry import KINDS
from ladderscope.noise_estimation.kinds import FITTABLE

SOURCE = Path(__file__).parents[1] / "src" / "ladderscope"
FILES = sorted(SOURCE.rglob("*.py"))
LONGEST = 400
ROOT = SOURCE.parents[1]
TESTS = ROOT / "tests"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
NEWS = sorted(path for path in (ROOT / "news").iterdir() if not path.name.startswith("."))

# Names that are loaded when they are first touched, for a start without torch; of these,
# noise/__init__.py alone hands on names of a room above it (pyproject.toml says why). Beside them
# are the tables of noise models and of fits, which load the file of a row, and the command line.
LAZY = {
    "__init__.py",
    "noise/__init__.py",
    "noise/registry.py",
    "noise_estimation/__init__.py",
    "noise_estimation/kinds.py",
}
LAZY_ROOMS = {"cli"}
LOADERS = {"import_module", "__import__"}
OURS = ("ladderscope", ".")


def named(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def test_there_are_files_to_look_at():
    assert len(FILES) > 100


def test_no_two_modules_of_the_tests_share_a_name():
    """Pytest and the tests import them by their bare names, whatever folder they are in."""
    of_name: dict[str, list[str]] = {}
    for path in TESTS.rglob("*.py"):
        of_name.setdefault(path.name, []).append(path.relative_to(TESTS).as_posix())
    assert {name: places for name, places in of_name.items() if len(places) > 1} == {}


def test_no_file_is_too_long():
    lengths = {named(path): len(path.read_text("utf-8").splitlines()) for path in FILES}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("import ladderscope.images", []),
        ("def f():\n    import torch", []),
        ("def f():\n    from ladderscope.images import Image", [2]),
        ("class A:\n    def f(self):\n        if self:\n            import ladderscope.noise", [4]),
        ("def f():\n    from .images import Image", [2]),
        ("if TYPE_CHECKING:\n    from ladderscope.images import Image", []),
        ('def f():\n    import_module("ladderscope.images")', [2]),
        ('def f():\n    importlib.import_module(f"ladderscope.{room}")', [2]),
        ("def f():\n    __import__(HOME[name])", [2]),
        ('ROOM = import_module("ladderscope.images")', [1]),
        ('def f():\n    import_module("microssim")', []),
        ('def f():\n    document.load("ladderscope")', []),
    ],
)
def test_an_import_of_ours_inside_a_function_is_found(source, lines):
    assert hidden_imports(source) == lines


def test_no_import_of_ours_hides_inside_a_function():
    hidden = {
        name: lines
        for path in FILES
        if (name := named(path)) not in LAZY
        and name.split("/")[0] not in LAZY_ROOMS
        and (lines := hidden_imports(path.read_text("utf-8")))
    }
    assert hidden == {}


def test_a_table_loads_only_files_of_its_own_room():
    assert {kind.module.rpartition(".")[0] for kind in KINDS.values()} == {"ladderscope.noise"}
    rooms = {kind.module.rpartition(".")[0] for kind in FITTABLE.values()}
    assert rooms == {"ladderscope.noise_estimation"}


def test_the_map_has_every_room_and_module():
    rooms = {path.name.removesuffix(".py") for path in SOURCE.iterdir() if path.suffix == ".py"}
    rooms |= {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    page = (SOURCE.parents[1] / "docs" / "architecture.md").read_text("utf-8")
    first_cells = re.findall(r"^\| (`.+?`) \|", page, flags=re.MULTILINE)
    named = {name for cell in first_cells for name in re.findall("`(.+?)`", cell)}
    assert named >= rooms - {"__init__"}


def test_all_stands_for_every_extra_that_users_may_want():
    extras = PROJECT["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    named = everything.removeprefix("ladderscope[").removesuffix("]").split(",")
    assert sorted(named) == sorted(extras.keys() - {"all", "dev"})


def test_shapes_are_those_of_a_class_of_arrays():
    # where numpy's NDArray is an alias and no class (2.5), jaxtyping cannot be imported with it
    shape = re.compile(r"\b(Bool|Float\w*|Int\w*|Num|Real|Shaped|UInt\w*)\[NDArray\[")
    assert [named(path) for path in FILES if shape.search(path.read_text("utf-8"))] == []


@pytest.mark.parametrize("path", NEWS, ids=lambda path: path.name)
def test_a_news_fragment_has_a_kind_that_the_changelog_knows(path):
    kinds = {kind["directory"] for kind in PROJECT["tool"]["towncrier"]["type"]}
    assert re.fullmatch(rf"\+[a-z0-9-]+\.({'|'.join(kinds)})\.md", path.name)
    assert path.read_text("utf-8").strip()


def hidden_imports(source: str) -> list[int]:
    """List the lines that import a module of ours inside a function, or by a call."""
    tree = ast.parse(source)
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    inside = {
        node for one in ast.walk(tree) if isinstance(one, functions) for node in ast.walk(one)
    }
    return sorted(
        node.lineno
        for node in ast.walk(tree)
        if is_load(node) or (node in inside and is_import(node))
    )


def is_import(node: ast.AST) -> bool:
    match node:
        case ast.Import(names=names):
            return any(one.name.partition(".")[0] == "ladderscope" for one in names)
        case ast.ImportFrom(module=module, level=level):
            return level > 0 or str(module).partition(".")[0] == "ladderscope"
    return False


def is_load(node: ast.AST) -> bool:
    """Whether a call imports a module of ours, or one whose name is not written there."""
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[module, *_]):
            foreign = isinstance(module, ast.Constant) and not str(module.value).startswith(OURS)
            return name in LOADERS and not foreign
    return False
